"""Some 6,000 inputs gone wrong: no traceback, no signal, no half output; `make fuzz` runs more."""

from __future__ import annotations

import sys

import pytest

from tests.faults.fuzz.cases import KINDS
from tests.faults.fuzz.run import fuzz

CASES, CHUNK = 6_000, 300
CHUNKS = [(kind, at) for kind, share in KINDS.items() for at in range(0, round(CASES * share), CHUNK)]


@pytest.mark.skipif(sys.platform != "linux", reason="limits of processes and memory files are Linux's")
@pytest.mark.parametrize(("kind", "start"), CHUNKS)
def test_damaged_inputs_end_in_a_line_or_a_sound_picture(kind: str, start: int) -> None:
    # Lengths are cut in steps that share no factor with their number, so that every file is met.
    numbers = [at * 7 if kind == "cut" else at for at in range(start, start + CHUNK)]
    assert fuzz(kind, numbers, seed=4) == []
