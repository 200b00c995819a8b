"""The one interface of what reads and writes a format: three functions of a module, named in the format's row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import IO, Any, Protocol

from numpy.typing import NDArray

from convtool.pictures.formats import Format, Output
from convtool.pictures.limits import Opened
from convtool.pictures.picture import Layout, Picture, Timing


class Codec(Protocol):
    """A module that reads and writes a format. One of a format that is only read has ``read`` alone."""

    def read(self, opened: Opened) -> Picture | Layout:
        """The picture, or its layout where only the header is asked for; raises InputError or a decoder's error."""

    def write(self, strips: Iterable[NDArray[Any]], output: Output, file: IO[bytes]) -> None:
        """Write samples that come in strips (rows, W, C) from top to bottom, alpha last."""

    def write_frames(
        self, frames: Sequence[NDArray[Any]], layouts: Sequence[Layout], timing: Timing, output: Output, file: IO[bytes]
    ) -> None:
        """Write frames (H, W, C) of these layouts, of which ``output`` has the first."""


def codec_of(found: Format) -> Codec:
    """What reads and writes a format, loaded now."""
    from importlib import import_module

    codec: Any = import_module(f"convtool.pictures.{found.module}")
    return codec  # type: ignore[no-any-return]
