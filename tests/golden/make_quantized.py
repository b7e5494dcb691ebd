"""Writes tests/golden/quantized.json: floats, and the blocks that they become.

Run: pip install gguf==0.19.0 numpy
     GGML_BASE=…/bins/linux-x64/libggml-base.so python tests/golden/make_quantized.py
The blocks are those of llama.cpp's library (`npm pack @node-llama-cpp/linux-x64@3.21.1`), with which the package `gguf` has to
agree where it writes a type. `super` has what 256 weights a block are needed for, and all types by an importance of each column.
"""

import ctypes
import json
import os
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T

TYPES = [T.F16, T.BF16, T.Q8_0, T.Q5_1, T.Q5_0, T.Q4_1, T.Q4_0]
LARGE = [T.Q6_K, T.Q5_K, T.Q4_K, T.Q3_K, T.Q2_K]
BY_IMPORTANCE = [*LARGE, T.Q5_1, T.Q5_0, T.Q4_1, T.Q4_0]
ROW = 512


def written(ggml, weights, kind, rows, importance=None):
    """The bytes that llama.cpp's library makes of rows of weights."""

    def pointer(numbers):
        return None if numbers is None else numbers.ctypes.data_as(ctypes.POINTER(ctypes.c_float))

    length, size = gguf.GGML_QUANT_SIZES[kind]
    out = ctypes.create_string_buffer(weights.size // length * size)
    shape = (ctypes.c_int64(0), ctypes.c_int64(rows), ctypes.c_int64(weights.size // rows))
    count = ggml.ggml_quantize_chunk(int(kind), pointer(weights), out, *shape, pointer(importance))
    assert count == len(out.raw), kind
    return out.raw


def in_super_blocks(ggml, rng):
    """Rows as weights are, of very different sizes, with runs of zeros and of one number, of one sign, and of steps."""
    rows = [
        rng.normal(0, 0.02, 3 * ROW),
        rng.normal(0, 1, ROW) * 10.0 ** rng.integers(-6, 4, ROW),
        np.repeat([0.0, 1.0, -1.0, 0.5, 0.0, -2.0, 3.0, 0.0], ROW // 8),
        np.abs(rng.normal(0, 1, ROW)),
        -np.abs(rng.normal(0, 1, ROW)),
        (np.arange(ROW) % 33 - 16) / 16,
    ]
    weights = np.concatenate(rows).astype(np.float32)
    importance = (rng.normal(0, 1, ROW) ** 2 * 10.0 ** rng.integers(-3, 2, ROW)).astype(np.float32)
    count = weights.size // ROW
    return {
        "bits": weights.view(np.uint32).tolist(),
        "importance": importance.view(np.uint32).tolist(),
        "blocks": {kind.name: written(ggml, weights, kind, count).hex() for kind in LARGE},
        "by_importance": {kind.name: written(ggml, weights, kind, count, importance).hex() for kind in BY_IMPORTANCE},
    }


def main():
    rng = np.random.default_rng(17)
    rows = [
        rng.normal(0, 0.02, 32 * 24),  # as weights are
        rng.normal(0, 1, 32 * 4) * 10.0 ** rng.integers(-6, 4, 32 * 4),
        np.repeat([0.0, 1.0, -1.0], 32),
        np.arange(-16, 16) / 16,  # halfway between steps
        np.arange(32) / 127 + 0.5,
    ]
    weights = np.concatenate(rows).astype(np.float32)
    ggml = ctypes.CDLL(os.environ["GGML_BASE"])
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    found = {}
    for kind in TYPES:
        by_gguf = gguf.quants.quantize(weights, kind).tobytes()
        assert written(ggml, weights, kind, 1) == by_gguf, kind
        found[kind.name] = by_gguf.hex()
    bits = weights.view(np.uint32).tolist()
    path = Path(__file__).parent / "quantized.json"
    path.write_text(json.dumps({"bits": bits, "blocks": found, "super": in_super_blocks(ggml, rng)}) + "\n")
    print(len(bits), "weights,", path.stat().st_size, "bytes")


main()
