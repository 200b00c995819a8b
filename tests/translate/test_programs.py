"""``--as``: the code that is printed is run, and gives the same pictures.

Bit for bit where the sums are whole numbers times one factor; else no further than one level, and that only where the
exact value is all but half way between two.
"""

from __future__ import annotations

import itertools
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from convtool.cli import main

PYTHON = ("numpy", "scipy", "opencv", "torch")
NEEDS = {"scipy": "scipy", "opencv": "cv2", "torch": "torch"}
"""Debian's own name of it: there are other programs called convert."""

PICTURES = ("grey", "colour", "alpha", "sixteen", "array")
KERNELS = ("1 2; 3 -4; 0 1", "sobel-x", "emboss", "gaussian:sigma=0.8", "1 2 1; 2 4 2; 1 2 1 / 9", "luma", "kirsch@90",
           "1 -1; -2 5@90", "-1 0 0 2 5 7 -3")  # fmt: skip
OPTIONS: dict[str, tuple[tuple[str, ...], ...]] = {
    "stride": ((), ("-s", "2"), ("-s", "3x1")),
    "pad": ((), ("-p", "0"), ("-p", "1"), ("-p", "0,2,1,3"), ("-p", "full")),
    "border": ((), ("-b", "zeros"), ("-b", "constant=64"), ("-b", "replicate"), ("-b", "reflect"),
               ("-b", "symmetric"), ("-b", "circular")),
    "dilation": ((), ("--dilation", "2"), ("--dilation", "1x3")),
    "channels": ((), ("--channels", "luma"), ("--channels", "sum"), ("--channels", "g")),
    "range": ((), ("--range", "clip:1/4"), ("--range", "abs"), ("--range", "shift:1/2"), ("--range", "stretch"),
              ("--range", "symmetric"), ("--range", "raw")),
    "more": ((), ("--flip",), ("--bias", "12.5"), ("--dtype", "uint16"), ("-k", "laplacian-4", "--merge", "max")),
    "alpha": (("--alpha", "drop"), ("--alpha", "keep"), ("--alpha", "filter")),
}  # fmt: skip


def rows(seed: int, count: int) -> Iterator[dict[str, Any]]:
    """Runs in which every two values of different options meet at least once, as far as so many can."""
    chance = random.Random(seed)
    axes: dict[str, tuple[Any, ...]] = {"picture": PICTURES, "kernel": KERNELS, **OPTIONS}
    open_pairs = {
        (a, x, b, y) for a, b in itertools.combinations(axes, 2) for x in axes[a] for y in axes[b]
    }  # fmt: skip
    for _ in range(count):
        tries = [{name: chance.choice(values) for name, values in axes.items()} for _ in range(30)]
        best = max(tries, key=lambda row: len(_pairs(row) & open_pairs))
        open_pairs -= _pairs(best)
        yield best


def _pairs(row: dict[str, Any]) -> set[tuple[Any, ...]]:
    return {(a, row[a], b, row[b]) for a, b in itertools.combinations(row, 2)}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    chance = np.random.default_rng(5)
    byte = chance.integers(0, 256, size=(13, 17, 4), dtype=np.uint8)
    Image.fromarray(byte[..., 0]).save(folder / "grey.png")
    Image.fromarray(byte[..., :3]).save(folder / "colour.png")
    Image.fromarray(byte).save(folder / "alpha.png")
    Image.fromarray(chance.integers(0, 65536, size=(13, 17), dtype=np.uint16)).save(folder / "sixteen.png")
    Image.fromarray(data.astronaut()[100:300, 150:400]).save(folder / "photograph.png")
    np.save(folder / "array.npy", (chance.normal(size=(13, 17, 3)) * 99).astype(np.float32))
    return folder


