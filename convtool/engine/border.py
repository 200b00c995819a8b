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

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from convtool.errors import UsageError
from convtool.tuples import NamedTuple

Positions = NDArray[np.intp]

OUTSIDE = -1
"""Index of a sample that the border's constant stands for."""


def _constant(positions: Positions, size: int) -> Positions:
    return np.where((positions >= 0) & (positions < size), positions, OUTSIDE)


def _replicate(positions: Positions, size: int) -> Positions:
    return positions.clip(0, size - 1)


def _reflect(positions: Positions, size: int) -> Positions:
    if size == 1:  # nothing to mirror about: the sample repeats, as in NumPy
        return np.zeros_like(positions)
    folded = positions % (2 * (size - 1))
    return np.minimum(folded, 2 * (size - 1) - folded)


def _symmetric(positions: Positions, size: int) -> Positions:
    folded = positions % (2 * size)
    return np.minimum(folded, 2 * size - 1 - folded)


def _circular(positions: Positions, size: int) -> Positions:
    return positions % size


SOURCES = {
    "zeros": _constant,
    "constant": _constant,
    "replicate": _replicate,
    "reflect": _reflect,
    "symmetric": _symmetric,
    "circular": _circular,
}
"""The modes: each maps positions on an axis of ``size`` samples to indices within it."""

MODES = tuple(SOURCES)


class Border(NamedTuple):
    """A border mode; ``value`` is in sample units and used by ``constant`` alone."""

    mode: str
    value: float = 0.0

    @property
    def is_constant(self) -> bool:
        """Whether one number stands outside the image."""
        return SOURCES[self.mode] is _constant

    def source(self, positions: Positions, size: int) -> Positions:
        """Map positions on an axis of ``size`` samples to indices within it, OUTSIDE for a constant sample."""
        return SOURCES[self.mode](positions, size)


def make_border(mode: str, value: float = 0.0) -> Border:
    """A border; raises UsageError for a mode that there is not."""
    if mode not in MODES:
        raise UsageError(f"border {mode!r} is not one of {', '.join(MODES)}")
    return Border(mode, value)


class Rows(Protocol):
    """Anything that hands out image rows as arrays of shape (rows, W, C): an array, or rows made on demand."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W, C)."""

    def __getitem__(self, rows: slice, /) -> NDArray[np.generic]:
        """Rows of a slice with step 1, shape (rows, W, C)."""


class Strips:
    """Padded strips of one image size: everything about the side pads is worked out once.

    ``fill`` writes rows of the padded image into an array; the conversion to its dtype is the copy.
    """

    def __init__(self, border: Border, height: int, width: int, first_column: int, columns: int) -> None:
        """Strips of ``columns`` columns from position ``first_column`` on, which may lie outside the image."""
        self.border, self.height, self.columns = border, height, columns
        lead = min(max(-first_column, 0), columns)
        self._inner = slice(lead, max(min(columns, width - first_column), lead))
        self._samples = slice(first_column + lead, first_column + self._inner.stop)
        self._sides = np.concatenate((np.arange(lead), np.arange(self._inner.stop, columns)))
        source = border.source(first_column + self._sides, width)
        self._source = source
        constant = border.is_constant
        within = source - first_column
        self._held = constant or bool(((within >= lead) & (within < self._inner.stop)).all())
        self._blanks = _runs(self._sides, self._sides) if constant else []
        self._copies = _runs(self._sides, within) if self._held and not constant else []

    def fill(self, out: NDArray[np.generic], image: Rows, first_row: int) -> None:
        """Write the padded rows from ``first_row`` on into ``out``, shape (rows, columns, C)."""
        height, rows, inner = self.height, len(out), self._inner
        top = min(max(-first_row, 0), rows)
        bottom = max(min(rows, height - first_row), top)
        if bottom > top:
            # Unsafe: float64 samples become float32, and whole numbers fit because the plan has bounded them.
            np.copyto(
                out[top:bottom, inner],
                image[first_row + top : first_row + bottom][:, self._samples],
                casting="unsafe",
            )
        if top or bottom < rows:
            self._fill_ends(out, image, first_row, top, bottom)
        if not self._held:
            self._fill_far_sides(out, image, first_row)
            return
        for side, _ in self._blanks:
            out[:, side] = self.border.value
        for side, origin in self._copies:
            out[:, side] = out[:, origin]

    def _fill_ends(self, out: NDArray[np.generic], image: Rows, first_row: int, top: int, bottom: int) -> None:
        """Rows above and below the image."""
        positions = np.concatenate((np.arange(top), np.arange(bottom, len(out))))
        sources = self.border.source(first_row + positions, self.height)
        for row, source in zip(positions.tolist(), sources.tolist(), strict=True):
            if source == OUTSIDE:
                out[row] = self.border.value
            elif top <= source - first_row < bottom:
                out[row, self._inner] = out[source - first_row, self._inner]
            else:
                np.copyto(out[row, self._inner], image[source : source + 1][0, self._samples], casting="unsafe")

    def _fill_far_sides(self, out: NDArray[np.generic], image: Rows, first_row: int) -> None:
        """Sides that repeat columns which this strip does not hold: they come from the image."""
        sources = self.border.source(first_row + np.arange(len(out)), self.height)
        for row, source in enumerate(sources.tolist()):
            out[row, self._sides] = image[source : source + 1][0, self._source].astype(out.dtype)


def _runs(targets: Positions, origins: Positions) -> list[tuple[slice, slice]]:
    """Pairs of slices (target, origin) that copy ``origins`` to ``targets``: as few as the border mode allows."""
    runs: list[tuple[slice, slice]] = []
    to, source = targets.tolist(), origins.tolist()
    at = 0
    while at < len(to):
        stop = at + 1
        step = source[stop] - source[at] if stop < len(to) and to[stop] == to[at] + 1 else 1
        step = step if step in (-1, 0, 1) else 1
        while stop < len(to) and to[stop] == to[stop - 1] + 1 and source[stop] - source[stop - 1] == step:
            stop += 1
        first, last = source[at], source[stop - 1]
        before = last - 1 if last else None
        origin = slice(first, before, -1) if step == -1 else slice(first, last + 1)
        runs.append((slice(to[at], to[stop - 1] + 1), origin))
        at = stop
    return runs


def fill_strip(out: NDArray[np.generic], image: Rows, border: Border, first_row: int, first_column: int) -> None:
    """Write the padded samples from (first_row, first_column) on into ``out``, shape (rows, columns, C).

    Positions are those of the image and may be negative or beyond its end.
    """
    height, width = image.shape[:2]
    Strips(border, height, width, first_column, out.shape[1]).fill(out, image, first_row)
