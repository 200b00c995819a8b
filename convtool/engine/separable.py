"""Sums of kernels of low rank: a column of weights, then a row of weights, for each rank one term.

Both passes are batches of small matrix products on the flat strip. The column pass makes R output rows of
R + kh - 1 padded rows with a banded matrix. The row pass cuts the strip into blocks of E samples and makes each of
the E + (kw - 1)*C samples from its start on; blocks overlap, and as BLAS wants rows of a matrix apart by at least
their length, every few-th block forms one matrix.
"""

from __future__ import annotations

from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.border import Rows, Strips
from convtool.engine import blas
from convtool.engine.bank import Bank
from convtool.engine.cascade import Cascade
from convtool.engine.gemm import CLIFF
from convtool.engine.workspace import PerThread, Shape, as_strided
from convtool.geometry import Geometry
from convtool.tuples import NamedTuple

Array = NDArray[Any]
FLOAT = np.dtype(np.float32)

BAND_ROWS = 4
"""Output rows of one product of the column pass."""

BLOCK = 16
"""Samples of one block of the row pass: the width of an AVX-512 register."""

PIECE = 32
"""Products added in a row inside one matrix product; two passes each round half as much as one may."""

TOLERANCE = 1.9e-6
"""Largest error relative to sum|w|*max|x|, of rounding and of terms left out together."""

MOST_SIDE = 64
"""Smaller side of a kernel up to which a low rank is looked for; a rank of one is found for any."""

ROUNDING = 2.0**-24
"""Relative rounding error of one float32 operation."""


class Term(NamedTuple):
    """One term ``column[u] * row[v]``."""

    column: NDArray[np.float64]
    row: NDArray[np.float64]


def split(bank: Bank, most: int) -> tuple[Term, ...]:
    """The kernel as up to ``most`` terms of rank one; empty if it takes more, or if rounding would grow too much."""
    if len(bank.weights) > 1 or bank.weights.shape[1] > 1:
        return ()
    weights = bank.multiplied[0, 0]
    size = float(np.abs(weights).sum())
    if not size:
        return ()
    peak = np.unravel_index(np.argmax(np.abs(weights)), weights.shape)
    column, row = weights[:, peak[1]], weights[peak[0]] / weights[peak]
    if bank.integers is not None:
        common = gcd(*(int(weight) for weight in weights[peak[0]]))
        column, row = column * (common / weights[peak]), weights[peak[0]] / common
        whole = np.array_equal(column, np.rint(column)) and np.array_equal(np.outer(column, row), weights)
        return (Term(column, row),) if whole else ()
    terms = [Term(column, row)]
    if _error(terms, weights) <= TOLERANCE:
        return tuple(terms)
    if min(weights.shape) > MOST_SIDE:
        return ()
    with blas.one_thread():
        left, values, right = np.linalg.svd(weights)
    for rank in range(1, min(most, *weights.shape) + 1):
        terms = [Term(left[:, at] * values[at], right[at]) for at in range(rank)]
        if _error(terms, weights) <= TOLERANCE:
            return tuple(terms)
    return ()


def _error(terms: list[Term], weights: NDArray[np.float64]) -> float:
    """Bound of the error of a sum of terms, relative to sum|w|*max|x|.

    A product adds up to PIECE numbers in a row; equal ones round the same way, which grows to a third of the count.
    """
    size = float(np.abs(weights).sum())
    left_out = np.abs(sum(np.outer(term.column, term.row) for term in terms) - weights).sum()
    spread = sum(float(np.abs(term.column).sum() * np.abs(term.row).sum()) for term in terms)
    steps = sum(min(count, PIECE) / 3 + np.log2(count / PIECE + 1) for count in weights.shape) + len(terms) + 2
    return float((left_out + steps * ROUNDING * spread) / size)


