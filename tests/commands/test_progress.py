"""The progress bar, on a terminal of its own: what a user sees while it runs and what is left when it is over."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.batches import finished, pictures, session, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs terminals and /proc")

COUNT = 40
SLOWLY = """
    import sys, time
    from convtool.runs import task
    def read(origin, limits, real=task.read_picture):
        time.sleep(0.05)
        return real(origin, limits)
    task.read_picture = read
    from convtool.cli import execute
    execute.ALONE = 0
    from convtool.cli import main
    main(sys.argv[1:])
"""
CODE = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])")


class Screen:
    """A terminal as far as a progress bar needs one: lines, a cursor, erasing. Other codes are refused."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.rows = [""]
        self.row = self.column = 0
        self.seen: list[str] = []
        """Every text of the row that the cursor was on when it left or erased it."""
        self.cursor_shown = True

    def feed(self, text: str) -> None:
        at = 0
        while at < len(text):
            if text[at] == "\x1b":
                code = CODE.match(text, at)
                assert code, text[at : at + 20]
                self._obey(code[1], code[2])
                at = code.end()
                continue
            self._put(text[at])
            at += 1

    def _put(self, character: str) -> None:
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self._down()
        else:
            assert character.isprintable(), ascii(character)
            if self.column == self.width:
                self._down()
                self.column = 0
            line = self.rows[self.row].ljust(self.column)
            self.rows[self.row] = line[: self.column] + character + line[self.column + 1 :]
            self.column += 1

    def _down(self) -> None:
        self.seen.append(self.rows[self.row])
        self.row += 1
        if self.row == len(self.rows):
            self.rows.append("")

    def _obey(self, number: str, letter: str) -> None:
        if letter == "K":
            assert number in ("", "2")
            self.seen.append(self.rows[self.row])
            self.rows[self.row] = "" if number else self.rows[self.row][: self.column]
        elif letter == "A":
            self.row -= int(number or 1)
            assert self.row >= 0
        elif letter in "lh":
            assert number == "?25"
            self.cursor_shown = letter == "h"
        else:
            assert letter == "m", (number, letter)

    @property
    def text(self) -> str:
        """What is left, long lines joined again."""
        joined = "".join(row + ("" if len(row) == self.width else "\n") for row in self.rows)
        return joined.strip("\n")


class Shown:
    """A run whose stderr is a terminal."""

    def __init__(self, *arguments: str, width: int, press: Callable[[int], None] | None = None, **more: str) -> None:
        command = [sys.executable, "-c", textwrap.dedent(SLOWLY), "apply", *arguments]
        environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
        environment |= {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"} | more
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))

        def own_terminal() -> None:
            os.setsid()
            fcntl.ioctl(2, termios.TIOCSCTTY, 0)

        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=slave, env=environment,
            preexec_fn=own_terminal,
        ) as process:  # fmt: skip
            os.close(slave)
            if press is not None:
                press(master)
            data = b""
            try:
                while block := os.read(master, 65536):
                    data += block
            except OSError:  # the last one has closed it
                pass
            os.close(master)
            assert process.stdout is not None
            self.out = process.stdout.read().decode()
            self.code = process.wait(60)
            self.orphans = session(process.pid)
        self.raw = data.decode()
        self.screen = Screen(width)
        self.screen.feed(self.raw)
        self.bars = [row for row in self.screen.seen if re.search(rf"\d+/{COUNT}\b", row)]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pictures("in", COUNT, side=100)


BAR = re.compile(rf"\s*\S+ +(\d+)/{COUNT} +(\d+) files/s +(\d+\.\d) MP/s +(-:--:--|\d:\d\d:\d\d)(?: +(\d+) failed)?\s*")
SUMMARY = f"convtool: {COUNT - 2} maps written, 2 of {COUNT} inputs failed"


def test_what_it_shows_and_what_stays() -> None:
    for name in ("005", "012"):
        Path(f"in/{name}.png").write_bytes(b"bad")
    shown = Shown("in", "-k", "blur", "-o", "out", "-j", "2", width=100)
    assert shown.code == 1
    matches = [BAR.fullmatch(row) for row in shown.bars]
    found = [match for match in matches if match]
    assert len(found) == len(matches) > 3
    done = [int(match[1]) for match in found]
    assert done == sorted(done)
    assert done[0] < COUNT / 2
    assert any(int(match[2]) for match in found)
    assert any(match[4] != "-:--:--" for match in found)
    assert found[-1][5] == "2"
    lines = shown.screen.text.splitlines()
    assert [line.split(": ")[1] for line in lines[:2]] == ["in/005.png", "in/012.png"]
    assert lines[2:] == [SUMMARY]
    assert shown.screen.cursor_shown
    assert "\x1b[31m" in shown.raw  # failures in red


