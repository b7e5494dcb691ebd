"""Golden logits of the tiny models of tests/tiny/archs.rs, by llama.cpp: python make_archs.py FOLDER, where FOLDER holds each
as NAME.gguf (`tiny-models archs FOLDER`).

Of each a prompt of 40 ids, in one batch: at every position the logsumexp, and at some every so many logits. README.md
says which llama.cpp, and how it is found.
"""

import json
import sys
from pathlib import Path

import numpy as np
from make_llama_cpp import VERSION, LlamaCpp
from make_tiny import digits

N_PROMPT = 40
ROWS = [0, 7, 15, 23, 27, 32, 35, 39]
STRIDE = 11


def prompt(n_vocab):
    ids, state = [], 1
    for _ in range(N_PROMPT):
        state = (state * 1103515245 + 12345) % 2**31
        ids.append((state >> 8) % n_vocab)
    return ids


def main():
    out = {"llama_cpp": VERSION, "rows": ROWS, "stride": STRIDE, "archs": {}}
    for path in sorted(Path(sys.argv[1]).glob("*.gguf")):
        oracle = LlamaCpp(path)
        ids = out.setdefault("prompt", prompt(oracle.n_vocab()))
        z = oracle.logits(ids).astype(np.float64)
        oracle.close()
        high = z.max(-1)
        sums = high + np.log(np.exp(z - high[:, None]).sum(-1))
        out["archs"][path.stem] = {"logits": [digits(z[row, ::STRIDE]) for row in ROWS], "logsumexp": digits(sums)}
        print(f"{path.stem}: logits {z.min():.1f} to {z.max():.1f}, deviation {z.std():.2f}", flush=True)
    text = json.dumps(out, separators=(",", ":")).replace('},"', '},\n"')
    Path(__file__).with_name("archs.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
