"""The one picture of a run decoded by a second thread while the modules that filter it are loaded.

Loading them takes a tenth of a second, as long as decoding twelve megapixels of JPEG, which leaves the interpreter to
others meanwhile. Only a sound JPEG of some size is decoded ahead. Whatever goes wrong here goes wrong once more, and
is told, when the picture is wanted.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

WORTHWHILE = 256 << 10
"""Bytes of a file from which decoding takes longer than starting a thread."""

MOST_PIXELS = 80_000_000
"""Pillow warns of somewhat larger pictures (Image.MAX_IMAGE_PIXELS), which is switched off only where one is read."""

JPEG = b"\xff\xd8\xff"


class _Ahead:
    """A file that is being decoded."""

    def __init__(self, path: Path, most_pixels: int) -> None:
        self.path = path
        self._most = most_pixels
        self._image: Image.Image | None = None
        self._thread = threading.Thread(target=self._decode, daemon=True)
        self._thread.start()

    def image(self) -> Image.Image | None:
        """The decoded picture; None where it was not sound."""
        self._thread.join()
        return self._image

    def _decode(self) -> None:
        from PIL import Image, JpegImagePlugin

        try:
            # Its size comes first: of a huge one, Image.open would warn.
            with JpegImagePlugin.JpegImageFile(self.path) as header:
                if header.width * header.height > min(self._most, MOST_PIXELS):
                    return
            image = Image.open(self.path, formats=["JPEG"])
        except Exception:  # of whatever kind: it is raised again when the picture is wanted
            return
        try:
            # In one piece: after each, the thread would have to wait for the interpreter.
            image.decodermaxblock = self.path.stat().st_size
            image.load()
        except Exception:  # as above
            image.close()
            return
        self._image = image


_begun: list[_Ahead] = []


def begin(path: Path, most_pixels: int) -> None:
    """Start to decode a file, if that is worth it."""
    try:
        if path.stat().st_size < WORTHWHILE or not path.is_file():
            return
        with path.open("rb") as file:
            if file.read(len(JPEG)) != JPEG:
                return
    except (OSError, ValueError):  # also a name that cannot be one
        return
    _begun[:] = [_Ahead(path, most_pixels)]


def taken(path: object) -> Image.Image | None:
    """The decoded picture of a file that was begun, for once; None for any other."""
    if not _begun or _begun[0].path != path:
        return None
    return _begun.pop().image()
