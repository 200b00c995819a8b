"""Kernels times a picture: feature maps, layer by layer, strip by strip.

Strips of output rows are filtered, merged and toned straight into the samples of the map. Where a range policy
looks at the whole map (stretch, symmetric), the sums are computed twice rather than kept. Maps that are planned
together (the filters of a bank) are computed in one pass over the strips, each toned into its own samples. Only what
another layer will see is kept in float.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.layers.layer_input import Incoming, room_for
from convtool.layers.map_run import MapRun
from convtool.layers.plan import LayerPlan, MapPlan, StackPlan
from convtool.pictures.picture import Picture
from convtool.threads import over_strips
from convtool.tone.extent import Extent
from convtool.tuples import NamedTuple

Array = NDArray[Any]


class FeatureMap(NamedTuple):
    """A finished map: samples (H', W', C), alpha last, and what became of its values."""

    plan: MapPlan
    samples: Array
    extent: Extent
    clipped: int
    """Colour samples that clipping changed."""


def filter_map(plan: MapPlan, picture: Picture, *, extent: bool = False, threads: int = 1) -> FeatureMap:
    """Compute one map of a picture, of a single layer.

    ``extent`` asks for the smallest and largest value even if no policy needs them; ``threads`` share its strips
    and change no byte.
    """
    run = MapRun(plan, Incoming([picture]), extent=extent)
    return _computed([run], [_room(plan)], threads)[0]


def filter_stack(
    plan: StackPlan, picture: Picture, wanted: Sequence[int] | None = None, *, extent: bool = False, threads: int = 1
) -> Iterator[FeatureMap]:
    """Compute the last layer's maps of a picture one after the other, all or those at the ``wanted`` places.

    Maps come in the order of ``wanted``; those that are planned together are computed together, the others when they
    are asked for. A map is the same bytes whatever else is wanted.
    """
    coming = before_last(plan, picture, threads)
    left = list(range(len(plan.maps)) if wanted is None else wanted)
    done: dict[int, FeatureMap] = {}
    while left:
        place = left.pop(0)
        if place not in done:
            places = together(plan, place, left)
            done |= zip(places, filter_maps(plan, coming, places, extent=extent, threads=threads), strict=True)
        yield done.pop(place)


def together(plan: StackPlan, place: int, wanted: Sequence[int]) -> list[int]:
    """The map at a place of the last layer, and those of the wanted ones that are computed with it."""
    group = plan.layers[-1].group_of(place)
    return [place] if group is None else [at for at in group.places if at == place or at in wanted]


def filter_maps(
    plan: StackPlan, coming: Incoming, places: Sequence[int], *, extent: bool = False, threads: int = 1
) -> list[FeatureMap]:
    """Maps of the last layer that are computed together, from what comes into it."""
    runs = [MapRun(plan.maps[at], coming, extent=extent) for at in places]
    return _computed(runs, [_room(plan.maps[at]) for at in places], threads)


def before_last(plan: StackPlan, picture: Picture, threads: int = 1) -> Incoming:
    """What comes into the last layer: the picture, or all maps of the layer before it, which are computed now."""
    coming = Incoming([picture])
    for layer in plan.layers[:-1]:
        coming = _layer(layer, coming, threads)
    return coming


def measured(run: MapRun, threads: int = 1) -> MapRun:
    """A map that is ready to be written, its values measured before if its range is fitted to them."""
    if run.fitted:
        _each_strip(run.plan.strips(), run.measure, threads)
    run.begin()
    return run


def _layer(layer: LayerPlan, coming: Incoming, threads: int) -> Incoming:
    """All maps of a layer that another one will see."""
    rooms, block = room_for([plan.layout for plan in layer.maps])
    done: set[int] = set()
    for place in range(len(layer.maps)):
        if place not in done:
            group = layer.group_of(place)
            places = [place] if group is None else list(group.places)
            _computed([MapRun(layer.maps[at], coming) for at in places], [rooms[at] for at in places], threads)
            done.update(places)
    pictures = [Picture(room, plan.layout.alpha) for room, plan in zip(rooms, layer.maps, strict=True)]
    return Incoming(pictures, block)


def _room(plan: MapPlan) -> Array:
    layout = plan.layout
    return np.empty((layout.height, layout.width, layout.channels), dtype=layout.dtype)


def _computed(runs: list[MapRun], rooms: list[Array], threads: int) -> list[FeatureMap]:
    """Fill the samples of some maps; those of a group in one pass over its strips."""
    if runs[0].plan.joint is None or any(run.weighted for run in runs):
        for run, room in zip(runs, rooms, strict=True):
            _alone(run, room, threads)
    else:
        _as_group(runs, rooms, threads)
    return [FeatureMap(run.plan, room, run.extent, run.clipped) for run, room in zip(runs, rooms, strict=True)]


def _alone(run: MapRun, room: Array, threads: int) -> None:
    measured(run, threads)
    _each_strip(run.plan.strips(), lambda first, last: run.write(first, last, room[first:last]), threads)


def _as_group(runs: list[MapRun], rooms: list[Array], threads: int) -> None:
    lead = runs[0]

    def measure(first: int, last: int) -> None:
        planes = lead.planes(first, last)
        for run in runs:
            if run.fitted:
                run.measure(first, last, planes)

    def write(first: int, last: int) -> None:
        planes = lead.planes(first, last)
        for run, room in zip(runs, rooms, strict=True):
            run.write(first, last, room[first:last], planes)

    if any(run.fitted for run in runs):
        _each_strip(lead.plan.strips(), measure, threads)
    for run in runs:
        run.begin()
    _each_strip(lead.plan.strips(), write, threads)


def _each_strip(strips: Iterator[tuple[int, int]], work: Callable[[int, int], None], threads: int) -> None:
    """Do the work for every strip, quietly."""
    over_strips(strips, quietly(work), threads)


def quietly(work: Callable[..., None]) -> Callable[..., None]:
    """The work, with floating-point warnings off in the thread that does it.

    Float pictures may hold anything, infinities and NaN too: what they make of a sum is no failure.
    """

    def quiet(*arguments: Any) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            work(*arguments)

    return quiet
