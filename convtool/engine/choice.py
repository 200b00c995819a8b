"""The methods that can do a sum, each with what it costs by the table below.

The table is of the compiled core with 256-bit vectors. It holds for NumPy, too, which is slower at all of them: which
method is chosen decides what a sum is rounded to, and that must not depend on the machine.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from convtool.engine.bank import Bank
from convtool.engine.core import TapSums
from convtool.engine.taps import direct, separable
from convtool.engine.window import Window
from convtool.tuples import NamedTuple

if TYPE_CHECKING:
    from convtool.engine.fft import Fft

METHODS = ("auto", "taps", "separable", "fft")

TAP = {"int16": 0.012, "int32": 0.045, "float32": 0.028}
"""Nanoseconds for one tap of one output, by the type of the sums (``benchmarks/constants.py``)."""

BANK_TAP = 0.021
"""The same where four filters or more are summed together."""

READ = 0.15
"""One sample padded and written to the ring of rows, and one output finished."""

TRANSFORM = {"float32": 6.6, "float64": 13.0}
"""One sample of a tile, there and back, by the type in which it goes."""

LARGE = 49
"""Taps of a window up to which no transform is considered: it rounds more than taps do."""

MOST_SPECTRA = 64 << 20
"""Bytes of kernel spectra up to which ``fft`` is considered."""

STRIP_BYTES = 1 << 20
"""Bytes of one strip of float32 sums: long calls, and little memory."""


class Choice(NamedTuple):
    """One way to do a sum: ``cost`` in nanoseconds for one sample of the output."""

    method: str
    cost: float
    strip_rows: int
    why: str
    make: Callable[[], TapSums | Fft]


def candidates(bank: Bank, window: Window, dtype: np.dtype[Any], *, whole: bool, method: str) -> list[Choice]:
    """The choices for ``method``, or all that are worth a thought for ``auto``; never empty."""
    job = _Job(bank, window, dtype, whole)
    if method == "separable":
        return [job.separable() or job.taps()]
    if method == "fft":
        return [job.fft() or job.taps()]
    rows, columns = bank.size
    found = [job.taps()]
    if method == "auto" and rows > 1 and columns > 1 and (split := job.separable()):
        found.append(split)
    if method == "auto" and rows * columns >= LARGE and min(rows, columns) > 1 and (transform := job.fft()):
        found.append(transform)
    return found


class _Job:
    """What all choices share."""

    def __init__(self, bank: Bank, window: Window, dtype: np.dtype[Any], whole: bool) -> None:
        self.bank, self.window, self.dtype, self.whole = bank, window, dtype, whole
        self.filters = len(bank.weights)
        rows = window.geometry.rows
        # Input samples for one output sample: a stride leaves fewer outputs, a depth takes more inputs.
        inputs = window.elements * min(rows.stride, rows.span) / (window.outputs * self.filters)
        self.read = READ * (inputs + 1)

    def taps(self) -> Choice:
        """Taps over the whole window."""
        count = int(np.count_nonzero(self.bank.multiplied.any(axis=0)))
        together = self.filters >= 4 and self.dtype == np.float32
        cost = self.read + count * (BANK_TAP if together else TAP[self.dtype.name])
        why = f"taps {self.dtype.name}: {count} tap{'' if count == 1 else 's'}"
        make = partial(direct, self.bank, self.window, self.dtype)
        return Choice("taps", cost, self._strip_rows(), why, lambda: TapSums(self.window, make()))

    def separable(self) -> Choice | None:
        """A column of taps and a row of them."""
        from convtool.engine.split import split

        if not (terms := split(self.bank)):
            return None
        down, along = (sum(int(np.count_nonzero(part)) for part in parts) for parts in zip(*terms, strict=True))
        wide = self.window.elements / self.window.outputs
        cost = self.read + READ * len(terms) + (down * wide + along) * TAP[self.dtype.name]
        why = f"separable {self.dtype.name}: {down} + {along} taps"
        make = partial(separable, terms, self.window, self.dtype)
        return Choice("separable", cost, self._strip_rows(), why, lambda: TapSums(self.window, make()))

    def fft(self) -> Choice | None:
        """Fourier transforms of tiles."""
        from convtool.engine import fft

        sizes = fft.Sizes.of(self.window.geometry)
        exact = self.whole and self.bank.integers is None
        filters, depth = self.bank.weights.shape[:2]
        if filters * depth * sizes.height * sizes.width * (4 if exact else 8) > MOST_SPECTRA:
            return None
        transform = TRANSFORM["float32" if exact else "float64"]
        there = 0.5 if self.bank.each else depth / filters / 2
        cost = (there + 0.5) * transform * sizes.height * sizes.width / (sizes.rows * sizes.columns)
        why = f"fft {'float32' if exact else 'float64'}: tiles of {sizes.height}x{sizes.width}"
        rows = min(sizes.rows, self.window.geometry.rows.out)
        return Choice("fft", cost, rows, why, lambda: fft.Fft(self.bank, self.window, self.whole))

    def _strip_rows(self) -> int:
        """Output rows of a strip of about STRIP_BYTES; not so few that the windows overlap most of it."""
        axis = self.window.geometry.rows
        wanted = max(STRIP_BYTES // (self.window.outputs * self.filters * 4), axis.span // axis.stride, 1)
        equal = -(-axis.out // max(1, round(axis.out / wanted)))  # so that the last strip is not a sliver
        return max(1, min(equal, axis.out))
