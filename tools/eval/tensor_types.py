"""What each tensor type costs a real model, and that Sotto reads it right, by hand.

Run: pip install gguf==0.19.0 numpy, GGML_BASE as in tests/golden/make_blocks.py, `cargo build --release --bin sotto`, then
     python tools/eval/tensor_types.py MODEL.gguf [--importance FILE.npz] [--kept FILE.json] [TYPE...]
For each type that llama.cpp's library writes, tests/golden/requantize.py makes two files: the model's matrices in this type,
and the same numbers as F32; where an importance matrix is given (tests/golden/importance.py), by that. A type takes from seconds
to minutes; with `--kept` the figures of those that are done are kept in this file and not made again. `sotto score` reads a text
by both, on the CPU; their perplexities differ by roundings of activations alone, and may by no more than 0.1 %. Rows that a type's blocks do not divide are IQ4_NL in both files.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Those of `TensorType::ALL`.
TYPES = (
    "F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS MXFP4 NVFP4 IQ3_S IQ3_XXS IQ2_S IQ2_XS IQ2_XXS "
    "IQ1_S IQ1_M Q1_0 Q2_0 TQ1_0 TQ2_0"
).split()
CHARACTERS = 3000
MOST = 1e-3


def text():
    prompts = json.loads((ROOT / "tests/golden/prompts.json").read_text())
    return next(prompt["text"] for prompt in prompts if prompt["name"] == "long")[:CHARACTERS]


def score(model):
    sotto = os.environ.get("SOTTO_BINARY", ROOT / "target/release/sotto")
    command = [sotto, "score", "--model", model, "--text", text(), "--backend", "cpu", "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def figures(model, name, importance):
    """The perplexities of the type and of the same numbers as F32, or why there are none."""
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/model"
        command = [sys.executable, ROOT / "tests/golden/requantize.py", model, name, out, *importance]
        made = subprocess.run(command, capture_output=True, text=True)
        if made.returncode != 0:
            return f"not written: {made.stderr.strip().splitlines()[-1:]}"
        return [score(f"{out}-{suffix}.gguf")["perplexity"] for suffix in (name, "f32")]


def main(args):
    kept = json.loads(args.kept.read_text()) if args.kept and args.kept.exists() else {}
    failed, importance = [], [args.importance] if args.importance else []
    print("| Type | Perplexity | of the same numbers as F32 | apart |\n| --- | --- | --- | --- |", flush=True)
    for name in args.types or TYPES:
        if name not in kept:
            kept[name] = figures(args.model, name, importance)
        if isinstance(kept[name], str):
            print(f"| {name} | {kept.pop(name)} | | |", flush=True)
            failed.append(name)
            continue
        ours, plain = kept[name]
        apart = ours / plain - 1
        print(f"| {name} | {ours:.4f} | {plain:.4f} | {100 * apart:+.4f} % |", flush=True)
        if not abs(apart) <= MOST:
            failed.append(name)
        if args.kept:
            args.kept.write_text(json.dumps(kept, indent=1))
    sys.exit(f"more than {MOST:.1%} apart: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("types", nargs="*")
    parser.add_argument("--importance", help="a matrix of tests/golden/importance.py")
    parser.add_argument("--kept", type=Path, help="where figures are kept: of one model, by one importance matrix")
    main(parser.parse_intermixed_args())
