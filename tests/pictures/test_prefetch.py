"""A picture decoded ahead is the one that is read later; what goes wrong there is told as ever."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convtool.errors import InputError
from convtool.pictures import codecs, prefetch
from convtool.pictures.limits import Limits
from convtool.pictures.reader import read_picture
from tests.support.pictures import Run, noise, samples

MOST = 10**6


@pytest.fixture(autouse=True, params=[True, False], ids=["codecs", "pillow"])
def by_codecs(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[bool]:
    """With and without the extra."""
    monkeypatch.setattr(prefetch, "WORTHWHILE", 0)
    monkeypatch.setattr(codecs, "WORTHWHILE", 0)
    if not request.param:
        monkeypatch.setattr(codecs, "have", lambda _: False)
    yield request.param
    prefetch._begun.clear()


def jpeg(path: Path, mode: str = "RGB") -> Path:
    Image.fromarray(noise(200, 300, 3)).convert(mode).save(path, "JPEG", dpi=(150, 150))
    return path


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_the_picture_is_the_same(tmp_path: Path, mode: str, by_codecs: bool) -> None:
    path = jpeg(tmp_path / "a.jpg", mode)
    expected = read_picture(path, Limits())
    prefetch.begin(path, MOST)
    samples, image = prefetch._begun[0].samples(), prefetch._begun[0].image()
    assert ((samples is None), (image is None)) == ((False, True) if by_codecs and mode != "CMYK" else (True, False))
    found = read_picture(path, Limits())
    assert not prefetch._begun  # it was taken
    np.testing.assert_array_equal(found.samples, expected.samples)
    assert (found.metadata, found.notes) == (expected.metadata, expected.notes)
    np.testing.assert_array_equal(read_picture(path, Limits()).samples, expected.samples)


def test_only_that_file_is_taken(tmp_path: Path) -> None:
    one, two = jpeg(tmp_path / "a.jpg"), jpeg(tmp_path / "b.jpg", "L")
    prefetch.begin(one, MOST)
    assert read_picture(two, Limits()).layout.colours == 1
    assert prefetch._begun
    assert read_picture(one, Limits()).layout.colours == 3


def test_damage_is_told_when_the_picture_is_read(tmp_path: Path) -> None:
    path = jpeg(tmp_path / "a.jpg")
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(InputError) as expected:
        read_picture(path, Limits())
    prefetch.begin(path, MOST)
    with pytest.raises(InputError) as found:
        read_picture(path, Limits())
    assert str(found.value) == str(expected.value)


@pytest.mark.parametrize(("side", "most"), [(60000, MOST), (9500, 10**10)])
def test_size_is_looked_at_before_anything_is_decoded(tmp_path: Path, side: int, most: int) -> None:
    """A header that claims a huge picture: nothing is decoded prefetch, and Pillow has no reason to warn."""
    path = jpeg(tmp_path / "a.jpg")
    data = bytearray(path.read_bytes())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = side.to_bytes(2, "big") * 2
    path.write_bytes(data)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        prefetch.begin(path, most)
        assert not prefetch._begun
    assert not caught
    with pytest.raises(InputError, match="the limit is"):
        read_picture(path, Limits(pixels=MOST))


@pytest.mark.parametrize("progressive", [True, False])
def test_warnings_stay_where_they_belong(tmp_path: Path, progressive: bool) -> None:
    """Pillow warns of damaged EXIF data; that is told with the picture, not by the thread that goes ahead."""
    exif = b"Exif\0\0II*\0\x08\0\0\0\x05\0"  # five entries, and none is there
    Image.fromarray(noise(600, 700, 3)).save(tmp_path / "a.jpg", quality=95, exif=exif, progressive=progressive)
    done = subprocess.run(
        [sys.executable, "-m", "convtool", "apply", "a.jpg", "-k", "identity", "-o", "x.jpg"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == "convtool: a.jpg: its EXIF data is damaged in part; what could be read was kept\n"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        prefetch.begin(tmp_path / "a.jpg", MOST)
        found = read_picture(tmp_path / "a.jpg", Limits())
    assert not caught
    assert found.notes == ("its EXIF data is damaged in part; what could be read was kept",)


def test_what_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    png = tmp_path / "a.png"
    Image.fromarray(noise(20, 30)).save(png)
    (tmp_path / "empty.jpg").touch()
    for path in (png, tmp_path, tmp_path / "none.jpg", tmp_path / "empty.jpg", Path("-"), Path("a\0b")):
        prefetch.begin(path, MOST)
    assert not prefetch._begun
    monkeypatch.setattr(prefetch, "WORTHWHILE", 1 << 20)
    prefetch.begin(jpeg(tmp_path / "small.jpg"), MOST)
    assert not prefetch._begun


@pytest.mark.parametrize("options", [(), ("-j", "1"), ("--dry-run",)])
def test_the_command_writes_the_same(apply: Run, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]) -> None:
    path = jpeg(Path("a.jpg"))
    taken: list[bool] = []

    def spied(original: Callable[[object], object]) -> Callable[[object], object]:
        def spy(place: object) -> object:
            found = original(place)
            taken.append(found is not None)
            return found

        return spy

    for name in ("taken", "samples_of"):
        monkeypatch.setattr(prefetch, name, spied(getattr(prefetch, name)))
    assert apply("a.jpg", "-k", "identity", "-o", "out.png", *options)[0] == 0
    assert any(taken) == (not options)
    if "--dry-run" not in options:
        np.testing.assert_array_equal(samples("out.png"), samples(path))


def test_the_one_file_of_a_command_is_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    jpeg(Path("a.jpg"))
    jpeg(Path("b.jpg"))
    Path("notes.txt").write_text("a" * 300)
    wrong: tuple[list[str], ...] = (
        ["explain", "a.jpg"],
        ["apply"],
        [],
        ["apply", "a.jpg", "b.jpg"],
        ["apply", "c.jpg", "notes.txt", "-q"],
    )
    alone = (["apply", "a.jpg", "-j", "1"], ["apply", "--dry-run", "a.jpg"], ["apply", "-j1", "a.jpg"])
    for words in (*wrong, *alone, ["apply", "a.jpg", "--as=opencv"]):
        prefetch.guess(words)
        assert not prefetch._begun, words
    prefetch.guess(["apply", "-k", "blur", "a.jpg", "-o", "out.jpg"])
    (guessed,) = prefetch._begun
    prefetch.begin(Path("a.jpg"), MOST)
    assert prefetch._begun == [guessed]  # it is not begun again
    prefetch.begin(Path("b.jpg"), MOST)
    assert prefetch._begun != [guessed]
    prefetch.forget()
    assert not prefetch._begun


def test_what_was_guessed_wrongly_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large JPEG that is there was the output, and the input is no JPEG."""
    monkeypatch.chdir(tmp_path)
    jpeg(Path("out.jpg"))
    Image.fromarray(noise(20, 30)).save("in.png")
    prefetch.guess(["apply", "in.png", "-k", "blur", "-o", "out.jpg", "--force"])
    assert prefetch._begun
    prefetch.begin(Path("in.png"), MOST)
    assert not prefetch._begun


