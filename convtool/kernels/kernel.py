"""Kernels and kernel sets: frozen, checked once, with the facts that follow from the weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import gcd, lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.errors import KernelError
from convtool.tone.ranges import Range

MAX_SIDE = 1023
"""Largest kernel side; fixed."""

EXACT_LIMIT = 2**24
"""Integers below this are exact in float32."""

COMMON_UNITS = ((1 << 20, 2.0**-50), (1 << 11, 2.0**-23))
"""How a common factor of weights is searched: into how many parts the smallest weight is divided at most, and how far
a ratio may be off; for numbers in double precision, and for numbers that have been through single precision."""

MAX_MAPS = 4096
"""Most maps of one set; fixed. Sets of sets could otherwise grow without end."""

MAX_WEIGHTS = 1 << 26
"""Most weights of one set (512 MB in double precision); fixed."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Kernel:
    """One set of weights, ready to slide: gives one feature map.

    ``weights`` has shape (kh, kw), used on every channel alike, or (C, kh, kw), which spans the depth. Where they
    are whole numbers times one factor, ``integers * scale`` says so exactly and the engine keeps the sum exact.
    """

    label: str
    weights: Floats
    integers: Integers | None = None
    scale: Fraction | None = None
    bias: float = 0.0
    range: Range | None = None
    summary: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        check_weights(self.weights)
        self.weights.setflags(write=False)

    @property
    def depth(self) -> int | None:
        """Channels that the kernel spans; None if it is used on every channel by itself."""
        return self.weights.shape[0] if self.weights.ndim == 3 else None

    @property
    def size(self) -> tuple[int, int]:
        """(rows, columns) of the window."""
        return self.weights.shape[-2], self.weights.shape[-1]

    def with_weights(self, weights: Floats, integers: Integers | None, **changes: object) -> Kernel:
        """The same kernel with its weights rearranged."""
        return replace(self, weights=weights, integers=integers, **changes)  # type: ignore[arg-type]

    def flipped(self) -> Kernel:
        """The weights turned by 180 degrees: correlation becomes the mathematician's convolution."""
        integers = None if self.integers is None else self.integers[..., ::-1, ::-1].copy()
        return self.with_weights(self.weights[..., ::-1, ::-1].copy(), integers)

    def turned(self, degrees: int) -> Kernel:
        """Turned counter-clockwise on the screen: multiples of 90 for any kernel, of 45 for odd squares.

        Raises KernelError for any other angle or shape.
        """
        integers = None if self.integers is None else turn(self.integers, degrees)
        return self.with_weights(turn(self.weights, degrees), integers)


@dataclass(frozen=True, eq=False)
class KernelSet:
    """An ordered list of kernels, each giving one feature map, under one name."""

    label: str
    kernels: tuple[Kernel, ...]
    summary: str = ""
    family: str = field(default="", compare=False)


def make_kernel(label: str, weights: Floats, **facts: object) -> Kernel:
    """A kernel from plain numbers, kept exact where they are whole numbers times a power of two or one weight."""
    factored = factor(np.asarray(weights, dtype=np.float64))
    integers, scale = factored if factored else (None, None)
    return Kernel(label, np.array(weights, dtype=np.float64), integers, scale, **facts)  # type: ignore[arg-type]


def exact_kernel(label: str, values: Sequence[Fraction], shape: tuple[int, ...], **facts: object) -> Kernel:
    """A kernel from fractions, as they were written; exact whenever the numbers allow it."""
    factored = factor_fractions(values)
    if factored is None:
        weights = np.array([float(v) for v in values], dtype=np.float64).reshape(shape)
        return Kernel(label, weights, **facts)  # type: ignore[arg-type]
    numbers, scale = factored
    integers = np.array(numbers, dtype=np.int64).reshape(shape)
    weights = integers * scale.numerator / scale.denominator
    return Kernel(label, weights, integers, scale, **facts)  # type: ignore[arg-type]


