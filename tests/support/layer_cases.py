"""Drawn layers and stacks: the same ones for convtool, for the definition in plain NumPy, and for torch."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from convtool import apply
from convtool.kernels.kernel import KernelSet, make_kernel
from tests.support import naive

Array = NDArray[Any]
Pair = tuple[int, int]

ACTIVATIONS = ("none", "relu", "leaky:0.1", "abs", "sigmoid", "tanh")
TORCH_MODES = ("zeros", "replicate", "reflect", "circular")


class Conv(NamedTuple):
    """One layer: weights (N, C/groups, kh, kw), and what stands behind the sum; ``pool`` is (how, size, stride)."""

    weight: Array
    bias: Array
    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int
    mode: str
    activation: str
    pool: tuple[str, Pair, Pair] | None

    def options(self, label: str) -> dict[str, Any]:
        """The layer in the words of ``apply``."""
        kernels = tuple(
            make_kernel(f"{label}-{n:02}", w.astype(np.float64), bias=float(b))
            for n, (w, b) in enumerate(zip(self.weight, self.bias, strict=True))
        )
        pool = None
        if self.pool is not None:
            how, size, stride = self.pool
            pool = f"{how}:{size[0]}x{size[1]}:{stride[0]}x{stride[1]}"
        return {
            "kernels": KernelSet(label, kernels),
            "stride": self.stride,
            "pad": self.padding,
            "border": self.mode,
            "dilation": self.dilation,
            "groups": self.groups,
            "activation": self.activation,
            "pool": pool,
        }

    @property
    def sum(self) -> naive.Layer:
        """The sum in the words of ``tests.support.naive``."""
        rows, columns = self.padding
        return naive.Layer(self.stride, ((rows, rows), (columns, columns)), self.dilation, self.mode, 0.0, self.groups)


@st.composite
def convs(draw: st.DrawFn, size: Pair, channels: int, *, most: int, largest: int, steps: int) -> tuple[Conv, Pair]:
    """A layer that fits ``channels`` of ``size``, and the size of its maps. torch reflects and wraps at most once."""
    groups = draw(st.sampled_from([g for g in range(1, channels + 1) if channels % g == 0]))
    filters = groups * draw(st.integers(1, max(1, most // groups)))
    mode = draw(st.sampled_from(TORCH_MODES))
    kernel: list[int] = []
    stride: list[int] = []
    padding: list[int] = []
    dilation: list[int] = []
    out: list[int] = []
    for n in size:
        k, s, d = draw(st.integers(1, largest)), draw(st.integers(1, steps)), draw(st.integers(1, 3))
        reach = d * (k - 1)
        p = draw(st.integers(0, 5))
        p = min(p, n - 1) if mode in ("reflect", "circular") else p
        if n + 2 * p < reach + 1:  # the largest kernel that fits
            k = (n + 2 * p - 1) // d + 1
            reach = d * (k - 1)
        for values, value in ((kernel, k), (stride, s), (padding, p), (dilation, d)):
            values.append(value)
        out.append((n + 2 * p - reach - 1) // s + 1)
    pool = None
    if draw(st.booleans()):
        windows = [draw(st.integers(1, min(3, n))) for n in out]
        steps_ = [draw(st.integers(1, 3)) for _ in out]
        pool = draw(st.sampled_from(("max", "avg"))), _pair(windows), _pair(steps_)
        out = [(n - k) // s + 1 for n, k, s in zip(out, windows, steps_, strict=True)]
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weight = random.normal(size=(filters, channels // groups, *kernel)).astype(np.float32)
    bias = random.normal(size=filters).astype(np.float32)
    activation = draw(st.sampled_from(ACTIVATIONS))
    made = Conv(weight, bias, _pair(stride), _pair(padding), _pair(dilation), groups, mode, activation, pool)
    return made, _pair(out)


def _pair(values: list[int]) -> Pair:
    return values[0], values[1]


@st.composite
def stacks(draw: st.DrawFn, layers: int) -> tuple[Array, list[Conv]]:
    """Samples (H, W, C) and up to so many layers: the first as large as banks are, the others small."""
    size = draw(st.integers(1, 32)), draw(st.integers(1, 32))
    channels = draw(st.integers(1, 8))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = random.normal(size=(*size, channels)).astype(np.float32)
    found = []
    for number in range(draw(st.integers(1, layers))):
        limits = {"most": 64, "largest": 11, "steps": 4} if number == 0 else {"most": 8, "largest": 4, "steps": 2}
        conv, size = draw(convs(size, channels, **limits))
        channels = len(conv.weight)
        found.append(conv)
    return x, found


def by_convtool(x: Array, layers: list[Conv]) -> Array:
    """All maps (N, H', W') by ``apply``, raw; two and four channels are no alpha here."""
    first, *others = (conv.options(f"layer{number}") for number, conv in enumerate(layers, 1))
    return np.stack(list(apply(x, **first, then=others, alpha="filter").values()))


def by_definition(x: Array, layers: list[Conv]) -> Array:
    """The same in double precision and plain loops."""
    y: Array = x.transpose(2, 0, 1).astype(np.float64)
    for conv in layers:
        y = naive.correlate(y, conv.weight, conv.sum) + conv.bias.astype(np.float64)[:, None, None]
        y = activated(y, conv.activation)
        if conv.pool is not None:
            y = pooled(y, *conv.pool)
    return y


def activated(y: Array, activation: str) -> Array:
    """An activation by its formula."""
    if activation == "relu":
        return np.where(y > 0, y, 0)
    if activation == "leaky:0.1":
        return np.where(y > 0, y, 0.1 * y)
    if activation == "abs":
        return np.where(y < 0, -y, y)
    if activation == "sigmoid":
        with np.errstate(over="ignore"):  # to infinity, and 1 / infinity is right
            return np.asarray(1 / (1 + np.exp(-y)))
    return np.tanh(y) if activation == "tanh" else y


def pooled(y: Array, how: str, size: Pair, stride: Pair) -> Array:
    """Window after window of y (N, H, W)."""
    rows, columns = ((n - k) // s + 1 for n, k, s in zip(y.shape[1:], size, stride, strict=True))
    out = np.empty((len(y), rows, columns))
    for i in range(rows):
        for j in range(columns):
            top, left = i * stride[0], j * stride[1]
            window = y[:, top : top + size[0], left : left + size[1]].reshape(len(y), -1)
            out[:, i, j] = window.max(axis=1) if how == "max" else window.sum(axis=1) / window.shape[1]
    return out


def assert_close(y: Array, expected: Array) -> None:
    """Within 1e-4 of the largest value, map for map the same shape."""
    assert y.shape == expected.shape
    assert float(np.abs(y - expected).max()) <= 1e-4 * max(float(np.abs(expected).max()), 1e-6)
