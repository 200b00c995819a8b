"""Frames and pages: all of them where the output holds frames, one loud line otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

import convtool
from convtool.errors import InputError
from convtool.pictures.limits import Limits
from convtool.pictures.reader import read_picture
from tests.support.pictures import Array, Run, chunk, noise, opened, samples, saved

DELAYS = [120, 250, 40]
HELD = ["png", "webp", "tif"]


def animation(path: str, frames: list[Array], **options: Any) -> None:
    first, *others = (Image.fromarray(frame) for frame in frames)
    first.save(path, save_all=True, append_images=others, **options)


def frames_of(path: str | Path) -> tuple[list[Array], list[float], int | None]:
    found, delays = [], []
    with Image.open(path) as image:
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            image.load()
            found.append(np.asarray(image.convert("RGB")))
            delays.append(image.info.get("duration", 0))
        return found, delays, image.info.get("loop")


@pytest.fixture
def pictures() -> list[Array]:
    return [noise(20, 30, 3, seed=seed) // 8 * 8 for seed in range(3)]


def made(suffix: str, pictures: list[Array]) -> str:
    options: dict[str, Any] = {} if suffix == "tif" else {"duration": DELAYS, "loop": 0}
    if suffix == "webp":
        options["lossless"] = True
    animation(f"in.{suffix}", pictures, **options)
    return f"in.{suffix}"


@pytest.mark.parametrize("source", ["gif", "webp", "png", "tif"])
@pytest.mark.parametrize("target", HELD)
def test_all_frames_are_filtered_and_written(apply: Run, pictures: list[Array], source: str, target: str) -> None:
    name = made(source, pictures)
    code, out, err = apply(name, "-k", "blur", "-o", f"out.{target}", "--json", "--quality", "100")
    assert code == 0
    assert err == ("" if target != "tif" or source == "tif" else f"convtool: {name}: its frames became pages; "
                   "tif files hold no timing\n")  # fmt: skip
    assert [json.loads(line)["frame"] for line in out.splitlines()] == [0, 1, 2]
    found, delays, loop = frames_of(f"out.{target}")
    stored, _, _ = frames_of(name)
    assert len(found) == 3
    for before, after in zip(stored, found, strict=True):
        expected = convtool.apply(before, "blur", range="clip", dtype="uint8")["blur"]
        near = 12 if target == "webp" else 0
        assert np.abs(after.astype(int) - expected).mean() <= near
    if target != "tif" and source != "tif":
        assert delays == DELAYS
        assert loop == 0


@pytest.mark.parametrize("target", ["jpg", "bmp", "ppm", "npy"])
def test_a_format_without_frames_takes_the_first_and_says_so(apply: Run, pictures: list[Array], target: str) -> None:
    name = made("gif", pictures)
    code, out, err = apply(name, "-k", "blur", "-o", f"out.{target}", "--json")
    ways = "png, webp and tif files hold all of them"
    assert (code, err) == (0, f"convtool: {name}: has 3 frames, and only the first is filtered; {ways}\n")
    assert len(out.splitlines()) == 1


@pytest.mark.parametrize(
    ("source", "stored", "expected"), [("gif", 2, 3), ("gif", None, 1), ("png", 3, 3), ("webp", 2, 2)]
)
@pytest.mark.parametrize("target", ["png", "webp"])
def test_loops_are_counted_as_each_format_counts(
    apply: Run, pictures: list[Array], source: str, stored: int | None, expected: int, target: str
) -> None:
    """A GIF counts the repetitions behind the first time, without a count it is played once."""
    animation(f"in.{source}", pictures, **({} if stored is None else {"loop": stored}))
    assert apply(f"in.{source}", "-k", "blur", "-o", f"out.{target}")[0] == 0
    assert frames_of(f"out.{target}")[2] == expected


def test_equal_frames_stay_frames(apply: Run, pictures: list[Array]) -> None:
    animation("in.tif", [pictures[0], pictures[0], pictures[1]])
    assert apply("in.tif", "-k", "blur", "-o", "out.png")[0] == 0
    assert len(frames_of("out.png")[0]) == 3


def test_grey_animations_stay_grey(apply: Run) -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    animation("in.gif", [ramp, ramp[::-1]], duration=100)
    assert apply("in.gif", "-k", "identity", "-o", "out.png")[0] == 0
    assert opened("out.png").mode == "L"
    assert np.array_equal(frames_of("out.png")[0][1][..., 0], ramp[::-1])


def test_a_transparent_animation_keeps_its_alpha(apply: Run) -> None:
    frames = [noise(12, 12, 4, seed=seed) for seed in range(2)]
    animation("in.png", frames, duration=50)
    assert apply("in.png", "-k", "identity", "-o", "out.png", "--alpha", "keep")[0] == 0
    with Image.open("out.png") as image:
        for index, frame in enumerate(frames):
            image.seek(index)
            assert np.array_equal(np.asarray(image), frame)


def test_16_bit_pages_become_16_bit_frames(apply: Run) -> None:
    pages = [noise(9, 8, dtype="uint16", seed=seed) for seed in range(2)]
    animation("in.tif", pages)
    for target in ("png", "tif"):
        assert apply("in.tif", "-k", "identity", "-o", f"out.{target}")[0] == 0
        with Image.open(f"out.{target}") as image:
            assert np.array_equal(np.asarray(image).astype(np.uint16), pages[0])


@pytest.mark.parametrize("how", ["stretch", "symmetric"])
def test_ranges_look_at_each_frame(apply: Run, how: str) -> None:
    values = np.arange(64, dtype=np.uint8).reshape(8, 8)
    animation("in.tif", [values, values // 4 + 100])
    assert apply("in.tif", "-k", "sobel-x", "-o", "out.tif", "--range", how)[0] == 0
    found, _, _ = frames_of("out.tif")
    for before, after in zip([values, values // 4 + 100], found, strict=True):
        expected = convtool.apply(before, "sobel-x", range=how, dtype="uint8")["sobel-x"]
        assert np.array_equal(after[..., 0], expected)


def test_pages_of_several_sizes(apply: Run) -> None:
    pages = [noise(20, 30, 3), noise(10, 12), noise(5, 40, 3)]
    animation("in.tif", pages)
    code, out, err = apply("in.tif", "-k", "blur", "-o", "out.tif", "--json")
    assert (code, err) == (0, "")
    assert [(json.loads(line)["height"], json.loads(line)["channels"]) for line in out.splitlines()] == [
        (20, 3),
        (10, 1),
        (5, 3),
    ]
    code, _, err = apply("in.tif", "-k", "blur", "-o", "out.png")
    assert code == 0
    assert "has 3 pages that are not alike, and only the first is filtered" in err
    assert samples("out.png").shape == (20, 30, 3)


def test_frames_count_towards_the_limit(apply: Run, pictures: list[Array]) -> None:
    for suffix in ("gif", "webp", "png", "tif"):
        name = made(suffix, pictures)
        code, _, err = apply(name, "-k", "blur", "-o", "out.png", "--max-pixels", 1799)
        assert (code, err) == (
            1,
            f"convtool: {name}: has 1,800 pixels in 3 frames, the limit is 1,799; --max-pixels raises it\n",
        )
        assert not Path("out.png").exists()
        assert apply(name, "-k", "blur", "-o", "out.png", "--max-pixels", 1800, "--force")[0] == 0
        Path("out.png").unlink()
        assert apply(name, "-k", "blur", "-o", "out.jpg", "--max-pixels", 600, "--force")[0] == 0, "only one is read"


def test_a_frame_bomb_is_refused_before_decoding(apply: Run) -> None:
    """A still picture that announces a hundred thousand frames."""
    data = saved("a.png", noise(100, 100)).read_bytes()
    Path("a.png").write_bytes(data[:33] + chunk(b"acTL", (100_000).to_bytes(4, "big") + bytes(4)) + data[33:])
    code, _, err = apply("a.png", "-k", "blur", "-o", "out.png")
    assert code == 1
    assert "in 100,001 frames" in err
    with pytest.raises(InputError, match="100,001 frames"):
        read_picture(Path("a.png"), Limits(frames=True))


def test_a_hidden_default_image_is_no_frame(apply: Run) -> None:
    frames = [noise(8, 8, seed=seed) for seed in range(3)]
    animation("in.png", frames, default_image=True, duration=70)
    assert apply("in.png", "-k", "identity", "-o", "out.png")[0] == 0
    found, delays, _ = frames_of("out.png")
    assert [frame[..., 0].tolist() for frame in found] == [frame.tolist() for frame in frames[1:]]
    assert delays == [70, 70]


def test_odd_delays_are_kept(apply: Run, pictures: list[Array]) -> None:
    animation("in.png", pictures, duration=[1000 / 30, 1000 / 60, 100_000])
    assert apply("in.png", "-k", "blur", "-o", "out.png")[0] == 0
    assert frames_of("out.png")[1] == pytest.approx([1000 / 30, 1000 / 60, 100_000], rel=1e-3)


def test_the_summary_counts_maps_not_frames(apply: Run, pictures: list[Array]) -> None:
    name = made("gif", pictures)
    code, _, err = apply(name, "-k", "blur", "-o", "out.png", "-v")
    assert code == 0
    assert "1 map written" in err


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_an_avif_sequence_is_an_animation(apply: Run, pictures: list[Array]) -> None:
    animation("in.avif", pictures, duration=DELAYS)
    assert apply("in.avif", "-k", "blur", "-o", "out.png")[0] == 0
    assert len(frames_of("out.png")[0]) == 3
