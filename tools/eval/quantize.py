"""Sotto's quantising beside llama.cpp's, of the same floats, by hand.

Run: llama.cpp's bindings as in tests/golden/README.md, `cargo build --release --bin sotto`, then
     python tools/eval/quantize.py FLOATS.gguf [--importance FILE.gguf] [TYPE...]
Both write FLOATS in each type, on one thread; `sotto score` reads the beginning of a text by both files, on the CPU. Prints seconds,
bytes, perplexities, and how many tensors have other bytes or another type. Fails where Sotto's perplexity is more than 0.1 % the
higher one.
"""

import argparse
import ctypes
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import gguf
import llama_cpp as lib

sys.path.append(str(Path(__file__).parent))
from tensor_types import ROOT, score  # noqa: E402

QUIET = lib.llama_log_callback(lambda *_: None)
lib.llama_log_set(QUIET, None)
# What Sotto calls a mix, and the number of llama.cpp's.
TYPES = {"q8_0": 7, "q6_k": 18, "q5_k": 17, "q4_k": 15, "q3_k": 12, "q2_k": 10, "q4_0": 2}
MOST = 1e-3


def importance_of(path):
    """As llama.cpp takes it: a list that ends with an empty name."""
    found = {tensor.name: tensor.data.reshape(-1) for tensor in gguf.GGUFReader(path).tensors}
    entries = []
    for name, sums in found.items():
        if name.endswith(".in_sum2"):
            matrix = name.removesuffix(".in_sum2")
            means = (sums / found[f"{matrix}.counts"][0]).tolist()
            entries.append((matrix.encode(), (ctypes.c_float * len(means))(*means), len(means)))
    return [*entries, (None, None, 0)]


def by_llama_cpp(model, name, importance, out):
    params = lib.llama_model_quantize_default_params()
    params.ftype, params.nthread = TYPES[name], 1
    entries = importance_of(importance) if importance else []
    if entries:
        params.imatrix = (lib.llama_model_imatrix_data * len(entries))(*entries)
    assert lib.llama_model_quantize(str(model).encode(), str(out).encode(), ctypes.byref(params)) == 0


def by_sotto(model, name, importance, out):
    flags = ["--importance", importance] if importance else []
    command = [os.environ.get("SOTTO_BINARY", ROOT / "target/release/sotto"), "quantize", "--model", model, "--to", name, "--out", out, *flags]
    subprocess.run(command, check=True, capture_output=True)


def tensors(path):
    return {tensor.name: (tensor.tensor_type, tensor.data.tobytes()) for tensor in gguf.GGUFReader(path).tensors}


def main(args):
    print("| Type | by | s | MB | perplexity | tensors that differ |\n| --- | --- | --- | --- | --- | --- |")
    failed = []
    for name in args.types or TYPES:
        with tempfile.TemporaryDirectory() as folder:
            found = {}
            for who, write in (("llama.cpp", by_llama_cpp), ("Sotto", by_sotto)):
                out = Path(folder) / f"{who}.gguf"
                started = time.monotonic()
                write(args.model, name, args.importance, out)
                seconds = time.monotonic() - started
                found[who] = (seconds, out.stat().st_size / 1e6, score(out)["perplexity"], tensors(out))
            theirs = found["llama.cpp"][3]
            for who, (seconds, size, perplexity, ours) in found.items():
                other = sum(theirs[tensor] != ours[tensor] for tensor in theirs) if who == "Sotto" else ""
                print(f"| {name} | {who} | {seconds:.1f} | {size:.1f} | {perplexity:.4f} | {other} |", flush=True)
            if found["Sotto"][2] > found["llama.cpp"][2] * (1 + MOST):
                failed.append(name)
    if failed:
        sys.exit(f"worse than llama.cpp's: {', '.join(failed)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("types", nargs="*", choices=[[], *TYPES])
    parser.add_argument("--importance")
    main(parser.parse_args())
