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
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.tone.extent import Extent
from convtool.tone.light import Light
from convtool.tone.ranges import Range, Units
from convtool.tone.rounding import Finish

Array = NDArray[Any]

FULL = {"uint8": Fraction(255), "uint16": Fraction(65535), "float32": Fraction(1)}
MIDDLE = {"uint8": Fraction(128), "uint16": Fraction(32768), "float32": Fraction(1, 2)}


def units_of(source: str, scale: Fraction = Fraction(1)) -> Units:
    """Full scale and middle of samples of a type that were multiplied by ``scale``."""
    return Units(FULL[source] * scale, MIDDLE[source] * scale)


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
        self._known: dict[tuple[Any, ...], tuple[Finish, Fraction, Fraction]] = {}
        self._dtype = np.dtype(dtype)
        self._full = int(FULL[dtype]) if self._dtype.kind == "u" else 0
        self._fitted = policy.fitted
        if self._fitted and extent is None:
            raise ValueError(f"{policy.how} needs the extent of the map")
        units = units_of(source, scale)
        to_output = FULL[dtype] / units.full if self._full else Fraction(1)
        line = policy.line(units, extent.ends) if extent is not None else policy.line(units)
        self._gain, self._shift, self._abs = line.gain * to_output, line.shift * to_output, line.absolute

    def values(self, y: NDArray[np.float32], out: Array) -> None:
        """Write float values in the input's units to ``out``; ``y`` may be overwritten."""
        plain = self._gain == 1 and self._full <= 255 and not self._fitted
        finish = Finish("single", add=float(self._shift)) if plain else _in_double(self._gain, self._shift)
        self.sums(y, finish, out)

    def sums(self, sums: Array, finish: Finish, out: Array) -> None:
        """Write sums to ``out`` by a finish of ``finish_for``; they may be overwritten."""
        with np.errstate(over="ignore", invalid="ignore"):
            self._finish(sums, finish, out)

    @property
    def direct(self) -> bool:
        """Whether samples are no more than finished sums: nothing is coded again by a curve of light."""
        return self._light is None or not self._lit

    def count(self, lost: int) -> None:
        """Add samples that were clipped."""
        if lost:
            with self._lock:
                self.clipped += lost

    def finish_for(self, dtype: np.dtype[Any], scale: Fraction, bias: Fraction, *, exact: bool, bound: float) -> Finish:
        """What makes samples of ``sums * scale + bias``, rounding exact sums once.

        ``dtype`` is that of the sums and ``bound`` the largest magnitude that they can have.
        """
        asked = (dtype.char, id(scale), id(bias), exact, bound)  # to hash a fraction takes microseconds
        if asked not in self._known:
            factor, offset = scale * self._gain, bias * self._gain + self._shift
            finish = self._finish_for(dtype, factor, offset, exact, bound)
            finish = finish._replace(absolute=self._abs, full=self._full)
            self._known[asked] = finish, scale, bias  # what is kept alive keeps its id
        return self._known[asked][0]

    def _finish_for(
        self, dtype: np.dtype[Any], factor: Fraction, offset: Fraction, exact: bool, bound: float
    ) -> Finish:
        whole = factor == 1 and offset.denominator == 1
        if dtype.kind == "i" and whole and 0 < self._full < np.iinfo(dtype).max > bound + abs(offset):
            return Finish("integer", add=int(offset))
        if exact and self._single_is_exact(factor, offset, bound):
            return Finish("single", factor.numerator, factor.denominator, float(offset))
        if exact or self._fitted:
            return _in_double(factor, offset)
        return Finish("single", multiply=float(factor), add=float(offset))

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

    def _finish(self, values: Array, finish: Finish, out: Array) -> None:
        """Finished samples, coded again by the curve of light in between. No policy shifts an absolute value."""
        finish = finish._replace(absolute=self._abs, full=self._full)
        if self.direct:
            self.count(finish.store(values, out))
            return
        assert self._light is not None
        y = finish.values(values)
        coded = self._light.encoded(y[..., : self._lit], self._coded_full)
        y = np.concatenate((coded, y[..., self._lit :]), axis=-1)
        self.count(Finish(full=self._full).store(y, out))


def _in_double(factor: Fraction, offset: Fraction) -> Finish:
    """``t * factor + offset`` in double precision, as one quotient of whole numbers where they fit.

    A quotient is right to the last bit, so a value that stands exactly between two samples is seen as such.
    """
    bottom = lcm(factor.denominator, offset.denominator)
    top, added = int(factor * bottom), int(offset * bottom)
    if max(abs(top), abs(added), bottom) >= 2**53:
        return Finish("double", multiply=float(factor), add=float(offset))
    return Finish("double", top, bottom, added)


def tone_alpha(alpha: Array, source: str, dtype: str, out: Array) -> None:
    """Write an alpha plane in units of ``source`` as samples of ``dtype``: scaled, rounded, clipped."""
    if np.dtype(dtype).kind == "f" or (source == dtype and alpha.dtype == np.dtype(dtype)):
        np.copyto(out, alpha, casting="unsafe")
        return
    t = np.rint(_in_double(FULL[dtype] / FULL[source], Fraction(0)).values(alpha))
    np.copyto(out, np.nan_to_num(t, nan=0.0).clip(0, int(FULL[dtype])), casting="unsafe")
