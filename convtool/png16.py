"""16-bit PNG in colour or with alpha, which Pillow cannot write: PNG specification, third edition."""

from __future__ import annotations

import struct
import zlib
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""Channels to PNG colour type."""
UP = 2
"""Row filter: the difference to the row above."""
BLOCK = 64
"""Rows compressed at a time."""


def write_png16(samples: NDArray[np.uint16], file: IO[bytes], level: int, metadata: dict[str, Any]) -> None:
    """Write samples (H, W, C) of 1 to 4 channels; metadata may hold ``icc_profile``, ``exif`` and ``dpi``."""
    height, width, channels = samples.shape
    file.write(SIGNATURE)
    _chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, 16, COLOUR_TYPES[channels], 0, 0, 0))
    if profile := metadata.get("icc_profile"):
        _chunk(file, b"iCCP", b"ICC Profile\0\0" + zlib.compress(profile))
    if dpi := metadata.get("dpi"):
        x, y = (round(float(value) / 0.0254) for value in dpi)
        _chunk(file, b"pHYs", struct.pack(">IIB", x, y, 1))
    if exif := metadata.get("exif"):
        _chunk(file, b"eXIf", exif.removeprefix(b"Exif\0\0"))
    packer = zlib.compressobj(level)
    above = np.zeros((1, width * channels * 2), dtype=np.uint8)
    for first in range(0, height, BLOCK):
        rows = samples[first : first + BLOCK].astype(">u2").view(np.uint8).reshape(-1, width * channels * 2)
        filtered = np.empty((len(rows), rows.shape[1] + 1), dtype=np.uint8)
        filtered[:, 0] = UP
        np.subtract(rows, np.concatenate((above, rows[:-1])), out=filtered[:, 1:])
        above = rows[-1:]
        if data := packer.compress(filtered.tobytes()):
            _chunk(file, b"IDAT", data)
    _chunk(file, b"IDAT", packer.flush())
    _chunk(file, b"IEND", b"")


def _chunk(file: IO[bytes], kind: bytes, data: bytes) -> None:
    file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
