"""Linear light: coded samples decoded before they are summed, and sums encoded again.

The curve is sRGB's, or that of the picture's profile where it has one curve for all colours. Linear samples are scaled
to the same 0..F as coded ones (0..255, 0..65535, 0..1), so 0 and F mean the same in both.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

LUMA = (0.2126, 0.7152, 0.0722)
"""Weights of linear R, G and B in luminance (ITU-R BT.709, sRGB)."""

STEPS = 65536
"""A profile's curve is looked up in so many steps, every sample of 16 bits its own."""


class Light:
    """A tone curve; ``curve`` is None for sRGB, else linear values at STEPS coded ones from 0 to 1, rising."""

    def __init__(self, curve: NDArray[np.float64] | None = None) -> None:
        self._curve = curve
        self._tables: dict[str, NDArray[np.float32]] = {}

    def decoded(self, samples: Array, full: int) -> NDArray[np.float32]:
        """Coded samples of 0..``full`` as linear ones in the same units."""
        if samples.dtype.kind == "u":
            if samples.dtype.name not in self._tables:
                levels = np.arange(full + 1) / full
                self._tables[samples.dtype.name] = (self._linear(levels) * full).astype(np.float32)
            return self._tables[samples.dtype.name][samples]
        return self._signed(self._linear, samples, full).astype(np.float32)

    def encoded(self, values: Array, full: int) -> NDArray[np.float64]:
        """Linear values of 0..``full`` as coded ones in the same units; beyond them the curve goes on."""
        return self._signed(self._coded, values, full)

    def _signed(self, function: Any, values: Array, full: int) -> NDArray[np.float64]:
        """A curve through 0, continued to negative values by symmetry."""
        shares = values.astype(np.float64) / full
        found: NDArray[np.float64] = function(np.abs(shares))
        return np.copysign(found, shares) * full

    def _linear(self, coded: NDArray[np.float64]) -> NDArray[np.float64]:
        if self._curve is None:  # IEC 61966-2-1
            return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
        inside: NDArray[np.float64] = np.interp(coded, np.linspace(0, 1, STEPS), self._curve)
        return np.where(coded > 1, coded, inside)

    def _coded(self, linear: NDArray[np.float64]) -> NDArray[np.float64]:
        if self._curve is None:
            return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
        inside: NDArray[np.float64] = np.interp(linear, self._curve, np.linspace(0, 1, STEPS))
        return np.where(linear > 1, linear, inside)


SRGB = Light()

NO_CURVE = "its colour profile has no simple curve; --linear took the sRGB curve"


def light_of(profile: bytes | None, notes: list[str]) -> Light:
    """The curve of a picture with this ICC profile; sRGB's without one, and with a note where it has no simple one."""
    if profile is None:
        return SRGB
    light = _light_of_profile(profile)
    if light is None:
        notes.append(NO_CURVE)
        return SRGB
    return light


@lru_cache(maxsize=8)
def _light_of_profile(profile: bytes) -> Light | None:
    """One light for all pictures with the same profile, so that plans and tables are made once."""
    from convtool.tone.icc import tone_curve

    curve = tone_curve(profile, STEPS)
    return None if curve is None else Light(curve)
