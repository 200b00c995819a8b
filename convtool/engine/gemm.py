"""Sums by matrix multiplication without unrolling windows: batches of small products that overlap in memory.

Every padded row is written in float32 once for each column shift, so the buffer reads ``Q[row][shift][channel][x]``.
The consecutive rows of Q from one image row on then are the whole input of the output rows there, and a matrix
that holds the kernel as a band turns them into R output rows at once:

    (R*N, K) @ (K, columns) -> (R*N, columns)          one for every R output rows, all in one batched ``matmul``

Batch members overlap in Q; nothing is copied between them. A stride is a larger distance between batches, its
columns are dealt out while Q is filled; a dilation of the rows deals the rows of Q out into phases.
"""

from __future__ import annotations

from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.border import Rows, Strips
from convtool.engine.bank import Bank
from convtool.engine.cascade import Cascade
from convtool.engine.workspace import PerThread, Shape, as_strided
from convtool.geometry import Geometry

Array = NDArray[Any]
FLOAT = np.dtype(np.float32)

CLIFF = 1_000_000
"""Multiplications up to which OpenBLAS takes its small-matrix path, about twice as fast just below as just above."""

PIECE = 72
"""Products added in a row inside one matrix product. A constant image and equal weights round every sum the same
way, so rounding can reach a third of this many units; 2e-6 is 33 of them."""

BAND_ROWS = 2
"""Output rows of one product for a single filter: more would multiply more zeros of the band."""


