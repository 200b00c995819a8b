"""Scratch memory that each thread keeps between calls.

A fresh large array faults its pages in one by one, which costs more than a pass over it; so every thread has one
block that grows to what its largest strip needs and is carved up anew for each strip.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

KEEP = 24 << 20
"""Bytes a thread keeps; a strip that needs more (a very wide image, a very tall kernel) takes fresh memory."""

HEIGHTS = 4
"""Strip heights whose views are kept: that of all strips, that of the last, and those of other callers."""

ALIGN = 64
"""Arrays start on a cache line."""

Bytes = NDArray[np.uint8]
Shape = tuple[int, ...]
Bound = TypeVar("Bound")


class _Block(threading.local):
    memory: Bytes

    def __init__(self) -> None:
        self.memory = np.empty(0, dtype=np.uint8)


_block = _Block()


def block(size: int) -> Bytes:
    """At least ``size`` bytes of this thread's scratch memory: valid until the next call on this thread."""
    if size > KEEP:
        return np.empty(size, dtype=np.uint8)
    if _block.memory.size < size:
        _block.memory = np.empty(size, dtype=np.uint8)
    return _block.memory


def carve(memory: Bytes, wanted: Sequence[tuple[Shape, np.dtype[Any]]]) -> list[NDArray[Any]]:
    """Arrays of the wanted shapes and dtypes, one behind the other in ``memory``."""
    arrays, at = [], -memory.ctypes.data % ALIGN
    for shape, dtype in wanted:
        size = int(np.prod(shape)) * dtype.itemsize
        arrays.append(memory[at : at + size].view(dtype).reshape(shape))
        at += -(-size // ALIGN) * ALIGN
    return arrays


def needed(wanted: Sequence[tuple[Shape, np.dtype[Any]]]) -> int:
    """Bytes that ``carve`` needs."""
    return sum(-(-int(np.prod(shape)) * dtype.itemsize // ALIGN) * ALIGN for shape, dtype in wanted) + ALIGN


def as_strided(array: NDArray[Any], shape: Shape, steps: Shape) -> NDArray[Any]:
    """A view with its strides counted in samples."""
    strides = tuple(step * array.itemsize for step in steps)
    return np.lib.stride_tricks.as_strided(array, shape, strides)


class PerThread(Generic[Bound]):
    """What a method prepares once per thread and strip height: views into this thread's scratch memory.

    ``wanted(rows)`` names the arrays, ``bind(rows, arrays)`` makes the views. Pickled and copied empty.
    """

    def __init__(self) -> None:
        self._local = threading.local()

    def get(
        self,
        rows: int,
        wanted: Callable[[int], Sequence[tuple[Shape, np.dtype[Any]]]],
        bind: Callable[[int, list[NDArray[Any]]], Bound],
    ) -> Bound:
        """The views for strips of ``rows`` output rows, made anew only if the height is new or the memory changed."""
        known: dict[int, Bound] = self._local.__dict__.setdefault("bound", {})
        if self._local.__dict__.get("memory") is not _block.memory or len(known) > HEIGHTS:
            known.clear()
        if rows not in known:
            shapes = wanted(rows)
            memory = block(needed(shapes))
            bound = bind(rows, carve(memory, shapes))
            if memory is not _block.memory:
                return bound
            if self._local.__dict__.get("memory") is not memory:
                known.clear()
                self._local.memory = memory
            known[rows] = bound
        return known[rows]

    def __reduce__(self) -> tuple[type[PerThread[Bound]], tuple[()]]:
        return PerThread, ()
