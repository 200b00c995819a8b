"""One real run laid open: what goes in, every sum, and what is written.

An ``Explanation`` holds the picture as planes (C, H, W) in sample units; *filters*, one for each kernel, each with
weights, bias, geometry and raw output planes; and *maps*, one for each picture that is written: the planes of one
filter, or of several joined by ``--merge``.

A kernel with depth, or ``--channels sum``, adds up all channels into one output plane. A kernel without depth on RGB
(``--channels each``) gives one output plane for each channel, with the same weights: plane c of the output sees plane
c of the input only. ``Filter.inputs`` says this for both: for each output plane, the input planes it sees.

Sums that are shown (``pixel``) are added up tap by tap by ``explain.sums``, from the windows and samples of
``engine.reference``. Whole planes come from the engine, and written samples from the very code that ``apply`` writes
with.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.engine import reference
from convtool.engine.border import Border
from convtool.engine.geometry import Axis, Geometry, Pair
from convtool.errors import UsageError
from convtool.explain.sums import Taps, Window, slices_of, window_of
from convtool.explain.toning import Step, tone_steps
from convtool.layers.filtering import FeatureMap
from convtool.layers.map_run import weighted_sum
from convtool.layers.merging import merge, merged_value
from convtool.layers.plan import MapPlan, Member
from convtool.layers.settings import Settings
from convtool.pictures.picture import Picture
from convtool.tone.extent import Extent
from convtool.tone.ranges import Number, Range
from convtool.tuples import NamedTuple

Array = NDArray[Any]


class Crop(NamedTuple):
    """A part of a picture, in samples."""

    row: int
    column: int
    height: int
    width: int


class Source(NamedTuple):
    """Where the samples are from: a file's name, its whole size, and the part that the run is of.

    A crop is run as a picture of its own: at its edges the border mode stands for the samples around it.
    """

    name: str
    size: Pair
    crop: Crop | None = None
    automatic: bool = False
    """The crop was chosen by us."""


class Pixel(NamedTuple):
    """One sample of one map, from its windows (one for each filter that is merged) to what is written.

    ``raw`` is merged; ``steps`` lead from it to ``written``, which is the sample of the map itself.
    """

    map: int
    plane: int
    row: int
    column: int
    windows: tuple[Window, ...]
    raw: Number
    steps: tuple[Step, ...]
    written: float


class Feed(NamedTuple):
    """An output that an input sample feeds, and the taps (u, v, from_padding) through which it does."""

    row: int
    column: int
    taps: tuple[tuple[int, int, bool], ...]


@dataclass(frozen=True, eq=False)
class Filter:
    """One kernel of a run."""

    label: str
    summary: str
    weights: NDArray[np.float64]
    """(C, kh, kw), as they are shown: whole numbers where there are any, to be multiplied by ``scale``."""
    scale: Fraction
    bias: float
    geometry: Geometry
    border: Border
    inputs: tuple[tuple[int, ...], ...]
    """For each output plane, the input planes that slices 0, 1 ... of the weights meet."""
    plane_names: tuple[str, ...]
    """Of the output planes: R, G, B, grey, luma, alpha; one plane added up of several is ``sum``."""
    plan: MapPlan
    member: Member
    picture: Picture
    weighted: bool = False
    """Colours are weighted by alpha."""

    @cached_property
    def values(self) -> NDArray[np.float32]:
        """The raw output planes (P, H', W') by the engine, bias included, before merging and range."""
        rows = self.member.selection.rows(self.picture.samples)
        with np.errstate(over="ignore", invalid="ignore"):
            if self.weighted:
                weighted, alpha = weighted_sum(self.member, self.plan), self.picture.opacity
                strips = [weighted.values(rows, alpha, first, last)[0] for first, last in self.plan.strips()]
                return np.concatenate(strips).transpose(2, 0, 1)
            strips = [self.member.plan.values(rows, first, last) for first, last in self.plan.strips()]
            values: NDArray[np.float32] = np.concatenate(strips) + np.float32(self.bias)
        return values.transpose(2, 0, 1)

    def feeds(self, row: int, column: int) -> tuple[Feed, ...]:
        """The outputs that the input sample (row, column) feeds, copies of it in the padding included."""
        across = _hits(self.geometry.columns, column, self.border.mode)
        return tuple(
            Feed(i, j, tuple((u, v, up or aside) for u, up in rows for v, aside in columns))
            for i, rows in _hits(self.geometry.rows, row, self.border.mode)
            for j, columns in across
        )


def _hits(axis: Axis, at: int, mode: str) -> list[tuple[int, list[tuple[int, bool]]]]:
    """Outputs of an axis with the taps (tap, from_padding) that take the sample ``at``."""
    found = []
    for index in range(axis.out):
        positions = [axis.start(index) + tap * axis.dilation for tap in range(axis.kernel)]
        taps = [(u, p != at) for u, p in enumerate(positions) if reference.place(p, axis.size, mode) == at]
        if taps:
            found.append((index, taps))
    return found


@dataclass(frozen=True, eq=False)
class ExplainedMap:
    """One picture that is written: ``members`` are the filters it is made of."""

    label: str
    members: tuple[int, ...]
    merge: str | None
    range: Range
    filters: tuple[Filter, ...]
    """The members themselves."""
    result: FeatureMap
    target: str
    """The name that ``apply`` would write it under."""

    @property
    def size(self) -> Pair:
        """(rows, columns) of the map."""
        return self.result.samples.shape[0], self.result.samples.shape[1]

    @property
    def plane_names(self) -> tuple[str, ...]:
        """Of the output planes, written alpha not counted unless it is filtered like a colour."""
        return self.filters[0].plane_names

    @property
    def written(self) -> Array:
        """The samples that are written (H', W', C), alpha last if there is any."""
        return self.result.samples

    @property
    def dtype(self) -> str:
        """Type of the written samples."""
        return self.result.plan.layout.dtype

    @property
    def clipped(self) -> int:
        """Written samples that clipping changed."""
        return self.result.clipped

    @property
    def extent(self) -> Extent:
        """Smallest and largest raw value of the colours."""
        return self.result.extent

    @cached_property
    def values(self) -> NDArray[np.float32]:
        """The raw planes (P, H', W') of the map, merged."""
        return merge([each.values for each in self.filters], self.merge)


@dataclass(frozen=True, eq=False)
class Explanation:
    """A run on one picture. ``planes`` (C, H, W) are in sample units, ``dtype`` is the type of the picture."""

    command: str
    source: Source
    settings: Settings
    planes: Array
    plane_names: tuple[str, ...]
    dtype: str
    filters: tuple[Filter, ...]
    maps: tuple[ExplainedMap, ...]
    notes: tuple[str, ...] = ()
    demo: str | None = None
    alpha: NDArray[np.float64] | None = None
    """(H, W) from 0 to 1, where colours are weighted by it."""

    @property
    def weighted(self) -> bool:
        """Whether any sum is weighted by alpha."""
        return self.alpha is not None

    def window(self, filter_: int, plane: int, i: int, j: int) -> Window:
        """The sum of one filter at output (i, j) of its output plane, by the definition, tap by tap."""
        one = self.filters[filter_]
        taps = Taps(one.weights, one.inputs[plane], one.geometry, one.border)
        found = slices_of(self.planes, taps, i, j, self.alpha if one.weighted else None)
        return window_of(filter_, found, one.scale, one.bias)

    def pixel(self, map_: int, plane: int, i: int, j: int) -> Pixel:
        """Output (i, j) of one plane of a map, from the windows to the written sample.

        Raises UsageError, naming the size of the map, where there is no such output.
        """
        one = self.maps[map_]
        rows, columns = one.size
        if not (0 <= i < rows and 0 <= j < columns):
            raise UsageError(
                f"--at {i},{j} is outside the map {one.label}, which has {rows}x{columns} outputs: rows 0 to"
                f" {rows - 1}, columns 0 to {columns - 1}"
            )
        windows = tuple(self.window(at, plane, i, j) for at in one.members)
        raw = merged_value([each.raw for each in windows], one.merge)
        light = one.filters[0].member.selection.light if plane < one.result.plan.lit else None
        steps = tone_steps(raw, one.range, self.dtype, one.dtype, one.extent, light)
        return Pixel(map_, plane, i, j, windows, raw, steps, float(one.written[i, j, plane]))

    def strongest(self) -> tuple[int, int, int, int]:
        """(map, plane, row, column) of the raw value with the largest magnitude; the first of several."""
        best, found = -1.0, (0, 0, 0, 0)
        for at, one in enumerate(self.maps):
            sizes = np.where(np.isfinite(one.values), np.abs(one.values), -1)
            plane, row, column = (int(v) for v in np.unravel_index(int(sizes.argmax()), sizes.shape))
            if sizes[plane, row, column] > best:
                best, found = float(sizes[plane, row, column]), (at, plane, row, column)
        return found
