"""Writes crate/quant/grids.bin: which points the grids of IQ1, IQ2 and IQ3 have.

Run: pip install gguf==0.19.0 numpy; python tools/make_grids.py
The grids come from the `gguf` package. A grid's points are in ascending order, read as numbers whose lowest digit is
the first weight: so a bit for each number that could be there, the lowest first, says all of it.
"""

from pathlib import Path

import numpy as np
from gguf import quants

GRIDS = ["IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ1_S", "IQ3_XXS", "IQ3_S"]


def bits(name: str) -> bytes:
    kind = getattr(quants, name)
    kind.init_grid()
    grid = kind.grid.reshape(kind.grid_shape)
    levels = np.unique(grid)
    numbers = np.searchsorted(levels, grid) @ len(levels) ** np.arange(grid.shape[1])
    assert (np.diff(numbers) > 0).all()
    there = np.zeros(len(levels) ** grid.shape[1], np.uint8)
    there[numbers] = 1
    return np.packbits(there, bitorder="little").tobytes()


if __name__ == "__main__":
    path = Path(__file__).parent.parent / "crate/quant/grids.bin"
    path.write_bytes(b"".join(map(bits, GRIDS)))
