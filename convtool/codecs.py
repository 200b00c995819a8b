"""The codecs of the extra ``deep`` (imagecodecs): faster than Pillow's for plain 8-bit files, and byte for byte alike.

They are loaded once a process has seen enough pixels for that to pay.
"""

from __future__ import annotations

from functools import lru_cache

WORTHWHILE = 1 << 20
"""Pixels that a process reads and writes before the codecs save more time than loading them takes."""

_seen = 0


def pay(pixels: int) -> bool:
    """Whether a picture, and those that were asked about before it, are enough to load the codecs."""
    global _seen
    _seen += pixels
    return _seen >= WORTHWHILE and are_there()


@lru_cache(maxsize=1)
def are_there() -> bool:
    """Whether the extra is installed."""
    from importlib.util import find_spec

    return find_spec("imagecodecs") is not None
