"""Where the samples under a sliding window lie, once rows are padded and dealt out.

A padded row is held as planes: one for each channel that is added up, each dealt out into one for each phase of the
columns' stride. A kernel that is used on every channel alike has one plane with the channels interleaved. So the
samples under one tap of all windows of a row lie side by side, from the tap's ``offset`` on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.engine.border import OUTSIDE, Border, Rows
from convtool.engine.geometry import Geometry

Array = NDArray[Any]
Indices = NDArray[np.int32]


class Window:
    """A window that slides over padded images of one size and channel count.

    ``each``: the kernel is used on every channel alike; otherwise channels are added up.
    """

    def __init__(self, geometry: Geometry, border: Border, channels: int, *, each: bool) -> None:
        rows, columns = geometry.rows, geometry.columns
        self.geometry, self.border, self.channels, self.each = geometry, border, channels, each
        self.unit, self.depth = (channels, 1) if each else (1, channels)
        self.phases = min(columns.stride, columns.padded)
        self.plane = -(-columns.padded // self.phases) * self.unit
        """Elements of one phase of one plane."""
        self.row_of = _sources(border, rows.start(0), rows.padded, rows.size)
        self.column_of = _sources(border, columns.start(0), columns.padded, columns.size)
        self.lead = min(max(columns.before, 0), columns.padded)
        """Padded columns before the first of the image, and how many are inside from there on."""
        self.inner = max(min(columns.padded - self.lead, columns.size), 0)

    @property
    def stride(self) -> int:
        """Rows from one window to the next, of the rows that any window sees."""
        return min(self.geometry.rows.stride, self.geometry.rows.span)

    def seen(self, row_of: Indices) -> Indices:
        """Of padded rows, those that windows see: a stride may pass over some."""
        axis = self.geometry.rows
        if axis.stride <= axis.span:
            return row_of
        windows = np.arange(0, len(row_of), axis.stride)
        seen: Indices = row_of[(windows[:, None] + np.arange(axis.span)).ravel()]
        return seen

    @property
    def elements(self) -> int:
        """Elements of a padded row, all its planes together."""
        return self.plane * self.phases * self.depth

    @property
    def outputs(self) -> int:
        """Elements of a row of output of one filter: columns, with their channels where each has its own."""
        return self.geometry.columns.out * self.unit

    def offset(self, channel: int, column: int) -> int:
        """Where the samples of a tap begin: ``column`` of the kernel, and the channel if channels are added up."""
        phase, across = divmod(column * self.geometry.columns.dilation, self.phases)[::-1]
        return (channel * self.phases + phase) * self.plane + across * self.unit

    def position(self, offset: int) -> tuple[int, int]:
        """The channel and the padded column that an offset stands for."""
        channel, rest = divmod(offset, self.plane * self.phases)
        phase, across = divmod(rest, self.plane)
        return channel, across // self.unit * self.phases + phase

    def source(self, image: Rows, first: int, last: int) -> tuple[Array, Indices]:
        """The samples that output rows first..last see, and which of their rows each padded row is; OUTSIDE for none.

        An array is handed on whole. Of rows that are made on demand, those that are needed are asked for once.
        """
        axis = self.geometry.rows
        start = first * axis.stride
        rows = self.row_of[start : start + (last - first - 1) * axis.stride + axis.span]
        if isinstance(image, np.ndarray):
            return image, rows
        inside = rows[rows != OUTSIDE]
        if not inside.size:
            return np.asarray(image[0:1]), rows
        low, high = int(inside.min()), int(inside.max()) + 1
        if high - low <= 2 * len(rows):
            return np.asarray(image[low:high]), np.where(rows == OUTSIDE, rows, rows - np.int32(low))
        # A border that repeats rows from far away: the runs that are needed, one after the other.
        wanted = np.unique(inside)
        runs = np.split(wanted, np.flatnonzero(np.diff(wanted) > 1) + 1)
        block = np.concatenate([image[int(run[0]) : int(run[-1]) + 1] for run in runs])
        return block, np.where(rows == OUTSIDE, rows, np.searchsorted(wanted, rows)).astype(np.int32)


def _sources(border: Border, start: int, count: int, size: int) -> Indices:
    """Where ``count`` positions from ``start`` on come from on an axis of ``size`` samples."""
    return border.source(np.arange(start, start + count), size).astype(np.int32)
