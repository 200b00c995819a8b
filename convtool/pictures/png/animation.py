"""Animated PNG: frames that are PNG files by themselves, joined (PNG specification, third edition, 11.3.6)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from fractions import Fraction
from typing import IO

from convtool.pictures.picture import Timing
from convtool.pictures.png.chunks import SIGNATURE, chunk, chunks

SHORT = 65535


def write_apng(frames: Iterable[bytes], count: int, timing: Timing, file: IO[bytes]) -> None:
    """Join ``count`` PNG files of one size and kind; what is not image data comes from the first."""
    serial, size = 0, b""
    for index, data in enumerate(frames):
        begun = False
        for kind, content in chunks(data):
            if kind == b"IDAT":
                if not begun:
                    begun = True
                    file.write(chunk(b"fcTL", _control(serial, size, timing.of(index))))
                    serial += 1
                if index == 0:
                    file.write(chunk(b"IDAT", content))
                else:
                    file.write(chunk(b"fdAT", struct.pack(">I", serial) + content))
                    serial += 1
                continue
            if kind == b"IHDR":
                size = content[:8]
            if index == 0 and kind != b"IEND":
                if kind == b"IHDR":
                    file.write(SIGNATURE)
                file.write(chunk(kind, content))
                if kind == b"IHDR":
                    file.write(chunk(b"acTL", struct.pack(">II", count, timing.plays)))
    file.write(chunk(b"IEND", b""))


def _control(serial: int, size: bytes, milliseconds: float) -> bytes:
    """A frame of the whole canvas that replaces the one before."""
    delay = Fraction(milliseconds).limit_denominator(1000) / 1000
    if max(delay.numerator, delay.denominator) > SHORT:
        delay = Fraction(min(round(milliseconds / 10), SHORT), 100)
    return struct.pack(">I8sIIHHBB", serial, size, 0, 0, delay.numerator, delay.denominator, 0, 0)