def test_a_small_picture_is_not_decoded_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too few pixels for the codecs to be loaded for them; but they were, ahead."""
    path = jpeg(tmp_path / "a.jpg")
    expected = read_picture(path, Limits())
    monkeypatch.setattr(codecs, "WORTHWHILE", 1 << 60)
    prefetch.begin(path, MOST)
    found = read_picture(path, Limits())
    assert not prefetch._begun
    np.testing.assert_array_equal(found.samples, expected.samples)


def test_what_cannot_be_begun_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread to be had: the picture is read later, as ever."""
    path = jpeg(tmp_path / "a.jpg")

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread", refuse)
    prefetch.guess(["apply", str(path)])
    prefetch.begin(path, MOST)
    assert not prefetch._begun
    assert read_picture(path, Limits()).layout.colours == 3


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--version",), 0),
        (("apply", "a.jpg", "-k", "blurr"), 2),
        (("apply", "a.jpg", "-k", "blur", "--max-pixels", "9"), 1),
    ],
)
def test_a_wrong_guess_does_no_harm(tmp_path: Path, words: tuple[str, ...], code: int) -> None:
    Image.fromarray(noise(600, 700, 3)).save(tmp_path / "a.jpg", quality=95)
    assert (tmp_path / "a.jpg").stat().st_size > 256 << 10
    done = subprocess.run(
        [sys.executable, "-m", "convtool", *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert len((done.stdout + done.stderr).splitlines()) == 1