def convtool(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    before = sys.argv
    sys.argv = ["convtool", *words]
    try:
        with pytest.raises(SystemExit) as left:
            main(words)
    finally:
        sys.argv = before
    said = capsys.readouterr()
    return int(left.value.code or 0), said.out, said.err


def words_of(row: dict[str, Any]) -> list[str]:
    path = row["picture"] + (".npy" if row["picture"] == "array" else ".png")
    words = ["apply", path, "-k", row["kernel"], "-o", "out/"]
    for name in OPTIONS:
        words += row[name]
    if "raw" in words and row["picture"] != "array":
        words += ["-f", "npy"]
    return words


def read(path: Path) -> NDArray[Any]:
    return np.load(path) if path.suffix == ".npy" else np.asarray(Image.open(path))


def compare(ours: Path, theirs: Path, allowed: float) -> None:
    names = sorted(path.name for path in ours.iterdir())
    assert names == sorted(path.name for path in theirs.iterdir())
    for name in names:
        mine, other = read(ours / name), read(theirs / name)
        assert mine.shape == other.shape, name
        assert mine.dtype == other.dtype, name
        if mine.dtype.kind == "f":
            np.testing.assert_allclose(mine, other, rtol=2e-5, atol=2e-3)
            continue
        difference = np.abs(mine.astype(int) - other.astype(int))
        assert difference.max() <= 1, name
        assert (difference > 0).mean() <= allowed, f"{name}: {(difference > 0).sum()} of {difference.size}"


def run_both(
    words: list[str], tool: str, folder: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> str | None:
    """Run a command and its translation in two folders; what was printed, or None if it cannot be said."""
    for name in ("ours", "theirs"):
        (folder / name / "out").mkdir(parents=True)
        for path in pictures.iterdir():
            (folder / name / path.name).symlink_to(path)
    before = Path.cwd()
    try:
        os.chdir(folder / "ours")
        code, _, said = convtool(words, capsys)
        refused, text, reason = convtool([*words, "--as", tool], capsys)
        if code or refused:
            assert refused == 2 or code == refused, reason
            assert len(reason.splitlines()) == 1, reason
            return None
        assert not said, said
        os.chdir(folder / "theirs")
        exec(compile(text, "printed", "exec"), {})  # what a user would run
    finally:
        os.chdir(before)
    return text


COUNT = 40


@pytest.mark.parametrize("tool", PYTHON)
@pytest.mark.parametrize("number", range(COUNT))
def test_the_printed_code_gives_the_same_pictures(
    tool: str, number: int, tmp_path: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if tool in NEEDS:
        pytest.importorskip(NEEDS[tool])
    row = list(rows(PYTHON.index(tool), COUNT))[number]
    if run_both(words_of(row), tool, tmp_path, pictures, capsys) is None:
        return
    exact = row["kernel"] != "gaussian:sigma=0.8" and "luma" not in row["channels"] and row["kernel"] != "luma"
    exact = exact and not {"stretch", "symmetric"} & set(row["range"])
    compare(tmp_path / "ours" / "out", tmp_path / "theirs" / "out", 0 if exact else 0.01)


@pytest.mark.parametrize("tool", PYTHON)
def test_most_runs_can_be_said(
    tool: str, pictures: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pictures)
    codes = [convtool([*words_of(row), "--as", tool], capsys)[0] for row in rows(PYTHON.index(tool), COUNT)]
    assert codes.count(0) >= 0.75 * COUNT


@pytest.mark.parametrize(
    ("tool", "words", "said"),
    [
        ("numpy", ("alpha.png", "-k", "blur"), "nearest are --alpha keep, filter or drop"),
        ("torch", ("colour.png", "-k", "blur", "--linear"), "the nearest is the same run without it"),
        ("scipy", ("-", "-k", "blur"), "needs the name of a picture"),
        ("gimp", ("grey.png", "-k", "blur"), "as 'gimp' is not one of numpy, scipy, opencv, torch"),
    ],
)
def test_what_cannot_be_said_is_one_line_with_the_nearest(
    tool: str,
    words: tuple[str, ...],
    said: str,
    pictures: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(pictures)
    code, out, err = convtool(["apply", *words, "-o", "new/", "--as", tool], capsys)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert said in err


def test_nothing_is_written_and_nothing_has_to_be_free(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The output may be there already: it is what the printed code is compared with."""
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "a_blur.png").write_bytes(b"mine")
    words = ["apply", str(tmp_path / "a.png"), "-k", "blur", "--as", "numpy"]
    code, out, _ = convtool(words, capsys)
    assert code == 0
    assert "a_blur.png" in out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a_blur.png"]
    assert (tmp_path / "a_blur.png").read_bytes() == b"mine"


def test_pictures_that_are_turned_or_of_other_modes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    scene = Image.fromarray(np.random.default_rng(3).integers(0, 256, size=(9, 14, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    scene.save(folder / "turned.tif", exif=exif)
    scene.quantize(16).save(folder / "palette.png")
    scene.convert("1").save(folder / "bilevel.png")
    for name in ("turned.tif", "palette.png", "bilevel.png"):
        words = ["apply", name, "-k", "sobel-x", "-k", "blur", "-o", "out/"]
        assert run_both(words, "numpy", tmp_path / name, folder, capsys) is not None
        compare(tmp_path / name / "ours" / "out", tmp_path / name / "theirs" / "out", 0)


LAYERED: tuple[tuple[str, ...], ...] = (
    ("-k", "gaussian:sigma=1.4", "--then", "sobel", "--merge", "magnitude"),
    ("--stack", "edges"),
    ("--stack", "look"),
    ("--stack", "blobs", "--channels", "luma"),
    ("-k", "sobel", "--activation", "relu", "--pool", "max:2"),
    ("-k", "edge", "--activation", "leaky:0.1", "--pool", "avg:3:2", "--range", "shift:1/4"),
    ("-k", "emboss", "--activation", "sigmoid", "--range", "stretch", "-s", "2"),
    ("-k", "line-45", "--activation", "tanh", "--range", "symmetric"),
    ("-k", "bank.npy", "--bias-from", "biases.npy", "-s", "2", "-p", "1", "--activation", "relu",
     "--then", "second.npy", "-p", "0", "--dilation", "2", "--range", "symmetric"),
    ("-k", "grouped.npy", "--groups", "3", "--range", "abs:1/4", "--maps", "1,2-4"),
    ("-k", "bank.npy", "--scale", "1/255", "--mean", "0.4,0.5,0.6", "--std", "0.2,0.3,0.4", "--order", "bgr",
     "--range", "symmetric"),
    ("-k", "sharpen", "--scale", "1/255", "--dtype", "uint16", "-f", "npy"),
    ("-k", "sobel", "-k", "blur", "--channels", "luma", "--then", "1 1; 1 -2", "-b", "circular", "--merge", "mean"),
    ("-k", "blur", "--then", "sobel-x", "--channels", "g", "-s", "2x1"),
)  # fmt: skip


@pytest.mark.parametrize("tool", PYTHON)
@pytest.mark.parametrize("words", LAYERED)
def test_layers_are_the_same_there(
    tool: str, words: tuple[str, ...], tmp_path: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if tool in NEEDS:
        pytest.importorskip(NEEDS[tool])
    chance = np.random.default_rng(8)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, shape in (("bank", (4, 3, 3, 3)), ("second", (2, 4, 2, 3)), ("grouped", (6, 1, 3, 2)), ("biases", (4,))):
        np.save(folder / f"{name}.npy", chance.normal(size=shape).astype(np.float32))
    (folder / "colour.png").symlink_to(pictures / "colour.png")
    if words[:2] == ("--stack", "blobs"):
        words = words[:2]
    text = run_both(["apply", "colour.png", *words, "-o", "out/"], tool, tmp_path, folder, capsys)
    assert text is not None
    compare(tmp_path / "ours" / "out", tmp_path / "theirs" / "out", 0.01)


EVEN = [("-k", kernel, "-b", border) for kernel in ("1 2; 3 -4", "1 -2 0 5", "2; 3; -1; 1; 1; -7")
        for border in ("zeros", "reflect", "symmetric", "circular", "replicate", "constant=9")]  # fmt: skip


@pytest.mark.parametrize("tool", PYTHON)
def test_even_kernels_have_their_anchor(
    tool: str, tmp_path: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if tool in NEEDS:
        pytest.importorskip(NEEDS[tool])
    for number, words in enumerate(EVEN):
        folder = tmp_path / str(number)
        assert run_both(["apply", "grey.png", *words, "-o", "out/"], tool, folder, pictures, capsys) is not None
        compare(folder / "ours" / "out", folder / "theirs" / "out", 0)
