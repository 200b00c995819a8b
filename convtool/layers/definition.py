"""One pixel of a map by the definition, layer by layer: what ``--verify`` compares with.

Sums of whole numbers are fractions, without any rounding; all others are in double precision. A pixel of a later
layer asks for the pixels that its windows see, each of which is worked out once.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from convtool.engine import reference
from convtool.layers.activations import activated_value
from convtool.layers.exact import Number, exact
from convtool.layers.merging import merged_value
from convtool.layers.options import Pool
from convtool.layers.plan import MapPlan, Member, StackPlan
from convtool.pictures.picture import Picture
from convtool.tone.toner import FULL

Doubles = NDArray[np.float64]


class Definition:
    """A picture and the layers that look at it; without ``stack``, a single one."""

    def __init__(self, picture: Picture, stack: StackPlan | None = None) -> None:
        self._picture = picture
        self._stack = stack
        self._full = FULL[picture.layout.dtype]
        self._known: dict[tuple[int, int, int, int], Doubles] = {}
        self.peaks: dict[int, float] = {}
        """The largest magnitude that the windows of each layer have met."""

    def plan(self, layer: int, place: int) -> MapPlan:
        """The plan of a map of a layer that another one sees."""
        assert self._stack is not None
        return self._stack.layers[layer].maps[place]

    def values(self, plan: MapPlan, layer: int, i: int, j: int) -> tuple[list[Number], Number]:
        """Values of output (i, j) of a map of a layer (from 0), one a channel, and its alpha as stored."""
        opacities: list[Number] = []
        maps: list[list[Number]] = []
        for member in plan.members:
            channels, opacity = self._member(plan, member, layer, i, j)
            maps.append(channels)
            opacities.append(opacity)
        return [merged_value(values, plan.spec.merge) for values in zip(*maps, strict=True)], min(opacities)

    def _member(self, plan: MapPlan, member: Member, layer: int, i: int, j: int) -> tuple[list[Number], Number]:
        pool = plan.pool
        if pool is None:
            return self._activated(plan, member, layer, i, j)
        down, across = pool.stride
        window = [
            self._activated(plan, member, layer, i * down + u, j * across + v)
            for u in range(pool.size[0])
            for v in range(pool.size[1])
        ]
        return _pooled(window, pool, weighted=member.selection.alpha == "weighted")

    def _activated(self, plan: MapPlan, member: Member, layer: int, i: int, j: int) -> tuple[list[Number], Number]:
        channels, opacity = self._sums(member, layer, i, j)
        if plan.activation is not None:
            channels = [activated_value(y, plan.activation) for y in channels]
        return channels, opacity

    def _samples(self, member: Member, layer: int, rows: list[int], columns: list[int]) -> NDArray[np.generic]:
        """What comes into a layer at some rows and columns: (rows, columns, C), alpha last."""
        if not member.inputs:
            return self._picture.samples[np.ix_(rows, columns)]
        alpha = any(self.plan(layer - 1, at).layout.alpha for at in member.inputs)
        grid = []
        for row in rows:
            line = []
            for column in columns:
                pixels = [self._pixel(layer - 1, at, row, column) for at in member.inputs]
                seen = np.concatenate([each[:-1] for each in pixels])
                line.append(np.append(seen, min(each[-1] for each in pixels)) if alpha else seen)
            grid.append(line)
        return np.array(grid)

    def _pixel(self, layer: int, place: int, row: int, column: int) -> Doubles:
        """One pixel of a map that another layer sees, alpha last whether it has one or not."""
        key = (layer, place, row, column)
        if key not in self._known:
            plan = self.plan(layer, place)
            channels, opacity = self.values(plan, layer, row, column)
            if plan.members[0].selection.alpha == "channel":
                *channels, opacity = channels
            found = np.array([float(value) for value in (*channels, opacity)])
            self._known[key] = found
        return self._known[key]

    def _window(self, member: Member, layer: int, i: int, j: int) -> _Window:
        """The window of output (i, j), gathered sample by sample: outside is opaque under zeros and constant."""
        axes, border = (member.geometry.rows, member.geometry.columns), member.border
        taps = [
            [
                reference.place(axis.start(at) + tap * axis.dilation, axis.size, border.mode)
                for tap in range(axis.kernel)
            ]
            for axis, at in zip(axes, (i, j), strict=True)
        ]
        rows, columns = ([0 if at is None else at for at in line] for line in taps)
        stored = self._samples(member, layer, rows, columns)
        outside = np.logical_or.outer([at is None for at in taps[0]], [at is None for at in taps[1]])
        colours = np.array(member.selection.rows(stored)[0 : len(rows)], dtype=np.float64)
        finite = colours[np.isfinite(colours)]
        self.peaks[layer] = max(self.peaks.get(layer, 0.0), float(np.abs(finite).max(initial=0.0)))
        colours[outside] = border.value
        alpha = np.where(outside, float(self._full), stored[..., -1].astype(np.float64))
        at = axes[0].anchor(i), axes[1].anchor(j)
        here = self._samples(member, layer, [at[0]], [at[1]])
        anchor = np.array(member.selection.rows(here)[0:1], dtype=np.float64)[0, 0]
        return _Window(colours, alpha, anchor, float(here[0, 0, -1]))

    def _sums(self, member: Member, layer: int, i: int, j: int) -> tuple[list[Number], Number]:
        """One kernel's values at (i, j), one a channel, and the alpha there (as stored)."""
        kernel, selection = member.kernel, member.selection
        seen = self._window(member, layer, i, j)
        full = self._full
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
                opacity = exact(seen.anchor_alpha)
        if selection.summed:
            channels = [sum(channels, Fraction(0))]
        return [y * scale + Fraction(repr(kernel.bias)) for y in channels], opacity


