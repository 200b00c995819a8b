"""Formulas of kernels: checked numbers in, weights out, nothing else. ``generators`` names them and checks numbers."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from convtool.errors import KernelError
from convtool.kernels.formula_parts import (
    EXACT_BELOW,
    Generated,
    Values,
    Weights,
    as_typed,
    bell,
    direction_of,
    offsets,
    outer_product,
    over,
    plain,
    reach_of,
    side_for,
    zero_sum,
)


def box(values: Values) -> Generated:
    """Mean of a square window.

    Args: size, side in pixels. Shape (size, size), sum 1. Source: the definition of the mean.
    """
    return outer_product([1] * int(values["size"]))


def gaussian(values: Values) -> Generated:
    """Gaussian blur, exactly symmetric under flips and transposition.

    Args: sigma, standard deviation in pixels; size, side in pixels, else 2*ceil(3*sigma) + 1.
    Shape (size, size), sum 1. Source: exp(-r^2 / (2 sigma^2)), sampled at pixel centres and normalised per axis.
    """
    sigma = values["sigma"]
    side = int(values["size"]) if "size" in values else side_for("gaussian", reach_of(sigma), sigma=sigma)
    return Generated(bell(sigma, side))


def binomial(values: Values) -> Generated:
    """Blur by a row of Pascal's triangle: the integer relative of the Gaussian, sigma = sqrt(size - 1)/2.

    Args: size, side in pixels. Shape (size, size), sum 1. Source: binomial coefficients; size 5 is the
    generating kernel of Burt and Adelson, 1983, with a = 3/8.
    """
    order = int(values["size"]) - 1
    return outer_product([math.comb(order, k) for k in range(order + 1)])


def pyramid(values: Values) -> Generated:
    """Blur by a tent, highest in the middle: what two box blurs in a row would do.

    Args: size, side in pixels. Shape (size, size), sum 1. Source: outer product of two triangular windows.
    """
    size = int(values["size"])
    return outer_product([min(i + 1, size - i) for i in range(size)])


def disk(values: Values) -> Generated:
    """Out-of-focus blur (bokeh): each weight is the exact area of its pixel that the circle covers.

    Args: radius, of the circle of confusion in pixels. Shape (s, s) with s = 2*ceil(radius - 1/2) + 1, sum 1.
    Source: geometric optics, a point out of focus is an evenly lit disk.
    """
    radius = float(values["radius"])
    reach = math.ceil(radius - 0.5)
    side_for("disk", reach, radius=values["radius"])
    # One quadrant, whose first row and column are the half pixels on the axes.
    bounds = np.concatenate([[0.0], np.arange(reach + 1) + 0.5])
    left, right, low, high = bounds[:-1], bounds[1:], bounds[:-1, None], bounds[1:, None]

    def arc(height: Weights) -> Weights:
        """Where the circle passes a height, kept within each pixel's own columns."""
        return np.clip(np.sqrt(np.maximum(radius**2 - height**2, 0.0)), left, right)

    def under(x: Weights) -> Weights:
        """Area under the circle from 0 to x."""
        inside = np.minimum(x / radius, 1.0)
        return 0.5 * radius**2 * (inside * np.sqrt(1.0 - inside**2) + np.arcsin(inside))

    full, none = arc(high), arc(low)
    area = (full - left) * (high - low) + (under(none) - under(full)) - low * (none - full)
    area = np.triu(np.maximum(area, 0.0)) + np.triu(np.maximum(area, 0.0), 1).T
    area[0, :] *= 2
    area[:, 0] *= 2
    whole = np.pad(area, ((reach, 0), (reach, 0)), mode="reflect")
    return Generated(whole / math.fsum(whole.ravel().tolist()))


