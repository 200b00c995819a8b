"""Pictures in: from files and bytes, within limits, every decoder error one InputError."""

from __future__ import annotations

import io
import logging
import threading
import warnings
from pathlib import Path
from typing import IO

from PIL import Image, UnidentifiedImageError

from convtool.errors import InputError
from convtool.pictures import prefetch
from convtool.pictures.formats import DEEP_EXTRA, has_deep
from convtool.pictures.limits import Limits, Opened, check_frames, check_size
from convtool.pictures.modes import frame_count, is_16bit_colour, layout_of_image, picture_from_image, set_upright
from convtool.pictures.picture import Layout, Picture
from convtool.pictures.shortcuts import DECODER_ERRORS, plain_jpeg, plain_png, sound_png
from convtool.pictures.signatures import SUFFIXES, kind_of, misnamed
from convtool.stdio import caught_stderr

# What Pillow logs comes as an exception or a warning, too.
logging.getLogger("PIL").setLevel(logging.CRITICAL)

EXIF_WARNINGS = ("EXIF", "Truncated File Read", "Tag data larger", "Tag offset")
"""What Pillow's warnings say when fields are passed over."""

NOT_AN_IMAGE = "is not an image that can be read (png, jpg, tif, webp, gif, bmp, pnm, ico, avif, npy)"
NEEDS_DEEP = f"has more than 8 bits a colour sample; {DEEP_EXTRA} reads them"


def read_picture(source: Path | bytes, limits: Limits) -> Picture:
    """Decode a file or the bytes of one; raises InputError with the reason."""
    found = _read(source, limits, header_only=False)
    assert isinstance(found, Picture)
    return found


def read_layout(source: Path | bytes, limits: Limits) -> Layout:
    """Shape and type of a picture from its header alone; raises InputError."""
    found = _read(source, limits, header_only=True)
    return found.layout if isinstance(found, Picture) else found


_SWITCH = threading.Lock()
"""Pillow's switch for damaged files is one for all threads."""


def _read(source: Path | bytes, limits: Limits, *, header_only: bool) -> Picture | Layout:
    """Read strictly; where that fails and damaged files are welcome, once more as far as it goes."""
    if not limits.lenient:
        return _caught(source, limits, header_only=header_only, forced=False)
    from PIL import ImageFile

    with _SWITCH:
        try:
            return _caught(source, limits, header_only=header_only, forced=False)
        except InputError as error:
            strict = error
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        try:
            found = _caught(source, limits, header_only=header_only, forced=True)
        except InputError:
            raise strict from None
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = False
    if isinstance(found, Picture):
        found.notes = (f"{strict}; what could be read was filtered, as --lenient says", *found.notes)
    return found


