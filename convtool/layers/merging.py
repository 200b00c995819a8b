"""Several maps joined into one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def merge(maps: Sequence[NDArray[np.float32]], how: str | None) -> NDArray[np.float32]:
    """Join maps of one shape sample by sample: magnitude sqrt(sum y^2), max (signed), mean, sum; None for one map."""
    if how is None:
        return maps[0]
    total: NDArray[np.float32] = np.square(maps[0]) if how == "magnitude" else maps[0].copy()
    for y in maps[1:]:
        if how == "max":
            np.maximum(total, y, out=total)
        else:
            total += np.square(y) if how == "magnitude" else y
    if how == "magnitude":
        np.sqrt(total, out=total)
    elif how == "mean":
        total /= np.float32(len(maps))
    return total
