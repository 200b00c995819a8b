"""Smallest and largest value of a map."""

from __future__ import annotations

from fractions import Fraction
from math import inf, isfinite
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.tuples import NamedTuple

Array = NDArray[Any]


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


NOTHING = Extent(0.0, 0.0)
"""The extent of a map without a visible pixel or a finite value."""


class Meter:
    """Running extent of visible values; infinities and NaN have no place in it. Threads may share one."""

    def __init__(self) -> None:
        self.low, self.high = inf, -inf
        self._lock = Lock()

    def add(self, y: Array, alpha: Array | None) -> None:
        """Take in values (rows, W, C); pixels with alpha 0 are invisible and do not count."""
        if alpha is not None:
            y = y[alpha[..., 0] > 0]
        if not y.size:
            return
        low, high = float(y.min()), float(y.max())
        if not (isfinite(low) and isfinite(high)):
            y = y[np.isfinite(y)]
            if not y.size:
                return
            low, high = float(y.min()), float(y.max())
        with self._lock:
            self.low, self.high = min(self.low, low), max(self.high, high)

    @property
    def extent(self) -> Extent:
        """What was seen, NOTHING if there was nothing to see."""
        return Extent(self.low, self.high) if self.low <= self.high else NOTHING
