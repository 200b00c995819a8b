"""The codecs of the extra ``deep`` (imagecodecs): faster than Pillow's for plain 8-bit files, and byte for byte alike.

They are loaded once a process has seen enough pixels for that to pay.
"""

from __future__ import annotations

from functools import lru_cache

JPEG, PNG = "JPEG8", "PNG"
"""What the library calls them: libjpeg-turbo for 8 bits, and libpng."""

WORTHWHILE = 1 << 20
"""Pixels that a process reads and writes before the codecs save more time than loading them takes."""

_seen = 0


def pay(pixels: int, codec: str) -> bool:
    """Whether a picture, and those that were asked about before it, are enough to load a codec that is there."""
    global _seen
    _seen += pixels
    return _seen >= WORTHWHILE and have(codec)


@lru_cache(maxsize=2)
def have(codec: str) -> bool:
    """Whether a codec works; it is loaded then. The library may have been built without it."""
    try:
        import imagecodecs

        return bool(getattr(imagecodecs, codec).available)
    except (ImportError, AttributeError):
        return False
