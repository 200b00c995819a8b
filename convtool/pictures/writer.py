"""Pictures out: samples as the bytes of a file format."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convtool.errors import InputError
from convtool.machine import cores
from convtool.pictures import codecs
from convtool.pictures.formats import format_of, needs_deep, refusal
from convtool.pictures.metadata import LONGEST_JPEG_SEGMENT, PREDICTOR, fitting
from convtool.pictures.picture import Layout, Timing
from convtool.pictures.png.rows import MOST_THREADS, PngWriter
from convtool.tuples import NamedTuple

PILLOW_NAMES = {
    "jpg": "JPEG",
    "tif": "TIFF",
    "webp": "WEBP",
    "bmp": "BMP",
    "ppm": "PPM",
    "pgm": "PPM",
}


class Encoding(NamedTuple):
    """Encoder settings: ``quality`` of jpg and webp, ``compress`` (fast, small, 0 to 9) of lossless formats.

    ``threads`` are those of one encoder; None: as it sees fit. They never change the bytes.
    """

    quality: int = 92
    compress: str = "fast"
    threads: int | None = None


def encode(
    samples: NDArray[Any],
    layout: Layout,
    format_name: str,
    encoding: Encoding,
    metadata: dict[str, Any],
    file: IO[bytes],
) -> None:
    """Write samples (H, W, C), alpha last, to a binary file; raises InputError for what the format cannot hold."""
    encode_strips([samples], layout, format_name, encoding, metadata, file)


def encode_strips(
    strips: Iterable[NDArray[Any]],
    layout: Layout,
    format_name: str,
    encoding: Encoding,
    metadata: dict[str, Any],
    file: IO[bytes],
) -> None:
    """Write samples that come in strips (rows, W, C) from top to bottom; a strip is not looked at again.

    What is ``bands.Banded`` besides is asked for bands where the format is written in these.
    """
    if reason := refusal(format_name, layout):
        raise InputError(reason)
    shape = (layout.height, layout.width, layout.channels)
    if format_name == "npy":
        header = {"descr": np.dtype(layout.dtype).str, "fortran_order": False, "shape": shape[: 2 + (shape[2] > 1)]}
        np.lib.format.write_array_header_1_0(file, header)
        for strip in strips:
            file.write(np.ascontiguousarray(strip).data)
        return
    kept = fitting(metadata, format_name, layout)
    if format_name == "png":
        depth = 8 if layout.dtype == "uint8" else 16
        options: dict[str, Any] = {"compress": encoding.compress, "metadata": kept, "threads": encoding.threads}
        with PngWriter(file, *shape, depth, **options) as png:
            for strip in strips:
                png.write(strip)
        return
    exif = kept.get("exif", b"")
    if needs_deep(format_name, layout):
        from convtool.pictures.deep_colour import write_tiff

        write_tiff([_whole(strips, shape, layout.dtype)], layout.alpha, _is_packed(encoding), kept, file)
        _add_directories(file, exif)
        return
    # Given a file name with a suffix, Pillow imports one plugin; given a format, it imports five.
    named = format_of(Path(str(getattr(file, "name", ""))).suffix) == format_name
    options = _options(format_name, layout, encoding, kept)
    if format_name == "jpg":
        from convtool.pictures.jpeg import bands

        fast = codecs.pay(layout.height * layout.width, codecs.JPEG)
        if fast or bands.band_rows(layout):
            threads = min(cores(), MOST_THREADS) if encoding.threads is None else encoding.threads
            bands.write_bands(strips, layout, options, file, threads, fast=fast)
            return
    _save(_pasted(strips, layout), file, None if named else PILLOW_NAMES[format_name], options)
    if format_name == "tif":
        _add_directories(file, exif)


def _whole(strips: Iterable[NDArray[Any]], shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    whole = np.empty(shape, dtype=dtype)
    row = 0
    for strip in strips:
        whole[row : row + len(strip)] = strip
        row += len(strip)
    return whole


def _pasted(strips: Iterable[NDArray[Any]], layout: Layout) -> Image.Image:
    """The strips in Pillow's storage: an array of the whole would only be there beside it."""
    whole: Image.Image | None = None
    row = 0
    for strip in strips:
        part = _image(strip)
        if len(strip) == layout.height:
            return part
        if whole is None:
            whole = Image.new(part.mode, (layout.width, layout.height), None)
        whole.paste(part, (0, row))
        row += len(strip)
    assert whole is not None
    return whole


