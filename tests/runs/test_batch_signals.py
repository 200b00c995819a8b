"""Ctrl-C and other signals amid a run of many inputs: it ends soon, says how far it came and leaves whole files."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.support.batches import (
    COMMAND,
    RANDOM,
    SLOW,
    children,
    contents,
    finished,
    gone,
    kill,
    pictures,
    run,
    session,
    started,
    temporaries,
    under_way,
    until,
)
from tests.support.pictures import saved

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and POSIX signals")

COUNT = 30
INTERRUPTED = re.compile(rf"convtool: interrupted: (\d+) of {COUNT} done; --skip-existing does the rest\n")


@pytest.fixture
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What a run that nobody disturbs gives, of the pictures in the folder ``in``."""
    monkeypatch.chdir(tmp_path)
    pictures("in", COUNT)
    assert run("in", *SLOW, "-o", "clean", "-j", 2).returncode == 0
    return contents("clean")


def interrupted_at(err: str, clean: dict[str, bytes], per_input: int = 1) -> int:
    """Check what a stopped run said and left in ``out``; how many inputs were done."""
    match = INTERRUPTED.fullmatch(err)
    assert match, err
    found = contents("out")
    assert int(match[1]) * per_input == len(found)
    assert found.items() <= clean.items()
    return int(match[1])


@pytest.mark.parametrize("jobs", [1, 2, 5])
@pytest.mark.parametrize("whom", ["group", "parent"])
def test_ctrl_c_at_random_times(clean: dict[str, bytes], whom: str, jobs: int) -> None:
    """To all processes, as a terminal sends it, or to the parent alone; pressed once or several times."""
    ends = []
    for turn in range(4):
        with started("in", *SLOW, "-o", "out", "-j", jobs) as process:
            under_way(process, "out", RANDOM.randrange(1, COUNT - 5))  # Python itself has started
            begun = time.monotonic()
            for _ in range(1 + turn % 3):
                os.killpg(process.pid, signal.SIGINT) if whom == "group" else process.send_signal(signal.SIGINT)
                time.sleep(RANDOM.choice([0, 0.005]))
            out, err = process.communicate(timeout=30)
            assert time.monotonic() - begun < 10  # two seconds are the promise; the machine may be busy
            assert out == ""
            if process.returncode:
                assert process.returncode == 130
                ends.append(interrupted_at(err, clean))
            assert session(process.pid) == []
        assert temporaries() == []
        subprocess.run(["rm", "-rf", "out"], check=True)
    assert len(ends) > 1


