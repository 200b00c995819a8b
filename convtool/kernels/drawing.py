"""Kernels as lines of text with heat: what ``kernels show`` prints, apart from how a terminal colours it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.console import Line, Piece
from convtool.kernels.facts import facts_of, response
from convtool.kernels.kernel import Kernel

LARGEST = 15
"""Sides up to this are drawn whole; of larger kernels the middle is."""

SHADES = " .:-=+*#%@"
RESPONSE_SIZE = 17


def draw_kernel(kernel: Kernel) -> Iterator[Line]:
    """The matrix, the facts and the frequency response of a kernel."""
    yield (Piece(kernel.label),)
    if kernel.summary:
        yield (Piece(f"  {kernel.summary}"),)
    if kernel.source:
        yield (Piece(f"  Source: {kernel.source}"),)
    yield ()
    yield from _matrices(kernel)
    yield ()
    yield from ((Piece(f"  {name:<11}{value}"),) for name, value in _facts(kernel))
    yield ()
    yield (Piece("  frequency response (0 in the middle, Nyquist at the sides; @ is the peak)"),)
    yield from _heat_block(response(kernel, RESPONSE_SIZE))


def _matrices(kernel: Kernel) -> Iterator[Line]:
    planes = kernel.weights if kernel.depth is not None else kernel.weights[None]
    values: NDArray[Any] = planes
    factor = ""
    if kernel.integers is not None and kernel.scale is not None:
        values = kernel.integers if kernel.depth is not None else kernel.integers[None]
        factor = "" if kernel.scale == 1 else f"  x {kernel.scale}"
        if len(factor) > 24:
            values, factor = planes, ""
    peak = float(np.abs(values).max()) or 1.0
    for at, plane in enumerate(values):
        if kernel.depth is not None:
            yield (Piece(f"  channel {at}"),)
        shown, note = _middle(plane)
        texts = [[number(float(v)) for v in row] for row in shown]
        width = max(len(text) for row in texts for text in row) + 2
        for r, row in enumerate(texts):
            cells = [Piece(f"{text:>{width}}", float(shown[r, c]) / peak) for c, text in enumerate(row)]
            end = factor + note if r == len(texts) // 2 else ""
            yield (Piece("  "), *cells, Piece(end))


def _middle(plane: NDArray[Any]) -> tuple[NDArray[Any], str]:
    rows, columns = plane.shape
    if max(rows, columns) <= LARGEST:
        return plane, ""
    top, left = max((rows - LARGEST) // 2, 0), max((columns - LARGEST) // 2, 0)
    shown = plane[top : top + LARGEST, left : left + LARGEST]
    return shown, f"  the middle {shown.shape[0]}x{shown.shape[1]} of {rows}x{columns}"


def _facts(kernel: Kernel) -> Iterator[tuple[str, str]]:
    found = facts_of(kernel)
    depth = f", depth {kernel.depth} (one map from {kernel.depth} channels)" if kernel.depth is not None else ""
    yield "size", f"{kernel.size[0]}x{kernel.size[1]}{depth}"
    yield "sum", f"{number(found.total)}, of magnitudes {number(found.magnitude)}"
    if kernel.bias:
        yield "bias", number(kernel.bias)
    if found.column is not None and found.row is not None:
        yield "rank", "1: separable"
        if max(kernel.size) <= LARGEST:
            yield "", f"column [{_vector(found.column)}] times row [{_vector(found.row)}]"
    else:
        yield "rank", f"{found.rank} over the channels" if kernel.depth is not None else f"{found.rank}: not separable"
    yield "symmetry", ", ".join(found.symmetry) or "none"
    yield "gain", f"{number(found.total)} on a flat picture, {number(found.peak_gain)} at the strongest frequency"
    yield "range", f"{number(found.low)} to {number(found.high)} on 8-bit input; shown by {kernel.range or 'clip'}"


def _vector(values: NDArray[np.float64]) -> str:
    return " ".join(number(float(v)) for v in values)


def _heat_block(values: NDArray[np.float64]) -> Iterator[Line]:
    peak = float(values.max()) or 1.0
    for row in values / peak:
        yield (Piece("    "), *(Piece(SHADES[round(float(v) * (len(SHADES) - 1))] * 2, float(v)) for v in row))


def number(value: float) -> str:
    """A number as short as it can be said with five digits."""
    text = f"{value:.5g}"
    return "0" if text == "-0" else text
