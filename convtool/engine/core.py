"""The compiled core: which one runs, and how a sum is handed to it.

``CONVTOOL_CORE`` chooses: ``numpy`` for none, or a width of vectors (``baseline``, ``avx2``, ``avx512``; ``neon``) to
hold it to. Otherwise the widest that the machine has is used. The choice changes no result.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.engine.taps import Taps
from convtool.engine.window import Indices, Window
from convtool.errors import UsageError
from convtool.rounding import Finish

try:
    import convtool.engine._core as _core
except ImportError:  # no compiler was at hand
    _core = None  # type: ignore[assignment]

Array = NDArray[Any]

RINGS = ("int16", "int32", "float32")
"""Types of sums, in the order in which the core counts them."""

NATIVE = {np.dtype(name) for name in ("uint8", "uint16", "int16", "int32", "float32")}
"""Types of samples that the core reads; of the others, what the sums are made of is a copy."""


@lru_cache(maxsize=1)
def width() -> int | None:
    """The width of vectors that this process uses, as the core counts them; None for NumPy.

    Raises UsageError for one that is not there.
    """
    wanted = os.environ.get("CONVTOOL_CORE", "")
    if wanted == "numpy" or (_core is None and not wanted):
        return None
    there: tuple[str, ...] = () if _core is None else _core.WIDTHS
    if wanted and wanted not in there:
        raise UsageError(f"CONVTOOL_CORE is {wanted!r}; here it can be {', '.join((*there, 'numpy'))}")
    return there.index(wanted) if wanted else len(there) - 1


def name() -> str:
    """What runs, as ``--version`` and ``-v`` say it: ``core avx2``, ``numpy``."""
    chosen = width()
    return "numpy" if chosen is None else f"core {_core.WIDTHS[chosen]}"


def run(
    window: Window, taps: Taps, width: int, samples: Array, row_of: Indices, finish: Finish | None, out: Array
) -> int:
    """Fill ``out`` (rows, W', outputs) with sums as they are, or finished; returns how many were clipped."""
    if samples.dtype not in NATIVE or not samples.flags.aligned:
        samples = samples.astype(taps.dtype)
    how = finish or Finish()
    axis = window.geometry.rows
    numbers = (
        *(RINGS.index(taps.dtype.name), window.each, axis.stride, axis.span, len(window.column_of), window.phases),
        *(window.lead, window.inner, max(window.geometry.columns.start(0), 0), len(taps.weights), len(taps.splits)),
        *(len(taps.places), len(taps.places) if taps.dtype.kind == "i" else taps.leaf),
        *(how.number, how.absolute, how.full),
    )
    reals = (window.border.value, how.multiply, how.divide, how.add)
    lost: int = _core.filter(
        *(width, samples, row_of, window.column_of, taps.places.ravel(), taps.splits.ravel(), _by_fours(taps)),
        *(np.array(numbers, dtype=np.int64), np.array(reals, dtype=np.float64), out),
    )
    return lost


def _by_fours(taps: Taps) -> Array:
    """The weights of float32 filters, four filters side by side; of those that are left, one filter after the other."""
    weights, fours = taps.weights, len(taps.weights) // 4 * 4
    if weights.dtype != np.float32 or not fours:
        return weights.ravel()
    together = weights[:fours].reshape(-1, 4, weights.shape[1]).transpose(0, 2, 1)
    return np.concatenate([together.ravel(), weights[fours:].ravel()])
