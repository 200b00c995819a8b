"""Many inputs in one run: a bad one fails alone, and workers change nothing but the time it takes."""

from __future__ import annotations

import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from tests.support.batches import COMMAND, SLOW, contents, finished, pictures, run, session, started, temporaries, until
from tests.support.pictures import opened, saved

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and POSIX signals")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


UNPRIVILEGED = """
import contextlib, os
from convtool.cli import main
options = "--recursive -k disk:radius=20 -j 2 -o".split()
with contextlib.suppress(SystemExit):  # what is loaded lately may lie where only root reads
    main(["apply", "good", *options, "first"])
if os.geteuid() == 0:
    os.setegid(65534)
    os.seteuid(65534)
main(["apply", "in", *options, "out"])
"""


# Some bad ones


def test_one_bad_input_of_a_hundred(folder: Path) -> None:
    names = pictures("in", 100, side=48)
    assert run("in", "-k", "blur", "-o", "clean", "-j", 2).returncode == 0
    bad = Path("in/041.png")
    bad.write_bytes(bad.read_bytes()[:300])
    done = run("in", "-k", "blur", "-o", "out", "-j", 2)
    assert (done.returncode, done.stdout) == (1, "")
    first, second = done.stderr.splitlines()
    assert first.startswith("convtool: in/041.png: ")
    assert second == "convtool: 99 maps written, 1 of 100 inputs failed"
    clean = contents("clean")
    assert len(clean) == len(names)
    del clean["041_blur.png"]
    assert contents("out") == clean


@pytest.mark.parametrize("jobs", [1, 3])
def test_all_bad(jobs: int) -> None:
    Path("in").mkdir()
    for at in range(30):
        Path(f"in/{at:02}.png").write_bytes(b"no picture" * 20_000)
    done = run("in", "-k", "blur", "-o", "out", "-j", jobs)
    lines = done.stderr.splitlines()
    assert (done.returncode, len(lines)) == (1, 31)
    assert [line.split(": ")[1] for line in lines[:-1]] == [f"in/{at:02}.png" for at in range(30)]
    assert lines[-1] == "convtool: 0 maps written, 30 of 30 inputs failed"
    assert contents("out") == {}


def test_no_input_matches() -> None:
    Path("in").mkdir()
    Path("in/readme.txt").write_text("no picture")
    done = run("in", "-k", "blur", "-o", "out")
    assert (done.returncode, done.stdout, Path("out").exists()) == (2, "", False)
    assert done.stderr == "convtool: no pictures in in (1 other files); --recursive takes sub-folders too\n"


def test_an_input_that_vanishes_while_the_run_goes_on() -> None:
    pictures("in", 30)
    with started("in", *SLOW, "-o", "out", "-j", 2) as process:
        until(lambda: finished("out"))
        Path("in/029.png").unlink()
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.splitlines() == [
        "convtool: in/029.png: no such file",
        "convtool: 29 maps written, 1 of 30 inputs failed",
    ]
    assert len(finished("out")) == 29


def test_a_folder_full_of_traps() -> None:
    """A loop of links, a pipe, a socket, a device and links to them, a file nobody may read."""
    pictures("in", 12, side=100)
    inside = Path("in")
    (inside / "loop").symlink_to("loop")
    (inside / "loop.png").symlink_to("loop.png")
    (inside / "up").symlink_to("..", target_is_directory=True)
    os.mkfifo(inside / "pipe.png")
    (inside / "null.png").symlink_to("/dev/null")
    (inside / "endless.png").symlink_to("/dev/zero")
    (inside / "piped.png").symlink_to("pipe.png")
    (inside / "nowhere.png").symlink_to("nothing.png")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("in/socket.png")
        done = run("in", "--recursive", *SLOW, "-o", "out", "-j", 2)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert [line.split(": ")[1] for line in lines[:2]] == ["in/loop.png", "in/nowhere.png"]
    assert lines[2] == "convtool: 12 maps written, 2 of 14 inputs failed"
    assert len(finished("out")) == 12


