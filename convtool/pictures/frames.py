"""Frames of an animation and pages of a TIFF: counted before they are decoded, then all of one kind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from convtool.errors import InputError
from convtool.pictures.modes import picture_from_image
from convtool.pictures.picture import Picture, Timing

DEFAULT_DELAY = 100.0
"""Milliseconds that a frame without a delay of its own is shown, as browsers do."""


def frame_pixels(image: Image.Image, count: int) -> int:
    """Pixels of all frames together, from headers alone."""
    if image.format != "TIFF":
        return image.size[0] * image.size[1] * count
    total = 0
    for index in range(count):
        image.seek(index)
        total += image.size[0] * image.size[1]
    image.seek(0)
    return total


def read_frames(image: Image.Image, count: int, limit: int) -> Picture:
    """All frames: a picture that carries the others; raises InputError where frames grow beyond ``limit`` pixels."""
    # The default image of an APNG may stand outside its animation; it is for readers that know no frames.
    first = 1 if getattr(image, "default_image", False) and count > 1 else 0
    if image.format == "GIF":
        from PIL import GifImagePlugin

        # By itself Pillow makes RGB of every frame but the first, of grey ones too.
        GifImagePlugin.LOADING_STRATEGY = GifImagePlugin.LoadingStrategy.RGB_AFTER_DIFFERENT_PALETTE_ONLY
    pictures, delays, pixels = [], [], 0
    for index in range(first, count):
        image.seek(index)
        pixels += image.size[0] * image.size[1]
        if pixels > limit:
            raise InputError(f"has frames that grow beyond {limit:,} pixels together; --max-pixels raises this limit")
        picture = picture_from_image(image)
        picture.rows = picture.samples  # the decoder's storage will be that of the next frame
        pictures.append(picture)
        delays.append(float(image.info.get("duration") or 0))
    pages = image.format == "TIFF"
    joined = with_more(pictures if pages else _alike(pictures))
    if not pages:
        joined.timing = Timing(tuple(delay or DEFAULT_DELAY for delay in delays), _plays(image))
    return joined


def with_more(pictures: Sequence[Picture]) -> Picture:
    """The first of some pictures, carrying the others and what has to be said of all."""
    picture = pictures[0]
    picture.more = tuple(pictures[1:])
    picture.notes = tuple(dict.fromkeys(note for each in pictures for note in each.notes))
    return picture


def _plays(image: Image.Image) -> int:
    """How often an animation is played, 0 for ever. A GIF counts the repetitions after the first time."""
    loop = image.info.get("loop")
    if image.format == "GIF":
        return 1 if loop is None else loop + 1 if loop else 0
    return int(loop or 0)


def _alike(pictures: list[Picture]) -> list[Picture]:
    """Frames of one canvas with the same channels: colour and alpha if any of them has it."""
    colours = max(picture.layout.colours for picture in pictures)
    alpha = any(picture.alpha for picture in pictures)
    for picture in pictures:
        layout = picture.layout
        if (layout.colours, layout.alpha) == (colours, alpha):
            continue
        shape = (layout.height, layout.width, colours)
        parts = [np.broadcast_to(picture.colour, shape)]
        if alpha:
            opaque = np.full((*shape[:2], 1), np.iinfo(picture.samples.dtype).max, dtype=picture.samples.dtype)
            parts.append(picture.opacity if layout.alpha else opaque)
        picture.rows, picture.alpha = np.concatenate(parts, axis=-1), alpha
    return pictures
