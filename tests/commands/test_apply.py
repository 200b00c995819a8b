"""``convtool apply`` from its options to its files, lines and exit codes."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import convtool
from convtool.cli import main
from convtool.cli.apply import command
from convtool.engine import core
from convtool.runs.atomic import replacing

Run = Callable[..., tuple[int, str, str]]
Array = NDArray[Any]

MAP_KEYS = [
    "input", "output", "kernel", "map", "index", "frame", "height", "width", "channels", "dtype", "range", "min", "max",
    "clipped",
]  # fmt: skip


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """``convtool apply`` in this process: exit code, stdout, stderr."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr("convtool.cli._stopped_at", float("-inf"))

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(["apply", *arguments])
        out, err = capsys.readouterr()
        assert isinstance(left.value.code, int)
        return left.value.code, out, err

    yield call
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CONVTOOL_KERNELS", raising=False)
    return tmp_path


def samples(height: int = 12, width: int = 16, channels: int = 3, top: int = 255) -> Array:
    """Random whole numbers, the same in every run."""
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(7).integers(0, top + 1, shape, dtype=np.uint8 if top == 255 else np.uint16)


def picture(name: str = "img.png", channels: int = 3, **size: int) -> Array:
    """Write a picture and hand back its samples."""
    made = samples(channels=channels, **size)
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(made).save(name)
    return made


def read(name: str) -> Array:
    if name.endswith(".npy"):
        return np.asarray(np.load(name))
    with Image.open(name) as image:
        return np.asarray(image)


def names() -> list[str]:
    """All files below the working folder, hidden ones too."""
    return sorted(str(path) for path in Path().rglob("*") if not path.is_dir())


def mode(name: str) -> int:
    return Path(name).stat().st_mode & 0o7777


# What is written


def test_one_image_per_feature_map_beside_the_input(run: Run) -> None:
    image = picture()
    assert run("img.png", "--kernel", "sobel", "--stride", "1", "--pad", "1") == (0, "", "")
    assert names() == ["img.png", "img_sobel-x.png", "img_sobel-y.png"]
    expected = convtool.apply(image, "sobel", pad=1, range="abs")
    for label in ("sobel-x", "sobel-y"):
        np.testing.assert_array_equal(read(f"img_{label}.png"), expected[label])


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ([], {}),
        (["-s", "2"], {"stride": 2}),
        (["--stride", "2x3"], {"stride": (2, 3)}),
        (["-p", "valid"], {"pad": "valid"}),
        (["--pad", "full"], {"pad": "full"}),
        (["-p", "1x2"], {"pad": (1, 2)}),
        (["-p", "0,1,2,3"], {"pad": ((0, 2), (3, 1))}),
        (["-b", "replicate"], {"border": "replicate"}),
        (["--border", "constant=90"], {"border": "constant=90"}),
        (["--dilation", "2"], {"dilation": 2}),
        (["--channels", "sum"], {"channels": "sum"}),
        (["--channels", "luma"], {"channels": "luma"}),
        (["--channels", "g"], {"channels": "g"}),
        (["--flip"], {"flip": True}),
        (["--bias", "-12.5"], {"bias": -12.5}),
        (["--range", "stretch"], {"range": "stretch"}),
        (["--range", "shift:1/4"], {"range": "shift:1/4"}),
        (["--dtype", "uint16"], {"dtype": "uint16"}),
        (["--alpha", "drop"], {"alpha": "drop"}),
        (["--alpha", "filter"], {"alpha": "filter"}),
        (["--alpha", "keep"], {"alpha": "keep"}),
    ],
)
def test_options_mean_what_they_mean_in_python(run: Run, arguments: list[str], options: dict[str, Any]) -> None:
    """Signed floats, and the samples of a file, are those that the Python API gives."""
    image = picture(channels=4 if "--alpha" in arguments else 3)
    assert run("img.png", "-k", "sobel-x", "-o", "out.npy", *arguments)[0] == 0
    asked = {"range": "raw", "dtype": "float32", **options}
    np.testing.assert_array_equal(read("out.npy"), convtool.apply(image, "sobel-x", **asked)["sobel-x"])
    if options.get("dtype") == "uint16":
        return  # 16-bit colour is read by no one here
    assert run("img.png", "-k", "sobel-x", "-o", "out.png", *arguments)[0] == 0
    asked = {"range": "abs", "dtype": "uint8", **options}
    np.testing.assert_array_equal(read("out.png"), convtool.apply(image, "sobel-x", **asked)["sobel-x"])


