"""Sums of banks as the core makes them where the machine has fused multiply-adds, made of NumPy's operations alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convtool.engine import sliding
from convtool.engine.taps import Taps
from convtool.engine.window import Indices, Window

Array = NDArray[Any]

FUSED = ("avx2", "avx512", "neon")
"""Widths of vectors of machines that have such an instruction."""


def multiply_add(samples: Array, weight: Any, product: Array, total: Array) -> None:
    """Add ``samples * weight`` to ``total``, all of float32, rounded once.

    A product of two float32 is exact in float64. Its sum with a third is rounded to odd there: where it is not exact,
    to the neighbour whose last binary digit is 1. Rounding this to float32 is the same as rounding the exact sum, as
    float64 has more than two digits more (Boldo and Melquiond, 2008, "Emulation of a FMA and correctly rounded sums").
    """
    exact = samples.astype(np.float64) * np.float64(weight)
    other = total.astype(np.float64)
    rounded = exact + other
    part = rounded - exact
    left = (exact - (rounded - part)) + (other - part)  # what rounding took (Knuth's two-sum)
    digits = rounded.view(np.int64)
    wrong = np.isfinite(rounded) & (left != 0) & (digits % 2 == 0)
    digits[wrong] += np.where((left > 0) == (rounded > 0), 1, -1)[wrong]
    total[...] = rounded


def sums(window: Window, taps: Taps, samples: Array, row_of: Indices) -> Array:
    """``sliding.sums`` with the filters of banks, that is fours of them in float32, by fused multiply-adds."""
    found = _plain_sums(window, taps, samples, row_of)
    fours = len(taps.weights) // 4 * 4
    if fours and taps.dtype == np.float32:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sliding, "multiply_add", multiply_add)
            found[..., :fours] = _plain_sums(window, taps, samples, row_of)[..., :fours]
    return found


_plain_sums = sliding.sums
