"""The sum of one filter at one output, tap by tap, from the windows and samples of ``engine.reference``."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.engine import reference
from convtool.engine.border import Border
from convtool.engine.geometry import Geometry, Pair
from convtool.tone.ranges import Number
from convtool.tuples import NamedTuple

Array = NDArray[Any]


class Cell(NamedTuple):
    """One tap of a window: ``value * weight = product``, for a blur weighted by alpha ``value * alpha * weight``."""

    row: int
    column: int
    """Position in the picture, negative or beyond its end inside the padding."""
    value: float
    weight: float
    product: float
    from_padding: bool
    source: Pair | None
    """The sample whose value it is; None for the border's constant."""
    alpha: float = 1.0
    """Opacity from 0 to 1, where sums are weighted by it. Values of kernels that are no blur are mixed with the
    window's anchor by it: ``alpha*x + (1 - alpha)*x_anchor``."""


class Slice(NamedTuple):
    """What a window sees of one input plane: ``cells`` (kh, kw) and the sum of their products."""

    plane: int
    cells: tuple[tuple[Cell, ...], ...]
    subtotal: float


class Cover(NamedTuple):
    """What a blur weighted by alpha divides by and multiplies with: the sums of weight * alpha and of weight."""

    visible: float
    whole: float


class Window(NamedTuple):
    """The sum of one filter at one output: ``raw = total * scale + bias``, ``total`` being that of all slices.

    With a ``cover`` it is ``total / visible * whole * scale + bias``, 0 taking the place of 0 / 0.
    """

    filter: int
    slices: tuple[Slice, ...]
    total: float
    scale: Fraction
    bias: float
    raw: Number
    cover: Cover | None = None

    @property
    def weighted(self) -> float:
        """The total of all slices, divided by what is visible where there is a cover."""
        if self.cover is None:
            return self.total
        return self.total / self.cover.visible * self.cover.whole if self.cover.visible > 0 else 0.0


class Taps(NamedTuple):
    """What is added up: weights (C, kh, kw), the input planes that they meet, and where."""

    weights: NDArray[np.float64]
    planes: Sequence[int]
    geometry: Geometry
    border: Border


def slices_of(x: Array, taps: Taps, i: int, j: int, alpha: Array | None) -> tuple[tuple[Slice, ...], Cover | None]:
    """The windows of output (i, j) in planes x (C, H, W); ``alpha`` (H, W), from 0 to 1, weights their colours."""
    blur = alpha is not None and bool((taps.weights >= 0).all()) and float(taps.weights.sum()) > 0
    slices = tuple(
        _slice(x[at], at, taps, taps.weights[c], i, j, alpha=alpha, blur=blur) for c, at in enumerate(taps.planes)
    )
    if not blur:
        return slices, None
    cells = [cell for part in slices for line in part.cells for cell in line]
    return slices, Cover(sum(cell.weight * cell.alpha for cell in cells), sum(cell.weight for cell in cells))


def _slice(
    plane: Array, at: int, taps: Taps, weights: Array, i: int, j: int, *, alpha: Array | None, blur: bool
) -> Slice:
    geometry, mode = taps.geometry, taps.border.mode
    grid: list[list[Cell]] = [[] for _ in range(geometry.rows.kernel)]
    anchor = float(plane[geometry.rows.anchor(i), geometry.columns.anchor(j)])
    for u, v, row, column in reference.window(geometry, i, j):
        value = reference.sample(plane, row, column, taps.border)
        r, k = reference.place(row, plane.shape[0], mode), reference.place(column, plane.shape[1], mode)
        source = None if r is None or k is None else (r, k)
        # What is outside is opaque under zeros and constant.
        share = 1.0 if alpha is None or source is None else float(alpha[source])
        if share < 1 and not blur:
            value = anchor if share == 0 else share * value + (1 - share) * anchor
        weight = float(weights[u, v])
        # What a weight or an alpha of 0 stands on does not matter, be it infinite; and a sum of nothing is no -0.
        product = (value * (share if blur else 1.0) * weight if weight and (share or not blur) else 0.0) or 0.0
        grid[u].append(Cell(row, column, value, weight, product, source != (row, column), source, share))
    return Slice(at, tuple(map(tuple, grid)), sum(cell.product for line in grid for cell in line))


def window_of(number: int, found: tuple[tuple[Slice, ...], Cover | None], scale: Fraction, bias: float) -> Window:
    """Slices added up, scaled and biased."""
    slices, cover = found
    made = Window(number, slices, sum(each.subtotal for each in slices), scale, bias, 0.0, cover)
    raw: Number = made.weighted
    if isfinite(raw):
        raw = Fraction(raw) * scale + Fraction(repr(bias))
    return made._replace(raw=raw)
