"""The definition: the sum of a convolutional layer as plain loops, in double precision.

    y[n, i, j] = bias[n] + sum over c, u, v of
                 w[n, c, u, v] * x[c, i*stride + u*dilation - top, j*stride + v*dilation - left]

Slow on purpose. Every fast method is tested against it, ``--verify`` recomputes pixels with it, and the
explainer reads its sums from here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.engine.border import Border
from convtool.engine.geometry import Geometry

Array = NDArray[Any]


def place(position: int, size: int, mode: str) -> int | None:
    """Where a position on an axis of ``size`` samples takes its sample from; None is the border's constant.

    Mirrors fold step by step, as one would with paper; the engine's own index arithmetic is tested against it.
    """
    if mode == "replicate":
        return min(max(position, 0), size - 1)
    if mode in ("zeros", "constant"):
        return position if 0 <= position < size else None
    while not 0 <= position < size:
        if mode == "circular":
            position += size if position < 0 else -size
        elif mode == "symmetric":
            position = -1 - position if position < 0 else 2 * size - 1 - position
        elif size == 1:
            position = 0
        else:
            position = -position if position < 0 else 2 * (size - 1) - position
    return position


def sample(plane: Array, row: int, column: int, border: Border) -> float:
    """The sample of a plane (H, W) at any position, outside the image by the border mode."""
    i, j = place(row, plane.shape[0], border.mode), place(column, plane.shape[1], border.mode)
    return border.value if i is None or j is None else float(plane[i, j])


def window(geometry: Geometry, i: int, j: int) -> Iterator[tuple[int, int, int, int]]:
    """The taps of output (i, j): (u, v, row, column), rows and columns being positions in the image."""
    rows, columns = geometry.rows, geometry.columns
    for u in range(rows.kernel):
        for v in range(columns.kernel):
            yield u, v, rows.start(i) + u * rows.dilation, columns.start(j) + v * columns.dilation


def output(
    x: Array, weight: NDArray[np.float64], bias: float, geometry: Geometry, border: Border, i: int, j: int
) -> float:
    """One output sample of one filter: x (C, H, W), weight (C, kh, kw)."""
    total = 0.0
    for c in range(weight.shape[0]):
        for u, v, row, column in window(geometry, i, j):
            total += float(weight[c, u, v]) * sample(x[c], row, column, border)
    return total + bias


def correlate(
    x: Array, weight: NDArray[np.float64], bias: NDArray[np.float64], geometry: Geometry, border: Border
) -> NDArray[np.float64]:
    """Every output sample: x (C, H, W), weight (N, C, kh, kw), bias (N,) -> (N, H', W')."""
    height, width = geometry.out
    y = np.empty((weight.shape[0], height, width))
    for n in range(weight.shape[0]):
        for i in range(height):
            for j in range(width):
                y[n, i, j] = output(x, weight[n], float(bias[n]), geometry, border, i, j)
    return y
