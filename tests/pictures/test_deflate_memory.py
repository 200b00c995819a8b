"""What memory held before, or holds around the data, never shows in what is compressed."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from convtool.pictures.png.deflate import quick, thorough

PIECES = """
import hashlib
import numpy as np
from convtool.pictures.png.deflate import quick, thorough
rng = np.random.default_rng(0)
found = hashlib.sha256()
for size in (100, 5_000, 65_600, 300_000):
    walk = np.cumsum(rng.integers(-2, 3, size)).astype(np.uint8)
    for data in (walk, rng.integers(0, 4, size, dtype=np.uint8), rng.integers(0, 256, size, dtype=np.uint8)):
        for last in (True, False):
            found.update(quick(data, last))
            found.update(thorough(data, 4, last))
print(found.hexdigest())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the variable is glibc's")
def test_fresh_memory_may_hold_anything() -> None:
    digests = set()
    for filler in ("0", "1", "85", "170", "255"):  # the byte that malloc fills memory with, and its complement on free
        environment = {**os.environ, "MALLOC_PERTURB_": filler, "PYTHONMALLOC": "malloc"}
        command = [sys.executable, "-c", PIECES]
        digests.add(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    assert len(digests) == 1


@pytest.mark.parametrize("size", [70, 9_000, 66_000, 140_000])
def test_data_may_lie_anywhere(size: int) -> None:
    """At any alignment, with anything before and behind; a repeat of the data itself tempts matches the most."""
    rng = np.random.default_rng(size)
    data = rng.integers(0, 4, size, dtype=np.uint8)
    for last in (True, False):
        expected = quick(data, last), thorough(data, 4, last)
        for lead in (0, 1, 33, 40_000):
            for around in (np.resize(data, lead + size + 40_000), rng.integers(0, 256, lead + size + 40_000)):
                memory = around.astype(np.uint8)
                memory[lead : lead + size] = data
                piece = memory[lead : lead + size]
                assert (quick(piece, last), thorough(piece, 4, last)) == expected
