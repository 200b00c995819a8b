"""Pictures out: samples as the bytes of a file format."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import IO, Any

from numpy.typing import NDArray

from convtool.errors import InputError
from convtool.pictures.codec import codec_of
from convtool.pictures.formats import FORMATS, Encoding, Output, needs_deep, refusal
from convtool.pictures.picture import Layout, Timing


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
    found = FORMATS[format_name]
    codec_of(found).write(strips, Output(found, layout, encoding, metadata), file)


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
    found = FORMATS[format_name]
    codec_of(found).write_frames(frames, layouts, timing, Output(found, layouts[0], encoding, metadata), file)


def frames_refusal(format_name: str, layouts: Sequence[Layout]) -> str | None:
    """Why a format cannot hold frames of these layouts; None if it can."""
    for layout in layouts:
        if reason := refusal(format_name, layout):
            return reason
    if format_name != "tif":
        return f"{format_name} cannot hold frames that are not alike; write tif" if len(set(layouts)) > 1 else None
    mixed = len({layout[2:] for layout in layouts}) > 1 and any(needs_deep("tif", layout) for layout in layouts)
    return "its pages are of several kinds, too many for one tif; -f png takes the first" if mixed else None
