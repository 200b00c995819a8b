"""Checksums of a PNG file, all of them: Pillow skips those of the image data.

A chunk that only carries metadata may be damaged without harm to the picture; such chunks are cut out with a note.
"""

from __future__ import annotations

import io
from typing import IO

from convtool.errors import InputError
from convtool.pictures.png.deflate import crc32

BLOCK = 1 << 20
METADATA = (b"iCCP", b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"pHYs", b"tIME", b"gAMA", b"cHRM", b"sRGB", b"bKGD", b"hIST")
"""Chunks without which the samples are the same."""
NAMES = {b"iCCP": "colour profile", b"eXIf": "EXIF data"}


def check_png(file: IO[bytes]) -> tuple[io.BytesIO | None, list[str]]:
    """Check a PNG file: a copy without damaged metadata if it has some, and what should be said of it.

    Raises InputError for a damaged chunk that the picture needs, and where the end is missing.
    """
    damaged, notes = [], []
    at = 8
    while True:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            raise InputError(f"is cut short: it ends at byte {at:,}, before its end mark")
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if not kind.isalpha():
            raise InputError(f"is damaged: there is no chunk at byte {at:,}")
        found = _checksum(file, kind, length)
        stored = file.read(4)
        if found is None or len(stored) < 4:
            raise InputError(f"is cut short: it ends within the {kind.decode()} chunk at byte {at:,}")
        if found != int.from_bytes(stored, "big"):
            if kind not in METADATA:
                what = "image data" if kind in (b"IDAT", b"fdAT") else "header"
                raise InputError(f"is damaged: wrong checksum of its {what} ({kind.decode()} at byte {at:,})")
            damaged.append((at, at + 12 + length))
            notes.append(f"its {NAMES.get(kind, kind.decode() + ' chunk')} is damaged and was left out")
        at += 12 + length
        if kind == b"IEND":
            break
    return (_without(file, damaged) if damaged else None), list(dict.fromkeys(notes))


def _checksum(file: IO[bytes], kind: bytes, length: int) -> int | None:
    """The checksum of a chunk's data; None where the file ends within them."""
    checksum = crc32(kind)
    while length:
        block = file.read(min(length, BLOCK))
        if not block:
            return None
        checksum = crc32(block, checksum)
        length -= len(block)
    return checksum


def _without(file: IO[bytes], parts: list[tuple[int, int]]) -> io.BytesIO:
    file.seek(0)
    data = file.read()
    for first, last in reversed(parts):
        data = data[:first] + data[last:]
    return io.BytesIO(data)