@pytest.mark.parametrize("how", ["magnitude", "max", "mean", "sum"])
def test_merge(run: Run, how: str) -> None:
    image = picture()
    assert run("img.png", "-k", "sobel", "--merge", how, "-f", "npy") == (0, "", "")
    np.testing.assert_array_equal(read("img_sobel.npy"), convtool.apply(image, "sobel", merge=how)["sobel"])


def test_quality_and_compress_change_the_size_of_files(run: Run) -> None:
    picture(height=64, width=64)
    for quality in ("20", "95"):
        assert run("img.png", "-k", "blur", "-o", f"q{quality}.jpg", "--quality", quality) == (0, "", "")
    assert Path("q20.jpg").stat().st_size < Path("q95.jpg").stat().st_size
    for level in ("fast", "small", "0", "9"):
        for suffix in ("png", "tif"):
            assert run("img.png", "-k", "blur", "-o", f"{level}.{suffix}", "--compress", level) == (0, "", "")
            np.testing.assert_array_equal(read(f"{level}.{suffix}"), read("fast.png"))
    assert Path("small.png").stat().st_size < Path("0.png").stat().st_size
    assert Path("small.tif").stat().st_size < Path("0.tif").stat().st_size


@pytest.mark.parametrize(
    ("suffix", "pillow"),
    [("png", "PNG"), ("jpg", "JPEG"), ("tif", "TIFF"), ("webp", "WEBP"), ("bmp", "BMP"), ("ppm", "PPM")],
)
def test_the_format_is_that_of_the_suffix(run: Run, suffix: str, pillow: str) -> None:
    picture()
    assert run("img.png", "-k", "blur", "-o", f"out.{suffix}") == (0, "", "")
    with Image.open(f"out.{suffix}") as image:
        assert image.format == pillow


def test_a_kernel_folder_of_ones_own(run: Run) -> None:
    image = picture()
    Path("mine").mkdir()
    Path("mine/k.yaml").write_text("glow: {weights: [[2]]}\n")
    assert run("img.png", "-k", "glow", "--kernel-dir", "mine", "--range", "clip") == (0, "", "")
    np.testing.assert_array_equal(read("img_glow.png"), np.minimum(image.astype(int) * 2, 255))


# npy, raw and float32 imply each other, and tif


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (["-f", "npy"], "img_sobel-x.npy"),
        (["-o", "x.npy"], "x.npy"),
        (["--range", "raw"], "img_sobel-x.tif"),
        (["--dtype", "float32"], "img_sobel-x.tif"),
        (["--range", "raw", "-f", "npy"], "img_sobel-x.npy"),
        (["--dtype", "float32", "-o", "x.tif"], "x.tif"),
    ],
)
def test_implied_by_each_other(run: Run, arguments: list[str], output: str) -> None:
    image = picture(channels=1)
    assert run("img.png", "-k", "sobel-x", *arguments) == (0, "", "")
    assert names() == sorted(["img.png", output])
    found = read(output)
    assert found.dtype == np.float32
    assert found.min() < 0
    np.testing.assert_array_equal(found, convtool.apply(image, "sobel-x")["sobel-x"])


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (["-f", "npy", "--range", "abs"], {"range": "abs", "dtype": "float32"}),
        (["-f", "npy", "--dtype", "uint8"], {"range": "raw", "dtype": "uint8"}),
        (["-f", "npy", "--dtype", "uint8", "--range", "abs"], {"range": "abs", "dtype": "uint8"}),
        (["-f", "npy", "--dtype", "float32", "--range", "shift"], {"range": "shift", "dtype": "float32"}),
    ],
)
def test_what_is_said_is_not_implied(run: Run, arguments: list[str], asked: dict[str, Any]) -> None:
    image = picture()
    assert run("img.png", "-k", "sobel-x", *arguments) == (0, "", "")
    found = read("img_sobel-x.npy")
    assert found.dtype == asked["dtype"]
    np.testing.assert_array_equal(found, convtool.apply(image, "sobel-x", **asked)["sobel-x"])


@pytest.mark.parametrize("arguments", [["--range", "raw"], ["--dtype", "float32"]])
def test_float_in_a_format_that_has_none_is_refused_with_the_ways_out(run: Run, arguments: list[str]) -> None:
    picture()
    code, out, err = run("img.png", "-k", "blur", "-f", "png", *arguments)
    assert (code, out) == (2, "")
    assert err == "convtool: png cannot hold float32 samples; write tif or npy, or give --dtype uint8\n"
    assert names() == ["img.png"]


