"""Explanations that the tests of the page share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from convtool.explain.demos import load_demo
from convtool.explain.making import explain
from convtool.explain.model import Crop, Explanation
from convtool.kernels.library import Library
from convtool.layers.settings import Settings
from convtool.pictures.picture import picture_from_array

SAMPLES = Path(__file__).resolve().parents[2] / "sample_images"
LIGHTHOUSE = Crop(332, 762, 64, 64)


def demo(name: str) -> Explanation:
    """One of the two demonstrations."""
    found = load_demo(name)
    sets = Library().load_all(list(found.kernels))
    command = f"convtool explain --demo {name} --html {name}.html"
    return explain(found.picture, sets, found.settings, name=found.file, command=command, demo=name)


def photo(*kernels: str, settings: Settings | None = None, crop: Crop = LIGHTHOUSE) -> Explanation:
    """A part of the sample scene in colour."""
    with Image.open(SAMPLES / "scene.png") as image:
        picture = picture_from_array(np.asarray(image.convert("RGB")))
    command = "convtool explain scene.png -k " + " -k ".join(kernels) + " --crop " + ",".join(map(str, crop))
    sets = Library().load_all(list(kernels))
    return explain(
        picture, sets, settings or Settings(), name="scene.png", command=command + " --html out.html", crop=crop
    )
