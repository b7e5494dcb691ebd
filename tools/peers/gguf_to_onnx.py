"""Writes a GGUF model (llama, gemma3) as a graph for ONNX Runtime Web's WebGPU provider.

    gguf_to_onnx.py MODEL.gguf OUT_FOLDER [--bits8]

OUT_FOLDER gets model.onnx, accuracy4.onnx (the same with accuracy_level 4), weights.bin for both,
and model.json. The graph has the shape that exporters give and the runtime's fusions look for:
f32 activations, `MatMulNBits` in blocks of 32, `GroupQueryAttention` over a cache of fixed size
with RoPE inside, logits of the last token only.

Bit widths are the file's own where MatMulNBits has them: 4-bit types as 4 bits, others as 8. Q4_0,
Q5_0 and Q8_0 are taken over exactly. The rest is rounded again, to the scale of least squared error
among a few, without zero points: the provider takes none that would be exact for Q4_1 and Q4_K, and
its fused kernels take none at all. So those weights have other values, at the same width and speed.
`--bits8` makes every matrix 8 bits wide, which leaves nearly no error: a check of the graph against
references, not for timing.
"""

import json
import sys
from pathlib import Path

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize
from onnx import TensorProto, helper

BLOCK = 32
MAX_POSITIONS = 8192
MS = "com.microsoft"
EXACT = {"Q4_0": 4, "Q5_0": 8, "Q8_0": 8}  # blocks of 32 that start with an f16 scale
NP_TYPES = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8, "int64": TensorProto.INT64}


def bits_of(kind):
    return 4 if kind in ("Q4_0", "Q4_1", "Q4_K", "Q2_K", "Q3_K") else 8


def pack4(q):
    """[N, K] of 0..15 to [N, K / 2]: the first of a pair in the low half."""
    return (q[:, 0::2] | q[:, 1::2] << 4).astype(np.uint8)


def quantise(blocks, scale, bits):
    """Blocks [N, K/32, 32] as integers around the default zero point, 8 or 128."""
    middle = 1 << (bits - 1)
    inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale != 0)
    return np.clip(np.rint(blocks * inverse[..., None]) + middle, 0, 2 * middle - 1).astype(np.uint8)


def dequantise(q, scale, bits):
    return (q.astype(np.float32) - (1 << (bits - 1))) * scale[..., None]


def best_scale(blocks, bits):
    """Of a few scales for each block, that of the least squared error. Negative ones use the extra step below zero."""
    low, high = blocks.min(-1), blocks.max(-1)
    extreme = np.where(-low > high, low, high)
    best, least = None, None
    for steps in (-128, -127) if bits == 8 else (-8, -8.5, -9, -7.5, -7, 7.5):
        scale = (extreme / np.float32(steps)).astype(np.float32)
        error = ((dequantise(quantise(blocks, scale, bits), scale, bits) - blocks) ** 2).sum(-1)
        if best is None:
            best, least = scale, error
        best, least = np.where(error < least, scale, best), np.minimum(error, least)
    return best


