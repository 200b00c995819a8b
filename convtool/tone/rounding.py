"""From sums to samples: a scale and an offset, then rounding half to even, and clipping that is counted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.tuples import NamedTuple

Array = NDArray[Any]

ARITHMETICS = ("as it is", "integer", "single", "double")
"""How a sum becomes a value, in the order in which the compiled core counts them."""


class Finish(NamedTuple):
    """What becomes of a sum: the same operations in NumPy (here) and in the compiled core.

    ``arithmetic``: ``as it is`` leaves it; ``integer`` is sum + add in the type of the sum; ``single`` is
    sum * multiply / divide + add in float32; ``double`` is (sum * multiply + add) / divide in float64. Then its
    magnitude, if ``absolute``. With a ``full`` scale values are rounded half to even and clipped to 0..full.
    """

    arithmetic: str = "as it is"
    multiply: float = 1.0
    divide: float = 1.0
    add: float = 0.0
    absolute: bool = False
    full: int = 0

    @property
    def number(self) -> int:
        """The arithmetic as the core counts it."""
        return ARITHMETICS.index(self.arithmetic)

    def values(self, sums: Array) -> Array:
        """Values before rounding, of integer, float32 or float64 type; ``sums`` may be overwritten."""
        if self.arithmetic == "as it is":
            return sums
        if self.arithmetic == "integer":
            t = sums
            if self.add:
                np.add(t, t.dtype.type(self.add), out=t)
        elif self.arithmetic == "single":
            t = sums if sums.dtype == np.float32 else sums.astype(np.float32)
            steps = ((np.multiply, self.multiply, 1), (np.divide, self.divide, 1), (np.add, self.add, 0))
            for verb, number, neutral in steps:
                if number != neutral:
                    verb(t, np.float32(number), out=t)
        else:
            t = sums.astype(np.float64)
            if self.multiply != 1:
                t *= self.multiply
            t += self.add
            if self.divide != 1:
                t /= self.divide
        return np.abs(t, out=t) if self.absolute else t

    def store(self, sums: Array, out: Array) -> int:
        """Finished samples into ``out`` of any integer type or float32; how many were clipped."""
        t = self.values(sums)
        if self.full:
            return store(t, out, self.full)
        np.copyto(out, t, casting="unsafe")
        return 0


def store(t: Array, out: Array, full: int) -> int:
    """Write values to ``out`` as integers 0..full, rounded half to even; NaN becomes 0. Returns how many were clipped.

    ``t`` may be overwritten.
    """
    if t.dtype.kind == "f":
        np.rint(t, out=t)
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
