"""Kernels of low rank as a few terms, each a column of weights times a row of weights."""

from __future__ import annotations

from math import gcd

import numpy as np
from numpy.typing import NDArray

from convtool.engine.bank import Bank
from convtool.tuples import NamedTuple

MOST_TERMS = 4
"""Rank up to which a kernel is split."""

TOLERANCE = 1.9e-6
"""Largest error relative to sum|w|*max|x|, of rounding and of what terms leave out together: the contract's 2e-6, less
the rounding of the scale."""

ROUNDING = 2.0**-24
"""Relative rounding error of one float32 operation."""

STEPS = 18
"""Roundings that a tap goes through at most in both passes, counted by halves: to round the same way at every addition,
sums would have to grow, and then they were smaller before."""


class Term(NamedTuple):
    """One term ``column[u] * row[v]``."""

    column: NDArray[np.float64]
    row: NDArray[np.float64]


def split(bank: Bank) -> tuple[Term, ...]:
    """The kernel as a few terms of rank one; empty if it takes more, or if rounding would grow too much.

    The terms come from Gaussian elimination with the largest weight left as the pivot, whose operations are the same
    on every machine; those of a singular value decomposition are not.
    """
    if len(bank.weights) > 1 or bank.weights.shape[1] > 1:
        return ()
    weights = bank.multiplied[0, 0]
    if not weights.any():
        return ()
    if bank.integers is not None:
        return _whole(bank.integers[0, 0].astype(np.float64), bank.shrink)
    left = weights.copy()
    terms: list[Term] = []
    while len(terms) < MOST_TERMS and left.any():
        peak = np.unravel_index(np.argmax(np.abs(left)), left.shape)
        terms.append(Term(left[:, peak[1]].copy(), left[peak[0]] / left[peak]))
        left -= np.outer(*terms[-1])
        if _error(terms, weights, left) <= TOLERANCE:
            return tuple(terms)
    return ()


def _whole(weights: NDArray[np.float64], shrink: float) -> tuple[Term, ...]:
    """One term of whole numbers, if that is what the weights are; the column made smaller by ``shrink``."""
    peak = np.unravel_index(np.argmax(np.abs(weights)), weights.shape)
    common = gcd(*(int(weight) for weight in weights[peak[0]]))
    column, row = weights[:, peak[1]] * (common / weights[peak]), weights[peak[0]] / common
    same = np.array_equal(column, np.rint(column)) and np.array_equal(np.outer(column, row), weights)
    return (Term(column * shrink, row),) if same else ()


def _error(terms: list[Term], weights: NDArray[np.float64], left: NDArray[np.float64]) -> float:
    """Bound of the error of a sum of terms, relative to sum|w|*max|x|, ``left`` being what they leave out."""
    spread = sum(float(np.abs(term.column).sum() * np.abs(term.row).sum()) for term in terms)
    steps = STEPS + len(terms)
    return float((np.abs(left).sum() + steps * ROUNDING * spread) / np.abs(weights).sum())
