"""Pictures of more than 8 bits in colour, through tifffile and imagecodecs: the extra ``convtool[deep]``.

Pillow reads such files as 8 bits or not at all.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convtool.errors import InputError
from convtool.pictures.metadata import EXIF_ERRORS, is_sound_profile, rewritten
from convtool.pictures.modes import turned
from convtool.pictures.picture import Layout, Picture
from convtool.pictures.png.soundness import bare_png

if TYPE_CHECKING:
    from tifffile import TiffPage

GREY, RGB = (0, 1), (2,)
"""Values of a TIFF's PhotometricInterpretation: white or black is zero; colours."""
BITS, ORIENTATION, DESCRIPTION = 258, 274, 270
INCH, CENTIMETRE = 2, 3
FIELDS = {271: "make", 272: "model", 315: "artist", 33432: "copyright"}
"""Fields of a TIFF that tifffile has no argument for."""


def png_samples(data: bytes) -> NDArray[np.uint16]:
    """Samples (H, W, C) of a 16-bit PNG; a colour key becomes alpha."""
    import imagecodecs

    bare = bare_png(data)
    if bare is None:
        raise InputError("is damaged: its image data are not what its header says")
    try:
        samples: NDArray[np.uint16] = imagecodecs.png_decode(bare)
    except RuntimeError as error:
        raise InputError(f"cannot be decoded: {error}") from None
    return samples.reshape(*samples.shape[:2], -1)


