"""Pictures out: samples as the bytes of a file format."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convtool.errors import InputError
from convtool.formats import format_of, refusal
from convtool.picture import Layout
from convtool.png import PngWriter

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
    if reason := refusal(format_name, layout):
        raise InputError(reason)
    plain = samples[..., 0] if samples.shape[2] == 1 else samples
    if format_name == "npy":
        np.lib.format.write_array(file, np.ascontiguousarray(plain), allow_pickle=False)
        return
    kept = _kept(metadata, layout)
    if format_name == "png":
        depth = 8 if layout.dtype == "uint8" else 16
        height, width, channels = samples.shape
        options: dict[str, Any] = {"compress": encoding.compress, "metadata": kept, "threads": encoding.threads}
        with PngWriter(file, height, width, channels, depth, **options) as png:
            png.write(samples)
        return
    if layout.channels > 1 and layout.dtype != "uint8":
        _write_deep_tiff(samples, layout, encoding, file)
        return
    image = Image.fromarray(np.ascontiguousarray(plain))
    # Told by the suffix of a file's name, Pillow imports one plugin; told by format, it imports five.
    named = format_of(Path(str(getattr(file, "name", ""))).suffix) == format_name
    image.save(
        file,
        None if named else PILLOW_NAMES[format_name],
        **_options(format_name, layout, encoding),
        **_accepted(format_name, kept),
    )


def _kept(metadata: dict[str, Any], layout: Layout) -> dict[str, Any]:
    """Metadata that is still true of the output: a profile belongs to its colour model."""
    kept = dict(metadata)
    profile = kept.get("icc_profile")
    if profile and len(profile) >= 20:
        model = profile[16:20]
        if (model == b"GRAY") != (layout.colours == 1):
            del kept["icc_profile"]
    return kept


def _accepted(format_name: str, kept: dict[str, Any]) -> dict[str, Any]:
    known = {
        "jpg": ("icc_profile", "exif", "dpi"),
        "tif": ("icc_profile", "dpi"),
        "webp": ("icc_profile", "exif"),
        "bmp": ("dpi",),
    }
    return {key: value for key, value in kept.items() if key in known.get(format_name, ())}


def _options(format_name: str, layout: Layout, encoding: Encoding) -> dict[str, Any]:
    if format_name == "jpg":
        return {"quality": encoding.quality}
    if format_name == "webp":
        return {"quality": encoding.quality}
    if format_name == "tif":
        if encoding.compress in ("fast", "0"):
            return {"compression": None}
        predictor = 3 if layout.dtype == "float32" else 2
        return {"compression": "tiff_adobe_deflate", "tiffinfo": {317: predictor}}
    return {}


def _write_deep_tiff(samples: NDArray[Any], layout: Layout, encoding: Encoding, file: IO[bytes]) -> None:
    try:
        import tifffile
    except ImportError:
        raise InputError(
            f"{layout.dtype} colour as tif needs the extra: pip install 'convtool[deep]'; -f npy needs none"
        ) from None
    tifffile.imwrite(
        file,
        np.ascontiguousarray(samples),
        photometric="rgb" if layout.colours == 3 else "minisblack",
        extrasamples=["unassalpha"] if layout.alpha else None,
        compression=None if encoding.compress in ("fast", "0") else "zlib",
        metadata=None,
    )
