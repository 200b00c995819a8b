"""EXIF and GPS directories of a TIFF file: neither libtiff through Pillow nor tifffile writes them."""

from __future__ import annotations

import os
import struct
from typing import IO

from PIL import Image

from convtool.pictures.metadata import EXIF_IFD, GPS_IFD

LONG = 4
ENTRY = 12


def first_directory(exif: bytes) -> Image.Exif:
    """The fields of EXIF that stand in a TIFF's own directory."""
    loaded = Image.Exif()
    if exif:
        loaded.load(exif)
        for tag in (EXIF_IFD, GPS_IFD):
            if tag in loaded:
                del loaded[tag]
    return loaded


def add_directories(file: IO[bytes], exif: bytes) -> None:
    """Append the directories of EXIF to a TIFF that is written, and after them its first directory anew."""
    if not exif:
        return
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    loaded = Image.Exif()
    loaded.load(exif)
    directories = {tag: fields for tag in (EXIF_IFD, GPS_IFD) if (fields := loaded.get_ifd(tag))}
    file.seek(0)
    head = file.read(8)
    if not directories or head[:4] not in (b"II*\0", b"MM\0*"):  # a BigTIFF of over 4 GB has other directories
        return
    order = "<" if head[:2] == b"II" else ">"
    file.seek(struct.unpack(f"{order}I", head[4:])[0])
    count = struct.unpack(f"{order}H", file.read(2))[0]
    entries = [file.read(ENTRY) for _ in range(count)]
    following = file.read(4)
    for tag, fields in directories.items():
        at = _end(file)
        directory = ImageFileDirectory_v2(head, group=tag)
        for key, value in fields.items():
            directory[key] = value
        file.write(directory.tobytes(at))
        entries.append(struct.pack(f"{order}HHII", tag, LONG, 1, at))
    entries.sort(key=lambda entry: struct.unpack(f"{order}H", entry[:2])[0])
    at = _end(file)
    file.write(struct.pack(f"{order}H", len(entries)) + b"".join(entries) + following)
    file.seek(4)
    file.write(struct.pack(f"{order}I", at))
    file.seek(0, os.SEEK_END)


def _end(file: IO[bytes]) -> int:
    """The end of a file, where directories may begin: at an even byte."""
    at = file.seek(0, os.SEEK_END)
    if at % 2:
        file.write(b"\0")
    return at + at % 2
