"""How a raw value becomes the sample that is written, one named step after the other."""

from __future__ import annotations

from fractions import Fraction
from math import isfinite

import numpy as np

from convtool.tone.extent import Extent
from convtool.tone.light import Light
from convtool.tone.ranges import Range
from convtool.tone.toner import FULL, MIDDLE
from convtool.tuples import NamedTuple

Number = Fraction | float
"""A fraction wherever it is finite."""


class Step(NamedTuple):
    """One step: ``name`` is what is done, ``operands`` with what, ``value`` what comes out.

    ``gain`` (the gain); ``abs`` (); ``shift`` (Z); ``stretch`` (min, max, M); ``symmetric`` (max|y|, M - Z, Z);
    ``units`` (F_out/M); ``coded`` (); ``round`` (); ``clip`` (0, F_out). M is the full scale of the input's type, F_out
    that of the output's, Z the middle of the input's. Steps that could not change a value are left out.
    """

    name: str
    operands: tuple[Number, ...]
    value: Number


def tone_steps(
    raw: Number, policy: Range, source: str, dtype: str, extent: Extent, light: Light | None = None
) -> tuple[Step, ...]:
    """The steps from a raw value, in units of ``source``, to a sample of ``dtype``.

    source, dtype: names of sample types, uint8, uint16 or float32. extent: of the whole map, for stretch and symmetric.
    light: the curve by which a value in linear light is coded again.
    Values are fractions, so that nothing is rounded but by the step ``round``.
    """
    steps: list[Step] = []
    y: Number = Fraction(raw) if isfinite(raw) else float(raw)

    def then(name: str, operands: tuple[Number, ...], value: Number) -> None:
        nonlocal y
        y = value
        steps.append(Step(name, operands, value))

    full, middle = FULL[source], MIDDLE[source]
    low, high = sorted(end * policy.gain for end in extent.ends)
    if policy.gain != 1:
        then("gain", (policy.gain,), y * policy.gain)
    if policy.how == "abs":
        then("abs", (), y if y > 0 else -y)
    elif policy.how == "shift":
        then("shift", (middle,), y + middle)
    elif policy.how == "stretch" and low != high:
        then("stretch", (low, high, full), (y - low) / (high - low) * full)
    elif policy.how == "symmetric":
        peak = max(abs(low), abs(high))
        then("symmetric", (peak, full - middle, middle), (y / peak if peak else Fraction(0)) * (full - middle) + middle)
    integer = dtype != "float32"
    top = FULL[dtype if integer else source]
    if top != full:
        then("units", (top / full,), y * (top / full))
    if light is not None and isfinite(y):
        then("coded", (), Fraction(float(light.encoded(np.array(float(y)), int(top)))))
    if not integer:
        return tuple(steps)
    if y != y:
        then("clip", (Fraction(0), top), Fraction(0))
        return tuple(steps)
    if not isfinite(y) or y.denominator != 1:  # type: ignore[union-attr]
        then("round", (), Fraction(round(y)) if isfinite(y) else y)
    if not 0 <= y <= top:
        then("clip", (Fraction(0), top), top if y > 0 else Fraction(0))
    return tuple(steps)
