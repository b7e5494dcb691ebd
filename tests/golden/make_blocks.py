"""Writes tests/golden/blocks/*.bin: random blocks of every tensor type and their values.

Run: pip install gguf==0.19.0 numpy; python tests/golden/make_blocks.py
The values come from the `gguf` package, which decodes with numpy and shares nothing with this repository.
A file is N blocks as they lie in a GGUF file, then N * block_len float32, all little-endian.
"""

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
}


def blocks(kind: T, count: int, scales: list[int], rng: np.random.Generator) -> np.ndarray:
    """count blocks, shape (count, block_bytes), uint8."""
    size = gguf.GGML_QUANT_SIZES[kind][1]
    if not scales:
        values = rng.standard_normal(count).astype(np.float32)
        if kind == T.F32:
            return values.view(np.uint8).reshape(count, size)
        if kind == T.F16:
            return values.astype(np.float16).view(np.uint8).reshape(count, size)
        return (values.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8).reshape(count, size)
    data = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for at in scales:
        # Real files hold f16 subnormals here (below 6e-5), and both signs.
        magnitude = 10 ** rng.uniform(-6, 0, count)
        sign = rng.choice([-1.0, 1.0], count)
        data[:, at : at + 2] = (magnitude * sign).astype("<f2").view(np.uint8).reshape(count, 2)
    return data


def main() -> None:
    folder = Path(__file__).parent / "blocks"
    folder.mkdir(exist_ok=True)
    for kind, (count, scales) in TYPES.items():
        data = blocks(kind, count, scales, np.random.default_rng(1000 + kind))
        values = gguf.dequantize(data.reshape(-1), kind).astype("<f4").reshape(-1)
        assert len(values) == count * gguf.GGML_QUANT_SIZES[kind][0] and np.isfinite(values).all()
        (folder / f"{kind.name.lower()}.bin").write_bytes(data.tobytes() + values.tobytes())


if __name__ == "__main__":
    main()