# Messages


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([], ["no input"]),
        (["img.png"], ["no kernel", "-k"]),
        (["img.png", "-k", "sobl"], ["sobl", "did you mean sobel"]),
        (["img.png", "-k", "box:5"], ["write box:size=5"]),
        (["img.png", "-k", "sobel", "--strid", "2"], ["--strid", "--stride"]),
        (["img.png", "-k", "sobel", "-s", "0"], ["stride"]),
        (["img.png", "-k", "sobel", "-s", "x"], ["--stride", "'x'", "NxM"]),
        (["img.png", "-k", "sobel", "-p", "sam"], ["did you mean same?"]),
        (["img.png", "-k", "sobel", "-b", "reflec"], ["did you mean reflect?"]),
        (["img.png", "-k", "sobel", "-b", "constant"], ["constant=128"]),
        (["img.png", "-k", "sobel", "--range", "streth"], ["did you mean stretch?"]),
        (["img.png", "-k", "sobel", "--range", "abs:0"], ["abs:0"]),
        (["img.png", "-k", "sobel", "--merge", "magnitud"], ["did you mean magnitude?"]),
        (["img.png", "-k", "sobel-x", "--merge", "max"], ["--merge", "sobel-x"]),
        (["img.png", "-k", "sobel", "--dtype", "int8"], ["uint8"]),
        (["img.png", "-k", "sobel", "--channels", "red"], ["each, sum, luma"]),
        (["img.png", "-k", "luma", "--channels", "each"], ["luma", "3 channels", "--channels each"]),
        (["img.png", "-k", "luma", "--channels", "r"], ["luma", "--channels r"]),
        (["img.png", "-k", "luma", "--channels", "luma"], ["luma", "--channels luma"]),
        (["img.png", "-k", "sobel", "--alpha", "kep"], ["did you mean keep?"]),
        (["img.png", "-k", "sobel", "-f", "gif"], ["'gif'", "png"]),
        (["img.png", "-k", "sobel", "--quality", "101"], ["--quality"]),
        (["img.png", "-k", "sobel", "--compress", "10"], ["--compress", "fast"]),
        (["img.png", "-k", "sobel", "--bias", "nan"], ["bias", "'nan'"]),
        (["img.png", "-k", "sobel", "--force", "--skip-existing"], ["--force", "--skip-existing", "contradict"]),
        (["img.png", "-k", "sobel", "--verify", "0"], ["--verify"]),
        (["img.png", "-k", "blur", "-o", "-", "--json"], ["--json", "-o -"]),
        (["-", "-k", "blur", "--json"], ["--json", "-o -"]),
        (["-", "-", "-k", "blur", "-o", "out/"], ["given twice"]),
        (["img.png", "-k", "blur", "--kernel-dir", "nowhere"], ["--kernel-dir", "nowhere"]),
        (["img.png", "-k", "nowhere.yaml"], ["nowhere.yaml"]),
        (["img.png", "-k", "blur", "-o", "{stme}.png"], ["did you mean stem?"]),
        (["img.png", "-k", "blur", "-k", "blur"], ["the kernel blur is given twice"]),
    ],
)
def test_refusals_are_one_line_and_exit_code_2(run: Run, arguments: list[str], parts: list[str]) -> None:
    picture()
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("convtool: ")
    assert len(err.splitlines()) == 1, err
    assert all(part in err for part in parts), err
    assert names() == ["img.png"]


def test_no_command_shows_the_help_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([])
    out, err = capsys.readouterr()
    assert (left.value.code, out) == (2, "")
    assert err.startswith("Usage: convtool")


def test_a_mistyped_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["aply", "img.png"])
    assert left.value.code == 2
    assert "did you mean apply?" in capsys.readouterr().err


def test_something_unforeseen_is_one_line_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    picture()

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a\nfault")

    monkeypatch.setattr("convtool.runs.task.read_picture", broken)
    code, _, err = run("img.png", "-k", "blur")
    assert code == 1
    assert len(err.splitlines()) == 1
    assert "--debug" in err
    with pytest.raises(RuntimeError):
        main(["apply", "img.png", "-k", "blur", "--debug"])


