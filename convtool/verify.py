"""``--verify``: random pixels of a finished map recomputed by the definition.

Sums of whole numbers are recomputed as fractions, without any rounding; all others in double precision.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite, sqrt

import numpy as np
from numpy.typing import NDArray

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
    with np.errstate(over="ignore", invalid="ignore"):
        # As many different pixels as there are, if so many are asked for.
        for at in choose.sample(range(height * width), min(count, height * width)):
            i, j = divmod(at, width)
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
    if len(values) == 1:
        return abs(actual - expected)
    # The first value, too: an absolute value may fold the slack on both sides of it to one.
    ends = [_rounded(value + side, dtype) for value in values for side in (-TIE, TIE)]
    return 0.0 if min(ends) <= actual <= max(ends) else abs(actual - expected)


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
    lit = plan.lit if plan.members[0].selection.light is not None else 0
    toned = [
        [_coded(found, _tone(y + _exact(side), plan.spec.range, source, dtype, ends), at < lit) for side in sides]
        for at, y in enumerate(channels)
    ]
    if plan.members[0].selection.alpha in ("anchor", "weighted"):
        factor = FULL[dtype] / FULL[source] if dtype != "float32" else 1
        toned.append([min(opacities) * factor] * (2 if slack else 1))
    return toned


def _coded(found: FeatureMap, y: Number, lit: bool) -> Number:
    """A value in linear light coded again."""
    light, plan = found.plan.members[0].selection.light, found.plan
    if light is None or not lit:
        return y
    full = FULL[plan.layout.dtype if plan.layout.dtype != "float32" else plan.source.dtype]
    return _exact(float(light.encoded(np.array(float(y)), int(full))))


def _exact(value: float) -> Number:
    return Fraction(value) if isfinite(value) else value


@dataclass(frozen=True, eq=False)
class _Window:
    """What one kernel sees of one output pixel: samples (kh, kw, channels), alpha (kh, kw), and the anchor's."""

    colours: NDArray[np.float64]
    alpha: NDArray[np.float64]
    anchor: NDArray[np.float64]
    anchor_alpha: float


def _window(member: Member, picture: Picture, i: int, j: int, full: float) -> _Window:
    """The window of output (i, j), gathered sample by sample: outside is opaque under zeros and constant."""
    axes, border = (member.geometry.rows, member.geometry.columns), member.border
    taps = [
        [reference.place(axis.start(at) + tap * axis.dilation, axis.size, border.mode) for tap in range(axis.kernel)]
        for axis, at in zip(axes, (i, j), strict=True)
    ]
    rows, columns = ([0 if at is None else at for at in line] for line in taps)
    stored = picture.samples[np.ix_(rows, columns)]
    outside = np.logical_or.outer([at is None for at in taps[0]], [at is None for at in taps[1]])
    colours = np.array(member.selection.rows(stored)[0 : len(rows)], dtype=np.float64)
    colours[outside] = border.value
    alpha = np.where(outside, full, stored[..., -1].astype(np.float64))
    at = axes[0].anchor(i), axes[1].anchor(j)
    here = picture.samples[at[0] : at[0] + 1, at[1] : at[1] + 1]
    anchor = np.array(member.selection.rows(here)[0:1], dtype=np.float64)[0, 0]
    return _Window(colours, alpha, anchor, float(here[0, 0, -1]))


def _values(member: Member, picture: Picture, i: int, j: int, full: Fraction) -> tuple[list[Number], Number]:
    """One kernel's values at (i, j), one a channel, and the alpha there (as stored)."""
    kernel, selection = member.kernel, member.selection
    seen = _window(member, picture, i, j, float(full))
    count = seen.colours.shape[-1]
    weights, scale = kernel.weights, Fraction(1)
    if kernel.integers is not None and kernel.scale is not None:
        weights, scale = kernel.integers.astype(np.float64), kernel.scale
    weights = weights if kernel.depth is not None else np.repeat(weights[None], count, axis=0)
    opacity: Number = full
    if selection.alpha == "weighted":
        channels, opacity = _weighted(seen, weights, full, summed=selection.summed)
    else:
        channels = [_sum(weights[c], seen.colours[..., c]) for c in range(count)]
        if selection.alpha == "anchor":
            opacity = _exact(seen.anchor_alpha)
    if selection.summed:
        channels = [sum(channels, Fraction(0))]
    return [y * scale + Fraction(repr(kernel.bias)) for y in channels], opacity


def _sum(weight: NDArray[np.float64], samples: NDArray[np.float64]) -> Number:
    """The sum of one plane of a window; what a weight of 0 stands on does not matter, be it infinite."""
    return _exact(float((weight * np.where(weight == 0, 0, samples)).sum()))


def _weighted(
    seen: _Window, weights: NDArray[np.float64], full: Fraction, *, summed: bool
) -> tuple[list[Number], Number]:
    """Sums of colours weighted by alpha, one a channel, and the alpha there."""
    a = seen.alpha
    products = [np.where(a == 0, 0, seen.colours[..., c]) * a for c in range(len(weights))]
    over = [_sum(weight, product) / full for weight, product in zip(weights, products, strict=True)]
    under = [_sum(weight, a) / full for weight in weights]
    totals = [_exact(float(plane.sum())) for plane in weights]
    if (weights >= 0).all() and weights.any():
        if summed:
            over, under, totals = ([sum(values, Fraction(0))] for values in (over, under, totals))
        # Without depth all channels have the same weights, and the alpha under them is the same.
        colours = [y / under[0] * totals[0] if under[0] > 0 else Fraction(0) for y in over]
        return colours, full * under[0] / totals[0]
    here = [_exact(float(value)) for value in seen.anchor]
    colours = [y + v * (t - u) for y, u, t, v in zip(over, under, totals, here, strict=True)]
    return colours, _exact(seen.anchor_alpha)


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
        y = y if y > 0 else -y
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
