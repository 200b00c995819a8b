"""Kernels that follow from a few numbers: parameters in, weights out, nothing else.

Rows before columns, row 0 at the top; angles in degrees, counter-clockwise on the screen, 0 to the right. Since
row numbers grow downward, the direction of an angle t is ``(column, row) = (cos t, -sin t)``.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from numbers import Real
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from convtool.errors import KernelError

Number = float | Fraction
Values = Mapping[str, Number]
Weights = NDArray[np.float64]

MAX_SIDE = 1023
"""Longest side of a kernel, in pixels; the same for every kernel of the tool, and not an option."""

_LIMIT = f"a kernel's side is at most {MAX_SIDE}, and that limit is fixed"

EXACT_BELOW = 2**24
"""A sum of integer weights is worth keeping as integers while it fits the 24 bits of a float32."""


@dataclass(frozen=True)
class Parameter:
    """One number a generator takes, with the inclusive range it must lie in."""

    name: str
    default: float | None
    minimum: float
    maximum: float
    integer: bool
    meaning: str


@dataclass(frozen=True)
class Generated:
    """Finished weights (kh, kw) and, where they are exactly ``integers * scale``, both factors."""

    weights: Weights
    integers: NDArray[np.int64] | None = None
    scale: Fraction | None = None


@dataclass(frozen=True)
class Generator:
    """A named way to make a kernel; ``make`` expects values that ``generate`` has checked."""

    name: str
    parameters: tuple[Parameter, ...]
    make: Callable[[Values], Generated]


def generate(name: str, values: Values) -> Generated:
    """Check the values of a generator's parameters and make its kernel.

    ``generate("box", {"size": 5}).weights`` has shape (5, 5) and 25 equal weights.

    Args:
        name: a key of ``GENERATORS``.
        values: parameter name to number; what is missing takes its default or follows from the others.

    Returns:
        The weights, float64 (kh, kw), with integers and scale where they are exact.

    Raises:
        KernelError: an unknown name, a value that is not finite, whole or in range, or a kernel too large.
    """
    generator = GENERATORS.get(name)
    if generator is None:
        raise KernelError(f"there is no generator {name!r}{_hint(name, GENERATORS)}")
    known = {parameter.name: parameter for parameter in generator.parameters}
    for given in values:
        if given not in known:
            raise KernelError(f"{name} has no parameter {given!r}{_hint(given, known)}")
    checked: dict[str, Number] = {}
    for key, parameter in known.items():
        if key in values:
            checked[key] = _check(name, parameter, values[key])
        elif parameter.default is not None:
            checked[key] = parameter.default
    return generator.make(checked)


def _hint(word: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(word.casefold(), names, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there is: {', '.join(names)}"


def _check(generator: str, parameter: Parameter, value: Number) -> Number:
    """Return the value as int, Fraction or float, or say what it should have been."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    good = number and (isinstance(value, Fraction | int) or math.isfinite(value))
    good = good and parameter.minimum <= value <= parameter.maximum
    if good and parameter.integer:
        good = value == int(value)
    if not good:
        kind = "a whole number" if parameter.integer else "a number"
        limit = f"; {_LIMIT}" if parameter.name == "size" else ""
        raise KernelError(
            f"{generator}: {parameter.name} ({parameter.meaning}) must be {kind} from {parameter.minimum:g}"
            f" to {parameter.maximum:g}, not {_plain(value)}{limit}"
        )
    if parameter.integer:
        return int(value)
    return value if isinstance(value, Fraction | int) else float(value)


def _plain(value: object) -> str:
    """Show a number as it was typed (2.5, 1/3), but never at a length that would bury the message."""
    text = str(value)
    if isinstance(value, Real):
        with suppress(OverflowError, ValueError):
            near = repr(float(value))
            text = near if Fraction(near) == value else text
    text = text.removesuffix(".0")
    return text if len(text) <= 30 else f"{text[:27]}..."


def _side(generator: str, reach: int, **cause: Number) -> int:
    """Side of a square kernel that reaches so many pixels from its centre, refused before anything is allocated."""
    side = 2 * reach + 1
    if side > MAX_SIDE:
        given = " and ".join(f"{name} {_plain(value)}" for name, value in cause.items())
        raise KernelError(f"{generator}: {given} would need a kernel of side {side}; {_LIMIT}")
    return side


