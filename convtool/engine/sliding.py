"""The sums of taps in NumPy: each tap is a slice of the padded rows, multiplied and added as one long operation.

The same order of the same operations as in the compiled core (core.c), so the same bytes, but for banks, where the core
has fused multiply-adds. It runs where the core could not be built, or if ``CONVTOOL_CORE=numpy`` asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.engine.border import OUTSIDE
from convtool.engine.taps import Taps
from convtool.engine.window import Indices, Window
from convtool.tuples import NamedTuple

Array = NDArray[Any]
Source = tuple[Array, Any]
"""The samples under a tap, and its weight."""

ALL = slice(None)

PART_BYTES = 1 << 18
"""Of the sums that are made at a time, so that they stay in the cache."""


def sums(window: Window, taps: Taps, samples: Array, row_of: Indices) -> Array:
    """Unscaled sums (rows, W', outputs) of the output rows that the padded rows ``row_of`` of ``samples`` make."""
    span, stride, columns = window.geometry.rows.span, window.stride, columns_of(window)
    rows = (len(row_of) - span) // stride + 1
    filters = len(taps.weights)
    total = np.empty((filters, rows, window.outputs), dtype=taps.dtype)
    step = max(1, PART_BYTES // (window.outputs * taps.dtype.itemsize))
    for first in range(0, rows, step):
        last = min(first + step, rows)
        seen = row_of[first * stride : (last - 1) * stride + span]
        padded = np.empty((len(seen), len(columns.sources), window.channels), dtype=taps.dtype)
        fill_padded(padded, window, samples, seen, runs_of(seen), columns)
        dealt = _dealt(window, padded)
        for n, out in enumerate(total[:, first:last]):
            if len(taps.splits):
                _separable(window, taps, dealt, out)
            else:
                _add_up(_sources(window, dealt, taps.places, taps.weights[n], len(out)), taps.radix, out)
    if window.each:
        return total.reshape(rows, window.geometry.columns.out, window.channels)
    return total.transpose(1, 2, 0)


class Columns(NamedTuple):
    """Where some padded columns come from: the image's one after the other, and borders beside them."""

    sources: Indices
    inside: slice
    inner: slice
    """The padded columns inside the image, and which of its columns they are."""
    sides: NDArray[np.intp]


def columns_of(window: Window, part: slice = ALL) -> Columns:
    """All padded columns of a window, or a part of them."""
    sources, first = window.column_of[part], part.start or 0
    lead = min(max(window.lead - first, 0), len(sources))
    stop = max(min(window.lead + window.inner - first, len(sources)), lead)
    start = window.geometry.columns.start(0) + first + lead
    return Columns(sources, slice(lead, stop), slice(start, start + stop - lead), np.r_[:lead, stop : len(sources)])


def runs_of(row_of: Indices) -> list[tuple[int, int, int]]:
    """Padded rows first..last that are rows of the image one after the other, and the first of these, or OUTSIDE."""
    cuts = [0, *(np.flatnonzero((np.diff(row_of) != 1) | (row_of[:-1] == OUTSIDE)) + 1).tolist(), len(row_of)]
    return [(top, bottom, int(row_of[top])) for top, bottom in pairwise(cuts)]


def fill_padded(
    out: Array, window: Window, samples: Array, row_of: Indices, runs: list[tuple[int, int, int]], columns: Columns
) -> None:
    """Write padded rows and columns into ``out`` (rows, columns, C)."""
    sides, sources = columns.sides, columns.sources
    for top, bottom, source in runs:
        if source != OUTSIDE:
            out[top:bottom, columns.inside] = samples[source : source + bottom - top, columns.inner]
    if sides.size:
        out[:, sides] = samples[row_of[:, None].clip(0), sources[sides].clip(0)]
        out[:, sides[sources[sides] == OUTSIDE]] = window.border.value
    for top, bottom, source in runs:
        if source == OUTSIDE:
            out[top:bottom] = window.border.value


def _dealt(window: Window, padded: Array) -> Array:
    """Padded rows as planes, (rows, elements)."""
    if window.phases == 1 and window.depth == 1:
        return padded.reshape(len(padded), -1)
    dealt = np.zeros((len(padded), window.depth, window.phases, window.plane // window.unit, window.unit), padded.dtype)
    for phase in range(window.phases):
        part = padded[:, phase :: window.phases]
        if window.each:
            dealt[:, 0, phase, : part.shape[1]] = part
        else:
            dealt[:, :, phase, : part.shape[1], 0] = part.transpose(0, 2, 1)
    return dealt.reshape(len(padded), -1)


def _sources(window: Window, dealt: Array, places: NDArray[np.int32], weights: Array, rows: int) -> Iterator[Source]:
    """What the taps of all windows of some rows read."""
    stride = window.stride
    for (row, offset), weight in zip(places.tolist(), weights, strict=True):
        yield dealt[row : row + (rows - 1) * stride + 1 : stride, offset : offset + window.outputs], weight


def _separable(window: Window, taps: Taps, dealt: Array, out: Array) -> None:
    """A column of taps over the rows, then a row of taps over its sums, for each term."""
    rows, stride, at = len(out), window.stride, 0
    column_sums = np.empty((rows, dealt.shape[1]), dtype=dealt.dtype)
    term = out
    for down, along in taps.splits.tolist():
        places, weights = taps.places[at : at + down + along], taps.weights[0, at : at + down + along]
        column = [
            (dealt[row : row + (rows - 1) * stride + 1 : stride], weight)
            for row, weight in zip(places[:down, 0].tolist(), weights[:down], strict=True)
        ]
        _add_up(column, taps.radix, column_sums)
        line = [
            (column_sums[:, offset : offset + window.outputs], weight)
            for offset, weight in zip(places[down:, 1].tolist(), weights[down:], strict=True)
        ]
        _add_up(line, taps.radix, term)
        if at:
            np.add(out, term, out=out)
        term = np.empty_like(out)
        at += down + along


def _add_up(sources: Sequence[Source] | Iterator[Source], radix: int, out: Array) -> None:
    """Products added up in leaves, leaves in branches, and so on."""
    product, total = np.empty_like(out), np.zeros_like(out)
    tower: list[list[Any]] = []  # for each level, its sum so far and how many went into it
    for at, (samples, weight) in enumerate(sources):
        if at and at % radix == 0:
            _raise(tower, total, radix)
            total = np.zeros_like(out)
        multiply_add(samples, weight, product, total)
    _raise(tower, total, radix)
    held = [level[0] for level in tower if level[1]]
    result = held[0]
    for above in held[1:]:
        result = np.add(above, result)
    np.copyto(out, result)


def multiply_add(samples: Array, weight: Any, product: Array, total: Array) -> None:
    """Add ``samples * weight`` to ``total``, each rounded by itself; ``product`` is room for it."""
    np.multiply(samples, weight, out=product)
    np.add(total, product, out=total)


def _raise(tower: list[list[Any]], total: Array, radix: int) -> None:
    """Add the sum of a leaf at the lowest level, and carry what is full to the level above."""
    for level in tower:
        if level[1]:
            total = np.add(level[0], total)
        level[0], level[1] = total, level[1] + 1
        if level[1] < radix:
            return
        level[1] = 0
    tower.append([total, 1])
