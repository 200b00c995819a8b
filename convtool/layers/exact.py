"""Numbers without rounding: what ``--verify`` and explain compute with."""

from __future__ import annotations

from fractions import Fraction
from math import isfinite

from convtool.tone.ranges import Number

__all__ = ["Number", "exact"]


def exact(value: float) -> Number:
    """A number as a fraction, unless it is infinite or NaN."""
    return Fraction(value) if isfinite(value) else value
