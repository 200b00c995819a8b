"""Files that Pillow reads and writes, and the parts of other formats that it does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from convtool.errors import InputError
from convtool.pictures import prefetch
from convtool.pictures.formats import DEEP_EXTRA, Output, format_of, reading
from convtool.pictures.limits import Opened, check_frames, check_size
from convtool.pictures.metadata import fitting
from convtool.pictures.modes import frame_count, is_16bit_colour, layout_of_image, picture_from_image
from convtool.pictures.picture import Layout, Picture, Timing

NEEDS_DEEP = f"has more than 8 bits a colour sample; {DEEP_EXTRA} reads them"

Found = Picture | Layout | None
Other = Callable[[Image.Image, Opened], Found]
"""Another way to read an image whose header Pillow has read; None where it is Pillow's."""


def read(opened: Opened) -> Picture | Layout:
    """A picture as Pillow reads it."""
    return read_image(opened)


def read_image(
    opened: Opened,
    place: Path | IO[bytes] | None = None,
    *,
    wide: Other | None = None,
    plain: Other | None = None,
    unknown: Callable[[Opened], Picture | Layout] | None = None,
) -> Picture | Layout:
    """A picture as Pillow reads it, from ``place`` where that is another file than ``opened``.

    ``wide`` reads more than 8 bits a colour sample, ``plain`` a file that there is a faster way for, ``unknown`` one
    that Pillow does not know although it begins as it should.
    """
    kind = _kind(opened)
    if place is None:
        place = opened.source if isinstance(opened.source, Path) else opened.file
    opened.file.seek(0)
    # Our own limit is stricter than Pillow's and says how to raise it. An ICO is decoded when it is opened, though.
    Image.MAX_IMAGE_PIXELS = opened.limits.pixels if kind == "ICO" else None
    try:
        # Opened by name, Pillow imports the one plugin that the suffix names instead of many.
        image = prefetch.taken(place) or Image.open(place, formats=[kind])
    except UnidentifiedImageError:
        if unknown is None:
            raise InputError(unidentified(kind)) from None
        return unknown(opened)
    with image:
        return _image(image, opened, wide, plain)


def _kind(opened: Opened) -> str:
    opened.file.seek(0)
    found = reading(opened.file.read(16))
    assert found is not None
    return found.kind


def _image(image: Image.Image, opened: Opened, wide: Other | None, plain: Other | None) -> Picture | Layout:
    limits = opened.limits
    check_size(image.size[1], image.size[0], limits)
    Image.MAX_IMAGE_PIXELS = limits.pixels  # for frames that turn out larger than the first
    frames = frame_count(image)
    if limits.frames and frames > 1:
        from convtool.pictures.frames import frame_pixels, read_frames

        check_frames(frame_pixels(image, frames), frames, limits)
    if is_16bit_colour(image):
        if wide is not None and (found := wide(image, opened)) is not None:
            return found
        if not limits.reduce_16bit:
            raise InputError(f"{NEEDS_DEEP}, --dtype uint8 reduces them to 8")
        opened.notes.append("its 16-bit colour was reduced to 8 bits")
    if opened.header_only:
        return layout_of_image(image)
    if limits.frames and frames > 1:
        return read_frames(image, frames, limits.pixels)
    note_frames(frames, opened)
    if plain is not None and (found := plain(image, opened)) is not None:
        return found
    return picture_from_image(image)


def note_frames(frames: int, opened: Opened) -> None:
    """Say that a file has more frames than the one that is filtered."""
    if frames > 1:
        why = "" if opened.limits.frames else "; png, webp and tif files hold all of them"
        opened.notes.append(f"has {frames} frames, and only the first is filtered{why}")


def unidentified(kind: str) -> str:
    """Why Pillow does not know a file that begins as one of its kinds."""
    from PIL import features

    if kind in ("WEBP", "AVIF") and not features.check(kind.lower()):
        return f"is a {kind.lower()} file, which the Pillow that is installed cannot read"
    name = {"JPEG": "jpg", "TIFF": "tif"}.get(kind, kind.lower())
    return f"begins as a {name} file, but its header is damaged"


def write(strips: Iterable[NDArray[Any]], output: Output, file: IO[bytes]) -> None:
    """Write a picture by Pillow."""
    save(pasted(strips, output.layout), output, _options(output), file)


def write_frames(
    frames: Sequence[NDArray[Any]], layouts: Sequence[Layout], timing: Timing, output: Output, file: IO[bytes]
) -> None:
    """Write an animation by Pillow, which does so for webp."""
    options = _options(output)
    options |= {"duration": [round(timing.of(at)) for at in range(len(frames))], "loop": timing.plays}
    first, *others = (image_of(samples) for samples in frames)
    first.save(file, output.format.kind, **options, save_all=True, append_images=others)


def _options(output: Output) -> dict[str, Any]:
    kept = fitting(output.metadata, output.format.name, output.layout)
    return {"quality": output.encoding.quality, **kept} if output.format.name == "webp" else kept


def save(image: Image.Image, output: Output, options: dict[str, Any], file: IO[bytes]) -> None:
    """Write an image by Pillow."""
    # Given a file name with a suffix, Pillow imports one plugin; given a format, it imports five.
    named = format_of(Path(str(getattr(file, "name", ""))).suffix) == output.format.name
    image.save(file, None if named else output.format.kind, **options)


def pasted(strips: Iterable[NDArray[Any]], layout: Layout) -> Image.Image:
    """The strips in Pillow's storage: an array of the whole would only be there beside it."""
    whole: Image.Image | None = None
    row = 0
    for strip in strips:
        part = image_of(strip)
        if len(strip) == layout.height:
            return part
        if whole is None:
            whole = Image.new(part.mode, (layout.width, layout.height), None)
        whole.paste(part, (0, row))
        row += len(strip)
    assert whole is not None
    return whole


def image_of(samples: NDArray[Any]) -> Image.Image:
    """Samples (H, W, C) as an image of Pillow."""
    return Image.fromarray(np.ascontiguousarray(samples[..., 0] if samples.shape[2] == 1 else samples))
