"""Pictures in: from files, bytes and Pillow images, within limits, every decoder error one InputError."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

import numpy as np
from numpy.lib import format as npy
from PIL import Image, UnidentifiedImageError

from convtool.errors import InputError, UsageError
from convtool.options import MAX_PIXELS
from convtool.picture import Layout, Picture, layout_of_array, picture_from_array

SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"\0\0\1\0", "ICO"),
)
"""How the formats begin that are opened, whatever a file is called: an EPS named .png never starts Ghostscript."""

DECODER_ERRORS = (
    OSError,
    ValueError,
    TypeError,
    NotImplementedError,
    EOFError,
    SyntaxError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    MemoryError,
    AssertionError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What Pillow's decoders are known to raise for broken files: not one family."""

NOT_AN_IMAGE = "is not an image that can be read (png, jpg, tif, webp, gif, bmp, pnm, ico, avif, npy)"

ORIENTATION = 0x0112
"""The EXIF tag that says which side of a picture is up."""

NPY_MAGIC = b"\x93NUMPY"


class Limits(NamedTuple):
    """What an input may have at most."""

    pixels: int = MAX_PIXELS
    reduce_16bit: bool = False
    """16-bit colour, which Pillow reads as 8 bits, may be reduced."""


def read_picture(source: Path | bytes, limits: Limits) -> Picture:
    """Decode a file or the bytes of one; raises InputError with the reason."""
    return _open(source, limits, _decode, _npy_picture)


def read_layout(source: Path | bytes, limits: Limits) -> Layout:
    """Shape and type of a picture from its header alone; raises InputError."""
    return _open(
        source, limits, lambda image, limits: _layout_of(image), lambda file, limits: _npy_header(file, limits)
    )


def is_npy(data: bytes) -> bool:
    """Whether bytes are a NumPy array file."""
    return data.startswith(NPY_MAGIC)


def picture_from_image(image: Image.Image) -> Picture:
    """A Pillow image as a picture: palette to RGB(A), bilevel to grey, CMYK to RGB, upright."""
    image.load()
    notes: list[str] = []
    upright = image
    if image.getexif().get(ORIENTATION, 1) != 1:
        from PIL import ImageOps

        upright = ImageOps.exif_transpose(image)
    metadata = _metadata(image)
    converted = _standard(upright, notes)
    if converted.mode in ("L", "LA") and image.mode not in ("L", "LA", "1", "I;16"):
        metadata.pop("icc_profile", None)
    samples = np.asarray(converted)
    if samples.dtype.byteorder not in "=|":
        samples = samples.astype(samples.dtype.newbyteorder("="))
    if converted.mode == "I":
        wide = image.format == "PPM"  # Pillow's name for 16-bit grey in this format
        samples = samples.astype(np.uint16 if wide else np.float32)
        if not wide:
            notes.append("32-bit integers become float samples, exact up to 16,777,216")
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    samples = samples.reshape(*samples.shape[:2], channels)
    return Picture(samples, channels in (2, 4), metadata, tuple(notes))


Found = TypeVar("Found", Picture, Layout)


def _open(
    source: Path | bytes,
    limits: Limits,
    decode: Callable[[Image.Image, Limits], Found],
    decode_npy: Callable[[IO[bytes], Limits], Found],
) -> Found:
    try:
        with _stream(source) as file:
            head = file.read(16)
            file.seek(0)
            if not head:
                raise InputError("is empty")
            if is_npy(head):
                return decode_npy(file, limits)
            kind = _kind(head)
            if kind is None:
                raise InputError(NOT_AN_IMAGE)
            # Our own limit is stricter than Pillow's and says how to raise it.
            Image.MAX_IMAGE_PIXELS = None
            # Opened by name, Pillow imports the one plugin that the suffix names instead of many.
            with Image.open(file if isinstance(source, bytes) else source, formats=[kind]) as image:
                _check_size(image.size[1], image.size[0], limits)
                return decode(image, limits)
    except InputError:
        raise
    except UnidentifiedImageError:
        raise InputError(NOT_AN_IMAGE) from None
    except DECODER_ERRORS as error:
        raise InputError(_reason(error)) from None


def _kind(head: bytes) -> str | None:
    """Pillow's name of the format that a file begins as."""
    for signature, name in SIGNATURES:
        if head.startswith(signature):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp" and head[8:12] in (b"avif", b"avis", b"mif1"):
        return "AVIF"
    return "PPM" if head[:1] == b"P" and head[1:2] in b"123456fF" and head[2:3].isspace() else None


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
    return f"cannot be decoded: {text}"


def _check_size(height: int, width: int, limits: Limits) -> None:
    if height < 1 or width < 1:
        raise InputError(f"has no pixels ({height}x{width})")
    if height * width > limits.pixels:
        raise InputError(
            f"has {height * width:,} pixels ({height}x{width}), the limit is {limits.pixels:,}; --max-pixels raises it"
        )


