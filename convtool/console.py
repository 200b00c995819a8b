"""Messages on stderr, and the only user of rich: drawings and progress on a terminal.

Names are escaped once, here: file names may hold control characters, markup or bytes that are no text.
"""

from __future__ import annotations

import sys
import time
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from convtool.stdio import check_stdout
from convtool.tuples import NamedTuple

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_screen: Console | None = None
"""What the progress bar is drawn on, while there is one."""


class Piece(NamedTuple):
    """Text with a heat from -1 to 1; None is plain text."""

    text: str
    heat: float | None = None


Line = tuple[Piece, ...]

DRAW_AFTER, DRAW_EVERY = 0.5, 0.1
"""Seconds: a run that is over before shows no bar, and nobody sees more than ten a second."""


def shown(text: str) -> str:
    """Text that can be printed anywhere on one line: control characters and undecodable bytes as escapes."""
    return "".join(character if _printable(character) else _escape(character) for character in text)


def _printable(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii") if code > 126 or code < 32 else f"\\x{code:02x}"


def say(message: str) -> None:
    """One line on stderr, as ``convtool: message``; a stderr that is gone is no reason to stop."""
    if sys.stderr is None:
        return
    try:
        if _screen is not None:  # above the progress bar, in one piece
            _screen.print(f"convtool: {shown(message)}", markup=False, emoji=False, highlight=False, soft_wrap=True)
            return
        sys.stderr.write(f"convtool: {shown(message)}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass


def input_name(path: str) -> str:
    """How messages call an input."""
    return "standard input" if path == "-" else path


def is_terminal() -> bool:
    """Whether stderr is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


class Progress:
    """A bar on stderr: files, megapixels a second, failures and the time left; nothing where nobody sees it.

    It draws when something is reported and starts no thread of its own, so that workers may be forked meanwhile.
    """

    def __init__(self, total: int, *, enabled: bool) -> None:
        self._total = total
        self._enabled = enabled and total > 1 and is_terminal()
        self._begun = self._drawn = time.monotonic()
        self._done = self._failed = self._pixels = 0
        self._bar: Any = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        global _screen
        _screen = None
        if self._bar is not None:
            self._bar.stop()

    def advance(self, pixels: int, *, failed: bool) -> None:
        """One more input is done, which had so many pixels."""
        self._done += 1
        self._failed += failed
        self._pixels += pixels
        self.tick()

    def tick(self) -> None:
        """Draw, unless it was done just now."""
        now = time.monotonic()
        if not self._enabled or now - self._drawn < (DRAW_EVERY if self._bar else DRAW_AFTER):
            return
        self._drawn = now
        rate = f"{self._done / (now - self._begun):.0f} files/s  {self._pixels / 1e6 / (now - self._begun):.1f} MP/s"
        failed = f"{self._failed} failed" if self._failed else ""
        if self._bar is None:
            self._start(rate=rate, failed=failed)
            return
        self._bar.update(self._bar.task_ids[0], completed=self._done, rate=rate, failed=failed)
        self._bar.refresh()

    def _start(self, **fields: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        global _screen
        _screen = Console(stderr=True)
        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("[red]{task.fields[failed]}"),
        )
        self._bar = Bar(
            *columns,
            console=_screen,
            transient=True,
            redirect_stderr=False,
            redirect_stdout=False,
            auto_refresh=False,
        )
        self._bar.add_task("", total=self._total, completed=self._done, **fields)
        self._bar.start()


def draw(lines: Iterable[Line]) -> None:
    """Lines on stdout: coloured by their heat on a terminal, plain text when piped."""
    check_stdout("the result")
    if not sys.stdout.isatty():
        for line in lines:
            sys.stdout.write(_encodable("".join(shown(piece.text) for piece in line).rstrip()) + "\n")
        return
    from rich.console import Console

    screen = Console(highlight=False, soft_wrap=True)
    for line in lines:
        screen.print(_coloured(line))


class FullScreen:
    """A terminal that is drawn anew for every frame."""

    def __init__(self, screen: Console) -> None:
        self._screen = screen

    @property
    def rows(self) -> int:
        """Lines that it has now."""
        return self._screen.size.height

    def show(self, lines: Iterable[Line]) -> None:
        """Draw a frame."""
        from rich.control import Control

        self._screen.control(Control.home(), Control.clear())
        for line in lines:
            self._screen.print(_coloured(line), no_wrap=True, overflow="crop", crop=True, soft_wrap=False)


@contextmanager
def full_screen() -> Iterator[FullScreen]:
    """The whole terminal for a while; what was on it comes back afterwards."""
    from rich.console import Console

    screen = Console(highlight=False)
    with screen.screen():
        yield FullScreen(screen)


def _coloured(line: Line) -> Text:
    from rich.text import Text

    text = Text()
    for piece in line:
        text.append(_encodable(shown(piece.text)), style=_style(piece.heat))
    return text


def _encodable(text: str) -> str:
    """The text with escapes for what stdout cannot take: a name like 锐化 on an ASCII terminal."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _style(heat: float | None) -> str:
    """Blue for negative, red for positive, the stronger the deeper; dark text on light cells."""
    if heat is None or heat == 0:
        return ""
    weak = round(235 * (1 - min(abs(heat), 1.0)) + 20)
    background = f"rgb({weak},{weak},255)" if heat < 0 else f"rgb(255,{weak},{weak})"
    return f"black on {background}"
