"""The formats: a row says how a file begins, who reads and writes it, and what it can hold. No library is loaded.

A new format is a row, and a module where Pillow alone does not read or write it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convtool.tuples import NamedTuple

if TYPE_CHECKING:
    from convtool.pictures.picture import Layout

DEEP_EXTRA = "pip install 'convtool[deep]'"
"""What brings the libraries for more than 8 bits in colour."""

ALL = ("uint8", "uint16", "float32")


class Format(NamedTuple):
    """A format by the name that ``-f`` has for it.

    ``colours``, ``dtypes``, ``alpha`` and ``frames`` say what a file can hold, ``side`` how long a side it can have.
    """

    name: str
    kind: str
    """Pillow's name, or NPY. Formats of one kind are read alike."""
    suffixes: tuple[str, ...]
    """Those that it is written as; of a format that is only read, those that it has."""
    begins: bytes = b""
    """A regular expression of a file's first bytes; empty where another format of the kind has it."""
    module: str = "pillow_files"
    """The module of this room that reads and writes it, a ``codec.Codec``."""
    dtypes: tuple[str, ...] = ()
    """Empty for a format that is only read."""
    colours: tuple[int, ...] = (1, 3)
    """Numbers of colour channels; empty for any."""
    alpha: bool = False
    frames: bool = False
    side: int = 2**31 - 1
    also: tuple[str, ...] = ()
    """Further suffixes of files that are only read."""


KNOWN = (
    Format("png", "PNG", ("png",), rb"\x89PNG\r\n\x1a\n", "png.files", ("uint8", "uint16"), alpha=True, frames=True,
           also=("apng",)),
    Format("jpg", "JPEG", ("jpg", "jpeg", "jpe", "jfif"), rb"\xff\xd8\xff", "jpeg.files", ("uint8",), side=65500,
           also=("mpo",)),
    Format("tif", "TIFF", ("tif", "tiff"), rb"II[*+]\0|MM\0[*+]", "tiff", ALL, alpha=True, frames=True),
    Format("webp", "WEBP", ("webp",), rb"RIFF....WEBP", dtypes=("uint8",), alpha=True, frames=True, side=16383),
    Format("gif", "GIF", ("gif",), rb"GIF8"),
    Format("bmp", "BMP", ("bmp",), rb"BM", dtypes=("uint8",)),
    Format("ppm", "PPM", ("ppm", "pnm"), rb"P[1-6fF]\s", "ppm", ("uint8",)),
    Format("pgm", "PPM", ("pgm",), module="ppm", dtypes=("uint8", "uint16"), colours=(1,), also=("pbm", "pfm")),
    Format("ico", "ICO", ("ico",), rb"\x00\x00\x01\x00"),
    Format("avif", "AVIF", ("avif",), rb"....ftyp(avif|avis|mif1|msf1)"),
    Format("npy", "NPY", ("npy",), rb"\x93NUMPY", "npy", ALL, (), alpha=True),
)  # fmt: skip
"""All formats, in the order in which they are listed."""

FORMATS = {each.name: each for each in KNOWN if each.dtypes}
"""Those that are written."""

WRITTEN = {suffix: each.name for each in FORMATS.values() for suffix in each.suffixes}
READ = {suffix for each in KNOWN for suffix in (*each.suffixes, *each.also)}

NOT_AN_IMAGE = f"is not an image that can be read ({', '.join(each.name for each in KNOWN if each.begins)})"


class Encoding(NamedTuple):
    """Encoder settings: ``quality`` of jpg and webp, ``compress`` (fast, small, 0 to 9) of lossless formats.

    ``threads`` are those of one encoder; None: as it sees fit. They never change the bytes.
    """

    quality: int = 92
    compress: str = "fast"
    threads: int | None = None


class Output(NamedTuple):
    """What is written: in which format, of which shape and type, with which settings and metadata."""

    format: Format
    layout: Layout
    encoding: Encoding
    metadata: dict[str, Any]


def format_of(suffix: str) -> str | None:
    """The format that a suffix (with or without dot, any case) is written as; None if it is not."""
    return WRITTEN.get(suffix.removeprefix(".").lower())


def is_image_suffix(suffix: str) -> bool:
    """Whether files of this suffix are taken from a folder."""
    return suffix.removeprefix(".").lower() in READ


def reading(head: bytes) -> Format | None:
    """The format that a file with these first bytes (16 or more) is read as, whatever it is called; None for no image.

    So an EPS that is named .png never starts Ghostscript.
    """
    return next((each for each in KNOWN if each.begins and re.match(each.begins, head, re.DOTALL)), None)


def misnamed(source: Path | bytes, found: Format) -> str | None:
    """What to say where a name promises another image format than the file has."""
    if not isinstance(source, Path) or not is_image_suffix(source.suffix):
        return None
    alike = {suffix for each in KNOWN if each.kind == found.kind for suffix in (*each.suffixes, *each.also)}
    if source.suffix.removeprefix(".").lower() in alike:
        return None
    return f"is a {found.name} file, whatever its name says, and was read as one"


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