def encode_frames(
    frames: Sequence[NDArray[Any]],
    layouts: Sequence[Layout],
    timing: Timing,
    format_name: str,
    encoding: Encoding,
    metadata: dict[str, Any],
    file: IO[bytes],
) -> None:
    """Write frames, each like the samples of ``encode``; raises InputError for what the format cannot hold."""
    if reason := frames_refusal(format_name, layouts):
        raise InputError(reason)
    if format_name == "png":
        from convtool.pictures.png.animation import write_apng

        pngs = (_png(samples, layouts[0], encoding, metadata) for samples in frames)
        write_apng(pngs, len(frames), timing, file)
        return
    kept = fitting(metadata, format_name, layouts[0])
    if any(needs_deep(format_name, layout) for layout in layouts):
        from convtool.pictures.deep_colour import write_tiff

        write_tiff(frames, layouts[0].alpha, _is_packed(encoding), kept, file)
        _add_directories(file, kept.get("exif", b""))
        return
    exif = kept.get("exif", b"")
    options = _options(format_name, layouts[0], encoding, kept)
    if format_name == "webp":
        options |= {"duration": [round(timing.of(at)) for at in range(len(frames))], "loop": timing.plays}
    first, *others = (_image(samples) for samples in frames)
    _save(first, file, PILLOW_NAMES[format_name], options | {"save_all": True, "append_images": others})
    if format_name == "tif":
        _add_directories(file, exif)


def frames_refusal(format_name: str, layouts: Sequence[Layout]) -> str | None:
    """Why a format cannot hold frames of these layouts; None if it can."""
    for layout in layouts:
        if reason := refusal(format_name, layout):
            return reason
    if format_name != "tif":
        return f"{format_name} cannot hold frames that are not alike; write tif" if len(set(layouts)) > 1 else None
    mixed = len({layout[2:] for layout in layouts}) > 1 and any(needs_deep("tif", layout) for layout in layouts)
    return "its pages are of several kinds, too many for one tif; -f png takes the first" if mixed else None


def _png(samples: NDArray[Any], layout: Layout, encoding: Encoding, metadata: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    encode(samples, layout, "png", encoding, metadata, buffer)
    return buffer.getvalue()


def _save(image: Image.Image, file: IO[bytes], name: str | None, options: dict[str, Any]) -> None:
    """Write by Pillow; what libtiff packs goes through a buffer, as it hides the errors of a file and talks of them."""
    if not options.get("compression"):
        image.save(file, name, **options)
        return
    buffer = io.BytesIO()
    image.save(buffer, PILLOW_NAMES["tif"], **options)
    file.write(buffer.getbuffer())


def _add_directories(file: IO[bytes], exif: bytes) -> None:
    if exif:
        from convtool.pictures.exif import add_directories

        add_directories(file, exif)


def _image(samples: NDArray[Any]) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(samples[..., 0] if samples.shape[2] == 1 else samples))


def _comment(text: str) -> bytes:
    """The bytes of a JPEG's comment. One that is too long as UTF-8 was read as Latin-1, a byte a letter."""
    data = text.encode()
    return data if len(data) <= LONGEST_JPEG_SEGMENT else text.encode("latin-1", "replace")[:LONGEST_JPEG_SEGMENT]


def _is_packed(encoding: Encoding) -> bool:
    """Whether a tif is compressed at all."""
    return encoding.compress not in ("fast", "0")


def _options(format_name: str, layout: Layout, encoding: Encoding, kept: dict[str, Any]) -> dict[str, Any]:
    """Pillow's options for saving, metadata included."""
    if format_name == "jpg":
        comment = kept.pop("text", {}).get("Comment")
        return {"quality": encoding.quality, **kept, **({"comment": _comment(comment)} if comment else {})}
    if format_name == "webp":
        return {"quality": encoding.quality, **kept}
    if format_name == "tif":
        from convtool.pictures.exif import first_directory

        exif = first_directory(kept.pop("exif", b""))
        if not _is_packed(encoding):
            return {"compression": None, "exif": exif, **kept}
        exif[PREDICTOR] = 3 if layout.dtype == "float32" else 2
        return {"compression": "tiff_adobe_deflate", "exif": exif, **kept}
    return kept
