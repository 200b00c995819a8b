"""The compiled core by itself: as other compilers make it, for another processor, without vectors, under sanitizers.

``core_driver/driver.c`` makes the calls that the golden sums take, and some with something wrong in them. A compiler
that is missing is no failure unless ``CONVTOOL_REQUIRE_TOOLS`` is set.
"""

from __future__ import annotations

import ast
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple, NoReturn

import numpy as np
import pytest

from convtool.engine import core
from tests.support import golden
from tests.support.core_calls import (
    AXES,
    CORE,
    REFUSED,
    WIDTHS,
    Answer,
    Array,
    Call,
    Recorder,
    Room,
    read_answers,
    room_of,
    write_calls,
)
from tests.support.fused import FUSED
from tests.support.wrong_calls import base_calls, mutated, outcome

pytestmark = pytest.mark.skipif(CORE is None, reason="no compiled core")

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent / "core_driver"
SANITIZERS = (
    "-fsanitize=address,undefined,float-cast-overflow",
    *("-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g", "-O1"),
)
LIMITS = {
    "ASAN_OPTIONS": "allocator_may_return_null=1:max_allocation_size_mb=2000",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}
"""Memory that is refused, as elsewhere, is no error."""

WRONG = 3000
"""Wrong calls that a driver makes."""

CLANGS = ("clang", *(f"clang-{version}" for version in range(40, 10, -1)))


class Build(NamedTuple):
    """How a driver is made, and what runs it; of several names the first that is there."""

    compilers: tuple[str, ...]
    flags: tuple[str, ...] = ()
    runners: tuple[str, ...] = ()


BUILDS = {
    "cc": Build(("cc", "gcc")),
    "clang": Build(CLANGS),
    "without vectors": Build(("cc", "gcc"), ("-DWITHOUT_VECTORS",)),
    "musl": Build(("musl-gcc",), ("-static",)),
    "aarch64": Build(("aarch64-linux-gnu-gcc",), ("-static",), ("qemu-aarch64-static", "qemu-aarch64")),
    "sanitizers": Build(("cc", "gcc"), SANITIZERS),
    "clang's sanitizers without vectors": Build(CLANGS, (*SANITIZERS, "-DWITHOUT_VECTORS")),
    "clang's sanitizers": Build(CLANGS, SANITIZERS),
}


def flags() -> list[str]:
    """Those that the package is built with."""
    found = re.search(r"^UNIX = (\[.*\])$", (ROOT / "setup.py").read_text("utf-8"), re.MULTILINE)
    assert found
    return list(ast.literal_eval(found[1]))


def tool(names: tuple[str, ...]) -> str:
    found = next(filter(None, map(shutil.which, names)), None)
    return found or missing(names[0])


def missing(what: str) -> NoReturn:
    if os.environ.get("CONVTOOL_REQUIRE_TOOLS", "0") not in ("", "0"):
        pytest.fail(f"{what} is missing")
    pytest.skip(f"{what} is missing")


Calls = dict[bool, list[Call]]
"""The calls of all golden sums, without and with fused multiply-adds, as far as this machine can."""


@pytest.fixture(scope="module")
def calls() -> Calls:
    """They have the recorded results."""
    found: Calls = {}
    for level, width in enumerate(WIDTHS):
        fused = width in FUSED
        recorder, recorded = Recorder(keep=True), golden.recorded(fused=fused)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(core, "_core", recorder)
            patch.setattr(core, "width", lambda level=level: level)
            for name, case in golden.CASES.items():
                assert golden.entry(case) == recorded[name], name
        assert len(recorder.calls) >= len(recorded)
        found.setdefault(fused, recorder.calls)
    return found


class Wrong(NamedTuple):
    """A call with something wrong in it, the memory of its output, and what the package's own core makes of it."""

    arguments: tuple[Array, ...]
    before: Room
    outcome: int | Exception


@pytest.fixture(scope="module")
def wrong() -> list[Wrong]:
    """Wrong calls, as far as buffers can say it: the same ones in every run."""
    random, bases, found = Random(20), base_calls(), list[Wrong]()
    while len(found) < WRONG:
        arguments = mutated(random.choice(bases), random)[1:]
        if all(isinstance(argument, np.ndarray) and _written(argument) for argument in arguments):
            found.append(Wrong(arguments, room_of(arguments[-1]), outcome((0, *arguments))))
    return found


def _written(array: Array) -> bool:
    """Whether a file of calls can hold an array."""
    try:
        return len(array.data.format) <= 8 and array.ndim <= AXES
    except (BufferError, ValueError):
        return False


class Driver:
    """A driver that was built, and how it is run."""

    def __init__(self, build: Build, folder: Path) -> None:
        self._folder, self._program = folder, folder / "driver"
        compiler = tool(build.compilers)
        self._runner = [tool(build.runners)] if build.runners else []
        empty = folder / "empty.c"
        empty.write_text("int main(void) { return 0; }\n")
        links = [compiler, *build.flags, str(empty), "-o", str(self._program)]
        if subprocess.run(links, capture_output=True, check=False).returncode:
            missing(f"what {compiler} links with {' '.join(build.flags)}")
        includes = (f"-I{HERE}", f"-I{ROOT / 'convtool' / 'engine'}")
        self._run(
            *(compiler, *flags(), "-Wno-unused-function", *build.flags, *includes),
            *(str(HERE / "driver.c"), "-o", str(self._program), "-lm"),
        )

    def answers(self, calls: Sequence[tuple[Array, ...]], outputs: Sequence[Room]) -> list[list[Answer]]:
        """What it answers to calls, for each width of vectors."""
        given, answered = self._folder / "calls", self._folder / "answers"
        write_calls(given, calls, outputs)
        self._run(*self._runner, str(self._program), str(given), str(answered))
        return read_answers(answered, len(calls))

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", env=os.environ | LIMITS, timeout=900, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def fuses(name: str, level: int) -> bool:
    """Whether a width of vectors of a build has fused multiply-adds."""
    arm = "aarch64" in (name, platform.machine())
    return "without vectors" not in name and (arm or level > 0)


@pytest.mark.parametrize("name", BUILDS)
def test_every_build_does_what_the_core_does(name: str, calls: Calls, wrong: list[Wrong], tmp_path: Path) -> None:
    """The golden sums come out, and what is wrong is refused or goes nowhere beyond its memory."""
    driver, given = Driver(BUILDS[name], tmp_path), next(iter(calls.values()))
    widths = driver.answers([call.arguments for call in given], [call.before for call in given])
    if fuses(name, len(widths) - 1) not in calls:
        pytest.skip("this machine has no fused multiply-adds to compare with")
    for level, answers in enumerate(widths):
        if (expected := calls.get(fuses(name, level))) is not None:
            right = [Answer(call.lost, call.after.held) for call in expected]
            assert [at for at, answer in enumerate(answers) if answer != right[at]] == []
    widths = driver.answers([call.arguments for call in wrong], [call.before for call in wrong])
    assert widths
    for bad, *of_widths in zip(wrong, *widths, strict=True):
        for answer in of_widths:
            if isinstance(bad.outcome, int):
                assert answer.lost != REFUSED, answer.said
            elif type(bad.outcome) is ValueError and bad.arguments[-1].flags.writeable:
                assert answer == (REFUSED, f"ValueError: {bad.outcome}".encode())
    assert WRONG / 10 < sum(isinstance(bad.outcome, int) for bad in wrong) < WRONG / 2
