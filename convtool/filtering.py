"""Kernels times a picture: feature maps, strip by strip.

Strips of output rows are filtered, merged and toned straight into the samples of the map. Where a range policy
looks at the whole map (stretch, symmetric), the sums are computed twice rather than kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from convtool.border import Border
from convtool.channels import Selection, anchor_rows, select
from convtool.engine.bank import bank_of
from convtool.engine.parallel import over_strips
from convtool.engine.plan import Plan, make_plan
from convtool.errors import GeometryError
from convtool.extent import NOTHING, Extent, Meter
from convtool.geometry import Geometry, resolve
from convtool.kernel import Kernel
from convtool.light import SRGB, Light
from convtool.maps import MapSpec, Settings
from convtool.merging import merge
from convtool.picture import Layout, Picture
from convtool.tone import FULL, Toner, tone_alpha

if TYPE_CHECKING:
    from convtool.opacity import WeightedSum

Array = NDArray[Any]


class Member(NamedTuple):
    """One kernel planned for pictures of one layout."""

    kernel: Kernel
    selection: Selection
    geometry: Geometry
    border: Border
    plan: Plan

    def weighted(self, layout: Layout) -> WeightedSum:
        """The same sum with colours weighted by alpha."""
        whole = layout.dtype != "float32"
        full = float(FULL[layout.dtype])
        peak = full if whole else float(np.finfo(np.float32).max)
        from convtool.opacity import WeightedSum  # only pictures with transparency need it

        return WeightedSum(
            self.kernel,
            self.plan.bank,
            self.geometry,
            self.border,
            peak=peak,
            whole=whole and not self.selection.luma and self.selection.light is None,
            full=full,
        )


class MapPlan(NamedTuple):
    """One feature map planned for pictures of one layout."""

    spec: MapSpec
    source: Layout
    layout: Layout
    members: tuple[Member, ...]

    @property
    def lit(self) -> int:
        """Channels of the map that are linear light."""
        selection = self.members[0].selection
        return self.layout.colours if selection.lit else 0

    @property
    def methods(self) -> str:
        """How the members are computed, as ``--dry-run`` shows it."""
        return ", ".join(dict.fromkeys(str(member.plan) for member in self.members))

    @property
    def reasons(self) -> str:
        """Why they are computed so, as ``-v`` shows it."""
        return "; ".join(dict.fromkeys(member.plan.reason for member in self.members))

    def strips(self) -> Iterator[tuple[int, int]]:
        """Strips of output rows that every member can do in one go."""
        step = min(member.plan.strip_rows for member in self.members)
        for first in range(0, self.layout.height, step):
            yield first, min(first + step, self.layout.height)


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """A finished map: samples (H', W', C), alpha last, and what became of its values."""

    plan: MapPlan
    samples: Array
    extent: Extent
    clipped: int
    """Colour samples that clipping changed."""


@lru_cache(maxsize=256)
def plan_map(spec: MapSpec, layout: Layout, settings: Settings, light: Light = SRGB) -> MapPlan:
    """Plan a map for pictures of ``layout``, once for all of them; raises GeometryError where the kernel does not fit.

    ``light`` is their tone curve, which ``--linear`` needs. A plan holds no pixels and may be used by several threads.
    """
    members = tuple(_plan_member(kernel, layout, settings, light) for kernel in spec.members)
    shapes = {member.geometry.out for member in members}
    if len(shapes) > 1:
        sizes = " and ".join(f"{rows}x{columns}" for rows, columns in sorted(shapes))
        raise GeometryError(f"{spec.label}: maps of {sizes} cannot be merged; --pad same makes them equal")
    counts = {member.selection.maps for member in members}
    kinds = {member.selection.alpha for member in members}
    if len(counts) > 1 or len(kinds) > 1:
        raise GeometryError(f"{spec.label}: maps with different channels cannot be merged; try --channels sum")
    alpha, channels = kinds.pop() != "none", counts.pop()
    if alpha and members[0].selection.alpha == "channel":
        channels -= 1
    height, width = shapes.pop()
    dtype = settings.dtype or layout.dtype
    return MapPlan(spec, layout, Layout(height, width, channels, alpha, dtype), members)


def _plan_member(kernel: Kernel, layout: Layout, settings: Settings, light: Light) -> Member:
    selection = select(layout, kernel, settings.channels, settings.alpha)
    if settings.linear:
        selection = selection.in_light(light, layout.colours)
    border = Border(*settings.edge)
    try:
        geometry = resolve(
            (layout.height, layout.width),
            kernel.size,
            stride=settings.stride,
            padding=settings.padding,
            dilation=settings.dilation,
        )
    except GeometryError as error:
        raise GeometryError(f"{kernel.label} on {layout.height}x{layout.width}: {error}") from None
    bank = bank_of(kernel, selection.channels, summed=selection.summed)
    peak, whole = selection.bounds(np.empty((0, 0, 0), dtype=layout.dtype))
    channels = selection.maps if selection.luma else selection.channels
    plan = make_plan(bank, geometry, border, channels, peak=peak, whole=whole)
    return Member(kernel, selection, geometry, border, plan)


def filter_map(plan: MapPlan, picture: Picture, *, extent: bool = False, threads: int = 1) -> FeatureMap:
    """Compute one map of a picture.

    ``extent`` asks for the smallest and largest value even if no policy needs them; ``threads`` share its strips
    and change no byte.
    """
    run = Run(plan, picture, extent, threads)
    layout = plan.layout
    samples = np.empty((layout.height, layout.width, layout.channels), dtype=layout.dtype)
    over_strips(plan.strips(), lambda first, last: run.write(first, last, samples[first:last]), threads)
    return FeatureMap(plan, samples, run.extent, run.clipped)


class Run:
    """One plan on one picture; threads may share it."""

    def __init__(self, plan: MapPlan, picture: Picture, measure: bool, threads: int) -> None:
        self.plan = plan
        self.picture = picture
        kind = plan.members[0].selection.alpha
        if kind == "weighted" and bool((picture.opacity == float(FULL[plan.source.dtype])).all()):
            kind = "anchor"  # an opaque alpha: the plain sums say the same
        self.kind = kind
        self.weighted = [m.weighted(plan.source) for m in plan.members] if kind == "weighted" else []
        self._rows = picture.samples if plan.source.alpha else picture.rows
        policy, light = plan.spec.range, plan.members[0].selection.light
        found = self._measured(threads) if policy.how in ("stretch", "symmetric") else None
        self._toner = Toner(policy, plan.source.dtype, plan.layout.dtype, found, light=light, lit=plan.lit)
        self._found = found
        self._meter = Meter() if measure and found is None else None
        self._bound = self._largest()

    @property
    def extent(self) -> Extent:
        """Smallest and largest value of the map's visible colours, once all strips are done; NOTHING if not asked."""
        return self._found or (self._in_units(self._meter.extent) if self._meter is not None else NOTHING)

    @property
    def clipped(self) -> int:
        """Colour samples that clipping changed so far."""
        return self._toner.clipped

    def _measured(self, threads: int) -> Extent:
        meter = Meter()

        def strip(first: int, last: int) -> None:
            if self._plain:
                meter.add(self._colour(self._sums(first, last)), None)
            else:
                y, alpha = self.values(first, last)
                meter.add(self._colour(y), alpha if self.weighted else None)

        over_strips(self.plan.strips(), _quietly(strip), threads)
        return self._in_units(meter.extent)

    def write(self, first: int, last: int, samples: Array) -> None:
        """Output rows first..last into ``samples`` (rows, W', C)."""
        _quietly(self._write)(first, last, samples)

    def _write(self, first: int, last: int, samples: Array) -> None:
        colours = self.plan.layout.colours + (self.kind == "channel")
        out = samples[..., :colours]
        if self._plain:
            self._write_sums(out, first, last)
        else:
            y, alpha = self.values(first, last)
            if self._meter is not None:
                self._meter.add(self._colour(y), alpha if self.weighted else None)
            self._toner.values(y, out, self._bound)
            if alpha is not None and self.weighted:
                tone_alpha(alpha, self.plan.source.dtype, self.plan.layout.dtype, samples[..., -1:])
        if self.kind == "anchor":
            planes = [anchor_rows(self.picture.opacity, m.geometry, first, last) for m in self.plan.members]
            opacity = np.minimum.reduce(planes)
            tone_alpha(opacity, self.plan.source.dtype, self.plan.layout.dtype, samples[..., -1:])

    def _largest(self) -> float:
        """Largest magnitude that merged values can have, if it is known beforehand."""
        if self.weighted or self.plan.source.dtype == "float32":
            return inf
        bounds = [m.plan.bound * float(abs(m.plan.bank.scales[0])) + abs(m.kernel.bias) for m in self.plan.members]
        return sum(bounds)  # more than any merging makes of them

    @cached_property
    def _reach(self) -> tuple[float, float] | None:
        """Smallest and largest sum of the one member, from the samples that its picture can have."""
        member, dtype = self.plan.members[0], self.plan.source.dtype
        if dtype == "float32":
            return None
        outside = member.border.value
        return member.plan.bank.reach(min(0.0, outside), max(float(FULL[dtype]), outside))

    @cached_property
    def _bias(self) -> Fraction:
        """The one member's bias as it was written: 0.1 is a tenth."""
        return Fraction(repr(self.plan.members[0].kernel.bias))

    @property
    def _plain(self) -> bool:
        return len(self.plan.members) == 1 and not self.weighted

    def _in_units(self, extent: Extent) -> Extent:
        """An extent in sample units: what was measured on plain sums, scaled without rounding."""
        if not self._plain or extent is NOTHING:
            return extent
        scale, bias = self.plan.members[0].plan.bank.scales[0], self._bias
        low, high = sorted(end * scale + bias for end in extent.ends)
        return Extent(float(low), float(high), (low, high))

    def _sums(self, first: int, last: int) -> Array:
        member = self.plan.members[0]
        return member.plan.sums(member.selection.rows(self._rows), first, last)

    def _write_sums(self, out: Array, first: int, last: int) -> None:
        """The short way: sums go to samples without becoming float values in between."""
        member, sums = self.plan.members[0], self._sums(first, last)
        if self._meter is not None:
            self._meter.add(self._colour(sums), None)
        scale = member.plan.bank.scales[0]
        self._toner.sums(
            sums, scale, self._bias, exact=member.plan.exact, bound=member.plan.bound, out=out, reach=self._reach
        )

    def values(self, first: int, last: int) -> tuple[NDArray[np.float32], Array | None]:
        """Values of output rows in sample units, merged, and their alpha if colours are weighted by it."""
        maps: list[NDArray[np.float32]] = []
        opacity: Array | None = None
        for at, member in enumerate(self.plan.members):
            rows = member.selection.rows(self._rows)
            if self.weighted:
                y, alpha = self.weighted[at].values(rows, self.picture.opacity, first, last)
                # A merged pixel is as visible as its least visible member, so nothing hidden shows up in it.
                opacity = alpha if opacity is None else np.minimum(opacity, alpha)
            else:
                y = member.plan.values(rows, first, last) + np.float32(member.kernel.bias)
            maps.append(y)
        return merge(maps, self.plan.spec.merge), opacity

    def _colour(self, y: Array) -> Array:
        return y[..., : self.plan.layout.colours]


def _quietly(work: Callable[..., None]) -> Callable[..., None]:
    """The work, told of floating point in the thread that does it.

    Float pictures may hold anything, infinities and NaN too: what they make of a sum is no failure.
    """

    def told(*arguments: Any) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            work(*arguments)

    return told
