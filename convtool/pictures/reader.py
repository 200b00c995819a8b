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
from convtool.pictures.codec import codec_of
from convtool.pictures.formats import NOT_AN_IMAGE, misnamed, reading
from convtool.pictures.limits import DECODER_ERRORS, Limits, Opened
from convtool.pictures.picture import Layout, Picture

# What Pillow logs comes as an exception or a warning, too.
logging.getLogger("PIL").setLevel(logging.CRITICAL)

EXIF_WARNINGS = ("EXIF", "Truncated File Read", "Tag data larger", "Tag offset")
"""What Pillow's warnings say when fields are passed over."""


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
    head = opened.file.read(16)
    if not head:
        raise InputError("is empty")
    found = reading(head)
    if found is None:
        raise InputError(NOT_AN_IMAGE)
    if note := misnamed(opened.source, found):
        opened.notes.append(note)
    return codec_of(found).read(opened)


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
