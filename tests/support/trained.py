"""A trained first layer: that of the face detector MTCNN (Zhang and others, 2016), from the package ``mtcnn``.

Only the file of weights is read; the package itself, which wants TensorFlow, is never imported.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from skimage import data

Array = NDArray[Any]

MEAN, STD = 127.5, 128.0
"""What this network does to its samples first."""
NETS = ("pnet", "rnet")
GRID = 40
"""Every so manyth row and column of a map is recorded."""


def first_layer(net: str) -> tuple[Array, Array]:
    """Weights (N, 3, 3, 3) and biases (N,) of the first layer, which has stride 1 and no padding."""
    spec = find_spec("mtcnn")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    weights = joblib.load(Path(spec.submodule_search_locations[0]) / "assets" / "weights" / f"{net}.lz4")
    return np.ascontiguousarray(weights[0].transpose(3, 2, 0, 1)), weights[1]


def photograph() -> Array:
    """A real photograph, (512, 512, 3) uint8: Eileen Collins, by NASA."""
    found: Array = data.astronaut()
    return found


def scaled() -> Array:
    """The photograph as the network sees it: (3, 512, 512)."""
    return ((photograph().transpose(2, 0, 1).astype(np.float32) - np.float32(MEAN)) / np.float32(STD)).astype(
        np.float32
    )


def sample(maps: Array) -> Array:
    """The part of maps (N, H, W) that is recorded."""
    return maps[:, ::GRID, ::GRID]
