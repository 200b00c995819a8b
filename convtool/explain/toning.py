"""How a raw value becomes the sample that is written, one named step after the other."""

from __future__ import annotations

from fractions import Fraction
from math import isfinite

import numpy as np

from convtool.tone.extent import Extent
from convtool.tone.light import Light
from convtool.tone.ranges import Number, Range
from convtool.tone.toner import FULL, units_of
from convtool.tuples import NamedTuple


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
    start: Number = Fraction(raw) if isfinite(raw) else float(raw)
    y = start

    def then(name: str, operands: tuple[Number, ...], value: Number) -> None:
        nonlocal y
        y = value
        steps.append(Step(name, operands, value))

    units = units_of(source)
    if policy.gain != 1:
        then("gain", (policy.gain,), y * policy.gain)
    operands = policy.operands(units, extent.ends)
    if operands is not None:
        then(policy.how, operands, policy.line(units, extent.ends).of(start))
    integer = dtype != "float32"
    top = FULL[dtype if integer else source]
    if top != units.full:
        then("units", (top / units.full,), y * (top / units.full))
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