def test_a_file_and_a_folder_that_nobody_may_read(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Path(tempfile.mkdtemp())
    monkeypatch.chdir(place)
    pictures("good", 10, side=100)
    pictures("in", 12, side=100)
    Path("in/closed").mkdir()
    Path("in/005.png").chmod(0)
    Path("in/closed").chmod(0)
    place.chmod(0o777)
    try:
        done = subprocess.run(
            [sys.executable, "-c", UNPRIVILEGED], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 1
        assert done.stderr.splitlines() == [
            "convtool: in/closed: Permission denied",
            "convtool: in/005.png: Permission denied",
            "convtool: 11 maps written, 2 of 13 inputs failed",
        ]
    finally:
        Path("in/closed").chmod(0o700)
        shutil.rmtree(place)


def test_pipes_and_devices_named_as_inputs_do_not_hang() -> None:
    pictures("in", 10)
    os.mkfifo("pipe.png")
    done = run("pipe.png", "/dev/zero", *sorted(Path("in").iterdir()), *SLOW, "-o", "out", "-j", 2)
    assert done.returncode == 1
    assert [line.split(": ")[1] for line in done.stderr.splitlines()[:2]] == ["pipe.png", "/dev/zero"]
    assert len(finished("out")) == 10


# Folders


@pytest.mark.parametrize("jobs", [1, 2])
def test_folders_within_folders_keep_their_tree(jobs: int) -> None:
    for place in ("in", "in/a", "in/a/b", "in/c"):
        pictures(place, 3, side=150)
    assert run("in", "--recursive", *SLOW, "-o", "out", "-j", jobs).returncode == 0
    expected = [f"{place}{at:03}_disk-radius20.png" for place in ("", "a/", "a/b/", "c/") for at in range(3)]
    assert sorted(contents("out")) == sorted(expected)


def test_the_output_folder_inside_the_input_folder_twice() -> None:
    pictures("in", 10)
    arguments = ("in", "--recursive", *SLOW, "-o", "in/out", "-j", 2)
    assert run(*arguments).returncode == 0
    first = contents("in")
    assert len(first) == 20
    again = run(*arguments)
    assert again.returncode == 2
    assert "and 7 more: exist; --force replaces, --skip-existing leaves them" in again.stderr
    for how in ("--skip-existing", "--force"):
        assert run(*arguments, how).returncode == 0
        assert contents("in") == first


# The same whatever the number of workers


def test_workers_change_neither_bytes_nor_lines() -> None:
    pictures("in", 24, side=120)
    Path("in/007.png").write_bytes(b"bad" * 1000)
    saved("in/101.tif", np.random.default_rng(2).integers(0, 256, (200, 300, 4), dtype=np.uint8))
    saved("in/102.jpg", np.random.default_rng(3).integers(0, 256, (90, 300, 3), dtype=np.uint8))
    saved("in/103.png", np.random.default_rng(4).integers(0, 65536, (90, 300), dtype=np.uint16))
    found = []
    for jobs in (1, 2, 8):
        done = run("in", "-k", "sobel", *SLOW, "-o", "out", "--json", "-j", jobs)
        assert done.returncode == 1
        found.append((contents("out"), done.stdout, done.stderr))
        subprocess.run(["rm", "-r", "out"], check=True)
    assert found[0] == found[1] == found[2]
    lines = [json.loads(line) for line in found[0][1].splitlines()]
    assert len(lines) == 26 * 3 + 1
    order = list(dict.fromkeys(line["input"] for line in lines))
    assert order == sorted(str(path) for path in Path("in").iterdir())


def test_standard_input_among_other_inputs() -> None:
    pictures("in", 12)
    data = Path("in/003.png").read_bytes()
    done = subprocess.run(
        [*COMMAND, "in", "-", *SLOW, "-o", "out", "-j", "2"], input=data, capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    found = contents("out")
    assert len(found) == 13
    assert found["stdin_disk-radius20.png"] == found["003_disk-radius20.png"]


def test_hundreds_of_maps_from_each_input() -> None:
    np.save("bank.npy", np.random.default_rng(6).standard_normal((130, 3, 3)).astype(np.float32))
    pictures("in", 3, side=16)
    for jobs in (1, 2):
        done = run("in", "-k", "bank.npy", "-o", f"out{jobs}", "-j", jobs, "--json")
        assert (done.returncode, len(done.stdout.splitlines())) == (0, 390)
    assert contents("out1") == contents("out2")


# What is said


NAMES = [b"new\nline.png", b"\x1b[31mred.png", b"[/red].png", b"[bold]x.png", b"not-\xff-utf8.png", b"-k.png",
         b"bell\x07.png", "锐化.png".encode(), b"a'b\"c$(x).png", "line\u2028end.png".encode()]  # fmt: skip


def test_hostile_names() -> None:
    Path("in").mkdir()
    pictures("one", 1)
    picture = Path("one/000.png").read_bytes()
    for name in NAMES:
        for start, data in ((b"in/", picture), (b"in/bad-", b"bad")):
            path = Path(os.fsdecode(start + name))
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
    done = run("in", "--recursive", *SLOW, "-o", "out", "-j", 2, "--json", text=False)
    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.stdout.isascii()
    named = {os.fsencode(line["input"]) for line in lines}
    assert named == {b"in/" + start + name for name in NAMES for start in (b"", b"bad-")}
    for line in lines:
        assert "error" in line or opened(line["output"]).size == (200, 200)
    messages = done.stderr.decode().splitlines()  # splits at what is a line end to any reader
    assert len(messages) == len(NAMES) + 1
    assert all(line.startswith("convtool: in/bad-") for line in messages[:-1])
    assert "\x1b" not in done.stderr.decode()


@pytest.mark.parametrize("encoding", ["LC_ALL=C PYTHONCOERCECLOCALE=0 PYTHONUTF8=0", "PYTHONIOENCODING=ascii"])
def test_an_ascii_locale_and_no_terminal(encoding: str) -> None:
    Path("in").mkdir()
    pictures("one", 1)
    for at in range(8):
        Path(f"in/锐化{at}.png").write_bytes(Path("one/000.png").read_bytes())
    Path("in/锐化9.png").write_bytes(b"bad")
    done = run("in", *SLOW, "-o", "out", "-v", "-j", 2, setup=f"export {encoding}", text=False)
    assert done.returncode == 1
    assert len(finished("out")) == 8
    assert b"Traceback" not in done.stderr
    assert b"8 maps written, 1 of 9 inputs failed" in done.stderr


# --json


def test_json_lines_come_while_the_run_goes_on() -> None:
    pictures("in", 40)
    with started("in", *SLOW, "-o", "out", "--json", "-j", 2) as process:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 60)[0]
        first = json.loads(process.stdout.readline())
        assert process.poll() is None
        assert len(finished("out")) < 40
        rest = process.stdout.read().splitlines()
        assert process.wait(60) == 0
    assert first["input"] == "in/000.png"
    assert [json.loads(line)["input"] for line in rest] == [f"in/{at:03}.png" for at in range(1, 40)]


def test_json_for_a_reader_that_goes_away() -> None:
    pictures("in", 60)
    with started("in", *SLOW, "-o", "out", "--json", "-j", 2) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 141
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert session(process.pid) == []
    assert temporaries() == []
    assert len(finished("out")) < 60


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_json_on_a_full_device(unbuffered: str) -> None:
    pictures("in", 60)
    done = run(
        "in", *SLOW, "-o", "out", "--json", "-j", 2, setup=f"export PYTHONUNBUFFERED={unbuffered}; exec >/dev/full"
    )
    assert (done.returncode, done.stderr) == (1, "convtool: cannot write to standard output: No space left on device\n")
    assert temporaries() == []
    assert len(finished("out")) < 60


# The surroundings


@pytest.mark.parametrize(
    "setup",
    [
        *(
            "ulimit -n 64",
            "ulimit -n 40",
            "ulimit -n 20",
            "trap '' CHLD",
            "export PYTHONWARNINGS=error PYTHONDEVMODE=1",
        ),
        *("export OPENBLAS_NUM_THREADS=4 PYTHONWARNINGS=error", "trap '' HUP", "exec <&-", "ulimit -c 0"),
    ],
)
def test_in_poor_surroundings(setup: str) -> None:
    pictures("in", 12)
    done = run("in", *SLOW, "-o", "out", "-j", 30, setup=setup)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(finished("out")) == 12
    assert temporaries() == []


def test_in_a_folder_that_was_removed(folder: Path) -> None:
    pictures("in", 12)
    done = run(folder / "in", *SLOW, "-o", folder / "out", "-j", 2, setup="mkdir gone; cd gone; rmdir ../gone")
    assert done.returncode == 0, done.stderr
    assert len(finished("out")) == 12


def test_without_shared_memory() -> None:
    pictures("in", 12)
    hidden = run("in", *SLOW, "-o", "out", "-j", 2, setup="unshare -m true 2>/dev/null && echo yes >&2; true")
    if "yes" in hidden.stderr:
        line = 'umount -l /dev/shm 2>/dev/null; test ! -w /dev/shm/. || mount -t tmpfs -o ro none /dev/shm; exec "$@"'
        command = ["unshare", "-m", "bash", "-c", line, "bash", *COMMAND, "in", *SLOW, "-o", "again", "-j", "2"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert contents("again") == contents("out")


def test_no_thread_to_be_had(tmp_path: Path) -> None:
    """A limit on threads is named with the way out, which works."""
    saved(str(tmp_path / "a.png"), np.tile(np.arange(256, dtype=np.uint8)[:, None], (1500, 8, 3)))
    code = """
import sys, threading
def refuse(*_):
    raise RuntimeError("can't start new thread")
threading.Thread.start = refuse
from convtool.__main__ import main
main()
"""
    command = [sys.executable, "-c", code, "apply", "a.png", "-k", "gabor", "-o", "out.jpg"]
    run = subprocess.run([*command, "-j", "2"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr == "convtool: a.png: the system allows no more threads; -j 1 does with one\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    run = subprocess.run([*command, "-j", "1"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
