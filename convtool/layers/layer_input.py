"""What comes into a layer: the picture, or the maps of the layer before, one by one or side by side as channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.engine.geometry import Pair
from convtool.errors import GeometryError
from convtool.pictures.picture import Layout, Picture

Array = NDArray[Any]


class Incoming:
    """The pictures that the kernels of one layer see."""

    def __init__(self, pictures: Sequence[Picture], block: Array | None = None) -> None:
        """``block``: the same maps as planes (N, H, W) of one array, if that is how they lie."""
        self._pictures = pictures
        self._block = block
        self._joined: dict[tuple[int, ...], Picture] = {}

    def seen(self, inputs: tuple[int, ...]) -> Picture:
        """The picture that a kernel sees: the maps at these places, their colours side by side; all there is if none.

        Together they are as visible as the least visible of them.
        """
        if not inputs:
            return self._pictures[0]
        if len(inputs) == 1:
            return self._pictures[inputs[0]]
        if inputs not in self._joined:
            self._joined[inputs] = self._join(inputs)
        return self._joined[inputs]

    def _join(self, inputs: tuple[int, ...]) -> Picture:
        if self._block is not None and inputs == tuple(range(len(self._block))):
            return Picture(self._block.transpose(1, 2, 0), alpha=False)
        pictures = [self._pictures[at] for at in inputs]
        parts = [each.colour for each in pictures]
        opacities = [each.opacity for each in pictures if each.alpha]
        if opacities:
            parts.append(np.minimum.reduce(opacities))
        return Picture(np.concatenate(parts, axis=-1), alpha=bool(opacities))


def room_for(layouts: Sequence[Layout]) -> tuple[list[Array], Array | None]:
    """Samples (H, W, C) for maps that another layer will see, and the block they are planes of, if they are alike."""
    first = layouts[0]
    if first.channels == 1 and all(each == first for each in layouts):
        block = np.empty((len(layouts), first.height, first.width), dtype=first.dtype)
        return [plane[..., None] for plane in block], block
    return [np.empty((each.height, each.width, each.channels), dtype=each.dtype) for each in layouts], None


def joined_layout(layouts: Sequence[Layout], label: str) -> Layout:
    """The layout of several maps taken together, their channels side by side."""
    if len(layouts) == 1:
        return layouts[0]
    found = {(each.height, each.width) for each in layouts}
    if len(found) > 1:
        raise GeometryError(f"{label}: maps of {sizes(found)} cannot be seen together; --pad same makes them equal")
    height, width = found.pop()
    alpha = any(each.alpha for each in layouts)
    return Layout(height, width, sum(each.colours for each in layouts), alpha, "float32")


def sizes(shapes: set[Pair]) -> str:
    """Sizes (rows, columns) in words."""
    return " and ".join(f"{rows}x{columns}" for rows, columns in sorted(shapes))
