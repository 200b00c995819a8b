"""What the formulas of kernels share: how results look, limits, and steps that several take.

Rows before columns, row 0 at the top; angles in degrees, counter-clockwise on the screen, 0 to the right. Since
row numbers grow downward, the direction of an angle t is ``(column, row) = (cos t, -sin t)``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from fractions import Fraction
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from convtool.errors import KernelError
from convtool.tuples import NamedTuple

Number = float | Fraction
Values = Mapping[str, Number]
Weights = NDArray[np.float64]

MAX_SIDE = 1023
"""Longest side of a kernel, in pixels; the same for every kernel of the tool, and not an option."""

LIMIT = f"a kernel's side is at most {MAX_SIDE}, and that limit is fixed"

EXACT_BELOW = 2**24
"""A sum of integer weights is worth keeping as integers while it fits the 24 bits of a float32."""


class Generated(NamedTuple):
    """Finished weights (kh, kw) and, where they are exactly ``integers * scale``, both factors."""

    weights: Weights
    integers: NDArray[np.int64] | None = None
    scale: Fraction | None = None


def plain(value: object) -> str:
    """Show a number as it was typed (2.5, 1/3), but never at a length that would bury the message."""
    text = str(value)
    if isinstance(value, Real):
        with suppress(OverflowError, ValueError):
            near = repr(float(value))
            text = near if Fraction(near) == value else text
    text = text.removesuffix(".0")
    return text if len(text) <= 30 else f"{text[:27]}..."


def side_for(generator: str, reach: int, **cause: Number) -> int:
    """Side of a square kernel that reaches so many pixels from its centre, refused before anything is allocated."""
    side = 2 * reach + 1
    if side > MAX_SIDE:
        given = " and ".join(f"{name} {plain(value)}" for name, value in cause.items())
        raise KernelError(f"{generator}: {given} would need a kernel of side {side}; {LIMIT}")
    return side


def as_typed(value: Number) -> Fraction:
    """The number that was typed: 0.3 is 3/10, though its float is a little less."""
    return value if isinstance(value, Fraction) else Fraction(repr(value))


def over(integers: NDArray[np.int64], divisor: int) -> Generated:
    """Integers divided by a whole number."""
    return Generated(integers / divisor, integers, Fraction(1, divisor))


def outer_product(taps: list[int]) -> Generated:
    """Square kernel of integer taps, column times row, with sum 1."""
    total = sum(taps)
    if total**2 < EXACT_BELOW:
        row = np.array(taps, dtype=np.int64)
        return over(np.outer(row, row), total**2)
    weights = np.array([tap / total for tap in taps])
    return Generated(np.outer(weights, weights))


def offsets(side: int) -> Weights:
    """Distance of each row (or column) from the middle, exactly mirrored: -1, 0, 1 or -1.5, -0.5, 0.5, 1.5."""
    return np.arange(side, dtype=np.float64) - (side - 1) / 2


def bell(sigma: Number, side: int) -> Weights:
    """A Gaussian of standard deviation ``sigma`` on (side, side) pixels, with sum 1."""
    # math.exp one by one: a vectorised exp may round the two halves differently and break the symmetry.
    taps = [math.exp(-0.5 * (x / float(sigma)) ** 2) for x in offsets(side).tolist()]
    total = math.fsum(taps)
    row = np.array([tap / total for tap in taps])
    return np.outer(row, row)


def reach_of(sigma: Number) -> int:
    """How far from its centre a Gaussian is kept, in pixels."""
    return math.ceil(3 * sigma)


def zero_sum(weights: Weights) -> Weights:
    """Make a sum that is nearly zero exactly zero, in whatever order it is added up.

    Weights are rounded to a grid so coarse (2**-52 of their absolute sum) that no partial sum can be rounded, and
    the centre, which every symmetry maps to itself, takes what is left.
    """
    grid = math.ldexp(1.0, math.frexp(float(np.abs(weights).sum()))[1] - 52)
    steps = np.rint(weights / grid)
    middle = weights.shape[0] // 2
    steps[middle, middle] -= steps.sum()
    return steps * grid


def direction_of(degrees: Number) -> tuple[float, float]:
    """Cosine and sine, exact at multiples of 90 and equal to each other at 45."""
    quarters, rest = divmod(float(degrees) % 360.0, 90.0)
    angle = math.radians(rest)
    c, s = (math.sqrt(0.5),) * 2 if rest == 45.0 else (math.cos(angle), math.sin(angle))
    for _ in range(int(quarters)):
        c, s = 0.0 - s, c
    return c, s
