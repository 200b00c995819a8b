"""How a sum is computed: the method, the sample type and the height of the strips.

All of it follows from weights, geometry, border and sample type alone, never from workers, memory or timing, so
the same run gives the same bytes every time; and none of it may change a result beyond the documented exactness.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.border import Border, Rows, fill_strip
from convtool.engine import gemm, taps
from convtool.engine.bank import Bank, scaled
from convtool.errors import UsageError
from convtool.geometry import Geometry

METHODS = ("auto", "taps", "gemm")

STRIP = 200_000
"""Samples of a strip that are filtered in one go: long enough calls, short enough to stay in cache."""

FEW_FILTERS = 4
"""Banks of up to this many filters without depth are summed tap by tap."""


@dataclass(frozen=True, eq=False)
class Plan:
    """A planned sum, bound to everything but the samples."""

    bank: Bank
    geometry: Geometry
    border: Border
    channels: int
    method: str
    dtype: np.dtype[Any]
    exact: bool
    bound: float
    strip_rows: int

    def __str__(self) -> str:
        return f"{self.method} {self.dtype.name}"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the result, (H', W', output channels)."""
        return (*self.geometry.out, self.channels if self.bank.each else len(self.bank.weights))

    def strips(self) -> Iterator[tuple[int, int]]:
        """The strips of output rows, (first, last + 1), top to bottom."""
        height = self.geometry.rows.out
        for first in range(0, height, self.strip_rows):
            yield first, min(first + self.strip_rows, height)

    def sums(self, image: Rows, first: int, last: int) -> NDArray[Any]:
        """Unscaled sums of output rows first..last of an image (H, W, C): (last - first, W', output channels)."""
        rows, columns = self.geometry.rows, self.geometry.columns
        height = (last - first - 1) * rows.stride + rows.span
        if self.bank.each:
            planes = np.empty((1, height, columns.padded, self.channels), dtype=self.dtype)
            strip = planes[0]
        else:
            planes = np.empty((self.channels, height, columns.padded, 1), dtype=self.dtype)
            strip = planes[..., 0].transpose(1, 2, 0)
        fill_strip(strip, image, self.border, rows.start(first), columns.start(0))
        run = gemm.run if self.method == "gemm" else taps.run
        return run(planes, self.bank, self.geometry, last - first)

    def values(self, image: Rows, first: int, last: int) -> NDArray[np.float32]:
        """Scaled sums of output rows first..last, without bias: float32."""
        return scaled(self.sums(image, first, last), self.bank, self.exact)


def make_plan(
    bank: Bank,
    geometry: Geometry,
    border: Border,
    channels: int,
    *,
    peak: float,
    whole: bool,
    method: str = "auto",
) -> Plan:
    """Choose how to compute a sum over an image of ``channels``.

    ``peak`` bounds the magnitude of the samples, ``whole`` says that they are integers. Raises UsageError for a
    method that does not exist.
    """
    if method not in METHODS:
        raise UsageError(f"method {method!r} is not one of {', '.join(METHODS)}")
    if border.mode == "constant":
        peak = max(peak, abs(border.value))
        whole = whole and border.value == np.rint(border.value)
    if method == "auto":
        deep = not bank.each and bank.weights.shape[1] > 1
        method = "gemm" if deep or len(bank.weights) > FEW_FILTERS else "taps"
    if method == "gemm" and bank.each:
        method = "taps"
    dtype = np.dtype(np.float32) if method == "gemm" else taps.choose_dtype(bank, peak, whole)
    pitch = geometry.columns.padded * channels
    return Plan(
        bank=bank,
        geometry=geometry,
        border=border,
        channels=channels,
        method=method,
        dtype=dtype,
        exact=bank.exact(peak, whole),
        bound=bank.bound(peak),
        strip_rows=max(1, min(STRIP // pitch, geometry.rows.out)),
    )
