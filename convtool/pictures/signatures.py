"""Which format a file has: its first bytes decide, never its name."""

from __future__ import annotations

from pathlib import Path

from convtool.pictures.formats import is_image_suffix

SIGNATURES = (
    (b"\x93NUMPY", "NPY"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"\0\0\1\0", "ICO"),
)
"""How the formats begin that are opened, whatever a file is called: an EPS named .png never starts Ghostscript."""

SUFFIXES = {
    "PNG": ("png", "apng"),
    "JPEG": ("jpg", "jpeg", "jpe", "jfif", "mpo"),
    "TIFF": ("tif", "tiff"),
    "GIF": ("gif",),
    "BMP": ("bmp",),
    "ICO": ("ico",),
    "WEBP": ("webp",),
    "AVIF": ("avif",),
    "PPM": ("ppm", "pgm", "pbm", "pnm", "pfm"),
    "NPY": ("npy",),
}
"""Pillow's names of the formats, and the suffixes that promise them."""


def kind_of(head: bytes) -> str | None:
    """Pillow's name of the format that a file begins as, NPY for an array; None if it is none that is read."""
    for signature, name in SIGNATURES:
        if head.startswith(signature):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp" and head[8:12] in (b"avif", b"avis", b"mif1", b"msf1"):
        return "AVIF"
    return "PPM" if head[:1] == b"P" and head[1:2] in b"123456fF" and head[2:3].isspace() else None


def misnamed(source: Path | bytes, kind: str) -> str | None:
    """What to say where a name promises another image format than the file has."""
    if not isinstance(source, Path) or not is_image_suffix(source.suffix):
        return None
    if source.suffix.removeprefix(".").lower() in SUFFIXES[kind]:
        return None
    return f"is a {SUFFIXES[kind][0]} file, whatever its name says, and was read as one"
