"""A GGUF file of random weights in a known model's shapes, to time engines on: python random_model.py OUT.gguf [--shape NAME].

Q4_K_M as llama.cpp mixes it: Q6_K for the embeddings, which are the output too, and for the values and the last matrix
of some layers; Q4_K for the rest. The vocabulary is 256 bytes and words that no text holds, so a text of n letters is
n tokens. What it writes means nothing.

Needs numpy, gguf.
"""

import argparse

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGUFWriter, TokenType

# Layers, width, width of the feed-forward part, query heads, KV heads, head size, vocabulary.
SHAPES = {
    "Llama-3.2-1B": (16, 2048, 8192, 32, 8, 64, 128256),
    "Llama-3.2-3B": (28, 3072, 8192, 24, 8, 128, 128256),
    "Llama-160M": (12, 768, 3072, 12, 12, 64, 32000),
    "small": (2, 512, 1024, 8, 2, 64, 4096),
    # 8 of its 48 layers.
    "Qwen3-30B-A3B": (8, 2048, 768, 32, 4, 128, 151936),
}
EXPERTS = {"Qwen3-30B-A3B": (128, 8)}
"""Experts of a layer, and those that a token takes."""
BLOCK = {Type.Q4_K: 144, Type.Q6_K: 210}
"""Bytes of a block of 256 weights."""


def byte_letters():
    """The letter of each byte, as byte-level BPE writes them (GPT-2, Radford et al. 2019)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    letters = dict(zip(plain, map(chr, plain))) | {b: chr(256 + i) for i, b in enumerate(others)}
    return [letters[b] for b in range(256)]


def is_finer(layer, layers):
    """Whether a layer's values and last matrix are Q6_K."""
    eighth = layers // 8
    return layer < eighth or layer >= 7 * eighth or (layer - eighth) % 3 == 2


def halves(rng, low, high, count):
    return rng.uniform(low, high, count).astype(np.float16).view(np.uint8).reshape(-1, 2)


def weights(rng, rows, columns, kind):
    """Blocks whose numbers are about 0.03, around zero."""
    blocks = rng.integers(0, 256, (rows * columns // 256, BLOCK[kind]), dtype=np.uint8)
    if kind == Type.Q4_K:
        blocks[:, 0:2] = halves(rng, 1e-4, 2e-4, len(blocks))
        blocks[:, 2:4] = halves(rng, 6e-4, 1.4e-3, len(blocks))
    else:
        blocks[:, 192:208] &= 0x8F
        blocks[:, 208:210] = halves(rng, 1e-5, 1e-4, len(blocks))
    return blocks.reshape(rows, -1)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("out")
    options.add_argument("--shape", choices=SHAPES, default="Llama-3.2-1B")
    options = options.parse_args()
    layers, width, wide, heads, kv_heads, head, words = SHAPES[options.shape]
    rng = np.random.default_rng(1)
    count, used = EXPERTS.get(options.shape, (0, 0))
    out = GGUFWriter(options.out, "qwen3moe" if count else "llama")
    out.add_name("random")
    out.add_block_count(layers)
    out.add_context_length(131072)
    out.add_embedding_length(width)
    out.add_feed_forward_length(wide)
    out.add_head_count(heads)
    out.add_head_count_kv(kv_heads)
    out.add_rope_dimension_count(head)
    if count:
        out.add_expert_count(count)
        out.add_expert_used_count(used)
        out.add_expert_feed_forward_length(wide)
        out.add_key_length(head)
        out.add_value_length(head)
    out.add_layer_norm_rms_eps(1e-6)
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("llama-bpe")
    letters = byte_letters()
    # A list of merges may not be empty: this one joins two zero bytes.
    out.add_token_list([*letters, 2 * letters[0], *(f"<{i}>" for i in range(words - 257))])
    out.add_token_types([TokenType.NORMAL] * 257 + [TokenType.CONTROL] * (words - 257))
    out.add_token_merges([f"{letters[0]} {letters[0]}"])
    out.add_bos_token_id(words - 2)
    out.add_eos_token_id(words - 1)

    def matrix(name, rows, columns, kind=Type.Q4_K, of=None):
        blocks = weights(rng, (of or 1) * rows, columns, kind)
        out.add_tensor(name, blocks.reshape(of, rows, -1) if of else blocks, raw_dtype=kind)

    matrix("token_embd.weight", words, width, Type.Q6_K)
    out.add_tensor("output_norm.weight", np.ones(width, np.float32))
    for layer in range(layers):
        at = f"blk.{layer}."
        finer = Type.Q6_K if is_finer(layer, layers) else Type.Q4_K
        out.add_tensor(at + "attn_norm.weight", np.ones(width, np.float32))
        matrix(at + "attn_q.weight", heads * head, width)
        matrix(at + "attn_k.weight", kv_heads * head, width)
        matrix(at + "attn_v.weight", kv_heads * head, width, finer)
        matrix(at + "attn_output.weight", width, heads * head)
        out.add_tensor(at + "ffn_norm.weight", np.ones(width, np.float32))
        if count:
            out.add_tensor(at + "attn_q_norm.weight", np.ones(head, np.float32))
            out.add_tensor(at + "attn_k_norm.weight", np.ones(head, np.float32))
            router = rng.standard_normal((count, width)).astype(np.float32)
            # Without what all tokens have in common, so that each takes experts of its own.
            router -= router.mean(axis=1, keepdims=True)
            out.add_tensor(at + "ffn_gate_inp.weight", router / np.float32(width**0.5))
        kind, of = ("_exps", count) if count else ("", None)
        matrix(at + f"ffn_gate{kind}.weight", wide, width, of=of)
        matrix(at + f"ffn_up{kind}.weight", wide, width, of=of)
        matrix(at + f"ffn_down{kind}.weight", width, wide, finer, of)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()


if __name__ == "__main__":
    main()
