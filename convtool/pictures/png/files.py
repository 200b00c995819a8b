"""PNG files, read and written."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

from numpy.typing import NDArray
from PIL import Image

from convtool.errors import InputError
from convtool.pictures import codecs, formats
from convtool.pictures.formats import Output
from convtool.pictures.limits import DECODER_ERRORS, Opened, check_size
from convtool.pictures.metadata import fitting
from convtool.pictures.modes import frame_count, layout_of_image, set_upright
from convtool.pictures.picture import Layout, Picture, Timing
from convtool.pictures.pillow_files import note_frames, read_image
from convtool.pictures.png.rows import PngWriter
from convtool.stdio import caught_stderr


def read(opened: Opened) -> Picture | Layout:
    """A PNG file: damage is reported, plain files of 8 bits go to a faster decoder."""
    place: Path | IO[bytes] = opened.source if isinstance(opened.source, Path) else opened.file
    if not opened.header_only:
        place = _sound(opened) or place
        if (picture := _plain(opened, place)) is not None:
            return picture
    return read_image(opened, place, wide=_wide)


def _sound(opened: Opened) -> io.BytesIO | None:
    """A copy of a PNG file without damaged metadata, None where nothing is damaged."""
    from convtool.pictures.png.checksums import check_png

    try:
        copy, notes = check_png(opened.file)
    except InputError:
        if not opened.forced:
            raise
        return None
    opened.notes.extend(notes)
    return copy


def _plain(opened: Opened, place: Path | IO[bytes]) -> Picture | None:
    """A PNG file by the faster way; None for any that has to go the usual one."""
    from convtool.pictures.png import decoder

    file = opened.file if isinstance(place, Path) else place
    chunks = None if opened.forced else decoder.plain_chunks(file)
    if chunks is None:
        return None
    check_size(*chunks.size, opened.limits)
    if not codecs.pay(chunks.pixels, codecs.PNG):
        return None
    try:
        image = decoder.described(chunks)
    except DECODER_ERRORS:
        return None
    samples = decoder.decoded(file, chunks)
    return None if samples is None else set_upright(image, samples)


def _wide(image: Image.Image, opened: Opened) -> Picture | Layout | None:
    """A PNG with 16 bits a colour sample: its metadata by Pillow, its samples by the extra; None without that."""
    if not formats.has_deep():
        return None
    if opened.header_only:
        return layout_of_image(image)._replace(dtype="uint16")
    note_frames(frame_count(image), opened)
    from convtool.pictures import deep_colour

    opened.file.seek(0)
    said: list[str] = []
    with caught_stderr(said):  # libpng warns there by itself
        samples = deep_colour.png_samples(opened.file.read())
    if said:
        opened.notes.append(f"is damaged in part: {said[0]}")
    return set_upright(image, samples)


def write(strips: Iterable[NDArray[Any]], output: Output, file: IO[bytes]) -> None:
    """Write a PNG file strip by strip."""
    layout, encoding = output.layout, output.encoding
    depth = 8 if layout.dtype == "uint8" else 16
    kept = fitting(output.metadata, "png", layout)
    options: dict[str, Any] = {"compress": encoding.compress, "metadata": kept, "threads": encoding.threads}
    with PngWriter(file, layout.height, layout.width, layout.channels, depth, **options) as png:
        for strip in strips:
            png.write(strip)


def write_frames(
    frames: Sequence[NDArray[Any]], layouts: Sequence[Layout], timing: Timing, output: Output, file: IO[bytes]
) -> None:
    """Write an animated PNG."""
    from convtool.pictures.png.animation import write_apng

    write_apng((_whole(samples, output) for samples in frames), len(frames), timing, file)


def _whole(samples: NDArray[Any], output: Output) -> bytes:
    buffer = io.BytesIO()
    write([samples], output, buffer)
    return buffer.getvalue()