def write_bad(kind: str) -> str:
    """A file that cannot be filtered; its name."""
    name = f"{kind}.png"
    if kind == "text":
        Path(name).write_text("this is no picture\n")
    elif kind == "empty":
        Path(name).touch()
    elif kind == "truncated":
        picture(name, height=64, width=64)
        Path(name).write_bytes(Path(name).read_bytes()[:2000])
    elif kind == "folderless":
        name = "no/where.png"
    return name


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("text", "is not an image that can be read"),
        ("empty", "is empty"),
        ("truncated", "is cut short: "),
        ("folderless", "no such file"),
    ],
)
def test_a_bad_input_fails_alone_with_one_line(run: Run, kind: str, reason: str) -> None:
    picture("a.png")
    picture("z.png")
    bad = write_bad(kind)
    code, out, err = run("a.png", bad, "z.png", "-k", "sobel", "-o", "out")
    assert (code, out) == (1, "")
    first, summary, *clipped = err.splitlines()
    assert first.startswith(f"convtool: {bad}: {reason}")
    assert summary == "convtool: 4 maps written, 1 of 3 inputs failed"
    assert all(re.fullmatch(r"convtool: sobel-[xy]: .* of samples clipped .*", line) for line in clipped)
    assert sorted(os.listdir("out")) == [  # noqa: PTH208
        "a_sobel-x.png", "a_sobel-y.png", "z_sobel-x.png", "z_sobel-y.png",
    ]  # fmt: skip


def test_all_bad_is_exit_code_1(run: Run) -> None:
    write_bad("text")
    write_bad("empty")
    code, _, err = run("text.png", "empty.png", "-k", "blur", "-o", "out")
    assert code == 1
    assert len(err.splitlines()) == 3


def test_a_single_failure_is_a_single_line(run: Run) -> None:
    write_bad("empty")
    assert run("empty.png", "-k", "sobel") == (1, "", "convtool: empty.png: is empty\n")


def test_one_bad_of_many_changes_nothing_about_the_others(run: Run) -> None:
    for at in range(20):
        picture(f"in/{at:02}.png", height=8 + at)
    assert run("in", "-k", "gaussian", "-o", "clean") == (0, "", "")
    Path("in/07.png").write_bytes(b"")
    assert run("in", "-k", "gaussian", "-o", "dirty")[0] == 1
    for path in sorted(Path("dirty").iterdir()):
        assert path.read_bytes() == Path("clean", path.name).read_bytes()
    assert len(list(Path("dirty").iterdir())) == 19


def test_a_depth_mismatch_fails_that_input_only_naming_both_numbers(run: Run) -> None:
    np.save("deep.npy", np.ones((1, 5, 3, 3)))
    np.save("five.npy", samples(channels=5))
    picture("rgb.png")
    code, _, err = run("rgb.png", "five.npy", "-k", "deep.npy", "-o", "out", "-f", "npy")
    assert code == 1
    line = err.splitlines()[0]
    assert line.startswith("convtool: rgb.png: ")
    assert re.search(r"\b5\b", line)
    assert re.search(r"\b3\b", line)
    assert Path("out/five_deep.npy").exists()
    assert not Path("out/rgb_deep.npy").exists()


def test_an_image_too_small_fails_that_input_only(run: Run) -> None:
    picture("small.png", height=2, width=2)
    picture("large.png")
    code, _, err = run("small.png", "large.png", "-k", "box:size=5", "-p", "valid", "-o", "out")
    assert code == 1
    assert err.startswith("convtool: small.png: ")
    assert "2x2" in err.splitlines()[0]
    assert Path("out/large_box-size5.png").exists()


def test_max_pixels(run: Run) -> None:
    picture(height=10, width=10)
    assert run("img.png", "-k", "blur", "--max-pixels", "100") == (0, "", "")
    code, _, err = run("img.png", "-k", "blur", "--max-pixels", "99", "--force")
    assert code == 1
    assert all(part in err for part in ("100 pixels", "99", "--max-pixels"))


def test_quiet_says_errors_only(run: Run) -> None:
    picture("a.png")
    write_bad("empty")
    assert run("a.png", "empty.png", "-k", "blur", "-q") == (1, "", "convtool: empty.png: is empty\n")
    assert run("a.png", "-k", "edge", "--quiet") == (0, "", "")


def test_verbose_says_what_and_how_on_stderr(run: Run) -> None:
    picture()
    code, out, err = run("img.png", "-k", "sobel", "--verbose")
    assert (code, out) == (0, "")
    lines = err.splitlines()
    assert lines[0] == "convtool: img.png -> img_sobel-x.png  12x16 RGB uint8  taps int16"
    assert lines[1].startswith("convtool:   because taps int16: ")
    assert lines[4] == "convtool: 2 maps written"
    assert all(line.startswith("convtool: ") for line in lines)


