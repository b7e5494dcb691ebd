"""Writes a GGUF model (llama, gemma3) as a graph for ONNX Runtime Web's WebGPU provider.

    gguf_to_onnx.py MODEL.gguf OUT_FOLDER [--bits8]

OUT_FOLDER gets model.onnx, accuracy4.onnx (the same with accuracy_level 4), weights.bin for both,
and model.json. The graph has the shape that exporters give and the runtime's fusions look for:
f32 activations, `MatMulNBits` in blocks of 32, `GroupQueryAttention` over a cache of fixed size
with RoPE inside, logits of the last token only.

Bit widths are the file's own where MatMulNBits has them: 4-bit types as 4 bits, others as 8. Q4_0,
Q5_0 and Q8_0 are taken over exactly. Types with an offset (Q4_1, Q4_K) need a zero point, which the
provider takes as an integer only, so those are rounded again, to the scale of least squared error;
Q5_1, Q5_K and Q6_K likewise, to 8 bits. `--bits8` makes every matrix 8 bits wide, which leaves
nearly no error: a check of the graph against references, not for timing.
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
    """[N, n] of 0..15 to [N, ceil(n / 2)]: the first of a pair in the low half."""
    if q.shape[1] % 2:
        q = np.pad(q, ((0, 0), (0, 1)))
    return (q[:, 0::2] | q[:, 1::2] << 4).astype(np.uint8)


def symmetric(weights, scale, bits):
    """Quants around the default zero point (8 or 128) for blocks [N, K/32, 32]."""
    middle = 1 << (bits - 1)
    inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale != 0)
    return np.clip(np.rint(weights * inverse[..., None]) + middle, 0, 2 * middle - 1).astype(np.uint8)


def asymmetric(weights, bits):
    """Quants, scales and integer zero points with the least squared error of a few scales."""
    top = (1 << bits) - 1
    low, high = np.minimum(weights.min(-1), 0), np.maximum(weights.max(-1), 0)
    best = None
    for shrink in (1.0, 0.97, 0.94, 0.9, 0.85):
        scale = np.maximum((high - low) * np.float32(shrink / top), np.float32(1e-12))
        zero = np.clip(np.rint(-low * np.float32(shrink) / scale), 0, top)
        q = np.clip(np.rint(weights / scale[..., None]) + zero[..., None], 0, top)
        error = (((q - zero[..., None]) * scale[..., None] - weights) ** 2).sum(-1)
        if best is None:
            best = [error, q, scale, zero]
            continue
        better = error < best[0]
        for i, new in enumerate((error, q, scale, zero)):
            best[i] = np.where(better[..., None] if new.ndim == 3 else better, new, best[i])
    _, q, scale, zero = best
    return q.astype(np.uint8), scale.astype(np.float32), zero.astype(np.uint8)


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
        """Initializers of a quantised [N, K] matrix: names (quants, scales, zero points or ""), bits."""
        n, k = weights.shape
        bits = 8 if bits8 else bits_of(kind)
        blocks = weights.reshape(n, k // BLOCK, BLOCK)
        zero = None
        if EXACT.get(kind) == bits:
            scale = raw.reshape(n, k // BLOCK, -1)[..., :2].copy().view(np.float16)[..., 0].astype(np.float32)
            q = symmetric(blocks, scale, bits)
        elif bits == 8:
            scale = np.abs(blocks).max(-1) / np.float32(127)
            q = symmetric(blocks, scale, bits)
        else:
            q, scale, zero = asymmetric(blocks, bits)
        back = (q.astype(np.float32) - (zero[..., None].astype(np.float32) if zero is not None else 1 << (bits - 1))) * scale[..., None]
        error, norm = float(((back - blocks) ** 2).sum(dtype=np.float64)), float((blocks**2).sum(dtype=np.float64))
        sums = self.report.setdefault(f"{kind} as {bits} bits", [0.0, 0.0])
        sums[0], sums[1] = sums[0] + error, sums[1] + norm
        q = q.reshape(n, k)
        data = pack4(q) if bits == 4 else q
        names = [self.constant(f"{name}.q", data.reshape(n, k // BLOCK, BLOCK * bits // 8)), self.constant(f"{name}.scales", scale)]
        names.append(self.constant(f"{name}.zeros", pack4(zero) if bits == 4 else zero) if zero is not None else "")
        return names, bits


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
        (q, scales, zeros), bits = g.matrix(name, weights, tensor.tensor_type.name, raw, bits8)
        return matmul(x, q, scales, zeros, bits, weights.shape, out)

    def matmul(x, q, scales, zeros, bits, shape, out=None):
        inputs = [x, q, scales] + ([zeros] if zeros else [])
        n, k = shape
        return g.node("MatMulNBits", inputs, out, MS, K=k, N=n, bits=bits, block_size=BLOCK)

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
    (q, scales, zeros), bits = g.matrix("token_embd.weight", floats("token_embd.weight"), embedding.tensor_type.name, embedding.data, bits8)
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
        matmul(h, q, scales, zeros, bits, (vocab, d), ["logits"])
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