def _typed(value: Number) -> Fraction:
    """The number that was typed: 0.3 is 3/10, though its float is a little less."""
    return value if isinstance(value, Fraction) else Fraction(repr(value))


def _over(integers: NDArray[np.int64], divisor: int) -> Generated:
    return Generated(integers / divisor, integers, Fraction(1, divisor))


def _outer(taps: list[int]) -> Generated:
    """Square kernel of integer taps, column times row, with sum 1."""
    total = sum(taps)
    if total**2 < EXACT_BELOW:
        row = np.array(taps, dtype=np.int64)
        return _over(np.outer(row, row), total**2)
    weights = np.array([tap / total for tap in taps])
    return Generated(np.outer(weights, weights))


def _offsets(side: int) -> Weights:
    """Distance of each row (or column) from the middle, exactly mirrored: -1, 0, 1 or -1.5, -0.5, 0.5, 1.5."""
    return np.arange(side, dtype=np.float64) - (side - 1) / 2


def _gaussian(sigma: Number, side: int) -> Weights:
    # math.exp one by one: a vectorised exp may round the two halves differently and break the symmetry.
    taps = [math.exp(-0.5 * (x / float(sigma)) ** 2) for x in _offsets(side).tolist()]
    total = math.fsum(taps)
    row = np.array([tap / total for tap in taps])
    return np.outer(row, row)


def _reach(sigma: Number) -> int:
    return math.ceil(3 * sigma)


def _zero_sum(weights: Weights) -> Weights:
    """Make a sum that is nearly zero exactly zero, in whatever order it is added up.

    Weights are rounded to a grid so coarse (2**-52 of their absolute sum) that no partial sum can be rounded, and
    the centre, which every symmetry maps to itself, takes what is left.
    """
    grid = math.ldexp(1.0, math.frexp(float(np.abs(weights).sum()))[1] - 52)
    steps = np.rint(weights / grid)
    middle = weights.shape[0] // 2
    steps[middle, middle] -= steps.sum()
    return steps * grid


def _direction(degrees: Number) -> tuple[float, float]:
    """Cosine and sine, exact at multiples of 90 and equal to each other at 45."""
    quarters, rest = divmod(float(degrees) % 360.0, 90.0)
    angle = math.radians(rest)
    c, s = (math.sqrt(0.5),) * 2 if rest == 45.0 else (math.cos(angle), math.sin(angle))
    for _ in range(int(quarters)):
        c, s = 0.0 - s, c
    return c, s


def _box(values: Values) -> Generated:
    """Mean of a square window.

    Args: size, side in pixels. Shape (size, size), sum 1. Source: the definition of the mean.
    """
    return _outer([1] * int(values["size"]))


def _make_gaussian(values: Values) -> Generated:
    """Gaussian blur, exactly symmetric under flips and transposition.

    Args: sigma, standard deviation in pixels; size, side in pixels, else 2*ceil(3*sigma) + 1.
    Shape (size, size), sum 1. Source: exp(-r^2 / (2 sigma^2)), sampled at pixel centres and normalised per axis.
    """
    sigma = values["sigma"]
    side = int(values["size"]) if "size" in values else _side("gaussian", _reach(sigma), sigma=sigma)
    return Generated(_gaussian(sigma, side))


def _binomial(values: Values) -> Generated:
    """Blur by a row of Pascal's triangle: the integer relative of the Gaussian, sigma = sqrt(size - 1)/2.

    Args: size, side in pixels. Shape (size, size), sum 1. Source: binomial coefficients; size 5 is the
    generating kernel of Burt and Adelson, 1983, with a = 3/8.
    """
    order = int(values["size"]) - 1
    return _outer([math.comb(order, k) for k in range(order + 1)])


def _pyramid(values: Values) -> Generated:
    """Blur by a tent, highest in the middle: what two box blurs in a row would do.

    Args: size, side in pixels. Shape (size, size), sum 1. Source: outer product of two triangular windows.
    """
    size = int(values["size"])
    return _outer([min(i + 1, size - i) for i in range(size)])