def _decode(image: Image.Image, limits: Limits) -> Picture:
    notes = []
    if _is_16bit_colour(image):
        if not limits.reduce_16bit:
            raise InputError(
                "has 16 bits a colour sample, of which only 8 would be read; --dtype uint8 says that this is meant"
            )
        notes.append("16-bit colour was reduced to 8 bits")
    frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    if frames > 1:
        notes.append(f"has {frames} frames; only the first is filtered")
    picture = picture_from_image(image)
    picture.notes = (*notes, *picture.notes)
    return picture


def _is_16bit_colour(image: Image.Image) -> bool:
    """Whether Pillow is about to drop half of the bits, told from the raw mode that it decodes."""
    if image.mode in ("I;16", "I;16B", "I", "F", "L", "1", "P"):
        return False
    tiles = getattr(image, "tile", [])
    if image.format == "PPM":
        return any(isinstance(tile[3], tuple) and int(tile[3][-1]) > 255 for tile in tiles)
    return any(";16" in str(tile[3]) for tile in tiles)


def _layout_of(image: Image.Image) -> Layout:
    transparent = "transparency" in image.info
    mode, (width, height) = image.mode, image.size
    # The method of the base class: that of PNG decodes the whole picture to look for EXIF behind it.
    if Image.Image.getexif(image).get(ORIENTATION, 1) in (5, 6, 7, 8):
        width, height = height, width
    if mode.startswith("I;16") or (mode == "I" and image.format == "PPM"):
        return Layout(height, width, 1, False, "uint16")
    if mode in ("I", "F"):
        return Layout(height, width, 1, False, "float32")
    if mode in ("1", "L", "LA", "La"):
        return Layout(height, width, 1, mode in ("LA", "La") or transparent, "uint8")
    alpha = mode in ("RGBA", "RGBa", "PA") or transparent
    return Layout(height, width, 3, alpha, "uint8")


def _standard(image: Image.Image, notes: list[str]) -> Image.Image:
    """The image in a mode whose samples are what they seem."""
    mode, transparent = image.mode, "transparency" in image.info
    if mode in ("L", "RGB") and transparent:
        return image.convert("LA" if mode == "L" else "RGBA")
    if mode in ("P", "PA"):
        return image.convert("RGBA" if transparent or mode == "PA" else "RGB")
    if mode == "1":
        return image.convert("LA" if transparent else "L")
    if mode in ("La", "RGBa"):
        return image.convert(mode[:-1] + "A")
    if mode == "CMYK":
        return _cmyk(image, notes)
    if mode in ("L", "LA", "RGB", "RGBA", "I;16", "I;16B", "I;16L", "I", "F"):
        return image
    return image.convert("RGB")


def _cmyk(image: Image.Image, notes: list[str]) -> Image.Image:
    profile = image.info.get("icc_profile")
    if profile:
        from PIL import ImageCms

        try:
            found = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, found, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError):
            notes.append("the CMYK profile is damaged; colours were converted without it")
        else:
            if converted is not None:
                notes.append("CMYK was converted to RGB through its profile")
                return converted
    else:
        notes.append("CMYK was converted to RGB")
    return image.convert("RGB")


def _metadata(image: Image.Image) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    if image.mode != "CMYK" and isinstance(image.info.get("icc_profile"), bytes):
        kept["icc_profile"] = image.info["icc_profile"]
    if "dpi" in image.info:
        kept["dpi"] = image.info["dpi"]
    exif = image.getexif()
    if len(exif):
        exif[ORIENTATION] = 1  # the samples are upright from here on
        kept["exif"] = exif.tobytes()  # written anew: an embedded thumbnail stays behind
    return kept


def _npy_header(file: IO[bytes], limits: Limits) -> Layout:
    shape, _, dtype = _npy_shape(file)
    try:
        layout = layout_of_array(shape, dtype)
    except UsageError as error:
        raise InputError(str(error)) from None
    _check_size(layout.height, layout.width * -(-layout.channels // 4), limits)
    return layout


def _npy_shape(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read(file)
    return shape, fortran, dtype


def _npy_picture(file: IO[bytes], limits: Limits) -> Picture:
    _npy_header(file, limits)
    file.seek(0)
    shape, fortran, dtype = _npy_shape(file)
    wanted = int(np.prod(shape, dtype=object)) * dtype.itemsize
    data = file.read(wanted)
    if len(data) < wanted:
        raise InputError(f"is cut short: {len(data)} bytes of samples, {wanted} announced")
    return picture_from_array(np.frombuffer(data, dtype=dtype).reshape(shape, order="F" if fortran else "C"))
