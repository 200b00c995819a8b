"""The methods that can do a sum, each with what it would cost by the table in ``costs``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from convtool.engine.bank import Bank
from convtool.engine.costs import COSTS
from convtool.engine.taps import Taps, choose_dtype
from convtool.geometry import Geometry
from convtool.tuples import NamedTuple

# Methods are imported when they are first thought of: a run with a small integer kernel starts without them.
if TYPE_CHECKING:
    from convtool.engine.separable import Term

METHODS = ("auto", "taps", "separable", "gemm", "fft")

FLOAT = np.dtype(np.float32)

TAPS_BYTES = 384 << 10, 2 << 20
"""Bytes of the padded strip of ``taps`` on one thread, within L2 together with two more buffers of that size and what
is read and written; and on several, which wait for each other at every call, so that their calls have to be long."""

GEMM_BYTES = 4 << 20
"""Bytes of the shifted rows of one panel of ``gemm``: a taller strip reads fewer rows twice."""

CLOSE_BYTES = 512 << 10
"""The same on one thread where a strip within L2 is still CLOSE_SPANS windows tall."""

CLOSE_SPANS = 3

OUTPUT_BYTES = 4 << 20
"""Bytes of one strip of float32 sums: bounds the memory that very wide images take."""

SEPARABLE_BYTES = 2 << 20, 4 << 20
"""Bytes of the padded strip of ``separable`` on one thread and on several; it has two more buffers of that size."""

MOST_TERMS = 6
"""Rank up to which a kernel is split into columns and rows."""

MOST_TAPS = 64
"""Taps of a filter of float weights up to which ``taps`` is considered."""

MOST_SPECTRA = 64 << 20
"""Bytes of kernel spectra up to which ``fft`` is considered."""


class Choice(NamedTuple):
    """One way to do a sum: ``cost`` in nanoseconds for one sample of the output."""

    method: str
    dtype: np.dtype[Any]
    cost: float
    strip_rows: int
    shared_rows: int
    """The height of strips that several threads share out."""
    why: str
    make: Callable[[], Any]


def candidates(bank: Bank, geometry: Geometry, channels: int, *, peak: float, whole: bool, method: str) -> list[Choice]:
    """The choices for ``method``, or all that are worth a thought for ``auto``; never empty."""
    job = _Job(bank, geometry, channels, peak, whole)
    if method == "taps":
        return [job.taps()]
    if method == "gemm":
        return [job.gemm()]
    if method == "separable":
        return [job.separable(separable_terms(bank)) or job.taps()]
    if method == "fft":
        return [job.fft() or job.gemm()]
    return job.all()


def separable_terms(bank: Bank) -> tuple[Term, ...]:
    """The kernel split into few terms of rank 1."""
    from convtool.engine import separable

    return separable.split(bank, MOST_TERMS)


class _Job:
    """What all choices share."""

    def __init__(self, bank: Bank, geometry: Geometry, channels: int, peak: float, whole: bool) -> None:
        self.bank, self.geometry, self.channels = bank, geometry, channels
        self.peak, self.whole = peak, whole
        self.strip_dtype = np.dtype(np.int16) if whole and peak < 2**15 else FLOAT
        rows, columns = geometry.rows, geometry.columns
        self.planes = channels if bank.each else 1
        self.input_row = columns.padded * channels
        self.output_row = columns.out * self.planes
        self._output_samples = columns.out * (channels if bank.each else len(bank.weights))
        # Input samples for one output sample: a stride leaves fewer outputs, a tall window over a short image more.
        self.inputs = self.input_row * min(rows.stride, rows.span) / self.output_row

    def all(self) -> list[Choice]:
        """Every choice that can win."""
        filters, kernel_rows, kernel_columns = len(self.bank.weights), *self.bank.size
        count = int(np.count_nonzero(self.bank.weights))
        found = []
        if count <= MOST_TAPS * filters or (self.bank.integers is not None and kernel_rows * kernel_columns <= 1024):
            found.append(self.taps())
            if found[0].dtype.itemsize == 2 and count <= 9 and filters == 1:
                return found  # nothing beats a few passes over 16-bit integers
        terms = separable_terms(self.bank)
        if (split := self.separable(terms)) is not None:
            found.append(split)
        # Transforms round more than the others, so few taps, however far apart, are not worth one.
        spectral = kernel_rows * kernel_columns >= 49 and min(kernel_rows, kernel_columns) >= 3
        if spectral and (transform := self.fft()) is not None:
            found.append(transform)
        if kernel_rows * kernel_columns <= 4096 or not found:
            found.append(self.gemm())
        return found

    def taps(self) -> Choice:
        """Additions of shifted planes."""
        dtype = choose_dtype(self.bank, self.peak, self.whole)
        runner = Taps(self.bank, self.geometry, self.channels, dtype)
        fill = COSTS.fill + (COSTS.deal if runner.dealt else 0)
        row_bytes = self.input_row * dtype.itemsize * self.geometry.rows.stride
        strip, shared = (self._strip_rows(budget, row_bytes) for budget in TAPS_BYTES)
        passes = runner.passes / max(len(self.bank.weights), 1)
        cost = self.inputs * fill / len(self.bank.weights) + passes * COSTS.taps(dtype.name)
        cost += self._calls(strip, runner.passes)
        steps = len(runner.programs[0].steps)
        why = f"taps {dtype.name}: {f'{steps} passes a strip' if steps else 'a copy'}"
        return Choice("taps", dtype, cost, strip, shared, why, lambda: runner)

    def separable(self, terms: tuple[Term, ...]) -> Choice | None:
        """A column and a row of products."""
        from convtool.engine.separable import BAND_ROWS, Separable

        if not terms:
            return None
        runner = Separable(self.geometry, self.channels, terms)
        across, along = runner.products
        wide = self.input_row / self.output_row
        row_bytes = runner.pitch * 4 * self.geometry.rows.stride
        strip, shared = (self._strip_rows(budget, row_bytes, BAND_ROWS) for budget in SEPARABLE_BYTES)
        halo = 1 + self.geometry.rows.span / (strip * self.geometry.rows.stride)
        cost = self.inputs * COSTS.fill * halo + wide * across * COSTS.product + along * COSTS.product
        cost += 2 * COSTS.block * len(terms) + self._calls(strip, 4)
        s = "s" if len(terms) > 1 else ""
        why = f"separable float32: {len(terms)} column{s} and row{s}"
        return Choice("separable", FLOAT, cost, strip, shared, why, lambda: runner)

    def gemm(self) -> Choice:
        """Overlapping matrix products."""
        from convtool.engine.gemm import PIECE, Gemm

        runner = Gemm(self.bank, self.geometry, self.channels, self.strip_dtype)
        axis = self.geometry.rows
        dense = axis.stride / runner.unit * runner.reach / runner.panel  # samples of Q for one of the output
        row_bytes = max(runner.step * runner.panel * dense, self._output_samples * GEMM_BYTES / OUTPUT_BYTES) * 4
        close = CLOSE_SPANS * axis.span / axis.stride * row_bytes <= CLOSE_BYTES
        shared = self._strip_rows(GEMM_BYTES, row_bytes, runner.band)
        strip = self._strip_rows(CLOSE_BYTES, row_bytes, runner.band) if close else shared
        halo = 1 + axis.span / (strip * axis.stride)
        cost = self.inputs / runner.filters * COSTS.fill + runner.step / runner.filters * dense * halo * COSTS.shift
        cost += runner.products * COSTS.product + COSTS.block * (2 * len(runner.pieces) - 1)
        cost += self._calls(strip, 2 * len(runner.pieces) + 2)
        why = f"gemm float32: {len(runner.pieces)} products of up to {PIECE} taps"
        return Choice("gemm", FLOAT, cost, strip, shared, why, lambda: runner)

    def fft(self) -> Choice | None:
        """Fourier transforms of tiles."""
        from convtool.engine import fft

        bank, geometry = self.bank, self.geometry
        # Rounded even where the bound is too large: the samples may be smaller than their type allows.
        rounded = bank.integers is not None and self.whole
        parts = fft.split(bank, self.peak) if rounded else None
        if rounded and parts is None:
            return None
        height, width, rows, columns = fft.Fft.layout(geometry)
        filters, depth = bank.weights.shape[:2]
        count = len(parts) if parts else 1
        if count * filters * depth * height * width * 4 > MOST_SPECTRA:
            return None
        there = (1 if bank.each else depth / filters) * COSTS.transform / 2
        cost = (there + count * COSTS.transform / 2) * height * width / (rows * columns)
        why = f"fft float32: tiles of {height}x{width}" + (f", kernel in {count} parts" if count > 1 else "")
        return Choice(
            "fft", FLOAT, cost, rows, rows, why, lambda: fft.Fft(bank, geometry, self.channels, self.strip_dtype, parts)
        )

    def _strip_rows(self, budget: int, row_bytes: float, multiple: int = 1) -> int:
        """Output rows of a strip of about ``budget`` bytes; not so few that the windows overlap most of it."""
        axis = self.geometry.rows
        wanted = max(int(budget / row_bytes), axis.span // (2 * axis.stride), 1)
        equal = -(-axis.out // max(1, round(axis.out / wanted)))  # so that the last strip is not a sliver
        return max(1, min(-(-equal // multiple) * multiple, axis.out))

    def _calls(self, strip_rows: int, calls: float) -> float:
        """What starting the calls costs, for one sample of the output."""
        return COSTS.call * calls / (strip_rows * self.output_row * len(self.bank.weights))
