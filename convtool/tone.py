"""From a map to samples: range policies, units, rounding half to even, clipping that is counted.

A map y keeps the units of its input. With F the full scale of a type, M that of the input and Z its middle:

    clip  y     abs  |y|     shift  y + Z     raw  y
    stretch    (y - min)/(max - min) * M
    symmetric  y/max|y| * (M - Z) + Z

A gain multiplies y first. Integer outputs are then times F_out/M, rounded half to even and clipped; float outputs
keep y's units.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import inf, lcm
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.extent import Extent
from convtool.light import Light
from convtool.options import Range
from convtool.rounding import Strip, store, strip_of
from convtool.tuples import NamedTuple

Array = NDArray[Any]

FULL = {"uint8": Fraction(255), "uint16": Fraction(65535), "float32": Fraction(1)}
MIDDLE = {"uint8": Fraction(128), "uint16": Fraction(32768), "float32": Fraction(1, 2)}


class Units(NamedTuple):
    """What values are measured in: full scale and middle."""

    full: Fraction
    middle: Fraction


SINGLE = np.dtype(np.float32)


class _Steps(NamedTuple):
    """What becomes of sums before rounding: first ``dtype`` or the affine map in double precision, then ``verbs``."""

    dtype: np.dtype[Any]
    verbs: Sequence[tuple[np.ufunc, Any]]
    affine: tuple[Fraction, Fraction] | None
    low: float
    high: float


class Toner:
    """Turns strips of one map into samples of type ``dtype`` and counts what clipping lost.

    Threads may share one.

    ``source`` names the input's sample type. ``extent`` is needed by stretch and symmetric only. The first ``lit``
    channels of a map in linear light are coded again by the curve of ``light``. ``scale`` is what samples were
    multiplied by: the full scale and the middle go along.
    """

    def __init__(
        self,
        policy: Range,
        source: str,
        dtype: str,
        extent: Extent | None = None,
        *,
        light: Light | None = None,
        lit: int = 0,
        scale: Fraction = Fraction(1),
    ) -> None:
        self._light, self._lit = light, lit
        self._coded_full = int(FULL[dtype if np.dtype(dtype).kind == "u" else source])
        self.clipped = 0
        self._lock = Lock()
        self._known: dict[tuple[Any, ...], tuple[_Steps, Fraction, Fraction]] = {}
        self._dtype = np.dtype(dtype)
        self._full = int(FULL[dtype]) if self._dtype.kind == "u" else 0
        self._abs = policy.how == "abs"
        self._fitted = policy.how in ("stretch", "symmetric")
        units = Units(FULL[source] * scale, MIDDLE[source] * scale)
        to_output = FULL[dtype] / units.full if self._full else Fraction(1)
        self._gain = policy.gain * to_output
        self._shift = Fraction(0)
        if policy.how == "shift":
            self._shift = units.middle * to_output
        elif self._fitted:
            if extent is None:
                raise ValueError(f"{policy.how} needs the extent of the map")
            self._gain, self._shift = _fitted(policy, units, to_output, extent)

    def values(self, y: NDArray[np.floating[Any]], out: Array, bound: float = inf) -> None:
        """Write float values in the input's units, of magnitudes up to ``bound``, to ``out``.

        ``y`` may be overwritten.
        """
        reach = bound * abs(float(self._gain)) + abs(float(self._shift))
        plain = self._gain == 1 and self._full <= 255 and not self._fitted
        with np.errstate(over="ignore", invalid="ignore"):
            strip = strip_of(y)
            t: Array = strip.flat
            if not plain:
                t = affine(t, self._gain, self._shift)
            elif self._shift:
                np.add(t, np.float32(self._shift), out=t)
            self._finish(strip, t, out, -reach, reach)

    def sums(
        self,
        sums: Array,
        scale: Fraction,
        bias: Fraction,
        *,
        exact: bool,
        bound: float,
        out: Array,
        reach: tuple[float, float] | None = None,
    ) -> None:
        """Write ``sums * scale + bias`` to ``out``, rounding exact sums once; ``sums`` may be overwritten.

        ``bound`` is the largest magnitude that the sums can have, ``reach`` the smallest and largest sum.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            steps = self._steps(sums.dtype, scale, bias, exact, bound, reach)
            strip = strip_of(sums)
            t: Array = strip.flat
            if steps.affine is not None:
                t = affine(t, *steps.affine)
            elif t.dtype != steps.dtype:
                t = t.astype(steps.dtype)
            for verb, number in steps.verbs:
                verb(t, number, out=t)
            self._finish(strip, t, out, steps.low, steps.high)

    def _steps(
        self,
        dtype: np.dtype[Any],
        scale: Fraction,
        bias: Fraction,
        exact: bool,
        bound: float,
        reach: tuple[float, float] | None,
    ) -> _Steps:
        """What is done to sums of ``dtype``, worked out for their first strip: fractions cost more than a pass."""
        asked = (dtype.char, id(scale), id(bias), exact, bound, reach)  # to hash a fraction takes microseconds
        if asked not in self._known:
            factor, offset = scale * self._gain, bias * self._gain + self._shift
            low, high = sorted(end * float(factor) + float(offset) for end in reach or (-bound, bound))
            if dtype.kind == "i" and factor == 1 and offset.denominator == 1 and self._full:
                wide = bound + abs(offset) >= np.iinfo(dtype).max
                added = [(np.add, int(offset))] if offset else []
                steps = _Steps(np.dtype(np.int64) if wide else dtype, added, None, low, high)
            elif exact and self._single_is_exact(factor, offset, bound):
                steps = _Steps(SINGLE, _in_single(factor.numerator, factor.denominator, offset), None, low, high)
            elif exact or self._fitted:
                steps = _Steps(np.dtype(np.float64), [], (factor, offset), low, high)
            else:
                steps = _Steps(SINGLE, _in_single(factor, 1, offset), None, low, high)
            self._known[asked] = steps, scale, bias  # what is kept alive keeps its id
        return self._known[asked][0]

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

    def _finish(self, strip: Strip, t: Array, out: Array, low: float, high: float) -> None:
        """Absolute value, rounding, clipping of values from ``low`` to ``high``. No policy shifts an absolute value."""
        if self._abs:
            np.abs(t, out=t)
            low, high = 0.0 if low <= 0 <= high else min(abs(low), abs(high)), max(abs(low), abs(high))
        if self._light is not None and self._lit:
            y = strip.view(t)
            coded = self._light.encoded(y[..., : self._lit], self._coded_full)
            strip = strip_of(np.concatenate((coded, y[..., self._lit :]), axis=-1))
            t, low, high = strip.flat, -inf, inf
        if not self._full:
            np.copyto(out, strip.view(t), casting="unsafe")
            return
        lost = store(strip, t, out, self._full, low, high)
        if lost:
            with self._lock:
                self.clipped += lost


