"""Pillow's modes as samples that are what they seem: never palette indices, never half of the bits unnoticed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convtool.pictures.metadata import collect, orientation_of
from convtool.pictures.picture import Layout, Picture, Samples

DEEP_GREY = ("I;16", "I;16L", "I;16B")
PLAIN = ("L", "LA", "RGB", "RGBA", *DEEP_GREY, "I", "F")
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What sets a picture upright, by its EXIF orientation (TIFF 6.0, Orientation)."""

BITS, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339
"""Tags of a TIFF."""
WHITE_IS_ZERO, UNSIGNED = 0, 1

INTEGERS = "its 32-bit integers became float samples, exact up to 16,777,216"


def stored_as(path: Path) -> tuple[str, bool]:
    """Pillow's mode of a file, ``npy`` for an array, and whether its EXIF orientation turns it; raises OSError."""
    if path.suffix.lower() == ".npy":
        return "npy", False
    with Image.open(path) as image:
        return image.mode, orientation_of(image) in UPRIGHT


def picture_from_image(image: Image.Image) -> Picture:
    """A Pillow image as a picture: palette to RGB(A), bilevel to grey, CMYK to RGB, upright."""
    image.load()
    notes: list[str] = []
    orientation = orientation_of(image)
    metadata = collect(image, notes, turned=orientation >= 5)
    upright = image.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else image
    samples, alpha = _samples(upright, image, notes)
    return Picture(samples, alpha, metadata, tuple(notes))


class StoredRows:
    """Samples in Pillow's storage, which holds four bytes a pixel of RGB; rows are packed when they are read.

    So the picture is never there twice, and what is read is still in the cache when it is filtered.
    """

    def __init__(self, image: Image.Image) -> None:
        self._image = image
        self.shape = (image.height, image.width, len(image.getbands()))
        self.dtype = np.dtype(np.uint8)

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        height, width, channels = self.shape
        first, last, _ = rows.indices(height)
        if last <= first:
            return np.empty((0, width, channels), dtype=self.dtype)
        part = np.asarray(self._image.crop((0, first, width, last)))
        return part.reshape(last - first, width, channels)


def frame_count(image: Image.Image) -> int:
    """How many frames a file has. The further pictures of an MPO are no frames: it is a JPEG with extras."""
    return 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))


def set_upright(image: Image.Image, samples: NDArray[Any]) -> Picture:
    """A picture of samples (H, W, C) that another decoder read from the file of ``image``, which has the metadata."""
    notes: list[str] = []
    orientation = orientation_of(image)
    metadata = collect(image, notes, turned=orientation >= 5)
    channels = samples.shape[2]
    return Picture(turned(samples, orientation), channels in (2, 4), metadata, tuple(notes))


def turned(samples: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Rows and columns put where the orientation says (TIFF 6.0)."""
    if orientation in (5, 6, 7, 8):
        samples = samples.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    return np.ascontiguousarray(samples)


def layout_of_image(image: Image.Image) -> Layout:
    """The layout of the picture that an image will be, from its header."""
    transparent = image.info.get("transparency") is not None
    mode, (width, height) = image.mode, image.size
    if orientation_of(image) >= 5:
        width, height = height, width
    if mode in DEEP_GREY or (mode == "I" and image.format == "PPM"):
        return Layout(height, width, 1, transparent, "uint16")
    if mode in ("I", "F"):
        return Layout(height, width, 1, False, "float32")
    if mode in ("1", "L", "LA", "La"):
        return Layout(height, width, 1, mode in ("LA", "La") or transparent, "uint8")
    alpha = mode in ("RGBA", "RGBa", "PA") or transparent
    return Layout(height, width, 3, alpha, "uint8")


def is_16bit_colour(image: Image.Image) -> bool:
    """Whether Pillow is about to drop half of the bits, by the raw mode that it decodes."""
    if image.mode in (*DEEP_GREY, "I", "F", "L", "1", "P"):
        return False
    tiles = getattr(image, "tile", [])
    if image.format == "TIFF":
        return any(bits > 8 for bits in _as_tuple(getattr(image, "tag_v2", {}).get(BITS, 8)))
    if image.format == "PPM":
        return any(isinstance(tile[3], tuple) and int(tile[3][-1]) > 255 for tile in tiles)
    return any(";16" in str(tile[3]) for tile in tiles)


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _samples(upright: Image.Image, image: Image.Image, notes: list[str]) -> tuple[Samples, bool]:
    """Samples (H, W, C) and whether the last channel is alpha; ``image`` knows what ``upright`` came from."""
    key = upright.info.get("transparency")
    converted = _standard(upright, key is not None, notes)
    if converted.mode in ("L", "RGB"):
        return StoredRows(converted), False
    samples = np.asarray(converted)
    if samples.dtype.byteorder not in "=|":
        samples = samples.astype(samples.dtype.newbyteorder("="))
    if converted.mode in DEEP_GREY and getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == WHITE_IS_ZERO:
        samples = np.invert(samples)  # Pillow does so for 8 bits only
    if converted.mode == "I":
        samples = _integers(samples, image, notes)
    if converted.mode in DEEP_GREY and isinstance(key, int):  # Pillow knows no 16-bit grey with alpha
        samples = np.stack((samples, np.where(samples == key, 0, 65535).astype(np.uint16)), axis=-1)
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    return samples.reshape(*samples.shape[:2], channels), channels in (2, 4)


def _integers(samples: NDArray[Any], image: Image.Image, notes: list[str]) -> NDArray[Any]:
    if image.format == "PPM":  # Pillow's name for 16-bit grey in this format
        return samples.astype(np.uint16)
    tags = getattr(image, "tag_v2", {})
    if _as_tuple(tags.get(BITS)) == (32,) and _as_tuple(tags.get(SAMPLE_FORMAT, UNSIGNED)) == (UNSIGNED,):
        samples = samples.view(np.uint32)  # Pillow reads whole numbers without a sign as if they had one
    notes.append(INTEGERS)
    return samples.astype(np.float32)


def _standard(image: Image.Image, transparent: bool, notes: list[str]) -> Image.Image:
    """The image in a mode whose samples are what they seem."""
    mode = image.mode
    if mode in ("L", "RGB") and transparent:
        return image.convert("LA" if mode == "L" else "RGBA")
    if mode in ("P", "PA"):
        return image.convert("RGBA" if transparent or mode == "PA" else "RGB")
    if mode == "1":
        return _bilevel(image)
    if mode in ("La", "RGBa"):
        return image.convert(mode[:-1] + "A")
    if mode == "CMYK":
        return _cmyk(image, notes)
    return image if mode in PLAIN else image.convert("RGB")


def _bilevel(image: Image.Image) -> Image.Image:
    grey, key = image.convert("L"), image.info.get("transparency")
    if not isinstance(key, int):
        return grey
    # Pillow gives the key as a sample of 0 or 255, or as the bit that it was.
    hidden = grey.point([0 if value == (255 if key else 0) else 255 for value in range(256)])
    return Image.merge("LA", (grey, hidden))


def _cmyk(image: Image.Image, notes: list[str]) -> Image.Image:
    profile = image.info.get("icc_profile")
    if profile:
        from PIL import ImageCms

        try:
            found = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, found, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            notes.append("its CMYK profile is damaged; CMYK was converted to RGB without it")
            return image.convert("RGB")
        if converted is not None:
            notes.append("CMYK was converted to RGB through its profile")
            return converted
    notes.append("CMYK was converted to RGB without a profile, as it has none")
    return image.convert("RGB")
