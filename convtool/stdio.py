"""Standard input and output as bytes: bounded reading, and writing that loses nothing silently."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import IO

from convtool.errors import InputError, UsageError


def read_stdin(limit: int, what: str = "a picture") -> bytes:
    """All of standard input; raises InputError beyond ``limit`` bytes, UsageError on a terminal."""
    if sys.stdin is None:
        raise UsageError("standard input is closed; name a file instead of -")
    if sys.stdin.isatty():
        raise UsageError(f"standard input is a terminal; pipe {what} in or name a file instead of -")
    try:
        data = sys.stdin.buffer.read(limit + 1)
    except OSError as error:
        raise InputError(error.strerror or str(error)) from None
    if len(data) > limit:
        raise InputError(f"has more than {limit:,} bytes; --max-bytes raises the limit")
    return data


def check_stdout(what: str = "a picture") -> None:
    """Raise UsageError where a picture, or other data, cannot go to standard output."""
    if sys.stdout is None:
        raise UsageError(f"standard output is closed, and {what} should go there")
    if what != "a picture":
        return
    if sys.stdout.isatty():
        raise UsageError("standard output is a terminal; redirect it or name a file with -o")


def print_line(text: str) -> None:
    """A line of data on standard output, at once; raises InputError where it does not fit.

    A reader that is gone stays the BrokenPipeError that it is.
    """
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise InputError(f"cannot write to standard output: {error.strerror}") from None


def forsake_stdout() -> None:
    """Where standard output does not take a line at once, what is left goes nowhere."""
    import select

    with contextlib.suppress(OSError, ValueError, AttributeError):
        if not select.select([], [sys.stdout], [], 0)[1]:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def fill_descriptors() -> None:
    """Put the null device where standard input, output or error is closed.

    A picture that is opened would get that number otherwise, and what a library writes to stderr would go into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free


_STDERR = threading.Lock()
"""The descriptor of standard error is one for all threads."""


@contextlib.contextmanager
def caught_stderr(lines: list[str]) -> Iterator[None]:
    """What goes to the descriptor of standard error meanwhile becomes ``lines``: libtiff writes there by itself."""
    with _STDERR:
        reading, writing = os.pipe()
        os.set_blocking(writing, False)  # what does not fit is lost, nobody waits
        os.set_blocking(reading, False)
        before = os.dup(2)
        os.dup2(writing, 2)
        os.close(writing)
        try:
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)
            with contextlib.suppress(BlockingIOError):
                lines += os.read(reading, 4096).decode(errors="replace").splitlines()
            os.close(reading)


def write_stdout(encode: Callable[[IO[bytes]], object]) -> None:
    """Encode a picture whole, then write it to standard output.

    The bytes go to the descriptor itself and every count is checked: with PYTHONUNBUFFERED a single write may be
    short and still return.
    """
    buffer = io.BytesIO()
    encode(buffer)
    sys.stdout.flush()
    view = buffer.getbuffer()
    while view:
        view = view[os.write(sys.stdout.fileno(), view) :]
