"""What stands outside the image: border modes as index arithmetic, and padded row strips.

The names are torch's where it has one. With an image row ``a b c d``:

    zeros       0 0 0 | a b c d | 0 0 0
    constant    v v v | a b c d | v v v
    replicate   a a a | a b c d | d d d
    reflect     d c b | a b c d | c b a     scipy "mirror",  OpenCV BORDER_REFLECT_101
    symmetric   c b a | a b c d | d c b     scipy "reflect", OpenCV BORDER_REFLECT
    circular    b c d | a b c d | a b c     scipy "wrap",    OpenCV BORDER_WRAP
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from convtool.errors import UsageError

MODES = ("zeros", "constant", "replicate", "reflect", "symmetric", "circular")
Positions = NDArray[np.intp]

OUTSIDE = -1
"""Index of a sample that the border's constant stands for."""


@dataclass(frozen=True)
class Border:
    """A border mode; ``value`` is in sample units and used by ``constant`` alone."""

    mode: str
    value: float = 0.0

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise UsageError(f"border {self.mode!r} is not one of {', '.join(MODES)}")

    def source(self, positions: Positions, size: int) -> Positions:
        """Map positions on an axis of ``size`` samples to indices within it, OUTSIDE for a constant sample."""
        if self.mode in ("zeros", "constant"):
            return np.where((positions >= 0) & (positions < size), positions, OUTSIDE)
        if self.mode == "replicate":
            return positions.clip(0, size - 1)
        if self.mode == "circular":
            return positions % size
        if self.mode == "symmetric":
            folded = positions % (2 * size)
            return np.minimum(folded, 2 * size - 1 - folded)
        if size == 1:  # nothing to mirror about: the sample repeats, as in NumPy
            return np.zeros_like(positions)
        folded = positions % (2 * (size - 1))
        return np.minimum(folded, 2 * (size - 1) - folded)


class Rows(Protocol):
    """Anything that hands out image rows as arrays of shape (rows, W, C): an array, or rows made on demand."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W, C)."""

    def __getitem__(self, rows: slice, /) -> NDArray[np.generic]:
        """Rows of a slice with step 1, shape (rows, W, C)."""


def fill_strip(out: NDArray[np.generic], image: Rows, border: Border, first_row: int, first_column: int) -> None:
    """Write the padded samples from (first_row, first_column) on into ``out``, shape (rows, columns, C).

    Positions are those of the image and may be negative or beyond its end. The conversion to the dtype of
    ``out`` is the copy.
    """
    height, width = image.shape[:2]
    rows, columns = out.shape[:2]
    lead = min(max(-first_column, 0), columns)
    inner = slice(lead, max(min(columns, width - first_column), lead))
    samples = slice(first_column + inner.start, first_column + inner.stop)

    top = min(max(-first_row, 0), rows)
    bottom = max(min(rows, height - first_row), top)
    if bottom > top:
        out[top:bottom, inner] = image[first_row + top : first_row + bottom][:, samples]
    positions = np.concatenate((np.arange(top), np.arange(bottom, rows)))
    for row, source in zip(positions, border.source(first_row + positions, height), strict=True):
        if source == OUTSIDE:
            out[row] = border.value
        else:
            out[row, inner] = image[source : source + 1][0, samples]
    _fill_sides(out, image, border, first_row, first_column, inner)


def _fill_sides(
    out: NDArray[np.generic], image: Rows, border: Border, first_row: int, first_column: int, inner: slice
) -> None:
    height, width = image.shape[:2]
    rows, columns = out.shape[:2]
    sides = np.concatenate((np.arange(inner.start), np.arange(inner.stop, columns)))
    if not sides.size:
        return
    source = border.source(first_column + sides, width)
    if border.mode in ("zeros", "constant"):
        out[:, sides] = border.value
        return
    within = source - first_column
    if ((within >= inner.start) & (within < inner.stop)).all():
        out[:, sides] = out[:, within]
        return
    # A strip that does not hold the whole width: the samples that its sides repeat come from the image.
    for row, at in enumerate(border.source(first_row + np.arange(rows), height)):
        out[row, sides] = image[at : at + 1][0, source]
