"""Is what a peer wrote the picture that was asked for? Told by Pillow and scipy before anything is timed."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from benchmarks.peers import KERNELS, Work
from benchmarks.photographs import QUALITY

# Mean levels between two JPEGs of one filtered picture: decoders and encoders of different versions round their
# transforms differently. A wrong kernel, sign or shift by one pixel is several times this.
JPEG_MEAN = 1.0


def unlike(work: Work) -> str:
    """What is wrong with the outputs of a folder, or nothing.

    Inner samples of PNG may be 1 off, by rounding; the outermost pixels are left out, as peers extend the picture
    by other rules (convtool and OpenCV reflect it, the others repeat or copy its edge). JPEG files must have the same
    quality and the same colour sampling, and be the same picture up to JPEG_MEAN.
    """
    paths, maps = sorted(work.source.iterdir()), KERNELS[work.kernel]
    wanted = sorted(f"{path.stem}{suffix}{path.suffix}" for path in paths for suffix in maps)
    found = sorted(path.name for path in work.target.iterdir())
    if wanted != found:
        return f"{len(wanted)} files were to be written, {len(found)} are there: {', '.join(found[:3])}"
    for path in dict.fromkeys((paths[0], paths[len(paths) // 2], paths[-1])):
        for suffix, weights in maps.items():
            written = work.target / f"{path.stem}{suffix}{path.suffix}"
            reason = difference(path, written, weights, absolute=work.absolute)
            if reason:
                return f"{written.name}: {reason}"
    return ""


def difference(source: Path, written: Path, weights: str, *, absolute: bool) -> str:
    with Image.open(written) as opened:
        if opened.mode != "RGB":
            return f"mode {opened.mode}"
        samples = np.asarray(opened).astype(np.int16)
        found = settings(opened)
    expected, wanted = answer(source, weights, absolute)
    if samples.shape != expected.shape:
        return f"shape {samples.shape} in place of {expected.shape}"
    distance = np.abs(samples - expected)
    if source.suffix == ".png":
        far = distance[1:-1, 1:-1].max()
        return f"samples differ by up to {far}" if far > 1 else ""
    if found != wanted:
        return f"JPEG settings {found} in place of {wanted}"
    mean = distance.mean()
    return f"samples differ by {mean:.2f} levels in the mean" if mean > JPEG_MEAN else ""


@lru_cache(4)
def answer(source: Path, weights: str, absolute: bool) -> tuple[NDArray[np.int16], Any]:
    """The picture by scipy, and for JPEG as Pillow would write it."""
    with Image.open(source) as opened:
        picture = np.asarray(opened.convert("RGB"))
    kernel = np.array([[float(weight) for weight in row.split()] for row in weights.split(";")])
    planes = [ndimage.correlate(picture[..., c].astype(np.float32), kernel, mode="mirror") for c in range(3)]
    exact = np.rint(np.stack(planes, axis=-1))
    samples = np.clip(np.abs(exact) if absolute else exact, 0, 255).astype(np.uint8)
    if source.suffix == ".png":
        return samples.astype(np.int16), ()
    file = io.BytesIO()
    Image.fromarray(samples).save(file, "JPEG", quality=QUALITY)
    with Image.open(file) as written:
        return np.asarray(written).astype(np.int16), settings(written)


def settings(picture: Any) -> tuple[Any, ...]:
    """Quantisation tables and the sampling of each component of a JPEG file."""
    return (picture.quantization, picture.layer) if picture.format == "JPEG" else ()
