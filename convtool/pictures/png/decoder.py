"""Plain 8-bit PNG files decoded band by band, in less than half of Pillow's time: where the extra ``deep`` is there.

isal inflates, and libpng, which imagecodecs brings, undoes the row filters. libpng only reads whole files, and would
inflate by zlib; so it is given small files of a band of rows, not compressed. The first row of each is the last of the
band before, unfiltered, which the filters of the next row look back at.

Whatever is out of the ordinary (palettes, transparent colours, interlacing, frames, damage) is left to Pillow.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convtool.pictures.png.chunks import CHANNELS, SIGNATURE, chunk
from convtool.pictures.png.deflate import INFLATE_ERRORS, stored, unpacker
from convtool.pictures.png.soundness import known_filters
from convtool.tuples import NamedTuple

PLAIN = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
"""Chunks that decide how the image data is read; another of their kind is unknown to us."""
NOT_PLAIN = (b"tRNS", b"acTL")

BAND_BYTES = 1 << 18
"""Of a band, which stays in cache while its filters are undone."""
PIECE = 1 << 16
"""Bytes of image data that are inflated at a time."""
LARGE = 1 << 22
"""Pixels from which a second thread inflates ahead."""

DAMAGE: tuple[type[Exception], ...] = (*INFLATE_ERRORS, EOFError, RuntimeError, ValueError)
"""What a damaged stream, or one that is too short or too long, comes to."""

Samples = NDArray[np.uint8]


class Chunks(NamedTuple):
    """What a PNG file consists of."""

    header: bytes
    """Data of IHDR."""
    others: list[bytes]
    """Whole chunks beside header, image data and end, in order."""
    image: list[tuple[int, int]]
    """Where image data lies in the file, and how many bytes."""

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return int.from_bytes(self.header[4:8], "big"), int.from_bytes(self.header[:4], "big")

    @property
    def pixels(self) -> int:
        """How many."""
        return self.size[0] * self.size[1]


def plain_chunks(file: IO[bytes]) -> Chunks | None:
    """The chunks of a PNG file whose checksums are right, if ``decoded`` takes it; None for any other."""
    others: list[bytes] = []
    image: list[tuple[int, int]] = []
    header, at, last = b"", len(SIGNATURE), b""
    while last != b"IEND":
        file.seek(at)
        head = file.read(8)
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind in NOT_PLAIN or (kind[:1].isupper() and kind not in PLAIN) or (kind == b"IHDR") != (at == 8):
            return None
        if kind == b"IDAT":
            if image and last != b"IDAT":
                return None
            image.append((at + 8, length))
        elif kind == b"IHDR":
            header = file.read(length)
        elif kind != b"IEND":
            others.append(head + file.read(length + 4))
        at, last = at + 12 + length, kind
    depth, colour, *methods = header[8:13]
    return Chunks(header, others, image) if image and depth == 8 and colour in CHANNELS and not any(methods) else None


def decoded(file: IO[bytes], chunks: Chunks) -> Samples | None:
    """Samples (H, W, C) of a file; None for damage of its image data."""
    import imagecodecs

    (height, width), channels = chunks.size, CHANNELS[chunks.header[9]]
    row = 1 + width * channels
    rows = max(BAND_BYTES // row, 1)
    samples = np.empty((height, width, channels), dtype=np.uint8)
    bands = _inflated(file, chunks.image, rows * row, height * row)
    before, first = b"", 0
    try:
        for filtered in _ahead(bands) if chunks.pixels >= LARGE else bands:
            if not known_filters(filtered, row):
                return None
            last = first + len(filtered) // row
            into = samples[max(first - 1, 0) : last]
            imagecodecs.png_decode(_file(chunks.header, into.shape, before + filtered), out=into)
            before, first = b"\0" + into[-1].tobytes(), last
    except DAMAGE:
        return None
    return samples


def described(chunks: Chunks) -> Image.Image:
    """An image of one pixel with the file's metadata, for Pillow to read them as it always does."""
    channels = CHANNELS[chunks.header[9]]
    parts = [_header(chunks.header, 1, 1), *chunks.others, chunk(b"IDAT", zlib.compress(bytes(1 + channels)))]
    from PIL import PngImagePlugin  # Image.open would load the plugins of five formats

    image = PngImagePlugin.PngImageFile(io.BytesIO(b"".join((SIGNATURE, *parts, chunk(b"IEND", b"")))))
    image.load()
    return image


def _ahead(bands: Iterator[bytes]) -> Iterator[bytes]:
    """The bands, each made by another thread while the one before is in use."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, bands, None)
        while (band := coming.result()) is not None:
            coming = pool.submit(next, bands, None)
            yield band


def _inflated(file: IO[bytes], places: list[tuple[int, int]], size: int, total: int) -> Iterator[bytes]:
    """The rows with their filters, in blocks of ``size`` bytes; raises EOFError unless they are ``total``."""
    stream = unpacker()
    block, left = bytearray(), total
    for piece in _pieces(file, places):
        waiting: bytes = piece
        while not stream.eof:
            # Behind the last row, one more byte is asked for: there is none, but the checksum is looked at.
            wanted = min(size, left) - len(block) or 1
            made = stream.decompress(waiting, wanted)
            if made and not left:
                raise EOFError
            block += made
            waiting = stream.unconsumed_tail
            if left and len(block) == min(size, left):
                left -= len(block)
                yield bytes(block)
                block.clear()
            if not waiting and len(made) < wanted:
                break  # otherwise there may be more within the decompressor
    if left or not stream.eof:
        raise EOFError


def _pieces(file: IO[bytes], places: list[tuple[int, int]]) -> Iterator[bytes]:
    for at, length in places:
        file.seek(at)
        while length:
            piece = file.read(min(length, PIECE))
            length -= len(piece)
            yield piece


def _file(header: bytes, shape: tuple[int, ...], filtered: bytes) -> bytes:
    """A PNG file of some filtered rows, of shape (rows, W, C)."""
    data = chunk(b"IDAT", stored(filtered))
    return b"".join((SIGNATURE, _header(header, shape[0], shape[1]), data, chunk(b"IEND", b"")))


def _header(header: bytes, height: int, width: int) -> bytes:
    return chunk(b"IHDR", width.to_bytes(4, "big") + height.to_bytes(4, "big") + header[8:])
