"""Adding many partial sums so that rounding stays small."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

LEAF = 6
"""Partial sums added one to the next before they join the cascade."""


BLOCK = 1 << 16
"""Samples of several products that are added up at a time, so that they stay in cache."""

Product = tuple[Array, Array]
"""A matrix, and the matrices of a batch that it is multiplied with."""


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


def add_up(products: Sequence[Product], band: int, out: Array, spare: Array) -> None:
    """Add up batched products into ``out``, (rows, N, samples), any strides; each gives bands of ``band`` rows.

    ``spare`` lends as many samples as ``scratch`` says.
    """
    rows, filters, width = out.shape
    count, height = rows // band, band * filters
    most = max(1, min(BLOCK // (height * width), count))
    for at in range(0, count, most):
        bands = min(most, count - at)
        size, shape = bands * height * width, (bands * band, filters, width)
        total, part = (spare[start : start + size].reshape(bands, height, width) for start in (0, size))
        into = out[at * band : (at + bands) * band]
        if len(products) > LEAF:
            cascade = Cascade(total, part.reshape(-1))
            for matrix, source in products:
                np.matmul(matrix, source[at : at + bands], out=cascade.target())
                cascade.add()
            cascade.finish()
            np.copyto(into, total.reshape(shape))
            continue
        for index, (matrix, source) in enumerate(products):
            np.matmul(matrix, source[at : at + bands], out=part if index else total)
            if 0 < index < len(products) - 1:
                np.add(total, part, out=total)
        np.add(total.reshape(shape), part.reshape(shape), out=into)


def scratch(band: int) -> int:
    """Samples that ``add_up`` needs for bands of so many samples."""
    return 2 * max(BLOCK, band)
