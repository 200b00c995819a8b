"""Image formats by suffix: which are read, which are written, and what each can hold. No library is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convtool.tuples import NamedTuple

if TYPE_CHECKING:
    from convtool.pictures.picture import Layout

DEEP_EXTRA = "pip install 'convtool[deep]'"
"""What brings the libraries for more than 8 bits in colour."""


class Format(NamedTuple):
    """A format we write: ``colours`` and ``dtypes`` it can hold, whether alpha and frames, and its longest side."""

    name: str
    colours: tuple[int, ...]
    dtypes: tuple[str, ...]
    alpha: bool
    frames: bool = False
    side: int = 2**31 - 1


FORMATS = {
    "png": Format("png", (1, 3), ("uint8", "uint16"), alpha=True, frames=True),
    "jpg": Format("jpg", (1, 3), ("uint8",), alpha=False, side=65500),
    "tif": Format("tif", (1, 3), ("uint8", "uint16", "float32"), alpha=True, frames=True),
    "webp": Format("webp", (1, 3), ("uint8",), alpha=True, frames=True, side=16383),
    "bmp": Format("bmp", (1, 3), ("uint8",), alpha=False),
    "ppm": Format("ppm", (1, 3), ("uint8",), alpha=False),
    "pgm": Format("pgm", (1,), ("uint8", "uint16"), alpha=False),
    "npy": Format("npy", (), ("uint8", "uint16", "float32"), alpha=True),
}
WRITTEN = {
    "png": "png",
    "jpg": "jpg",
    "jpeg": "jpg",
    "jpe": "jpg",
    "jfif": "jpg",
    "tif": "tif",
    "tiff": "tif",
    "webp": "webp",
    "bmp": "bmp",
    "ppm": "ppm",
    "pnm": "ppm",
    "pgm": "pgm",
    "npy": "npy",
}
READ_ONLY = ("gif", "ico", "avif", "apng", "mpo", "pbm", "pfm")


def format_of(suffix: str) -> str | None:
    """The format that a suffix (with or without dot, any case) is written as; None if it is not."""
    return WRITTEN.get(suffix.removeprefix(".").lower())


def is_image_suffix(suffix: str) -> bool:
    """Whether files of this suffix are taken from a folder."""
    return format_of(suffix) is not None or suffix.removeprefix(".").lower() in READ_ONLY


def refusal(name: str, layout: Layout) -> str | None:
    """Why a format cannot hold a picture of ``layout``, with the ways out; None if it can."""
    found = FORMATS[name]
    if layout.alpha and not found.alpha:
        return f"{name} cannot hold alpha; write {_those(layout)}, or give --alpha drop"
    if layout.dtype not in found.dtypes:
        return f"{name} cannot hold {layout.dtype} samples; write {_those(layout)}, or give --dtype uint8"
    if found.colours and layout.colours not in found.colours:
        return f"{name} cannot hold {layout.colours} colour channels; write {_those(layout)}"
    if max(layout.height, layout.width) > found.side:
        return f"{name} cannot hold a side of {max(layout.height, layout.width):,}, {found.side:,} is its longest"
    if needs_deep(name, layout) and not has_deep():
        return f"{layout.dtype} colour as {name} needs an extra: {DEEP_EXTRA}; npy needs none"
    return None


def needs_deep(name: str, layout: Layout) -> bool:
    """Whether only the extra can write a picture of ``layout``."""
    return name == "tif" and layout.channels > 1 and layout.dtype != "uint8"


def has_deep() -> bool:
    """Whether the libraries of the extra are installed."""
    from importlib.util import find_spec

    return find_spec("tifffile") is not None and find_spec("imagecodecs") is not None


def _those(layout: Layout) -> str:
    names = [
        each.name
        for each in FORMATS.values()
        if (each.alpha or not layout.alpha)
        and layout.dtype in each.dtypes
        and (not each.colours or layout.colours in each.colours)
    ]
    return " or ".join(names)
