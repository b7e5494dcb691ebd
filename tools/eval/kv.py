"""What each type of cache costs a model, by hand: the mean NLL of a text whose keys and values it holds, and bytes.

Run: cargo build --release --bin sotto, then python3 tools/eval/kv.py [--backend cpu|webgpu] [--characters N] MODEL.gguf...
Fails where q8_0 is more than 0.05 % from f16.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TYPES = ["f32", "f16", "q8_0", "q4_0"]
MOST = 5e-4


def sotto(*command):
    binary = os.environ.get("SOTTO_BINARY", ROOT / "target/release/sotto")
    return json.loads(subprocess.run([binary, *command, "--json"], check=True, capture_output=True, text=True).stdout)


def text(characters):
    prompts = json.loads((ROOT / "tests/golden/prompts.json").read_text())
    return next(prompt["text"] for prompt in prompts if prompt["name"] == "long")[:characters]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--characters", type=int, default=6000)
    parser.add_argument("models", nargs="+")
    args = parser.parse_args()
    far = []
    print("| Model | Cache | MB for 1,000 tokens | Mean NLL | against f16 |\n| --- | --- | --- | --- | --- |")
    for model in args.models:
        where = ["--model", model, "--backend", args.backend]
        nll = {}
        for kind in TYPES:
            memory = [
                sotto("inspect", *where, "--kv-type", kind, "--context-length", n)["verdict"]["memory"]["cache"]
                for n in ("1000", "2000")
            ]
            nll[kind] = sotto("score", *where, "--kv-type", kind, "--text", text(args.characters))["nll_mean"]
            apart = nll[kind] / nll.get("f16", nll[kind]) - 1 if kind != "f32" else 0
            megabytes = (memory[1] - memory[0]) / 1e6
            print(f"| {Path(model).name} | {kind} | {megabytes:.2f} | {nll[kind]:.5f} | {100 * apart:+.3f} % |", flush=True)
            if kind == "q8_0" and abs(apart) > MOST:
                far.append(model)
    sys.exit(f"q8_0 is more than {MOST:.2%} from f16: {', '.join(far)}" if far else 0)


if __name__ == "__main__":
    main()