def test_ctrl_c_while_it_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is done there is nothing to say."""
    monkeypatch.chdir(tmp_path)
    pictures("in", 1)
    Path("click.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    done = run("in", *SLOW, "-o", "out", env=os.environ | {"PYTHONPATH": f".:{os.environ.get('PYTHONPATH', '')}"})
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("whom", ["group", "parent"])
def test_other_signals(clean: dict[str, bytes], number: int, code: int, whom: str) -> None:
    with started("in", *SLOW, "-o", "out", "-j", 2) as process:
        under_way(process, "out", 5)
        os.killpg(process.pid, number) if whom == "group" else process.send_signal(number)
        _, err = process.communicate(timeout=30)
        assert process.returncode == code
        interrupted_at(err, clean)
        assert session(process.pid) == []
    assert temporaries() == []


def test_nohup_goes_on(clean: dict[str, bytes]) -> None:
    with started("in", *SLOW, "-o", "out", "-j", 2, command=["nohup", *COMMAND], stdin=subprocess.DEVNULL) as process:
        under_way(process, "out", 3)
        os.killpg(process.pid, signal.SIGHUP)
        assert process.wait(60) == 0
    assert contents("out") == clean


def test_ctrl_c_with_json_tells_of_every_file(clean: dict[str, bytes]) -> None:
    """Also of the maps of inputs that are not done."""
    arguments = ("in", "-k", "sobel", "-k", "disk:radius=9", "-o", "out", "--json", "-j", 3)
    for count in (7, 20, 40):
        with started(*arguments) as process:
            under_way(process, "out", count)
            os.killpg(process.pid, signal.SIGINT)
            out, err = process.communicate(timeout=30)
        assert process.returncode == 130
        told = [json.loads(line)["output"].removeprefix("out/") for line in out.splitlines()]
        assert sorted(told) == finished("out")
        assert temporaries() == []
        by_input = [sum(name.startswith(f"{at:03}_") for name in told) for at in range(COUNT)]
        match = INTERRUPTED.fullmatch(err)
        assert match
        assert int(match[1]) == by_input.count(3)
        subprocess.run(["rm", "-r", "out"], check=True)


def test_ctrl_c_while_a_worker_is_stopped(clean: dict[str, bytes]) -> None:
    """One that does not react is killed, and what it left is removed."""
    with started("in", *SLOW, "-o", "out", "-j", 2) as process:
        under_way(process, "out", 4)
        stopped = children(process.pid)
        assert len(stopped) == 2
        for pid in stopped:
            assert kill(pid, signal.SIGSTOP)
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 130
        # What a stopped worker had written and could not tell is there, and was not counted.
        match = INTERRUPTED.fullmatch(err)
        assert match
        assert int(match[1]) <= len(finished("out")) <= int(match[1]) + 2
        assert session(process.pid) == []
    assert temporaries() == []
    assert contents("out").items() <= clean.items()


def test_ctrl_c_while_nobody_reads_the_json(clean: dict[str, bytes]) -> None:
    np.save("bank.npy", np.random.default_rng(6).standard_normal((100, 3, 3)).astype(np.float32))
    with started("in", "-k", "bank.npy", "-o", "out", "--json", "-j", 2) as process:
        # A pipe holds 64 KB: the run is stuck when no more files come.
        until(lambda: len(finished("out")) > 250)
        count = 0
        while len(finished("out")) != count:
            count = len(finished("out"))
            time.sleep(1)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.stderr is not None
        assert INTERRUPTED.fullmatch(process.stderr.read())
        assert session(process.pid) == []
    assert temporaries() == []


def test_ctrl_c_while_one_process_does_it_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    saved("in.png", np.random.default_rng(2).integers(0, 256, (1500, 1500, 3), dtype=np.uint8))
    maps = [f"disk:radius={radius}" for radius in range(9, 25)]
    kernels = [word for each in maps for word in ("-k", each)]
    for count in (1, 4):
        with started("in.png", *kernels, "-o", "out/", "--json", "-j", 2) as process:
            under_way(process, "out", count)
            os.killpg(process.pid, signal.SIGINT)
            out, err = process.communicate(timeout=30)
        assert process.returncode == 130
        assert err == "convtool: interrupted: 0 of 1 done\n"
        assert sorted(json.loads(line)["output"] for line in out.splitlines()) == [
            f"out/{name}" for name in finished("out")
        ]
        assert temporaries() == []
        subprocess.run(["rm", "-r", "out"], check=True)


def test_skip_existing_after_ctrl_c_equals_a_clean_run(clean: dict[str, bytes]) -> None:
    for count in (1, 12):
        with started("in", *SLOW, "-o", "out", "-j", 2, "--skip-existing") as process:
            under_way(process, "out", count)
            os.killpg(process.pid, signal.SIGINT)
            process.communicate(timeout=30)
        assert process.returncode == 130
    assert run("in", *SLOW, "-o", "out", "-j", 2, "--skip-existing").returncode == 0
    assert contents("out") == clean


def test_the_parent_killed_at_random_moments(clean: dict[str, bytes]) -> None:
    """Its workers end by themselves and in silence; the next run does the rest, whatever was left."""
    killed = 0
    for _ in range(10):
        with started("in", *SLOW, "-o", "out", "-j", 3, "--skip-existing") as process:
            under_way(process, "out", len(finished("out")) + RANDOM.randrange(4))
            process.kill()
            _, err = process.communicate(timeout=30)  # ends when the last worker has let go of the pipe
            killed += process.returncode == -signal.SIGKILL
            assert err == ""
            assert gone(process.pid)
        found = contents("out") if Path("out").exists() else {}
        whole = {name: data for name, data in found.items() if not name.startswith(".convtool-")}
        assert whole.items() <= clean.items()
    assert killed > 2  # of ten; a round that finds nothing left to do has nobody to kill
    done = run("in", *SLOW, "-o", "out", "-j", 3, "--skip-existing")
    assert (done.returncode, done.stderr) == (0, "")
    assert {name: data for name, data in contents("out").items() if name in clean} == clean


def test_the_parent_killed_while_results_wait_for_it(clean: dict[str, bytes]) -> None:
    """A worker that finds a parent gone says nothing."""
    with started("in", *SLOW, "-o", "out", "-j", 2) as process:
        under_way(process, "out", 3)
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.3)
        process.kill()
        _, err = process.communicate(timeout=30)
        assert err == ""
        assert gone(process.pid)
    assert temporaries() == []
