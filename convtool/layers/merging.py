"""Several maps joined into one: one row for each way, in arrays, exactly, and as a program of NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.layers.exact import Number, exact
from convtool.tuples import NamedTuple

Floats = NDArray[np.float32]


class Merge(NamedTuple):
    """One way: its arrays are joined two by two, from the first one on."""

    join: Callable[..., Any]
    """Joins the result so far and the next map: ``join(total, y, out=total)``."""
    value: Callable[[Sequence[Number]], Number]
    """The same of single values, without rounding."""
    program: Callable[[Sequence[str]], str]
    """The same of variables of a program that has NumPy as ``np``."""
    squared: bool = False
    """Whether squares are joined, and the root is taken at the end."""
    mean: bool = False
    """Whether the result is divided by the number of maps."""


def _sum(values: Sequence[Number]) -> Number:
    return sum(values, Fraction(0))


MERGES = {
    "magnitude": Merge(
        np.add,
        lambda values: exact(sqrt(float(_sum([y * y for y in values])))),
        lambda names: f"np.sqrt({' + '.join(f'{name} ** 2' for name in names)})",
        squared=True,
    ),
    "max": Merge(np.maximum, max, lambda names: f"np.maximum.reduce([{', '.join(names)}])"),
    "mean": Merge(
        np.add,
        lambda values: _sum(values) / len(values),
        lambda names: f"({' + '.join(names)}) / {len(names)}",
        mean=True,
    ),
    "sum": Merge(np.add, _sum, " + ".join),
}


def merge(maps: Sequence[Floats], how: str | None) -> Floats:
    """Join maps of one shape sample by sample: magnitude sqrt(sum y^2), max (signed), mean, sum; None for one map."""
    if how is None:
        return maps[0]
    way = MERGES[how]
    total: Floats = np.square(maps[0]) if way.squared else maps[0].copy()
    for y in maps[1:]:
        way.join(total, np.square(y) if way.squared else y, out=total)
    if way.squared:
        np.sqrt(total, out=total)
    if way.mean:
        total /= np.float32(len(maps))
    return total


def merged_value(values: Sequence[Number], how: str | None) -> Number:
    """Single values joined without rounding (but by the root of magnitude); the one value for None."""
    return values[0] if how is None else MERGES[how].value(values)
