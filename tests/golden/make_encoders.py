"""Golden states of the tiny models of tests/tiny/encoders.rs: python make_encoders.py FOLDER, where FOLDER holds each as
NAME.gguf (`tiny-models encoders FOLDER`).

Of each the mean, the first and the last state of three texts of 1, 7 and 40 ids, and the classifier's scores. The reference
computes in float64. BERT's is also compared with Hugging Face's FlaxBertModel, in float32 (transformers 4, flax).
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
from flax_bert import flax_bert
from gguf import GGUFReader

LENGTHS = [1, 7, 40]
erf = np.vectorize(math.erf)


class Encoder:
    def __init__(self, path):
        reader = GGUFReader(path)
        self.arch = reader.fields["general.architecture"].contents()

        def key(name, default=None):
            field = reader.fields.get(f"{self.arch}.{name}")
            return field.contents() if field else default

        self.bert = self.arch.endswith("bert")
        self.layers, self.n_embd = key("block_count"), key("embedding_length")
        self.heads, self.kv_heads = key("attention.head_count"), key("attention.head_count_kv")
        self.head_dim = key("attention.key_length")
        self.eps = key("attention.layer_norm_epsilon" if self.bert else "attention.layer_norm_rms_epsilon")
        self.theta = key("rope.freq_base", 1e4)
        self.causal = key("attention.causal", True)
        self.w = {t.name: np.array(t.data, np.float64).reshape(t.shape[::-1]) for t in reader.tensors}
        self.n_vocab = len(self.w["token_embd.weight"])

    def norm(self, x, name):
        if not self.bert:
            return x / np.sqrt(np.mean(x * x, -1, keepdims=True) + self.eps) * self.w[name + ".weight"]
        x = x - x.mean(-1, keepdims=True)
        return x / np.sqrt(np.mean(x * x, -1, keepdims=True) + self.eps) * self.w[name + ".weight"] + self.w[name + ".bias"]

    def linear(self, x, name):
        return x @ self.w[name + ".weight"].T + self.w.get(name + ".bias", 0.0)

    def rope(self, x):
        if self.arch == "bert":
            return x
        half = x.shape[-1] // 2
        angle = np.arange(len(x))[:, None, None] * self.theta ** (-np.arange(half) / half)
        pairs = np.arange(half)
        first, second = (2 * pairs, 2 * pairs + 1) if self.arch == "llama" else (pairs, pairs + half)
        out = x.copy()
        out[..., first] = x[..., first] * np.cos(angle) - x[..., second] * np.sin(angle)
        out[..., second] = x[..., first] * np.sin(angle) + x[..., second] * np.cos(angle)
        return out

    def attention(self, x, blk):
        n, name = len(x), f"blk.{blk}.attn_"
        sizes = [self.heads, self.kv_heads, self.kv_heads]
        if name + "qkv.weight" in self.w:
            ends = np.cumsum([size * self.head_dim for size in sizes])[:2]
            parts = np.split(self.linear(x, name + "qkv"), ends, -1)
        else:
            parts = [self.linear(x, name + role) for role in "qkv"]
        q, k, v = (part.reshape(n, size, self.head_dim) for part, size in zip(parts, sizes))
        if name + "q_norm.weight" in self.w:
            q, k = self.norm(q, name + "q_norm"), self.norm(k, name + "k_norm")
        q, k = self.rope(q), self.rope(k)
        k, v = (np.repeat(t, self.heads // self.kv_heads, 1) for t in (k, v))
        score = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(self.head_dim)
        if self.causal:
            score[:, np.triu(np.ones((n, n), bool), 1)] = -np.inf
        weight = np.exp(score - score.max(-1, keepdims=True))
        weight /= weight.sum(-1, keepdims=True)
        return self.linear(np.einsum("hqk,khd->qhd", weight, v).reshape(n, -1), name + "output")

    def feed(self, x, blk):
        up = self.linear(x, f"blk.{blk}.ffn_up")
        if self.arch == "bert":
            inner = up / 2 * (1 + erf(up / math.sqrt(2)))
        else:
            gate = self.linear(x, f"blk.{blk}.ffn_gate")
            inner = gate / (1 + np.exp(-gate)) * up
        return self.linear(inner, f"blk.{blk}.ffn_down")

    def states(self, ids, types):
        x = self.w["token_embd.weight"][ids]
        if "position_embd.weight" in self.w:
            x = x + self.w["position_embd.weight"][: len(ids)]
        if "token_types.weight" in self.w:
            x = x + self.w["token_types.weight"][types]
        if self.bert:
            x = self.norm(x, "token_embd_norm")
        for blk in range(self.layers):
            if self.bert:
                x = self.norm(x + self.attention(x, blk), f"blk.{blk}.attn_output_norm")
                x = self.norm(x + self.feed(x, blk), f"blk.{blk}.layer_output_norm")
            else:
                x = x + self.attention(self.norm(x, f"blk.{blk}.attn_norm"), blk)
                x = x + self.feed(self.norm(x, f"blk.{blk}.ffn_norm"), blk)
        return x if self.bert else self.norm(x, "output_norm")

    def scores(self, state):
        if "cls.weight" in self.w:
            state = np.tanh(self.linear(state, "cls"))
        return self.linear(state, "cls.output")


def digits(row):
    return [float(f"{v:.7g}") for v in row]


def texts(n_vocab):
    """(ids, types): the second half of the longest is of type 1."""
    state = 1
    for length in LENGTHS:
        ids = []
        for _ in range(length):
            state = (state * 1103515245 + 12345) % 2**31
            ids.append((state >> 8) % n_vocab)
        yield ids, [int(length == max(LENGTHS) and at >= length // 2) for at in range(length)]


def main():
    out = {}
    for path in sorted(Path(sys.argv[1]).glob("*.gguf")):
        model = Encoder(path)
        rows, worst = [], 0.0
        if model.arch == "bert":
            weights = {name: array.astype(np.float32) for name, array in model.w.items()}
            hugging_face = flax_bert(weights, model.heads, model.eps)
        for ids, types in texts(model.n_vocab):
            if "token_types.weight" not in model.w:
                types = [0] * len(ids)
            states = model.states(ids, types)
            if model.arch == "bert":
                worst = max(worst, float(np.abs(hugging_face(ids, types, [1] * len(ids)) - states).max()))
            row = {"ids": ids, "types": types, "mean": digits(states.mean(0)), "cls": digits(states[0])}
            row["last"] = digits(states[-1])
            if "cls.output.weight" in model.w:
                row["scores"] = digits(model.scores(states[0]))
            rows.append(row)
        out[path.stem] = rows
        print(f"{path.stem}: states to {np.abs(states).max():.1f}, Hugging Face differs by {worst:.1g}", flush=True)
    text = json.dumps(out, separators=(",", ":")).replace('],"', '],\n"')
    Path(__file__).with_name("encoders.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