def motion(values: Values) -> Generated:
    """Motion blur: each weight is the exact area of its pixel covered by a bar of length x 1 pixel.

    ``motion:length=3`` is [1 1 1]/3 in the middle row of a 3x3 kernel; at angle 45 the bar looks like "/".

    Args: length, of the bar in pixels; angle, its direction in degrees. Shape (s, s), s odd and as small as holds
    the bar, sum 1, unchanged by half a turn. Source: a camera moving evenly during the exposure.
    """
    length = float(values["length"])
    c, s = direction_of(values["angle"])
    extent = max(length * abs(c) + abs(s), length * abs(s) + abs(c)) / 2
    reach = math.ceil(extent - 0.5 - 1e-9)
    side = side_for("motion", reach, length=values["length"], angle=values["angle"])
    along, across = np.array([c, -s]) * length / 2, np.array([s, c]) / 2
    corners = np.array([along + across, along - across, -along - across, across - along]) + side / 2
    area = _coverage(corners, side)
    area = (area + area[::-1, ::-1]) / 2
    halves = np.rint(2 * area).astype(np.int64)
    if np.array_equal(halves, 2 * area) and halves.sum() < EXACT_BELOW:
        integers = halves // np.gcd.reduce(halves, axis=None)
        return over(integers, int(integers.sum()))
    return Generated(area / math.fsum(area.ravel().tolist()))


def _coverage(corners: Weights, side: int) -> Weights:
    """Area of each cell of a (side, side) grid inside a convex polygon of (column, row) corners.

    Every edge is cut at the grid lines it crosses; each piece says by how much the polygon's inside changes to its
    right, and the running sum along the row is the area (as scan converters for fonts do it).
    """
    change = np.zeros((side, side + 2))
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        cuts = [np.array([0.0, 1.0])]
        for a, b in zip(start, end, strict=True):
            if a != b:
                lines = np.arange(math.ceil(min(a, b)), math.floor(max(a, b)) + 1)
                cuts.append(np.clip((lines - a) / (b - a), 0.0, 1.0))
        points = start + np.sort(np.concatenate(cuts))[:, None] * (end - start)
        middle = (points[1:] + points[:-1]) / 2
        drop = np.diff(points[:, 1])
        column = np.clip(np.floor(middle[:, 0]), 0, side).astype(np.intp)
        row = np.clip(np.floor(middle[:, 1]), 0, side - 1).astype(np.intp)
        beyond = middle[:, 0] - column
        np.add.at(change, (row, column), drop * (1.0 - beyond))
        np.add.at(change, (row, column + 1), drop * beyond)
    area: Weights = np.abs(np.cumsum(change, axis=1)[:, :side])
    area[area < 1e-12] = 0.0  # what rounding leaves beyond the polygon
    return area


