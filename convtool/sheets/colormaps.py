"""Colours for the values of a map: tables of 256 RGB entries, made by formula.

GREY       black to white
DIVERGING  blue, white in the middle, red: equal steps of lightness on both sides

Each is uint8 (256, 3), the smallest value first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

STEPS = 256

OKLAB_TO_LMS = (
    (1.0, 0.3963377774, 0.2158037573),
    (1.0, -0.1055613458, -0.0638541728),
    (1.0, -0.0894841775, -1.2914855480),
)
LMS_TO_RGB = (
    (4.0767416621, -3.3077115913, 0.2309699292),
    (-1.2684380046, 2.6097574011, -0.3413193965),
    (-0.0041960863, -0.7034186147, 1.7076147010),
)
"""From lightness and two opponent axes to linear sRGB (B. Ottosson, A perceptual color space for image processing,
2020)."""


GREY = np.repeat(np.arange(STEPS, dtype=np.uint8)[:, None], 3, axis=1)


def coloured(values: NDArray[Any], low: float, high: float, table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Values (H, W) from ``low`` to ``high`` as colours (H, W, 3); the ends take what lies beyond them.

    A map without extent is the middle of its table.
    """
    span = high - low
    at = np.full(values.shape, 0.5) if span <= 0 else (values.astype(np.float64) - low) / span
    index = np.rint(np.nan_to_num(at, nan=0.5).clip(0, 1) * (STEPS - 1)).astype(np.intp)
    found: NDArray[np.uint8] = table[index]
    return found


def _srgb(lightness: NDArray[Any], a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.uint8]:
    cone = np.array(OKLAB_TO_LMS) @ np.stack((lightness, a, b))
    linear = (np.array(LMS_TO_RGB) @ cone**3).clip(0, 1)
    # The curve of IEC 61966-2-1.
    coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    found: NDArray[np.uint8] = np.rint(coded.T * 255).astype(np.uint8)
    return found


def _diverging() -> NDArray[np.uint8]:
    at = np.linspace(0.0, 1.0, STEPS)
    side = np.abs(2 * at - 1)
    # An even number of steps has no middle of its own: the two in the middle are both white.
    side = np.maximum(side - 1 / (STEPS - 1), 0) * (STEPS - 1) / (STEPS - 2)
    hue = np.deg2rad(np.where(at < 0.5, 262.0, 27.0))
    chroma = 0.2 * np.sin(side * np.pi * 0.62)
    return _srgb(1.0 - 0.55 * side, chroma * np.cos(hue), chroma * np.sin(hue))


DIVERGING = _diverging()
