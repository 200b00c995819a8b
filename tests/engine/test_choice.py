"""Which engine runs: chosen by ``CONVTOOL_CORE``, named by ``--version`` and ``-v``, and the same bytes from each."""

from __future__ import annotations

from pathlib import Path

import pytest

import convtool
from convtool.cli import main
from tests.support.pictures import Run, noise, saved

try:
    from convtool.engine._core import WIDTHS
except ImportError:
    WIDTHS = ()

NAMES = {width: f"core {width}" for width in WIDTHS} | {"numpy": "numpy"}
DEFAULT = WIDTHS[-1] if WIDTHS else "numpy"


def command(*words: str, capsys: pytest.CaptureFixture[str]) -> tuple[object, str, str]:
    with pytest.raises(SystemExit) as left:
        main(list(words))
    return left.value.code, *capsys.readouterr()


@pytest.mark.parametrize("choice", [None, "", *NAMES])
def test_the_version_names_the_engine(
    choice: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if choice is None:
        monkeypatch.delenv("CONVTOOL_CORE", raising=False)
    else:
        monkeypatch.setenv("CONVTOOL_CORE", choice)
    said = f"convtool {convtool.__version__} ({NAMES[choice or DEFAULT]})\n"
    assert command("--version", capsys=capsys) == (0, said, "")


def test_each_engine_is_named_and_writes_the_same(apply: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    saved("a.png", noise(37, 53, 3))
    for choice, name in NAMES.items():
        monkeypatch.setenv("CONVTOOL_CORE", choice)
        code, out, err = apply("a.png", "-k", "gaussian:sigma=2", "-o", f"{choice}.png", "-v")
        assert (code, out) == (0, "")
        assert [line for line in err.splitlines() if "engine" in line] == [f"convtool: engine: {name}"]
        assert apply("a.png", "-k", "blur", "-o", "b.png", "-v", "-q", "--force") == (0, "", "")
    assert len({Path(f"{choice}.png").read_bytes() for choice in NAMES}) == 1


@pytest.mark.parametrize("choice", ["AVX2", "core", "-1", "numpy "])
@pytest.mark.parametrize(
    "words",
    [
        ("--version",),
        ("apply", "a.png", "b.png", "-k", "blur", "-o", "out"),
        ("apply", "a.png", "-k", "blur", "-o", "out", "--dry-run"),
        ("explain", "--demo", "rgb"),
    ],
)
def test_an_engine_that_is_not_there_is_one_line(
    words: tuple[str, ...],
    choice: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        saved(name, noise(9, 9))
    monkeypatch.setenv("CONVTOOL_CORE", choice)
    said = f"convtool: CONVTOOL_CORE is {choice!r}; here it can be {', '.join(NAMES)}\n"
    assert command(*words, capsys=capsys) == (2, "", said)
    assert not Path("out").exists()


def test_help_asks_for_no_engine(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("CONVTOOL_CORE", "there is none")
    code, out, err = command("--help", capsys=capsys)
    assert (code, err) == (0, "")
    assert "--version" in out
