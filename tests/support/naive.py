"""The sum of a convolutional layer once more, in the fewest words: np.pad, one slice a tap, double precision.

Nothing here comes from convtool. It is fast enough to be asked thousands of times, and is itself compared with the
plain loops of ``convtool.engine.reference`` (test_property.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Pair = tuple[int, int]

PAD_MODES = {"replicate": "edge", "reflect": "reflect", "symmetric": "symmetric", "circular": "wrap"}
"""Border names in NumPy's words; zeros and constant are both its "constant"."""

SCIPY_MODES = {
    "zeros": "constant",
    "constant": "constant",
    "replicate": "nearest",
    "reflect": "mirror",
    "symmetric": "reflect",
    "circular": "wrap",
}
"""Border names in scipy.ndimage's words."""

EXACT_LIMIT = 2**24
TOLERANCE = 2e-6


@dataclass(frozen=True)
class Layer:
    """Everything about a sum but samples and weights. ``padding``: a name or ((top, bottom), (left, right))."""

    stride: Pair = (1, 1)
    padding: str | tuple[Pair, Pair] = ((0, 0), (0, 0))
    dilation: Pair = (1, 1)
    mode: str = "zeros"
    value: float = 0.0
    groups: int = 1

    def sides(self, size: Pair, kernel: Pair) -> tuple[Pair, Pair]:
        """Samples before and after each axis."""
        if not isinstance(self.padding, str):
            return self.padding
        return (self._sides(0, size, kernel), self._sides(1, size, kernel))

    def _sides(self, axis: int, size: Pair, kernel: Pair) -> Pair:
        reach = self.dilation[axis] * (kernel[axis] - 1)
        if self.padding == "valid":
            return 0, 0
        if self.padding == "full":
            return reach, reach
        windows = (size[axis] + self.stride[axis] - 1) // self.stride[axis]
        total = max(0, (windows - 1) * self.stride[axis] + reach + 1 - size[axis])
        return total // 2, total - total // 2

    def out(self, size: Pair, kernel: Pair) -> Pair:
        """Output size by the formula; below 1 where no window fits."""
        (top, bottom), (left, right) = self.sides(size, kernel)
        rows = (size[0] + top + bottom - self.dilation[0] * (kernel[0] - 1) - 1) // self.stride[0] + 1
        columns = (size[1] + left + right - self.dilation[1] * (kernel[1] - 1) - 1) // self.stride[1] + 1
        return rows, columns

    def options(self) -> dict[str, Any]:
        """Keyword arguments of conv2d."""
        return {
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "groups": self.groups,
            "padding_mode": self.mode,
            "constant_value": self.value,
        }


def padded(x: Array, layer: Layer, kernel: Pair) -> Array:
    """x (C, H, W) with everything that stands around it."""
    (top, bottom), (left, right) = layer.sides((x.shape[1], x.shape[2]), kernel)
    widths = ((0, 0), (top, bottom), (left, right))
    if layer.mode in PAD_MODES:
        return np.pad(x, widths, mode=PAD_MODES[layer.mode])  # type: ignore[call-overload,no-any-return]
    return np.pad(x, widths, constant_values=layer.value if layer.mode == "constant" else 0.0)


def correlate(x: Array, weight: Array, layer: Layer) -> NDArray[np.float64]:
    """Sums without bias: x (C, H, W), weight (N, C/groups, kh, kw) -> (N, H', W'); whole numbers stay exact."""
    filters, depth, height, width = weight.shape
    rows, columns = layer.out((x.shape[1], x.shape[2]), (height, width))
    samples = padded(x.astype(np.float64), layer, (height, width))
    wide = weight.astype(np.float64)
    y = np.zeros((filters, rows, columns))
    share = filters // layer.groups
    for group in range(layer.groups):
        chosen = slice(group * share, (group + 1) * share)
        for c in range(depth):
            plane = samples[group * depth + c]
            for u in range(height):
                for v in range(width):
                    top, left = u * layer.dilation[0], v * layer.dilation[1]
                    down, across = layer.stride
                    part = plane[top : top + rows * down : down, left : left + columns * across : across]
                    y[chosen] += wide[chosen, c, u, v, None, None] * part[:rows, :columns]
    return y


def reach(x: Array, layer: Layer) -> float:
    """max|x|, the border's constant included."""
    largest = float(np.abs(x.astype(np.float64)).max())
    return max(largest, abs(layer.value)) if layer.mode == "constant" else largest


def allowance(x: Array, weight: Array, layer: Layer) -> NDArray[np.float64]:
    """2e-6 * sum|w| * max|x| for each filter, shape (N, 1, 1)."""
    sizes: NDArray[np.float64] = np.abs(weight.astype(np.float64)).sum(axis=(1, 2, 3))[:, None, None]
    return sizes * (TOLERANCE * reach(x, layer))


def rounded_once(sums: NDArray[np.float64], scale: Fraction = Fraction(1), bias: Fraction = Fraction(0)) -> Array:
    """``sums * scale + bias`` for whole sums, as the nearest float32, ties to even: decided in exact numbers."""
    double = sums * scale.numerator / scale.denominator + float(bias)
    room = 2.0**-51 * (np.abs(double) + 2 * abs(float(bias)))
    single, above = (double - room).astype(np.float32), (double + room).astype(np.float32)
    for at in zip(*np.nonzero(single != above), strict=True):  # double precision leaves these open
        single[at] = nearest_single(Fraction(int(sums[at])) * scale + bias)
    return single


def nearest_single(value: Fraction) -> np.float32:
    """The float32 nearest to a fraction, ties to even."""
    guess = np.float32(float(value))
    near = {guess, np.nextafter(guess, np.float32(np.inf)), np.nextafter(guess, np.float32(-np.inf))}

    def order(candidate: np.float32) -> tuple[Fraction, int]:
        return abs(Fraction(float(candidate)) - value), int(candidate.view(np.uint32)) & 1

    return min(near, key=order)


def half_even(value: Fraction) -> int:
    """The nearest whole number, ties to even."""
    return round(value)


def anchors(kernel: Pair) -> Pair:
    """Row and column of the tap that lies on the output's own pixel."""
    return (kernel[0] - 1) // 2, (kernel[1] - 1) // 2


def numbers(seed: int, *shape: int, low: int = -9, high: int = 9) -> NDArray[np.int64]:
    """Whole numbers low..high that look random and are the same for ever (a linear congruence, top bits)."""
    count, state = int(np.prod(shape)), (seed * 2654435761 + 12345) % 2**32
    found = []
    for _ in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        found.append(low + (state >> 8) * (high - low + 1) // 2**24)
    return np.array(found, dtype=np.int64).reshape(shape)
