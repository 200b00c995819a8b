"""The tone curve of an ICC profile (ICC.1:2010, 10.5 and 10.15)."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

COLOUR_CURVES = (b"rTRC", b"gTRC", b"bTRC")
GREY_CURVES = (b"kTRC",)
PARAMETERS = {0: 1, 1: 3, 2: 4, 3: 5, 4: 7}
"""Kinds of parametric curves and how many parameters they have."""
MOST_TAGS = 1000
SHORTEST = 12


def tone_curve(profile: bytes, steps: int) -> NDArray[np.float64] | None:
    """Linear values at ``steps`` coded ones from 0 to 1; None where there is not one rising curve for all colours."""
    try:
        tags = _tags(profile)
        names = GREY_CURVES if profile[16:20] == b"GRAY" else COLOUR_CURVES
        curves = {tags[name] for name in names}
        if len(curves) > 1:
            return None
        curve = _curve(curves.pop(), np.linspace(0, 1, steps))
    except (KeyError, IndexError, ValueError, struct.error):
        return None
    sound = bool(np.isfinite(curve).all() and (np.diff(curve) >= 0).all())
    return curve if sound and abs(curve[0]) < 0.01 and abs(curve[-1] - 1) < 0.01 else None


def _tags(profile: bytes) -> dict[bytes, bytes]:
    count = int.from_bytes(profile[128:132], "big")
    found = {}
    for index in range(min(count, MOST_TAGS)):
        name, at, size = struct.unpack_from(">4sII", profile, 132 + 12 * index)
        found[name] = profile[at : at + size]
    return found


def _curve(tag: bytes, x: NDArray[np.float64]) -> NDArray[np.float64]:
    kind = tag[:4] if len(tag) >= SHORTEST else b""
    if kind == b"curv":
        count = int.from_bytes(tag[8:12], "big")
        if count == 0:
            return x
        if count == 1:
            gamma: float = struct.unpack_from(">H", tag, 12)[0] / 256
            return x**gamma
        table = np.frombuffer(tag, dtype=">u2", count=count, offset=12) / 65535
        return np.asarray(np.interp(x, np.linspace(0, 1, count), table))
    if kind == b"para":
        number = int.from_bytes(tag[8:10], "big")
        values = [value / 65536 for value in struct.unpack_from(f">{PARAMETERS[number]}i", tag, 12)]
        return _parametric(number, values, x)
    raise ValueError("no curve")


def _parametric(number: int, values: list[float], x: NDArray[np.float64]) -> NDArray[np.float64]:
    g, a, b, c, d, e, f = [*values, *[0.0] * (7 - len(values))]
    if number == 0:
        return x**g
    power = np.maximum(a * x + b, 0) ** g
    if number in (1, 2):
        below, split = (c if number == 2 else 0.0), -b / a
        return np.where(x >= split, power + below, below)
    return np.where(x >= d, power + e, c * x + f)