def test_clipping_is_told_in_the_summary_and_in_json(run: Run) -> None:
    picture()
    _, out, err = run("img.png", "-k", "3", "-v", "--json")
    clipped = json.loads(out)["clipped"]
    assert clipped == int((samples().astype(int) * 3 > 255).sum())
    assert (
        f"convtool: inline: {100 * clipped / samples().size:.1f} % of samples clipped ({clipped})" in err.splitlines()
    )


# JSON


def test_json_is_one_ascii_line_per_map_with_the_contracts_keys(run: Run) -> None:
    picture("img é.png", channels=1)
    code, out, err = run("img é.png", "-k", "sobel", "--json")
    assert (code, err) == (0, "")
    assert out.isascii()
    first, second = (json.loads(line) for line in out.splitlines())
    assert list(first) == MAP_KEYS
    raw = convtool.apply(samples(channels=1), "sobel")["sobel-x"]
    assert first == {
        "input": "img é.png", "output": "img é_sobel-x.png", "kernel": "sobel", "map": "sobel-x", "index": 0,
        "frame": 0, "height": 12, "width": 16, "channels": 1, "dtype": "uint8", "range": "abs",
        "min": float(raw.min()), "max": float(raw.max()), "clipped": int((abs(raw) > 255).sum()),
    }  # fmt: skip
    assert (second["map"], second["index"]) == ("sobel-y", 1)


def test_json_of_failures_and_skipped_outputs(run: Run) -> None:
    picture("a.png")
    write_bad("empty")
    run("a.png", "-k", "blur")
    code, out, err = run("a.png", "empty.png", "-k", "blur", "--json", "--skip-existing")
    assert code == 1
    assert [json.loads(line) for line in out.splitlines()] == [
        {"input": "a.png", "output": "a_blur.png", "skipped": True},
        {"input": "empty.png", "error": "is empty"},
    ]
    assert err.splitlines()[0] == "convtool: empty.png: is empty"


def test_json_is_the_same_twice(run: Run) -> None:
    for name in ("b.png", "a.png"):
        picture(f"in/{name}")
    write_bad("text")
    arguments = ("in", "text.png", "-k", "four-views", "-o", "out", "--json", "--force")
    first = run(*arguments)[1]
    assert run(*arguments)[1] == first
    assert [json.loads(line)["input"] for line in first.splitlines()] == ["in/a.png"] * 4 + ["in/b.png"] * 4 + [
        "text.png"
    ]


# Dry run

EXAMPLE = r"""img\.png  512x512 RGB uint8
  -> img_sobel-x\.png  512x512 RGB uint8  abs  taps int16
  -> img_sobel-y\.png  512x512 RGB uint8  abs  taps int16
1 input, 2 outputs, 0 collisions, peak about (\d+) MB
"""


def test_dry_run_prints_the_contracts_example(run: Run) -> None:
    picture(height=512, width=512)
    code, out, err = run("img.png", "--kernel", "sobel", "--stride", "1", "--pad", "1", "--dry-run")
    assert (code, err) == (0, "")
    match = re.fullmatch(EXAMPLE, out)
    assert match, out
    assert 30 <= int(match[1]) <= 60
    assert names() == ["img.png"]


def test_dry_run_reads_no_pixels_and_makes_no_folder(run: Run) -> None:
    picture(height=64, width=64)
    Path("img.png").write_bytes(Path("img.png").read_bytes()[:200])  # the header only
    code, out, _ = run("img.png", "-k", "blur", "-o", "new/", "--dry-run")
    assert code == 0
    assert "  -> new/img_blur.png  64x64 RGB uint8  clip  " in out
    assert not Path("new").exists()


def test_dry_run_shows_what_would_fail_and_what_would_be_skipped(run: Run) -> None:
    picture("a.png", channels=4)
    write_bad("empty")
    Path("a_blur.png").touch()
    code, out, err = run("a.png", "empty.png", "-k", "blur", "-k", "edge", "--dry-run", "--skip-existing")
    assert code == 1
    assert out.splitlines()[:3] == [
        "a.png  12x16 RGBA uint8",
        "  -- a_blur.png  exists, skipped",
        "  -> a_edge.png  12x16 RGBA uint8  abs  taps int16",
    ]
    assert out.splitlines()[3].startswith("2 inputs, 1 output, 0 collisions, peak about ")
    assert err == "convtool: empty.png: is empty\n"


def test_dry_run_refuses_what_a_run_would_refuse(run: Run) -> None:
    picture("a.png")
    picture("a.bmp")
    code, out, err = run("a.png", "a.bmp", "-k", "blur", "-f", "png", "--dry-run")
    assert (code, out) == (2, "")
    assert "{suffix}" in err


