"""Memory and descriptors of a long run: bounded by the workers, not by the files."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.batches import children, started
from tests.support.pictures import saved

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

LONG = "CONVTOOL_LONG_TESTS" in os.environ
COUNT, FROM = (20_000, 2_000) if LONG else (2_500, 800)


def state(pid: int) -> tuple[int, int]:
    """Kilobytes and descriptors of a process."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]), len(list(Path(f"/proc/{pid}/fd").iterdir()))


def test_memory_and_descriptors_stay_flat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    icon = saved("icon.png", np.random.default_rng(1).integers(0, 256, (16, 16, 4), dtype=np.uint8)).read_bytes()
    Path("in").mkdir()
    for at in range(COUNT):
        Path(f"in/{at:05}.png").write_bytes(icon)
    found: dict[int, list[tuple[int, int]]] = {}
    with started("in", "-k", "sharpen", "-o", "out", "--json", "-j", 2) as process:
        assert process.stdout is not None
        workers: list[int] = []
        for number, _ in enumerate(process.stdout, 1):
            if number in (FROM, COUNT - 600):  # a pipe's worth of lines before the end, all are still there
                workers = workers or children(process.pid)
                found[number] = [state(pid) for pid in (process.pid, *workers)]
        assert process.wait(60) == 0
    before, after = found.values()
    assert len(before) == len(after) == 3
    for (memory, open_files), (memory_after, open_files_after) in zip(before, after, strict=True):
        assert memory_after - memory < 4096
        assert abs(open_files_after - open_files) < 8  # what one picture takes, at the moment of looking