def test_no_colour() -> None:
    Path("in/000.png").write_bytes(b"bad")
    shown = Shown("in", "-k", "blur", "-o", "out", "-j", "2", width=100, NO_COLOR="1")
    assert shown.bars
    assert not re.search(r"\x1b\[[\d;]*(3|4|9|10)\d(;[\d;]*)?m", shown.raw)
    assert shown.screen.text.splitlines()[-1] == f"convtool: {COUNT - 1} maps written, 1 of {COUNT} inputs failed"


@pytest.mark.parametrize("width", [1, 20, 40])
def test_narrow_terminals(width: int) -> None:
    long = "a name that is wider than the terminal.png"
    Path("in", long).write_bytes(b"bad")
    shown = Shown("in", "-k", "blur", "-o", "out", "-j", "2", width=width)
    assert shown.code == 1
    lines = shown.screen.text.replace("\n", "")
    assert lines.startswith(f"convtool: in/{long}: ")
    assert lines.endswith(f"convtool: {COUNT} maps written, 1 of {COUNT + 1} inputs failed")


def test_a_dumb_terminal() -> None:
    shown = Shown("in", "-k", "blur", "-o", "out", "-j", "2", width=80, TERM="dumb")
    assert shown.code == 0
    assert "\x1b" not in shown.raw
    assert shown.screen.text.splitlines()[-1] == f"convtool: {COUNT} maps written"


HOSTILE = [b"\x1b[31mred.png", b"\x1b]0;title\x07.png", b"[bold]x[/bold].png", b"[/red].png", b"new\nline.png",
           b":smile:.png", b"not-\xff.png", "right\u202eleft.png".encode()]  # fmt: skip


def test_hostile_names_above_the_bar() -> None:
    for hostile in HOSTILE:
        path = Path(os.fsdecode(b"in/" + hostile))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"bad")
    shown = Shown("in", "--recursive", "-k", "blur", "-o", "out", "-j", "2", width=100)  # Screen refuses other codes
    assert shown.code == 1
    text = shown.screen.text
    for name in ("\\x1b[31mred", "\\x1b]0;title\\x07", "[bold]x[/bold]", "[/red]", "new\\nline", ":smile:",
                 "not-\\xff", "right\\u202eleft"):  # fmt: skip
        assert f"convtool: in/{name}.png: " in text
    assert len(text.splitlines()) == len(HOSTILE) + 1


def test_ctrl_c_on_the_terminal() -> None:
    """Sent to every process by the terminal itself; the bar goes and the cursor comes back."""

    def press(master: int) -> None:
        until(lambda: len(finished("out")) > 20)
        os.write(master, b"\x03")

    shown = Shown("in", "-k", "blur", "-o", "out", "-j", "2", width=100, press=press)
    assert shown.code == 130
    assert shown.orphans == []
    assert shown.bars
    assert shown.screen.cursor_shown
    lines = shown.screen.text.removeprefix("^C").splitlines()
    assert lines[-1] == f"convtool: interrupted: {len(finished('out'))} of {COUNT} done; --skip-existing does the rest"
    assert len([line for line in lines if line.strip()]) == 1


@pytest.mark.parametrize("arguments", [("-q",), ("in/000.png",)], ids=["quiet", "few"])
def test_no_bar_where_it_was_not_asked_for(arguments: tuple[str, ...]) -> None:
    which = arguments if arguments[0] != "-q" else ("in", "-q")
    shown = Shown(*which, "-k", "blur", "-o", "out/", "-j", "2", width=100)
    assert shown.code == 0
    assert "\x1b" not in shown.raw
    assert shown.raw == ("" if "-q" in which else "convtool: 1 map written\r\n")


def test_json_on_a_pipe_beside_the_bar() -> None:
    shown = Shown("in", "-k", "blur", "-o", "out", "-j", "2", "--json", width=100)
    assert len(shown.out.splitlines()) == COUNT
    assert "\x1b" not in shown.out
    assert shown.bars


def test_quiet_where_stderr_is_no_terminal() -> None:
    master, slave = pty.openpty()
    command = [sys.executable, "-c", textwrap.dedent(SLOWLY), "apply", "in", "-k", "blur", "-o", "out", "-j", "2"]
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=subprocess.PIPE) as process:
        _, err = process.communicate(timeout=60)
    os.close(slave)
    os.set_blocking(master, False)
    with pytest.raises((BlockingIOError, OSError)):
        os.read(master, 100)
    os.close(master)
    assert (process.returncode, err) == (0, b"")


def test_a_terminal_that_goes_away() -> None:
    """SIGHUP comes; nothing is left behind."""

    class GoneError(Exception):
        pass

    def press(master: int) -> None:
        until(lambda: len(finished("out")) > 20)
        os.close(master)
        raise GoneError

    with pytest.raises(GoneError):
        Shown("in", "-k", "blur", "-o", "out", "-j", "2", width=100, press=press)
    time.sleep(0.1)
    assert not list(Path("out").glob(".convtool-*"))
    assert 20 < len(finished("out")) <= COUNT
