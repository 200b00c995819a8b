"""Small pictures of large arrays: every sample counts by the area that it covers, none is left out."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
STRIP = 1 << 20
"""Samples that are averaged in one go; bounds the memory beside the array itself."""

LONGEST = 2.5
"""How much longer than the side of a square the longer side of a very wide or tall thumbnail may be."""


def fitted(height: int, width: int, side: int) -> tuple[int, int]:
    """Size (rows, columns) of a thumbnail about as large as a square of ``side``; never larger than the picture."""
    scale = min(side / sqrt(height * width), LONGEST * side / max(height, width), 1.0)
    return max(1, round(height * scale)), max(1, round(width * scale))


def averaged(samples: Array, size: tuple[int, int]) -> NDArray[np.float32]:
    """Samples (H, W, C) averaged over areas: float32 (rows, columns, C). What is not finite counts as 0."""
    height, width, channels = samples.shape
    narrow = np.empty((height, size[1], channels), dtype=np.float32)
    step = max(1, STRIP // (width * channels))
    for first in range(0, height, step):
        part = samples[first : first + step].astype(np.float64)
        if not np.isfinite(part.sum()):
            np.nan_to_num(part, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        narrow[first : first + step] = _means(part, size[1], 1)
    return _means(narrow.astype(np.float64), size[0], 0).astype(np.float32)


def averaged_under(samples: Array, alpha: Array, size: tuple[int, int]) -> tuple[Array, Array]:
    """Samples (H, W, C) averaged where alpha (H, W, 1), from 0 to 1, lets them be seen, and the mean alpha."""
    opacity = averaged(alpha, size)
    weighted = averaged(np.where(alpha > 0, samples, 0) * alpha, size)
    return np.divide(weighted, opacity, out=np.zeros_like(weighted), where=opacity > 0), opacity


def enlarged(picture: Array, size: tuple[int, int]) -> Array:
    """A small picture (H, W, C) with every pixel made a square block, as large as fits into ``size``."""
    factor = max(1, min(size[0] // picture.shape[0], size[1] // picture.shape[1]))
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def _means(values: Array, count: int, axis: int) -> Array:
    """Means of ``count`` equal stretches of an axis, samples on a border shared out between both sides."""
    length = values.shape[axis]
    if count == length:
        return values
    values = np.moveaxis(values, axis, 0)
    sums = np.concatenate((np.zeros_like(values[:1]), np.cumsum(values, axis=0)))
    at = np.linspace(0, length, count + 1)
    whole = np.minimum(at.astype(np.intp), length - 1)
    rest = (at - whole).reshape(-1, *(1,) * (values.ndim - 1))
    ends = sums[whole] + rest * values[whole]
    return np.moveaxis(np.diff(ends, axis=0) * (count / length), 0, axis)
