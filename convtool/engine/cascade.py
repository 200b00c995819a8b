"""Adding many partial sums so that rounding stays small."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

LEAF = 6
"""Partial sums added one to the next before they join the cascade."""


class Cascade:
    """Partial sums of one output block: a few in a row, and those sums two by two.

    Ask for a ``target``, write a partial sum there, ``add``; ``finish`` leaves the total in ``out``. Up to LEAF parts
    need one block of scratch memory, for which ``spare`` may lend samples; more need one for each doubling.
    """

    def __init__(self, out: Array, spare: Array | None = None) -> None:
        self._out, self._count = out, 0
        self._levels: list[tuple[int, Array]] = []
        self._leaf: Array | None = None
        self._spare: list[Array] = []
        if spare is not None and spare.size >= out.size:
            self._spare.append(spare[: out.size].reshape(out.shape))
        self._target = out

    def target(self) -> Array:
        """Where to write the next partial sum."""
        if self._count == 0:
            self._target = self._out
        else:
            self._target = self._spare.pop() if self._spare else np.empty(self._out.shape, dtype=self._out.dtype)
        return self._target

    def add(self) -> None:
        """Take in what was written to the target."""
        self._count += 1
        if self._leaf is None:
            self._leaf = self._target
        else:
            np.add(self._leaf, self._target, out=self._leaf)
            self._spare.append(self._target)
        if self._count % LEAF == 0:
            self._carry()

    def finish(self) -> None:
        """Leave the total in ``out``."""
        if self._leaf is not None:
            self._carry()
        while len(self._levels) > 1:
            _, last = self._levels.pop()
            np.add(self._levels[-1][1], last, out=self._levels[-1][1])

    def _carry(self) -> None:
        assert self._leaf is not None
        total, height = self._leaf, 0
        while self._levels and self._levels[-1][0] == height:
            below = self._levels.pop()[1]
            np.add(below, total, out=below)
            self._spare.append(total)
            total, height = below, height + 1
        self._levels.append((height, total))
        self._leaf = None
