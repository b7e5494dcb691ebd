"""Golden logits of the tiny models: python make_tiny.py FOLDER, where FOLDER holds every tiny model as NAME.gguf.

The reference below computes in float64 on dequantized weights (numpy and the `gguf` package), so it says what
the model means. The models whose weights are all F32 are also run by llama.cpp, and its last logits are kept:
llama.cpp rounds activations for every other weight type, so only those can be compared closely.
"""

import json
import sys
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader
from gguf.quants import dequantize

N_PROMPT, N_GREEDY = 40, 16
FULL_ROWS = [0, 9, 39]


class Reference:
    def __init__(self, path):
        reader = GGUFReader(path)
        arch = reader.fields["general.architecture"].contents()

        def key(name, default=None):
            field = reader.fields.get(f"{arch}.{name}")
            return field.contents() if field else default

        self.gemma = arch == "gemma3"
        self.neox = arch != "llama"
        self.layers = key("block_count")
        self.n_embd = key("embedding_length")

        def by_layer(name, default=None):
            value = key(name, default)
            return value if isinstance(value, list) else [value] * self.layers

        self.heads = by_layer("attention.head_count")
        self.kv_heads = by_layer("attention.head_count_kv")
        self.head_dim = by_layer("attention.key_length", self.n_embd // self.heads[0])
        self.eps = key("attention.layer_norm_rms_epsilon")
        self.theta = key("rope.freq_base", 1e4)
        self.rope_factor = key("rope.scaling.factor", 1.0)
        self.window = key("attention.sliding_window")
        self.softcap = key("final_logit_softcapping")
        self.w = {t.name: weights(t).astype(np.float64) for t in reader.tensors}
        self.n_vocab = len(self.w["token_embd.weight"])

    def rms_norm(self, x, name):
        return x / np.sqrt(np.mean(x * x, -1, keepdims=True) + self.eps) * self.w[name]

    def rope(self, x, local):
        """x: (positions, heads, head_dim)"""
        half = x.shape[-1] // 2
        theta = 1e4 if local else self.theta
        freq = theta ** (-np.arange(half) / half) / (1.0 if local else self.rope_factor)
        if "rope_freqs.weight" in self.w:
            freq = freq / self.w["rope_freqs.weight"]
        angle = np.arange(len(x))[:, None, None] * freq
        pairs = np.arange(half)
        first, second = (pairs, pairs + half) if self.neox else (2 * pairs, 2 * pairs + 1)
        out = x.copy()
        out[..., first] = x[..., first] * np.cos(angle) - x[..., second] * np.sin(angle)
        out[..., second] = x[..., first] * np.sin(angle) + x[..., second] * np.cos(angle)
        return out

    def attention(self, x, blk):
        n, local = len(x), self.gemma and blk % 6 != 5
        heads, kv_heads, head_dim = self.heads[blk], self.kv_heads[blk], self.head_dim[blk]
        name = f"blk.{blk}.attn_"

        def project(role, heads):
            y = x @ self.w[f"{name}{role}.weight"].T + self.w.get(f"{name}{role}.bias", 0.0)
            return y.reshape(n, heads, head_dim)

        q, k, v = project("q", heads), project("k", kv_heads), project("v", kv_heads)
        if name + "q_norm.weight" in self.w:
            q, k = self.rms_norm(q, name + "q_norm.weight"), self.rms_norm(k, name + "k_norm.weight")
        q, k = self.rope(q, local), self.rope(k, local)
        k, v = (np.repeat(t, heads // kv_heads, 1) for t in (k, v))
        score = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(head_dim)
        score[:, ~self.visible(n, local)] = -np.inf
        weight = np.exp(score - score.max(-1, keepdims=True))
        weight /= weight.sum(-1, keepdims=True)
        out = np.einsum("hqk,khd->qhd", weight, v).reshape(n, -1)
        return out @ self.w[name + "output.weight"].T

    def visible(self, n, local):
        """Which positions each sees."""
        back = np.arange(n)[:, None] - np.arange(n)
        return (back >= 0) & (back < self.window if local else True)

    def feed_forward(self, x, blk):
        gate, up = (x @ self.w[f"blk.{blk}.ffn_{role}.weight"].T for role in ("gate", "up"))
        if self.gemma:
            gate = 0.5 * gate * (1 + np.tanh(np.sqrt(2 / np.pi) * (gate + 0.044715 * gate**3)))
        else:
            gate = gate / (1 + np.exp(-gate))
        return (gate * up) @ self.w[f"blk.{blk}.ffn_down.weight"].T

    def logits(self, ids):
        """(positions, n_vocab)"""
        x = self.w["token_embd.weight"][ids] * (np.sqrt(self.n_embd) if self.gemma else 1.0)
        for blk in range(self.layers):
            y = self.attention(self.rms_norm(x, f"blk.{blk}.attn_norm.weight"), blk)
            x = x + (self.rms_norm(y, f"blk.{blk}.post_attention_norm.weight") if self.gemma else y)
            y = self.feed_forward(self.rms_norm(x, f"blk.{blk}.ffn_norm.weight"), blk)
            x = x + (self.rms_norm(y, f"blk.{blk}.post_ffw_norm.weight") if self.gemma else y)
        head = self.w.get("output.weight", self.w["token_embd.weight"])
        z = self.rms_norm(x, "output_norm.weight") @ head.T
        return np.tanh(z / self.softcap) * self.softcap if self.softcap else z


def weights(tensor):
    """A tensor's weights. The `gguf` package lacks Q1_0."""
    if tensor.tensor_type != GGMLQuantizationType.Q1_0:
        return dequantize(tensor.data, tensor.tensor_type)
    from make_blocks import by_ggml

    columns, rows = (int(n) for n in tensor.shape)
    return by_ggml("q1_0", np.ascontiguousarray(tensor.data), rows * columns).reshape(rows, columns)


def digits(row):
    return [float(f"{v:.7g}") for v in row]


def golden(path):
    model = Reference(path)
    prompt, state = [], 1
    for _ in range(N_PROMPT):
        state = (state * 1103515245 + 12345) % 2**31
        prompt.append((state >> 8) % model.n_vocab)
    z = model.logits(prompt)
    greedy, gaps = [], []
    for _ in range(N_GREEDY):
        last = model.logits(prompt + greedy)[-1]
        best = np.argsort(-last)[:2]
        greedy.append(int(best[0]))
        gaps.append(round(float(last[best[0]] - last[best[1]]), 5))
    high = z.max(-1)
    out = {
        "model": path.stem,
        "prompt": prompt,
        "logits": {str(i): digits(z[i]) for i in FULL_ROWS},
        "argmax": z.argmax(-1).tolist(),
        "logsumexp": digits(high + np.log(np.exp(z - high[:, None]).sum(-1))),
        "greedy": greedy,
        "greedy_gaps": gaps,
    }
    note = f"{path.stem}: logits {z.min():.1f} to {z.max():.1f}, deviation {z.std():.2f}"
    if path.stem.endswith("-f32") and "uneven" not in path.stem:
        from make_llama_cpp import VERSION, LlamaCpp

        oracle = LlamaCpp(path)
        other = oracle.logits(prompt)
        oracle.close()
        worst = float(np.abs(other - z).max())
        out["llama_cpp"] = {
            "version": VERSION,
            "max_difference": float(f"{worst:.2g}"),
            "last_logits": digits(other[-1]),
        }
        note += f", llama.cpp differs by at most {worst:.2g}"
    print(note, flush=True)
    return out


if __name__ == "__main__":
    for path in sorted(Path(sys.argv[1]).glob("*.gguf")):
        text = json.dumps(golden(path), separators=(",", ":"))
        Path(__file__).with_name(f"tiny_{path.stem}.json").write_text(text + "\n")