def test_dry_run_as_json(run: Run) -> None:
    picture()
    write_bad("empty")
    code, out, _ = run("img.png", "empty.png", "-k", "sobel", "--dry-run", "--json")
    assert code == 1
    found = [json.loads(line) for line in out.splitlines()]
    assert [line.get("output") for line in found] == ["img_sobel-x.png", "img_sobel-y.png", None]
    assert set(found[0]) - set(MAP_KEYS) == {"method"}
    assert found[2] == {"input": "empty.png", "error": "is empty"}


# Verify


@pytest.mark.parametrize(
    "arguments",
    [["-k", "sobel"], ["-k", "blur", "--stride", "2"], ["-k", "edge", "-p", "3", "-b", "circular"], ["-k", "emboss"]],
)
def test_verify_finds_no_difference(run: Run, arguments: list[str]) -> None:
    picture()
    code, out, err = run("img.png", *arguments, "--verify", "50")
    assert (code, out) == (0, "")
    assert "convtool: largest difference from the definition: 0" in err.splitlines()


def test_verify_finds_a_planted_difference(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    picture()
    from convtool.layers.filtering import FeatureMap, filter_stack

    def wrong(*given: Any, **options: Any) -> Iterator[FeatureMap]:
        for found in filter_stack(*given, **options):
            found.samples[...] ^= 1
            yield found

    monkeypatch.setattr("convtool.runs.task.filter_stack", wrong)
    _, _, err = run("img.png", "-k", "sobel", "--verify", "5")
    assert "convtool: largest difference from the definition: 1" in err.splitlines()


# Existing outputs


def test_existing_outputs_are_refused_with_names_count_and_the_two_options(run: Run) -> None:
    picture()
    Path("img_sobel-y.png").write_bytes(b"old")
    code, out, err = run("img.png", "-k", "sobel")
    assert (code, out) == (2, "")
    assert err == "convtool: img_sobel-y.png: exists; --force replaces, --skip-existing leaves it\n"
    for name in ("a", "b", "c", "d", "e"):
        picture(f"in/{name}.png")
        Path(f"{name}_blur.png").write_bytes(b"old")
    code, _, err = run("in", "-k", "blur", "-o", ".")
    assert code == 2
    assert err == (
        "convtool: a_blur.png, b_blur.png, c_blur.png and 2 more: exist; --force replaces,"
        " --skip-existing leaves them\n"
    )
    assert Path("a_blur.png").read_bytes() == b"old"
    assert not Path("img_sobel-x.png").exists()


def test_force_replaces(run: Run) -> None:
    picture()
    Path("img_blur.png").write_bytes(b"old")
    assert run("img.png", "-k", "blur", "--force") == (0, "", "")
    assert read("img_blur.png").shape == (12, 16, 3)


def test_skip_existing_leaves(run: Run) -> None:
    picture()
    Path("img_sobel-x.png").write_bytes(b"old")
    code, out, err = run("img.png", "-k", "sobel", "--skip-existing", "-v")
    assert (code, out) == (0, "")
    assert "convtool: 1 map written, 1 map skipped" in err.splitlines()
    assert Path("img_sobel-x.png").read_bytes() == b"old"
    assert read("img_sobel-y.png").shape == (12, 16, 3)


def test_skip_existing_does_not_open_an_input_that_has_all_outputs(run: Run) -> None:
    write_bad("empty")
    Path("empty_blur.png").write_bytes(b"old")
    assert run("empty.png", "-k", "blur", "--skip-existing") == (0, "", "")


def test_a_dangling_link_counts_as_existing_and_is_followed_by_force(run: Run) -> None:
    picture()
    Path("img_blur.png").symlink_to("target.png")
    assert run("img.png", "-k", "blur")[0] == 2
    assert run("img.png", "-k", "blur", "--force") == (0, "", "")
    assert Path("img_blur.png").is_symlink()
    assert read("target.png").shape == (12, 16, 3)


def test_a_link_that_leads_to_itself_cannot_be_written_through(run: Run) -> None:
    picture("a.png")
    Path("a_blur.png").symlink_to("a_blur.png")
    code, _, err = run("a.png", "-k", "blur", "--force")
    assert code == 1
    assert err == "convtool: a.png: cannot write a_blur.png: Too many levels of symbolic links\n"


# Outputs that are inputs


@pytest.mark.parametrize("how", ["path", "dot", "parent", "symlink", "hard link", "linked folder"])
@pytest.mark.parametrize("option", ["--force", "--skip-existing", None])
def test_an_output_that_is_an_input_is_refused(run: Run, how: str, option: str | None) -> None:
    picture("sub/img.png")
    output = {"path": "sub/img.png", "dot": "./sub/img.png", "parent": "sub/../sub/img.png"}.get(how, "out.png")
    if how == "symlink":
        Path(output).symlink_to("sub/img.png")
    elif how == "hard link":
        Path(output).hardlink_to("sub/img.png")
    elif how == "linked folder":
        Path("link").symlink_to("sub")
        output = "link/img.png"
    before = Path("sub/img.png").read_bytes()
    code, out, err = run("sub/img.png", "-k", "blur", "-o", output, *([option] if option else []))
    assert (code, out) == (2, "")
    assert "is the input sub/img.png" in err
    assert Path("sub/img.png").read_bytes() == before


def test_an_output_that_is_another_input_is_refused(run: Run) -> None:
    picture("img.png")
    picture("img_blur.png")
    code, _, err = run("img.png", "img_blur.png", "-k", "blur", "--force")
    assert code == 2
    assert "img_blur.png: is the input img_blur.png" in err


# Formats and what they hold


def test_alpha_in_a_jpeg_is_refused_with_the_ways_out_and_the_old_file_stays(run: Run) -> None:
    picture("img.png", channels=4)
    picture("out.jpg")
    before = Path("out.jpg").read_bytes()
    code, _, err = run("img.png", "-k", "blur", "-o", "out.jpg", "--force")
    assert code == 1
    assert err == ("convtool: img.png: jpg cannot hold alpha; write png or tif or webp or npy, or give --alpha drop\n")
    assert Path("out.jpg").read_bytes() == before
    assert names() == ["img.png", "out.jpg"]
    assert run("img.png", "-k", "blur", "-o", "out.jpg", "--force", "--alpha", "drop") == (0, "", "")
    assert Path("out.jpg").read_bytes() != before


def test_a_dtype_that_the_format_cannot_hold_is_refused_before_anything(run: Run) -> None:
    picture()
    code, _, err = run("img.png", "-k", "blur", "-o", "out/x.jpg", "--dtype", "uint16")
    assert code == 2
    assert "jpg cannot hold uint16" in err
    assert names() == ["img.png"]


def test_sixteen_bits_stay_sixteen_bits(run: Run) -> None:
    image = samples(channels=1, top=65535)
    Image.fromarray(image).save("deep.png")
    assert run("deep.png", "-k", "identity") == (0, "", "")
    np.testing.assert_array_equal(read("deep_identity.png"), image)


# Modes, temporary files, faults of the disk


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077])
def test_a_new_file_gets_the_umasks_mode(run: Run, mask: int) -> None:
    picture()
    before = os.umask(mask)
    try:
        assert run("img.png", "-k", "blur")[0] == 0
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert mode("img_blur.png") == 0o666 & ~mask


