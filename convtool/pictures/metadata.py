"""What survives beside the samples: profile, camera fields, resolution, text. Never an older picture.

Fields are taken over by name, and EXIF is written anew from them: thumbnails, previews, maker notes (which hold
previews, and offsets that no longer lead anywhere) and the structure of a TIFF file stay behind. So do XMP packets
and raw profiles in text, which may carry a thumbnail, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from PIL import Image

from convtool.pictures.picture import Layout

ORIENTATION = 0x0112
"""The EXIF tag that says which side of a picture is up."""
EXIF_IFD, GPS_IFD = 0x8769, 0x8825
WIDTH, HEIGHT = 0xA002, 0xA003
"""EXIF's own record of the picture's size."""
PREDICTOR = 0x013D

KEPT = (
    0x010D,  # document name
    0x010E,  # description
    0x010F,  # make
    0x0110,  # model
    0x011A,  # resolution: horizontal, vertical, unit
    0x011B,
    0x0128,
    0x0131,  # software
    0x0132,  # date
    0x013B,  # artist
    0x013C,  # host computer
    0x4746,  # rating
    0x4749,
    0x8298,  # copyright
    0x9C9B,  # title, comment, author, keywords, subject, as Windows writes them
    0x9C9C,
    0x9C9D,
    0x9C9E,
    0x9C9F,
)
"""Fields of the first directory that are about the picture, not about the file."""

LEFT_OUT = (0x927C, 0xA005)
"""Maker note, and the pointer to the interoperability directory."""

FOREIGN_TEXT = ("raw profile type", "xml:com.adobe.xmp", "thumb::")
"""How the keys of PNG texts begin that are no texts."""

DAMAGED_EXIF = "its EXIF data is damaged and was left out"
DAMAGED_PROFILE = "its colour profile is damaged and was left out"

EXIF_ERRORS = (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError, SyntaxError)
"""What Pillow raises for broken EXIF; struct.error comes as one of its own."""

LONGEST_JPEG_SEGMENT = 65533


def collect(image: Image.Image, notes: list[str], *, turned: bool = False) -> dict[str, Any]:
    """``icc_profile``, ``exif`` and ``dpi`` as Pillow writes them, and ``text``; ``turned`` swaps the axes of dpi."""
    kept: dict[str, Any] = {}
    info = image.info
    if "icc_profile" in info and image.mode != "CMYK":
        profile = info["icc_profile"]
        if is_sound_profile(profile):
            kept["icc_profile"] = profile
        else:
            notes.append(DAMAGED_PROFILE)
    dpi = info.get("dpi")
    if isinstance(dpi, tuple) and len(dpi) == 2 and all(_is_resolution(value) for value in dpi):
        x, y = (float(value) for value in dpi)
        kept["dpi"] = (y, x) if turned else (x, y)
    if exif := clean_exif(image, notes):
        kept["exif"] = exif
    if text := dict(_texts(image)):
        kept["text"] = text
    return kept


def is_sound_profile(profile: object) -> bool:
    """Whether bytes begin as an ICC profile does and are all there (ICC.1, 7.2)."""
    if not isinstance(profile, bytes) or len(profile) < 132 or profile[36:40] != b"acsp":
        return False
    return 132 <= int.from_bytes(profile[:4], "big") <= len(profile)


def _is_resolution(value: Any) -> bool:
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return False
    return math.isfinite(number) and 0 < number < 1e6


def orientation_of(image: Image.Image) -> int:
    """1 to 8; 1 also where the tag cannot be read. Pillow turns a TIFF by itself."""
    import struct

    if image.format == "TIFF":
        return 1
    try:
        # The method of the base class: that of PNG decodes the whole picture to look for EXIF after it.
        found = Image.Image.getexif(image).get(ORIENTATION, 1)
    except (*EXIF_ERRORS, struct.error):
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def clean_exif(image: Image.Image, notes: list[str]) -> bytes:
    """The picture's EXIF written anew from the fields that are kept; nothing if there are none."""
    import struct

    raw = image.info.get("exif")
    try:
        found = image.getexif()
        if not len(found):
            # Pillow swallows what is no EXIF at all when it looks for the resolution.
            if isinstance(raw, bytes) and raw.removeprefix(b"Exif\0\0")[:4] not in (b"", b"II*\0", b"MM\0*"):
                notes.append(DAMAGED_EXIF)
            return b""
        return rewritten(found)
    except (*EXIF_ERRORS, struct.error):
        notes.append(DAMAGED_EXIF)
        return b""


