"""From a map to samples: range policies, units, rounding half to even, clipping that is counted.

A map y keeps the units of its input. With F the full scale of a type, M that of the input and Z its middle:

    clip  y     abs  |y|     shift  y + Z     raw  y
    stretch    (y - min)/(max - min) * M
    symmetric  y/max|y| * (M - Z) + Z

A gain multiplies y first. Integer outputs are then times F_out/M, rounded half to even and clipped; float outputs
keep y's units.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.options import Range

Array = NDArray[Any]

FULL = {"uint8": Fraction(255), "uint16": Fraction(65535), "float32": Fraction(1)}
MIDDLE = {"uint8": Fraction(128), "uint16": Fraction(32768), "float32": Fraction(1, 2)}


@dataclass(frozen=True)
class Extent:
    """Smallest and largest value of a map."""

    low: float
    high: float


class Toner:
    """Turns strips of one map into samples of type ``dtype`` and counts what clipping lost.

    ``source`` names the input's sample type. ``extent`` is needed by stretch and symmetric only.
    """

    def __init__(self, policy: Range, source: str, dtype: str, extent: Extent | None = None) -> None:
        self.clipped = 0
        self._dtype = np.dtype(dtype)
        self._full = int(FULL[dtype]) if self._dtype.kind == "u" else 0
        self._abs = policy.how == "abs"
        to_output = FULL[dtype] / FULL[source] if self._full else Fraction(1)
        self._gain = policy.gain * to_output
        self._shift = Fraction(0)
        if policy.how == "shift":
            self._shift = MIDDLE[source] * to_output
        elif policy.how in ("stretch", "symmetric"):
            if extent is None:
                raise ValueError(f"{policy.how} needs the extent of the map")
            self._gain, self._shift = _fitted(policy, source, to_output, extent)

    def values(self, y: NDArray[np.floating[Any]], out: Array) -> None:
        """Write float values in the input's units to ``out``; ``y`` may be overwritten."""
        work: Any = np.float32 if self._full <= 255 else np.float64
        t: Array = y.astype(work, copy=False)
        if self._gain != 1:
            t = t * work(self._gain)
        self._finish(t, Fraction(0), out)

    def sums(self, sums: Array, scale: Fraction, bias: Fraction, *, exact: bool, bound: float, out: Array) -> None:
        """Write ``sums * scale + bias`` to ``out``, rounding exact sums once; ``sums`` may be overwritten.

        ``bound`` is the largest magnitude that the sums can have.
        """
        factor, offset = scale * self._gain, bias * self._gain
        top, bottom = factor.numerator, factor.denominator
        whole = (offset + self._shift).denominator == 1 and offset.denominator == 1
        if sums.dtype.kind == "i" and factor == 1 and whole and self._full:
            reach = bound + abs(offset) + abs(self._shift)
            self._finish(sums if reach < np.iinfo(sums.dtype).max else sums.astype(np.int64), offset, out)
            return
        work: Any = np.float32
        if exact and not self._single_is_exact(factor, offset + self._shift, bound):
            work = np.float64
        t: Array = sums.astype(work, copy=False)
        if exact and abs(top) < 2**24 and bottom < (2**24 if work is np.float32 else 2**53):
            t = t * work(top) if top != 1 else t
            t = t / work(bottom) if bottom != 1 else t
        elif factor != 1:
            t = t * work(factor)
        self._finish(t, offset, out)

    def _single_is_exact(self, factor: Fraction, offset: Fraction, bound: float) -> bool:
        """Whether float32 cannot carry a value over a rounding boundary of the output.

        Within the output's range its error is below 2**-23 of three times the full scale; a value that is not on a
        boundary is at least 1/(2 * denominators) away from one.
        """
        if not self._full:
            return bound * abs(factor.numerator) < 2**24 and factor.denominator < 2**24
        denominators = factor.denominator * offset.denominator
        near = denominators * 2 * 3 * self._full * 2.0**-23 < 1
        return near and bound * abs(factor.numerator) < 2**24 and abs(offset) <= 2 * self._full

    def _finish(self, t: Array, offset: Fraction, out: Array) -> None:
        """Offset, absolute value, shift, rounding, clipping."""
        kind = t.dtype.type if t.dtype.kind == "f" else int
        if self._abs:
            t = t + kind(offset) if offset else t
            t = np.abs(t, out=t if t.flags.writeable else None)
            offset = Fraction(0)
        if offset + self._shift:
            t = t + kind(offset + self._shift)
        if not self._full:
            np.copyto(out, t, casting="unsafe")
            return
        if t.dtype.kind == "f":
            t = np.rint(t, out=t if t.flags.writeable else None)
        low, high = t.min(initial=0), t.max(initial=0)
        if not (low >= 0 and high <= self._full):
            if not np.isfinite(low + high):
                t = np.nan_to_num(t, nan=0.0)
            self.clipped += int(np.count_nonzero(t > self._full) + np.count_nonzero(t < 0))
            t = t.clip(0, self._full) if high > self._full else t.clip(0, None)
        np.copyto(out, t, casting="unsafe")


def _fitted(policy: Range, source: str, to_output: Fraction, extent: Extent) -> tuple[Fraction, Fraction]:
    """Gain and shift of the two policies that look at the whole map."""
    gain = policy.gain
    ends = Fraction(extent.low) * gain, Fraction(extent.high) * gain
    low, high = min(ends), max(ends)
    if policy.how == "stretch":
        if low == high:
            return gain * to_output, Fraction(0)
        factor = FULL[source] * to_output / (high - low)
        return gain * factor, -low * factor
    middle = MIDDLE[source] * to_output
    peak = max(abs(low), abs(high))
    if peak == 0:
        return Fraction(0), middle
    return gain * (FULL[source] - MIDDLE[source]) * to_output / peak, middle


def tone_alpha(alpha: NDArray[np.floating[Any]], source: str, dtype: str, out: Array) -> None:
    """Write an alpha plane in units of ``source`` as samples of ``dtype``: scaled, rounded, clipped."""
    if np.dtype(dtype).kind == "f":
        np.copyto(out, alpha, casting="unsafe")
        return
    factor = FULL[dtype] / FULL[source]
    t = np.rint(alpha.astype(np.float64) * factor.numerator / factor.denominator)
    np.copyto(out, np.clip(t, 0, int(FULL[dtype])), casting="unsafe")
