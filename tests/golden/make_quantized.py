"""Writes tests/golden/quantized.json: floats, and the blocks that they become.

Run: pip install gguf==0.19.0 numpy
     GGML_BASE=…/bins/linux-x64/libggml-base.so python tests/golden/make_quantized.py
The blocks are those of llama.cpp's library (`npm pack @node-llama-cpp/linux-x64@3.21.1`), with which the package `gguf` has to
agree.
"""

import ctypes
import json
import os
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T

TYPES = [T.F16, T.BF16, T.Q8_0, T.Q5_1, T.Q5_0, T.Q4_1, T.Q4_0]


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
        out = ctypes.create_string_buffer(len(by_gguf))
        source = weights.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        count = ggml.ggml_quantize_chunk(
            int(kind), source, out, ctypes.c_int64(0), ctypes.c_int64(1), ctypes.c_int64(weights.size), None
        )
        assert count == len(by_gguf) and out.raw == by_gguf, kind
        found[kind.name] = by_gguf.hex()
    bits = weights.view(np.uint32).tolist()
    path = Path(__file__).parent / "quantized.json"
    path.write_text(json.dumps({"bits": bits, "blocks": found}) + "\n")
    print(len(bits), "weights,", path.stat().st_size, "bytes")


main()
