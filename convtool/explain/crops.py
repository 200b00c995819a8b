"""Parts of pictures that are too large to be drawn whole."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from math import lcm

from convtool.engine.geometry import Axis, Geometry, Pair
from convtool.errors import InputError, UsageError
from convtool.explain.model import Crop
from convtool.pictures.picture import Picture


def parse_crop(text: str) -> Crop:
    """``R,C,H,W``: first row and column, height and width in samples. Raises UsageError."""
    if not re.fullmatch(r"\d{1,9}(,\d{1,9}){3}", text, re.ASCII):
        raise UsageError(f"crop {text!r} is not R,C,H,W (first row, first column, height, width), as in 0,16,32,32")
    crop = Crop(*map(int, text.split(",")))
    if not (crop.height and crop.width):
        raise UsageError(f"crop {text!r} has no samples; height and width are at least 1")
    return crop


def parse_at(text: str) -> Pair:
    """``ROW,COL`` of an output sample, counted from 0. Raises UsageError."""
    if not re.fullmatch(r"-?\d{1,9},-?\d{1,9}", text, re.ASCII):
        raise UsageError(f"at {text!r} is not ROW,COL of an output pixel, as in 12,40 (both counted from 0)")
    row, column = map(int, text.split(","))
    return row, column


def cropped(picture: Picture, crop: Crop) -> Picture:
    """The samples of a crop, a view; raises InputError, naming the picture's size, where it reaches outside."""
    height, width = picture.layout.height, picture.layout.width
    if crop.row + crop.height > height or crop.column + crop.width > width:
        asked = ",".join(map(str, crop))
        raise InputError(f"--crop {asked} reaches outside: the picture has {height}x{width} samples")
    part = picture.samples[crop.row : crop.row + crop.height, crop.column : crop.column + crop.width]
    return replace(picture, rows=part)


def automatic_crop(geometries: Sequence[Geometry], size: Pair, side: int, around: Pair) -> Crop | None:
    """A crop of at most ``side`` x ``side`` with the window of output ``around`` near its middle; None if not needed.

    It begins at a multiple of the stride and is as long, modulo the stride, as the picture: then padding falls on the
    same side as in the whole picture, and outputs away from the edges are those of the whole run. Windows larger
    than ``side`` make it larger.
    """
    if max(size) <= side:
        return None
    rows = _part([each.rows for each in geometries], size[0], side, around[0])
    columns = _part([each.columns for each in geometries], size[1], side, around[1])
    return Crop(rows[0], columns[0], rows[1], columns[1])


def _part(axes: Sequence[Axis], size: int, side: int, index: int) -> Pair:
    step = lcm(*(axis.stride for axis in axes))
    needed = max(axis.span for axis in axes)
    length = max(side, needed)
    length -= (length - size) % step
    if length < needed:
        length += step
    if length >= size:
        return 0, size
    middle = axes[0].start(index) + axes[0].span // 2
    first = min(max(middle - length // 2, 0), size - length)
    return first // step * step, length
