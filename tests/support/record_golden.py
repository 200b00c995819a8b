"""Writes tests/data/golden_sums.json: what NumPy makes of every case of ``golden``.

Of banks also what it would make with fused multiply-adds (``fused``). Run from the repository.

    python -m tests.support.record_golden

Only a change that is meant to change results may do this: people compare what they computed last year.
"""

from __future__ import annotations

import json

import pytest

from convtool.engine import core, sliding
from tests.support import fused, golden


def main() -> None:
    core.width = lambda: None
    before = json.loads(golden.RECORD.read_text("utf-8")) if golden.RECORD.exists() else {}
    found = {name: golden.entry(case) for name, case in golden.CASES.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sliding, "sums", fused.sums)
        once = {name + golden.FUSED: golden.entry(case) for name, case in golden.CASES.items()}
    found |= {name: value for name, value in once.items() if value != found[name.removesuffix(golden.FUSED)]}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in found.items())
    golden.RECORD.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
    same = sum(before.get(name) == value for name, value in found.items())
    print(f"{len(found)} results, {same} of them as before")


if __name__ == "__main__":
    main()