@pytest.mark.parametrize("old", [0o600, 0o644, 0o664, 0o640])
def test_a_replaced_file_keeps_its_mode(run: Run, old: int) -> None:
    picture()
    Path("img_blur.png").write_bytes(b"old")
    Path("img_blur.png").chmod(old)
    assert run("img.png", "-k", "blur", "--force")[0] == 0
    assert mode("img_blur.png") == old


def test_a_link_stays_a_link(run: Run) -> None:
    picture()
    Path("real").mkdir()
    Path("real/target.png").write_bytes(b"old")
    Path("img_blur.png").symlink_to("real/target.png")
    assert run("img.png", "-k", "blur", "--force") == (0, "", "")
    assert Path("img_blur.png").is_symlink()
    assert read("real/target.png").shape == (12, 16, 3)
    assert names() == ["img.png", "img_blur.png", "real/target.png"]


@pytest.mark.parametrize("existing", [True, False])
def test_a_failing_write_leaves_the_old_file_and_no_temporary_one(run: Run, existing: bool) -> None:
    """The limit on file sizes plays the full disk."""
    picture(height=200, width=200)
    if existing:
        Path("img_blur.png").write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        code, _, err = run("img.png", "-k", "blur", "--force")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert code == 1
    assert err == "convtool: img.png: cannot write img_blur.png: File too large\n"
    assert names() == ["img.png", "img_blur.png"] if existing else ["img.png"]
    if existing:
        assert Path("img_blur.png").read_bytes() == b"old"