def unsharp(values: Values) -> Generated:
    """Unsharp mask: identity + amount*(identity - gaussian).

    Args: sigma, of the blur in pixels; amount, strength, 0 changes nothing. Shape of gaussian(sigma), sum 1.
    Source: the darkroom's unsharp mask as a filter; Gonzalez and Woods, Digital Image Processing.
    """
    sigma, amount = values["sigma"], float(values["amount"])
    side = side_for("unsharp", reach_of(sigma), sigma=sigma)
    weights = 0.0 - amount * bell(sigma, side)
    weights[side // 2, side // 2] += 1.0 + amount
    return Generated(weights)


def high_boost(values: Values) -> Generated:
    """High-boost filter: identity + amount*(identity - mean of 3x3).

    Args: amount, strength, 0 changes nothing. Shape (3, 3), sum 1, exact integers for amounts that are short
    decimals or fractions. Source: Gonzalez and Woods, Digital Image Processing, high-boost filtering.
    """
    amount = as_typed(values["amount"])
    p, q = amount.numerator, amount.denominator
    common = math.gcd(p, 9 * q)
    around, centre, divisor = -p // common, (9 * q + 8 * p) // common, 9 * q // common
    rows = [[around] * 3, [around, centre, around], [around] * 3]
    if centre - 8 * around < EXACT_BELOW:
        return over(np.array(rows, dtype=np.int64), divisor)
    return Generated(np.array([[number / divisor for number in row] for row in rows]))


def log(values: Values) -> Generated:
    """Laplacian of a Gaussian, centre negative, sum exactly 0.

    Args: sigma, in pixels. Shape (s, s), s = 2*ceil(3*sigma) + 1. Source: Marr and Hildreth, 1980:
    gaussian * (r^2 - 2 sigma^2)/sigma^4, from which the mean is taken so that flat areas answer 0.
    """
    sigma = float(values["sigma"])
    side = side_for("log", reach_of(values["sigma"]), sigma=values["sigma"])
    squares = offsets(side) ** 2
    curvature = (squares[:, None] + squares[None, :] - 2 * sigma**2) / sigma**4
    weights = bell(sigma, side) * curvature
    return Generated(zero_sum(weights - weights.mean()))


def dog(values: Values) -> Generated:
    """Difference of Gaussians, gaussian(sigma1) - gaussian(sigma2), sum exactly 0.

    Args: sigma1, sigma2, in pixels. Shape of the wider Gaussian. Source: Marr and Hildreth, 1980, whose ratio
    of 1.6 comes closest to the Laplacian of a Gaussian (upside down: the centre is positive if sigma1 < sigma2).
    """
    first, second = values["sigma1"], values["sigma2"]
    side = side_for("dog", reach_of(max(first, second)), sigma1=first, sigma2=second)
    weights = bell(first, side) - bell(second, side)
    if not weights.any():
        raise KernelError(f"dog: sigma1 {plain(first)} and sigma2 {plain(second)} leave only weights of 0")
    return Generated(zero_sum(weights))


def gabor(values: Values) -> Generated:
    """Gabor filter: a wave under a Gaussian, for stripes of one direction and distance.

    cos(2 pi a/wavelength + phase) * exp(-(a^2 + gamma^2 b^2)/(2 sigma^2)), where a runs along theta and b across.
    The Gaussian is normalised to sum 1, so stripes that fit, of amplitude A, answer about A/2. The sum is not
    made 0: with phase 0 and the default sigma a flat area answers about 0.2 % of its value.

    Args: theta, direction of the wave vector in degrees, across the stripes (0: upright stripes); wavelength, from
    stripe to stripe in pixels; sigma, of the Gaussian along theta in pixels, else 0.56*wavelength (a bandwidth of
    one octave); gamma, how round it is, 0.5 makes it twice as long across theta; phase, in degrees, 90 for edges.
    Shape (s, s), s = 2*ceil(3*max(sigma, sigma/gamma)) + 1, the same for every theta.
    Source: Daugman, 1985; sigma and gamma as in Kruizinga and Petkov, 1999.
    """
    gamma, wavelength = values["gamma"], values["wavelength"]
    sigma = values.get("sigma", as_typed(wavelength) * Fraction(56, 100))
    side = side_for("gabor", math.ceil(3 * max(sigma, sigma / gamma)), sigma=sigma, gamma=gamma)
    c, s = direction_of(values["theta"])
    column, row = offsets(side)[None, :], offsets(side)[:, None]
    a, b = column * c - row * s, column * s + row * c
    envelope = np.exp(-(a**2 + (float(gamma) * b) ** 2) / (2 * float(sigma) ** 2))
    shift_cos, shift_sin = direction_of(values["phase"])
    turn = 2 * math.pi / float(wavelength) * a
    return Generated(envelope / envelope.sum() * (np.cos(turn) * shift_cos - np.sin(turn) * shift_sin))


LAWS = ((1, 4, 6, 4, 1), (-1, -2, 0, 2, 1), (-1, 0, 2, 0, -1), (-1, 2, 0, -2, 1), (1, -4, 6, -4, 1))
"""Level, edge, spot, wave and ripple (K. Laws, Textured image segmentation, 1980)."""


def laws(values: Values) -> Generated:
    """A texture pattern of five numbers down the columns times one along the rows, as whole numbers."""
    integers = np.outer(LAWS[int(values["down"])], LAWS[int(values["along"])])
    return Generated(integers.astype(np.float64), integers, Fraction(1))
