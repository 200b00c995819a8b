"""--files0-from: inputs listed in a file or on standard input, each name ended by a NUL byte."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.batches import COMMAND, SLOW, contents, finished, pictures, run, started
from tests.support.pictures import Run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX pipes and terminals")
NAMES = [b"plain.png", b"new\nline.png", b" blank .png", b"-k.png", b"not-\xff-utf8.png", "锐化.png".encode()]


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A list of pictures whose names are trouble for every list but this kind; the folder ``in`` has them."""
    monkeypatch.chdir(tmp_path)
    pictures("in", len(NAMES))
    for old, new in zip(sorted(Path("in").iterdir()), NAMES, strict=True):
        old.rename(os.fsdecode(b"in/" + new))
    assert run("in", "-k", "blur", "-o", "clean").returncode == 0
    return b"".join(b"in/" + name + b"\0" for name in NAMES)


def test_a_list_in_a_file(listed: bytes, apply: Run) -> None:
    Path("list").write_bytes(listed)
    assert apply("--files0-from", "list", "-k", "blur", "-o", "out/") == (0, "", "")
    assert contents("out") == contents("clean")


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_list_on_standard_input(listed: bytes, jobs: int) -> None:
    command = [*COMMAND, "--files0-from", "-", *SLOW, "-o", "out/", "-j", str(jobs)]
    done = subprocess.run(command, input=listed, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert len(finished("out")) == len(NAMES)


def test_what_find_prints(listed: bytes) -> None:
    line = 'find in -name "*.png" -print0 | sort -z | "$@" --files0-from - -k blur -o out/'
    done = subprocess.run(["bash", "-c", line, "bash", *COMMAND], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert contents("out") == contents("clean")


def test_a_list_through_a_pipe_with_a_name(listed: bytes) -> None:
    line = '"$@" --files0-from <(find in -name "*.png" -print0) -k blur -o out/'
    done = subprocess.run(["bash", "-c", line, "bash", *COMMAND], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert contents("out") == contents("clean")


def test_the_last_nul_may_be_missing(listed: bytes, apply: Run) -> None:
    Path("list").write_bytes(listed[:-1])
    assert apply("--files0-from", "list", "-k", "blur", "-o", "out/") == (0, "", "")
    assert contents("out") == contents("clean")


def test_a_list_beside_arguments_comes_after_them(listed: bytes, apply: Run) -> None:
    Path("list").write_bytes(b"in/plain.png\0")
    code, out, err = apply("in/-k.png", "--files0-from", "list", "-k", "blur", "-o", "out/", "--json")
    assert (code, err) == (0, "")
    assert out.index("in/-k.png") < out.index("in/plain.png")


def test_a_folder_in_a_list(listed: bytes, apply: Run) -> None:
    Path("list").write_bytes(b"in\0")
    assert apply("--files0-from", "list", "-k", "blur", "-o", "out/") == (0, "", "")
    assert contents("out") == contents("clean")


def test_names_that_are_bad_fail_alone(listed: bytes, apply: Run) -> None:
    Path("list").write_bytes(listed + b"in/missing\n.png\0")
    code, _, err = apply("--files0-from", "list", "-k", "blur", "-o", "out/")
    assert code == 1
    assert err.splitlines() == [
        "convtool: in/missing\\n.png: no such file",
        "convtool: 6 maps written, 1 of 7 inputs failed",
    ]
    assert contents("out") == contents("clean")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "list: the list names no input"),
        (b"\0", "list: name 1 of the list is empty"),
        (b"a.png\0\0b.png\0", "list: name 2 of the list is empty"),
        (b"a.png\0b.png\0\0", "list: name 3 of the list is empty"),
        (
            b"a.png\nb.png\n",
            "list: holds no NUL byte; names in it end with one, as find -print0 writes them",
        ),
        (b"x" * 2000, "list: has more than 1,000 bytes; --max-bytes raises the limit"),
    ],
)
def test_lists_that_are_refused(apply: Run, data: bytes, message: str) -> None:
    Path("list").write_bytes(data)
    assert apply("--files0-from", "list", "-k", "blur", "-o", "out/", "--max-bytes", 1000) == (
        2,
        "",
        f"convtool: {message}\n",
    )
    assert not Path("out").exists()


def test_a_list_that_cannot_be_read(apply: Run) -> None:
    Path("folder").mkdir()
    for name, why in (("missing", "No such file or directory"), ("folder", "Is a directory")):
        assert apply("--files0-from", name, "-k", "blur") == (2, "", f"convtool: {name}: {why}\n")


def test_a_device_without_end_as_a_list(apply: Run) -> None:
    code, _, err = apply("--files0-from", "/dev/zero", "-k", "blur", "--max-bytes", 100_000)
    assert (code, err) == (2, "convtool: /dev/zero: has more than 100,000 bytes; --max-bytes raises the limit\n")


@pytest.mark.parametrize(("extra", "data"), [(["-"], b"in/plain.png\0"), ([], b"in/plain.png\0-\0")])
def test_standard_input_cannot_be_list_and_picture(listed: bytes, extra: list[str], data: bytes) -> None:
    done = subprocess.run([*COMMAND, "--files0-from", "-", "-k", "blur", "-o", "out/", *extra], input=data,
                          capture_output=True, timeout=60, check=False)  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith(b"convtool: standard input is the list of inputs already")
    assert not Path("out").exists()


def test_a_picture_on_standard_input_named_in_a_list(listed: bytes) -> None:
    Path("list").write_bytes(b"in/-k.png\0-\0")
    command = [*COMMAND, "--files0-from", "list", "-k", "blur", "-o", "out/"]
    data = Path("in/plain.png").read_bytes()
    done = subprocess.run(command, input=data, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert contents("out")["stdin_blur.png"] == contents("clean")["plain_blur.png"]


def test_a_terminal_is_no_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    master, slave = pty.openpty()
    try:
        done = subprocess.run(
            [*COMMAND, "--files0-from", "-", "-k", "blur"], stdin=slave, capture_output=True, timeout=60, check=False
        )
    finally:
        os.close(master)
        os.close(slave)
    assert done.returncode == 2
    assert done.stderr == b"convtool: standard input is a terminal; pipe a list in or name a file instead of -\n"


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_ctrl_c_while_nobody_writes_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("list")
    with started("--files0-from", "list", "-k", "blur") as process:
        time.sleep(1)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
