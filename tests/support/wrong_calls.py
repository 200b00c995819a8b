"""Calls of the compiled core with something wrong in them, made of right ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convtool.engine import core
from tests.support import golden
from tests.support.core_calls import CORE, WIDTHS, Recorder

Array = NDArray[Any]
Arguments = tuple[Any, ...]
"""Of ``_core.filter``: the width of vectors, then ten buffers."""

BUFFERS = ("image", "rows", "columns", "parts", "steps", "taps", "weights", "numbers", "reals", "out")
NUMBERS = (
    *("ring", "each", "stride", "span", "phases", "lead", "inner", "start", "leaf"),
    *("arithmetic", "absolute", "full"),
)
REALS = ("constant", "multiply", "divide", "add")

REFUSALS = (ValueError, TypeError, BufferError, MemoryError, OverflowError)
"""What may be raised; OverflowError by Python itself, of a width that is no int."""

SENSELESS = (AttributeError, IndexError, OverflowError, TypeError, ValueError, Warning)
"""What comes of a change to something that another change has put there."""

EDGE = b"\xa5" * 256
"""On both sides of an output."""


@cache
def base_calls() -> list[Arguments]:
    """Right calls, small ones of all kinds."""
    recorder, seen = Recorder(keep=True), dict[tuple[str, str], int]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(core, "_core", recorder)
        patch.setattr(core, "width", lambda: 0)
        for case in golden.CASES.values():
            kind = case.kernel, case.method
            if case.shape[0] * case.shape[1] <= 600 and "wild" not in case.dtype and seen.get(kind, 0) < 2:
                seen[kind] = seen.get(kind, 0) + 1
                golden.result(case)
    return [(0, *call.arguments) for call in recorder.calls]


def argument(arguments: Arguments, name: str) -> Any:
    return arguments[1 + BUFFERS.index(name)]


def replaced(arguments: Arguments, name: str, value: Any) -> Arguments:
    at = 1 + BUFFERS.index(name)
    return (*arguments[:at], value, *arguments[at + 1 :])


def copied(arguments: Arguments) -> Arguments:
    """The same call with arrays of its own, and an output between edges that show who writes beyond it."""
    found = tuple(each.copy() if isinstance(each, np.ndarray) else each for each in arguments)
    return replaced(found, "out", in_room(argument(found, "out").shape, argument(found, "out").dtype))


def in_room(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """An array between two edges."""
    size = int(np.prod(shape)) * dtype.itemsize
    room = np.array(bytearray(EDGE + bytes(size) + EDGE), dtype=np.uint8)
    return room[len(EDGE) : len(EDGE) + size].view(dtype).reshape(shape)


def with_entry(arguments: Arguments, name: str, at: int, value: float) -> Arguments:
    """One number of an array changed."""
    array = argument(arguments, name).copy()
    with np.errstate(all="ignore"):
        array[at] = value
    return replaced(arguments, name, array)


def with_number(arguments: Arguments, name: str, value: int) -> Arguments:
    return with_entry(arguments, "numbers", NUMBERS.index(name), value)


def _near(random: Random, number: int) -> int:
    """Whole numbers that are often wrong: ends of types, and the neighbours of the right one."""
    near = (number - 1, number + 1, 2 * number, 2 * number + 1, -number)
    small = (-2, -1, 0, 1, 2, 3, 4, 7, 16, 255, 256, 4096)
    ends = (2**31 - 1, -(2**31), 2**15 - 1, 2**16)
    return random.choice(random.choice((near, near, small, ends)))


def _number(arguments: Arguments, random: Random) -> Arguments:
    at = random.randrange(len(NUMBERS))
    numbers = argument(arguments, "numbers")
    if numbers.dtype.kind != "i" or numbers.ndim != 1:
        return arguments
    number = _near(random, int(numbers[at]))
    if random.random() < 0.1:
        number = random.choice((2**31, 2**32 + 1, 2**63 - 1, -(2**63), -(2**32)))
    return with_entry(arguments, "numbers", at, number)


def _real(arguments: Arguments, random: Random) -> Arguments:
    value = random.choice(
        (float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 1e300, -1e300, 4e4, 1e10, 5e-324, -1.5)
    )
    return with_entry(arguments, "reals", random.randrange(len(REALS)), value)


def _entry(arguments: Arguments, random: Random) -> Arguments:
    name = random.choice(("rows", "columns", "parts", "steps", "taps", "taps", "parts", "steps"))
    array = argument(arguments, name)
    if not array.size or array.dtype.kind != "i" or array.ndim != 1:
        return arguments
    at = random.randrange(array.size)
    number = _near(random, int(array[at]))
    return with_entry(arguments, name, at, min(max(number, -(2**31)), 2**31 - 1))


def _swapped(arguments: Arguments, random: Random) -> Arguments:
    """The entries of an array in another order."""
    name = random.choice(("rows", "columns", "parts", "steps", "taps", "weights"))
    array = argument(arguments, name).copy()
    random.shuffle(array)
    return replaced(arguments, name, array)


def _length(arguments: Arguments, random: Random) -> Arguments:
    name = random.choice(BUFFERS)
    array = argument(arguments, name)
    axis = random.randrange(array.ndim)
    keep = random.choice((0, 1, array.shape[axis] - 1, array.shape[axis] + 1, array.shape[axis] * 2))
    more = max(keep - array.shape[axis], 0)
    shape = (*array.shape[:axis], more, *array.shape[axis + 1 :])
    longer = np.concatenate([array, np.zeros(shape, array.dtype)], axis=axis)
    cut = longer[(slice(None),) * axis + (slice(0, max(keep, 0)),)]
    return replaced(arguments, name, cut if random.random() < 0.5 else cut.copy())


def _dtype(arguments: Arguments, random: Random) -> Arguments:
    name = random.choice(BUFFERS)
    array = argument(arguments, name)
    wanted = (
        *("b", "B", "h", "H", "i", "I", "q", "Q", "e", "f", "d", "g", "F", "D", "?", "S2", "U1", "V4", "O", "M8[s]"),
        *(">i4", ">f4", ">i8", ">f8", ">u2", "=i4", "<i4", "i,i", "V0", "(2,)i4"),
    )
    dtype = np.dtype(random.choice(wanted))
    return replaced(arguments, name, np.zeros(array.shape, dtype))


def _steps(arguments: Arguments, random: Random) -> Arguments:
    """The same shape with other steps in memory: backwards, gaps, none at all, not aligned."""
    name = random.choice((*BUFFERS, "image", "out", "image", "out"))
    array = argument(arguments, name)
    how = random.choice(("backwards", "gaps", "none", "askew", "askew in every step", "turned"))
    if how == "backwards":
        return replaced(arguments, name, array[::-1])
    if how == "gaps":
        room = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
        room[..., ::2] = array
        return replaced(arguments, name, room[..., ::2])
    if how == "none":
        few = np.lib.stride_tricks.as_strided(array, array.shape, (0,) * array.ndim)
        return replaced(arguments, name, few)
    if how == "turned":
        return replaced(arguments, name, array.T if random.random() < 0.5 else np.asfortranarray(array))
    if how == "askew":
        room = np.zeros(array.nbytes + 1, np.uint8)[1:]
        return replaced(arguments, name, room.view(array.dtype).reshape(array.shape))
    packed = np.zeros(array.shape, np.dtype([("one", "u1"), ("it", array.dtype)]))
    return replaced(arguments, name, packed["it"])


def _axes(arguments: Arguments, random: Random) -> Arguments:
    name = random.choice(BUFFERS)
    array = argument(arguments, name)
    other: tuple[Callable[[], Any], ...] = (
        lambda: array[None],
        lambda: array[..., None],
        lambda: array.ravel(),
        lambda: array.sum(dtype=array.dtype),
        lambda: np.zeros((), array.dtype),
        lambda: np.zeros((0,) * array.ndim, array.dtype),
    )
    return replaced(arguments, name, random.choice(other)())


def _object(arguments: Arguments, random: Random) -> Arguments:
    name = random.choice(BUFFERS)
    array = argument(arguments, name)
    others = (None, 3, "text", [1, 2], b"", bytes(64), bytearray(64), memoryview(bytes(32)), array.tolist(), object())
    return replaced(arguments, name, random.choice(others))


def _read_only(arguments: Arguments, random: Random) -> Arguments:
    name = random.choice((*BUFFERS, "out", "out", "out"))
    array = argument(arguments, name).copy()
    array.setflags(write=False)
    return replaced(arguments, name, array)


def _level(arguments: Arguments, random: Random) -> Arguments:
    return (random.choice((-1, 1, 2, 3, 2**31 - 1, -(2**31), 2**31, 2**70, None, "0")), *arguments[1:])


def _exchanged(arguments: Arguments, random: Random) -> Arguments:
    """One argument in the place of another."""
    one, other = random.sample(BUFFERS, 2)
    return replaced(arguments, one, argument(arguments, other))


MUTATIONS = (
    *(_number, _number, _number, _real, _entry, _entry, _entry, _entry, _swapped, _length, _length, _dtype, _steps),
    *(_steps, _axes, _object, _read_only, _level, _exchanged),
)


def mutated(arguments: Arguments, random: Random) -> Arguments:
    """A call with one thing changed, or two, by any width of vectors."""
    arguments = copied((random.randrange(len(WIDTHS)), *arguments[1:]))
    for _ in range(random.choice((1, 1, 2))):
        mutate = random.choice(MUTATIONS)
        try:
            arguments = mutate(arguments, random)
        except SENSELESS:
            continue
    return arguments


def outcome(arguments: Arguments) -> int | Exception:
    """What comes of a call: how many samples were clipped, or what was raised. Anything else is no outcome."""
    try:
        lost: int = CORE.filter(*arguments)
    except REFUSALS as error:
        return error
    out = argument(arguments, "out")
    assert 0 <= lost <= out.size
    return lost


def edges_are_whole(arguments: Arguments) -> bool:
    """Whether nothing beyond the output was written, where the output is one of ``copied``."""
    room = argument(arguments, "out")
    while isinstance(room, np.ndarray) and room.base is not None:
        room = room.base
    content = room.tobytes() if isinstance(room, np.ndarray) else b""
    if len(content) < 2 * len(EDGE) or content[0] != EDGE[0]:  # an output of another make
        return True
    return content[: len(EDGE)] == EDGE == content[-len(EDGE) :]
