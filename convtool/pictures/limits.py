"""What an input may have at most, and the file while it is read."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import IO

from convtool.errors import InputError
from convtool.tuples import NamedTuple

MAX_PIXELS = 89_478_485
"""Default limit of an input's pixels: a quarter of a gigabyte of RGB, the level at which Pillow warns."""

MAX_BYTES = 1 << 30
"""Default limit of bytes read from standard input: 1 GiB."""

DECODER_ERRORS = (
    OSError,
    ValueError,
    TypeError,
    EOFError,
    SyntaxError,
    KeyError,
    IndexError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    AssertionError,
    struct.error,
    zlib.error,
)
"""What the decoders are known to raise for broken files: not one family."""


class Limits(NamedTuple):
    """What an input may have at most, and how it is read."""

    pixels: int = MAX_PIXELS
    reduce_16bit: bool = False
    """16-bit colour may be reduced to the 8 bits that Pillow reads where the extra is missing."""
    frames: bool = False
    """All frames are wanted, not only the first."""
    lenient: bool = False
    """Damaged files are read as far as they go."""


class Opened(NamedTuple):
    """A file while it is read."""

    source: Path | bytes
    file: IO[bytes]
    limits: Limits
    header_only: bool
    forced: bool
    """Strict reading has failed, so what there is is taken."""
    notes: list[str]


def check_size(height: int, width: int, limits: Limits) -> None:
    """Raise InputError unless a picture has pixels, and not too many."""
    if height < 1 or width < 1:
        raise InputError(f"has no pixels ({height}x{width})")
    if height * width > limits.pixels:
        raise InputError(
            f"has {height * width:,} pixels ({height}x{width}), the limit is {limits.pixels:,}; --max-pixels raises it"
        )


def check_frames(pixels: int, frames: int, limits: Limits) -> None:
    """Raise InputError if the frames have too many pixels together."""
    if pixels > limits.pixels:
        raise InputError(
            f"has {pixels:,} pixels in {frames:,} frames, the limit is {limits.pixels:,}; --max-pixels raises it"
        )
