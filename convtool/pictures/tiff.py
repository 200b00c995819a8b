"""TIFF files, read and written: by Pillow, and by the extra where there are more than 8 bits in colour."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convtool.errors import InputError
from convtool.pictures import formats
from convtool.pictures.exif import add_directories, first_directory
from convtool.pictures.formats import Encoding, Output, needs_deep
from convtool.pictures.frames import with_more
from convtool.pictures.limits import Opened, check_frames, check_size
from convtool.pictures.metadata import PREDICTOR, fitting
from convtool.pictures.picture import Layout, Picture, Timing
from convtool.pictures.pillow_files import (
    NEEDS_DEEP,
    image_of,
    note_frames,
    pasted,
    read_image,
    save,
    unidentified,
)
from convtool.stdio import caught_stderr


def read(opened: Opened) -> Picture | Layout:
    """A TIFF file. libtiff prints what is damaged; that becomes an error, or a note where damage is welcome."""
    said: list[str] = []
    with caught_stderr(said):
        found = read_image(opened, wide=_wide, unknown=_deep)
    # Damaged samples are an error, as they are in a PNG; when forced, it has been said.
    if bad := [line for line in said if "Decode" in line.split(":")[0] and not opened.forced]:
        raise InputError(f"is damaged: {bad[0].rstrip('.')}")
    if said and not opened.forced:
        opened.notes.append(f"is damaged in part: {said[0].replace('tempfile.tif: ', '').rstrip('.')}")
    return found


def _wide(image: Image.Image, opened: Opened) -> Picture | Layout | None:
    return _deep(opened) if formats.has_deep() else None


def _deep(opened: Opened) -> Picture | Layout:
    """A TIFF that Pillow reads as 8 bits, or not at all."""
    from convtool.pictures import deep_colour

    if not formats.has_deep():
        raise InputError(NEEDS_DEEP if deep_colour.is_deep_tiff(opened.file) else unidentified("TIFF"))
    layouts = deep_colour.tiff_layouts(opened.file)
    check_size(layouts[0].height, layouts[0].width, opened.limits)
    if opened.limits.frames:
        check_frames(sum(each.height * each.width for each in layouts), len(layouts), opened.limits)
    if opened.header_only:
        return layouts[0]
    if not opened.limits.frames:
        note_frames(len(layouts), opened)
    return with_more(deep_colour.tiff_pictures(opened.file, len(layouts) if opened.limits.frames else 1))


def write(strips: Iterable[NDArray[Any]], output: Output, file: IO[bytes]) -> None:
    """Write a TIFF of one page."""
    kept = fitting(output.metadata, "tif", output.layout)
    exif = kept.get("exif", b"")
    if needs_deep("tif", output.layout):
        _write_deep([_whole(strips, output.layout)], output, kept, file)
    else:
        options = _options(output, kept)
        image = pasted(strips, output.layout)
        if options.get("compression"):
            _packed(image, options, file)
        else:
            save(image, output, options, file)
    _add_exif(file, exif)


def write_frames(
    frames: Sequence[NDArray[Any]], layouts: Sequence[Layout], timing: Timing, output: Output, file: IO[bytes]
) -> None:
    """Write a TIFF of several pages."""
    kept = fitting(output.metadata, "tif", output.layout)
    exif = kept.get("exif", b"")
    if any(needs_deep("tif", layout) for layout in layouts):
        _write_deep(frames, output, kept, file)
    else:
        options = _options(output, kept)
        first, *others = (image_of(samples) for samples in frames)
        options |= {"save_all": True, "append_images": others}
        if options.get("compression"):
            _packed(first, options, file)
        else:
            first.save(file, "TIFF", **options)
    _add_exif(file, exif)


def _write_deep(pages: Sequence[NDArray[Any]], output: Output, kept: dict[str, Any], file: IO[bytes]) -> None:
    from convtool.pictures.deep_colour import write_tiff

    write_tiff(pages, output.layout.alpha, _is_packed(output.encoding), kept, file)


def _packed(image: Image.Image, options: dict[str, Any], file: IO[bytes]) -> None:
    """What libtiff packs goes through a buffer, as it hides the errors of a file and prints them."""
    buffer = io.BytesIO()
    image.save(buffer, "TIFF", **options)
    file.write(buffer.getbuffer())


def _options(output: Output, kept: dict[str, Any]) -> dict[str, Any]:
    """Pillow's options for saving, metadata included."""
    exif = first_directory(kept.pop("exif", b""))
    if not _is_packed(output.encoding):
        return {"compression": None, "exif": exif, **kept}
    exif[PREDICTOR] = 3 if output.layout.dtype == "float32" else 2
    return {"compression": "tiff_adobe_deflate", "exif": exif, **kept}


def _is_packed(encoding: Encoding) -> bool:
    """Whether a file is compressed at all."""
    return encoding.compress not in ("fast", "0")


def _add_exif(file: IO[bytes], exif: bytes) -> None:
    if exif:
        add_directories(file, exif)


def _whole(strips: Iterable[NDArray[Any]], layout: Layout) -> NDArray[Any]:
    whole = np.empty((layout.height, layout.width, layout.channels), dtype=layout.dtype)
    row = 0
    for strip in strips:
        whole[row : row + len(strip)] = strip
        row += len(strip)
    return whole
