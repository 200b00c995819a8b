"""Pipes, descriptors and signals, with real processes and a real shell."""

from __future__ import annotations

import io
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import convtool
from convtool.stdio import write_stdout

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell and signals")

BUFFERING = pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
COMMAND = [sys.executable, "-m", "convtool"]
Array = NDArray[Any]


@dataclass(frozen=True)
class Done:
    """What a shell line did: the exit code of every command of its pipeline, and its output."""

    codes: list[int]
    out: bytes
    err: str


Shell = Callable[..., Done]


@pytest.fixture
def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONUNBUFFERED", "CONVTOOL_KERNELS")}


@pytest.fixture
def shell(tmp_path: Path, environment: dict[str, str]) -> Shell:
    """Run a line of bash in the working folder; ``convtool`` in it is this one."""
    environment["CONVTOOL"] = shlex.join(COMMAND)

    def call(line: str, stdin: bytes = b"", unbuffered: str = "") -> Done:
        script = f'convtool() {{ $CONVTOOL "$@"; }}\n{line}\necho "${{PIPESTATUS[@]}}" > codes'
        found = subprocess.run(
            ["bash", "-o", "pipefail", "-c", script],
            input=stdin,
            capture_output=True,
            cwd=tmp_path,
            env=environment | {"PYTHONUNBUFFERED": unbuffered},
            timeout=60,
            check=False,
        )
        codes = [int(code) for code in (tmp_path / "codes").read_text().split()]
        return Done(codes, found.stdout, found.stderr.decode())

    return call


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def image() -> Array:
    """A picture larger than a pipe holds, also as img.png."""
    made = np.random.default_rng(3).integers(0, 256, (200, 220, 3), dtype=np.uint8)
    Image.fromarray(made).save("img.png")
    return made


def decoded(data: bytes) -> Array:
    if data.startswith(b"\x93NUMPY"):
        return np.asarray(np.load(io.BytesIO(data)))
    with Image.open(io.BytesIO(data)) as found:
        return np.asarray(found)


def temporary_files() -> list[str]:
    return [str(path) for path in Path().rglob(".convtool-*")]


# Pipelines


def test_png_through_two_commands(shell: Shell, image: Array) -> None:
    done = shell("cat img.png | convtool apply - -k blur -o - | convtool apply - -k sobel-x -o -")
    assert (done.codes, done.err) == ([0, 0, 0], "")
    blurred = convtool.apply(image, "blur", range="clip")["blur"]
    np.testing.assert_array_equal(decoded(done.out), convtool.apply(blurred, "sobel-x", range="abs")["sobel-x"])


def test_npy_through_three_commands_keeps_signs_and_fractions(shell: Shell, image: Array) -> None:
    done = shell(
        "convtool apply img.png -k sobel-x -f npy -o - | convtool apply - -k gaussian:sigma=1 |"
        " convtool apply - -k central-y"
    )
    assert (done.codes, done.err) == ([0, 0, 0], "")
    found = decoded(done.out)
    assert found.dtype == np.float32
    assert found.min() < 0
    signed = convtool.apply(image, "sobel-x")["sobel-x"]
    soft = convtool.apply(signed, "gaussian:sigma=1")["gaussian-sigma1"]
    np.testing.assert_array_equal(found, convtool.apply(soft, "central-y")["central-y"])


def test_the_example_of_the_help(shell: Shell, image: Array) -> None:
    done = shell(
        "cat img.png | convtool apply - -k gaussian:sigma=2 -f npy |"
        " convtool apply - -k sobel-x --range abs:1/255 --dtype uint8 -f png > x.png"
    )
    assert done.codes == [0, 0, 0]
    assert done.err == ""
    with Image.open("x.png") as found:
        assert (found.format, found.size) == ("PNG", (220, 200))


@pytest.mark.parametrize(("options", "magic"), [("", b"\x89PNG"), ("-f jpg", b"\xff\xd8"), ("--range raw", b"II*\0")])
def test_the_format_of_stdout(shell: Shell, options: str, magic: bytes) -> None:
    Image.fromarray(np.zeros((9, 9), np.uint8)).save("img.png")
    done = shell(f"convtool apply - -k blur {options} < img.png")
    assert (done.codes, done.err) == ([0], "")
    assert done.out.startswith(magic)


