"""Deflate in pieces that can be made side by side, and the checksums around it.

A piece is compressed by itself, ends on a byte boundary and is not the stream's end unless it is ``last``: pieces on
end are one valid stream. ``isal`` does this five times as fast as zlib; where it has no wheels, zlib takes its place.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

try:
    from isal import isal_zlib
except ImportError:
    isal_zlib = None  # type: ignore[assignment]

ADLER_BASE = 65521
MEMORY = 6
"""Of isal: somewhat less than its usual memory makes shorter blocks, whose codes fit closer at the same speed."""
MOST_STORED = 0xFFFF
"""Bytes of a block that is not compressed."""
REACH = 1 << zlib.MAX_WBITS
"""How far back a match may reach, in bytes."""


def has_isal() -> bool:
    """Whether pieces are made by isal rather than zlib."""
    return isal_zlib is not None


def quick(data: Any, last: bool = True) -> bytes:
    """A piece, fast: isal's first level, or runs and Huffman codes only by zlib.

    On filtered photographs zlib's run-length strategy is faster and smaller than its first level.
    """
    if isal_zlib is not None:
        packer = isal_zlib.compressobj(1, isal_zlib.DEFLATED, -zlib.MAX_WBITS, MEMORY)
        return packer.compress(data) + packer.flush(isal_zlib.Z_FINISH if last else isal_zlib.Z_SYNC_FLUSH)
    return thorough(data, 1, last, zlib.Z_RLE)


def thorough(
    data: Any, level: int, last: bool = True, strategy: int = zlib.Z_DEFAULT_STRATEGY, before: bytes = b""
) -> bytes:
    """A piece by zlib; its matches may reach back into ``before``, the end of what precedes it in the stream."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, 9, strategy, *([before] if before else []))
    return packer.compress(data) + packer.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)


def stored(data: bytes) -> bytes:
    """A zlib stream of data that are not compressed (RFC 1950 and 1951, 3.2.4)."""
    parts: list[bytes | memoryview] = [b"\x78\x01"]
    for at in range(0, max(len(data), 1), MOST_STORED):
        piece = memoryview(data)[at : at + MOST_STORED]
        last = at + MOST_STORED >= len(data)
        parts += (struct.pack("<BHH", last, len(piece), len(piece) ^ 0xFFFF), piece)
    return b"".join((*parts, adler32(data).to_bytes(4, "big")))


def unpacker() -> Any:
    """A decompressor of one zlib stream, as zlib's ``decompressobj``; it raises what INFLATE_ERRORS holds."""
    return isal_zlib.decompressobj() if isal_zlib is not None else zlib.decompressobj()


INFLATE_ERRORS: tuple[type[Exception], ...] = (zlib.error,)
if isal_zlib is not None:
    INFLATE_ERRORS += (isal_zlib.error,)  # type: ignore[operator]


def crc32(data: Any, value: int = 0) -> int:
    """The checksum of PNG's chunks, going on from ``value``."""
    return isal_zlib.crc32(data, value) if isal_zlib is not None else zlib.crc32(data, value)


def adler32(data: Any) -> int:
    """The checksum at the end of a zlib stream."""
    return isal_zlib.adler32(data) if isal_zlib is not None else zlib.adler32(data)


def adler32_joined(first: int, second: int, length: int) -> int:
    """The Adler-32 of two pieces on end from their own, ``length`` being the second's in bytes.

    The low half is 1 plus the sum of the bytes; the high half is the sum of all low halves along the way. In the
    joined stream each of the second's low halves is larger by the first's bytes.
    """
    low = (first & 0xFFFF) - 1
    high = (first >> 16) + (second >> 16) + low * length
    return high % ADLER_BASE << 16 | (low + (second & 0xFFFF)) % ADLER_BASE
