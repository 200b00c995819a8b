"""What a plan says of every layer, as numbers: sizes, parameters, multiply-adds, overlap, receptive field, cost.

Sizes are (rows, columns). A layer's window slides over every map that comes in; its parameters are counted once
however often they are used, which is what weight sharing saves.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from convtool.engine.geometry import Axis, Geometry, Pair
from convtool.layers.memory import peak_bytes
from convtool.layers.plan import LayerPlan, StackPlan
from convtool.tuples import NamedTuple


class Windows(NamedTuple):
    """One way in which kernels of a layer slide; most layers have one."""

    geometry: Geometry
    border: str
    shared: Pair
    """Samples of a plane that a window shares with the one beside it, and with the one below."""

    @property
    def taps(self) -> int:
        """Samples of a plane that a window sees."""
        return self.geometry.rows.kernel * self.geometry.columns.kernel


class LayerFacts(NamedTuple):
    """The numbers of one layer."""

    name: str
    source: tuple[int, int, int]
    """What comes in: rows, columns, channels of all maps together."""
    sums: tuple[int, int, int]
    """What the kernels give, before pooling and merging."""
    target: tuple[int, int, int]
    """What goes out."""
    windows: tuple[Windows, ...]
    weights: int
    biases: int
    dense: tuple[int, int]
    """Inputs and outputs of a fully connected layer that would do the same."""
    multiply_adds: int
    field: Pair
    """Receptive field of one output in the picture, in pixels."""
    jump: Pair
    """Pixels from one output's field to the next one's."""
    after: tuple[str, ...]
    """Activation, pooling, merging: what comes after the sum, in words."""
    methods: tuple[str, ...]
    bytes_out: int
    """Of all its maps as they are kept: float32 between layers."""
    seconds: float
    """Of filtering on one thread, from the engine's table of costs."""

    @property
    def dense_weights(self) -> int:
        """Weights of the fully connected layer."""
        return self.dense[0] * self.dense[1]


class StackFacts(NamedTuple):
    """All layers, and the highest memory of the run in bytes."""

    layers: tuple[LayerFacts, ...]
    peak: int


def stack_facts(plan: StackPlan) -> StackFacts:
    """The numbers of a planned stack; memory as for PNG files."""
    layers: list[LayerFacts] = []
    field, jump = (1, 1), (1, 1)
    for layer in plan.layers:
        windows = _windows(layer)
        steps = layer.layer.settings.stride
        spans = [max(found.geometry[axis].span for found in windows) for axis in (0, 1)]
        field = (field[0] + (spans[0] - 1) * jump[0], field[1] + (spans[1] - 1) * jump[1])
        jump = (jump[0] * steps[0], jump[1] * steps[1])
        if (pool := layer.layer.settings.pool) is not None:
            field = (field[0] + (pool.size[0] - 1) * jump[0], field[1] + (pool.size[1] - 1) * jump[1])
            jump = (jump[0] * pool.stride[0], jump[1] * pool.stride[1])
        layers.append(_layer(layer, windows, field, jump))
    return StackFacts(tuple(layers), max(peak_bytes(plan, each, "png") for each in plan.maps))


def _layer(layer: LayerPlan, windows: tuple[Windows, ...], field: Pair, jump: Pair) -> LayerFacts:
    members = [member for plan in layer.maps for member in plan.members]
    kernels = {id(member.kernel.weights): member.kernel for member in members}
    first = layer.inputs[0]
    filtered = members[0].selection.alpha == "channel"
    channels = first.colours + (filtered and first.alpha)
    if members[0].inputs:
        channels = sum(layout.colours for layout in layer.inputs)
    outputs = sum(member.selection.maps for member in members)
    rows, columns = members[0].geometry.out
    inputs = first.height * first.width * channels
    sums = sum(member.geometry.out[0] * member.geometry.out[1] * member.selection.maps for member in members)
    target = layer.maps[0].layout
    settings = layer.layer.settings
    words = [] if settings.activation is None or settings.activation.how == "none" else [str(settings.activation)]
    words += [f"pool {settings.pool}"] if settings.pool is not None else []
    words += [f"merge {settings.merge}"] if any(plan.spec.merge for plan in layer.maps) else []
    return LayerFacts(
        name=_name(layer),
        source=(first.height, first.width, channels),
        sums=(rows, columns, outputs),
        target=(target.height, target.width, sum(plan.layout.colours + filtered for plan in layer.maps)),
        windows=windows,
        weights=sum(kernel.weights.size for kernel in kernels.values()),
        biases=len(kernels) if any(kernel.bias for kernel in kernels.values()) else 0,
        dense=(inputs, sums),
        multiply_adds=sum(
            member.geometry.out[0] * member.geometry.out[1] * member.selection.channels * _taps(member.geometry)
            for member in members
        ),
        field=field,
        jump=jump,
        after=tuple(words),
        methods=tuple(dict.fromkeys(plan.methods for plan in layer.maps)),
        bytes_out=sum(
            plan.layout.height * plan.layout.width * plan.layout.channels * np.dtype(plan.layout.dtype).itemsize
            for plan in layer.maps
        ),
        seconds=sum(_seconds(layer)),
    )


def _name(layer: LayerPlan) -> str:
    return ", ".join(found.label for found in layer.layer.sets)


def _windows(layer: LayerPlan) -> tuple[Windows, ...]:
    found = dict.fromkeys((member.geometry, member.border.mode) for plan in layer.maps for member in plan.members)
    return tuple(
        Windows(
            geometry,
            border,
            (
                _shared(geometry.columns) * geometry.rows.kernel,
                _shared(geometry.rows) * geometry.columns.kernel,
            ),
        )
        for geometry, border in found
    )


def _shared(axis: Axis) -> int:
    """Taps of a window along an axis that the next window sees, too; dilation may leave none in common."""
    return max(0, axis.kernel - axis.stride // axis.dilation) if axis.stride % axis.dilation == 0 else 0


def _taps(geometry: Geometry) -> int:
    return geometry.rows.kernel * geometry.columns.kernel


def _seconds(layer: LayerPlan) -> Iterator[float]:
    for group in layer.groups:
        yield group.plan.seconds
    for place, plan in enumerate(layer.maps):
        if layer.group_of(place) is None:
            yield from (member.plan.seconds for member in plan.members)
