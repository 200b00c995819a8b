"""A kernel as taps in the order in which they are added: over the whole window, or a column and then a row of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.engine.bank import Bank
from convtool.engine.split import Term
from convtool.engine.window import Window
from convtool.tuples import NamedTuple

Array = NDArray[Any]

ONE_PASS, EACH_OF_TWO = 28, 14
"""Additions that a tap may go through, in a single pass and in each of two. With the roundings of weight, product and
scale they stay below 33 units of 2**-24, which is the 2e-6 of the contract."""


def radix(taps: int, additions: int) -> int:
    """How many taps, and then sums, are added one to the next before their sum joins others.

    The most that go with so many additions, at as few levels as the taps need: n at each of k levels take k*(n-1).
    """
    levels = next(k for k in range(1, additions + 1) if (additions // k + 1) ** k >= taps)
    return additions // levels + 1


class Taps(NamedTuple):
    """Taps of one filter or several, in the type in which they are summed: int16, int32 or float32.

    ``places`` (T, 2) are the row under the window and the offset in a dealt-out row (``Window.offset``) of each tap,
    ``weights`` (N, T) their weights. ``splits`` (terms, 2) says how many of them are column taps and row taps of each
    separable term; it is empty where they span the window. ``radix`` taps are added one to the next, and as many of
    such sums, and so on (core.c, "The order of a sum").
    """

    places: NDArray[np.int32]
    weights: Array
    splits: NDArray[np.int32]
    radix: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the sums."""
        return self.weights.dtype


def sum_dtype(bank: Bank, peak: float, whole: bool) -> np.dtype[Any]:
    """The cheapest type that holds sums of samples up to ``peak`` exactly, else float32.

    ``whole`` says that samples are integers.
    """
    if bank.integers is not None and whole:
        bound = max(bank.bound(max(peak, 1.0)), peak)  # of the samples, too, should all weights be zero
        if bound < 2**15:
            return np.dtype(np.int16)
        if 2**24 <= bound < 2**31:
            return np.dtype(np.int32)
    return np.dtype(np.float32)


def direct(bank: Bank, window: Window, dtype: np.dtype[Any]) -> Taps:
    """All taps that any filter has, channel by channel and row by row."""
    used = np.asarray(bank.multiplied.any(axis=0))
    if not used.any():
        used[0, 0, 0] = True
    places = [(u * window.geometry.rows.dilation, window.offset(c, v)) for c, u, v in np.argwhere(used).tolist()]
    weights = bank.multiplied[:, used].astype(dtype)
    return Taps(np.array(places, dtype=np.int32), weights, np.empty((0, 2), np.int32), radix(len(places), ONE_PASS))


def separable(terms: Sequence[Term], window: Window, dtype: np.dtype[Any]) -> Taps:
    """A column and a row of taps for each term of rank one."""
    places: list[tuple[int, int]] = []
    weights: list[float] = []
    splits = []
    for column, row in terms:
        down, across = np.flatnonzero(column).tolist(), np.flatnonzero(row).tolist()
        places += [(u * window.geometry.rows.dilation, 0) for u in down]
        places += [(0, window.offset(0, v)) for v in across]
        weights += [*column[down], *row[across]]
        splits.append((len(down), len(across)))
    each = np.array(weights, dtype=dtype)[None]
    longest = max(map(max, splits))
    return Taps(np.array(places, dtype=np.int32), each, np.array(splits, dtype=np.int32), radix(longest, EACH_OF_TWO))
