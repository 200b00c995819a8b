"""Workers that die, hang, run out of memory or cannot be started: what they held is named, the rest is done."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.batches import (
    RANDOM,
    SLOW,
    children,
    contents,
    finished,
    kill,
    pictures,
    run,
    started,
    temporaries,
    under_way,
)
from tests.support.pictures import saved

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and POSIX signals")

COUNT = 30
GIVEN_UP = re.compile(r"convtool: in/(\d+)\.png: was given up: its worker process was killed by (SIG\w+)(.*)")

FAULT = """
    from convtool.runs import task
    def read(origin, limits, real=task.read_picture):
        if str(origin).endswith("003.png"):
            raise RuntimeError("a fault\\nof ours")
        return real(origin, limits)
    task.read_picture = read
"""


@pytest.fixture
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What a run that nobody disturbs gives, of the pictures in the folder ``in``."""
    monkeypatch.chdir(tmp_path)
    pictures("in", COUNT)
    assert run("in", *SLOW, "-o", "clean", "-j", 2).returncode == 0
    return contents("clean")


def altered(change: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A run of a convtool into which a fault was built."""
    script = textwrap.dedent(change) + "\nimport sys\nfrom convtool.cli import main\nif __name__ == '__main__':\n"
    Path("altered.py").write_text(script + "    main(sys.argv[1:])\n")
    command = [sys.executable, "altered.py", "apply", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_a_worker_killed_at_random_moments(clean: dict[str, bytes]) -> None:
    hits = 0
    for _ in range(8):
        with started("in", *SLOW, "-o", "out", "-j", 2, "--json") as process:
            under_way(process, "out", RANDOM.randrange(COUNT - 4))
            workers = children(process.pid)
            hit = bool(workers) and kill(RANDOM.choice(workers), signal.SIGKILL)
            out, err = process.communicate(timeout=60)
        lines = [json.loads(line) for line in out.splitlines()]
        assert [line["input"] for line in lines] == [f"in/{at:03}.png" for at in range(COUNT)]
        lost = [line for line in lines if "error" in line]
        found = contents("out")
        assert len(lost) <= hit
        assert found.items() <= clean.items()
        assert len(found) >= COUNT - len(lost)
        if lost:
            hits += 1
            assert process.returncode == 1
            message, summary = err.splitlines()
            named = GIVEN_UP.fullmatch(message)
            assert named
            assert named.group(1, 2) == (lost[0]["input"][3:6], "SIGKILL")
            assert "memory" in named[3]
            assert summary == f"convtool: {COUNT - 1} maps written, 1 of {COUNT} inputs failed"
        else:
            assert (process.returncode, err) == (0, "")
        subprocess.run(["rm", "-r", "out"], check=True)
    assert hits > 2


def test_every_worker_killed_again_and_again(clean: dict[str, bytes]) -> None:
    kills = 0
    with started("in", *SLOW, "-o", "out", "-j", 3) as process:
        for count in range(2, COUNT - 4, 4):
            under_way(process, "out", count)
            kills += sum(kill(pid, signal.SIGKILL) for pid in children(process.pid))
        _, err = process.communicate(timeout=60)
    lost = [named[1] for line in err.splitlines() if (named := GIVEN_UP.fullmatch(line))]
    assert kills > 4
    assert 0 < len(lost) <= kills
    assert len(set(lost)) == len(lost)
    assert process.returncode == 1
    assert err.splitlines()[len(lost) :] == [err.splitlines()[-1]]
    assert f"{len(lost)} of {COUNT} inputs failed" in err
    assert temporaries() == []
    found = contents("out")
    assert found.items() <= clean.items()
    assert len(found) >= COUNT - len(lost)
    assert run("in", *SLOW, "-o", "out", "-j", 3, "--skip-existing").returncode == 0
    assert contents("out") == clean


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGSEGV, signal.SIGABRT])
def test_a_worker_that_gets_another_signal(clean: dict[str, bytes], number: signal.Signals) -> None:
    change = FAULT.replace('raise RuntimeError("a fault\\nof ours")', f"import os; os.kill(os.getpid(), {number:d})")
    done = altered(change, "in", *SLOW, "-o", "out", "-j", 2)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"convtool: in/003.png: was given up: its worker process was killed by {number.name}",
        f"convtool: {COUNT - 1} maps written, 1 of {COUNT} inputs failed",
    ]
    assert len(finished("out")) == COUNT - 1
    assert temporaries() == []


def test_a_worker_killed_where_the_end_of_children_is_ignored(clean: dict[str, bytes]) -> None:
    """As it is inherited from some starters of services."""
    ignored = "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
    killed = FAULT.replace('raise RuntimeError("a fault\\nof ours")', "import os; os.kill(os.getpid(), 9)")
    done = altered(ignored + textwrap.dedent(killed), "in", *SLOW, "-o", "out", "-j", 2)
    assert done.returncode == 1
    assert GIVEN_UP.fullmatch(done.stderr.splitlines()[0])
    assert len(finished("out")) == COUNT - 1


def test_a_worker_that_is_told_to_reload_or_interrupt_goes_on(clean: dict[str, bytes]) -> None:
    with started("in", *SLOW, "-o", "out", "-j", 2) as process:
        under_way(process, "out", 4)
        assert all(kill(pid, number) for pid in children(process.pid) for number in (signal.SIGINT, signal.SIGHUP))
        assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 0
    assert contents("out") == clean


def test_a_worker_that_is_stopped_and_goes_on(clean: dict[str, bytes]) -> None:
    with started("in", *SLOW, "-o", "out", "-j", 2) as process:
        under_way(process, "out", 4)
        worker = children(process.pid)[0]
        assert kill(worker, signal.SIGSTOP)
        under_way(process, "out", COUNT - 2)  # the other one did all but what this one holds
        assert len(finished("out")) < COUNT
        assert kill(worker, signal.SIGCONT)
        assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 0
    assert contents("out") == clean


# Memory


def test_one_input_that_needs_more_memory_than_there_is(clean: dict[str, bytes]) -> None:
    Image.fromarray(np.zeros((9400, 9400, 3), np.uint8)).save("in/010-big.png", compress_level=1)
    done = run("in", *SLOW, "-o", "out", "-j", 2, setup="ulimit -v 380000")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "convtool: in/010-big.png: needs more memory than there is",
        f"convtool: {COUNT} maps written, 1 of {COUNT + 1} inputs failed",
    ]
    assert contents("out") == clean


def test_workers_that_the_system_kills_for_want_of_memory(clean: dict[str, bytes]) -> None:
    """One input takes its worker with it each time it is tried; it is tried once."""
    change = """
        import os, signal
        from convtool.runs import task
        def read(origin, limits, real=task.read_picture):
            if str(origin).endswith(("007.png", "008.png", "029.png")):
                os.kill(os.getpid(), signal.SIGKILL)
            return real(origin, limits)
        task.read_picture = read
    """
    done = altered(change, "in", *SLOW, "-o", "out", "-j", 2)
    assert done.returncode == 1
    why = "was given up: its worker process was killed by SIGKILL, perhaps for want of memory"
    assert done.stderr.splitlines() == [
        *(f"convtool: in/{name}.png: {why}" for name in ("007", "008", "029")),
        f"convtool: {COUNT - 3} maps written, 3 of {COUNT} inputs failed",
    ]
    assert contents("out").items() <= clean.items()
    assert len(contents("out")) == COUNT - 3


def test_a_worker_killed_amid_writing_leaves_nothing(clean: dict[str, bytes]) -> None:
    change = """
        import contextlib, os, signal
        from convtool.runs import task
        @contextlib.contextmanager
        def replacing(target, real=task.replacing):
            with real(target) as file:
                yield file
                file.flush()
                if target.name.startswith(("004", "017")):
                    os.kill(os.getpid(), signal.SIGKILL)
        task.replacing = replacing
    """
    done = altered(change, "in", *SLOW, "-o", "out", "-j", 2)
    assert done.returncode == 1
    assert done.stderr.count("SIGKILL") == 2
    assert temporaries() == []
    assert contents("out").items() <= clean.items()
    assert len(contents("out")) == COUNT - 2


def test_a_worker_without_memory_to_say_so(clean: dict[str, bytes]) -> None:
    change = """
        from convtool.runs import worker
        def slim(result, real=worker._slim):
            if result.work.source.path.endswith("005.png"):
                raise MemoryError
            return real(result)
        worker._slim = slim
    """
    done = altered(change, "in", *SLOW, "-o", "out", "-j", 2)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "convtool: in/005.png: needs more memory than there is"
    assert len(done.stderr.splitlines()) == 2


# Faults of ours


def test_a_fault_of_ours_in_a_worker_is_one_line(clean: dict[str, bytes]) -> None:
    done = altered(FAULT, "in", *SLOW, "-o", "out", "-j", 2)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "convtool: in/003.png: RuntimeError: a fault of ours; this should not happen, --debug shows where it did",
        f"convtool: {COUNT - 1} maps written, 1 of {COUNT} inputs failed",
    ]
    del clean["003_disk-radius20.png"]
    assert contents("out") == clean


def test_debug_shows_a_fault_in_a_worker_and_the_others_go_on(clean: dict[str, bytes]) -> None:
    done = altered(FAULT, "in", *SLOW, "-o", "out", "-j", 2, "--debug")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "in read" in done.stderr
    assert len(finished("out")) == COUNT - 1


def test_a_worker_that_leaves_is_told_by_its_code(clean: dict[str, bytes]) -> None:
    change = FAULT.replace('raise RuntimeError("a fault\\nof ours")', "import os; os._exit(9)")
    done = altered(change, "in", *SLOW, "-o", "out", "-j", 2)
    assert done.stderr.startswith("convtool: in/003.png: was given up: its worker process ended with code 9\n")
    assert len(finished("out")) == COUNT - 1


# Starting


@pytest.mark.parametrize("most", [0, 1, 3])
def test_processes_that_cannot_be_started(clean: dict[str, bytes], most: int) -> None:
    """What there is does the work, be it the parent alone."""
    change = f"""
        import errno, os
        def fork(count=[], real=os.fork):
            count.append(1)
            if len(count) > {most}:
                raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
            return real()
        os.fork = fork
    """
    done = altered(change, "in", *SLOW, "-o", "out", "-j", 8)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert contents("out") == clean


def test_processes_that_are_not_forked(clean: dict[str, bytes]) -> None:
    change = "from convtool.runs import workers\nworkers.START = 'spawn'"
    Path("in/003.png").write_bytes(b"bad")
    done = altered(change, "in", *SLOW, "-k", "sobel", "-o", "out", "-j", 2, "--json")
    forked = run("in", *SLOW, "-k", "sobel", "-o", "out", "-j", 2, "--json", "--force")
    assert done.returncode == 1
    assert (done.stdout, done.stderr) == (forked.stdout, forked.stderr)
    del clean["003_disk-radius20.png"]
    found = contents("out")
    assert {name: found[name] for name in clean} == clean
    assert len(found) == 3 * (COUNT - 1)


def test_jobs_and_results_larger_than_a_pipe_in_processes_that_are_not_forked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ends would wait for the other if a job was sent to a worker that is sending."""
    monkeypatch.chdir(tmp_path)
    np.save("bank.npy", np.random.default_rng(6).standard_normal((300, 31, 31)).astype(np.float32))
    pictures("in", 4, side=4)
    imports = ("from convtool.runs import workers", "from convtool.cli import execute")
    change = "\n".join((*imports, "workers.START = 'spawn'", "execute.ALONE = 0"))
    done = altered(change, "in", "-k", "bank.npy", "-o", "out", "-f", "npy", "-j", 2)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(finished("out")) == 1200


def test_the_parent_starts_no_threads(clean: dict[str, bytes]) -> None:
    change = """
        import os, threading
        from convtool import console
        parent, most = os.getpid(), []
        def tick(self, real=console.Progress.tick):
            most.append(threading.active_count() + len(os.listdir("/proc/self/task")))
            real(self)
        console.Progress.tick = tick
        import atexit
        atexit.register(lambda: print(max(most)))
    """
    done = altered(change, "in", *SLOW, "-o", "out", "-j", 2)
    assert (done.returncode, done.stdout) == (0, "2\n")


def test_inputs_that_are_skipped_cost_no_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They go by without a look at the clock, also where they stand between others."""
    monkeypatch.chdir(tmp_path)
    pictures("in", 12)
    assert run("in", *SLOW, "-o", "out", "-j", 2).returncode == 0
    expected = contents("out")
    Path("out/005_disk-radius20.png").unlink()
    Path("out/009_disk-radius20.png").unlink()
    change = """
        from convtool.runs import workers
        from convtool.cli import execute
        execute.ALONE = workers.TICK = 0
        workers.AHEAD = 2
    """
    done = altered(change, "in", *SLOW, "-o", "out", "-j", 2, "--skip-existing", "--json")
    assert done.returncode == 0
    skipped = ["skipped" in json.loads(line) for line in done.stdout.splitlines()]
    assert [at for at in range(12) if not skipped[at]] == [5, 9]
    assert contents("out") == expected


def test_a_big_first_input_does_not_hold_up_the_others(clean: dict[str, bytes]) -> None:
    """Results wait for it in order; it may not be overtaken by more than AHEAD."""
    saved("in/000.png", np.random.default_rng(1).integers(0, 256, (2000, 2000, 3), dtype=np.uint8))
    change = "from convtool.runs import workers\nworkers.AHEAD = 3"
    done = altered(change, "in", *SLOW, "-o", "out", "-j", 3, "--json")
    assert done.returncode == 0
    assert [json.loads(line)["input"] for line in done.stdout.splitlines()] == [
        f"in/{at:03}.png" for at in range(COUNT)
    ]
    assert len(finished("out")) == COUNT
