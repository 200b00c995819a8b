"""Calls of the compiled core, kept as they are made: to be made again, by others or with something wrong in them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from ctypes import string_at
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from numpy.typing import NDArray

from convtool.engine import core

Array = NDArray[Any]

CORE: Any = vars(core)["_core"]
"""The compiled core; None where there is none."""

WIDTHS: tuple[str, ...] = CORE.WIDTHS if CORE else ()
"""Names of the widths of vectors that this machine has."""

REFUSED = -1
"""In the driver's answers, instead of how many samples were clipped; what the core said follows."""

AXES = 4
"""Of a buffer in the driver's file, at most."""


class Room(NamedTuple):
    """The memory that an array lies in, from its first byte to its last, and where in it the array begins."""

    held: bytes
    before: int


class Call(NamedTuple):
    """One call: what it was given, with the memory of the output before it; and what that memory was behind it."""

    arguments: tuple[Array, ...]
    before: Room
    after: Room
    lost: int


class Answer(NamedTuple):
    """What the driver made of a call: how many samples were clipped and the output's memory; or why it refused."""

    lost: int
    said: bytes


def room_of(array: Array) -> Room:
    """The bytes from the first of an array to its last, what lies between its elements among them.

    Those of one that is not aligned begin a little earlier, at an aligned address.
    """
    if not array.nbytes:
        return Room(b"", 0)
    reach = [(n - 1) * step for n, step in zip(array.shape, array.strides, strict=True)]
    before, behind = -sum(min(step, 0) for step in reach), sum(max(step, 0) for step in reach)
    address = array.ctypes.data
    askew = (address - before) % array.itemsize
    return Room(bytes(askew) + string_at(address - before, before + behind + array.itemsize), before + askew)


def write_calls(path: Path, calls: Sequence[tuple[Array, ...]], outputs: Sequence[Room] = ()) -> None:
    """Write calls as ``core_driver/driver.c`` reads them; ``outputs``: what the memory of each one's output holds."""
    with path.open("wb") as file:
        file.write(struct.pack("=q", len(calls)))
        for at, arguments in enumerate(calls):
            for which, array in enumerate(arguments):
                last = outputs and which == len(arguments) - 1
                _write(file, array, outputs[at] if last else room_of(array))


def _write(file: BinaryIO, array: Array, room: Room) -> None:
    view, spare = array.data, [0] * (AXES - array.ndim)
    numbers = (view.itemsize, view.readonly, view.ndim, *array.shape, *spare, *array.strides, *spare, room.before)
    file.write(struct.pack(f"=8s{len(numbers) + 1}q", view.format.encode(), *numbers, len(room.held)))
    file.write(room.held)


def read_answers(path: Path, calls: int) -> list[list[Answer]]:
    """What the driver answered: for each width of vectors, the answers to all calls."""
    content, at = path.read_bytes(), 8
    widths: list[list[Answer]] = [[] for _ in range(struct.unpack_from("=q", content)[0])]
    for answers in widths:
        for _ in range(calls):
            lost, length = struct.unpack_from("=2q", content, at)
            answers.append(Answer(lost, content[at + 16 : at + 16 + length]))
            at += 16 + length
    assert at == len(content)
    return widths


class Recorder:
    """Stands in for the compiled core and hands every call on to it."""

    def __init__(self, *, keep: bool = False) -> None:
        self._keep = keep
        self.calls: list[Call] = []
        self.levels: set[int] = set()

    def filter(self, level: int, *arguments: Array) -> int:
        self.levels.add(level)
        before = room_of(arguments[-1]) if self._keep else None
        lost: int = CORE.filter(level, *arguments)
        if before:
            self.calls.append(Call(arguments, before, room_of(arguments[-1]), lost))
        return lost
