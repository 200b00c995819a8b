"""Sums tap by tap on flat strips: exact in int16 or int32 where the bound allows, else in float32.

A padded strip lies in one contiguous buffer. Tap (u, v) of every window at once is then one long slice of it, so
each tap costs one or two long array operations, whatever the number of channels. What is computed over the side
pads is garbage that is never copied out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.engine.bank import Bank
from convtool.geometry import Geometry

Array = NDArray[Any]

LEAF = 8
"""Float taps added in a row before their sum joins the cascade: rounding grows with the depth of the additions,
LEAF + log2(taps/LEAF), and stays below 2e-6 of sum|w|*max|x| for the largest kernel."""


def choose_dtype(bank: Bank, peak: float, whole: bool) -> np.dtype[Any]:
    """The narrowest sample type that cannot overflow: samples up to ``peak``, ``whole`` if they are integers."""
    if bank.integers is not None and whole:
        bound = bank.bound(peak)
        if bound < 2**15:
            return np.dtype(np.int16)
        if bound < 2**31:
            return np.dtype(np.int32)
    return np.dtype(np.float32)


def run(planes: Array, bank: Bank, geometry: Geometry, rows: int) -> Array:
    """Sums of ``rows`` output rows from padded planes.

    ``planes`` is (P, strip rows, columns, channels), C-contiguous: one plane of interleaved channels for a bank
    that is used on each channel, else one plane a channel. Returns (rows, W', channels or N), unscaled.
    """
    outputs = [_filter(planes, bank.multiplied[n], geometry, rows) for n in range(len(bank.weights))]
    if len(outputs) == 1:
        return outputs[0]
    return np.concatenate(outputs, axis=-1)


def _filter(planes: Array, weight: NDArray[np.float64], geometry: Geometry, rows: int) -> Array:
    width, channels = geometry.columns.out, planes.shape[3]
    if geometry.rows.stride == geometry.columns.stride == 1:
        pitch = planes.shape[2] * channels
        length = (rows - 1) * pitch + width * channels
        flat = planes.reshape(planes.shape[0], -1)

        def tap(c: int, u: int, v: int) -> Array:
            start = u * geometry.rows.dilation * pitch + v * geometry.columns.dilation * channels
            return flat[c, start : start + length]
    else:

        def tap(c: int, u: int, v: int) -> Array:
            top, left = u * geometry.rows.dilation, v * geometry.columns.dilation
            down, across = geometry.rows.stride, geometry.columns.stride
            bottom, right = top + (rows - 1) * down + 1, left + (width - 1) * across + 1
            return planes[c, top:bottom:down, left:right:across]

    taps = [(weight[c, u, v], tap(c, u, v)) for c, u, v in np.argwhere(weight)] or [(0.0, tap(0, 0, 0))]
    total = _cascade(taps) if planes.dtype == np.float32 else _grouped(taps, planes.dtype)
    if total.ndim == 3:
        return total
    out = np.lib.stride_tricks.as_strided(
        total,
        (rows, width, channels),
        (pitch * total.itemsize, channels * total.itemsize, total.itemsize),
        writeable=False,
    )
    return np.ascontiguousarray(out)


def _grouped(taps: list[tuple[float, Array]], dtype: np.dtype[Any]) -> Array:
    """Integer taps: those of equal magnitude are added first and multiplied once."""
    groups: dict[int, list[tuple[bool, Array]]] = {}
    for weight, samples in taps:
        groups.setdefault(abs(int(weight)), []).append((weight < 0, samples))
    total: Array | None = None
    for magnitude, members in groups.items():
        members.sort(key=lambda member: member[0])  # positive first: the sum can start from a copy
        negative, samples = members[0]
        group = np.negative(samples) if negative else samples.copy()
        for negative, samples in members[1:]:
            (np.subtract if negative else np.add)(group, samples, out=group)
        if magnitude != 1:
            np.multiply(group, dtype.type(magnitude), out=group)
        total = group if total is None else np.add(total, group, out=total)
    assert total is not None
    return total


def _cascade(taps: list[tuple[float, Array]]) -> Array:
    """Float taps, added in leaves of a few and then two by two, so that rounding stays small."""
    scratch = np.empty(taps[0][1].shape, dtype=np.float32)
    levels: list[tuple[int, Array]] = []
    for first in range(0, len(taps), LEAF):
        weight, samples = taps[first]
        leaf = np.multiply(samples, np.float32(weight))
        for weight, samples in taps[first + 1 : first + LEAF]:
            np.multiply(samples, np.float32(weight), out=scratch)
            np.add(leaf, scratch, out=leaf)
        height = 0
        while levels and levels[-1][0] == height:
            np.add(levels.pop()[1], leaf, out=leaf)
            height += 1
        levels.append((height, leaf))
    total = levels.pop()[1]
    while levels:
        np.add(total, levels.pop()[1], out=total)
    return total
