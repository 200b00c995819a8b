"""The one picture of a run decoded by a second thread while the modules that filter it are loaded.

Loading them takes a tenth of a second, as long as decoding twenty megapixels of JPEG, which leaves the interpreter to
others meanwhile. Only sound JPEG files of some size are decoded ahead: plain ones into samples, others by Pillow.
Whatever goes wrong here goes wrong once more, and is told, when the picture is wanted.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from convtool import codecs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

WORTHWHILE = 256 << 10
"""Bytes of a file from which decoding takes longer than starting a thread."""

MOST_PIXELS = 80_000_000
"""Pillow warns of somewhat larger pictures (Image.MAX_IMAGE_PIXELS), which is switched off only where one is read."""

JPEG = b"\xff\xd8\xff"

NOT_ALONE = ("-j", "--jobs", "--dry-run", "--as")
"""Options of runs that decode nothing, or one thing at a time."""


class _Ahead:
    """A file that is being decoded."""

    def __init__(self, path: Path, most_pixels: int) -> None:
        self.path = path
        self._most = min(most_pixels, MOST_PIXELS)
        self._samples: NDArray[np.uint8] | None = None
        self._image: Image.Image | None = None
        # Loaded here, as two threads that load modules wait for each other.
        if codecs.have(codecs.JPEG):
            from convtool import jpeg_decode  # noqa: F401
        else:
            from PIL import JpegImagePlugin  # noqa: F401
        self._thread = threading.Thread(target=self._decode, daemon=True)
        self._thread.start()

    def samples(self) -> NDArray[np.uint8] | None:
        """Samples (H, W, C) of a plain file; None of any other."""
        self._thread.join()
        return self._samples

    def image(self) -> Image.Image | None:
        """The decoded picture of another file; None where it was not sound."""
        self._thread.join()
        return self._image

    def _decode(self) -> None:
        try:
            if codecs.have(codecs.JPEG):
                from convtool.jpeg_decode import decoded

                with self.path.open("rb") as file:
                    self._samples = decoded(file, self._most)
            if self._samples is None:
                self._image = self._loaded()
        except Exception:  # of whatever kind: it is raised again when the picture is wanted
            return

    def _loaded(self) -> Image.Image | None:
        from PIL import Image, JpegImagePlugin

        # Its size comes first: of a huge one, Image.open would warn.
        with JpegImagePlugin.JpegImageFile(self.path) as header:
            if header.width * header.height > self._most:
                return None
        image = Image.open(self.path, formats=["JPEG"])
        try:
            # In one piece: after each, the thread would have to wait for the interpreter.
            image.decodermaxblock = self.path.stat().st_size
            image.load()
        except Exception:
            image.close()
            raise
        return image


_begun: list[_Ahead] = []


def guess(words: Sequence[str]) -> None:
    """Start on the only large JPEG file that the words of a command name, before the command line is even loaded.

    Nothing rests on it: what turns out to be wanted otherwise is decoded once more.
    """
    if words[:1] != ["apply"] or any(word.startswith(NOT_ALONE) for word in words):
        return
    named = [path for path in map(Path, words[1:]) if _is_worthwhile(path)]
    if len(named) == 1:
        _start(named[0], MOST_PIXELS)


def begin(path: Path, most_pixels: int) -> None:
    """Start to decode a file, if that is worth it and was not guessed."""
    if not _is_begun(path) and _is_worthwhile(path):
        _start(path, most_pixels)


def _start(path: Path, most_pixels: int) -> None:
    with suppress(Exception):  # no thread to be had, a codec that does not load: whoever needs them will tell
        _begun[:] = [_Ahead(path, most_pixels)]


def forget() -> None:
    """What was guessed is not wanted."""
    _begun.clear()


def _is_worthwhile(path: Path) -> bool:
    try:
        if path.stat().st_size < WORTHWHILE or not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(JPEG)) == JPEG
    except (OSError, ValueError):  # also a name that cannot be one
        return False


def samples_of(path: object) -> NDArray[np.uint8] | None:
    """The samples of a plain file that was begun, for once; None of any other."""
    if _is_begun(path) and (samples := _begun[0].samples()) is not None:
        _begun.clear()
        return samples
    return None


def taken(path: object) -> Image.Image | None:
    """The decoded picture of a file that was begun, for once; None of any other, and of a plain file."""
    if not _is_begun(path):
        return None
    from PIL import JpegImagePlugin  # noqa: F401  # which reads the metadata in any case, loaded before we wait

    if (image := _begun[0].image()) is not None:
        _begun.clear()
    return image


def _is_begun(path: object) -> bool:
    return bool(_begun) and _begun[0].path == path