def rewritten(found: Image.Exif) -> bytes:
    """EXIF of the fields that are kept, as bytes; nothing if there are none."""
    exif = Image.Exif()
    for tag in KEPT:
        if tag in found:
            exif[tag] = found[tag]
    for directory in (EXIF_IFD, GPS_IFD):
        fields = {tag: value for tag, value in found.get_ifd(directory).items() if tag not in LEFT_OUT}
        if fields:
            exif.get_ifd(directory).update(fields)
    if not len(exif) and not exif.get_ifd(EXIF_IFD) and not exif.get_ifd(GPS_IFD):
        return b""
    return exif.tobytes()


def _texts(image: Image.Image) -> Iterable[tuple[str, str]]:
    texts = getattr(image, "text", None) if image.format == "PNG" else None
    if isinstance(texts, Mapping):
        for key, value in texts.items():
            if not key.lower().startswith(FOREIGN_TEXT):
                yield str(key), str(value)
    comment = image.info.get("comment") if image.format in ("JPEG", "MPO", "GIF") else None
    if isinstance(comment, bytes):
        yield "Comment", _decoded(comment)


def _decoded(comment: bytes) -> str:
    """A comment that says nothing of its encoding."""
    try:
        return comment.decode("utf-8").rstrip("\0")
    except UnicodeDecodeError:
        return comment.decode("latin-1").rstrip("\0")


def fitting(metadata: dict[str, Any], format_name: str, layout: Layout) -> dict[str, Any]:
    """What of the metadata is true of an output of ``layout`` and can be held by its format."""
    kept = {key: value for key, value in metadata.items() if key in HELD.get(format_name, ())}
    profile = kept.get("icc_profile")
    if profile and profile[16:20] != (b"GRAY" if layout.colours == 1 else b"RGB "):
        del kept["icc_profile"]  # it belongs to another colour model
    if "exif" in kept:
        kept["exif"] = _resized(kept["exif"], layout)
        if format_name == "jpg" and len(kept["exif"]) > LONGEST_JPEG_SEGMENT:
            del kept["exif"]
    if "text" in kept:
        kept["text"] = {key: value for key, value in kept["text"].items() if _is_png_text(key, value)}
    return kept


HELD = {
    "png": ("icc_profile", "exif", "dpi", "text"),
    "jpg": ("icc_profile", "exif", "dpi", "text"),
    "tif": ("icc_profile", "exif", "dpi"),
    "webp": ("icc_profile", "exif"),
    "bmp": ("dpi",),
}


def _resized(exif: bytes, layout: Layout) -> bytes:
    """EXIF with the output's size where it had the input's."""
    loaded = Image.Exif()
    loaded.load(exif)
    fields = loaded.get_ifd(EXIF_IFD)
    if WIDTH not in fields and HEIGHT not in fields:
        return exif
    fields[WIDTH], fields[HEIGHT] = layout.width, layout.height
    return loaded.tobytes()


def _is_png_text(key: str, value: str) -> bool:
    """Whether a PNG can hold a text: 1 to 79 printable Latin-1 characters, no blank at an end nor two on end."""
    try:
        code = key.encode("latin-1")
    except UnicodeEncodeError:
        return False
    printable = all(32 <= each <= 126 or each >= 161 for each in code)
    return 1 <= len(code) <= 79 and printable and code.split(b" ") == code.split() and "\0" not in value
