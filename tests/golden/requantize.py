"""A model's matrices in another tensor type, and the same numbers as F32: what a type costs, and that we read it right.

Run: pip install gguf==0.19.0 numpy, and GGML_BASE as in make_blocks.py
     python tests/golden/requantize.py MODEL.gguf iq3_s OUT [IMPORTANCE.npz]
writes OUT-iq3_s.gguf and OUT-f32.gguf. `sotto score` must give both the same perplexity, but for roundings of activations.
llama.cpp's library quantizes, by an importance matrix of importance.py if one is given. Rows that the type's blocks do not
divide become IQ4_NL. With EVERY=10 in the environment one layer of ten is of the type and all else Q8_0, so that something is
left of a model in types that are for models trained in them.
"""

import ctypes
import enum
import os
import sys

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T
from gguf import GGUFValueType

GGML = ctypes.CDLL(os.environ["GGML_BASE"])
GGML.ggml_quantize_chunk.restype = ctypes.c_size_t
GGML.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 3, ctypes.c_void_p]
FLOATS = (T.F32, T.F16, T.BF16)
# What the gguf package does not know: a type's number, the weights of its block and their bytes.
Q2_0 = enum.IntEnum("Other", {"Q2_0": 42}).Q2_0
gguf.GGML_QUANT_SIZES[Q2_0] = (64, 18)
EVERY = int(os.environ.get("EVERY", "1"))
SKIP = {"GGUF.version", "GGUF.tensor_count", "GGUF.kv_count", "general.architecture", "general.alignment"}


def quantized(values: np.ndarray, kind: int, name: str, importance: np.ndarray | None) -> tuple[np.ndarray, int, np.ndarray]:
    """The bytes of a matrix, its type, and the numbers that these stand for."""
    rows, columns = values.shape
    if kind in FLOATS:
        data = gguf.quantize(values, kind)
        return data, kind, gguf.dequantize(data, kind)
    if columns % gguf.GGML_QUANT_SIZES[kind][0]:
        kind, name = T.IQ4_NL, "iq4_nl"
    length, size = gguf.GGML_QUANT_SIZES[kind]
    data = np.empty((rows, columns // length * size), np.uint8)
    weights = np.ones(columns, np.float32) if importance is None else importance
    GGML.ggml_quantize_chunk(kind, values.ctypes.data, data.ctypes.data, 0, rows, columns, weights.ctypes.data)
    try:
        back = gguf.dequantize(data, kind)
    except (NotImplementedError, ValueError):
        back = np.empty_like(values)
        decode = GGML[f"dequantize_row_{name}"]
        decode.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
        decode(data.ctypes.data, back.ctypes.data, rows * columns)
    return data, kind, back


def main(path: str, name: str, out: str, importance: str | None = None) -> None:
    kind = Q2_0 if name.lower() == "q2_0" else T[name.upper()]
    important = np.load(importance) if importance else {}
    reader = gguf.GGUFReader(path)
    arch = reader.fields["general.architecture"].contents()
    writers = [gguf.GGUFWriter(f"{out}-{suffix}.gguf", arch) for suffix in (name, "f32")]
    for field in reader.fields.values():
        if field.name not in SKIP:
            sub = field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None
            for writer in writers:
                writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=sub)
    for tensor in reader.tensors:
        values = np.ascontiguousarray(gguf.dequantize(tensor.data, tensor.tensor_type), np.float32)
        if values.ndim == 1:
            for writer in writers:
                writer.add_tensor(tensor.name, values)
            continue
        layer = tensor.name.removeprefix("blk.").split(".")[0]
        of_type = EVERY == 1 or layer.isdigit() and int(layer) % EVERY == EVERY // 2
        made = (kind, name.lower()) if of_type else (T.Q8_0, "q8_0")
        data, stored, back = quantized(values, *made, important.get(tensor.name))
        writers[0].add_tensor(tensor.name, data, raw_dtype=stored)
        writers[1].add_tensor(tensor.name, back)
    for writer in writers:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
