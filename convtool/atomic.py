"""Files that are either their old bytes or complete: written beside the target, renamed when done."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

PREFIX = ".convtool-"
"""How our temporary files begin; folders of inputs are read without them."""


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[IO[bytes]]:
    """A binary file that becomes ``target`` when the block ends well and vanishes when it does not.

    The mode of a replaced file is kept and the bytes are on the disk before it goes; a new file gets the umask's
    mode. A link is followed: its target is replaced, the link stays.
    """
    target = target.resolve() if target.is_symlink() else target
    try:
        mode: int | None = target.stat().st_mode & 0o7777
    except FileNotFoundError:
        mode = None
    handle, name = tempfile.mkstemp(prefix=PREFIX, dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            temporary.chmod(0o666 & ~_umask() if mode is None else mode)
            if mode is not None:
                os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    if mode is not None:
        _sync_folder(target.parent)


def _umask() -> int:
    """The process's umask; there is no way to read it but to set it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # some systems cannot open a folder
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
