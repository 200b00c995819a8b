"""Stride, padding and dilation turned into shapes and windows. Rows come before columns everywhere."""

from __future__ import annotations

from typing import Literal, cast

from convtool.errors import GeometryError, UsageError
from convtool.tuples import NamedTuple

Pair = tuple[int, int]
NamedPadding = Literal["same", "valid", "full"]
Padding = NamedPadding | tuple[Pair, Pair]
"""A name, or ((top, bottom), (left, right)) in samples."""


class Axis(NamedTuple):
    """One axis of a sliding window; all lengths in samples."""

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int

    @property
    def span(self) -> int:
        """Samples from the first to the last tap of a window."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def out(self) -> int:
        """Number of windows: floor((size + before + after - dilation*(kernel-1) - 1)/stride) + 1."""
        return (self.size + self.before + self.after - self.span) // self.stride + 1

    @property
    def padded(self) -> int:
        """Samples that the windows reach, padding included."""
        return (self.out - 1) * self.stride + self.span

    def start(self, index: int) -> int:
        """First sample of window ``index``; negative inside the padding."""
        return index * self.stride - self.before

    def anchor(self, index: int) -> int:
        """The sample that output ``index`` belongs to, clamped into the image."""
        at = index * self.stride + (self.kernel - 1) // 2 * self.dilation - self.before
        return min(max(at, 0), self.size - 1)


class Geometry(NamedTuple):
    """Both axes of a sliding window."""

    rows: Axis
    columns: Axis

    @property
    def out(self) -> Pair:
        """Output size, (rows, columns)."""
        return self.rows.out, self.columns.out


def pair(value: object, name: str, minimum: int) -> Pair:
    """Standardise ``N`` or ``(rows, columns)``; raise UsageError below ``minimum``."""
    values = (value, value) if _is_int(value) else value
    if not (isinstance(values, (tuple, list)) and len(values) == 2 and all(map(_is_int, values))):
        raise UsageError(f"{name} is {value!r}; it takes a whole number or a pair (rows, columns)")
    rows, columns = (int(v) for v in values)
    if min(rows, columns) < minimum:
        raise UsageError(f"{name} is {value}; it takes whole numbers from {minimum} up")
    return rows, columns


def standard_padding(value: object) -> Padding:
    """Standardise every way to give a padding; raise UsageError for anything else."""
    if isinstance(value, str):
        if value in ("same", "valid", "full"):
            return cast(NamedPadding, value)
        raise UsageError(f"padding is {value!r}; it takes numbers or one of same, valid, full")
    if isinstance(value, (tuple, list)) and len(value) == 2 and not any(map(_is_int, value)):
        (top, bottom), (left, right) = (pair(side, "padding", 0) for side in value)
        return (top, bottom), (left, right)
    rows, columns = pair(value, "padding", 0)
    return (rows, rows), (columns, columns)


def resolve(size: Pair, kernel: Pair, *, stride: Pair, padding: Padding, dilation: Pair) -> Geometry:
    """Fit a kernel of ``kernel`` taps to an image of ``size``, both (rows, columns).

    Raises GeometryError, with the sum written out, where there is no output sample.
    """
    axes = []
    for axis, name in enumerate(("rows", "columns")):
        n, k, s, d = size[axis], kernel[axis], stride[axis], dilation[axis]
        before, after = padding[axis] if isinstance(padding, tuple) else _named(padding, n, k, s, d)
        found = Axis(n, k, s, d, before, after)
        if found.out < 1:
            raise GeometryError(_too_small(found, name))
        axes.append(found)
    return Geometry(*axes)


def _named(padding: NamedPadding, size: int, kernel: int, stride: int, dilation: int) -> Pair:
    reach = dilation * (kernel - 1)
    if padding == "valid":
        return 0, 0
    if padding == "full":
        return reach, reach
    out = -(-size // stride)
    total = max((out - 1) * stride + reach + 1 - size, 0)
    return total // 2, total - total // 2


def _too_small(axis: Axis, name: str) -> str:
    short = axis.span - axis.size
    pad = -(-short // 2)
    length = axis.size + 2 * pad - axis.span
    return (
        f"no output {name}: floor(({axis.size} + {axis.before} + {axis.after} - {axis.dilation}*({axis.kernel}-1)"
        f" - 1)/{axis.stride}) + 1 = {axis.out}; the smallest padding that works is {pad} on each side"
        f" (largest useful stride then: {max(length, 1)})"
    )


def _is_int(value: object) -> bool:
    return hasattr(value, "__index__") and not isinstance(value, bool)
