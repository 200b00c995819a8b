"""Writes tests/data/recorded_outputs.json: what every command of ``recorded`` leaves. Run from the repository.

    python -m tests.support.record_outputs

Only a change that is meant to change outputs, or their words, may do this; it lists what changed.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import shutil
import tempfile
from pathlib import Path

from convtool.cli import main as convtool
from tests.support import recorded


def run(command: str, folder: Path) -> recorded.Entry:
    """What one command leaves, run in a folder that has the inputs."""
    shutil.rmtree(folder / "OUT", ignore_errors=True)
    (folder / "OUT").mkdir()
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    before = Path.cwd()
    os.chdir(folder)
    code: object = None
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            convtool(shlex.split(command))
    except SystemExit as left:
        code = left.code
    finally:
        os.chdir(before)
    for stream in (out, err):
        stream.flush()
        stream.seek(0)
    assert isinstance(code, int)
    return recorded.entry(code, out.read(), err.read(), folder / "OUT")


def main() -> None:
    before = recorded.recorded() if recorded.RECORD.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        recorded.make_inputs(Path(folder))
        found = {command: run(command, Path(folder)) for command in recorded.COMMANDS}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in found.items())
    recorded.RECORD.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
    for name in found:
        if name in before and before[name] != found[name]:
            print("changed:", name)
    print(f"{len(found)} runs, {sum(before.get(name) == value for name, value in found.items())} of them as before")


if __name__ == "__main__":
    main()
