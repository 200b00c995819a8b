"""A PNG file without anything that could make libpng give up: its way out of an error is not safe in imagecodecs.

After a row with an unknown filter, say, the library returns an error, and at some later call the process dies.
"""

from __future__ import annotations

import zlib

from convtool.pictures.png.chunks import CHANNELS, SIGNATURE, chunk, chunks
from convtool.pictures.png.deflate import stored

KEY_BYTES = {0: 2, 2: 6}
"""Of a colour key, by the colour type."""
LAST_FILTER = 4
PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""First row and column, and the steps, of the passes of an interlaced picture (PNG, 8.2)."""


def bare_png(data: bytes) -> bytes | None:
    """Header, colour key and image data of a file without a palette; None where these are not sound."""
    parts: dict[bytes, bytes] = {}
    for kind, body in chunks(data):
        if kind in (b"IHDR", b"tRNS", b"IDAT"):
            parts[kind] = parts.get(kind, b"") + body
    header, key = parts.get(b"IHDR", b""), parts.get(b"tRNS")
    if len(header) != 13 or header[9] not in CHANNELS or header[8] not in (8, 16) or header[12] > 1:
        return None
    rows = _sound_rows(header, parts.get(b"IDAT", b""))
    if rows is None:
        return None
    keyed = [(b"tRNS", key)] if key is not None and len(key) == KEY_BYTES.get(header[9]) else []
    whole = ((b"IHDR", header), *keyed, (b"IDAT", stored(rows)), (b"IEND", b""))
    return SIGNATURE + b"".join(chunk(kind, body) for kind, body in whole)


def known_filters(rows: bytes, size: int) -> bool:
    """Whether rows of ``size`` bytes begin with filters that there are."""
    return not rows or max(rows[::size]) <= LAST_FILTER


def _sound_rows(header: bytes, image: bytes) -> bytes | None:
    """The rows with their filters, as many as the header says."""
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    pixel = CHANNELS[header[9]] * header[8] // 8
    steps = PASSES if header[12] else ((0, 0, 1, 1),)
    sizes = [(-((row - height) // down), -((column - width) // along)) for row, column, down, along in steps]
    shapes = [(rows, 1 + columns * pixel) for rows, columns in sizes if rows > 0 and columns > 0]
    total = sum(rows * size for rows, size in shapes)
    stream = zlib.decompressobj()
    try:
        raw = stream.decompress(image, total)
        more = stream.decompress(stream.unconsumed_tail, 1)  # the checksum is looked at after the last row
    except zlib.error:
        return None
    if len(raw) < total or not (more or stream.eof):
        return None
    at = 0
    for rows, size in shapes:
        if not known_filters(raw[at : at + rows * size], size):
            return None
        at += rows * size
    return raw if shapes else None
