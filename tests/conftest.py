"""What the tests of files share."""

from __future__ import annotations

from pathlib import Path

import pytest

from convtool.cli import main
from tests.pictures import Run


@pytest.fixture
def apply(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``convtool apply`` in this process and in a folder of its own: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(["apply", *map(str, arguments)])
        out, err = capsys.readouterr()
        assert isinstance(left.value.code, int)
        return left.value.code, out, err

    return call
