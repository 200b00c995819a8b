"""The compiled core: which one runs, and how a sum is handed to it.

``CONVTOOL_CORE`` chooses: ``numpy`` for none, or a width of vectors (``baseline``, ``avx2``, ``avx512``; ``neon``) to
hold it to. Otherwise the widest that the machine has is used. The choice changes no result.
"""

from __future__ import annotations

import os
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.engine import sliding
from convtool.engine.border import Rows
from convtool.engine.taps import Taps
from convtool.engine.window import Indices, Window
from convtool.errors import UsageError
from convtool.tone.rounding import Finish

try:
    import convtool.engine._core as _core
except ImportError:  # no compiler was at hand
    _core = None  # type: ignore[assignment]

Array = NDArray[Any]

WINDOW, TERM, BANK = range(3)
"""Parts of a job, as core.c names them."""

RINGS = ("int16", "int32", "float32")
"""Types of sums, in the order in which the core counts them."""

NATIVE = {np.dtype(name) for name in ("uint8", "uint16", "int16", "int32", "float32")}
"""Types of samples that the core reads; of the others, what the sums are made of is a copy."""


def width() -> int | None:
    """The width of vectors in use, as the core counts them; None for NumPy.

    Raises UsageError for one that is not there.
    """
    return _width(os.environ.get("CONVTOOL_CORE", ""))


@lru_cache
def _width(wanted: str) -> int | None:
    if wanted == "numpy" or (_core is None and not wanted):
        return None
    there: tuple[str, ...] = () if _core is None else _core.WIDTHS
    if wanted and wanted not in there:
        raise UsageError(f"CONVTOOL_CORE is {wanted!r}; here it can be {', '.join((*there, 'numpy'))}")
    return there.index(wanted) if wanted else len(there) - 1


def name() -> str:
    """What runs, as ``--version`` and ``-v`` say it: ``core avx2``, ``numpy``."""
    chosen = width()
    return "numpy" if chosen is None else f"core {_core.WIDTHS[chosen]}"


class Prepared:
    """The sums of some taps of a window, laid out for the core: what does not depend on the rows."""

    def __init__(self, window: Window, taps: Taps) -> None:
        self._window, self._dtype = window, taps.dtype
        self._parts: list[tuple[int, ...]] = []
        self._steps: list[tuple[int, int, int]] = []
        self._taps: list[tuple[int, int]] = []
        self._weights: list[float] = []
        self._radix = len(taps.places) if taps.dtype.kind == "i" else taps.radix  # whole numbers have no order
        places = [(row, offset) for row, offset in taps.places.tolist()]
        if len(taps.splits):
            self._terms(taps, places)
        else:
            fours = len(taps.weights) // 4 * 4 if taps.dtype == np.float32 else 0
            if fours:
                self._parts.append((BANK, len(places), 0, fours // 4))
                self._taps += places
                self._weights += taps.weights[:fours].reshape(-1, 4, len(places)).transpose(0, 2, 1).ravel().tolist()
            for weights in taps.weights[fours:].tolist():
                self._pair(WINDOW, places, weights)
        axis, columns = window.geometry.rows, window.geometry.columns
        numbers = (RINGS.index(taps.dtype.name), window.each, window.stride, axis.span, window.phases, window.lead)
        self._numbers = (*numbers, window.inner, max(columns.start(0), 0), self._radix)
        lists = (self._parts, self._steps, self._taps)
        self._arrays = [
            window.column_of,
            *(np.array(each, dtype=np.int32).ravel() for each in lists),
            np.array(self._weights, dtype=taps.dtype),
        ]

    def _terms(self, taps: Taps, places: list[tuple[int, int]]) -> None:
        at = 0
        weights = taps.weights[0].tolist()
        for down, along in taps.splits.tolist():
            self._pair(TERM, places[at : at + down], weights[at : at + down], along)
            self._taps += places[at + down : at + down + along]
            self._weights += weights[at + down : at + down + along]
            at += down + along

    def _pair(self, kind: int, places: list[tuple[int, int]], weights: list[float], along: int = 0) -> None:
        """A part of which two rows of outputs, one under the other, take together what both see."""
        window, steps = self._window, list[tuple[int, int, int]]()
        ranks: list[dict[tuple[int, ...], int]] = []  # of each row: its taps in the order of sums
        for down in (0, window.stride):
            seen = [(*window.position(offset), row + down, offset) for row, offset in places]
            ranks.append({(c, row, column, offset): at for at, (c, column, row, offset) in enumerate(seen)})
        for source in sorted(ranks[0] | ranks[1]):
            taps = [rank.get(source) for rank in ranks]
            self._taps.append((source[1], source[3]))
            self._weights += [0 if at is None else weights[at] for at in taps]
            takes = [at is not None for at in taps]
            leaf_ends = [at is not None and ((at + 1) % self._radix == 0 or at + 1 == len(places)) for at in taps]
            rows, ends = (one + 2 * two for one, two in (takes, leaf_ends))
            if steps and steps[-1][1] == rows and not steps[-1][2]:
                steps[-1] = (steps[-1][0] + 1, rows, ends)
            else:
                steps.append((1, rows, ends))
        self._parts.append((kind, sum(step[0] for step in steps), len(steps), along))
        self._steps += steps

    def run(self, width: int, samples: Array, row_of: Indices, finish: Finish, out: Array) -> int:
        """Fill ``out`` (rows, W', outputs) with finished sums; returns how many were clipped."""
        if samples.dtype not in NATIVE or not samples.flags.aligned:
            samples = samples.astype(self._dtype)
        numbers = np.array((*self._numbers, finish.number, finish.absolute, finish.full), dtype=np.int64)
        reals = np.array((self._window.border.value, finish.multiply, finish.divide, finish.add), dtype=np.float64)
        column_of, parts, steps, taps, weights = self._arrays
        return _core.filter(width, samples, row_of, column_of, parts, steps, taps, weights, numbers, reals, out)


class TapSums:
    """Sums of taps, by the core or in NumPy: the same bytes."""

    def __init__(self, window: Window, taps: Taps) -> None:
        self.window, self.taps = window, taps

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the sums."""
        return self.taps.dtype

    @cached_property
    def _prepared(self) -> Prepared:
        return Prepared(self.window, self.taps)

    def fill(self, image: Rows, first: int, last: int, finish: Finish, out: Array) -> int:
        """Finished sums of output rows first..last of an image into ``out``; returns how many were clipped."""
        samples, row_of = self.window.source(image, first, last)
        row_of = self.window.seen(row_of)
        if (chosen := width()) is not None:
            return self._prepared.run(chosen, samples, row_of, finish, out)
        with np.errstate(over="ignore", invalid="ignore"):  # as samples near the end of float32 make any sum
            return finish.store(sliding.sums(self.window, self.taps, samples, row_of), out)
