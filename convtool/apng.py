"""Animated PNG: frames that are PNG files by themselves, joined (PNG specification, third edition, 11.3.6)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import IO

from convtool.deflate import crc32
from convtool.picture import Timing

SHORT = 65535


def write_apng(frames: Iterable[bytes], count: int, timing: Timing, file: IO[bytes]) -> None:
    """Join ``count`` PNG files of one size and kind; what is not image data comes from the first."""
    serial, size = 0, b""
    for index, data in enumerate(frames):
        begun = False
        for kind, content in _chunks(data):
            if kind == b"IDAT":
                if not begun:
                    begun = True
                    _write(file, b"fcTL", _control(serial, size, timing.of(index)))
                    serial += 1
                if index == 0:
                    _write(file, b"IDAT", content)
                else:
                    _write(file, b"fdAT", struct.pack(">I", serial) + content)
                    serial += 1
                continue
            if kind == b"IHDR":
                size = content[:8]
            if index == 0 and kind != b"IEND":
                if kind == b"IHDR":
                    file.write(data[:8])
                _write(file, kind, content)
                if kind == b"IHDR":
                    _write(file, b"acTL", struct.pack(">II", count, timing.plays))
    _write(file, b"IEND", b"")


def _control(serial: int, size: bytes, milliseconds: float) -> bytes:
    """A frame of the whole canvas that replaces the one before."""
    delay = Fraction(milliseconds).limit_denominator(1000) / 1000
    if max(delay.numerator, delay.denominator) > SHORT:
        delay = Fraction(min(round(milliseconds / 10), SHORT), 100)
    return struct.pack(">I8sIIHHBB", serial, size, 0, 0, delay.numerator, delay.denominator, 0, 0)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length


def _write(file: IO[bytes], kind: bytes, data: bytes) -> None:
    file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data)))
