"""Keys of a terminal, one at a time and without Return."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

try:
    import termios
    import tty
except ImportError:  # a system without such terminals: steps are printed as text there
    termios = None  # type: ignore[assignment]

KEYS = {
    b"n": "next", b"\x1b[C": "next", b"\x1bOC": "next", b"\r": "next", b"\n": "next", b"j": "next",
    b"b": "back", b"\x1b[D": "back", b"\x1bOD": "back", b"\x7f": "back", b"k": "back",
    b"p": "play", b" ": "play",
    b"q": "quit", b"\x1b": "quit", b"\x04": "quit", b"": "quit",
    b"\x1b[H": "first", b"\x1b[1~": "first", b"\x1bOH": "first",
    b"\x1b[F": "last", b"\x1b[4~": "last", b"\x1bOF": "last",
}  # fmt: skip
"""What a terminal sends for a key (ECMA-48, xterm) and what it means; nothing at all is the end of the input."""


def can_read_keys() -> bool:
    """Whether standard input and output are a terminal that keys can be read from and frames drawn on."""
    if termios is None or sys.stdin is None or sys.stdout is None or os.environ.get("TERM") == "dumb":
        return False
    return sys.stdin.isatty() and sys.stdout.isatty()


@contextmanager
def pressed() -> Iterator[Callable[[float | None], str]]:
    """A function that waits for a key, at most so many seconds, and says what it means.

    ``next``, ``back``, ``play``, ``quit``, ``first`` or ``last``; "" if no key came in time, ``other`` for other keys.
    """
    handle = sys.stdin.fileno()
    before = termios.tcgetattr(handle)

    def read(seconds: float | None) -> str:
        if not select.select([handle], [], [], seconds)[0]:
            return ""
        return KEYS.get(_one(os.read(handle, 1), handle), "other")

    try:
        tty.setcbreak(handle)
        yield read
    finally:
        termios.tcsetattr(handle, termios.TCSADRAIN, before)


def _one(first: bytes, handle: int) -> bytes:
    """A whole key: what follows an escape at once belongs to it."""
    text = first
    while text.startswith(b"\x1b") and len(text) < 8 and select.select([handle], [], [], 0.03)[0]:
        text += os.read(handle, 1)
        if len(text) > 2 and (text[-1:].isalpha() or text[-1:] == b"~"):
            break
    return text
