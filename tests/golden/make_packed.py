"""Quantised matrices of a tiny model as the packages write them: python make_packed.py LLAMA GPTQMODEL AUTOAWQ, where LLAMA is the
model (`tiny-models llama-f32 LLAMA`) and the others are folders with the sources of GPTQModel and AutoAWQ.

Of each format, packed/NAME.safetensors with some matrices of the first layer, and in packed.json what config.json says of it, a
hash of what each matrix is as float32 by the same package, and logits of the model with these, by transformers in float32.

MLX and compressed-tensors are called as they are. Of GPTQModel and AutoAWQ the functions that pack and unpack are taken out of
their sources: the packages want graphics cards. What a hub's FP8 repositories hold is written here, by the cast of torch.
"""

import ast
import json
import sys
import types
from pathlib import Path

import mlx.core as mx
import numpy as np
import torch
from compressed_tensors.compressors import IntQuantizationCompressor, FloatQuantizationCompressor, PackedQuantizationCompressor
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
from encoder_reference import Encoder
from hf_encoders import fill
from make_adapters import compute, ids_of, network
from safetensors.torch import save_file

HERE = Path(__file__).parent
GROUP = 32
MODULES = {"attn_q": "self_attn.q_proj", "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_down": "mlp.down_proj"}
# One of so many numbers of a row of logits is kept.
STRIDE = 5


def lift(path, names, **known):
    """Functions of a file by their names, the first of each, without what the file imports."""
    space = dict(known)
    for node in ast.walk(ast.parse(Path(path).read_text())):
        if not isinstance(node, ast.FunctionDef) or node.name not in names or node.name in space:
            continue
        node.decorator_list, node.returns = [], None
        for arg in node.args.args:
            arg.annotation = None
        exec(compile(ast.Module([node], []), str(path), "exec"), space)
    return space


def grouped(w, bits, symmetric):
    """A scale and a zero for each group of each row."""
    parts = w.reshape(len(w), -1, GROUP)
    most = 2**bits - 1
    low, high = parts.amin(2).clamp(max=0), parts.amax(2).clamp(min=0)
    if symmetric:
        scales, zeros = torch.maximum(high, -low) * 2 / most, torch.full_like(low, 2 ** (bits - 1))
    else:
        scales = (high - low) / most
        zeros = (-low / scales).round().clamp(0, most)
    return scales.half().float(), zeros


def mlx(bits, dtype, others=()):
    def make(weights):
        tensors, floats = {}, {}
        for name, w in weights.items():
            width = 8 if name in others else bits
            parts = mx.quantize(mx.array(w.numpy()).astype(dtype), group_size=GROUP, bits=width)
            tensors |= {f"{name}.{end}": part for end, part in zip(("weight", "scales", "biases"), parts)}
            wide = [part.astype(mx.float32) for part in parts[1:]]
            floats[name] = np.array(mx.dequantize(parts[0], *wide, group_size=GROUP, bits=width))
        said = {"group_size": GROUP, "bits": bits, "mode": "affine"} | {name: {"group_size": GROUP, "bits": 8} for name in others}
        return tensors, floats, ("quantization", said)

    return make


