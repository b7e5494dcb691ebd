"""Writes tests/golden/blocks/*.bin: random blocks of every tensor type and their values.

Run: pip install gguf==0.19.0 numpy
     npm pack @node-llama-cpp/linux-x64@3.21.1, and unpack it
     GGML_BASE=…/bins/linux-x64/libggml-base.so python tests/golden/make_blocks.py
The values come from the `gguf` package, which decodes with numpy and shares nothing with this repository. Types that it
lacks are decoded by llama.cpp's library, with which it has to agree on the newer ones.
A file is N blocks as they lie in a GGUF file, then N * block_len float32, all little-endian.
"""

import ctypes
import os
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T

# type: (blocks, byte offsets of its f16 scales). Block counts are odd: 32-weight types end inside a unit of 256.
TYPES = {
    T.F32: (352, []),
    T.F16: (352, []),
    T.BF16: (352, []),
    T.Q4_0: (19, [0]),
    T.Q4_1: (19, [0, 2]),
    T.Q5_0: (19, [0]),
    T.Q5_1: (19, [0, 2]),
    T.Q8_0: (19, [0]),
    T.Q2_K: (5, [80, 82]),
    T.Q3_K: (5, [108]),
    T.Q4_K: (5, [0, 2]),
    T.Q5_K: (5, [0, 2]),
    T.Q6_K: (5, [208]),
    T.IQ4_NL: (19, [0]),
    T.IQ4_XS: (5, [0]),
    T.MXFP4: (19, []),
    T.NVFP4: (11, []),
    T.Q1_0: (5, [0]),
    T.TQ1_0: (5, [52]),
    T.TQ2_0: (5, [64]),
    T.IQ3_S: (5, [0]),
    T.IQ3_XXS: (5, [0]),
    T.IQ2_S: (5, [0]),
    T.IQ2_XS: (5, [0]),
    T.IQ2_XXS: (5, [0]),
    T.IQ1_S: (5, [0]),
    T.IQ1_M: (5, []),
}
# Not in the package.
Q2_0 = ("q2_0", 42, 64, 18, 11, [0])

GGML = ctypes.CDLL(os.environ["GGML_BASE"])


def by_ggml(name: str, data: np.ndarray, count: int) -> np.ndarray:
    """count weights, by llama.cpp's own code."""
    out = np.empty(count, np.float32)
    decode = GGML[f"dequantize_row_{name}"]
    decode.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
    decode(data.ctypes.data, out.ctypes.data, count)
    return out


def blocks(kind: T, size: int, count: int, scales: list[int], rng: np.random.Generator) -> np.ndarray:
    """count blocks, shape (count, size), uint8."""
    if kind in (T.F32, T.F16, T.BF16):
        values = rng.standard_normal(count).astype(np.float32)
        if kind == T.F32:
            return values.view(np.uint8).reshape(count, size)
        if kind == T.F16:
            return values.astype(np.float16).view(np.uint8).reshape(count, size)
        return (values.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8).reshape(count, size)
    data = rng.integers(0, 256, (count, size), dtype=np.uint8)
    # Real files hold f16 subnormals here (below 6e-5), and both signs.
    for at in scales:
        magnitude = 10 ** rng.uniform(-6, 0, count)
        sign = rng.choice([-1.0, 1.0], count)
        data[:, at : at + 2] = (magnitude * sign).astype("<f2").view(np.uint8).reshape(count, 2)
    if kind == T.MXFP4:
        # Powers of two that are normal numbers, however large.
        data[:, 0] = rng.integers(4, 250, count)
    if kind == T.NVFP4:
        # Without a sign; 0 and 127 are both 0.
        data[:, :4] = rng.integers(0, 128, (count, 4))
        data[0, :4] = 0, 127, 1, 126
    if kind == T.IQ1_M:
        # Four bits of the scale lie above each short of the others.
        scale = (10 ** rng.uniform(-6, 0, count)).astype("<f2").view(np.uint16)
        for i in range(4):
            at = 49 + 2 * i
            data[:, at] = data[:, at] & 15 | ((scale >> (4 * i) & 15) << 4).astype(np.uint8)
    return data


def main() -> None:
    folder = Path(__file__).parent / "blocks"
    folder.mkdir(exist_ok=True)
    rows = [(k.name.lower(), k, *gguf.GGML_QUANT_SIZES[k], *row) for k, row in TYPES.items()]
    for name, kind, length, size, count, scales in [*rows, Q2_0]:
        data = blocks(kind, size, count, scales, np.random.default_rng(1000 + kind))
        if name in ("q1_0", "q2_0"):
            values = by_ggml(name, data, count * length)
        else:
            values = gguf.dequantize(data.reshape(-1), kind).astype("<f4").reshape(-1)
            if kind > T.Q8_K and kind != T.BF16:
                assert (values == by_ggml(name, data, count * length)).all(), name
        assert len(values) == count * length and np.isfinite(values).all()
        (folder / f"{name}.bin").write_bytes(data.tobytes() + values.tobytes())


if __name__ == "__main__":
    main()
