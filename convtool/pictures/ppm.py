"""PPM files and their kin: by Pillow, but for 16 bits a colour sample, which it reads as 8 (Netpbm, ppm(5))."""

from __future__ import annotations

import re
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convtool.errors import InputError
from convtool.pictures.limits import Opened
from convtool.pictures.modes import layout_of_image
from convtool.pictures.picture import Layout, Picture
from convtool.pictures.pillow_files import read_image, write, write_frames

__all__ = ["read", "write", "write_frames"]

HEADER = re.compile(rb"P6(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)(?:#[^\n]*\n)?\s")
LONGEST_HEADER = 4096
FULL = 65535


def read(opened: Opened) -> Picture | Layout:
    """A PPM, PGM, PBM or PFM file."""
    return read_image(opened, wide=_wide)


def _wide(image: Image.Image, opened: Opened) -> Picture | Layout | None:
    if opened.header_only:
        return layout_of_image(image)._replace(dtype="uint16")
    return Picture(ppm_samples(opened.file, lenient=opened.forced), False)


def ppm_samples(file: IO[bytes], *, lenient: bool = False) -> NDArray[np.uint16]:
    """Samples (H, W, 3), spread to 0..65535; the size has to be checked before."""
    file.seek(0)
    header = HEADER.match(file.read(LONGEST_HEADER))
    if header is None:
        raise InputError("is a PPM with a header that cannot be read")
    width, height, largest = (int(number) for number in header.groups())
    file.seek(header.end())
    wanted = width * height * 6
    data = file.read(wanted)
    if len(data) < wanted and not lenient:
        raise InputError(f"is cut short: {len(data)} bytes of samples, {wanted} announced")
    samples = np.frombuffer(data.ljust(wanted, b"\0"), dtype=">u2").reshape(height, width, 3).astype(np.uint16)
    if largest != FULL:
        samples = np.rint(samples.clip(0, largest) * (FULL / largest)).astype(np.uint16)
    return samples