def is_deep_tiff(file: IO[bytes]) -> bool:
    """Whether a TIFF that Pillow cannot identify is one for the extra, by its first directory."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    file.seek(0)
    directory = ImageFileDirectory_v2(file.read(8))
    file.seek(directory.next)
    directory.load(file)
    bits = directory.get(BITS, (1,))
    return any(each > 8 for each in (bits if isinstance(bits, tuple) else (bits,)))


def tiff_layouts(file: IO[bytes]) -> list[Layout]:
    """The layout of every page of a TIFF from its header."""
    return [_layout(page) for page in _pages(file)]


def tiff_pictures(file: IO[bytes], count: int) -> list[Picture]:
    """The first pages of a TIFF; their layouts have to be checked before."""
    pictures = []
    for page in _pages(file):
        pictures.append(_picture(page))
        if len(pictures) == count:
            break
    pictures[0].metadata = _metadata(file)
    return pictures


def _pages(file: IO[bytes]) -> Iterator[TiffPage]:
    """The pages of a TIFF, each valid until the next is asked for."""
    import logging

    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what matters comes as an exception, too
    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        for index in range(len(tiff.pages)):
            page = tiff.pages[index]
            assert isinstance(page, tifffile.TiffPage)
            yield page


def _layout(page: TiffPage) -> Layout:
    height, width = int(page.imagelength), int(page.imagewidth)
    photometric = int(page.photometric)
    if photometric not in GREY + RGB or page.dtype is None or page.dtype.kind not in "uif" or page.imagedepth != 1:
        raise InputError("is a TIFF of a kind that is not read: neither grey nor RGB, or no plain numbers")
    if _orientation(page) >= 5:
        height, width = width, height
    colours = 3 if photometric in RGB else 1
    if page.samplesperpixel < colours:
        raise InputError(f"is damaged: {page.samplesperpixel} samples a pixel for {colours} colours")
    kept = {"uint8": "uint8", "uint16": "uint16"}
    return Layout(height, width, colours, _alpha(page, colours) > 0, kept.get(page.dtype.name, "float32"))


def _orientation(page: TiffPage) -> int:
    tag = page.tags.get(ORIENTATION)
    return tag.value if tag is not None and tag.value in range(1, 9) else 1


def _alpha(page: TiffPage, colours: int) -> int:
    """How the sample after the colours is alpha: 0 not at all, 1 with colours multiplied by it, 2 without."""
    extra = page.extrasamples
    return int(extra[0]) if extra and page.samplesperpixel > colours else 0


def _picture(page: TiffPage) -> Picture:
    layout, notes = _layout(page), []
    try:
        samples = np.asarray(page.asarray())
    except RuntimeError as error:  # the base of what imagecodecs raises
        raise InputError(f"cannot be decoded: {error}") from None
    if page.axes.startswith("S"):
        samples = np.moveaxis(samples, 0, -1)
    samples = samples.reshape(page.imagelength, page.imagewidth, -1)
    if samples.dtype.name not in ("uint8", "uint16"):
        if samples.dtype.kind in "iu":
            notes.append("its whole numbers became float samples, exact up to 16,777,216")
        with np.errstate(over="ignore"):
            samples = samples.astype(np.float32)
    full = np.iinfo(samples.dtype).max if samples.dtype.kind == "u" else 1
    colours = layout.colours
    if int(page.photometric) == 0:
        samples = np.concatenate((full - samples[..., :1], samples[..., 1:]), axis=-1).astype(samples.dtype)
    if samples.shape[2] > layout.channels:
        notes.append(f"has {samples.shape[2] - layout.channels} more channels, which were left out")
        samples = samples[..., : layout.channels]
    if _alpha(page, colours) == 1:
        samples = _divided(samples, full)
    return Picture(turned(samples, _orientation(page)), layout.alpha, {}, tuple(notes))


def _divided(samples: NDArray[Any], full: int) -> NDArray[Any]:
    """Colours that were multiplied by alpha, as they were before."""
    alpha = samples[..., -1:].astype(np.float64)
    colour = np.divide(samples[..., :-1] * float(full), alpha, out=np.zeros(samples[..., :-1].shape), where=alpha > 0)
    if samples.dtype.kind == "u":
        colour = np.rint(colour).clip(0, full)
    return np.concatenate((colour.astype(samples.dtype), samples[..., -1:]), axis=-1)


def _metadata(file: IO[bytes]) -> dict[str, Any]:
    page = next(_pages(file))
    kept: dict[str, Any] = {}
    if is_sound_profile(page.iccprofile):
        kept["icc_profile"] = page.iccprofile
    x, y = page.get_resolution(INCH)
    if x > 1 and y > 1:  # 1 stands for none
        kept["dpi"] = (float(x), float(y))
    found = Image.Exif()
    found.endian, found.bigtiff = page.parent.byteorder, page.parent.is_bigtiff
    with contextlib.suppress(*EXIF_ERRORS, struct.error):  # without fields that cannot be read
        found.load_from_fp(file, page.offset)
        if exif := rewritten(found):
            kept["exif"] = exif
    return kept


def write_tiff(
    pages: Sequence[NDArray[Any]], alpha: bool, compress: bool, metadata: dict[str, Any], file: IO[bytes]
) -> None:
    """Write samples (H, W, C), alpha last, as the pages of a TIFF."""
    import tifffile

    options: dict[str, Any] = {"compression": "zlib" if compress else None, "metadata": None}
    if compress:
        options["predictor"] = True
    if "dpi" in metadata:
        options |= {"resolution": metadata["dpi"], "resolutionunit": INCH}
    exif = Image.Exif()
    if "exif" in metadata:
        exif.load(metadata["exif"])
    fields: list[tuple[int, str, int, Any, bool]] = []
    for tag in FIELDS:
        if isinstance(exif.get(tag), str):
            fields.append((tag, "s", 0, exif[tag], True))
    with tifffile.TiffWriter(file) as tiff:
        for samples in pages:
            colours = samples.shape[2] - alpha
            tiff.write(
                np.ascontiguousarray(samples if samples.shape[2] > 1 else samples[..., 0]),
                photometric="rgb" if colours == 3 else "minisblack",
                extrasamples=["unassalpha"] if alpha else None,
                planarconfig="contig" if samples.shape[2] > 1 else None,
                iccprofile=metadata.get("icc_profile"),
                description=exif.get(DESCRIPTION),
                software=exif.get(305) or False,
                datetime=exif.get(306),
                extratags=fields,
                **options,
            )
