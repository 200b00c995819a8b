"""Signals that wait while something is put on record.

A file that is in its place before anybody knows of it would be missing from "K of N done" and from the JSON lines if
Ctrl-C came just then. The handlers of signals ask ``deferred``; what had to wait is sent again by ``release``.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

_recording = False
_held = 0
_waiting: list[int] = []


def deferred(number: int) -> bool:
    """Whether a signal has to wait; then it is sent again later and its handler just returns."""
    if _held:
        _waiting.append(number)
    return _held > 0


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Signals wait for the end of the block; keep it short."""
    global _held
    _held += 1
    try:
        yield
    finally:
        _held -= 1
        _send_again()


@contextlib.contextmanager
def recording() -> Iterator[None]:
    """In this block somebody takes note of every file: ``landing`` makes signals wait, ``release`` lets them come."""
    global _recording
    _recording = True
    try:
        yield
    finally:
        _recording = False
        release()


def landing() -> None:
    """A file comes into its place; where files are recorded, signals wait until this one is."""
    global _held
    if _recording and not _held:
        _held = 1


def release() -> None:
    """The file is on record."""
    global _held
    _held = 0
    _send_again()


def start_over() -> None:
    """Forget what was held back where this process was forked."""
    global _recording, _held
    _recording, _held = False, 0
    _waiting.clear()


def _send_again() -> None:
    if _waiting and not _held:
        number = _waiting[0]
        _waiting.clear()
        signal.raise_signal(number)
