"""Sums by matrix multiplication: windows unrolled into columns (im2col), all filters times all windows at once.

For kernels with depth and for banks. The unrolled columns are made block by block, so that memory stays bounded
for any kernel, and the partial sums of long windows are added in double precision.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.engine.bank import Bank
from convtool.geometry import Geometry

Array = NDArray[Any]

TAPS = 128
"""Taps multiplied in one single-precision product; its rounding stays far below 2e-6 of sum|w|*max|x|."""

BLOCK = 1 << 20
"""Samples in one block of unrolled columns (4 MB)."""


def run(planes: Array, bank: Bank, geometry: Geometry, rows: int) -> Array:
    """Sums of ``rows`` output rows from padded float32 planes (C, strip rows, columns, 1): (rows, W', N), unscaled."""
    filters, width = len(bank.weights), geometry.columns.out
    weight = bank.multiplied.reshape(filters, -1)
    used = np.flatnonzero(weight.any(axis=0))
    taps = np.stack(np.unravel_index(used, bank.weights.shape[1:]), axis=1)
    matrix = weight[:, used].astype(np.float32)
    out = np.zeros((filters, rows, width), dtype=np.float32)
    step = max(1, min(width, BLOCK // TAPS))
    for row in range(rows):
        for left in range(0, width, step):
            right = min(left + step, width)
            out[:, row, left:right] = _block(planes, taps, matrix, geometry, row, left, right)
    return np.ascontiguousarray(out.transpose(1, 2, 0))


def _block(planes: Array, taps: Array, matrix: Array, geometry: Geometry, row: int, left: int, right: int) -> Array:
    """Sums of output samples left..right of one row, (N, right - left)."""
    rows, columns = geometry.rows, geometry.columns
    total: Array | None = None
    for first in range(0, len(taps), TAPS):
        part = taps[first : first + TAPS]
        unrolled = np.empty((len(part), right - left), dtype=np.float32)
        for line, (c, u, v) in zip(unrolled, part, strict=True):
            start = left * columns.stride + v * columns.dilation
            stop = start + (right - left - 1) * columns.stride + 1
            line[:] = planes[c, row * rows.stride + u * rows.dilation, start : stop : columns.stride, 0]
        product = matrix[:, first : first + TAPS] @ unrolled
        total = product if total is None else np.add(total, product, dtype=np.float64)
    return np.zeros((len(matrix), right - left)) if total is None else total