class Graph:
    """Nodes, and initializers whose bytes lie in weights.bin."""

    def __init__(self, folder):
        self.nodes, self.initializers, self.report = [], [], {}
        self.file = open(folder / "weights.bin", "wb")

    def constant(self, name, array):
        array = np.ascontiguousarray(array)
        self.file.write(b"\0" * (-self.file.tell() % 64))
        tensor = TensorProto(name=name, dims=array.shape, data_type=NP_TYPES[str(array.dtype)], data_location=TensorProto.EXTERNAL)
        if array.nbytes < 256:  # shapes must be known when the graph is optimised
            tensor = helper.make_tensor(name, NP_TYPES[str(array.dtype)], array.shape, array.tobytes(), raw=True)
        else:
            for key, value in (("location", "weights.bin"), ("offset", self.file.tell()), ("length", array.nbytes)):
                tensor.external_data.add(key=key, value=str(value))
            self.file.write(array.tobytes())
        self.initializers.append(tensor)
        return name

    def node(self, kind, inputs, outputs=None, domain="", **attributes):
        name = f"{kind}_{len(self.nodes)}"
        outputs = outputs or [f"{name}.out"]
        self.nodes.append(helper.make_node(kind, inputs, outputs, name=name, domain=domain, **attributes))
        return outputs[0]

    def matrix(self, name, weights, kind, raw, bits8):
        """Initializers of a quantised [N, K] matrix: names of quants and scales, bits."""
        n, k = weights.shape
        bits = 8 if bits8 else bits_of(kind)
        blocks = weights.reshape(n, k // BLOCK, BLOCK)
        if EXACT.get(kind) == bits:
            scale = raw.reshape(n, k // BLOCK, -1)[..., :2].copy().view(np.float16)[..., 0].astype(np.float32)
        else:
            scale = best_scale(blocks, bits)
        q = quantise(blocks, scale, bits)
        error = float(((dequantise(q, scale, bits) - blocks) ** 2).sum(dtype=np.float64))
        sums = self.report.setdefault(f"{kind} as {bits} bits", [0.0, 0.0])
        sums[0], sums[1] = sums[0] + error, sums[1] + float((blocks**2).sum(dtype=np.float64))
        data = pack4(q.reshape(n, k)) if bits == 4 else q
        return self.constant(f"{name}.q", data.reshape(n, k // BLOCK, BLOCK * bits // 8)), self.constant(f"{name}.scales", scale), bits


def main(path, folder, bits8):
    folder.mkdir(parents=True, exist_ok=True)
    reader = GGUFReader(path)
    field = lambda key, default=None: reader.fields[key].contents() if key in reader.fields else default
    arch = field("general.architecture")
    if arch not in ("llama", "gemma3"):
        sys.exit(f"no graph for the architecture {arch}; llama and gemma3 have one")
    get = lambda key, default=None: field(f"{arch}.{key}", default)
    layers, d, heads = get("block_count"), get("embedding_length"), get("attention.head_count")
    kv_heads = get("attention.head_count_kv", heads)
    head_dim = get("attention.key_length", d // heads)
    eps, window = get("attention.layer_norm_rms_epsilon"), get("attention.sliding_window")
    if get("rope.scaling.type") not in (None, "none"):
        sys.exit("RoPE scaling has no graph here")
    gemma = arch == "gemma3"
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    g = Graph(folder)

    def floats(name):
        tensor = tensors[name]
        return dequantize(tensor.data, tensor.tensor_type).astype(np.float32)

    def half_split(array):
        """llama's Q and K rows rotate in neighbouring pairs; back to halves, as exporters have them."""
        n = array.shape[0] // head_dim
        return array.reshape(n, head_dim // 2, 2, -1).swapaxes(1, 2).reshape(array.shape)

    def project(x, name, out=None):
        tensor = tensors[name]
        weights, raw = floats(name), tensor.data
        if arch == "llama" and name.endswith(("attn_q.weight", "attn_k.weight")):
            weights, raw = half_split(weights), half_split(raw.reshape(weights.shape[0], -1))
        return matmul(x, *g.matrix(name, weights, tensor.tensor_type.name, raw, bits8), weights.shape, out)

    def matmul(x, q, scales, bits, shape, out=None):
        n, k = shape
        return g.node("MatMulNBits", [x, q, scales], out, MS, K=k, N=n, bits=bits, block_size=BLOCK)

    def norm(x, name):
        return g.node("SimplifiedLayerNormalization", [x, g.constant(name, floats(name))], axis=-1, epsilon=eps, stash_type=1)

    def add_norm(x, residual, name):
        """(norm(x + residual), x + residual)"""
        outputs = [f"{name}.out", "", "", f"{name}.sum"]
        g.node("SkipSimplifiedLayerNormalization", [x, residual, g.constant(name, floats(name))], outputs, MS, epsilon=eps)
        return outputs[0], outputs[3]

    def rope_table(name, base):
        angles = np.arange(MAX_POSITIONS)[:, None] * np.float64(base) ** (-np.arange(0, head_dim, 2) / head_dim)
        return g.constant(f"{name}.cos", np.cos(angles).astype(np.float32)), g.constant(f"{name}.sin", np.sin(angles).astype(np.float32))

    def head_norm(x, name, n):
        split = g.node("Reshape", [x, g.constant(f"{name}.split", np.array([0, 0, n, head_dim]))])
        return g.node("Reshape", [norm(split, name), g.constant(f"{name}.join", np.array([0, 0, n * head_dim]))])

    rope = rope_table("rope", get("rope.freq_base", 10000.0))
    local_rope = rope_table("rope.local", 10000.0) if gemma else rope

    embedding = tensors["token_embd.weight"]
    vocab = floats("token_embd.weight").shape[0]
    q, scales, bits = g.matrix("token_embd.weight", floats("token_embd.weight"), embedding.tensor_type.name, embedding.data, bits8)
    if bits != 8:
        sys.exit("only embeddings that become 8 bits have a graph here")
    # The head's bytes once more, in the shape that this operator wants.
    table = next(tensor for tensor in g.initializers if tensor.name == q)
    rows = TensorProto()
    rows.CopyFrom(table)
    rows.name, rows.dims[:] = "token_embd.rows", [vocab, d]
    g.initializers.append(rows)
    x = g.node("GatherBlockQuantized", [rows.name, "input_ids", scales], domain=MS, bits=8, block_size=BLOCK, gather_axis=0, quantize_axis=1)
    if gemma:
        x = g.node("Mul", [x, g.constant("embedding.scale", np.array([np.sqrt(d)], np.float32))])
    h = norm(x, "blk.0.attn_norm.weight")
    for layer in range(layers):
        b = f"blk.{layer}."
        local = gemma and layer % 6 != 5
        q_proj, k_proj, v_proj = (project(h, f"{b}attn_{which}.weight") for which in "qkv")
        if f"{b}attn_q_norm.weight" in tensors:
            q_proj, k_proj = head_norm(q_proj, f"{b}attn_q_norm.weight", heads), head_norm(k_proj, f"{b}attn_k_norm.weight", kv_heads)
        cache = [f"past_key.{layer}", f"past_value.{layer}"]
        present = [f"present_key.{layer}", f"present_value.{layer}"]
        attention = g.node(
            "GroupQueryAttention",
            [q_proj, k_proj, v_proj, *cache, "seqlens_k", "total_length", *(local_rope if local else rope)],
            [f"{b}attention", *present], MS,
            num_heads=heads, kv_num_heads=kv_heads, do_rotary=1, rotary_interleaved=0,
            scale=float(head_dim**-0.5), local_window_size=window if local else -1,
        )
        o = project(attention, f"{b}attn_output.weight")
        if gemma:
            o = norm(o, f"{b}post_attention_norm.weight")
        h, x = add_norm(o, x, f"{b}ffn_norm.weight")
        gate, up = project(h, f"{b}ffn_gate.weight"), project(h, f"{b}ffn_up.weight")
        active = g.node("FastGelu", [gate], domain=MS) if gemma else g.node("Mul", [gate, g.node("Sigmoid", [gate])])
        down = project(g.node("Mul", [active, up]), f"{b}ffn_down.weight")
        if gemma:
            down = norm(down, f"{b}post_ffw_norm.weight")
        last = layer == layers - 1
        h, x = add_norm(down, x, "output_norm.weight" if last else f"blk.{layer + 1}.attn_norm.weight")
    last_row = [g.constant(f"last.{name}", np.array([value])) for name, value in (("from", -1), ("to", 2**31 - 1), ("axis", 1))]
    h = g.node("Slice", [h, *last_row])
    if "output.weight" in tensors:
        project(h, "output.weight", ["logits"])
    else:
        matmul(h, q, scales, bits, (vocab, d), ["logits"])
    g.file.close()

    value = helper.make_tensor_value_info
    caches = lambda which, length: [value(f"{which}_{kind}.{layer}", TensorProto.FLOAT, [1, kv_heads, length, head_dim]) for layer in range(layers) for kind in ("key", "value")]
    graph = helper.make_graph(
        g.nodes, arch,
        [value("input_ids", TensorProto.INT64, [1, "rows"]), value("seqlens_k", TensorProto.INT32, [1]), value("total_length", TensorProto.INT32, []), *caches("past", "context")],
        [value("logits", TensorProto.FLOAT, [1, 1, vocab]), *caches("present", "context")],
        g.initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid(MS, 1)], ir_version=10)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    for node in model.graph.node:
        if node.op_type == "MatMulNBits":
            node.attribute.append(helper.make_attribute("accuracy_level", 4))
    (folder / "accuracy4.onnx").write_bytes(model.SerializeToString())
    errors = {kind: (error / norm) ** 0.5 if norm else 0.0 for kind, (error, norm) in g.report.items()}
    shape = {"layers": layers, "kvHeads": kv_heads, "headDim": head_dim, "vocab": vocab, "relativeError": errors}
    (folder / "model.json").write_text(json.dumps(shape, indent=1) + "\n")
    for kind, error in errors.items():
        print(f"{kind}: relative error {error:.4f}", file=sys.stderr)


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "--bits8"]
    if len(arguments) != 2:
        sys.exit(__doc__)
    main(Path(arguments[0]), Path(arguments[1]), "--bits8" in sys.argv)