def _caught(source: Path | bytes, limits: Limits, *, header_only: bool, forced: bool) -> Picture | Layout:
    """What a decoder raises or warns of, as our own."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with _stream(source) as file:
                opened = Opened(source, file, limits, header_only, forced, [])
                found = _open(opened)
        except InputError as error:
            raise InputError(_hinted(str(error), limits)) from None
        except UnidentifiedImageError:
            raise InputError(NOT_AN_IMAGE) from None
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            limit = f"the limit of {limits.pixels:,}; --max-pixels raises it"
            raise InputError(f"holds a picture larger than its header says, beyond {limit}") from None
        except DECODER_ERRORS as error:
            raise InputError(_hinted(_reason(error), limits)) from None
    if isinstance(found, Picture):
        found.notes = (*opened.notes, *found.notes)
        if any(word in str(each.message) for each in caught for word in EXIF_WARNINGS) and not any(
            "EXIF" in note for note in found.notes
        ):
            found.notes += ("its EXIF data is damaged in part; what could be read was kept",)
    return found


def _hinted(reason: str, limits: Limits) -> str:
    """A reason with the option that may get over it."""
    damage = reason.startswith(("is cut short", "is damaged")) or "data stream" in reason
    helps = damage and "its header" not in reason
    return f"{reason}; --lenient reads what is there" if helps and not limits.lenient else reason


def _open(opened: Opened) -> Picture | Layout:
    file, limits, source = opened.file, opened.limits, opened.source
    head = file.read(16)
    if not head:
        raise InputError("is empty")
    kind = kind_of(head)
    if kind is None:
        raise InputError(NOT_AN_IMAGE)
    if note := misnamed(source, kind):
        opened.notes.append(note)
    if kind == "NPY":
        from convtool.pictures.npy import npy_layout, npy_picture

        layout = npy_layout(file)
        check_size(layout.height, layout.width * -(-layout.channels // 4), limits)
        return layout if opened.header_only else npy_picture(file)
    place: Path | IO[bytes] = source if isinstance(source, Path) else file
    if kind == "PNG" and not opened.header_only:
        place = sound_png(opened) or place
        if (picture := plain_png(opened, place)) is not None:
            return picture
    if kind != "TIFF":
        return _decoded(kind, place, opened)
    said: list[str] = []
    with caught_stderr(said):
        found = _decoded(kind, place, opened)
    # Damaged samples are an error, as they are in a PNG; when forced, it has been said.
    if bad := [line for line in said if "Decode" in line.split(":")[0] and not opened.forced]:
        raise InputError(f"is damaged: {bad[0].rstrip('.')}")
    if said and not opened.forced:
        opened.notes.append(f"is damaged in part: {said[0].replace('tempfile.tif: ', '').rstrip('.')}")
    return found


def _decoded(kind: str, place: Path | IO[bytes], opened: Opened) -> Picture | Layout:
    opened.file.seek(0)
    # Our own limit is stricter than Pillow's and says how to raise it. An ICO is decoded when it is opened, though.
    Image.MAX_IMAGE_PIXELS = opened.limits.pixels if kind == "ICO" else None
    try:
        # Opened by name, Pillow imports the one plugin that the suffix names instead of many.
        image = prefetch.taken(place) or Image.open(place, formats=[kind])
    except UnidentifiedImageError:
        if kind != "TIFF":
            raise InputError(_unidentified(kind)) from None
        return _deep_tiff(opened)
    with image:
        return _image(image, opened)


def _image(image: Image.Image, opened: Opened) -> Picture | Layout:
    limits = opened.limits
    check_size(image.size[1], image.size[0], limits)
    Image.MAX_IMAGE_PIXELS = limits.pixels  # for frames that turn out larger than the first
    frames = frame_count(image)
    if limits.frames and frames > 1:
        from convtool.pictures.frames import frame_pixels, read_frames

        check_frames(frame_pixels(image, frames), frames, limits)
    if is_16bit_colour(image):
        if image.format == "TIFF" and has_deep():
            return _deep_tiff(opened)
        if image.format == "PPM" or (image.format == "PNG" and has_deep()):
            return _wide(image, frames, opened)
        if not limits.reduce_16bit:
            raise InputError(f"{NEEDS_DEEP}, --dtype uint8 reduces them to 8")
        opened.notes.append("its 16-bit colour was reduced to 8 bits")
    if opened.header_only:
        return layout_of_image(image)
    if limits.frames and frames > 1:
        return read_frames(image, frames, limits.pixels)
    _note_frames(frames, opened)
    if (picture := plain_jpeg(image, opened)) is not None:
        return picture
    return picture_from_image(image)


def _note_frames(frames: int, opened: Opened) -> None:
    if frames > 1:
        why = "" if opened.limits.frames else "; png, webp and tif files hold all of them"
        opened.notes.append(f"has {frames} frames, and only the first is filtered{why}")


def _wide(image: Image.Image, frames: int, opened: Opened) -> Picture | Layout:
    """A PNG or PPM with 16 bits a colour sample, its metadata read by Pillow and its samples by others."""
    if opened.header_only:
        return layout_of_image(image)._replace(dtype="uint16")
    _note_frames(frames, opened)
    if image.format == "PPM":
        from convtool.pictures.ppm import ppm_samples

        return Picture(ppm_samples(opened.file, lenient=opened.forced), False)
    from convtool.pictures import deep_colour

    opened.file.seek(0)
    said: list[str] = []
    with caught_stderr(said):  # libpng warns there by itself
        samples = deep_colour.png_samples(opened.file.read())
    if said:
        opened.notes.append(f"is damaged in part: {said[0]}")
    return set_upright(image, samples)


def _deep_tiff(opened: Opened) -> Picture | Layout:
    """A TIFF that Pillow reads as 8 bits, or not at all."""
    from convtool.pictures import deep_colour
    from convtool.pictures.frames import with_more

    if not has_deep():
        raise InputError(NEEDS_DEEP if deep_colour.is_deep_tiff(opened.file) else _unidentified("TIFF"))
    layouts = deep_colour.tiff_layouts(opened.file)
    check_size(layouts[0].height, layouts[0].width, opened.limits)
    if opened.limits.frames:
        check_frames(sum(each.height * each.width for each in layouts), len(layouts), opened.limits)
    if opened.header_only:
        return layouts[0]
    if not opened.limits.frames:
        _note_frames(len(layouts), opened)
    return with_more(deep_colour.tiff_pictures(opened.file, len(layouts) if opened.limits.frames else 1))


def _unidentified(kind: str) -> str:
    from PIL import features

    if kind in ("WEBP", "AVIF") and not features.check(kind.lower()):
        return f"is a {kind.lower()} file, which the Pillow that is installed cannot read"
    return f"begins as a {SUFFIXES[kind][0]} file, but its header is damaged"


def _stream(source: Path | bytes) -> IO[bytes]:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if source.is_dir():
        raise InputError("is a folder")
    if source.exists() and not source.is_file():
        raise InputError("is not a regular file")
    return source.open("rb")


def _reason(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, MemoryError):
        return "needs more memory than there is"
    text = " ".join(str(error).split()) or type(error).__name__
    if "truncated" in text.lower():
        return "is cut short: its image data end early"
    return f"cannot be decoded: {text}"
