"""The row filters of PNG on blocks of rows: every byte minus a guess from the bytes left of it and above it.

A *block* is a uint8 array (1 + rows, margin + width) in which row 0 is the row above and the margin, as wide as a
pixel, is what lies left. At the picture's own edges both are zeros, as the format wants it. So every filter is the
same arithmetic at an edge and inside, and a window cut out of a block is again a block.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

NONE, SUB, UP, AVERAGE, PAETH = range(5)
"""The filters by the number that the format gives them."""
SMALLEST = -1
"""Not a filter but a rule: of each row, the filter whose differences are smallest in sum."""


def filtered(block: Bytes, margin: int, kind: int) -> Bytes:
    """The rows of a block, each filtered and led by the number of its filter: (rows, 1 + width)."""
    if kind == SMALLEST:
        return _smallest(block, margin)
    rows = np.empty((block.shape[0] - 1, block.shape[1] - margin + 1), dtype=np.uint8)
    rows[:, 0] = kind
    _differences(block, margin, kind, rows[:, 1:])
    return rows


def sampled(windows: Sequence[Bytes], margin: int, kind: int) -> Bytes:
    """The filtered bytes of several blocks on end, without filter numbers: something to try a compressor on."""
    sizes = [(block.shape[0] - 1) * (block.shape[1] - margin) for block in windows]
    joined = np.empty(sum(sizes), dtype=np.uint8)
    first = 0
    for block, size in zip(windows, sizes, strict=True):
        _differences(block, margin, kind, joined[first : first + size].reshape(block.shape[0] - 1, -1))
        first += size
    return joined


def _differences(block: Bytes, margin: int, kind: int, out: Bytes) -> None:
    here, left = block[1:, margin:], block[1:, :-margin]
    above, corner = block[:-1, margin:], block[:-1, :-margin]
    if kind == NONE:
        out[...] = here
    elif kind == SUB:
        np.subtract(here, left, out=out)
    elif kind == UP:
        np.subtract(here, above, out=out)
    elif kind == AVERAGE:
        # floor((left + above) / 2) without leaving eight bits: the bits they share, and half of those they do not.
        half = left ^ above
        half >>= 1
        half += left & above
        np.subtract(here, half, out=out)
    else:
        np.subtract(here, _paeth(left, above, corner), out=out)


def _paeth(left: Bytes, above: Bytes, corner: Bytes) -> Bytes:
    """Whichever of the three is nearest to left + above - corner; ties go to left, then above.

    A corner outside the span of the other two picks the same neighbour as a corner at that end of the span. Moved
    there, no difference needs more than eight bits.
    """
    low, high = np.minimum(left, above), np.maximum(left, above)
    inner = np.minimum(np.maximum(corner, low), high)
    below_high = high - inner
    low, inner_low = inner, inner - low
    # From here: |guess - left| is |above - inner|, |guess - above| is |left - inner|, |guess - corner| the third.
    to_left = np.maximum(above, inner) - np.minimum(above, inner)
    to_above = np.maximum(left, inner) - np.minimum(left, inner)
    to_corner = np.maximum(below_high, inner_low) - np.minimum(below_high, inner_low)
    guess = _chosen(to_above <= to_corner, above, corner)
    return _chosen((to_left <= to_above) & (to_left <= to_corner), left, guess)


def _chosen(condition: NDArray[np.bool_], yes: Bytes, no: Bytes) -> Bytes:
    """``np.where`` by masks of whole bytes, which is several times as fast."""
    mask = np.negative(condition.view(np.uint8))
    mask &= yes ^ no
    mask ^= no
    return mask


def _smallest(block: Bytes, margin: int) -> Bytes:
    best = filtered(block, margin, NONE)
    cost = _cost(best)
    for kind in (SUB, UP, AVERAGE, PAETH):
        rows = filtered(block, margin, kind)
        own = _cost(rows)
        better = own < cost
        best[better] = rows[better]
        cost[better] = own[better]
    return best


def _cost(rows: Bytes) -> NDArray[np.int64]:
    """Sum of the differences' sizes in each row, a byte above 127 being a small step down."""
    signed = rows[:, 1:].view(np.int8)
    # abs(-128) stays -128 in eight bits, and reads as 128 again without the sign.
    sums: NDArray[np.int64] = np.abs(signed).view(np.uint8).sum(axis=1, dtype=np.int64)
    return sums
