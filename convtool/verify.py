"""``--verify``: random pixels of a finished map recomputed by the definition.

Sums of whole numbers are recomputed as fractions, without any rounding; all others in double precision.
"""

from __future__ import annotations

import random
from fractions import Fraction
from math import isfinite, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.border import Border
from convtool.engine import reference
from convtool.filtering import FeatureMap, Member
from convtool.options import Range
from convtool.picture import Picture
from convtool.tone import FULL, MIDDLE

SEED = 2012
"""The pixels are the same in every run."""

TIE = 1e-3
"""How near to the middle between two samples an inexact value may be rounded either way."""

Number = Fraction | float
"""A fraction wherever it is finite."""


def largest_difference(found: FeatureMap, picture: Picture, count: int) -> float:
    """The largest difference between written samples and the definition at ``count`` random pixels, in output units.

    Integer outputs are compared after rounding and clipping, so 0 means that every sample is the right one.
    """
    height, width = found.samples.shape[:2]
    choose = random.Random(SEED)
    slack = _slack(found, picture)
    worst = 0.0
    for _ in range(count):
        i, j = choose.randrange(height), choose.randrange(width)
        for actual, values in zip(found.samples[i, j], _pixel(found, picture, i, j, slack), strict=True):
            worst = max(worst, _distance(float(actual), values, found.plan.layout.dtype))
    return worst


def expected_pixel(found: FeatureMap, picture: Picture, i: int, j: int) -> list[float]:
    """All channels of one output pixel, alpha last, by the definition."""
    dtype = found.plan.layout.dtype
    return [_rounded(values[0], dtype) for values in _pixel(found, picture, i, j, 0.0)]


def _distance(actual: float, values: list[Number], dtype: str) -> float:
    """How far a sample is from the first of ``values``; 0 where it lies between the others, rounded."""
    expected = _rounded(values[0], dtype)
    if dtype == "float32":
        same = actual == expected or (actual != actual and expected != expected)
        return 0.0 if same else abs(actual - expected) if isfinite(actual - expected) else float("inf")
    ends = [_rounded(value + side, dtype) for value in values[1:] for side in (-TIE, TIE)]
    return 0.0 if ends and min(ends) <= actual <= max(ends) else abs(actual - expected)


def _slack(found: FeatureMap, picture: Picture) -> float:
    """What rounding may add to a value of the map, by the contract; 0 where sums are exact."""
    plan = found.plan
    kind = plan.members[0].selection.alpha
    if len(plan.members) == 1 and plan.members[0].plan.exact and kind != "weighted":
        return 0.0
    peak = float(FULL[plan.source.dtype])
    if plan.source.dtype == "float32":
        finite = picture.samples[np.isfinite(picture.samples)]
        peak = float(np.abs(finite).max(initial=0.0))
    copies = [m.selection.channels if m.kernel.depth is None and m.selection.summed else 1 for m in plan.members]
    weights = [float(np.abs(m.kernel.weights).sum()) * n for m, n in zip(plan.members, copies, strict=True)]
    return 2e-6 * sum(weights) * max(peak, max(abs(m.border.value) for m in plan.members))


def _pixel(found: FeatureMap, picture: Picture, i: int, j: int, slack: float) -> list[list[Number]]:
    """For every channel, alpha last: the value before rounding and, with slack, what it may be taken for."""
    plan = found.plan
    source, dtype = plan.source.dtype, plan.layout.dtype
    opacities: list[Number] = []
    maps: list[list[Number]] = []
    for member in plan.members:
        values, opacity = _values(member, picture, i, j, FULL[source])
        maps.append(values)
        opacities.append(opacity)
    channels = [_merge(values, plan.spec.merge) for values in zip(*maps, strict=True)]
    sides = (0.0, -slack, slack) if slack else (0.0,)
    ends = found.extent.ends
    toned = [[_tone(y + _exact(side), plan.spec.range, source, dtype, ends) for side in sides] for y in channels]
    if plan.members[0].selection.alpha in ("anchor", "weighted"):
        factor = FULL[dtype] / FULL[source] if dtype != "float32" else 1
        toned.append([min(opacities) * factor] * (2 if slack else 1))
    return toned


def _exact(value: float) -> Number:
    return Fraction(value) if isfinite(value) else value


