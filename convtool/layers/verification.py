"""``--verify``: random pixels of a finished map recomputed by the definition.

Sums of whole numbers are recomputed as fractions, without any rounding; all others in double precision.
"""

from __future__ import annotations

import random
from fractions import Fraction
from math import isfinite

import numpy as np

from convtool.layers.definition import Definition
from convtool.layers.exact import Number, exact
from convtool.layers.filtering import FeatureMap
from convtool.layers.plan import MapPlan, StackPlan
from convtool.pictures.picture import Picture
from convtool.tone.toner import FULL, units_of

SEED = 2012
"""The pixels are the same in every run."""

TIE = 1e-3
"""How near to the middle between two samples an inexact value may be rounded either way."""


def largest_difference(found: FeatureMap, picture: Picture, count: int, stack: StackPlan | None = None) -> float:
    """The largest difference between written samples and the definition at ``count`` random pixels, in output units.

    Integer outputs are compared after rounding and clipping, so 0 means that every sample is the right one. ``stack``
    is the plan that the map is of, where it has several layers.
    """
    height, width = found.samples.shape[:2]
    layer = len(stack.layers) - 1 if stack else 0
    definition = Definition(picture, stack)
    # As many different pixels as there are, if so many are asked for.
    chosen = random.Random(SEED).sample(range(height * width), min(count, height * width))
    worst = 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        values = [definition.values(found.plan, layer, *divmod(at, width)) for at in chosen]
        slack = _slack(found.plan, picture, definition, layer)
        for at, (channels, opacity) in zip(chosen, values, strict=True):
            actual = found.samples[divmod(at, width)]
            for sample, ends in zip(actual, _toned(found, channels, opacity, slack), strict=True):
                worst = max(worst, _distance(float(sample), ends, found.plan.layout.dtype))
    return worst


def expected_pixel(found: FeatureMap, picture: Picture, i: int, j: int) -> list[float]:
    """All channels of one output pixel of a single layer, alpha last, by the definition."""
    channels, opacity = Definition(picture).values(found.plan, 0, i, j)
    return [_rounded(values[0], found.plan.layout.dtype) for values in _toned(found, channels, opacity, 0.0)]


def _distance(actual: float, values: list[Number], dtype: str) -> float:
    """How far a sample is from the first of ``values``; 0 where it lies between the others, rounded."""
    expected = _rounded(values[0], dtype)
    if dtype == "float32":
        same = actual == expected or (actual != actual and expected != expected)
        return 0.0 if same else abs(actual - expected) if isfinite(actual - expected) else float("inf")
    if len(values) == 1:
        return abs(actual - expected)
    # The first value, too: an absolute value may fold the slack on both sides of it to one.
    ends = [_rounded(value + side, dtype) for value in values for side in (-TIE, TIE)]
    return 0.0 if min(ends) <= actual <= max(ends) else abs(actual - expected)


def _slack(plan: MapPlan, picture: Picture, definition: Definition, layer: int) -> float:
    """What rounding may add to a value of the map, by the contract; 0 where sums are exact."""
    kind = plan.members[0].selection.alpha
    terms = plan.terms()
    plain = len(plan.members) == 1 and not (plan.activation or plan.pool)
    if plain and terms[0].exact and kind != "weighted":
        return 0.0
    if plan.real and plan.source.dtype != "float32":
        peak = definition.peaks.get(layer, 0.0)
    else:
        peak = float(FULL[plan.source.dtype])
        if plan.source.dtype == "float32":
            finite = picture.samples[np.isfinite(picture.samples)]
            peak = float(np.abs(finite).max(initial=0.0))
            peak = max(peak, definition.peaks.get(layer, 0.0))
    total = 0.0
    for member in plan.members:
        copies = member.selection.channels if member.kernel.depth is None and member.selection.summed else 1
        size = float(np.abs(member.kernel.weights).sum()) * copies
        before = [_slack(definition.plan(layer - 1, at), picture, definition, layer - 1) for at in member.inputs]
        total += size * (max(before, default=0.0) + 2e-6 * max(peak, abs(member.border.value)))
        total += 2.0**-22 * abs(member.kernel.bias) if plan.activation or plan.pool or plan.real else 0.0
    if plan.activation is not None:
        total = total * max(1.0, abs(plan.activation.slope)) + 1e-6
    return total


def _toned(found: FeatureMap, channels: list[Number], opacity: Number, slack: float) -> list[list[Number]]:
    """For every channel, alpha last: the value before rounding and, with slack, what it may be taken for."""
    plan = found.plan
    dtype = plan.layout.dtype
    sides = (0.0, -slack, slack) if slack else (0.0,)
    ends = found.extent.ends
    toned = [
        [_coded(found, _tone(y + exact(side), plan, ends), at < plan.lit) for side in sides]
        for at, y in enumerate(channels)
    ]
    if plan.members[0].selection.alpha in ("anchor", "weighted"):
        factor = FULL[dtype] / FULL[plan.source.dtype] if dtype != "float32" else 1
        toned.append([opacity * factor] * (2 if slack else 1))
    return toned


def _coded(found: FeatureMap, y: Number, lit: bool) -> Number:
    """A value in linear light coded again."""
    light, plan = found.plan.light, found.plan
    if light is None or not lit:
        return y
    full = FULL[plan.layout.dtype if plan.layout.dtype != "float32" else plan.source.dtype]
    return exact(float(light.encoded(np.array(float(y)), int(full))))


def _tone(y: Number, plan: MapPlan, ends: tuple[Fraction, Fraction]) -> Number:
    dtype, units = plan.layout.dtype, units_of(plan.source.dtype, plan.scale)
    y = plan.spec.range.line(units, ends).of(y)
    return y if dtype == "float32" else y * (FULL[dtype] / units.full)


def _rounded(y: Number, dtype: str) -> float:
    if dtype == "float32":
        return float(y)
    if y != y:
        return 0.0
    full = int(FULL[dtype])
    return float(min(max(round(y), 0), full)) if isfinite(y) else float(full if y > 0 else 0)