class Separable:
    """Sums of one kernel of low rank, on every channel alike."""

    dtype = FLOAT

    def __init__(self, geometry: Geometry, channels: int, terms: tuple[Term, ...]) -> None:
        self.geometry, self.channels, self.terms = geometry, channels, terms
        rows, columns = geometry.rows, geometry.columns
        shared = gcd(rows.stride, rows.dilation)
        self.unit, self.down, self.spread = shared, rows.stride // shared, rows.dilation // shared
        self.phases = self.spread if self.down == 1 else 1
        self.block_out = BLOCK if columns.stride == 1 else max(1, round(BLOCK / channels)) * channels
        self.block_in = self.block_out * columns.stride
        self.pitch = -(-columns.padded * channels // self.block_in) * self.block_in
        self.columns = [self._column_pieces(term.column) for term in terms]
        self.rows = [self._row_pieces(term.row) for term in terms]
        self._bound: PerThread[_Bound] = PerThread()

    @property
    def products(self) -> tuple[float, float]:
        """Multiplications for each sample of the column pass and of the row pass, the zeros of the bands included."""
        columns = sum(matrix.shape[1] for pieces in self.columns for matrix, _ in pieces)
        return columns, sum(matrix.shape[0] for pieces in self.rows for matrix, _ in pieces)

    def _column_pieces(self, weights: NDArray[np.float64]) -> list[tuple[Array, int]]:
        """Matrices (R, K) of the column pass, each with the row of the strip where it starts to read."""
        apart = 1 if self.phases > 1 else self.spread
        pieces = []
        for first in range(0, len(weights), PIECE):
            part = weights[first : first + PIECE]
            taps = (len(part) - 1) * apart + 1
            matrix = np.zeros((BAND_ROWS, (BAND_ROWS - 1) * self.down + taps), dtype=np.float32)
            for row in range(BAND_ROWS):
                matrix[row, row * self.down : row * self.down + taps : apart] = part
            pieces.append((matrix, first * apart))
        return pieces

    def _row_pieces(self, weights: NDArray[np.float64]) -> list[tuple[Array, int]]:
        """Matrices (K, E) of the row pass, each with the sample of its block where it starts to read."""
        axis, channels = self.geometry.columns, self.channels
        out = np.arange(self.block_out)
        start = out // channels * axis.stride * channels + out % channels if axis.stride > 1 else out
        pieces = []
        for first in range(0, len(weights), PIECE):
            part = weights[first : first + PIECE]
            taps = np.arange(len(part)) * axis.dilation * channels
            matrix = np.zeros((int(start[-1] + taps[-1]) + 1, self.block_out), dtype=np.float32)
            for tap, weight in zip(taps, part, strict=True):
                matrix[start + tap, out] = weight
            pieces.append((matrix, first * axis.dilation * channels))
        return pieces

    def sums(self, strips: Strips, image: Rows, first: int, last: int, out: Array | None = None) -> Array:
        """Unscaled sums of output rows first..last, (rows, W', C), float32: a view, valid until this thread's next.

        ``out`` is not used: blocks of the row pass run across the ends of the rows.
        """
        rows = last - first
        bound = self._bound.get(rows, self._wanted, self._bind)
        strips.fill(bound.padded, image, self.geometry.rows.start(first))
        for blank in bound.blanks:
            blank[...] = 0
        cascade = Cascade(bound.total)
        for columns, pieces in zip(self.columns, self.rows, strict=True):
            for phase in range(self.phases):
                self._column_pass(bound, columns, phase, rows)
            for matrix, start in pieces:
                self._row_pass(bound.column_sums[start:], matrix, cascade.target())
                cascade.add()
        cascade.finish()
        return bound.result

    def _column_pass(self, bound: _Bound, pieces: list[tuple[Array, int]], phase: int, rows: int) -> None:
        """Column sums of the output rows of one phase."""
        target = bound.column_sums[: rows * self.pitch].reshape(rows, self.pitch)[phase :: self.phases]
        whole = len(target) // BAND_ROWS * BAND_ROWS
        for start, stop, band in ((0, whole, BAND_ROWS), (whole, len(target), len(target) - whole)):
            if start == stop:
                continue
            out = target[start:stop].reshape(-1, band, self.pitch)
            cascade = Cascade(out)
            for matrix, row in pieces:
                used = matrix.shape[1] - (BAND_ROWS - band) * self.down
                first = (phase + (start * self.down + row) * self.phases) * self.unit
                down = self.phases * self.unit * self.pitch
                part, into = np.ascontiguousarray(matrix[:band, :used]), cascade.target()
                columns = max(CLIFF // (band * used) // 16 * 16, 64)
                for left in range(0, self.pitch, columns):
                    right = min(left + columns, self.pitch)
                    source = as_strided(
                        bound.strip[first * self.pitch + left :],
                        (len(out), used, right - left),
                        (band * self.down * down, down, 1),
                    )
                    np.matmul(part, source, out=into[..., left:right])
                cascade.add()
            cascade.finish()

    def _row_pass(self, flat: Array, matrix: Array, out: Array) -> None:
        """One piece of the row pass; ``out`` is (batches, blocks, apart, E): block b stands at b in that order."""
        batches, blocks, apart, _ = out.shape
        source = as_strided(
            flat,
            (apart, batches, blocks, len(matrix)),
            (self.block_in, blocks * apart * self.block_in, apart * self.block_in, 1),
        )
        np.matmul(source, matrix, out=out.transpose(2, 0, 1, 3))

    def _grid(self, rows: int) -> tuple[int, int, int]:
        """(batches, blocks, apart): blocks of the row pass in one matrix, and how far apart they have to be."""
        height = max(len(matrix) for pieces in self.rows for matrix, _ in pieces)
        apart = -(-height // self.block_in)
        total = -(-rows * self.pitch // (self.block_in * apart))
        most = max(CLIFF // (height * self.block_out), 16)
        batches = -(-total // most)
        return batches, -(-total // batches), apart

    def _wanted(self, rows: int) -> list[tuple[Shape, np.dtype[Any]]]:
        batches, blocks, apart = self._grid(rows)
        reach = max(start + len(matrix) for pieces in self.rows for matrix, start in pieces)
        samples = batches * blocks * apart * self.block_in + reach
        return [
            ((self._height(rows), self.pitch), FLOAT),
            ((samples,), FLOAT),
            ((batches, blocks, apart, self.block_out), FLOAT),
        ]

    def _height(self, rows: int) -> int:
        return (rows - 1) * self.geometry.rows.stride + self.geometry.rows.span

    def _bind(self, rows: int, arrays: list[Array]) -> _Bound:
        strip, column_sums, total = arrays
        columns, channels = self.geometry.columns, self.channels
        used = columns.padded * channels
        padded = as_strided(strip, (len(strip), columns.padded, channels), (self.pitch, channels, 1))
        # What the blocks read beyond the samples is multiplied by zeros, so it must not be infinite.
        blanks = [strip[:, used:], column_sums[rows * self.pitch :]]
        pitch = self.pitch // columns.stride
        result = as_strided(total, (rows, columns.out, channels), (pitch, channels, 1))
        return _Bound(padded, strip.reshape(-1), column_sums, total, result, blanks)


class _Bound(NamedTuple):
    """The buffers in one thread's memory for one strip height."""

    padded: Array
    strip: Array
    column_sums: Array
    total: Array
    result: Array
    blanks: list[Array]