def test_stdin_to_a_file_and_to_a_folder(shell: Shell, image: Array) -> None:
    assert shell("convtool apply - -k blur -o out.png < img.png").codes == [0]
    assert shell("convtool apply - -k sobel -o out/ < img.png").codes == [0]
    assert sorted(str(path) for path in Path("out").iterdir()) == ["out/stdin_sobel-x.png", "out/stdin_sobel-y.png"]
    np.testing.assert_array_equal(
        decoded(Path("out.png").read_bytes()), convtool.apply(image, "blur", range="clip")["blur"]
    )


@BUFFERING
def test_with_warnings_stdout_still_decodes(shell: Shell, unbuffered: str) -> None:
    frames = [Image.fromarray(np.full((40, 40), value, np.uint8)) for value in (10, 200)]
    frames[0].save("two.gif", save_all=True, append_images=frames[1:])
    done = shell("convtool apply two.gif -k identity -f jpg -o - -v", unbuffered=unbuffered)
    assert done.codes == [0]
    assert "2 frames" in done.err
    assert decoded(done.out).shape[:2] == (40, 40)


# A reader that goes away


@BUFFERING
@pytest.mark.parametrize("reader", ["head -c 10", "true"])
def test_a_reader_that_leaves_early_ends_it_silently(shell: Shell, image: Array, reader: str, unbuffered: str) -> None:
    done = shell(f"convtool apply img.png -k blur -o - | {reader} > /dev/null", unbuffered=unbuffered)
    assert (done.codes, done.err) == ([141, 0], "")
    assert temporary_files() == []


@BUFFERING
@pytest.mark.parametrize(
    "command", ["convtool kernels", "convtool apply --help", "convtool apply img.png -k blur --dry-run"]
)
def test_text_for_a_reader_that_left(shell: Shell, image: Array, command: str, unbuffered: str) -> None:
    done = shell(f"(sleep 0.3; {command}) | true", unbuffered=unbuffered)
    assert (done.codes, done.err) == ([141, 0], "")


def test_json_for_a_reader_that_leaves_stops_the_run(shell: Shell, image: Array) -> None:
    Path("in").mkdir()
    for at in range(40):
        Path(f"in/{at:02}.png").hardlink_to("img.png")
    done = shell("convtool apply in -k blur -o out --json | head -n 1")
    assert (done.codes, done.err) == ([141, 0], "")
    assert done.out.count(b"\n") == 1
    assert len(list(Path("out").iterdir())) < 40
    assert temporary_files() == []


# A full device

FULL = "cannot write to standard output: No space left on device"


