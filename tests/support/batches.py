"""Runs over many inputs as processes of their own: started, looked at, stopped and killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.pictures import saved

COMMAND = [sys.executable, "-m", "convtool", "apply"]
SLOW = ("-k", "disk:radius=20")
"""A kernel that takes some milliseconds a picture."""
RANDOM = random.Random(os.environ.get("CONVTOOL_TEST_SEED", "5"))


def pictures(folder: str, count: int, side: int = 200) -> list[str]:
    """Different pictures in a folder; their names in order."""
    Path(folder).mkdir()
    source = np.random.default_rng(count).integers(0, 256, (side + count, side, 3), dtype=np.uint8)
    names = [f"{at:03}.png" for at in range(count)]
    for at, name in enumerate(names):
        saved(f"{folder}/{name}", source[at : at + side], compress_level=1)
    return names


def run(*arguments: object, setup: str = "", **options: Any) -> subprocess.CompletedProcess[Any]:
    """A run to its end; ``setup`` are lines of bash before it."""
    command: list[str] = [*COMMAND, *map(str, arguments)]
    if setup:
        command = ["bash", "-c", f'{setup}\nexec "$@"', "bash", *command]
    options = {"capture_output": True, "text": True, "timeout": 120, "check": False} | options
    return subprocess.run(command, **options)


@contextmanager
def started(*arguments: object, command: list[str] | None = None, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A run in a session of its own; nothing of it is left behind, whatever happens."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    line = [*(command or COMMAND), *map(str, arguments)]
    # Under nohup the tests ignore it, and so would what they start.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL) if "preexec_fn" not in options else None
    try:
        begun = subprocess.Popen(line, start_new_session=True, **(pipes | options))
    finally:
        if before is not None:
            signal.signal(signal.SIGHUP, before)
    with begun as process:
        try:
            yield process
        finally:
            for pid in [*session(process.pid), process.pid]:
                kill(pid, signal.SIGKILL)


def kill(pid: int, number: int) -> bool:
    """Send a signal to one of our own processes; whether it was there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _processes() -> Iterator[tuple[int, str, int, int]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            yield int(entry.name), fields[0], int(fields[1]), int(fields[3])


def children(pid: int) -> list[int]:
    """The living children of a process."""
    return sorted(child for child, state, parent, _ in _processes() if parent == pid and state not in "ZX")


def session(leader: int) -> list[int]:
    """The living processes of a session."""
    return sorted(pid for pid, state, _, leads in _processes() if leads == leader and state not in "ZX")


def gone(leader: int) -> bool:
    """Whether the last process of a session ends by itself, soon."""
    return bool(until(lambda: not session(leader), 20))


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait for something; what it became."""
    end = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.001)
    return found


def finished(folder: str | Path) -> list[str]:
    """The names of outputs, without temporary files."""
    place = Path(folder)
    return sorted(entry.name for entry in place.iterdir() if entry.name[0] != ".") if place.is_dir() else []


def temporaries(folder: str | Path = ".") -> list[str]:
    """Our temporary files below a folder."""
    return sorted(str(path) for path in Path(folder).rglob(".convtool-*"))


def contents(folder: str | Path) -> dict[str, bytes]:
    """The bytes of every file below a folder, hidden ones too."""
    place = Path(folder)
    return {str(path.relative_to(place)): path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()}


def under_way(process: subprocess.Popen[str], folder: str, count: int) -> None:
    """Wait until a run has written so many outputs, and a moment longer."""
    until(lambda: process.poll() is not None or len(finished(folder)) >= count)
    time.sleep(RANDOM.uniform(0, 0.02))
