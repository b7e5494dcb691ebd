"""Writes a GGUF model and an ONNX graph whose matrices are all 2048 x 2048 in 4 bits, with random weights, for kernels.mjs.

    kernel_models.py OUT_FOLDER

OUT_FOLDER gets model.gguf, a llama of one layer in Q4_0 whose every projection has that size, and level0.onnx and
level4.onnx: eight `MatMulNBits` in blocks of 32, one behind the other, with f32 and with 8-bit activations.
"""

import sys
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter
from gguf.quants import quantize
from onnx import TensorProto, helper, save_model

N = 2048
HEADS = 16
BLOCK = 32
CHAIN = 8


def write_gguf(path, random):
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(1024)
    writer.add_embedding_length(N)
    writer.add_feed_forward_length(N)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(N // HEADS)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    # GPT-2's alphabet: printable bytes stand for themselves, the others for what follows U+0100.
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    tokens = [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(others))] + ["ab"]
    writer.add_token_list(tokens)
    writer.add_token_types([1] * len(tokens))
    writer.add_token_merges(["a b"])

    def matrix(name, rows, kind):
        weights = (random.standard_normal((rows, N)) * 0.02).astype(np.float32)
        writer.add_tensor(name, quantize(weights, kind), raw_dtype=kind)

    matrix("token_embd.weight", len(tokens), GGMLQuantizationType.Q8_0)
    writer.add_tensor("output_norm.weight", np.ones(N, np.float32))
    for name in ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]:
        matrix(f"blk.0.{name}.weight", N, GGMLQuantizationType.Q4_0)
    for name in ["attn_norm", "ffn_norm"]:
        writer.add_tensor(f"blk.0.{name}.weight", np.ones(N, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_onnx(path, random, level):
    nodes, weights = [], []
    for i in range(CHAIN):
        blob = random.integers(0, 256, (N, N // BLOCK, BLOCK // 2), np.uint8)
        scales = np.full(N * N // BLOCK, 0.005, np.float32)
        weights.append(helper.make_tensor(f"w{i}", TensorProto.UINT8, blob.shape, blob.tobytes(), raw=True))
        weights.append(helper.make_tensor(f"s{i}", TensorProto.FLOAT, scales.shape, scales.tobytes(), raw=True))
        inputs, output = [f"x{i}", f"w{i}", f"s{i}"], [f"x{i + 1}"]
        sizes = dict(K=N, N=N, bits=4, block_size=BLOCK, accuracy_level=level)
        nodes.append(helper.make_node("MatMulNBits", inputs, output, domain="com.microsoft", **sizes))
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", N]) for name in ["x0", f"x{CHAIN}"])
    graph = helper.make_graph(nodes, "kernels", [x], [y], weights)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    save_model(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)


folder = Path(sys.argv[1])
folder.mkdir(parents=True)
write_gguf(folder / "model.gguf", np.random.default_rng(1))
for level in [0, 4]:
    write_onnx(folder / f"level{level}.onnx", np.random.default_rng(1), level)
