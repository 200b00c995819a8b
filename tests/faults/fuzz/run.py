"""Fuzz the command line: ``python -m tests.faults.fuzz.run --cases N --seed S``. A failing case prints its replay."""

from __future__ import annotations

import argparse
import json
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from tests.faults.fuzz.cases import KINDS, Case, make_case

SECONDS = 10


class Worker:
    """The process that runs commands; a new one takes over where one died."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def run(self, folder: Path, arguments: list[str]) -> dict[str, Any] | str:
        """Exit code and stderr, or what became of the process."""
        if self.process is None:
            command = [sys.executable, "-m", "tests.faults.fuzz.worker"]
            root = Path(__file__).parents[3]
            self.process = subprocess.Popen(
                command, cwd=root, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        process = self.process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"folder": str(folder), "arguments": arguments}) + "\n")
        process.stdin.flush()
        if not select.select([process.stdout], [], [], SECONDS)[0]:
            self.close()
            return f"took more than {SECONDS} s"
        line = process.stdout.readline()
        if not line:
            code = process.wait()
            self.close()
            return f"the process died with {code}"
        reply: dict[str, Any] = json.loads(line)
        return reply

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


def failing(case: Case, worker: Worker) -> str | None:
    """What a case broke, None if all promises held."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, data in case.files.items():
            (folder / path).write_bytes(data)
        reply = worker.run(folder, case.arguments)
        if isinstance(reply, str):
            return reply
        code, lines = reply["code"], reply["err"].splitlines()
        if code not in (0, 1, 2) or "this should not happen" in reply["err"] or "Traceback" in reply["err"]:
            return f"exit {code}: {reply['err']}"
        if any(not line.startswith("convtool: ") for line in lines):
            return f"a line that is not ours: {reply['err']}"
        if code and not lines:
            return f"exit {code} without a word"
        if any((folder / path).read_bytes() != data for path, data in case.files.items()):
            return "an input was changed"
        outputs = [each for each in folder.rglob("*") if each.is_file() and each.name not in case.files]
        if code == 0 and not outputs:
            return "exit 0 without an output"
        if code and outputs and "--kernel=identity" in case.arguments:  # one map, which failed
            return f"exit {code}, and yet {outputs[0].name} was written"
        for output in outputs:
            if output.name.startswith(".convtool-"):
                return f"{output.name} was left"
            try:
                _decode(output)
            except Exception as error:  # whatever a decoder raises, the output is not sound
                return f"{output.name} (exit {code}) does not decode: {error!r}"
    return None


def _decode(path: Path) -> None:
    if path.suffix == ".npy":
        np.load(path, allow_pickle=False)
        return
    try:
        with Image.open(path) as image:
            image.load()
    except UnidentifiedImageError:
        if path.suffix != ".tif":
            raise
        import tifffile

        tifffile.imread(path)


def fuzz(kind: str, numbers: Iterable[int], seed: int) -> list[str]:
    """The failures among cases of a kind, each with what replays it."""
    worker = Worker()
    try:
        cases = (make_case(kind, number, seed) for number in numbers)
        return [f"{case.name}: {found}" for case in cases if (found := failing(case, worker))]
    finally:
        worker.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=30_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--number", type=int)
    given = parser.parse_args()
    bad = 0
    for kind, share in KINDS.items():
        if given.kind not in (None, kind):
            continue
        count = given.cases if given.kind else round(given.cases * share)
        numbers = range(count) if given.number is None else [given.number]
        start = time.monotonic()
        found = fuzz(kind, numbers, given.seed)
        for each in found:
            print(each)
        bad += len(found)
        spent = time.monotonic() - start
        print(f"{kind}: {len(numbers)} cases, {len(found)} failed, {spent:.0f} s, seed {given.seed}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
