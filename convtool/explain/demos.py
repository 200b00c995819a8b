"""The two demonstrations of the tutorials: a kernel on an 8x8 picture, and a layer of two filters on a 5x5x3 one."""

from __future__ import annotations

import numpy as np

from convtool.errors import UsageError
from convtool.layers.settings import Settings
from convtool.pictures.picture import Picture, picture_from_array
from convtool.text import did_you_mean
from convtool.tuples import NamedTuple

GREY = """
20 20 20 20 100 100 100 100
20 20 20 20 100 100 100 100
20 60 20 20 100 100 40 100
20 20 20 20 100 100 100 100
20 20 20 60 100 100 100 100
20 20 60 100 100 100 200 100
20 20 20 20 100 100 100 100
60 60 60 60 60 60 60 60
"""
"""An edge down the middle, two dots, a slope, a floor: ``sample_images/teaching.png``."""

RGB = (
    "01120 22010 10212 02101 12002",
    "20011 01202 12100 00221 21010",
    "11002 00210 21021 10112 02200",
)
"""Small enough for mental arithmetic: ``sample_images/teaching-rgb.png``."""


class Demo(NamedTuple):
    """A picture with the kernels and settings that belong to it; ``file`` is the sample image with the same pixels."""

    name: str
    file: str
    kernels: tuple[str, ...]
    settings: Settings
    picture: Picture


def load_demo(name: str) -> Demo:
    """The demonstration ``8x8`` (grey, one 3x3 kernel, stride 1, pad 0: 6x6) or ``rgb`` (5x5x3, two filters of depth 3,
    stride 2, pad 1: 3x3x2). Raises UsageError for any other name.
    """
    if name == "8x8":
        grey = np.array(GREY.split(), dtype=np.uint8).reshape(8, 8)
        return Demo(name, "teaching.png", ("sobel-x",), Settings(padding=((0, 0), (0, 0))), picture_from_array(grey))
    if name == "rgb":
        planes = [[[int(digit) for digit in row] for row in plane.split()] for plane in RGB]
        settings = Settings(stride=(2, 2), padding=((1, 1), (1, 1)))
        picture = picture_from_array(np.array(planes, dtype=np.uint8).transpose(1, 2, 0))
        return Demo(name, "teaching-rgb.png", ("teaching-layer",), settings, picture)
    raise UsageError(f"demo {name!r} is not one of {', '.join(DEMOS)}{did_you_mean(name, DEMOS)}")


DEMOS = ("8x8", "rgb")