def gptq(space, bits, symmetric, mixed=False):
    def make(weights):
        tensors, floats = {}, {}
        for at, (name, w) in enumerate(weights.items()):
            columns = w.shape[1]
            order = torch.arange(columns, dtype=torch.int32) // GROUP
            if mixed:
                # Columns in an order of their own, as they are quantised by what they count.
                places = torch.randperm(columns, generator=torch.Generator().manual_seed(at))
                scales, zeros = grouped(w[:, places], bits, symmetric)
                order[places] = order.clone()
            else:
                scales, zeros = grouped(w, bits, symmetric)
            layer = torch.nn.Module()
            layer.bits, layer.maxq, layer.pack_dtype_bits, layer.pack_factor = bits, 2**bits - 1, 32, 32 // bits
            layer.planar, layer.pack_np_math_dtype, layer.pack_np_dtype, layer.pack_dtype = False, np.uint32, np.int32, torch.int32
            linear = torch.nn.Linear(columns, len(w), bias=False)
            linear.weight.data = w
            space["pack_original"](layer, linear, scales, zeros, order)
            shifts = torch.arange(0, 32, bits, dtype=torch.int32)
            layer.wf_unsqueeze_zero, layer.wf_unsqueeze_neg_one = shifts[None, None], shifts[None, :, None]
            layer._init_wf_unsqueeze_buffers, layer.dequant_dtype = lambda: None, torch.int16
            layer._dequantize_from_codes = lambda *args, num_itr: space["_dequantize_from_codes"](layer, *args, num_itr)
            half, layer.scales = layer.scales, layer.scales.float()
            floats[name] = space["dequantize_weight"](layer).T.numpy()
            layer.scales = half
            # As files of the first version have zeros.
            one = {4: 0x11111111, 8: 0x01010101}[bits]
            layer.qzeros -= one
            tensors |= {f"{name}.{end}": getattr(layer, end).contiguous() for end in ("qweight", "qzeros", "scales", "g_idx")}
        said = {"quant_method": "gptq", "bits": bits, "group_size": GROUP, "sym": symmetric, "desc_act": mixed, "checkpoint_format": "gptq"}
        return tensors, floats, ("quantization_config", said)

    return make


def awq(linear_class, dequantize):
    def make(weights):
        tensors, floats = {}, {}
        for name, w in weights.items():
            scales, zeros = grouped(w, 4, False)
            linear = torch.nn.Linear(w.shape[1], len(w), bias=False)
            linear.weight.data = ((w.reshape(*scales.shape, GROUP) / scales[:, :, None] + zeros[:, :, None]).round().clamp(0, 15)
                                  - zeros[:, :, None]).mul(scales[:, :, None]).reshape(w.shape)
            made = linear_class.from_linear(linear, 4, GROUP, scales=scales.T.contiguous(), zeros=zeros.T.contiguous())
            floats[name] = dequantize(made.qweight, made.qzeros, made.scales.float(), 4, GROUP).T.numpy()
            tensors |= {f"{name}.{end}": getattr(made, end).contiguous() for end in ("qweight", "qzeros", "scales")}
        said = {"quant_method": "awq", "bits": 4, "group_size": GROUP, "zero_point": True, "version": "gemm"}
        return tensors, floats, ("quantization_config", said)

    return make


