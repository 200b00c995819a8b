"""Plain JPEG files decoded into packed samples by libjpeg-turbo, as Pillow does: where the extra ``deep`` is there.

Pillow stores four bytes a pixel of colour, which would have to be packed for every filter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convtool.pictures.jpeg.segments import Frame, plain_frame

LONGEST = 65500
"""Of a side, for libjpeg (JPEG_MAX_DIMENSION in jmorecfg.h); this library's would take 65,535."""


def plain(data: bytes, most_pixels: int) -> Frame | None:
    """What a plain file holds; None for one that is not, or larger than ``most_pixels``."""
    frame = plain_frame(data)
    if frame is None or frame.height * frame.width > most_pixels or max(frame.height, frame.width) > LONGEST:
        return None
    return frame


def decoded(data: bytes, frame: Frame) -> NDArray[np.uint8] | None:
    """Samples (H, W, C) of a plain file; None for damage that its segments do not show."""
    import imagecodecs

    samples = np.empty(frame, dtype=np.uint8)
    try:
        imagecodecs.jpeg8_decode(data, out=samples if frame.channels > 1 else samples[..., 0])
    except (RuntimeError, ValueError):  # Jpeg8Error is a RuntimeError
        return None
    return samples
