"""Values of a strip rounded half to even, clipped and counted into integer samples.

Passes over memory are what this costs, so it works on flat arrays: a strip of sums has gaps between its rows, and
one long call over them as well is several times faster than many short ones that leave them out.
"""

from __future__ import annotations

from threading import local
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.tuples import NamedTuple

Array = NDArray[Any]

SHORT = 32_000
"""Magnitude below which values are clipped as 16-bit integers."""

GAPS = 1.25
"""How much longer with its gaps a strip may be before leaving them out is cheaper."""


class Strip(NamedTuple):
    """A strip as one flat array; with gaps, its rows are ``pitch`` elements apart, without them ``pitch`` is 0."""

    flat: Array
    shape: tuple[int, ...]
    pitch: int

    def view(self, flat: Array) -> Array:
        """The values of a flat array like ``self.flat``, in the shape of the strip."""
        if not self.pitch:
            return flat.reshape(self.shape)
        size = flat.itemsize
        steps = (self.pitch * size, self.shape[2] * size, size)
        return np.ndarray(self.shape, flat.dtype, flat, 0, steps)


def strip_of(values: Array) -> Strip:
    """The strip of an array that may be overwritten, in place if its memory allows."""
    if values.flags.writeable:
        if values.flags.c_contiguous:
            return Strip(values.reshape(-1), values.shape, 0)
        rows, width, channels = values.shape
        pitch = values.strides[0] // values.itemsize
        inner = values.strides[1:] == (channels * values.itemsize, values.itemsize)
        if inner and width * channels <= pitch <= GAPS * width * channels:
            length = (rows - 1) * pitch + width * channels
            return Strip(np.lib.stride_tricks.as_strided(values, (length,), values.strides[2:]), values.shape, pitch)
    return Strip(np.array(values, order="C").reshape(-1), values.shape, 0)


class _Scratch(local):
    """Arrays that a thread uses for one strip after the other; fresh ones would fault their pages in every time."""

    def __init__(self) -> None:
        self.short = np.empty(0, dtype=np.int16)
        self.mask = np.empty(0, dtype=np.bool_)


_scratch = _Scratch()


def store(strip: Strip, t: Array, out: Array, full: int, low: float, high: float) -> int:
    """Write values ``t``, flat like the strip and from ``low`` to ``high``, to ``out`` as integers 0..full.

    ``t`` is overwritten. Returns how many values were clipped.
    """
    if t.dtype.kind == "f":
        np.rint(t, out=t)
    if low > -0.49 and high < full + 0.49:
        np.copyto(out, strip.view(t), casting="unsafe")
        return 0
    if full <= 255 and low > -SHORT and high < SHORT:
        return _store_short(strip, t, out, full)
    return _store_any(strip.view(t), out, full)


def _store_short(strip: Strip, t: Array, out: Array, full: int) -> int:
    """Values that 16 bits hold, where passes cost least: below 0 or above the full scale is one question."""
    size = t.size
    if _scratch.mask.size < size:
        _scratch.short, _scratch.mask = np.empty(size, dtype=np.int16), np.empty(size, dtype=np.bool_)
    if t.dtype != np.int16:
        short = _scratch.short[:size]
        np.copyto(short, t, casting="unsafe")
        t = short
    mask = _scratch.mask[:size]
    np.greater(t.view(np.uint16), np.uint16(full), out=mask)
    lost = int(np.count_nonzero(strip.view(mask)))
    if lost:
        t.clip(np.int16(0), np.int16(full), out=t)  # NumPy looks at plain numbers longer than at a short strip
    np.copyto(out, strip.view(t), casting="unsafe")
    return lost


def _store_any(t: Array, out: Array, full: int) -> int:
    """Values of any size, infinities and NaN among them."""
    low, high = t.min(initial=0), t.max(initial=0)
    lost = 0
    if not (low >= 0 and high <= full):
        if not (np.isfinite(low) and np.isfinite(high)):
            lost += int(np.count_nonzero(np.isnan(t)))
            t = np.nan_to_num(t, nan=0.0)
            high = t.max(initial=0)
        lost += int(np.count_nonzero(t > full) + np.count_nonzero(t < 0))
        # A narrow integer type cannot even hold a bound beyond its own range.
        t = t.clip(0, full) if high > full else t.clip(0, None)
    np.copyto(out, t, casting="unsafe")
    return lost
