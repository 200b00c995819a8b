"""The plan of a run on pictures of one layout: every layer's maps with their shapes, sums and methods. No pixels."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache

import numpy as np

from convtool.engine.bank import Bank, bank_of
from convtool.engine.border import Border, make_border
from convtool.engine.geometry import Geometry, Pair, resolve
from convtool.engine.plan import Plan, join_plans, make_plan
from convtool.errors import GeometryError
from convtool.kernels.kernel import Kernel
from convtool.layers.channels import Selection, select
from convtool.layers.layer_input import joined_layout, sizes
from convtool.layers.maps import MapSpec, Part
from convtool.layers.options import Activation, Pool
from convtool.layers.settings import RAW, Settings
from convtool.layers.stack import Layer, Stack, stack_maps
from convtool.pictures.picture import Layout
from convtool.tone.light import SRGB, Light
from convtool.tone.toner import FULL
from convtool.tuples import NamedTuple

FEWEST = 4
"""Filters from which computing them together is thought of: for fewer, the shorter way from a sum to a sample wins."""

TALLER = 4
"""How much taller strips are that hold no values in float32."""

FLOAT_PEAK = float(np.finfo(np.float32).max)


class Member(NamedTuple):
    """One kernel planned for what comes into its layer."""

    kernel: Kernel
    inputs: tuple[int, ...]
    """Places of the maps it sees, of the layer before; empty for the picture."""
    selection: Selection
    geometry: Geometry
    border: Border
    plan: Plan


class Term(NamedTuple):
    """The weights of one member as its sums are computed, and what is known of these sums."""

    bank: Bank
    exact: bool
    bound: float
    once: bool
    """Whether sums are whole numbers, to be rounded once."""

    @property
    def scale(self) -> Fraction:
        """What sums are multiplied by."""
        return self.bank.scales[0]


class MapPlan(NamedTuple):
    """One feature map planned for pictures of one layout."""

    spec: MapSpec
    source: Layout
    """Of the picture at the beginning; values keep its units, times ``scale``."""
    layout: Layout
    members: tuple[Member, ...]
    settings: Settings
    real: bool
    """Whether the samples that come in may be any numbers, not whole ones up to the full scale."""
    lit: int = 0
    """Channels of the map that are linear light."""
    light: Light | None = None
    """The curve by which they are coded again; None for maps that another layer sees."""
    joint: Plan | None = None
    """The sum of the group that the map is computed in."""
    filter: int = 0
    """The place of its first member among the filters of the group."""

    @property
    def activation(self) -> Activation | None:
        """What becomes of every value; None for nothing."""
        found = self.settings.activation
        return None if found is None or found.how == "none" else found

    @property
    def pool(self) -> Pool | None:
        """How values are pooled."""
        return self.settings.pool

    @property
    def plain(self) -> bool:
        """Whether a sum becomes a sample by a scale and a bias, unless colours are weighted by alpha."""
        return len(self.members) == 1 and self.activation is None and self.pool is None

    @property
    def scale(self) -> Fraction:
        """What the picture's full scale is multiplied by."""
        return self.settings.scaling.scale

    @property
    def methods(self) -> str:
        """How the members are computed, as ``--dry-run`` shows it."""
        return ", ".join(dict.fromkeys(str(plan) for plan in self._plans))

    @property
    def reasons(self) -> str:
        """Why they are computed so, as ``-v`` shows it."""
        return "; ".join(dict.fromkeys(plan.reason for plan in self._plans))

    @property
    def _plans(self) -> list[Plan]:
        return [self.joint] if self.joint is not None else [member.plan for member in self.members]

    @property
    def seconds(self) -> float:
        """What its sums take one thread, roughly; those of all maps that it is computed with."""
        return sum(plan.seconds for plan in self._plans)

    def terms(self) -> list[Term]:
        """The weights of every member as its sums are computed."""
        if self.joint is None:
            return [_term(member.plan, member.plan.bank) for member in self.members]
        first = self.filter
        return [_term(self.joint, self.joint.bank.one(first + at)) for at in range(len(self.members))]

    @property
    def tiled(self) -> bool:
        """Whether a sum is made a whole tile of rows at a time, so that strips should be those of ``strips``."""
        return any(plan.tiled for plan in self._plans)

    def strips(self) -> Iterator[tuple[int, int]]:
        """Strips of output rows: as tall as tiles where there are any, else as the shortest of the members.

        They are taller where one sum after the other becomes a sample, and no values are held in between.
        """
        tiles = [plan.strip_rows for plan in self._plans if plan.tiled]
        step = max(tiles) if tiles else min(plan.strip_rows for plan in self._plans)
        if self.plain and not tiles and self.joint is None:
            step *= TALLER
        if self.pool is not None:
            step = max(1, step // self.pool.stride[0])
        for first in range(0, self.layout.height, step):
            yield first, min(first + step, self.layout.height)


class Group(NamedTuple):
    """Maps whose kernels see the same samples in the same way: the filters of one sum."""

    plan: Plan
    places: tuple[int, ...]
    """Of the maps in their layer; the filters of the sum are their members in this order."""


class LayerPlan(NamedTuple):
    """All maps of one layer, in order."""

    layer: Layer
    maps: tuple[MapPlan, ...]
    inputs: tuple[Layout, ...]
    """Of the maps that come in; of the picture in the first layer."""
    groups: tuple[Group, ...] = ()

    def group_of(self, place: int) -> Group | None:
        """The group in which a map is computed; None if it is computed alone."""
        return next((group for group in self.groups if place in group.places), None)


class StackPlan(NamedTuple):
    """Every layer planned for pictures of one layout."""

    stack: Stack
    source: Layout
    layers: tuple[LayerPlan, ...]

    @property
    def maps(self) -> tuple[MapPlan, ...]:
        """The maps that are written."""
        return self.layers[-1].maps


@lru_cache(maxsize=64)
def plan_stack(stack: Stack, layout: Layout, light: Light = SRGB) -> StackPlan:
    """Plan every layer for pictures of ``layout``, once for all of them; raises GeometryError where one does not fit.

    ``light`` is their tone curve, which ``--linear`` needs. A plan holds no pixels and may be used by several threads.
    """
    planned: list[LayerPlan] = []
    for number, (layer, specs) in enumerate(zip(stack.layers, stack_maps(stack), strict=True), 1):
        last = number == len(stack.layers)
        settings = layer.settings if last else layer.settings._replace(dtype="float32")
        before = planned[-1] if planned else None
        try:
            maps = tuple(_plan_map(spec, layout, settings, light, before) for spec in specs)
        except GeometryError as error:
            raise GeometryError(f"layer {number}: {error}" if len(stack.layers) > 1 else str(error)) from None
        if not last:
            maps = tuple(plan._replace(spec=plan.spec._replace(range=RAW), light=None) for plan in maps)
        inputs = tuple(plan.layout for plan in before.maps) if before else (layout,)
        groups, maps = _grouped(maps)
        planned.append(LayerPlan(layer, maps, inputs, groups))
    return StackPlan(stack, layout, tuple(planned))


@lru_cache(maxsize=256)
def plan_map(spec: MapSpec, layout: Layout, settings: Settings, light: Light = SRGB) -> MapPlan:
    """Plan a map of a single layer, like ``plan_stack``."""
    return _plan_map(spec, layout, settings, light, None)


def _plan_map(spec: MapSpec, source: Layout, settings: Settings, light: Light, before: LayerPlan | None) -> MapPlan:
    members = tuple(_plan_member(part, source, settings, light, before) for part in spec.parts)
    shapes = {member.geometry.out for member in members}
    if len(shapes) > 1:
        raise GeometryError(f"{spec.label}: maps of {sizes(shapes)} cannot be merged; --pad same makes them equal")
    counts = {member.selection.maps for member in members}
    kinds = {member.selection.alpha for member in members}
    if len(counts) > 1 or len(kinds) > 1:
        raise GeometryError(f"{spec.label}: maps with different channels cannot be merged; try --channels sum")
    alpha, channels = kinds.pop() != "none", counts.pop()
    if alpha and members[0].selection.alpha == "channel":
        channels -= 1
    height, width = _pooled(shapes.pop(), settings.pool, spec.label)
    layout = Layout(height, width, channels, alpha, settings.dtype or source.dtype)
    real = before is not None or source.dtype == "float32" or not settings.scaling.plain
    lit = 0
    if settings.linear:
        lit = channels if before is None and members[0].selection.lit else 0
        if before is not None:
            lit = channels if all(before.maps[at].lit for member in members for at in member.inputs) else 0
    return MapPlan(spec, source, layout, members, settings, real, lit, light if lit else None)


def _pooled(size: Pair, pool: Pool | None, label: str) -> Pair:
    """Size of a map (rows, columns) after pooling: windows that lie inside."""
    if pool is None:
        return size
    if size[0] < pool.size[0] or size[1] < pool.size[1]:
        window = f"{pool.size[0]}x{pool.size[1]}"
        raise GeometryError(
            f"{label}: a map of {size[0]}x{size[1]} is too small for --pool {pool}, windows of {window}"
        )
    rows, columns = ((n - k) // s + 1 for n, k, s in zip(size, pool.size, pool.stride, strict=True))
    return rows, columns


def _plan_member(part: Part, source: Layout, settings: Settings, light: Light, before: LayerPlan | None) -> Member:
    kernel, layout = part.kernel, source
    if before is not None:
        layout = joined_layout([before.maps[at].layout for at in part.inputs], kernel.label)
    selection = select(
        layout,
        kernel,
        settings.channels,
        settings.alpha,
        groups=settings.groups,
        group=part.group,
        scaling=settings.scaling,
        later=before is not None,
    )
    if settings.linear and before is None:
        selection = selection.in_light(light, layout.colours)
    border = make_border(*settings.edge)
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
    real = before is not None or not settings.scaling.plain
    peak, whole = (FLOAT_PEAK, False) if real else selection.bounds(np.empty((0, 0, 0), dtype=layout.dtype))
    channels = selection.maps if selection.luma else selection.channels
    plan = make_plan(bank, geometry, border, channels, peak=peak, whole=whole)
    return Member(kernel, part.inputs, selection, geometry, border, plan)


def _grouped(maps: tuple[MapPlan, ...]) -> tuple[tuple[Group, ...], tuple[MapPlan, ...]]:
    """Maps that cost less together: their groups, and the maps with them.

    It follows from the kernels of the layer alone, not from which of its maps are wanted.
    """
    alike: dict[tuple[object, ...], list[int]] = {}
    for place, plan in enumerate(maps):
        first = plan.members[0]
        # Whole-number weights stay apart from others, beside which their sums would no longer be exact.
        keys = {(m.inputs, m.selection, m.geometry, m.border, m.plan.exact, m.plan.once) for m in plan.members}
        if len(keys) == 1 and (first.selection.summed or first.selection.maps == first.selection.channels == 1):
            alike.setdefault(keys.pop(), []).append(place)
    groups: list[Group] = []
    changed = list(maps)
    for places in alike.values():
        members = [member for place in places for member in maps[place].members]
        joint = join_plans([member.plan for member in members]) if len(members) >= FEWEST else None
        if joint is None:
            continue
        groups.append(Group(joint, tuple(places)))
        at = 0
        for place in places:
            changed[place] = maps[place]._replace(joint=joint, filter=at)
            at += len(maps[place].members)
    return tuple(groups), tuple(changed)


def _term(plan: Plan, bank: Bank) -> Term:
    return Term(bank, plan.exact, plan.bound, plan.once)


def alpha_full(plan: MapPlan) -> float:
    """The stored alpha of an opaque pixel; it keeps its units through all layers."""
    return float(FULL[plan.source.dtype])
