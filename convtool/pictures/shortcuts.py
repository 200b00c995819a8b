"""What is done about a file before Pillow decodes it: damage is reported, and plain files go to faster decoders."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import IO

from PIL import Image

from convtool.errors import InputError
from convtool.pictures import codecs, prefetch
from convtool.pictures.limits import Opened, check_size
from convtool.pictures.modes import set_upright
from convtool.pictures.picture import Picture

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


def sound_png(opened: Opened) -> io.BytesIO | None:
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


def plain_png(opened: Opened, place: Path | IO[bytes]) -> Picture | None:
    """A PNG file by the faster route; None for any that has to go the usual one."""
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


def plain_jpeg(image: Image.Image, opened: Opened) -> Picture | None:
    """A JPEG file that is not decoded yet, by the faster route; None for any that has to go the usual one."""
    loaded = not getattr(image, "tile", None)
    if image.format not in ("JPEG", "MPO") or loaded or opened.forced:
        return None
    pays = codecs.pay(image.height * image.width, codecs.JPEG)
    samples = prefetch.samples_of(opened.source)
    if samples is None and pays:
        from convtool.pictures.jpeg import decoder

        opened.file.seek(0)
        data = opened.file.read()
        frame = decoder.plain(data, image.height * image.width)
        samples = None if frame is None else decoder.decoded(data, frame)
    shape = (image.height, image.width, len(image.getbands()))
    return None if samples is None or samples.shape != shape else set_upright(image, samples)
