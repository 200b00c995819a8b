"""Files for the tests of formats: run, write, read back."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

Run = Callable[..., tuple[int, str, str]]
Array = NDArray[Any]


def noise(*shape: int, dtype: str = "uint8", seed: int = 4) -> Array:
    """Random samples over the whole range of a type; float ones from 0 to 1."""
    random = np.random.default_rng(seed)
    if dtype == "float32":
        return random.random(shape, dtype=np.float32)
    return random.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def saved(path: str, image: Image.Image | Array, **options: Any) -> Path:
    """A picture written by Pillow."""
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(path, **options)
    return Path(path)


def opened(path: str | Path) -> Image.Image:
    """A picture read by Pillow, file closed."""
    with Image.open(path) as image:
        image.load()
        image.getexif()
        return image


def samples(path: str | Path) -> Array:
    """Samples as Pillow reads them."""
    return np.asarray(opened(path))


def srgb_profile() -> bytes:
    """An ICC profile made by LittleCMS."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def cmyk_profile() -> bytes:
    """A printer's profile by hand (ICC.1, lut8Type): paper is white, and what it calls cyan is a dark red."""
    clut = bytearray()
    for node in range(16):  # cyan is the slowest of the four
        light = 0 if node & 1 else 255 if node == 0 else 102
        clut += bytes([light, 190 if node == 8 else 128, 170 if node == 8 else 128])
    ramp = bytes(range(256))
    matrix = struct.pack(">9i", *(65536 * (at % 4 == 0) for at in range(9)))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix + ramp * 4 + bytes(clut) + ramp * 3
    tags = struct.pack(">I4sII", 1, b"A2B0", 144, len(table)) + table
    head = struct.pack(">I4sI", 128 + len(tags), b"none", 0x02400000) + b"prtrCMYKLab " + bytes(12) + b"acsp"
    return head.ljust(68, b"\0") + struct.pack(">3I", 0xF6D6, 0x10000, 0xD32D) + bytes(48) + tags


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(header: tuple[int, int, int, int], rows: bytes, *extra: bytes) -> bytes:
    """A PNG file of width, height, depth and colour type, from unfiltered rows and chunks that stand before them."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *header, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def png16(values: Array, *extra: bytes) -> bytes:
    """A 16-bit PNG in colour, or grey, with or without alpha, written by hand."""
    height, width = values.shape[:2]
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[values.shape[2]]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png((width, height, 16, kind), rows, *extra)


def damaged_chunk(data: bytes, kind: bytes) -> bytes:
    """A PNG file with one bit of a chunk's data turned."""
    at = data.index(kind) + len(kind) + 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def jpeg_bytes(values: Array) -> bytes:
    """A small JPEG, as cameras embed it."""
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "JPEG", quality=60)
    return buffer.getvalue()
