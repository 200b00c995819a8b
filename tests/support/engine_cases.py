"""Images, kernels and oracles that the tests of the engine share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.engine import conv2d, reference
from convtool.engine.border import Border
from convtool.engine.geometry import Padding, resolve

Array = NDArray[Any]
METHODS = ("auto", "taps", "separable", "fft")
CONSTANT = 7.0
"""Value of the constant border: whole, so that integer sums stay whole."""


def tolerance(method: str, weight: Array, peak: float) -> float:
    """What the contract allows; auto may pick fft."""
    share = 5e-6 if method in ("fft", "auto") else 2e-6
    return share * float(np.abs(weight).sum(axis=(1, 2, 3)).max()) * peak


def definition(
    x: Array, weight: Array, stride: tuple[int, int], padding: Padding, dilation: tuple[int, int], mode: str
) -> Array:
    """The sum as plain loops, in double precision."""
    size, kernel = (x.shape[1], x.shape[2]), (weight.shape[2], weight.shape[3])
    geometry = resolve(size, kernel, stride=stride, padding=padding, dilation=dilation)
    border = Border(mode, CONSTANT if mode == "constant" else 0.0)
    return reference.correlate(x, weight, np.zeros(len(weight)), geometry, border)


def run(
    x: Array,
    weight: Array,
    method: str,
    stride: tuple[int, int] = (1, 1),
    padding: object = "same",
    dilation: tuple[int, int] = (1, 1),
    mode: str = "reflect",
    threads: int = 1,
) -> Array:
    return conv2d(
        x,
        weight,
        stride=stride,
        padding=padding,
        dilation=dilation,
        padding_mode=mode,
        constant_value=CONSTANT,
        method=method,
        threads=threads,
    )


def weights(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Kernels of one kind, (N, C, kh, kw)."""
    n, c, kh, kw = shape
    if kind == "whole":
        return rng.integers(-3, 4, shape).astype(np.float64)
    if kind == "ones":
        return np.ones(shape)
    if kind == "rank one":
        return np.broadcast_to(np.outer(rng.normal(size=kh), rng.normal(size=kw)), shape).copy()
    if kind == "whole rank one":
        return np.broadcast_to(np.outer(rng.integers(-2, 3, kh), rng.integers(-2, 3, kw)), shape).astype(np.float64)
    if kind == "sparse":
        return rng.normal(size=shape) * (rng.random(shape) < 0.3)
    return rng.normal(size=(n, c, kh, kw))


KINDS = ("whole", "ones", "rank one", "whole rank one", "sparse", "dense")


def samples(dtype: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Random samples of a dtype."""
    if dtype == "float32":
        return rng.normal(size=shape).astype(np.float32)
    low, high = {"uint8": (0, 256), "uint16": (0, 65536), "int16": (-3000, 3000), "int32": (-(2**20), 2**20)}[dtype]
    return rng.integers(low, high, shape).astype(dtype)
