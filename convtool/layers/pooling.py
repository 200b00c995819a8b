"""Pooling: the largest or the mean value of windows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.layers.options import Pool

Floats = NDArray[np.float32]


def pooled_rows(pool: Pool, first: int, last: int) -> tuple[int, int]:
    """The rows that pooled rows first..last are made of: (first, last + 1)."""
    return first * pool.stride[0], (last - 1) * pool.stride[0] + pool.size[0]


def pooled(y: NDArray[Any], pool: Pool) -> NDArray[Any]:
    """Largest or mean value of every window that lies inside: (rows, W, C) -> (rows', W', C).

    Sizes round down: floor((n - size)/stride) + 1.
    """
    for axis in (0, 1):
        y = _along(y, axis, pool)
    return y


def _along(y: NDArray[Any], axis: int, pool: Pool) -> NDArray[Any]:
    size, stride = pool.size[axis], pool.stride[axis]
    count = (y.shape[axis] - size) // stride + 1
    total: NDArray[Any] | None = None
    for offset in range(size):
        index: list[Any] = [slice(None)] * y.ndim
        index[axis] = slice(offset, offset + (count - 1) * stride + 1, stride)
        part = y[tuple(index)]
        if total is None:
            total = part.copy()
        elif pool.how == "max":
            np.maximum(total, part, out=total)
        else:
            total += part
    assert total is not None
    if pool.how == "avg":
        total /= y.dtype.type(size)
    return total


def pooled_visible(y: Floats, alpha: NDArray[Any], pool: Pool) -> tuple[Floats, NDArray[Any]]:
    """Colours (rows, W, C) and alpha (rows, W, 1) pooled so that hidden colours stay hidden.

    The largest is that of the visible pixels, the mean is weighted by alpha; where all are hidden, colour is 0.
    """
    opacity = alpha.astype(np.float64)
    if pool.how == "max":
        shown = pooled(np.where(opacity > 0, y, np.float32(-np.inf)), pool)
        most = pooled(opacity, pool)
        return np.where(most > 0, shown, np.float32(0)), most
    total = pooled(np.where(opacity > 0, y, np.float32(0)) * opacity, pool)
    mean = pooled(opacity, pool)
    colours = np.divide(total, mean, out=np.zeros_like(total), where=np.broadcast_to(mean > 0, total.shape))
    return colours.astype(np.float32), mean
