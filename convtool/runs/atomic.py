"""Files that are either their old bytes or complete: written beside the target, renamed when done.

A temporary file is locked while its writer lives, and its name follows from its target's. So one that a killed
process left is known for what it is, and goes when its target is written the next time.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from zlib import crc32

from convtool.runs.signals import landing

try:
    import fcntl
except ImportError:  # a system without such locks: names are unique there, and what was left stays
    fcntl = None  # type: ignore[assignment]

PREFIX = ".convtool-"
"""How our temporary files begin; folders of inputs are read without them."""


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[IO[bytes]]:
    """A binary file that becomes ``target`` when the block ends well and vanishes when it does not.

    The mode of a replaced file is kept and the bytes are on the disk before it goes; a new file gets the umask's
    mode. A link is followed: its target is replaced, the link stays.
    """
    target = Path(os.path.realpath(target)) if target.is_symlink() else target
    try:
        mode: int | None = target.stat().st_mode & 0o7777
    except FileNotFoundError:
        mode = None
    temporary, opened, lock = _open_beside(target)
    try:
        with opened as file:
            yield file
            file.flush()
            temporary.chmod(0o666 & ~_umask() if mode is None else mode)
            if mode is not None:
                os.fsync(file.fileno())
        landing()
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    finally:
        if lock is not None:
            os.close(lock)
    if mode is not None:
        _sync_folder(target.parent)


def clear_left_over(target: Path, writer: int | None) -> None:
    """Remove what a process that was killed left of ``target``; ``writer`` is its number."""
    target = Path(os.path.realpath(target)) if target.is_symlink() else target
    if fcntl is not None:
        _cleared(_usual(target))
    for path in target.parent.glob(f"{PREFIX}{writer}-*"):
        path.unlink(missing_ok=True)


def _usual(target: Path) -> Path:
    return target.parent / f"{PREFIX}{crc32(os.fsencode(target.name)):08x}{target.suffix}"


def _open_beside(target: Path) -> tuple[Path, IO[bytes], int | None]:
    """A new file in the target's folder, and the descriptor that holds its lock, if it has one."""
    usual = _usual(target)
    if fcntl is not None and _cleared(usual):
        with contextlib.suppress(FileExistsError):
            file = _create(usual)
            lock = os.dup(file.fileno())  # outlives the file, which is closed before it is renamed
            if _locked(lock) and _leads_to(usual, lock):
                return usual, file, lock
            file.close()
            if _leads_to(usual, lock):
                usual.unlink(missing_ok=True)
            os.close(lock)
    # Somebody is writing this very target, or locks do not work here.
    unique = usual.with_name(f"{PREFIX}{os.getpid()}-{time.monotonic_ns():x}{target.suffix}")
    return unique, _create(unique), None


def _create(path: Path) -> IO[bytes]:
    """A new file, for nobody's eyes but ours until it is done."""
    return open(path, "x+b", opener=lambda name, flags: os.open(name, flags, 0o600))


def _cleared(path: Path) -> bool:
    """Whether no file has this name, after removing one whose writer is dead."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        # Looked at again under the lock: the name may have gone on to a living writer's file meanwhile.
        dead = _locked(handle) and _leads_to(path, handle)
        if dead:
            path.unlink(missing_ok=True)
        return dead
    except OSError:
        return False
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _leads_to(path: Path, handle: int) -> bool:
    """Whether a name still means the file that is open."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(handle))
    except OSError:
        return False


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