@BUFFERING
@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("apply img.png -k blur -o -", f"img.png: {FULL}"),
        ("apply - -k blur < img.png", f"standard input: {FULL}"),
        ("apply img.png -k blur --json", FULL),
        ("apply img.png -k blur --dry-run", FULL),
        ("kernels", FULL),
        ("--version", FULL),
    ],
)
def test_a_full_device_is_one_line_and_exit_code_1(
    shell: Shell, image: Array, command: str, line: str, unbuffered: str
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    done = shell(f"convtool {command} > /dev/full", unbuffered=unbuffered)
    assert (done.codes, done.err) == ([1], f"convtool: {line}\n")


@pytest.mark.parametrize("most", [1, 1000, 1 << 30])
def test_short_writes_lose_nothing(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """An unbuffered descriptor may take a part of what it is given and still return."""
    write = os.write
    monkeypatch.setattr("convtool.stdio.os.write", lambda number, data: write(number, bytes(data[:most])))
    data = bytes(range(256)) * 20

    def encode(file: IO[bytes]) -> None:
        file.write(data)

    write_stdout(encode)
    monkeypatch.undo()
    assert capfdbinary.readouterr().out == data


# Bad stdin


@pytest.mark.parametrize("options", ["", "-f npy", "-o out/"])
def test_empty_stdin(shell: Shell, options: str) -> None:
    done = shell(f"convtool apply - -k blur {options}")
    assert (done.codes, done.out) == ([1], b"")
    assert done.err == "convtool: standard input: is empty\n"


@pytest.mark.parametrize("kind", ["png", "jpg", "npy"])
def test_truncated_stdin_gives_no_byte(shell: Shell, image: Array, kind: str) -> None:
    buffer = io.BytesIO()
    if kind == "npy":
        np.save(buffer, image)
    else:
        Image.fromarray(image).save(buffer, {"png": "PNG", "jpg": "JPEG"}[kind])
    done = shell("convtool apply - -k blur", stdin=buffer.getvalue()[: buffer.tell() // 2])
    assert (done.codes, done.out) == ([1], b"")
    assert done.err.startswith("convtool: standard input: ")
    assert len(done.err.splitlines()) == 1


def test_text_on_stdin(shell: Shell) -> None:
    done = shell("echo hello | convtool apply - -k blur")
    assert (done.codes, done.out) == ([0, 1], b"")
    assert done.err.startswith("convtool: standard input: is not an image")


def test_endless_stdin_is_bounded(shell: Shell, image: Array) -> None:
    done = shell("convtool apply - img.png -k blur -o out/ --max-bytes 100000 < /dev/zero")
    assert done.codes == [1]
    assert done.err.splitlines() == [
        "convtool: standard input: has more than 100,000 bytes; --max-bytes raises the limit",
        "convtool: 1 map written, 1 of 2 inputs failed",
    ]
    assert Path("out/img_blur.png").exists()


@pytest.mark.parametrize(("limit", "code"), [(0, 0), (-1, 1)])
def test_max_bytes_is_exact(shell: Shell, image: Array, limit: int, code: int) -> None:
    size = Path("img.png").stat().st_size
    assert shell(f"convtool apply - -k blur -o x.png --max-bytes {size + limit} < img.png").codes == [code]


# Terminals


@pytest.fixture
def terminal() -> Iterator[int]:
    main, other = os.openpty()
    yield other
    os.close(other)
    os.close(main)


def test_stdin_is_a_terminal(terminal: int, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [*COMMAND, "apply", "-", "-k", "blur"],
        stdin=terminal,
        capture_output=True,
        env=environment,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"convtool: standard input is a terminal; ")


@pytest.mark.parametrize("arguments", [["img.png", "-k", "blur", "-o", "-"], ["-", "-k", "blur"]])
def test_stdout_is_a_terminal(image: Array, terminal: int, environment: dict[str, str], arguments: list[str]) -> None:
    with Path("img.png").open("rb") as stdin:
        done = subprocess.run(
            [*COMMAND, "apply", *arguments],
            stdin=stdin,
            stdout=terminal,
            stderr=subprocess.PIPE,
            env=environment,
            timeout=30,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.startswith(b"convtool: standard output is a terminal; ")


def test_on_a_terminal_there_is_a_summary(image: Array, environment: dict[str, str]) -> None:
    main, other = os.openpty()
    done = subprocess.run(
        [*COMMAND, "apply", "img.png", "-k", "blur"],
        stdout=subprocess.PIPE,
        stderr=other,
        env=environment | {"TERM": "dumb"},
        timeout=30,
        check=False,
    )
    os.close(other)
    said = os.read(main, 10000)
    os.close(main)
    assert (done.returncode, done.stdout) == (0, b"")
    assert said == b"convtool: 1 map written\r\n"


# Descriptors closed at the start


@BUFFERING
@pytest.mark.parametrize(
    ("options", "code"), [("-o -", 2), ("-o out.png --json", 2), ("-o out.png --dry-run", 2), ("-o out.png", 0)]
)
def test_stdout_closed(shell: Shell, image: Array, options: str, code: int, unbuffered: str) -> None:
    done = shell(f"convtool apply img.png -k blur {options} >&-", unbuffered=unbuffered)
    assert done.codes == [code]
    assert ("standard output is closed" in done.err) == (code == 2)
    assert len(done.err.splitlines()) == (1 if code else 0)
    assert Path("out.png").exists() == (code == 0)


@BUFFERING
def test_stderr_closed(shell: Shell, image: Array, unbuffered: str) -> None:
    Path("empty.png").touch()
    done = shell("convtool apply img.png empty.png -k blur -o out --json -v 2>&-", unbuffered=unbuffered)
    assert done.codes == [1]
    assert done.out.count(b"\n") == 2
    expected = convtool.apply(image, "blur", range="clip")["blur"]
    np.testing.assert_array_equal(decoded(Path("out/img_blur.png").read_bytes()), expected)


def test_stderr_on_a_full_device(shell: Shell, image: Array) -> None:
    done = shell("convtool apply img.png -k blur -v 2> /dev/full")
    assert done.codes == [0]
    assert Path("img_blur.png").exists()


def test_stdin_closed(shell: Shell, image: Array) -> None:
    done = shell("convtool apply - -k blur <&-")
    assert (done.codes, done.out) == ([2], b"")
    assert done.err == "convtool: standard input is closed; name a file instead of -\n"
    assert shell("convtool apply img.png -k blur <&-").codes == [0]


def test_everything_closed(shell: Shell, image: Array) -> None:
    """No file gets the number of a closed descriptor, so nothing strays into a picture."""
    code = (
        "import os\n"
        "from convtool.cli import main\n"
        "try:\n"
        "    main(['--version'])\n"
        "finally:\n"
        "    with open('number', 'w') as file:\n"
        "        file.write(f'{file.fileno()} {os.readlink(\"/proc/self/fd/2\")}')\n"
    )
    Path("code.py").write_text(code)
    assert shell(f"{shlex.quote(sys.executable)} code.py <&- >&- 2>&-").codes == [0]
    number, second = Path("number").read_text().split()
    assert int(number) > 2
    assert second == os.devnull
    assert shell("convtool apply img.png -k blur <&- >&- 2>&-").codes == [0]
    np.testing.assert_array_equal(
        decoded(Path("img_blur.png").read_bytes()), convtool.apply(image, "blur", range="clip")["blur"]
    )


# Signals

COUNT = 60
LINE = re.compile(rf"convtool: interrupted: (\d+) of {COUNT} done; --skip-existing does the rest\n")


@pytest.fixture
def many() -> list[str]:
    """Arguments of a run that takes a while."""
    Path("in").mkdir()
    made = np.random.default_rng(5).integers(0, 256, (300, 300), dtype=np.uint8)
    Image.fromarray(made).save("in/00.png")
    for at in range(1, COUNT):
        Path(f"in/{at:02}.png").hardlink_to("in/00.png")
    return [*COMMAND, "apply", "in", "-k", "disk:radius=20", "-o", "out"]


def interrupt(arguments: list[str], environment: dict[str, str], after: int, *numbers: int) -> tuple[int, str]:
    """Send signals to a run as soon as it has written ``after`` outputs."""
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, env=environment) as process:
        end = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < end:
            if Path("out").is_dir() and sum(path.name[0] != "." for path in Path("out").iterdir()) >= after:
                break
            time.sleep(0.001)
        for number in numbers:
            process.send_signal(number)
        _, err = process.communicate(timeout=30)
    return process.returncode, err


@pytest.mark.parametrize(
    ("numbers", "code", "after"),
    [
        ([signal.SIGINT], 130, 2),
        ([signal.SIGTERM], 143, 3),
        ([signal.SIGINT, signal.SIGINT], 130, 1),
        ([signal.SIGTERM, signal.SIGTERM, signal.SIGTERM], 143, 2),
    ],
)
def test_an_interrupted_run_leaves_whole_files_and_says_how_far_it_came(
    many: list[str], environment: dict[str, str], numbers: list[int], code: int, after: int
) -> None:
    left, err = interrupt(many, environment, after, *numbers)
    assert left == code
    match = LINE.fullmatch(err)
    assert match, err
    written = sorted(Path("out").iterdir())
    assert temporary_files() == []
    assert int(match[1]) <= len(written) <= int(match[1]) + 1
    assert after <= len(written) < COUNT
    expected = written[0].read_bytes()
    assert all(path.read_bytes() == expected for path in written)


def test_a_run_that_was_stopped_is_resumed_by_skip_existing(many: list[str], environment: dict[str, str]) -> None:
    assert interrupt(many, environment, 5, signal.SIGKILL)[0] == -signal.SIGKILL
    before = {path.name: path.stat().st_mtime_ns for path in Path("out").iterdir() if path.name[0] != "."}
    assert 5 <= len(before) < COUNT
    done = subprocess.run([*many, "--skip-existing"], env=environment, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    names = sorted(path.name for path in Path("out").iterdir())
    assert names == [f"{at:02}_disk-radius20.png" for at in range(COUNT)]
    assert {name: Path("out", name).stat().st_mtime_ns for name in before} == before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_while_it_waits_for_stdin(environment: dict[str, str], number: int, code: int) -> None:
    with subprocess.Popen(
        [*COMMAND, "apply", "-", "-k", "blur"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(bytes(1 << 20))  # more than a pipe holds: it is being read when this returns
        process.stdin.flush()
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (code, b"")
    assert err == b""
