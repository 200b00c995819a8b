"""The parts of a JPEG file: its header by Pillow, which places the metadata, and the coded samples of any rows.

The coded samples are Pillow's own, byte for byte, whoever makes them: where the extra ``deep`` is there, its
libjpeg-turbo takes packed samples, which Pillow copies twice first.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convtool.pictures.jpeg.segments import parts, tables, with_size

Samples = NDArray[Any]
Coder = Callable[[Samples], bytes]


class _Named(io.BytesIO):
    """Given a file name with a suffix, Pillow imports one plugin; given a format, it imports five."""

    name = "header.jpg"


def header_for(height: int, width: int, channels: int, options: dict[str, Any]) -> bytes:
    """What stands before the coded samples, with the metadata of Pillow's ``options``; raises as Pillow does."""
    file = _Named()
    Image.new("RGB" if channels > 1 else "L", (1, 1)).save(file, **options)
    return with_size(parts(file.getvalue())[0], height, width)


def coder_for(header: bytes, channels: int, options: dict[str, Any], *, fast: bool) -> Coder:
    """What codes samples (rows, W, C) for a header of ``header_for``; ``options`` without metadata.

    ``fast`` asks for the codec of the extra, which is taken if its tables are those of the header.
    """
    if fast:
        trial = parts(_by_codec(np.zeros((1, 1, channels), np.uint8), options))[0]
        if tables(trial) == tables(header):
            return lambda samples: parts(_by_codec(samples, options))[1]
    return lambda samples: parts(_by_pillow(samples, options))[1]


def _by_codec(samples: Samples, options: dict[str, Any]) -> bytes:
    import imagecodecs

    height, width, channels = samples.shape
    # Of sides of one sample, NumPy does not mind the strides; the codec does.
    packed: Samples = np.ascontiguousarray(samples).ravel()
    packed = packed.reshape((height, width, channels) if channels > 1 else (height, width))
    return bytes(imagecodecs.jpeg8_encode(packed, options["quality"], subsampling="420" if channels > 1 else None))


def _by_pillow(samples: Samples, options: dict[str, Any]) -> bytes:
    """Pillow lets other threads run while it encodes, but only into a real file."""
    image = Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)
    with _memory_file() as file:
        image.save(file, "JPEG", **options)
        file.seek(0)
        return file.read()


def _memory_file() -> IO[bytes]:
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("convtool"), "w+b")
    from tempfile import TemporaryFile

    return TemporaryFile()
