"""Pictures for the file benchmarks: collages of the photographs of scikit-image, every one different."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from benchmarks.startup import photograph

Samples = NDArray[np.uint8]
NAMES = ("astronaut", "chelsea", "coffee", "hubble_deep_field", "immunohistochemistry", "rocket")
QUALITY = 92


def collage(rng: np.random.Generator, height: int, width: int) -> Samples:
    """RGB photograph of a size: random cut-outs side by side, mirrored at random, with a sensor's grain."""
    parts = [getattr(skimage.data, name)() for name in NAMES]
    side = 300
    rows = []
    for _ in range(0, height, side):
        row = []
        for _ in range(0, width, side):
            part = parts[rng.integers(len(parts))]
            top, left = (int(rng.integers(0, size - side + 1)) for size in part.shape[:2])
            cut = part[top : top + side, left : left + side]
            row.append(cut[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])])
        rows.append(np.concatenate(row, axis=1))
    whole = np.concatenate(rows)[:height, :width]
    grain = rng.normal(0, 1.2, (side * 2, side * 2, 3)).astype(np.float32)  # tiled: 24 megapixels of it take seconds
    repeats = (height // (side * 2) + 1, width // (side * 2) + 1, 1)
    return np.clip(np.rint(whole + np.tile(grain, repeats)[:height, :width]), 0, 255).astype(np.uint8)


def icon(rng: np.random.Generator) -> Samples:
    """64x64 RGB: a few smooth shapes on one colour."""
    picture = Image.new("RGB", (256, 256), colour(rng))
    pen = ImageDraw.Draw(picture)
    for _ in range(4):
        left, top = (int(value) for value in rng.integers(10, 130, 2))
        box = (left, top, left + int(rng.integers(40, 110)), top + int(rng.integers(40, 110)))
        (pen.ellipse if rng.random() < 0.5 else pen.rectangle)(box, fill=colour(rng))
    return np.asarray(picture.resize((64, 64), Image.Resampling.LANCZOS))


def colour(rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(int(value) for value in rng.integers(0, 256, 3))


def make(folder: Path, name: str, count: int) -> None:
    """One set of pictures into an empty folder; ``count`` is for photographs and icons.

    Args:
        folder: where to; it is made.
        name: ``photographs``, ``12mp``, ``24mp``, ``small`` or ``icons``, and ``-jpg`` or ``-png`` after it.
        count: of the sets that have many.
    """
    kind, _, suffix = name.rpartition("-")
    sizes = {"photographs": (900, 1200), "12mp": (3000, 4000), "24mp": (4000, 6000)}
    folder.mkdir()
    options: dict[str, Any] = {"quality": QUALITY} if suffix == "jpg" else {}

    def one(number: int) -> None:
        rng = np.random.default_rng(number)
        if kind == "small":
            picture = photograph()
        else:
            picture = Image.fromarray(icon(rng) if kind == "icons" else collage(rng, *sizes[kind]))
        picture.save(folder / f"{number:03}.{suffix}", **options)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(one, range(count if kind in ("photographs", "icons") else 1)))
