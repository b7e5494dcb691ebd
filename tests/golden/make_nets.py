"""Golden logits of networks that no file describes: python make_nets.py FOLDER, where FOLDER holds llama-f32.gguf.

The weights are that tiny model's, the network is another: other masks, or both parts of a block side by side. Float64,
as make_tiny.py.
"""

import json
import sys
from pathlib import Path

import numpy as np
from make_tiny import N_PROMPT, Reference, digits

# The tokens of the prompt that a prefix ends with; those after it are decoded.
PREFIX = 31
ROWS = [0, 9, PREFIX - 1, N_PROMPT - 1]


class Net(Reference):
    """`sees` gives, for n positions, which ones each sees: (n, n) booleans."""

    def __init__(self, path, sees, parallel=False):
        super().__init__(path)
        self.sees, self.parallel = sees, parallel

    def visible(self, n, local):
        return self.sees(n)

    def logits(self, ids):
        if not self.parallel:
            return super().logits(ids)
        x = self.w["token_embd.weight"][ids]
        for blk in range(self.layers):
            y = self.rms_norm(x, f"blk.{blk}.attn_norm.weight")
            x = x + self.attention(y, blk) + self.feed_forward(y, blk)
        return self.rms_norm(x, "output_norm.weight") @ self.w["output.weight"].T


def back(n):
    return np.arange(n)[:, None] - np.arange(n)


NETS = {
    "causal": (lambda n: back(n) >= 0, False),
    "window": (lambda n: (back(n) >= 0) & (back(n) < 5), False),
    "prefix": (lambda n: (back(n) >= 0) | (np.arange(n) < PREFIX), False),
    "full": (lambda n: np.ones((n, n), bool), False),
    "parallel": (lambda n: back(n) >= 0, True),
}

if __name__ == "__main__":
    folder = Path(__file__).parent
    prompt = json.loads((folder / "tiny_llama-f32.json").read_text())["prompt"]
    out = {"prompt": prompt, "prefix": PREFIX, "rows": ROWS, "logits": {}}
    for name, (sees, parallel) in NETS.items():
        z = Net(Path(sys.argv[1]) / "llama-f32.gguf", sees, parallel).logits(prompt)
        out["logits"][name] = [digits(z[row]) for row in ROWS]
    (folder / "nets.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")
