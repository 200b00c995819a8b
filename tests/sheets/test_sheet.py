"""Contact sheets: what they show is what the maps hold, and the file is an output like any other."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage.color import rgb2lab

from convtool.kernels.library import Library
from convtool.layers.options import Scaling
from convtool.layers.plan import plan_stack
from convtool.layers.settings import Settings
from convtool.layers.stack import Layer, make_stack
from convtool.pictures.picture import picture_from_array
from convtool.sheets.cells import cells
from convtool.sheets.colormaps import DIVERGING, coloured
from convtool.sheets.sheet import drawable, fitting
from convtool.sheets.thumbnails import averaged, averaged_under, fitted

RANDOM = np.random.default_rng(6)


def convtool(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "convtool", *words], capture_output=True, text=True, cwd=cwd, check=False
    )


def picture(path: Path, shape: tuple[int, ...] = (40, 60)) -> Path:
    Image.fromarray(RANDOM.integers(0, 256, size=shape, dtype=np.uint8)).save(path)
    return path


def shown(array: NDArray[Any], *specs: str, **settings: Any) -> list[Any]:
    image = picture_from_array(array)
    stack = make_stack([Layer(tuple(Library().load_all(specs)), Settings(**settings))])
    return list(cells("name", image, plan_stack(stack, image.layout), {}, side=64))


@pytest.mark.parametrize(("size", "out"), [((12, 20), (3, 5)), ((7, 11), (3, 4)), ((9, 5), (9, 5)), ((50, 3), (1, 1))])
def test_every_sample_counts_by_its_area(size: tuple[int, int], out: tuple[int, int]) -> None:
    x = RANDOM.normal(size=(*size, 2))
    # The definition: cut every sample into so many pieces that each area holds whole ones.
    fine = x.repeat(out[0], axis=0).repeat(out[1], axis=1)
    blocks = fine.reshape(out[0], size[0], out[1], size[1], 2).mean(axis=(1, 3))
    np.testing.assert_allclose(averaged(x, out), blocks, atol=1e-5)


def test_hidden_samples_do_not_count() -> None:
    x = np.array([[[10.0], [np.inf]], [[20.0], [1e30]]])
    alpha = np.array([[[1.0], [0.0]], [[1.0], [0.0]]])
    mean, opacity = averaged_under(x, alpha, (1, 1))
    assert mean.item() == 15
    assert opacity.item() == 0.5


def test_thumbnails_keep_the_shape_and_are_bounded() -> None:
    assert fitted(3000, 4000, 200) == (173, 231)
    assert fitted(10, 20, 200) == (10, 20)
    rows, columns = fitted(20, 100_000, 200)
    assert columns <= 500
    assert rows == 1


def test_diverging_is_blue_white_red() -> None:
    colours = DIVERGING.astype(int)
    assert colours[127].tolist() == colours[128].tolist() == [255, 255, 255]
    lightness = rgb2lab(DIVERGING[None] / 255.0)[0, :, 0]
    assert np.abs(lightness - lightness[::-1]).max() < 6, "both signs are equally strong"
    assert (colours[:100, 2] > colours[:100, 0] + 10).all()
    assert (colours[156:, 0] > colours[156:, 2] + 10).all()
    assert coloured(np.zeros((1, 1)), 0.0, 0.0, DIVERGING).tolist() == [[[255, 255, 255]]]


def test_signs_are_colours_and_zero_is_white() -> None:
    step = np.zeros((40, 40), dtype=np.uint8)
    step[:, 10:30] = 200
    _, cell = shown(step, "sobel-x")
    scale = cell.picture.shape[1] / 40
    at = {place: cell.picture[5, round((place + 0.5) * scale)].astype(int) for place in (3, 9, 20, 30)}
    assert at[3].tolist() == at[20].tolist() == [255, 255, 255]
    assert at[9][0] > at[9][2] + 80, "it grows brighter here: positive, red"
    assert at[30][2] > at[30][0] + 80, "negative, blue"
    assert cell.label == "sobel-x"
    assert cell.facts.startswith("-800 to 800")


def test_pictures_stay_grey_and_colours_as_they_are_written() -> None:
    x = RANDOM.integers(0, 256, size=(40, 40), dtype=np.uint8)
    for spec in ("gaussian:sigma=1", "sharpen", "sobel-x"):
        _, cell = shown(x, spec)
        grey = bool((np.ptp(cell.picture.astype(int), axis=2) == 0).all())
        assert grey == (spec != "sobel-x"), spec
    colour = RANDOM.integers(0, 256, size=(40, 40, 3), dtype=np.uint8)
    given, cell = shown(colour, "identity")
    np.testing.assert_array_equal(given.picture, cell.picture)
    np.testing.assert_array_equal(given.picture, colour)
    _, signed = shown(x, "1 0 -1")  # a bank's filter has the range clip, which would hide half of its answer
    assert np.ptp(signed.picture.astype(int), axis=2).max() > 60


def test_transparent_parts_show_the_ground() -> None:
    x = np.zeros((40, 40, 2), dtype=np.uint8)
    x[:, 20:] = (99, 255)
    given, cell = shown(x, "identity")
    for each in (given, cell):
        assert set(np.unique(each.picture[:, :20])) == {225, 255}
        assert set(np.unique(each.picture[:, 20:])) == {99}


def test_labels_that_the_font_cannot_draw_are_escaped() -> None:
    assert drawable("sobel-x 1 %") == "sobel-x 1 %"
    assert drawable("锐化-x") == "\\u9510\\u5316-x"
    assert fitting("short", 14, 100) == "short"
    long = fitting("gaussian-sigma1.4+kirsch-315", 14, 100)
    assert long.startswith("gauss")
    assert long.endswith("315")


def test_sixty_four_maps_have_sixty_four_labels(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", (300, 400))
    np.save(tmp_path / "bank.npy", RANDOM.normal(size=(64, 3, 3)))
    assert convtool("apply", "a.png", "-k", "bank.npy", "--sheet", "-o", "out/", cwd=tmp_path).returncode == 0
    sheet = np.asarray(Image.open(tmp_path / "out" / "a_sheet.png"))
    assert len(list((tmp_path / "out").iterdir())) == 65
    height, width = sheet.shape[:2]
    assert 0.5 < height / width < 1.2
    assert width < 2400
    dark = (sheet.max(axis=2) < 60).any(axis=1)
    bands = np.flatnonzero(np.diff(dark.astype(int)) == 1)
    assert len(bands) >= 7, "a line of labels under every row"


def test_the_sheet_takes_part_in_all_checks(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    run = ("apply", "a.png", "-k", "sobel", "--sheet")
    assert convtool(*run, cwd=tmp_path).returncode == 0
    sheet = tmp_path / "a_sheet.png"
    first = sheet.read_bytes()
    again = convtool(*run, cwd=tmp_path)
    assert again.returncode == 2
    for path in tmp_path.glob("a_sobel*"):
        path.unlink()
    again = convtool(*run, cwd=tmp_path)
    assert (again.returncode, again.stderr.split(":")[1]) == (2, " a_sheet.png")
    sheet.write_bytes(b"old")
    done = convtool(*run, "--skip-existing", "--json", cwd=tmp_path)
    assert sheet.read_bytes() == b"old"
    assert {"input": "a.png", "output": "a_sheet.png", "skipped": True} in map(json.loads, done.stdout.splitlines())
    sheet.unlink()
    done = convtool(*run, "--skip-existing", "--json", cwd=tmp_path)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line.get("skipped", False) for line in lines] == [True, True, False]
    assert lines[-1] == {"input": "a.png", "output": "a_sheet.png", "sheet": True, "maps": 2}
    assert sheet.read_bytes() == first
    sheet.write_bytes(b"old")
    assert convtool(*run, "--force", cwd=tmp_path).returncode == 0
    assert sheet.read_bytes() == first


def test_collisions_name_the_sheet(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / "a.tif")
    run = convtool("apply", "a.png", "a.tif", "-k", "blur", "--sheet", "-o", "o/", cwd=tmp_path)
    assert run.returncode == 2
    assert "o/a_sheet.png: both a.png and a.tif would be written here" in run.stderr
    picture(tmp_path / "b_sheet.png")
    picture(tmp_path / "b.png")
    run = convtool("apply", "b.png", "b_sheet.png", "-k", "blur", "--sheet", "--force", cwd=tmp_path)
    assert run.returncode == 2
    assert "b_sheet.png: is the input b_sheet.png" in run.stderr


@pytest.mark.parametrize(
    ("output", "sheet"),
    [
        ("o/", "o/a_sheet.png"),
        ("o/{stem}-{index}-{map}.{ext}", "o/a-1-sheet.png"),
        ("o/{stem}.jpg", "o/a_sheet.png"),
        ("{map}/{stem}.{ext}", "sheet/a.png"),
        ("o.jpg", "o_sheet.png"),
    ],
)
def test_names(output: str, sheet: str, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    run = convtool("apply", "--sheet", "a.png", "-k", "blur", "-o", output, "--dry-run", "--json", cwd=tmp_path)
    assert json.loads(run.stdout.splitlines()[-1])["output"] == sheet
    assert convtool("apply", "--sheet", "a.png", "-k", "blur", "-o", output, cwd=tmp_path).returncode == 0
    assert (tmp_path / sheet).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--sheet", "-o", "-"), "--sheet writes a picture of its own"),
        (("--sheet", "--as", "scipy", "-o", "o/"), "--as prints how the maps are made, and --sheet draws them"),
    ],
)
def test_what_cannot_be_meant(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    run = convtool("apply", "a.png", "-k", "blur", *words, cwd=tmp_path)
    assert run.returncode == 2
    assert said in run.stderr


def test_workers_draw_the_same_sheets(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in "abcdef":
        picture(tmp_path / "in" / f"{name}.png")
    for jobs in ("1", "2"):
        run = convtool("apply", "in", "-k", "kirsch", "--sheet", "-j", jobs, "-o", f"o{jobs}/", "-v", cwd=tmp_path)
        assert run.returncode == 0, run.stderr
        assert "48 maps written, 6 sheets" in run.stderr
    for path in (tmp_path / "o1").iterdir():
        assert path.read_bytes() == (tmp_path / "o2" / path.name).read_bytes()


def test_a_sheet_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "a_sheet.png").mkdir()
    run = convtool("apply", "a.png", "-k", "blur", "--sheet", "--force", cwd=tmp_path)
    assert run.returncode == 1
    assert run.stderr.startswith("convtool: a.png: cannot write a_sheet.png: ")
    assert len(run.stderr.splitlines()) == 1
    assert list(tmp_path.glob(".convtool*")) == []


@pytest.mark.parametrize(
    ("words", "labels"),
    [
        (("-k", "gaussian:sigma=1.4", "--channels", "luma", "--then", "sobel", "--sheet"),
         ["gaussian-sigma1.4+sobel-x", "gaussian-sigma1.4+sobel-y"]),
        (("--stack", "edges", "--sheet"), ["gaussian-sigma1.4+sobel+threshold"]),
        (("-k", "blur", "--scale", "1/255", "--sheet"), ["blur"]),
    ],
)  # fmt: skip
def test_stacks_have_sheets(words: tuple[str, ...], labels: list[str], tmp_path: Path) -> None:
    picture(tmp_path / "a.png", (40, 60, 3))
    run = convtool("apply", "a.png", *words, "-o", "o/", "--json", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    *maps, sheet = map(json.loads, run.stdout.splitlines())
    assert [each["map"] for each in maps] == labels
    assert (tmp_path / sheet["output"]).is_file()
    assert sheet["maps"] == len(labels)


def test_a_scaled_picture_is_shown_as_bright_as_it_is() -> None:
    x = np.full((40, 40), 128, dtype=np.uint8)
    for scaling in (Scaling(), Scaling(scale=Fraction(1, 255))):
        _, cell = shown(x, "identity", scaling=scaling)
        assert abs(int(cell.picture[20, 20, 0]) - 128) <= 1
