"""JPEG files of large pictures, encoded in bands of rows side by side: no thread waits, and no map is held.

Each band is encoded by Pillow as a picture of its own. A band is one restart interval (ITU T.81, E.1.3 and F.1.2), so
the scans of all of them, with a restart marker between, are the scan of the whole; the header is the first one's with
the whole height in it. Decoded, the file gives the samples that it would give encoded in one go.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convtool.picture import Layout

PIXELS = 1 << 19
"""Of a band, about: enough to be worth a turn, and little fresh memory."""
ONE_PIECE = 1 << 21
"""Pixels up to which a picture is written in one piece."""
MOST_BLOCKS = 65535
"""Of a restart interval."""
BLOCK = {1: 8, 3: 16}
"""Rows and columns that are encoded together, by channels: colour at half the resolution (4:2:0) takes four blocks."""
START, FRAME, SCAN, RESTART = b"\xff\xd8", b"\xff\xc0", b"\xff\xda", 0xD0
"""Markers: start of an image, baseline frame, scan, and the first of eight restarts."""
END_BYTES = 2

Samples = NDArray[Any]
Mapped = Callable[[Iterable[Samples], Callable[[Samples], bytes]], Iterator[bytes]]


def band_rows(layout: Layout) -> int:
    """Rows of a band, whole blocks; 0 for a picture that is better written in one piece."""
    block = BLOCK.get(layout.channels, 0)
    if not block or layout.height * layout.width <= ONE_PIECE:
        return 0
    across = -(-layout.width // block)
    blocks = min(PIXELS // (across * block * block), MOST_BLOCKS // across)
    return max(blocks, 1) * block


def write_bands(
    strips: Iterator[Samples], layout: Layout, options: dict[str, Any], file: IO[bytes], mapped: Mapped
) -> None:
    """Write samples that come in strips (rows, W, C); ``mapped`` encodes the bands of them, in their order."""
    rows = band_rows(layout)
    block = BLOCK[layout.channels]
    interval = {"restart_marker_blocks": rows // block * -(-layout.width // block)}
    plain = {"quality": options["quality"], **interval}
    bands = _bands(strips, layout, rows)
    first = next(bands)
    header, scan = _parts(encoded(first, {**options, **interval}))
    file.write(_with_height(header, layout.height))
    file.write(scan)
    for index, part in enumerate(mapped(bands, lambda band: _parts(encoded(band, plain))[1])):
        file.write(bytes((0xFF, RESTART + index % 8)))
        file.write(part)
    file.write(b"\xff\xd9")


def encoded(samples: Samples, options: dict[str, Any]) -> bytes:
    """A JPEG of samples (H, W, C). Pillow lets other threads run while it encodes, but only into a real file."""
    image = Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)
    with _memory_file() as file:
        image.save(file, "JPEG", **options)
        file.seek(0)
        return file.read()


def _memory_file() -> IO[bytes]:
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("convtool"), "w+b")
    from tempfile import TemporaryFile

    return TemporaryFile()


def _bands(strips: Iterator[Samples], layout: Layout, rows: int) -> Iterator[Samples]:
    """The same samples in bands of ``rows``, each an array of its own; the last may be lower."""
    left, gathered = layout.height, 0
    band = np.empty((min(rows, left), layout.width, layout.channels), dtype=np.uint8)
    for strip in strips:
        taken = 0
        while taken < len(strip):
            part = strip[taken : taken + len(band) - gathered]
            band[gathered : gathered + len(part)] = part
            gathered, taken = gathered + len(part), taken + len(part)
            if gathered == len(band):
                yield band
                left, gathered = left - gathered, 0
                band = np.empty((min(rows, left), layout.width, layout.channels), dtype=np.uint8)


def _parts(jpeg: bytes) -> tuple[bytes, bytes]:
    """What stands before the entropy-coded samples, and these."""
    at = _segment(jpeg, SCAN)
    start = at + 2 + _length(jpeg, at)
    return jpeg[:start], jpeg[start:-END_BYTES]


def _with_height(header: bytes, height: int) -> bytes:
    at = _segment(header, FRAME) + 5  # behind marker, length and precision
    return header[:at] + struct.pack(">H", height) + header[at + 2 :]


def _segment(jpeg: bytes, marker: bytes) -> int:
    """Where a segment begins."""
    at = len(START)
    while jpeg[at : at + 2] != marker:
        at += 2 + _length(jpeg, at)
    return at


def _length(jpeg: bytes, at: int) -> int:
    return int.from_bytes(jpeg[at + 2 : at + 4], "big")
