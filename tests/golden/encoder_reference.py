"""Encoders in float64, by the tensors and keys of a GGUF file."""

import math

import numpy as np
from gguf import GGUFReader

erf = np.vectorize(math.erf)

# Layer norms; else RMS norms.
LAYER_NORMS = {"bert", "nomic-bert", "jina-bert-v2", "modern-bert"}
# Norms behind the parts of a block, and one of the embeddings.
BEHIND = {"bert", "nomic-bert", "jina-bert-v2"}
UNROTATED = {"bert", "jina-bert-v2"}
# Of so many layers which one sees the whole context.
# Where the file does not say so.
THETAS = {"modern-bert": 160_000.0}
PERIODS = {"modern-bert": (3, 0), "gemma-embedding": (6, 5)}


def gelu(x):
    return x / 2 * (1 + erf(x / math.sqrt(2)))


def gelu_tanh(x):
    return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def silu(x):
    return x / (1 + np.exp(-x))


def slopes(heads):
    """ALiBi's (Press et al. 2022), as its authors make them: of a power of two, and every other of the next one's."""

    def series(count):
        return [2 ** (-8 / count * (i + 1)) for i in range(count)]

    whole = 2 ** math.floor(math.log2(heads))
    return np.array(series(whole) + series(2 * whole)[::2][: heads - whole])


class Encoder:
    def __init__(self, path):
        reader = GGUFReader(path)
        self.arch = reader.fields["general.architecture"].contents()

        def key(name, default=None):
            field = reader.fields.get(f"{self.arch}.{name}")
            return field.contents() if field else default

        self.layer_norms, self.behind = self.arch in LAYER_NORMS, self.arch in BEHIND
        self.layers, self.n_embd = key("block_count"), key("embedding_length")
        self.heads, self.kv_heads = key("attention.head_count"), key("attention.head_count_kv")
        self.head_dim = key("attention.key_length")
        self.eps = key("attention.layer_norm_epsilon" if self.layer_norms else "attention.layer_norm_rms_epsilon")
        self.theta, self.local_theta = key("rope.freq_base", THETAS.get(self.arch, 1e4)), key("rope.freq_base_swa", 1e4)
        self.causal = key("attention.causal", self.arch != "gemma-embedding")
        self.window = key("attention.sliding_window")
        self.ranks_mean = key("pooling_type") == 4 and self.arch == "modern-bert"
        acts = {"bert": gelu, "jina-bert-v2": gelu, "gemma-embedding": gelu_tanh}
        self.act = {"gelu": gelu, "silu": silu}[key("hidden_act", "gelu")] if self.arch == "modern-bert" else acts.get(self.arch, silu)
        self.w = {t.name: np.array(t.data, np.float64).reshape(t.shape[::-1]) for t in reader.tensors}
        self.n_vocab = len(self.w["token_embd.weight"])

    def is_local(self, blk):
        period, whole = PERIODS.get(self.arch, (1, 0))
        return bool(self.window) and blk % period != whole

    def norm(self, x, name):
        if name + ".weight" not in self.w:
            return x
        if not self.layer_norms:
            return x / np.sqrt(np.mean(x * x, -1, keepdims=True) + self.eps) * self.w[name + ".weight"]
        x = x - x.mean(-1, keepdims=True)
        scale = np.sqrt(np.mean(x * x, -1, keepdims=True) + self.eps)
        return x / scale * self.w[name + ".weight"] + self.w.get(name + ".bias", 0.0)

    def linear(self, x, name):
        return x @ self.w[name + ".weight"].T + self.w.get(name + ".bias", 0.0)

    def rope(self, x, theta):
        if self.arch in UNROTATED:
            return x
        half = x.shape[-1] // 2
        angle = np.arange(len(x))[:, None, None] * theta ** (-np.arange(half) / half)
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
        # Jina's model of code norms all heads together.
        whole = len(self.w.get(name + "q_norm.weight", ())) == sizes[0] * self.head_dim
        if whole:
            parts = [self.norm(parts[0], name + "q_norm"), self.norm(parts[1], name + "k_norm"), parts[2]]
        q, k, v = (part.reshape(n, size, self.head_dim) for part, size in zip(parts, sizes))
        if name + "q_norm.weight" in self.w and not whole:
            q, k = self.norm(q, name + "q_norm"), self.norm(k, name + "k_norm")
        theta = self.local_theta if self.is_local(blk) else self.theta
        q, k = self.rope(q, theta), self.rope(k, theta)
        k, v = (np.repeat(t, self.heads // self.kv_heads, 1) for t in (k, v))
        score = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(self.head_dim)
        away = np.abs(np.arange(n)[:, None] - np.arange(n))
        if self.arch == "jina-bert-v2":
            score -= slopes(self.heads)[:, None, None] * away
        if self.causal:
            score[:, np.triu(np.ones((n, n), bool), 1)] = -np.inf
        if self.is_local(blk):
            score[:, away > self.window // 2] = -np.inf
        weight = np.exp(score - score.max(-1, keepdims=True))
        weight /= weight.sum(-1, keepdims=True)
        return self.linear(np.einsum("hqk,khd->qhd", weight, v).reshape(n, -1), name + "output")

    def feed(self, x, blk):
        up, gate = self.linear(x, f"blk.{blk}.ffn_up"), f"blk.{blk}.ffn_gate"
        if gate + ".weight" in self.w:
            inner = self.act(self.linear(x, gate)) * up
        elif self.arch == "bert":
            inner = self.act(up)
        else:
            first, second = np.split(up, 2, -1)
            if f"blk.{blk}.attn_norm_2.weight" in self.w:
                # Jina's model of code: `up_gated_layer`, not `gated_layers`.
                first, second = second, first
            inner = self.act(first) * second
        return self.linear(inner, f"blk.{blk}.ffn_down")

    def states(self, ids, types):
        x = self.w["token_embd.weight"][ids] * (math.sqrt(self.n_embd) if self.arch == "gemma-embedding" else 1)
        if "position_embd.weight" in self.w:
            x = x + self.w["position_embd.weight"][: len(ids)]
        if "token_types.weight" in self.w:
            x = x + self.w["token_types.weight"][types]
        x = self.norm(x, "token_embd_norm")
        for blk in range(self.layers):
            name = f"blk.{blk}."
            if self.behind:
                mixed = self.norm(x + self.attention(x, blk), name + "attn_output_norm")
                x = self.norm(x + mixed, name + "attn_norm_2") if name + "attn_norm_2.weight" in self.w else mixed
                x = self.norm(x + self.feed(x, blk), name + "layer_output_norm")
            else:
                # Gemma's norms behind the parts too, where there are any.
                x = x + self.norm(self.attention(self.norm(x, name + "attn_norm"), blk), name + "post_attention_norm")
                x = x + self.norm(self.feed(self.norm(x, name + "ffn_norm"), blk), name + "post_ffw_norm")
        return x if self.behind else self.norm(x, "output_norm")

    def embedding(self, pooled):
        if "dense_2.weight" in self.w:
            return self.linear(self.linear(pooled, "dense_2"), "dense_3")
        return pooled

    def head(self, state):
        """What a classifier, or a decoder of words, reads."""
        if "cls.weight" not in self.w:
            return state
        inner = self.linear(state, "cls")
        return self.norm(gelu(inner), "cls.norm") if "cls.norm.weight" in self.w else np.tanh(inner)

    def scores(self, states):
        pooled = states.mean(0) if self.ranks_mean else states[-1 if self.causal else 0]
        return self.linear(self.head(pooled), "cls.output")

    def words(self, state):
        return self.head(state) @ self.w["token_embd.weight"].T + self.w["output.bias"]