def _disk(values: Values) -> Generated:
    """Out-of-focus blur (bokeh): each weight is the exact area of its pixel that the circle covers.

    Args: radius, of the circle of confusion in pixels. Shape (s, s) with s = 2*ceil(radius - 1/2) + 1, sum 1.
    Source: geometric optics, a point out of focus is an evenly lit disk.
    """
    radius = float(values["radius"])
    reach = math.ceil(radius - 0.5)
    _side("disk", reach, radius=values["radius"])
    # One quadrant, whose first row and column are the half pixels on the axes.
    bounds = np.concatenate([[0.0], np.arange(reach + 1) + 0.5])
    left, right = bounds[:-1], bounds[1:]
    low, high = left[:, None], right[:, None]

    def arc(height: Weights) -> Weights:
        """Where the circle passes a height, kept within each pixel's own columns."""
        return np.clip(np.sqrt(np.maximum(radius**2 - height**2, 0.0)), left, right)

    def under(x: Weights) -> Weights:
        """Area under the circle from 0 to x."""
        inside = np.minimum(x / radius, 1.0)
        return 0.5 * radius**2 * (inside * np.sqrt(1.0 - inside**2) + np.arcsin(inside))

    full, none = arc(high), arc(low)
    area = (full - left) * (high - low) + (under(none) - under(full)) - low * (none - full)
    area = np.maximum(area, 0.0)
    area = np.triu(area) + np.triu(area, 1).T
    area[0, :] *= 2
    area[:, 0] *= 2
    half = np.concatenate([area[:0:-1], area])
    whole = np.concatenate([half[:, :0:-1], half], axis=1)
    return Generated(whole / math.fsum(whole.ravel().tolist()))


def _motion(values: Values) -> Generated:
    """Motion blur: each weight is the exact area of its pixel covered by a bar of length x 1 pixel.

    ``motion:length=3`` is [1 1 1]/3 in the middle row of a 3x3 kernel; at angle 45 the bar looks like "/".

    Args: length, of the bar in pixels; angle, its direction in degrees. Shape (s, s), s odd and as small as holds
    the bar, sum 1, unchanged by half a turn. Source: a camera moving evenly during the exposure.
    """
    length = float(values["length"])
    c, s = _direction(values["angle"])
    extent = max(length * abs(c) + abs(s), length * abs(s) + abs(c)) / 2
    reach = math.ceil(extent - 0.5 - 1e-9)
    side = _side("motion", reach, length=values["length"], angle=values["angle"])
    along, across = np.array([c, -s]) * length / 2, np.array([s, c]) / 2
    corners = np.array([along + across, along - across, -along - across, across - along]) + side / 2
    area = _coverage(corners, side)
    area = (area + area[::-1, ::-1]) / 2
    halves = np.rint(2 * area).astype(np.int64)
    if np.array_equal(halves, 2 * area) and halves.sum() < EXACT_BELOW:
        integers = halves // np.gcd.reduce(halves, axis=None)
        return _over(integers, int(integers.sum()))
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