@dataclass(frozen=True, eq=False)
class _Window:
    """What one kernel sees of one output pixel: samples (kh, kw, channels), alpha (kh, kw), and the anchor's."""

    colours: NDArray[np.float64]
    alpha: NDArray[np.float64]
    anchor: NDArray[np.float64]
    anchor_alpha: float


def _sum(weight: NDArray[np.float64], samples: NDArray[np.float64]) -> Number:
    """The sum of one plane of a window; what a weight of 0 stands on does not matter, be it infinite."""
    return exact(float((weight * np.where(weight == 0, 0, samples)).sum()))


def _weighted(
    seen: _Window, weights: NDArray[np.float64], full: Fraction, *, summed: bool
) -> tuple[list[Number], Number]:
    """Sums of colours weighted by alpha, one a channel, and the alpha there."""
    a = seen.alpha
    products = [np.where(a == 0, 0, seen.colours[..., c]) * a for c in range(len(weights))]
    over = [_sum(weight, product) / full for weight, product in zip(weights, products, strict=True)]
    under = [_sum(weight, a) / full for weight in weights]
    totals = [exact(float(plane.sum())) for plane in weights]
    if (weights >= 0).all() and weights.any():
        if summed:
            over, under, totals = ([sum(values, Fraction(0))] for values in (over, under, totals))
        # Without depth all channels have the same weights, and the alpha under them is the same.
        colours = [y / under[0] * totals[0] if under[0] > 0 else Fraction(0) for y in over]
        return colours, full * under[0] / totals[0]
    here = [exact(float(value)) for value in seen.anchor]
    colours = [y + v * (t - u) for y, u, t, v in zip(over, under, totals, here, strict=True)]
    return colours, exact(seen.anchor_alpha)


def _pooled(window: list[tuple[list[Number], Number]], pool: Pool, *, weighted: bool) -> tuple[list[Number], Number]:
    """Pixels of one window joined; where colours are weighted by alpha, hidden ones do not count."""
    alphas = [alpha for _, alpha in window]
    opacity = max(alphas) if pool.how == "max" else sum(alphas, Fraction(0)) / len(alphas)
    channels: list[Number] = []
    for values in zip(*(colours for colours, _ in window), strict=True):
        shown = [y for y, alpha in zip(values, alphas, strict=True) if alpha > 0 or not weighted]
        if not shown:
            channels.append(Fraction(0))
        elif pool.how == "max":
            channels.append(max(shown))
        elif weighted:
            total = sum((y * alpha for y, alpha in zip(values, alphas, strict=True) if alpha > 0), Fraction(0))
            channels.append(total / sum(alphas, Fraction(0)))
        else:
            channels.append(sum(values, Fraction(0)) / len(values))
    return channels, opacity
