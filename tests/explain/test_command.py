"""``convtool explain`` from its options to its text, files, lines and exit codes; its steps by keys on a terminal."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from fcntl import ioctl
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

from convtool.cli.apply import command as apply_command
from convtool.cli.explain import command as explain_command
from convtool.cli.explain_arguments import ROWS
from tests.support.pictures import Run, noise, saved


def picture(height: int = 9, width: int = 12, channels: int = 1) -> None:
    shape = (height, width) if channels == 1 else (height, width, channels)
    saved("img.png", noise(*shape))


# What is written is what apply writes


@pytest.mark.parametrize(
    "options",
    [
        ("-k", "sobel-x"),
        ("-k", "sharpen", "--range", "stretch", "--stride", "2"),
        ("-k", "emboss", "--pad", "1,0,2,3", "--border", "constant=7", "--dtype", "uint16"),
        ("-k", "kirsch", "--dilation", "2", "--flip", "--bias", "1/3"),
        ("-k", "sobel", "--merge", "magnitude", "--channels", "luma"),
        ("-k", "blur", "--linear"),
    ],
    ids=" ".join,
)
def test_written_is_what_apply_writes(
    explain: Run, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    from convtool.cli import main

    picture(channels=3)
    code, out, _ = explain("img.png", *options, "--at", "2,1")
    assert code == 0
    command = out.splitlines()[0].split()
    assert command[:3] == ["convtool", "apply", "img.png"]
    # The command that is shown is the run itself.
    with pytest.raises(SystemExit):
        main([*command[1:], "-o", "out/{index}.{ext}"])
    capsys.readouterr()
    told = [int(value) for value in re.findall(r"^  written +(\d+)$", out, re.MULTILINE)]
    found = []
    for path in sorted(Path("out").iterdir(), key=lambda path: int(path.stem)):
        from convtool.pictures.limits import Limits
        from convtool.pictures.reader import read_picture

        found += read_picture(path, Limits()).samples[2, 1].tolist()
    assert told == found


def test_the_command_is_quoted(explain: Run) -> None:
    saved("a b.png", noise(5, 5))
    _, out, _ = explain("a b.png", "-k", "0 1; 2 3", "-k", "sobel-x@90", "-p", "1x2", "-b", "constant=2.5", "--flip")
    expected = "convtool apply 'a b.png' -k '0 1; 2 3' -k sobel-x@90 --pad 1,2,1,2 --border constant=2.5 --flip"
    assert out.splitlines()[0] == expected


def test_options_are_those_of_apply() -> None:
    mine, theirs = (
        {each.name: (each.opts, each.help, each.is_flag) for each in command.params if isinstance(each, click.Option)}
        for command in (explain_command, apply_command)
    )
    shared = {row.name for row in ROWS} | {"kernels", "kernel_dir", "max_pixels", "max_bytes", "lenient", "quiet"}
    for name in shared:
        assert mine[name] == theirs[name]


def test_demonstrations_take_options(explain: Run) -> None:
    _, out, _ = explain("--demo", "8x8", "--stride", "2", "-k", "edge")
    assert out.startswith("convtool explain --demo 8x8 -k edge --stride 2\n")
    assert "stride    2x2" in out
    assert "/ 2) + 1 = 3" in out
    assert "0 above, 0 below" in out
    _, out, _ = explain("--demo", "rgb", "--pad", "0")
    assert "/ 2) + 1 = 2" in out


def test_a_crop_is_told(explain: Run) -> None:
    picture(30, 40)
    _, out, _ = explain("img.png", "-k", "blur", "--crop", "10,20,7,8", "--at", "0,0")
    assert "picture   img.png  7x8  grey  uint8" in out
    assert "crop      rows 10 to 16, columns 20 to 27 of 30x40, run as a picture of its own" in out


def test_standard_input(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.fromarray(noise(5, 6)).save(file, "PNG")
    command = [sys.executable, "-m", "convtool", "explain", "-", "-k", "edge", "--at", "1,1"]
    run = subprocess.run(command, input=file.getvalue(), capture_output=True, cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, b"")
    assert b"convtool apply - -k edge\n" in run.stdout
    assert b"Map edge, output row 1, column 1" in run.stdout


def test_the_page_on_standard_output(tmp_path: Path) -> None:
    saved(str(tmp_path / "img.png"), noise(40, 60))
    command = [sys.executable, "-m", "convtool", "explain", "img.png", "-k", "edge", "--html"]
    shown = subprocess.run([*command, "-"], capture_output=True, cwd=tmp_path)
    assert shown.returncode == 0
    assert shown.stderr.startswith(b"convtool: the page: shows rows ")
    written = subprocess.run([*command, "page.html"], capture_output=True, cwd=tmp_path)
    assert (written.returncode, written.stdout) == (0, b"")
    assert shown.stdout == (tmp_path / "page.html").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["img.png", "page.html"]


# Errors


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((), 2, "no input; name a picture, - for standard input, or --demo 8x8"),
        (("img.png",), 2, "no kernel; give one with -k"),
        (("img.png", "-k", "sobel-x", "--at", "9,0"), 2,
         "--at 9,0 is outside the map sobel-x, which has 9x12 outputs: rows 0 to 8, columns 0 to 11"),
        (("img.png", "-k", "sobel-x", "--at", "-1,0"), 2, "rows 0 to 8"),
        (("img.png", "-k", "sobel-x", "--at", "nowhere"), 2, "at 'nowhere' is not ROW,COL of an output pixel"),
        (("img.png", "-k", "sobel-x", "-s", "3", "--at", "3,0"), 2, "which has 3x4 outputs"),
        (("img.png", "-k", "sobal-x"), 2, "did you mean sobel-x"),
        (("img.png", "--demo", "8x8"), 2, "--demo brings its own picture; leave INPUT out"),
        (("--demo", "9x9"), 2, "demo '9x9' is not one of 8x8, rgb"),
        (("none.png", "-k", "edge"), 1, "none.png: no such file"),
        ((".", "-k", "edge"), 1, ".: is a folder"),
        (("img.png", "-k", "box:size=11", "-p", "0"), 1, "img.png: box-size11 on 9x12: no output rows"),
        (("img.png", "-k", "edge", "--crop", "0,0,10,10"), 1, "--crop 0,0,10,10 reaches outside: the picture has 9x12"),
        (("img.png", "-k", "edge", "--crop", "0,0,0,10"), 2, "height and width are at least 1"),
        (("img.png", "-k", "edge", "--crop", "1,2"), 2, "crop '1,2' is not R,C,H,W"),
        (("img.png", "-k", "edge", "--animate", "a.mp4"), 2, "--animate a.mp4: an animation is .gif or .png (APNG)"),
        (("img.png", "-k", "edge", "--animate", "img.png"), 2, "img.png: is the input"),
        (("img.png", "-k", "edge", "--animate", "img.png", "--force"), 2, "img.png: is the input"),
        (("img.png", "-k", "edge", "--animate", "old.gif"), 2, "old.gif: exists; --force replaces it"),
        (("img.png", "-k", "edge", "--html", "old.gif"), 2, "old.gif: exists; --force replaces it"),
        (("img.png", "-k", "edge", "--html", "no/a.html"), 2, "no/a.html: the folder no does not exist"),
        (("img.png", "-k", "edge", "--html", "."), 2, ".: is a folder; name a file"),
        (("img.png", "-k", "edge", "--html", "a.gif", "--animate", "./a.gif"), 2, "name the same file"),
        (("large.png", "-k", "sobel", "--crop", "0,0,30,30", "--steps"), 2,
         "--steps would take 1800 steps, and 600 are the most; take a part with --crop"),
        (("large.png", "-k", "sobel", "--crop", "0,0,30,30", "--animate", "a.gif"), 2, "--animate would take 1800"),
        (("img.png", "-k", "edge", "--html", "-", "--at", "1,1"), 2, "--html - and the text would both go to standard"),
        (("img.png", "-k", "edge", "--linear", "--html", "a.html"), 2, "--html has no linear light"),
        (("clear.png", "-k", "edge", "--steps"), 1, "clear.png: has transparency, and sums weighted by it are"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_errors(explain: Run, arguments: tuple[str, ...], code: int, told: str) -> None:
    picture()
    saved("large.png", noise(40, 40))
    saved("clear.png", noise(5, 5, 4))
    Path("old.gif").write_text("old")
    found, out, err = explain(*arguments)
    assert (found, out) == (code, "")
    assert told in err
    assert len(err.splitlines()) == 1
    assert err.startswith("convtool: ")
    assert Path("old.gif").read_text() == "old"
    assert not Path("a.gif").exists()


def test_a_file_that_cannot_be_written(explain: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(target: Path) -> None:
        raise OSError(28, "No space left on device", ".convtool-1234.gif")

    monkeypatch.setattr("convtool.runs.atomic.replacing", refuse)
    code, _, err = explain("--demo", "rgb", "--animate", "a.gif")
    assert (code, err) == (1, "convtool: a.gif: cannot be written (No space left on device)\n")


# Steps


def test_steps_as_sentences(explain: Run) -> None:
    code, out, err = explain("--demo", "8x8", "--steps")
    assert (code, err) == (0, "")
    steps = re.findall(r"Step (\d+) of 36: sobel-x, row (\d), column (\d):", out)
    assert steps == [(str(6 * i + j + 1), str(i), str(j)) for i in range(6) for j in range(6)]
    flat = " ".join(out.split())
    assert "row 0, column 2: -20 + 100 - 40 + 200 - 20 + 100 + bias 0 = 320; raw 320, written 255." in flat
    _, out, _ = explain("--demo", "rgb", "--steps")
    assert out.count("Step ") == 18


def test_large_pictures_are_cropped_for_steps(explain: Run) -> None:
    image = np.full((50, 60), 100, np.uint8)
    image[30, 40] = 200
    saved("img.png", image)
    _, out, _ = explain("img.png", "-k", "laplacian-8", "--steps")
    assert "crop      rows 26 to 33, columns 36 to 43 of 50x60, run as a picture of its own" in out
    assert "Step 64 of 64" in out
    _, out, _ = explain("img.png", "-k", "laplacian-8", "--steps", "--at", "3,3")
    assert "crop      rows 0 to 7, columns 0 to 7 of 50x60" in out


class Terminal:
    """``convtool explain`` on a pseudo-terminal of 24x80."""

    def __init__(self, *arguments: str, cwd: Path) -> None:
        self.handle, child = pty.openpty()
        ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        environment = os.environ | {"TERM": "xterm-256color", "NO_COLOR": "1"}
        command = [sys.executable, "-m", "convtool", "explain", *arguments]
        self.before = termios.tcgetattr(child)
        self.child = child
        self.run = subprocess.Popen(
            command, stdin=child, stdout=child, stderr=child, cwd=cwd, env=environment, start_new_session=True
        )
        self.seen = ""

    def until(self, text: str) -> str:
        """What is drawn up to a text, which has to come."""
        end = time.monotonic() + 60
        while text not in self.seen:
            assert time.monotonic() < end, f"{text!r} did not come: {self.seen[-2000:]!r}"
            if select.select([self.handle], [], [], 0.2)[0]:
                try:
                    self.seen += os.read(self.handle, 65536).decode(errors="replace")
                except OSError:
                    assert text in self.seen, f"{text!r} did not come: {self.seen[-2000:]!r}"
        head, _, self.seen = self.seen.partition(text)
        return head + text

    def press(self, keys: bytes) -> None:
        os.write(self.handle, keys)

    def ended(self) -> int:
        code = self.run.wait(60)
        assert termios.tcgetattr(self.child) == self.before  # echo and lines are back
        os.close(self.child)
        os.close(self.handle)
        return code


def test_steps_by_keys(tmp_path: Path) -> None:
    terminal = Terminal("--demo", "8x8", "--steps", cwd=tmp_path)
    terminal.until("Step 1 of 36")
    terminal.until("q: quit")
    terminal.press(b"n")
    terminal.until("Step 2 of 36")
    terminal.press(b"\x1b[C")
    terminal.until("Step 3 of 36")
    shown = terminal.until("q: quit")
    assert "[ 20]  20 [ 20]" not in shown
    assert "  20   20 [ 20][ 20][100] 100" in shown  # columns 2 to 4 are the window
    assert "-20 + 100 - 40 + 200 - 20 + 100 = 320" in shown
    assert re.search(r"0 +-40 +\[ 320\] +\. +\. +\.", shown)
    terminal.press(b"b")
    terminal.until("Step 2 of 36")
    terminal.press(b"\x1b[D")
    terminal.until("Step 1 of 36")
    terminal.until("q: quit")
    terminal.press(b"b")
    terminal.until("Step 1 of 36")
    terminal.press(b"\x1b[F")
    terminal.until("Step 36 of 36")
    terminal.press(b"n")
    terminal.until("Step 36 of 36")
    terminal.press(b"q")
    assert terminal.ended() == 0


def test_steps_play_by_themselves(tmp_path: Path) -> None:
    terminal = Terminal("--demo", "rgb", "--steps", "--lang", "zh", cwd=tmp_path)
    terminal.until("第 1 步，共 18 步")
    terminal.press(b"p")
    terminal.until("播放中")
    terminal.until("第 3 步")
    terminal.press(b"p")
    terminal.until("退出")
    terminal.press(b"\x1b")
    assert terminal.ended() == 0


def test_steps_end_with_control_c_and_give_the_terminal_back(tmp_path: Path) -> None:
    terminal = Terminal("--demo", "8x8", "--steps", cwd=tmp_path)
    terminal.until("q: quit")
    terminal.run.send_signal(2)
    terminal.until("\x1b[?1049l")
    assert terminal.ended() == 130