def _unsharp(values: Values) -> Generated:
    """Unsharp mask: identity + amount*(identity - gaussian).

    Args: sigma, of the blur in pixels; amount, strength, 0 changes nothing. Shape of gaussian(sigma), sum 1.
    Source: the darkroom's unsharp mask as a filter; Gonzalez and Woods, Digital Image Processing.
    """
    sigma, amount = values["sigma"], float(values["amount"])
    side = _side("unsharp", _reach(sigma), sigma=sigma)
    weights = 0.0 - amount * _gaussian(sigma, side)
    weights[side // 2, side // 2] += 1.0 + amount
    return Generated(weights)


def _high_boost(values: Values) -> Generated:
    """High-boost filter: identity + amount*(identity - mean of 3x3).

    Args: amount, strength, 0 changes nothing. Shape (3, 3), sum 1, exact integers for amounts that are short
    decimals or fractions. Source: Gonzalez and Woods, Digital Image Processing, high-boost filtering.
    """
    amount = _typed(values["amount"])
    p, q = amount.numerator, amount.denominator
    common = math.gcd(p, 9 * q)
    around, centre, divisor = -p // common, (9 * q + 8 * p) // common, 9 * q // common
    if centre - 8 * around < EXACT_BELOW:
        integers = np.full((3, 3), around, dtype=np.int64)
        integers[1, 1] = centre
        return _over(integers, divisor)
    weights = np.full((3, 3), around / divisor)
    weights[1, 1] = centre / divisor
    return Generated(weights)


def _log(values: Values) -> Generated:
    """Laplacian of a Gaussian, centre negative, sum exactly 0.

    Args: sigma, in pixels. Shape (s, s), s = 2*ceil(3*sigma) + 1. Source: Marr and Hildreth, 1980:
    gaussian * (r^2 - 2 sigma^2)/sigma^4, from which the mean is taken so that flat areas answer 0.
    """
    sigma = float(values["sigma"])
    side = _side("log", _reach(values["sigma"]), sigma=values["sigma"])
    squares = _offsets(side) ** 2
    curvature = (squares[:, None] + squares[None, :] - 2 * sigma**2) / sigma**4
    weights = _gaussian(sigma, side) * curvature
    return Generated(_zero_sum(weights - weights.mean()))


def _dog(values: Values) -> Generated:
    """Difference of Gaussians, gaussian(sigma1) - gaussian(sigma2), sum exactly 0.

    Args: sigma1, sigma2, in pixels. Shape of the wider Gaussian. Source: Marr and Hildreth, 1980, whose ratio
    of 1.6 comes closest to the Laplacian of a Gaussian (upside down: the centre is positive if sigma1 < sigma2).
    """
    first, second = values["sigma1"], values["sigma2"]
    side = _side("dog", _reach(max(first, second)), sigma1=first, sigma2=second)
    weights = _gaussian(first, side) - _gaussian(second, side)
    if not weights.any():
        raise KernelError(f"dog: sigma1 {_plain(first)} and sigma2 {_plain(second)} leave only weights of 0")
    return Generated(_zero_sum(weights))


def _gabor(values: Values) -> Generated:
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
    sigma = values.get("sigma", _typed(wavelength) * Fraction(56, 100))
    side = _side("gabor", math.ceil(3 * max(sigma, sigma / gamma)), sigma=sigma, gamma=gamma)
    c, s = _direction(values["theta"])
    column, row = _offsets(side)[None, :], _offsets(side)[:, None]
    a, b = column * c - row * s, column * s + row * c
    envelope = np.exp(-(a**2 + (float(gamma) * b) ** 2) / (2 * float(sigma) ** 2))
    shift_cos, shift_sin = _direction(values["phase"])
    turn = 2 * math.pi / float(wavelength) * a
    return Generated(envelope / envelope.sum() * (np.cos(turn) * shift_cos - np.sin(turn) * shift_sin))


def _size(default: float | None) -> Parameter:
    return Parameter("size", default, 1, MAX_SIDE, True, "side in pixels")


def _sigma(default: float | None, name: str = "sigma") -> Parameter:
    return Parameter(name, default, 0.1, 10_000.0, False, "standard deviation in pixels")


def _amount(default: float) -> Parameter:
    return Parameter("amount", default, 0.0, 1_000.0, False, "strength, 0 changes nothing")


def _angle(name: str, meaning: str) -> Parameter:
    return Parameter(name, 0.0, -360.0, 360.0, False, meaning)


_COUNTER_CLOCKWISE = "degrees counter-clockwise, 0 to the right"

_ALL = (
    Generator("box", (_size(3),), _box),
    Generator("gaussian", (_sigma(1.0), _size(None)), _make_gaussian),
    Generator("binomial", (_size(5),), _binomial),
    Generator("pyramid", (_size(5),), _pyramid),
    Generator("disk", (Parameter("radius", 3.0, 0.5, 511.5, False, "radius in pixels"),), _disk),
    Generator(
        "motion",
        (
            Parameter("length", 9.0, 1.0, 1_500.0, False, "length in pixels"),
            _angle("angle", f"direction of the motion in {_COUNTER_CLOCKWISE}"),
        ),
        _motion,
    ),
    Generator("unsharp", (_sigma(1.0), _amount(1.0)), _unsharp),
    Generator("high-boost", (_amount(2.0),), _high_boost),
    Generator("log", (_sigma(1.4),), _log),
    Generator("dog", (_sigma(1.0, "sigma1"), _sigma(1.6, "sigma2")), _dog),
    Generator(
        "gabor",
        (
            _angle("theta", f"direction across the stripes in {_COUNTER_CLOCKWISE}"),
            Parameter("wavelength", 6.0, 2.0, 10_000.0, False, "pixels from stripe to stripe"),
            _sigma(None),
            Parameter("gamma", 0.5, 0.01, 100.0, False, "width over length of the Gaussian, 1 is round"),
            _angle("phase", "shift of the wave in degrees"),
        ),
        _gabor,
    ),
)

GENERATORS: Mapping[str, Generator] = MappingProxyType({generator.name: generator for generator in _ALL})
"""Every generator a kernel definition may name, in the order of the families."""
