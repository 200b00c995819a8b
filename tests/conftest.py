"""What the tests of files share."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from convtool.cli import main
from tests.support.pictures import Run

# A shell's background jobs ignore Ctrl-C, and so would the commands that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def apply(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``convtool apply`` in this process and in a folder of its own: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    return _command("apply", capsys)


@pytest.fixture
def explain(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``convtool explain`` likewise."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CONVTOOL_KERNELS", raising=False)
    return _command("explain", capsys)


def _command(name: str, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main([name, *map(str, arguments)])
        out, err = capsys.readouterr()
        assert isinstance(left.value.code, int)
        return left.value.code, out, err

    return call
