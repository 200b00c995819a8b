"""A picture decoded ahead is the one that is read later; what goes wrong there is told as ever."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convtool import ahead, codecs
from convtool.decode import read_picture
from convtool.errors import InputError
from convtool.limits import Limits
from tests.pictures import Run, noise, samples

MOST = 10**6


@pytest.fixture(autouse=True, params=[True, False], ids=["codecs", "pillow"])
def by_codecs(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[bool]:
    """With and without the extra."""
    monkeypatch.setattr(ahead, "WORTHWHILE", 0)
    monkeypatch.setattr(codecs, "WORTHWHILE", 0)
    if not request.param:
        monkeypatch.setattr(codecs, "are_there", lambda: False)
    yield request.param
    ahead._begun.clear()


def jpeg(path: Path, mode: str = "RGB") -> Path:
    Image.fromarray(noise(200, 300, 3)).convert(mode).save(path, "JPEG", dpi=(150, 150))
    return path


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_the_picture_is_the_same(tmp_path: Path, mode: str, by_codecs: bool) -> None:
    path = jpeg(tmp_path / "a.jpg", mode)
    expected = read_picture(path, Limits())
    ahead.begin(path, MOST)
    samples, image = ahead._begun[0].samples(), ahead._begun[0].image()
    assert ((samples is None), (image is None)) == ((False, True) if by_codecs and mode != "CMYK" else (True, False))
    found = read_picture(path, Limits())
    assert not ahead._begun  # it was taken
    np.testing.assert_array_equal(found.samples, expected.samples)
    assert (found.metadata, found.notes) == (expected.metadata, expected.notes)
    np.testing.assert_array_equal(read_picture(path, Limits()).samples, expected.samples)


def test_only_that_file_is_taken(tmp_path: Path) -> None:
    one, two = jpeg(tmp_path / "a.jpg"), jpeg(tmp_path / "b.jpg", "L")
    ahead.begin(one, MOST)
    assert read_picture(two, Limits()).layout.colours == 1
    assert ahead._begun
    assert read_picture(one, Limits()).layout.colours == 3


def test_damage_is_told_when_the_picture_is_read(tmp_path: Path) -> None:
    path = jpeg(tmp_path / "a.jpg")
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(InputError) as expected:
        read_picture(path, Limits())
    ahead.begin(path, MOST)
    with pytest.raises(InputError) as found:
        read_picture(path, Limits())
    assert str(found.value) == str(expected.value)


@pytest.mark.parametrize(("side", "most"), [(60000, MOST), (9500, 10**10)])
def test_size_is_looked_at_before_anything_is_decoded(tmp_path: Path, side: int, most: int) -> None:
    """A header that claims a huge picture: nothing is decoded ahead, and Pillow has no reason to warn."""
    path = jpeg(tmp_path / "a.jpg")
    data = bytearray(path.read_bytes())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = side.to_bytes(2, "big") * 2
    path.write_bytes(data)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ahead.begin(path, most)
        assert ahead._begun[0].image() is None
        assert ahead._begun[0].samples() is None
    assert not caught
    with pytest.raises(InputError, match="the limit is"):
        read_picture(path, Limits(pixels=MOST))


def test_what_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    png = tmp_path / "a.png"
    Image.fromarray(noise(20, 30)).save(png)
    (tmp_path / "empty.jpg").touch()
    for path in (png, tmp_path, tmp_path / "none.jpg", tmp_path / "empty.jpg", Path("-"), Path("a\0b")):
        ahead.begin(path, MOST)
    assert not ahead._begun
    monkeypatch.setattr(ahead, "WORTHWHILE", 1 << 20)
    ahead.begin(jpeg(tmp_path / "small.jpg"), MOST)
    assert not ahead._begun


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
        monkeypatch.setattr(ahead, name, spied(getattr(ahead, name)))
    assert apply("a.jpg", "-k", "identity", "-o", "out.png", *options)[0] == 0
    assert any(taken) == (not options)
    if "--dry-run" not in options:
        np.testing.assert_array_equal(samples("out.png"), samples(path))