class Gemm:
    """Sums of one bank by overlapping matrix products."""

    dtype = FLOAT

    def __init__(self, bank: Bank, geometry: Geometry, channels: int, shifts: int = 0) -> None:
        """``shifts``: how many shifted copies of a row Q holds, 0 for the best; the other taps are read further on."""
        self.geometry = geometry
        rows, columns = geometry.rows, geometry.columns
        self.depth, self.channels = (1, channels) if bank.each else (channels, 1)
        self.filters = len(bank.weights)
        self.outputs = channels if bank.each else self.filters
        shared = gcd(rows.stride, rows.dilation)
        self.unit, self.down, self.spread = shared, rows.stride // shared, rows.dilation // shared
        self.phases = self.spread if self.down == 1 else 1
        self.shifts = self._shifts(shifts or best_shifts(columns.kernel, rows.kernel, self.depth, self.filters))
        self.groups = -(-columns.kernel // self.shifts)
        self.advance = self.shifts * columns.dilation // columns.stride
        self.width = columns.out * self.channels
        self.pitch = self.width + (self.groups - 1) * self.advance * self.channels
        self.step = self.shifts * self.depth
        self.band = BAND_ROWS if self.filters == 1 and self.step <= PIECE else 1
        self.pieces = self._pieces(bank)
        self._bound: PerThread[_Bound] = PerThread()

    def _shifts(self, wanted: int) -> int:
        """With a stride, groups of shifts have to be whole strides apart."""
        columns = self.geometry.columns
        unit = columns.stride // gcd(columns.stride, columns.dilation)
        return min(-(-wanted // unit) * unit, columns.kernel)

    def _pieces(self, bank: Bank) -> list[tuple[Array, int, int]]:
        """Matrices (R*N, K), the row of Q where each starts to read, and its column shift in samples."""
        kh, kw = bank.size
        apart = 1 if self.phases > 1 else self.spread
        height = (kh - 1) * apart + 1
        pieces = []
        for group in range(self.groups):
            window = np.zeros((self.filters, height, self.shifts, self.depth), dtype=np.float32)
            chosen = bank.multiplied[..., group * self.shifts : (group + 1) * self.shifts]
            window[:, ::apart, : chosen.shape[3]] = chosen.transpose(0, 2, 3, 1)
            flat = window.reshape(self.filters, -1)
            used = np.flatnonzero(flat.any(axis=0))
            for first in range(0, len(used), PIECE):
                start, stop = int(used[first]), int(used[min(first + PIECE, len(used)) - 1]) + 1
                matrix = self._matrix(flat[:, start:stop])
                pieces.append((matrix, start, group * self.advance * self.channels))
        return pieces or [(self._matrix(np.zeros((self.filters, 1), dtype=np.float32)), 0, 0)]

    def _matrix(self, weights: Array) -> Array:
        """The weights (N, K) of one piece as a band: output row r reads r steps further down."""
        step, taps = self.down * self.step, weights.shape[1]
        matrix = np.zeros((self.band, self.filters, (self.band - 1) * step + taps), dtype=np.float32)
        for row in range(self.band):
            matrix[row, :, row * step : row * step + taps] = weights
        return matrix.reshape(self.band * self.filters, -1)

    @property
    def products(self) -> float:
        """Multiplications for each output sample of one filter, the zeros of the bands included."""
        return sum(matrix.shape[1] for matrix, _, _ in self.pieces)

    @property
    def row_samples(self) -> int:
        """Samples of Q that an input row takes."""
        return self.step * self.pitch

    def sums(self, strips: Strips, image: Rows, first: int, last: int, out: Array | None = None) -> Array:
        """Unscaled sums of output rows first..last, (rows, W', outputs), float32.

        Written into ``out`` of that shape if it is given and its samples lie side by side along the columns;
        else a view of this thread's memory, valid until its next call.
        """
        rows = last - first
        bound = self._bound.get(rows, self._wanted, self._bind)
        strips.fill(bound.strip, image, self.geometry.rows.start(first))
        for target, source in bound.deals:
            target[...] = source
        planar = bound.planar if out is None or not self._direct(out) else self._planar(out)
        for phase in range(self.phases):
            self._multiply(bound, phase, planar[phase :: self.phases])
        return planar.transpose(0, 2, 1) if self.channels == 1 else planar.reshape(rows, -1, self.channels)

    def _direct(self, out: Array) -> bool:
        if out.dtype != FLOAT:
            return False
        if self.channels > 1:
            return out.strides[1:] == (4 * self.channels, 4)
        return out.strides[1] == 4 and (self.filters == 1 or out.strides[2] >= 4 * out.shape[1])

    def _planar(self, out: Array) -> Array:
        """The output as (rows, N, samples)."""
        return out.transpose(0, 2, 1) if self.channels == 1 else out.reshape(len(out), 1, self.width)

    def _multiply(self, bound: _Bound, phase: int, out: Array) -> None:
        """Sums of the output rows of one phase into ``out``, (rows, N, samples)."""
        rows = len(out)
        whole = rows // self.band * self.band
        for start, stop, band in ((0, whole, self.band), (whole, rows, rows - whole)):
            if start == stop:
                continue
            block = out[start:stop]
            if self.filters == 1:
                block = block.reshape((stop - start) // band, band, self.width)
            elif band < self.band:
                block = block.reshape(1, band * self.filters, self.width)
            self._batch(bound.rows[phase], start, band, block)

    def _batch(self, flat: Array, start: int, band: int, out: Array) -> None:
        """One band of output rows after the other: ``flat`` (rows of Q, pitch), ``out`` (batches, R*N, samples)."""
        step = self.down * self.step
        cascade = Cascade(out, len(self.pieces))
        for matrix, row, shift in self.pieces:
            height = band * self.filters
            used = matrix.shape[1] - (self.band - band) * step
            part = np.ascontiguousarray(matrix[:height, :used])
            columns = max(CLIFF // (height * used) // 16 * 16, 64)
            target = cascade.target()
            for left in range(0, self.width, columns):
                right = min(left + columns, self.width)
                source = as_strided(
                    flat[start * step + row :, shift + left :],
                    (len(out), used, right - left),
                    (band * step * self.pitch, self.pitch, 1),
                )
                np.matmul(part, source, out=target[..., left:right])
            cascade.add()
        cascade.finish()

    def _heights(self, rows: int) -> tuple[int, int]:
        """Padded rows of a strip, and how many of them each phase of Q holds."""
        axis = self.geometry.rows
        height = (rows - 1) * axis.stride + axis.span
        return height, -(-height // (self.unit * self.phases))

    @property
    def _straight(self) -> bool:
        """Whether the first shift of Q is the padded strip itself."""
        columns = self.geometry.columns
        return self.phases == self.unit == columns.stride == 1 and self.pitch >= columns.padded * self.channels

    def _wanted(self, rows: int) -> list[tuple[Shape, np.dtype[Any]]]:
        height, kept = self._heights(rows)
        return [
            ((self.phases, kept, self.shifts, self.depth, self.pitch), FLOAT),
            ((height, self.geometry.columns.padded, self.depth * self.channels), FLOAT),
            ((rows, self.filters, self.width), FLOAT),
        ]

    def _bind(self, rows: int, arrays: list[Array]) -> _Bound:
        q, strip, planar = arrays
        columns, unit = self.geometry.columns, self.unit * self.phases
        deals = []
        for phase in range(self.phases):
            for shift in range(self.shifts):
                left = shift * columns.dilation
                source = strip[phase * self.unit :: unit, left :: columns.stride]
                for c in range(self.depth):
                    target = q[phase, :, shift, c].reshape(-1, self.pitch // self.channels, self.channels)
                    height = min(len(target), len(source))
                    width = min(target.shape[1], source.shape[1])
                    self._deal(deals, target[:height, :width], source[:height, :width], c)
                    deals.append((target[height:], np.float32(0)))
                    deals.append((target[:, width:], np.float32(0)))
        deals = [(target, source) for target, source in deals if target.size]
        flat = [q[phase].reshape(-1, self.pitch) for phase in range(self.phases)]
        return _Bound(strip, deals, flat, planar)

    def _deal(self, deals: list[tuple[Array, Any]], target: Array, source: Array, c: int) -> None:
        """Copies of one channel, or of interleaved channels where the columns lie side by side."""
        if self.depth > 1:
            deals.append((target[..., 0], source[..., c]))
        elif self.geometry.columns.stride == 1:
            deals.append((target, source))
        else:
            deals += [(target[..., e], source[..., e]) for e in range(self.channels)]


class _Bound:
    """Q, and what fills it, in one thread's memory for one strip height."""

    def __init__(self, strip: Array, deals: list[tuple[Array, Any]], rows: list[Array], planar: Array) -> None:
        self.strip, self.deals, self.rows, self.planar = strip, deals, rows, planar


def best_shifts(kernel_columns: int, kernel_rows: int, depth: int, filters: int) -> int:
    """Shifted copies of a row: all for small and deep kernels, else few, so that Q stays small."""
    if kernel_columns <= 5 or depth > 1 or filters > 4:
        return kernel_columns
    groups = -(-kernel_columns // 4)
    return -(-kernel_columns // groups)