@pytest.mark.parametrize("output", ["file/out/", "file/x.png", "file/{stem}.png", "file"])
def test_a_folder_whose_component_is_a_file_fails_before_the_work(
    run: Run, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    picture()
    Path("file").write_bytes(b"a file")
    monkeypatch.setattr("convtool.runs.task.read_picture", None)
    code, out, err = run("img.png", "-k", "blur", "-o", output)
    assert (code, out) == (2, "")
    assert err.startswith("convtool: file")
    assert "cannot be made a folder" in err or "exists and is no folder" in err
    assert len(err.splitlines()) == 1
    assert Path("file").read_bytes() == b"a file"


def test_a_folder_in_place_of_an_output(run: Run) -> None:
    picture()
    Path("img_blur.png").mkdir()
    assert run("img.png", "-k", "blur")[0] == 2
    code, _, err = run("img.png", "-k", "blur", "--force")
    assert code == 1
    assert err.startswith("convtool: img.png: cannot write img_blur.png: ")
    assert names() == ["img.png"]


def test_a_deep_output_folder_is_made_with_its_parents(run: Run) -> None:
    picture()
    assert run("img.png", "-k", "blur", "-o", "a/b/c/") == (0, "", "")
    assert Path("a/b/c/img_blur.png").exists()


def test_inputs_are_not_touched(run: Run) -> None:
    picture("d/a.png")
    picture("d/b.jpg")
    before = {name: (Path(name).read_bytes(), Path(name).stat().st_mtime_ns) for name in names()}
    assert run("d", "-k", "four-views", "-o", "d/out")[0] == 0
    assert {name: (Path(name).read_bytes(), Path(name).stat().st_mtime_ns) for name in before} == before


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_does_not_break_off_the_cleaning_up(
    run: Run, monkeypatch: pytest.MonkeyPatch, number: int, expected: int
) -> None:
    picture()
    unlink = Path.unlink
    sent = []

    def send(*_: object) -> None:
        sent.append(number)
        os.kill(os.getpid(), number)

    def unlink_under_fire(path: Path, missing_ok: bool = False) -> None:
        if ".convtool-" in path.name:
            send()
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink_under_fire)
    monkeypatch.setattr("convtool.runs.frame_maps.encode_strips", send)
    code, out, err = run("img.png", "-k", "blur")
    assert (code, out, err) == (expected, "", "convtool: interrupted: 0 of 1 done\n")
    assert sent == [number, number]
    assert names() == ["img.png"]


KILLED = """
import os, signal
from pathlib import Path
from convtool.runs.atomic import replacing
with replacing(Path("x.png")) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_goes_when_its_target_is_written() -> None:
    Path("x.png").write_bytes(b"old")
    assert subprocess.run([sys.executable, "-c", KILLED], check=False).returncode == -9
    left = [name for name in names() if name != "x.png"]
    assert len(left) == 1
    assert left[0].startswith(".convtool-")
    assert Path("x.png").read_bytes() == b"old"
    with replacing(Path("y.png")) as file:
        file.write(b"another target")
    assert left[0] in names()
    with replacing(Path("x.png")) as file:
        file.write(b"new")
    assert names() == ["x.png", "y.png"]
    assert Path("x.png").read_bytes() == b"new"


def test_a_living_writers_file_is_left_alone() -> None:
    with replacing(Path("x.png")) as first:
        first.write(b"first")
        first.flush()
        with replacing(Path("x.png")) as second:
            second.write(b"second")
        assert Path("x.png").read_bytes() == b"second"
    assert Path("x.png").read_bytes() == b"first"
    assert names() == ["x.png"]


# Starting


@pytest.mark.parametrize("arguments", [["--help"], ["apply", "--help"], ["kernels", "--help"]])
def test_help_loads_no_numpy(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from convtool.cli import main\n"
        "try:\n"
        f"    main({arguments!r})\n"
        "except SystemExit as left:\n"
        "    heavy = {'numpy', 'PIL', 'yaml', 'rich'} & set(sys.modules)\n"
        "    print(left.code, sorted(heavy), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "0 []\n"
    assert done.stdout


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"convtool {convtool.__version__} ({core.name()})\n"


def test_help_names_every_option(run: Run) -> None:
    code, out, err = run("--help")
    assert (code, err) == (0, "")
    for parameter in command.params:
        if parameter.name != "inputs":
            assert all(option in out for option in parameter.opts), parameter.name
    assert "--kernel sobel --stride 1 --pad 1" in out
    assert max(len(line) for line in out.splitlines()) <= 100
