"""What a PNG file is made of (PNG, 5 and 11.2.1)."""

from __future__ import annotations

from collections.abc import Iterator

from convtool.pictures.png.deflate import crc32

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
"""Samples of a pixel by the colour type of a header: grey, RGB, and both with alpha."""


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk with its checksum."""
    return b"".join((len(data).to_bytes(4, "big"), kind, data, crc32(data, crc32(kind)).to_bytes(4, "big")))


def chunks(file: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kinds and data of the chunks of a file; checksums are not looked at."""
    at = len(SIGNATURE)
    while at + 8 <= len(file):
        length = int.from_bytes(file[at : at + 4], "big")
        yield file[at + 4 : at + 8], file[at + 8 : at + 8 + length]
        at += 12 + length
