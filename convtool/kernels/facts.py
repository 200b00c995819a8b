"""What follows from a kernel's weights: sum, rank, factors, symmetry, gain, range, frequency response."""

from __future__ import annotations

from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.kernels.kernel import Floats, Kernel
from convtool.tuples import NamedTuple

FULL_8BIT = 255


class Facts(NamedTuple):
    """The facts of one kernel; ``column`` and ``row`` are factors of a separable one, else None."""

    total: float
    magnitude: float
    rank: int
    column: Floats | None
    row: Floats | None
    symmetry: tuple[str, ...]
    peak_gain: float
    low: float
    high: float
    """Smallest and largest value on 8-bit input, bias included."""


def facts_of(kernel: Kernel) -> Facts:
    """All facts of a kernel; the rank of one with depth is the largest over its channels."""
    planes = kernel.weights if kernel.weights.ndim == 3 else kernel.weights[None]
    rank = max(_rank(plane) for plane in planes)
    column, row = _factors(kernel) if kernel.depth is None and rank == 1 else (None, None)
    return Facts(
        total=float(kernel.weights.sum()),
        magnitude=float(np.abs(kernel.weights).sum()),
        rank=rank,
        column=column,
        row=row,
        symmetry=tuple(_symmetries(planes)),
        peak_gain=float(response(kernel, 65).max()),
        low=float(np.minimum(kernel.weights, 0).sum()) * FULL_8BIT + kernel.bias,
        high=float(np.maximum(kernel.weights, 0).sum()) * FULL_8BIT + kernel.bias,
    )


def response(kernel: Kernel, size: int) -> Floats:
    """Magnitude of the frequency response, (size, size), zero frequency in the centre, Nyquist at the sides.

    Channels of a kernel with depth see the same (grey) picture.
    """
    weights = kernel.weights if kernel.depth is None else kernel.weights.sum(axis=0)
    frequencies = np.linspace(-0.5, 0.5, size)  # cycles a sample
    rows, columns = (np.arange(side) - (side - 1) // 2 for side in weights.shape)
    down = np.exp(2j * np.pi * np.outer(frequencies, rows))
    across = np.exp(2j * np.pi * np.outer(columns, frequencies))
    found: Floats = np.abs(down @ weights @ across)
    return found


def _rank(plane: Floats) -> int:
    """Terms column times row that make the plane; what the rounding of its weights adds is no term."""
    sizes = np.linalg.svd(plane, compute_uv=False)
    return int((sizes > 1e-9 * sizes[0]).sum())


def _factors(kernel: Kernel) -> tuple[Floats, Floats]:
    """Column and row whose outer product is the kernel: small whole numbers in the row where there are any."""
    weights = kernel.weights
    at = np.unravel_index(int(np.abs(weights).argmax()), weights.shape)
    if kernel.integers is not None:
        numbers = kernel.integers[at[0]]
        row = numbers / (gcd(*(int(v) for v in numbers)) or 1)
    else:
        row = weights[at[0]] / weights[at]
    column = weights[:, at[1]] / row[at[1]]
    if (column <= 0).all() or (row <= 0).all():  # the sign goes where signs are mixed
        column, row = -column, -row
    return column + 0.0, row + 0.0  # no -0


def _symmetries(planes: NDArray[Any]) -> list[str]:
    found = []
    slack = 1e-12 * float(np.abs(planes).max())  # weights that should be 0 are not quite
    for name, mirrored in (
        ("left-right", planes[:, :, ::-1]),
        ("top-bottom", planes[:, ::-1]),
        ("half turn", planes[:, ::-1, ::-1]),
        ("transpose", planes.transpose(0, 2, 1)),
    ):
        if mirrored.shape != planes.shape:
            continue
        if np.allclose(planes, mirrored, rtol=1e-9, atol=slack):
            found.append(f"{name} even")
        elif np.allclose(planes, -mirrored, rtol=1e-9, atol=slack):
            found.append(f"{name} odd")
    return found
