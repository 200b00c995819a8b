"""PNG files out, row by row: PNG specification, third edition.

    with PngWriter(file, height, width, channels, depth) as png:
        for rows in strips:
            png.write(rows)

Rows are gathered into strips, the strips filtered and compressed side by side on threads and written in their order.
The bytes depend on the pixels and the options alone: not on how many rows come at a time, nor on threads or timing.
"""

from __future__ import annotations

import struct
import zlib
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from convtool.machine import cores
from convtool.pictures.png.deflate import adler32_joined, crc32
from convtool.pictures.png.filters import Bytes
from convtool.pictures.png.smallest import SMALL, SmallPacker
from convtool.pictures.png.strips import FAST, STRIP_BYTES, Packed, pack

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""Channels to PNG colour type: grey, grey and alpha, RGB, RGBA."""
LARGEST_SIDE = 2**31 - 1
ZLIB_HEADER = b"\x78\x01"
"""Deflate with a window of 32 KB."""
CHUNK_BYTES = 64 * 1024
"""Image data wait for so many more, as each chunk takes twelve."""
FEW_STRIPS = 3
"""Up to so many strips, starting threads takes longer than they save."""
MOST_THREADS = 8
"""More would wait for the one that gathers the rows and writes the file."""


class PngWriter:
    """A PNG file in the making; leave the ``with`` block after all rows are written, and the file is complete.

    ``channels`` is 1 to 4 (grey, grey and alpha, RGB, RGBA), ``depth`` 8 or 16 bits a sample. ``compress`` is
    ``fast``, ``small`` or a zlib level from ``0`` to ``9``. ``metadata`` may hold ``icc_profile`` and ``exif`` (bytes),
    ``dpi`` (a pair) and ``text`` (a mapping of strings). ``threads`` are those that pack strips: 1 is the caller's own,
    None as many as there are cores if the picture is large. An error in the block leaves an unfinished file behind.
    """

    def __init__(
        self,
        file: IO[bytes],
        height: int,
        width: int,
        channels: int,
        depth: int,
        *,
        compress: str = FAST,
        metadata: Mapping[str, Any] | None = None,
        threads: int | None = None,
    ) -> None:
        if not (0 < height <= LARGEST_SIDE and 0 < width <= LARGEST_SIDE):
            raise ValueError(f"a PNG has 1 to {LARGEST_SIDE} rows and columns, not {height} x {width}")
        if channels not in COLOUR_TYPES or depth not in (8, 16):
            raise ValueError(f"PNG has no {channels} channels of {depth} bits here: 1 to 4 of 8 or 16")
        if compress not in (FAST, SMALL, *"0123456789"):
            raise ValueError(f"compress is {FAST}, {SMALL} or 0 to 9, not {compress!r}")
        self._file = file
        self._height, self._width, self._channels = height, width, channels
        self._type = np.dtype(np.uint8 if depth == 8 else ">u2")
        self._native = np.dtype(np.uint8 if depth == 8 else np.uint16)
        self._margin = channels * depth // 8
        self._compress = compress
        self._small = SmallPacker(self._margin) if compress == SMALL else None
        self._strip_rows = min(max(STRIP_BYTES // (width * self._margin), 1), height)
        few = height <= self._strip_rows * (1 if self._small else FEW_STRIPS)
        self._threads = threads or (1 if few else min(cores(), MOST_THREADS))
        self._pool: ThreadPoolExecutor | None = None
        self._packing: deque[Future[Packed]] = deque()
        self._block = self._new_block()
        self._gathered = 0
        self._given = 0
        self._waiting = [ZLIB_HEADER]
        self._adler = 1
        file.write(SIGNATURE)
        self._chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, COLOUR_TYPES[channels], 0, 0, 0))
        for kind, data in _metadata_chunks(metadata or {}):
            self._chunk(kind, data)

    def __enter__(self) -> PngWriter:
        if self._threads > 1:
            from concurrent.futures import ThreadPoolExecutor  # takes 5 ms, which a small picture need not wait for

            self._pool = ThreadPoolExecutor(self._threads)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._finish()
        finally:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)

    def write(self, rows: NDArray[Any]) -> None:
        """Take the next rows, (n, W, C) or (n, W) for one channel; the array may be reused when this returns."""
        rows = rows[..., np.newaxis] if rows.ndim == 2 else rows
        if rows.shape[1:] != (self._width, self._channels) or rows.dtype.newbyteorder("=") != self._native:
            raise ValueError(f"rows of {rows.shape[1:]} {rows.dtype} for a picture of {self._width, self._channels}")
        if self._given + len(rows) > self._height:
            raise ValueError(f"more than the {self._height} rows that were announced")
        taken = 0
        while taken < len(rows):
            count = min(self._strip_rows - self._gathered, len(rows) - taken)
            self._gather(rows[taken : taken + count])
            taken += count
            if self._gathered == self._strip_rows or self._given == self._height:
                self._send()

    def _new_block(self) -> Bytes:
        """Room for a strip, with a row above and a pixel to the left of nothing."""
        block = np.empty((self._strip_rows + 1, (self._width + 1) * self._margin), dtype=np.uint8)
        block[0] = 0
        block[:, : self._margin] = 0
        return block

    def _gather(self, rows: NDArray[Any]) -> None:
        first = 1 + self._gathered
        target = self._block[first : first + len(rows), self._margin :].view(self._type)
        target[...] = rows.reshape(len(rows), -1)
        self._gathered += len(rows)
        self._given += len(rows)

    def _send(self) -> None:
        """Have the gathered rows packed, and begin a new strip below them."""
        block = self._block[: self._gathered + 1]
        last = self._given == self._height
        if self._small is not None or self._pool is None:
            if self._small is not None:
                packed = self._small.pack(block, last, map if self._pool is None else self._pool.map)
            else:
                packed = pack(block, self._margin, self._compress, last)
            self._block[0] = block[-1]
            self._image_data(packed, last)
        else:
            self._packing.append(self._pool.submit(pack, block, self._margin, self._compress, last))
            self._block = self._new_block()
            self._block[0] = block[-1]
            # One strip waits for each that is being packed: more would only take memory.
            while self._packing and (len(self._packing) > 2 * self._threads or self._packing[0].done()):
                self._image_data(self._packing.popleft().result(), last and not self._packing)
        self._gathered = 0

    def _finish(self) -> None:
        if self._given < self._height:
            raise ValueError(f"{self._given} rows were written of the {self._height} that were announced")
        while self._packing:
            packed = self._packing.popleft().result()
            self._image_data(packed, not self._packing)
        self._chunk(b"IEND", b"")

    def _image_data(self, packed: Packed, last: bool) -> None:
        self._adler = adler32_joined(self._adler, packed.adler, packed.length)
        self._waiting.append(packed.data)
        if last:
            self._waiting.append(struct.pack(">I", self._adler))
        if last or sum(map(len, self._waiting)) >= CHUNK_BYTES:
            self._chunk(b"IDAT", b"".join(self._waiting))
            self._waiting.clear()

    def _chunk(self, kind: bytes, data: bytes) -> None:
        self._file.write(struct.pack(">I4s", len(data), kind))
        self._file.write(data)
        self._file.write(struct.pack(">I", crc32(data, crc32(kind))))


def _metadata_chunks(metadata: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    chunks = []
    if profile := metadata.get("icc_profile"):
        chunks.append((b"iCCP", b"ICC Profile\0\0" + zlib.compress(profile)))
    density = [float(value) / 0.0254 for value in metadata.get("dpi") or ()]
    # Some files claim none, or something that is no number.
    if density and all(0.5 < value < LARGEST_SIDE for value in density):
        chunks.append((b"pHYs", struct.pack(">IIB", *map(round, density), 1)))
    if exif := metadata.get("exif", b"").removeprefix(b"Exif\0\0"):
        chunks.append((b"eXIf", exif))
    chunks += [_text_chunk(key, value) for key, value in metadata.get("text", {}).items()]
    return chunks


def _text_chunk(keyword: str, text: str) -> tuple[bytes, bytes]:
    """tEXt where Latin-1 holds the text, else iTXt; raises ValueError for what neither holds."""
    try:
        key = keyword.encode("latin-1")
    except UnicodeEncodeError:
        key = b""
    # 1 to 79 printable characters, no blank at an end nor two on end.
    printable = all(32 <= code <= 126 or code >= 161 for code in key)
    if not (1 <= len(key) <= 79 and printable and key.split(b" ") == key.split()) or "\0" in text:
        raise ValueError(f"PNG cannot hold a text under the keyword {keyword!r}")
    try:
        return b"tEXt", key + b"\0" + text.encode("latin-1")
    except UnicodeEncodeError:
        return b"iTXt", key + b"\0\0\0\0\0" + text.encode("utf-8")