def _in_single(factor: Fraction | int, divisor: int, offset: Fraction) -> list[tuple[np.ufunc, np.float32]]:
    """``t * factor / divisor + offset`` as operations of float32, those that change nothing left out."""
    verbs = [(np.multiply, np.float32(factor), 1), (np.divide, np.float32(divisor), 1), (np.add, np.float32(offset), 0)]
    return [(verb, number) for verb, number, neutral in verbs if number != neutral]


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


def _fitted(policy: Range, units: Units, to_output: Fraction, extent: Extent) -> tuple[Fraction, Fraction]:
    """Gain and shift of the two policies that look at the whole map."""
    gain = policy.gain
    low, high = sorted(end * gain for end in extent.ends)
    if policy.how == "stretch":
        if low == high:
            return gain * to_output, Fraction(0)
        factor = units.full * to_output / (high - low)
        return gain * factor, -low * factor
    middle = units.middle * to_output
    peak = max(abs(low), abs(high))
    if peak == 0:
        return Fraction(0), middle
    return gain * (units.full - units.middle) * to_output / peak, middle


def tone_alpha(alpha: Array, source: str, dtype: str, out: Array) -> None:
    """Write an alpha plane in units of ``source`` as samples of ``dtype``: scaled, rounded, clipped."""
    if np.dtype(dtype).kind == "f" or (source == dtype and alpha.dtype == np.dtype(dtype)):
        np.copyto(out, alpha, casting="unsafe")
        return
    t = np.rint(affine(alpha, FULL[dtype] / FULL[source], Fraction(0)))
    np.copyto(out, np.nan_to_num(t, nan=0.0).clip(0, int(FULL[dtype])), casting="unsafe")
