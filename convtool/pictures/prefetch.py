"""The one picture of a run decoded by a second thread while the modules that filter it are loaded.

Loading them takes a tenth of a second, as long as decoding twenty megapixels of JPEG, which leaves the interpreter to
others meanwhile. Only sound JPEG files of some size are decoded ahead: plain ones into samples, others by Pillow.
A failure here is not reported: the picture is read again when it is needed, and that read reports it.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convtool.pictures import codecs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image, ImageFile

WORTHWHILE = 256 << 10
"""Bytes of a file from which decoding takes longer than starting a thread."""

MOST_PIXELS = 80_000_000
"""Pillow warns of somewhat larger pictures (Image.MAX_IMAGE_PIXELS), which is switched off only where one is read."""

JPEG = b"\xff\xd8\xff"

NOT_ALONE = ("-j", "--jobs", "--dry-run", "--as")
"""Options of runs that decode nothing, or one thing at a time."""


class _Ahead:
    """A file that is being decoded. What loads modules is done first, as two threads that do wait for each other."""

    def __init__(self, path: Path, most_pixels: int) -> None:
        """Raises whatever is wrong with the file."""
        self.path = path
        most = min(most_pixels, MOST_PIXELS)
        self._samples: NDArray[np.uint8] | None = None
        self._image: Image.Image | None = None
        work = self._plain(most)
        opened = None if work else self._opened(most)
        try:
            self._thread = threading.Thread(target=self._tried, args=(work or self._loaded, opened), daemon=True)
            self._thread.start()
        except BaseException:
            if opened is not None:
                opened.close()
            raise

    def samples(self) -> NDArray[np.uint8] | None:
        """Samples (H, W, C) of a plain file; None of any other."""
        self._thread.join()
        return self._samples

    def image(self) -> Image.Image | None:
        """The decoded picture of another file; None where it was not sound."""
        self._thread.join()
        return self._image

    def _tried(self, work: Callable[[Any], None], opened: Any) -> None:
        with suppress(Exception):  # of whatever kind: it is raised again when the picture is wanted
            work(opened)

    def _plain(self, most: int) -> Callable[[None], None] | None:
        """What decodes a plain file; None for any other."""
        if not codecs.have(codecs.JPEG):
            return None
        from convtool.pictures.jpeg.decoder import decoded, plain

        data = self.path.read_bytes()
        frame = plain(data, most)
        if frame is None:
            return None

        def work(_: None) -> None:
            self._samples = decoded(data, frame)

        return work

    def _opened(self, most: int) -> ImageFile.ImageFile:
        """Any other file as Pillow opens it. That is not left to the thread: warnings are caught in one at a time."""
        from PIL import Image, JpegImagePlugin

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            # Its size comes first: of a huge one, Image.open would warn.
            with JpegImagePlugin.JpegImageFile(self.path) as header:
                if header.width * header.height > most:
                    raise ValueError("too large")
            return Image.open(self.path, formats=["JPEG"])

    def _loaded(self, image: ImageFile.ImageFile) -> None:
        try:
            # In one piece: after each, the thread would have to wait for the interpreter.
            image.decodermaxblock = self.path.stat().st_size
            image.load()
        except BaseException:
            image.close()
            raise
        self._image = image


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
    if _is_begun(path):
        return
    forget()
    if _is_worthwhile(path):
        _start(path, most_pixels)


def _start(path: Path, most_pixels: int) -> None:
    with suppress(Exception):  # no thread to be had, a damaged header: the later read reports it
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