def packed(compressor, way, bits=4, symmetric=True, kind="int"):
    strategy = dict(strategy="group", group_size=GROUP) if bits == 4 else dict(strategy="channel")
    args = QuantizationArgs(num_bits=bits, type=kind, symmetric=symmetric, **strategy)
    scheme = QuantizationScheme(targets=["Linear"], weights=args, format=way)

    def make(weights):
        tensors, floats = {}, {}
        for name, w in weights.items():
            state = {"weight": w}
            if bits == 4:
                scales, zeros = grouped(w, 4, symmetric)
                if not symmetric:
                    state["weight_zero_point"] = (zeros - 8).to(torch.int8)
            else:
                scales = (w.abs().amax(1, keepdim=True) / (448 if kind == "float" else 127)).half().float()
            state["weight_scale"] = scales
            made = compressor.compress(state, scheme)
            floats[name] = compressor.decompress(made, scheme)["weight"].float().numpy()
            made["weight_scale"] = scales.half()
            tensors |= {f"{name}.{end}": part.contiguous() for end, part in made.items()}
        weights_said = {"num_bits": bits, "type": kind, "symmetric": symmetric, **strategy}
        said = {"quant_method": "compressed-tensors", "format": way, "ignore": ["lm_head"],
                "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights_said, "input_activations": None}}}
        return tensors, floats, ("quantization_config", said)

    return make


def fp8(weights):
    """Blocks that do not tile the matrices."""
    high, wide = 40, 64
    tensors, floats = {}, {}
    for name, w in weights.items():
        rows, columns = (torch.arange(size) // side for size, side in zip(w.shape, (high, wide)))
        scales = torch.zeros(rows[-1] + 1, columns[-1] + 1)
        for row in range(len(scales)):
            for column in range(scales.shape[1]):
                scales[row, column] = w[rows == row][:, columns == column].abs().max() / 448
        spread = scales[rows][:, columns]
        codes = (w / spread).to(torch.float8_e4m3fn)
        tensors |= {f"{name}.weight": codes, f"{name}.weight_scale_inv": scales}
        floats[name] = (codes.float() * spread).numpy()
    said = {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [high, wide]}
    return tensors, floats, ("quantization_config", said)


def fnv(data):
    state = 0xCBF29CE484222325
    for byte in data:
        state = (state ^ byte) * 0x100000001B3 % 2**64
    return f"{state:016x}"


def formats(gptqmodel, autoawq):
    limits = types.SimpleNamespace(threadpool_limits=lambda _: __import__("contextlib").nullcontext())
    nowhere = type("Nowhere", (), {})
    hf = types.SimpleNamespace(pytorch_utils=types.SimpleNamespace(Conv1D=nowhere))
    space = lift(
        Path(gptqmodel) / "gptqmodel/nn_modules/qlinear/__init__.py",
        ["pack_original", "dequantize_weight", "_dequantize_from_codes"], t=torch, np=np, math=__import__("math"), nn=torch.nn,
        THREADPOOLCTL=limits, _ConvNd=nowhere, transformers=hf, _torch_right_shift=torch.bitwise_right_shift,
    )
    # Only these of its modules, without what the package wants beside them.
    for name in ("awq", "awq.utils", "awq.modules", "awq.modules.linear"):
        module = types.ModuleType(name)
        module.__path__ = [str(Path(autoawq) / name.replace(".", "/"))]
        sys.modules[name] = module
    from awq.modules.linear.gemm import WQLinear_GEMM
    from awq.utils.packing_utils import dequantize_gemm

    return {
        "mlx": mlx(4, mx.float16, ["model.layers.0.self_attn.q_proj"]),
        "mlx-bf16": mlx(4, mx.bfloat16),
        "mlx-8": mlx(8, mx.float16),
        "gptq": gptq(space, 4, False),
        "gptq-sym": gptq(space, 4, True),
        "gptq-mixed": gptq(space, 4, False, mixed=True),
        "gptq-8": gptq(space, 8, True),
        "awq": awq(WQLinear_GEMM, dequantize_gemm),
        "packed": packed(PackedQuantizationCompressor, "pack-quantized"),
        "packed-zeros": packed(PackedQuantizationCompressor, "pack-quantized", symmetric=False),
        "bytes": packed(IntQuantizationCompressor, "int-quantized", bits=8),
        "floats": packed(FloatQuantizationCompressor, "float-quantized", bits=8, kind="float"),
        "fp8": fp8,
    }


def main():
    llama, gptqmodel, autoawq = sys.argv[1:]
    (HERE / "packed").mkdir(exist_ok=True)
    goldens = {}
    for name, make in formats(gptqmodel, autoawq).items():
        model = Encoder(llama)
        net, names = network(model)
        theirs = {f"model.layers.0.{module}": f"blk.0.{ours}.weight" for ours, module in MODULES.items()}
        weights = {module: torch.tensor(np.asarray(model.w[ours], np.float32)) for module, ours in theirs.items()}
        tensors, floats, (member, said) = make(weights)
        out = str(HERE / "packed" / f"{name}.safetensors")
        if member == "quantization":
            mx.save_safetensors(out, tensors)
        else:
            save_file(tensors, out)
        hashes = {}
        for module, ours in theirs.items():
            numbers = np.ascontiguousarray(floats[module], np.float32)
            far = np.abs(numbers - weights[module].numpy()).max() / np.abs(numbers).max()
            assert far < 0.2, (name, module, far)
            model.w[ours] = numbers
            hashes[module] = fnv(numbers.tobytes())
        fill(net, names, model)
        ids = ids_of(model.n_vocab, 12)
        logits = compute(net, ids)[-1]
        goldens[name] = {"member": member, "said": said, "matrices": hashes, "ids": ids, "logits": [round(float(x), 7) for x in logits[::STRIDE]]}
        print(name, Path(out).stat().st_size)
    lines = [f"{json.dumps(name)}: {json.dumps(golden)}" for name, golden in goldens.items()]
    (HERE / "packed.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
