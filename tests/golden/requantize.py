"""A model's matrices in another tensor type, and the same numbers as F32: what a type costs, and that we read it right.

Run: pip install gguf==0.19.0 numpy, and GGML_BASE as in make_blocks.py
     python tests/golden/requantize.py MODEL.gguf iq3_s OUT
writes OUT-iq3_s.gguf and OUT-f32.gguf. `sotto score` must give both the same perplexity, but for roundings of activations.
llama.cpp's library quantizes, without an importance matrix. Rows that the type's blocks do not divide become IQ4_NL.
"""

import ctypes
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
SKIP = {"GGUF.version", "GGUF.tensor_count", "GGUF.kv_count", "general.architecture", "general.alignment"}


def quantized(values: np.ndarray, kind: T) -> tuple[np.ndarray, T, np.ndarray]:
    """The bytes of a matrix, its type, and the numbers that these stand for."""
    rows, columns = values.shape
    if kind in FLOATS:
        data = gguf.quantize(values, kind)
        return data, kind, gguf.dequantize(data, kind)
    if columns % gguf.GGML_QUANT_SIZES[kind][0]:
        kind = T.IQ4_NL
    length, size = gguf.GGML_QUANT_SIZES[kind]
    data = np.empty((rows, columns // length * size), np.uint8)
    even = np.ones(columns, np.float32)
    GGML.ggml_quantize_chunk(kind, values.ctypes.data, data.ctypes.data, 0, rows, columns, even.ctypes.data)
    try:
        back = gguf.dequantize(data, kind)
    except NotImplementedError:
        back = np.empty_like(values)
        decode = GGML[f"dequantize_row_{kind.name.lower()}"]
        decode.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
        decode(data.ctypes.data, back.ctypes.data, rows * columns)
    return data, kind, back


def main(path: str, name: str, out: str) -> None:
    kind = T[name.upper()]
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
        data, stored, back = quantized(values, kind)
        writers[0].add_tensor(tensor.name, data, raw_dtype=stored)
        writers[1].add_tensor(tensor.name, back)
    for writer in writers:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
