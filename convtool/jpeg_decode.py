"""Plain JPEG files decoded into packed samples by libjpeg-turbo, as Pillow does: where the extra ``deep`` is there.

Pillow stores four bytes a pixel of colour, which would have to be packed for every filter.
"""

from __future__ import annotations

from typing import IO

import numpy as np
from numpy.typing import NDArray

from convtool.jpeg_file import plain_frame


def decoded(file: IO[bytes], most_pixels: int) -> NDArray[np.uint8] | None:
    """Samples (H, W, C) of a file; None for one that is not plain, damaged, or larger than ``most_pixels``."""
    file.seek(0)
    data = file.read()
    frame = plain_frame(data)
    if frame is None or frame.height * frame.width > most_pixels:
        return None
    import imagecodecs

    samples = np.empty(frame, dtype=np.uint8)
    try:
        imagecodecs.jpeg8_decode(data, out=samples if frame.channels > 1 else samples[..., 0])
    except (RuntimeError, ValueError):  # Jpeg8Error is a RuntimeError
        return None
    return samples