def _values(member: Member, picture: Picture, i: int, j: int, full: Fraction) -> tuple[list[Number], Number]:
    """One kernel's values at (i, j), one a channel, and the alpha there (as stored)."""
    kernel, selection, geometry = member.kernel, member.selection, member.geometry
    rows = selection.rows(picture.samples)
    x: NDArray[Any] = np.asarray(rows[0 : rows.shape[0]]).transpose(2, 0, 1)
    whole = kernel.weights if kernel.integers is None or kernel.scale is None else kernel.integers.astype(np.float64)
    scale = kernel.scale if kernel.integers is not None and kernel.scale is not None else Fraction(1)
    weights = whole if kernel.depth is not None else np.repeat(whole[None], len(x), axis=0)
    opacity: Number = full
    if selection.alpha == "weighted":
        channels, opacity = _weighted(member, x, weights, picture.opacity[..., 0], (i, j), full)
    else:
        channels = [_sum(x[c], weights[c], member, member.border, i, j) for c in range(len(x))]
        if selection.alpha == "anchor":
            anchor = geometry.rows.anchor(i), geometry.columns.anchor(j)
            opacity = _exact(float(picture.opacity[(*anchor, 0)]))
    if selection.summed:
        channels = [sum(channels, Fraction(0))]
    return [y * scale + Fraction(repr(kernel.bias)) for y in channels], opacity


def _sum(plane: NDArray[Any], weight: NDArray[np.float64], member: Member, border: Border, i: int, j: int) -> Number:
    """The sum of one plane under one plane of weights."""
    return _exact(reference.output(plane[None], weight[None], 0.0, member.geometry, border, i, j))


def _weighted(
    member: Member,
    x: NDArray[Any],
    weights: NDArray[np.float64],
    alpha: NDArray[Any],
    at: tuple[int, int],
    full: Fraction,
) -> tuple[list[Number], Number]:
    """Sums of colours weighted by alpha, one a channel, and the alpha there."""
    geometry, border = member.geometry, member.border
    opaque = Border("constant", float(full)) if border.mode in ("zeros", "constant") else border
    outside = Border("constant", border.value * float(full)) if border.mode == "constant" else border
    products = [np.where(alpha == 0, 0.0, plane.astype(np.float64)) * alpha for plane in x]
    pairs = list(zip(products, weights, strict=True))
    over = [_sum(product, weight, member, outside, *at) / full for product, weight in pairs]
    under = [_sum(alpha, weight, member, opaque, *at) / full for weight in weights]
    totals = [_exact(float(plane.sum())) for plane in weights]
    if (weights >= 0).all() and weights.any():
        everything = sum(totals, Fraction(0))
        seen = sum(under, Fraction(0))
        if member.selection.summed:
            colours = [y / seen * everything if seen > 0 else Fraction(0) for y in [sum(over, Fraction(0))]]
            return colours, full * seen / everything
        # Without depth all channels have the same weights, and the alpha under them is the same.
        return [y / under[0] * totals[0] if under[0] > 0 else Fraction(0) for y in over], full * under[0] / totals[0]
    anchor = geometry.rows.anchor(at[0]), geometry.columns.anchor(at[1])
    here = [_exact(float(plane[anchor])) for plane in x]
    colours = [y + v * (t - u) for y, u, t, v in zip(over, under, totals, here, strict=True)]
    return colours, _exact(float(alpha[anchor]))


def _merge(values: tuple[Number, ...], how: str | None) -> Number:
    if how == "magnitude":
        return _exact(sqrt(float(sum((y * y for y in values), Fraction(0)))))
    if how == "max":
        return max(values)
    return sum(values, Fraction(0)) / (len(values) if how == "mean" else 1)


def _tone(y: Number, policy: Range, source: str, dtype: str, ends: tuple[Fraction, Fraction]) -> Number:
    full, middle = FULL[source], MIDDLE[source]
    low, high = sorted(end * policy.gain for end in ends)
    y = y * policy.gain
    if policy.how == "abs":
        y = abs(y)
    elif policy.how == "shift":
        y = y + middle
    elif policy.how == "stretch" and low != high:
        y = (y - low) / (high - low) * full
    elif policy.how == "symmetric":
        peak = max(abs(low), abs(high))
        ratio: Number = y / peak if peak else Fraction(0)
        y = ratio * (full - middle) + middle
    return y if dtype == "float32" else y * (FULL[dtype] / full)


def _rounded(y: Number, dtype: str) -> float:
    if dtype == "float32":
        return float(y)
    if y != y:
        return 0.0
    full = int(FULL[dtype])
    return float(min(max(round(y), 0), full)) if isfinite(y) else float(full if y > 0 else 0)
