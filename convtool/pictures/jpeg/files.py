"""JPEG files, read and written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Any

from numpy.typing import NDArray
from PIL import Image

from convtool.machine import cores
from convtool.pictures import codecs, prefetch
from convtool.pictures.formats import Output
from convtool.pictures.limits import Opened
from convtool.pictures.metadata import LONGEST_JPEG_SEGMENT, fitting
from convtool.pictures.modes import set_upright
from convtool.pictures.picture import Layout, Picture
from convtool.pictures.pillow_files import pasted, read_image, save, write_frames
from convtool.pictures.png.rows import MOST_THREADS

__all__ = ["read", "write", "write_frames"]


def read(opened: Opened) -> Picture | Layout:
    """A JPEG file: plain ones go to a faster decoder."""
    return read_image(opened, plain=_plain)


def _plain(image: Image.Image, opened: Opened) -> Picture | None:
    """A file that is not decoded yet, by the faster way; None for any that has to go the usual one."""
    if not getattr(image, "tile", None) or opened.forced:
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


def write(strips: Iterable[NDArray[Any]], output: Output, file: IO[bytes]) -> None:
    """Write a JPEG file: in bands side by side where that pays."""
    from convtool.pictures.jpeg import bands

    layout, encoding = output.layout, output.encoding
    kept = fitting(output.metadata, "jpg", layout)
    comment = kept.pop("text", {}).get("Comment")
    options = {"quality": encoding.quality, **kept, **({"comment": _comment(comment)} if comment else {})}
    fast = codecs.pay(layout.height * layout.width, codecs.JPEG)
    if fast or bands.band_rows(layout):
        threads = min(cores(), MOST_THREADS) if encoding.threads is None else encoding.threads
        bands.write_bands(strips, layout, options, file, threads, fast=fast)
    else:
        save(pasted(strips, layout), output, options, file)


def _comment(text: str) -> bytes:
    """The bytes of a JPEG's comment. One that is too long as UTF-8 was read as Latin-1, a byte a letter."""
    data = text.encode()
    return data if len(data) <= LONGEST_JPEG_SEGMENT else text.encode("latin-1", "replace")[:LONGEST_JPEG_SEGMENT]
