"""``--verify``: random pixels of a finished map recomputed by the definition, in double precision."""

from __future__ import annotations

import random
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.border import Border
from convtool.engine import reference
from convtool.filtering import FeatureMap, Member
from convtool.options import Range
from convtool.picture import Picture
from convtool.tone import FULL, MIDDLE, Extent

SEED = 2012
"""The pixels are the same in every run."""


def largest_difference(found: FeatureMap, picture: Picture, count: int) -> float:
    """The largest difference between written samples and the definition at ``count`` random pixels, in output units.

    Integer outputs are compared after rounding and clipping, so 0 means that every sample is the right one.
    """
    height, width = found.samples.shape[:2]
    choose = random.Random(SEED)
    worst = 0.0
    for _ in range(count):
        i, j = choose.randrange(height), choose.randrange(width)
        expected = expected_pixel(found, picture, i, j)
        actual = [float(v) for v in found.samples[i, j]]
        worst = max(worst, *(abs(a - b) for a, b in zip(actual, expected, strict=True)))
    return worst


def expected_pixel(found: FeatureMap, picture: Picture, i: int, j: int) -> list[float]:
    """All channels of one output pixel, alpha last, by the definition."""
    plan = found.plan
    source, dtype = plan.source.dtype, plan.layout.dtype
    opacities: list[float] = []
    maps: list[list[float]] = []
    for member in plan.members:
        values, opacity = _values(member, picture, i, j, float(FULL[source]))
        maps.append(values)
        opacities.append(opacity)
    channels = [_merge(values, plan.spec.merge) for values in zip(*maps, strict=True)]
    toned = [_tone(y, plan.spec.range, source, dtype, found.extent) for y in channels]
    kind = plan.members[0].selection.alpha
    if kind in ("anchor", "weighted"):
        factor = float(FULL[dtype] / FULL[source]) if dtype != "float32" else 1.0
        toned.append(_rounded(min(opacities) * factor, dtype))
    return toned


def _values(member: Member, picture: Picture, i: int, j: int, full: float) -> tuple[list[float], float]:
    """One kernel's values at (i, j), one a channel, and the alpha there (as stored)."""
    kernel, selection, geometry, border = member.kernel, member.selection, member.geometry, member.border
    rows = selection.rows(picture.samples)
    x: NDArray[Any] = np.asarray(rows[0 : rows.shape[0]]).transpose(2, 0, 1)
    weights = kernel.weights if kernel.depth is not None else np.repeat(kernel.weights[None], len(x), axis=0)
    anchor = geometry.rows.anchor(i), geometry.columns.anchor(j)
    if selection.alpha != "weighted":
        channels = [
            reference.output(x[c : c + 1], weights[c : c + 1], 0.0, geometry, border, i, j) for c in range(len(x))
        ]
        opacity = float(picture.opacity[(*anchor, 0)]) if selection.alpha == "anchor" else full
    else:
        a = picture.opacity[..., 0]
        opaque = Border("constant", full) if border.mode in ("zeros", "constant") else border
        outside = Border("constant", border.value * full) if border.mode == "constant" else border
        weighted, under = [], []
        for c in range(len(x)):
            product = (x[c].astype(np.float64) * a)[None]
            weighted.append(reference.output(product, weights[c : c + 1], 0.0, geometry, outside, i, j) / full)
            under.append(reference.output(a[None], weights[c : c + 1], 0.0, geometry, opaque, i, j) / full)
        totals = [float(plane.sum()) for plane in weights]
        opacity = float(a[anchor])
        if (weights >= 0).all() and sum(totals) > 0:
            opacity = full * sum(under) / sum(totals)
            if selection.summed:
                channels = [sum(weighted) / sum(under) * sum(totals) if sum(under) > 0 else 0.0]
            else:
                channels = [w / u * t if u > 0 else 0.0 for w, u, t in zip(weighted, under, totals, strict=True)]
        else:
            at = [float(plane[anchor]) for plane in x]
            channels = [w + v * (t - u) for w, u, t, v in zip(weighted, under, totals, at, strict=True)]
    if selection.summed:
        channels = [sum(channels)]
    return [y + kernel.bias for y in channels], opacity


def _merge(values: tuple[float, ...], how: str | None) -> float:
    if how == "magnitude":
        return sqrt(sum(y * y for y in values))
    if how == "max":
        return max(values)
    return sum(values) / (len(values) if how == "mean" else 1)


def _tone(y: float, policy: Range, source: str, dtype: str, extent: Extent) -> float:
    full, middle, gain = float(FULL[source]), float(MIDDLE[source]), float(policy.gain)
    low, high = sorted((extent.low * gain, extent.high * gain))
    y *= gain
    if policy.how == "abs":
        y = abs(y)
    elif policy.how == "shift":
        y += middle
    elif policy.how == "stretch" and low != high:
        y = (y - low) / (high - low) * full
    elif policy.how == "symmetric":
        peak = max(abs(low), abs(high))
        y = y / peak * (full - middle) + middle if peak else middle
    return y if dtype == "float32" else _rounded(y * float(FULL[dtype]) / full, dtype)


def _rounded(y: float, dtype: str) -> float:
    if dtype == "float32":
        return y
    return float(min(max(round(y), 0), int(FULL[dtype])))
