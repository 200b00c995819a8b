"""``--animate``: frames, timing, and what is drawn in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convtool.explain.animation import MARK, OUTSIDE
from tests.support.pictures import Run, noise, saved


def frames(path: str) -> list[Image.Image]:
    with Image.open(path) as image:
        found = []
        for number in range(image.n_frames):  # type: ignore[attr-defined]
            image.seek(number)
            found.append(image.convert("RGB"))
        return found


def marked(frame: Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Where the colour of the window is, which GIF may change a little."""
    samples = np.asarray(frame).astype(int)
    return np.asarray(np.abs(samples - MARK).max(axis=-1) <= 12)


@pytest.mark.parametrize(
    ("demo", "count", "name"), [("8x8", 36, "out.gif"), ("rgb", 18, "out.png"), ("rgb", 18, "out.apng")]
)
def test_one_frame_for_each_window(explain: Run, demo: str, count: int, name: str) -> None:
    code, out, err = explain("--demo", demo, "--animate", name)
    assert (code, out, err) == (0, "", "")
    found = frames(name)
    assert len(found) == count
    assert len({frame.tobytes() for frame in found}) == count
    assert len({frame.size for frame in found}) == 1
    with Image.open(name) as image:
        assert image.format == ("GIF" if name.endswith("gif") and not name.endswith("apng") else "PNG")
        durations = []
        for number in range(count):
            image.seek(number)
            durations.append(float(image.info["duration"]))
        assert set(durations[:-1]) == {durations[0]}
        assert 120 <= durations[0] <= 900
        assert durations[-1] >= durations[0] + 1900
        assert image.info["loop"] == 0


def test_the_window_slides(explain: Run) -> None:
    """The window's frame starts one cell further right each step, and one cell lower each row of outputs."""
    explain("--demo", "8x8", "--animate", "out.gif")
    found = frames("out.gif")
    corners = []
    for frame in found:
        rows, columns = np.nonzero(marked(frame)[:, :345])  # the input's part of the picture
        corners.append((int(rows.min()), int(columns.min()), int(rows.max()), int(columns.max())))
    top, left, bottom, right = corners[0]
    cell = corners[1][1] - left
    assert cell == 40
    assert (bottom - top, right - left) == (3 * cell, 3 * cell)
    expected = [
        (top + cell * i, left + cell * j, bottom + cell * i, right + cell * j) for i in range(6) for j in range(6)
    ]
    assert corners == expected


def test_the_output_fills_up(explain: Run) -> None:
    explain("--demo", "8x8", "--animate", "out.png")
    found = frames("out.png")
    # The middle of a coloured cell of the output, off its digits: row 0, column 2 holds 320, the largest value.
    at = (384 + 2 * 40 + 5, 16 + 20 + 35)
    assert found[1].getpixel(at) == (255, 255, 255)
    red = found[-1].getpixel(at)
    assert isinstance(red, tuple)
    assert red[0] > 150 > red[1]
    negative = found[-1].getpixel((384 + 40 + 5, 16 + 20 + 40 + 35))
    assert isinstance(negative, tuple)
    assert negative[2] > negative[0]


def test_padding_is_drawn_differently(explain: Run) -> None:
    explain("--demo", "rgb", "--animate", "out.png")
    first = frames("out.png")[5]
    corner = first.getpixel((16 + 20, 16 + 20 + 5))
    assert corner == OUTSIDE


@pytest.mark.parametrize(
    "options",
    [
        ("-k", "sobel", "--merge", "magnitude"),
        ("-k", "gaussian:sigma=1", "--stride", "3"),
        ("-k", "edge", "--dilation", "2", "-p", "2"),
        ("-k", "four-views", "--channels", "luma"),
        ("-k", "teaching-layer", "--stride", "2"),
    ],
    ids=" ".join,
)
def test_all_sorts_of_runs(explain: Run, options: tuple[str, ...]) -> None:
    saved("img.png", noise(6, 5, 3))
    code, _, err = explain("img.png", *options, "--animate", "out.gif")
    assert (code, err) == (0, "")
    assert len(frames("out.gif")) > 1


def test_large_pictures_are_cropped_and_it_is_said(explain: Run) -> None:
    saved("img.png", noise(50, 60))
    code, _, err = explain("img.png", "-k", "edge", "--at", "20,30", "--animate", "out.gif")
    assert code == 0
    assert err == (
        "convtool: out.gif: shows rows 16 to 23, columns 26 to 33, run as a picture of its own; --crop R,C,H,W takes"
        " another part\n"
    )
    assert len(frames("out.gif")) == 64
    Path("out.gif").unlink()
    code, _, err = explain("img.png", "-k", "edge", "--crop", "0,0,5,6", "--animate", "out.gif")
    assert (code, err) == (0, "")
    assert len(frames("out.gif")) == 30


def test_force_replaces(explain: Run) -> None:
    Path("out.gif").write_text("old")
    assert explain("--demo", "rgb", "--animate", "out.gif", "--force")[0] == 0
    assert len(frames("out.gif")) == 18


def test_one_window(explain: Run) -> None:
    saved("img.png", noise(3, 3))
    assert explain("img.png", "-k", "edge", "-p", "0", "--animate", "out.gif")[0] == 0
    assert len(frames("out.gif")) == 1
    assert explain("img.png", "-k", "edge", "-p", "0", "--animate", "out.png")[0] == 0
    assert len(frames("out.png")) == 1
