"""Sums by matrix multiplication without unrolling windows: batches of small products that overlap in memory.

Every padded row is written in float32 once for each column shift, so the buffer reads ``Q[row][shift][channel][x]``.
The consecutive rows of Q from one image row on then are the whole input of the output rows there, and a matrix
that holds the kernel as a band turns them into R output rows at once:

    (R*N, K) @ (K, columns) -> (R*N, columns)          one for every R output rows, all in one batched ``matmul``

Batch members overlap in Q; nothing is copied between them. A stride is a larger distance between batches, its
columns are dealt out while Q is filled; a dilation of the rows deals the rows of Q out into phases.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.border import Rows, Strips
from convtool.engine.bank import Bank
from convtool.engine.cascade import Product, add_up, scratch
from convtool.engine.workspace import PerThread, Shape, as_strided
from convtool.geometry import Geometry
from convtool.tuples import NamedTuple

Array = NDArray[Any]
Deals = list[tuple[Array, Any]]
Batch = tuple[int, int, int, int, int, list[Product]]
"""Output rows start..stop in bands of so many, columns left..right, and the factors of each product."""
FLOAT = np.dtype(np.float32)

CLIFF = 1_000_000
"""Multiplications up to which OpenBLAS takes its small-matrix path, about twice as fast just below as just above."""

PIECE = 80
"""Products added in a row inside one matrix product. A constant image and equal weights round every sum the same
way, so rounding can reach a third of this many units; 2e-6 is 33 of them."""

BAND_ROWS = 4
"""Rows of the matrix of one product: fewer leave the processor waiting for memory, more multiply more zeros."""

PANEL = 3072
"""Samples of a row that are worked on at a time, so that Q stays in cache for wide images."""


LINE = 16
"""Samples of a cache line."""


class Gemm:
    """Sums of one bank by overlapping matrix products."""

    dtype = FLOAT

    def __init__(
        self, bank: Bank, geometry: Geometry, channels: int, strip_dtype: np.dtype[Any], shifts: int = 0
    ) -> None:
        """``strip_dtype`` holds the samples exactly until they are written to Q, the narrower the faster.

        ``shifts``: how many shifted copies of a row Q holds, 0 for the best; the other taps are read further on.
        """
        self.geometry, self.strip_dtype = geometry, strip_dtype
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
        unit = self.channels if columns.stride > 1 else 1
        count = -(-self.width // PANEL)
        self.panel = -(-self.width // (count * unit)) * unit
        self.reach = self.panel + (self.groups - 1) * self.advance * self.channels
        self.pitch = uneven_pitch(self.reach)
        self.step = self.shifts * self.depth
        joined = self.filters == 1 or self.phases == 1  # whether rows of all filters lie evenly apart
        self.band = max(1, BAND_ROWS // self.filters) if joined and self.step <= PIECE else 1
        self.pieces = self._pieces(bank)
        self._bound: PerThread[_Bound] = PerThread()

    def _shifts(self, wanted: int) -> int:
        """With a stride, groups of shifts have to be whole strides apart."""
        columns = self.geometry.columns
        unit = columns.stride // gcd(columns.stride, columns.dilation)
        return min(-(-wanted // unit) * unit, columns.kernel)

    def _pieces(self, bank: Bank) -> list[tuple[Array, int, int]]:
        """Matrices (R*N, K), the row of Q where each starts to read, and its column shift in samples."""
        kh = bank.size[0]
        apart = 1 if self.phases > 1 else self.spread
        height = (kh - 1) * apart + 1
        pieces = []
        for group in range(self.groups):
            window = np.zeros((self.filters, height, self.shifts, self.depth), dtype=np.float32)
            chosen = bank.multiplied[..., group * self.shifts : (group + 1) * self.shifts]
            window[:, ::apart, : chosen.shape[3]] = chosen.transpose(0, 2, 3, 1)
            flat = window.reshape(self.filters, -1)
            used = np.flatnonzero(flat.any(axis=0))
            for part in np.array_split(used, -(-len(used) // PIECE)) if len(used) else ():
                start, stop = int(part[0]), int(part[-1]) + 1
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
        return float(sum(matrix.shape[1] for matrix, _, _ in self.pieces))

    def sums(self, strips: Strips, image: Rows, first: int, last: int, out: Array | None = None) -> Array:
        """Unscaled sums of output rows first..last, (rows, W', outputs), float32.

        Written into ``out`` of that shape if it is given and its samples lie side by side along the columns;
        else a view of this thread's memory, valid until its next call.
        """
        rows = last - first
        bound = self._bound.get(rows, self._wanted, self._bind)
        strips.fill(bound.strip, image, self.geometry.rows.start(first))
        planar = bound.planar if out is None or not self._direct(out) else self._planar(out)
        for target, source in bound.deals:
            target[...] = source
        for left, deals in bound.panels:
            for target, source in deals:
                target[...] = source
            for phase in range(self.phases):
                out = planar[phase :: self.phases, :, left : left + self.panel]
                self._multiply(bound, phase, out)
        return planar.transpose(0, 2, 1) if self.channels == 1 else planar.reshape(rows, -1, self.channels)

    def _direct(self, out: Array) -> bool:
        """Whether sums may be written straight into ``out``.

        Products of many filters may not: their rows lie whole planes apart, often a power of two, and evict each
        other from cache. Of several products that does not matter, for only their sum is written there.
        """
        if out.dtype != FLOAT:
            return False
        if self.channels > 1:
            return out.strides[1:] == (4 * self.channels, 4)
        apart = self.band == 1 and self.filters <= BAND_ROWS and out.strides[2] >= 4 * out.shape[1]
        return out.strides[1] == 4 and (self.filters == 1 or apart or len(self.pieces) > 1)

    def _planar(self, out: Array) -> Array:
        """The output as (rows, N, samples)."""
        return out.transpose(0, 2, 1) if self.channels == 1 else out.reshape(len(out), 1, self.width)

    def _multiply(self, bound: _Bound, phase: int, out: Array) -> None:
        """Sums of the output rows of one phase and panel into ``out``, (rows, N, samples)."""
        rows, _, width = out.shape
        if (phase, width) not in bound.batches:
            bound.batches[phase, width] = list(self._batches(bound.rows[phase], rows, width))
        for start, stop, band, left, right, products in bound.batches[phase, width]:
            if len(products) == 1:
                # Bands are joined before columns are cut out: only then is it a view.
                block = out[start:stop].reshape((stop - start) // band, band * self.filters, width)
                np.matmul(*products[0], out=block[..., left:right])
            else:
                add_up(products, band, out[start:stop, :, left:right], bound.spare)

    def _batches(self, flat: Array, rows: int, width: int) -> Iterator[Batch]:
        """The products of a phase: bands of output rows, then the rows that are left, each in blocks of columns.

        ``flat`` is (rows of Q, pitch); the matrices of one batch overlap in it.
        """
        step, whole = self.down * self.step, rows // self.band * self.band
        for start, stop, band in ((0, whole, self.band), (whole, rows, rows - whole)):
            if start == stop:
                continue
            height, count = band * self.filters, (stop - start) // band
            parts = [
                (np.ascontiguousarray(matrix[:height, : matrix.shape[1] - (self.band - band) * step]), row, shift)
                for matrix, row, shift in self.pieces
            ]
            most = max(CLIFF // (height * max(part.shape[1] for part, _, _ in parts)), 64)
            columns = -(-width // (-(-width // most) * 16)) * 16
            for left in range(0, width, columns):
                right = min(left + columns, width)
                products = []
                for part, row, shift in parts:
                    shape = (count, part.shape[1], right - left)
                    steps = (band * step * self.pitch, self.pitch, 1)
                    products.append((part, as_strided(flat[start * step + row :, shift + left :], shape, steps)))
                yield start, stop, band, left, right, products

    def _heights(self, rows: int) -> tuple[int, int]:
        """Padded rows of a strip, and how many of them each phase of Q holds."""
        axis = self.geometry.rows
        height = (rows - 1) * axis.stride + axis.span
        return height, -(-height // (self.unit * self.phases))

    @property
    def _strip_columns(self) -> int:
        """Columns of the strip that the shifted copies read; those beyond the padded image hold zeros."""
        columns = self.geometry.columns
        samples = -(-self.width // self.panel) * self.panel + self.reach - self.panel
        last = (self.shifts - 1) * columns.dilation + (-(-samples // self.channels) - 1) * columns.stride
        return max(last + 1, columns.padded)

    def _wanted(self, rows: int) -> list[tuple[Shape, np.dtype[Any]]]:
        height, kept = self._heights(rows)
        stride = self.geometry.columns.stride
        dealt = (self.depth, height, stride, -(-self._strip_columns // stride) * self.channels)
        return [
            ((self.phases, kept, self.shifts, self.depth, self.pitch), FLOAT),
            ((self.depth, height, self._strip_columns, self.channels), self.strip_dtype),
            ((rows, self.filters, self.width), FLOAT),
            ((scratch(self.band * self.filters * self.panel) if len(self.pieces) > 1 else 0,), FLOAT),
            *([(dealt, self.strip_dtype)] if stride > 1 else []),
        ]

    def _bind(self, rows: int, arrays: list[Array]) -> _Bound:
        q, planes, planar, spare = arrays[:4]
        columns, e = self.geometry.columns, self.channels
        strip = planes[0] if self.depth == 1 else planes[..., 0].transpose(1, 2, 0)
        beyond = planes[:, :, columns.padded :]
        deals: Deals = [(beyond, 0)] if beyond.size else []
        dealt = planes.reshape(*planes.shape[:2], 1, -1)
        if columns.stride > 1:
            dealt = arrays[4]
            for phase in sorted({v * columns.dilation % columns.stride for v in range(self.shifts)}):
                for channel in range(e):
                    source = planes[:, :, phase :: columns.stride, channel]
                    deals.append((dealt[:, :, phase, channel::e][..., : source.shape[2]], source))
        panels: list[tuple[int, Deals]] = []
        for left in range(0, self.width, self.panel):
            copies: Deals = []
            for phase in range(self.phases):
                for c in range(self.depth):
                    source = dealt[c, phase * self.unit :: self.unit * self.phases]
                    self._shift(copies, q[phase, :, :, c], source, left)
            panels.append((left, copies))
        flat = [q[phase].reshape(-1, self.pitch) for phase in range(self.phases)]
        return _Bound(strip[:, : columns.padded], deals, panels, flat, planar, spare, {})

    def _shift(self, copies: Deals, target: Array, source: Array, left: int) -> None:
        """Copies of one channel's rows, (rows, phases, samples), into ``target``, (rows, shifts, samples).

        They start at output sample ``left``. All shifts of one phase of columns are one copy from overlapping views.
        """
        columns, height = self.geometry.columns, min(len(target), len(source))
        down = source.strides[0] // source.itemsize
        if len(target) > height:
            copies.append((target[height:], 0))
        period = columns.stride // gcd(columns.stride, columns.dilation)
        for first in range(min(period, self.shifts)):
            across, phase = divmod(first * columns.dilation, columns.stride)
            into = target[:height, first::period, : self.reach]
            shape = (height, into.shape[1], self.reach)
            steps = (down, period * columns.dilation // columns.stride * self.channels, 1)
            copies.append((into, as_strided(source[:, phase, across * self.channels + left :], shape, steps)))


class _Bound(NamedTuple):
    """Q, and what fills it, in one thread's memory for one strip height."""

    strip: Array
    deals: Deals
    panels: list[tuple[int, Deals]]
    """The first sample of each panel, and the copies that write it to Q."""
    rows: list[Array]
    planar: Array
    spare: Array
    batches: dict[tuple[int, int], list[Batch]]
    """The products of a phase and a width of panels, once they have been wanted."""


def uneven_pitch(samples: int) -> int:
    """The pitch of rows of so many samples: whole cache lines, an odd number of them.

    Rows a power of two apart fall on the same few sets of the cache and evict each other while a product reads them.
    """
    return (-(-samples // LINE) | 1) * LINE


def best_shifts(kernel_columns: int, kernel_rows: int, depth: int, filters: int) -> int:
    """Shifted copies of a row: all for small and deep kernels, else the few that cost least."""
    if kernel_columns <= 7 or depth > 1 or filters > BAND_ROWS:
        return kernel_columns

    def cost(shifts: int) -> float:
        groups = -(-kernel_columns // shifts)
        pieces = groups * -(-kernel_rows * shifts // PIECE)
        return groups * shifts * kernel_rows + pieces * ((BAND_ROWS - 1) * shifts + 8) + 4 * shifts

    return min((3, 4, 5), key=cost)
