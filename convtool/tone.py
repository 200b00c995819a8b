"""From a map to samples: range policies, units, rounding half to even, clipping that is counted.

A map y keeps the units of its input. With F the full scale of a type, M that of the input and Z its middle:

    clip  y     abs  |y|     shift  y + Z     raw  y
    stretch    (y - min)/(max - min) * M
    symmetric  y/max|y| * (M - Z) + Z

A gain multiplies y first. Integer outputs are then times F_out/M, rounded half to even and clipped; float outputs
keep y's units.
"""

from __future__ import annotations

from fractions import Fraction
from math import lcm
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from convtool.options import Range

Array = NDArray[Any]

FULL = {"uint8": Fraction(255), "uint16": Fraction(65535), "float32": Fraction(1)}
MIDDLE = {"uint8": Fraction(128), "uint16": Fraction(32768), "float32": Fraction(1, 2)}


class Extent(NamedTuple):
    """Smallest and largest value of a map, both finite."""

    low: float
    high: float
    exact: tuple[Fraction, Fraction] | None = None
    """The same without rounding, where that is known."""

    @property
    def ends(self) -> tuple[Fraction, Fraction]:
        """Both as exactly as they are known."""
        return self.exact or (Fraction(self.low), Fraction(self.high))


class Toner:
    """Turns strips of one map into samples of type ``dtype`` and counts what clipping lost.

    ``source`` names the input's sample type. ``extent`` is needed by stretch and symmetric only.
    """

    def __init__(self, policy: Range, source: str, dtype: str, extent: Extent | None = None) -> None:
        self.clipped = 0
        self._dtype = np.dtype(dtype)
        self._full = int(FULL[dtype]) if self._dtype.kind == "u" else 0
        self._abs = policy.how == "abs"
        self._fitted = policy.how in ("stretch", "symmetric")
        to_output = FULL[dtype] / FULL[source] if self._full else Fraction(1)
        self._gain = policy.gain * to_output
        self._shift = Fraction(0)
        if policy.how == "shift":
            self._shift = MIDDLE[source] * to_output
        elif self._fitted:
            if extent is None:
                raise ValueError(f"{policy.how} needs the extent of the map")
            self._gain, self._shift = _fitted(policy, source, to_output, extent)

    def values(self, y: NDArray[np.floating[Any]], out: Array) -> None:
        """Write float values in the input's units to ``out``; ``y`` may be overwritten."""
        plain = self._gain == 1 and self._full <= 255 and not self._fitted
        with np.errstate(over="ignore", invalid="ignore"):
            if plain:
                t: Array = y + np.float32(self._shift) if self._shift else y
            else:
                t = affine(y, self._gain, self._shift)
            self._finish(t, out)

    def sums(self, sums: Array, scale: Fraction, bias: Fraction, *, exact: bool, bound: float, out: Array) -> None:
        """Write ``sums * scale + bias`` to ``out``, rounding exact sums once; ``sums`` may be overwritten.

        ``bound`` is the largest magnitude that the sums can have.
        """
        factor, offset = scale * self._gain, bias * self._gain + self._shift
        with np.errstate(over="ignore", invalid="ignore"):
            if sums.dtype.kind == "i" and factor == 1 and offset.denominator == 1 and self._full:
                fits = bound + abs(offset) < np.iinfo(sums.dtype).max
                t: Array = sums if fits else sums.astype(np.int64)
                t = t + int(offset) if offset else t
            elif exact and self._single_is_exact(factor, offset, bound):
                t = sums.astype(np.float32, copy=False)
                t = t * np.float32(factor.numerator) if factor.numerator != 1 else t
                t = t / np.float32(factor.denominator) if factor.denominator != 1 else t
                t = t + np.float32(offset) if offset else t
            elif exact or self._fitted:
                t = affine(sums, factor, offset)
            else:
                t = sums.astype(np.float32, copy=False)
                t = t * np.float32(factor) if factor != 1 else t
                t = t + np.float32(offset) if offset else t
            self._finish(t, out)

    def _single_is_exact(self, factor: Fraction, offset: Fraction, bound: float) -> bool:
        """Whether float32 cannot carry a value over a rounding boundary of the output.

        Within the output's range its error is below 2**-23 of three times the full scale; a value that is not on a
        boundary is at least 1/(2 * denominators) away from one. A value on a boundary is met exactly if float32
        holds the offset, for then it holds what is added to it, too.
        """
        if bound * abs(factor.numerator) >= 2**24 or factor.denominator >= 2**24:
            return False
        if not self._full:
            return True
        denominators = factor.denominator * offset.denominator
        near = denominators * 2 * 3 * self._full * 2.0**-23 < 1
        return near and abs(offset) <= 2 * self._full and Fraction(float(np.float32(offset))) == offset

    def _finish(self, t: Array, out: Array) -> None:
        """Absolute value, rounding, clipping. No policy shifts an absolute value."""
        if self._abs:
            t = np.abs(t, out=t if t.flags.writeable else None)
        if not self._full:
            np.copyto(out, t, casting="unsafe")
            return
        if t.dtype.kind == "f":
            t = np.rint(t, out=t if t.flags.writeable else None)
        low, high = t.min(initial=0), t.max(initial=0)
        if not (low >= 0 and high <= self._full):
            if not (np.isfinite(low) and np.isfinite(high)):
                self.clipped += int(np.count_nonzero(np.isnan(t)))
                t = np.nan_to_num(t, nan=0.0)
                high = t.max(initial=0)
            self.clipped += int(np.count_nonzero(t > self._full) + np.count_nonzero(t < 0))
            # A narrow integer type cannot even hold a bound beyond its own range.
            t = t.clip(0, self._full) if high > self._full else t.clip(0, None)
        np.copyto(out, t, casting="unsafe")


def affine(values: Array, factor: Fraction, offset: Fraction) -> NDArray[np.float64]:
    """``values * factor + offset`` in double precision, as one quotient of whole numbers where they fit.

    A quotient is right to the last bit, so a value that stands exactly between two samples is seen as such.
    """
    bottom = lcm(factor.denominator, offset.denominator)
    top, added = int(factor * bottom), int(offset * bottom)
    if max(abs(top), abs(added), bottom) >= 2**53:
        return np.asarray(values.astype(np.float64) * float(factor) + float(offset))
    t: NDArray[np.float64] = values.astype(np.float64)
    if top != 1:
        t *= float(top)
    if added:
        t += float(added)
    if bottom != 1:
        t /= float(bottom)
    return t


def _fitted(policy: Range, source: str, to_output: Fraction, extent: Extent) -> tuple[Fraction, Fraction]:
    """Gain and shift of the two policies that look at the whole map."""
    gain = policy.gain
    low, high = sorted(end * gain for end in extent.ends)
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


def tone_alpha(alpha: Array, source: str, dtype: str, out: Array) -> None:
    """Write an alpha plane in units of ``source`` as samples of ``dtype``: scaled, rounded, clipped."""
    if np.dtype(dtype).kind == "f" or (source == dtype and alpha.dtype == np.dtype(dtype)):
        np.copyto(out, alpha, casting="unsafe")
        return
    t = np.rint(affine(alpha, FULL[dtype] / FULL[source], Fraction(0)))
    np.copyto(out, np.nan_to_num(t, nan=0.0).clip(0, int(FULL[dtype])), casting="unsafe")
