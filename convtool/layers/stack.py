"""Layers in a row: each takes the maps of the one before as they are, in float."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from convtool.errors import UsageError
from convtool.kernels.kernel import KernelSet
from convtool.layers.maps import MapSpec, layer_maps
from convtool.layers.settings import Settings
from convtool.tuples import NamedTuple

MAX_LAYERS = 64
"""Most layers of one stack; fixed."""


class Layer(NamedTuple):
    """Kernel sets that work side by side, and how: the settings of one layer, with those of the run in each of them."""

    sets: tuple[KernelSet, ...]
    settings: Settings = Settings()


class Stack(NamedTuple):
    """Layers from the picture to the maps that are written; ``name`` if it has one, as from a file."""

    layers: tuple[Layer, ...]
    name: str = ""

    @property
    def settings(self) -> Settings:
        """Those of the last layer; what belongs to the run is the same in all of them."""
        return self.layers[-1].settings

    def in_run(self, run: Settings) -> Stack:
        """The same stack with all settings of the whole run taken from ``run``."""
        return self._replace(layers=tuple(Layer(sets, own.in_run(run)) for sets, own in self.layers))

    def with_run(self, **changes: object) -> Stack:
        """The same stack with settings of the whole run (range, dtype, alpha, linear, scaling) changed."""
        layers = tuple(Layer(sets, own._replace(**changes)) for sets, own in self.layers)  # type: ignore[arg-type]
        return self._replace(layers=layers)


def make_stack(layers: Sequence[Layer], name: str = "") -> Stack:
    """A stack; raises UsageError without layers, with too many, or with settings that contradict each other."""
    if not layers:
        raise UsageError("a stack needs a layer")
    if len(layers) > MAX_LAYERS:
        raise UsageError(f"{len(layers)} layers; at most {MAX_LAYERS}, a fixed limit")
    settings = layers[0].settings
    if settings.linear and not settings.scaling.plain:
        raise UsageError("--linear and --scale, --mean or --std contradict each other: they change the same samples")
    return Stack(tuple(layers), name)


@lru_cache(maxsize=16)
def stack_maps(stack: Stack) -> tuple[tuple[MapSpec, ...], ...]:
    """The maps of every layer; those of the last are the ones that are written.

    Raises UsageError or KernelError for options that do not fit the kernels, naming the layer if there are several.
    """
    found: list[tuple[MapSpec, ...]] = []
    path = ""
    for number, layer in enumerate(stack.layers, 1):
        last = number == len(stack.layers)
        # Only the last layer is shown, so only its range has to suit the run.
        settings = layer.settings if last else layer.settings._replace(range=None, linear=False)
        try:
            maps = layer_maps(layer.sets, settings, found[-1] if found else (), path)
        except UsageError as error:
            raise UsageError(f"layer {number}: {error}" if len(stack.layers) > 1 else str(error)) from None
        if last and stack.name:
            maps = [each._replace(kernel=stack.name) for each in maps]
        found.append(tuple(maps))
        path = f"{path}+{layer_label(layer, number)}" if path else layer_label(layer, number)
    return tuple(found)


def layer_label(layer: Layer, number: int) -> str:
    """What the maps of a layer are called together: its set, or its number (from 1) if it has several."""
    return layer.sets[0].label if len(layer.sets) == 1 else f"layer{number}"