def factor_fractions(values: Sequence[Fraction]) -> tuple[list[int], Fraction] | None:
    """Whole numbers and the factor that makes ``values`` of them; None if they would be too large."""
    common = common_denominator(values, 2**53)
    if common is None:  # the factor's denominator would be this number, for nothing else in it cancels
        return None
    numbers = [v.numerator * (common // v.denominator) for v in values]
    divisor = gcd(*numbers) or 1
    numbers = [n // divisor for n in numbers]
    scale = Fraction(divisor, common)
    small = sum(map(abs, numbers)) < EXACT_LIMIT
    return (numbers, scale) if small and scale.numerator < EXACT_LIMIT else None


def common_denominator(values: Sequence[Fraction], below: int) -> int | None:
    """The common denominator; None as soon as it is seen to reach ``below``, as thousands of primes would make it."""
    common = 1
    for value in values:
        common = lcm(common, value.denominator)
        if common >= below:
            return None
    return common


def factor(weights: Floats) -> tuple[Integers, Fraction] | None:
    """Whole numbers and one factor with ``weights == integers * factor`` to float32; None if there are none.

    Tried are the power of two that makes all weights whole, and a fraction of the smallest weight of which all are
    multiples (which finds 1/9 nine times, 0.2 beside 0.3 and 299/1000 beside 587/1000).
    """
    if not weights.size or not np.isfinite(weights).all():
        return None
    sizes = np.abs(weights[weights != 0])
    if not sizes.size:
        return np.zeros(weights.shape, dtype=np.int64), Fraction(1)
    smallest = float(sizes.min())
    if float(sizes.max()) / smallest >= EXACT_LIMIT:
        return None
    _, exponents = np.frexp(sizes)
    # A power of two must divide exactly; multiples of 1/9 may be off by what float32 did to them and to their unit.
    units = [(Fraction(2) ** (int(exponents.min()) - 24), 0.0)]
    units += [(unit, 2.0**-23) for parts, slack in COMMON_UNITS if (unit := _common_unit(sizes, parts, slack))]
    for unit, slack in units:
        ratios = weights / float(unit)
        integers = np.rint(ratios)
        if (np.abs(ratios - integers) > slack * np.abs(ratios)).any():
            continue
        numbers = [int(v) for v in integers.ravel()]
        divisor = gcd(*numbers)
        scale = unit * divisor
        small = sum(map(abs, numbers)) // divisor < EXACT_LIMIT
        if small and scale.numerator < EXACT_LIMIT and scale.denominator < 2**53:
            shaped = np.array([n // divisor for n in numbers], dtype=np.int64).reshape(weights.shape)
            return shaped, scale
    return None


def _common_unit(sizes: Floats, most: int, slack: float) -> Fraction | None:
    """A fraction of the smallest size, at most ``most`` to one, that all sizes are multiples of; None if none is."""
    smallest = float(sizes.min())
    parts = 1
    for ratio in np.unique(sizes / smallest).tolist():
        simple = Fraction(ratio).limit_denominator(most)
        if abs(float(simple) - ratio) > ratio * slack:
            return None
        parts = lcm(parts, simple.denominator)
        if parts > most:
            return None
    return _simple(smallest / parts)


def _simple(value: float) -> Fraction:
    """The fraction with a small denominator that float32 cannot tell from ``value``, else ``value`` itself."""
    simple = Fraction(value).limit_denominator(1 << 20)
    return simple if simple and abs(float(simple) - value) <= value * 2.0**-24 else Fraction(value)


def turn(weights: NDArray[Any], degrees: int) -> NDArray[Any]:
    """Weights turned counter-clockwise on the screen; raises KernelError where the shape does not allow it."""
    degrees %= 360
    if degrees % 90 == 0:
        return np.rot90(weights, degrees // 90, axes=(-2, -1)).copy()
    rows, columns = weights.shape[-2:]
    if degrees % 45:
        raise KernelError(f"@{degrees}: kernels turn by multiples of 90 degrees, odd squares also by 45")
    if rows != columns or rows % 2 == 0:
        raise KernelError(f"@{degrees}: only odd square kernels turn by 45 degrees, and this one is {rows}x{columns}")
    out = np.rot90(weights, degrees // 90, axes=(-2, -1)).copy()
    before = out.copy()
    centre = rows // 2
    for radius in range(1, centre + 1):
        ring = _ring(centre, radius)
        for at, (row, column) in enumerate(ring):
            source = ring[(at - radius) % len(ring)]
            out[..., row, column] = before[..., source[0], source[1]]
    return out


def _ring(centre: int, radius: int) -> list[tuple[int, int]]:
    """Cells of a square ring, counter-clockwise on the screen, an eighth of a turn being ``radius`` cells."""
    near, far = centre - radius, centre + radius
    right = [(row, far) for row in range(far, near, -1)]
    top = [(near, column) for column in range(far, near, -1)]
    left = [(row, near) for row in range(near, far)]
    bottom = [(far, column) for column in range(near, far)]
    return right + top + left + bottom


def check_weights(weights: Floats) -> None:
    """Raise KernelError unless ``weights`` is a finite (kh, kw) or (C, kh, kw) array within the size limit."""
    if weights.ndim not in (2, 3) or not weights.size:
        raise KernelError(f"weights have shape {weights.shape}; a kernel is (rows, columns) or (C, rows, columns)")
    if max(weights.shape[-2:]) > MAX_SIDE:
        rows, columns = weights.shape[-2:]
        raise KernelError(f"the kernel is {rows}x{columns}; the largest side is {MAX_SIDE}, which is fixed")
    if not np.isfinite(weights).all():
        at = tuple(int(i) + 1 for i in np.argwhere(~np.isfinite(weights))[0][-2:])
        raise KernelError(f"the weight in row {at[0]}, column {at[1]} is not a finite number")
    if np.abs(weights).max() > 1e30:
        raise KernelError("a weight is larger than 1e30")
