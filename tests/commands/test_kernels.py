"""``convtool kernels``: the list, what show draws, the facts behind it, and check. The shipped files as data."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from convtool.cli import main
from convtool.kernels.facts import facts_of, response
from convtool.kernels.generators import GENERATORS
from convtool.kernels.kernel import Kernel, make_kernel
from convtool.kernels.library import Library
from convtool.tone.ranges import Range

FILES = sorted((Path(__file__).parents[2] / "kernels").glob("*.yaml"))
TEXTS = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in FILES}
NAMES = {name: family for family, names in TEXTS.items() for name in names}

CLIP, ABS, SHIFT, SYMMETRIC = Range("clip"), Range("abs"), Range("shift"), Range("symmetric")
RANGES = {
    "basic": CLIP,
    "blur": CLIP,
    "sharpen": CLIP,
    "edge": ABS,
    "laplace": ABS,
    "relief": SHIFT,
    "texture": ABS,
    "colour": SHIFT,
    "layers": SYMMETRIC,
}
"""What a family's kernels are shown by, but for the ones below."""
OTHER_RANGES = {
    "kirsch": Range("abs", Fraction(4, 15)),
    "scharr-x": Range("abs", Fraction(4, 16)),
    "scharr-y": Range("abs", Fraction(4, 16)),
    "gabor": SYMMETRIC,
    "contour": CLIP,
    "outline": CLIP,
    "luma": CLIP,
    "colour-edge": ABS,
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CONVTOOL_KERNELS", raising=False)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["kernels", *arguments])
    assert isinstance(left.value.code, int)
    return left.value.code


def show(capsys: pytest.CaptureFixture[str], *specs: str) -> str:
    assert run("show", *specs) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def fact(text: str, name: str) -> str:
    found = re.findall(rf"^  {name} +(.*)$", text, re.MULTILINE)
    assert len(found) == 1, text
    return str(found[0])


def matrix(text: str) -> list[list[str]]:
    """The lines of the first matrix in a drawing: numbers, and what stands behind them."""
    block = text.split("\n\n")[1].splitlines()
    return [line.split() for line in block if not line.startswith("  channel")]


def kernel(spec: str) -> Kernel:
    return Library().load(spec).kernels[0]


# The list


def test_every_name_is_listed_with_family_and_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "\x1b" not in out
    family, found = "", {}
    for line in out.splitlines():
        if not line.startswith(" "):
            family = line
        else:
            name, kind, summary = re.split(r"\s{2,}", line.strip(), maxsplit=2)
            found[name] = (family, kind, summary)
    assert {name: entry[0] for name, entry in found.items()} == NAMES
    for name, (family, _, summary) in found.items():
        assert summary == TEXTS[family][name]["summary"]
    kinds = {name: entry[1] for name, entry in found.items()}
    assert kinds["sobel-x"] == "3x3"
    assert kinds["central-x"] == "1x3"
    assert kinds["sobel"] == "2 maps"
    assert (kinds["kirsch"], kinds["laws"], kinds["frei-chen"]) == ("8 maps", "25 maps", "9 maps")
    assert kinds["gaussian"] == ":sigma,size"
    assert kinds["gabor"] == ":theta,wavelength,sigma,gamma,phase"
    assert kinds["colour-edge"] == "3x3 depth 3"


def test_own_kernels_are_listed_before_and_instead_of_built_in_ones(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine").mkdir()
    Path("mine/ours.yaml").write_text("锐化:\n  summary: Mine\n  weights: [[1]]\nblur:\n  weights: [[1, 1]]\n", "utf-8")
    assert run("--kernel-dir", "mine") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ours"
    assert lines[1].split() == ["锐化", "1x1", "Mine"]
    assert [line.split()[:2] for line in lines if line.startswith("  blur ")] == [["blur", "1x2"]]
    assert run("--kernel-dir", "missing") == 2


@pytest.mark.parametrize("behind", [False, True])
def test_options_stand_before_or_behind_the_word(*, behind: bool, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine").mkdir()
    Path("mine/ours.yaml").write_text("glow:\n  weights: [[2]]\n")
    Path("set.yaml").write_text("all:\n  maps: [glow]\n")
    options = ("--kernel-dir", "mine", "--debug")
    for words in (("show", "glow"), ("check", "set.yaml")):
        assert run(*words, *options) == 0 if behind else run(*options, *words) == 0
    assert "set.yaml: good, 1 name, 1 map\n" in capsys.readouterr().out
    assert run("show", "glow") == 2


# The drawing


def test_show_draws_one_kernel(capsys: pytest.CaptureFixture[str]) -> None:
    text = show(capsys, "sobel-x")
    assert text.startswith("sobel-x\n  Brightness change from left to right, smoothed across\n  Source: Sobel")
    assert matrix(text) == [["-1", "0", "1"], ["-2", "0", "2"], ["-1", "0", "1"]]
    assert fact(text, "size") == "3x3"
    assert fact(text, "sum") == "0, of magnitudes 8"
    assert fact(text, "rank") == "1: separable"
    assert "column [1 2 1] times row [-1 0 1]" in text
    assert fact(text, "symmetry") == "left-right odd, top-bottom even, half turn odd"
    assert fact(text, "gain") == "0 on a flat picture, 8 at the strongest frequency"
    assert fact(text, "range") == "-1020 to 1020 on 8-bit input; shown by abs"
    assert "frequency response" in text


def test_show_draws_every_kernel_of_a_set(capsys: pytest.CaptureFixture[str]) -> None:
    text = show(capsys, "sobel", "edge")
    assert re.findall(r"^(\S+)$", text, re.MULTILINE) == ["sobel-x", "sobel-y", "edge"]
    assert re.findall(r"^(\S+)$", show(capsys, "kirsch"), re.MULTILINE) == [
        f"kirsch-{angle}" for angle in range(0, 360, 45)
    ]


def test_show_draws_depth_channel_by_channel(capsys: pytest.CaptureFixture[str]) -> None:
    text = show(capsys, "teaching-layer-1")
    assert [line.strip() for line in text.splitlines() if line.startswith("  channel")] == [
        "channel 0",
        "channel 1",
        "channel 2",
    ]
    expected = TEXTS["layers"]["teaching-layer-1"]["weights"]
    assert matrix(text) == [[str(weight) for weight in row] for plane in expected for row in plane]
    assert fact(text, "size") == "3x3, depth 3 (one map from 3 channels)"
    assert fact(text, "bias") == "1"
    assert fact(text, "range") == f"{-5 * 255 + 1} to {6 * 255 + 1} on 8-bit input; shown by symmetric"


def test_show_draws_generated_and_scaled_kernels(capsys: pytest.CaptureFixture[str]) -> None:
    text = show(capsys, "box:size=5")
    assert text.startswith("box-size5\n")
    assert matrix(text) == [["1"] * 5] * 2 + [["1"] * 5 + ["x", "1/25"]] + [["1"] * 5] * 2
    assert fact(text, "sum") == "1, of magnitudes 1"
    text = show(capsys, "gaussian:sigma=1")
    weights = kernel("gaussian:sigma=1").weights
    assert matrix(text) == [[f"{weight:.5g}" for weight in row] for row in weights]
    assert fact(text, "rank") == "1: separable"
    text = show(capsys, "blur@90")
    assert text.startswith("blur-turn90\n")
    assert matrix(text)[1] == ["2", "4", "2", "x", "1/16"]
    assert matrix(show(capsys, "1 2; 3 4.5")) == [["2", "4"], ["6", "9", "x", "1/2"]]


def test_show_draws_the_middle_of_a_large_kernel(capsys: pytest.CaptureFixture[str]) -> None:
    text = show(capsys, "box:size=101")
    rows = matrix(text)
    assert len(rows) == 15
    assert rows[7][15:] == ["x", "1/10201", "the", "middle", "15x15", "of", "101x101"]
    assert max(map(len, text.splitlines())) < 120


def test_show_says_when_a_range_or_a_bias_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert fact(show(capsys, "contour"), "range") == "-1785 to 2295 on 8-bit input; shown by clip"
    assert fact(show(capsys, "scharr-x"), "range") == "-4080 to 4080 on 8-bit input; shown by abs:1/4"
    assert fact(show(capsys, "1 2"), "range") == "0 to 765 on 8-bit input; shown by clip"


def test_show_refuses_what_is_no_kernel(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", "sobl") == 2
    assert capsys.readouterr().err.startswith("convtool: there is no kernel 'sobl'; did you mean sobel")
    assert run("show", "sobel", "box:5") == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", "convtool: kernel 'box:5': write box:size=5\n")
    assert run("show") == 2


def test_no_escape_of_a_file_reaches_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.yaml").write_text('glow:\n  summary: "a\\e[31mb [red]"\n  weights: [[1]]\n')
    assert r"a\x1b[31mb [red]" in show(capsys, "mine.yaml")


def test_names_that_stdout_cannot_take_are_escaped() -> None:
    Path("mine.yaml").write_text("锐化:\n  summary: é\n  weights: [[1]]\n", "utf-8")
    command = [sys.executable, "-m", "convtool", "kernels", "show", "mine.yaml"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, env=environment, timeout=60, check=True)
    assert done.stdout.startswith(b"\\u9510\\u5316\n  \\xe9\n")


# On a terminal


def on_terminal(*arguments: str, **environment: str) -> str:
    """What the command writes to a terminal."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "convtool", "kernels", *arguments]
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "FORCE_COLOR")}
    variables = kept | {"TERM": "xterm-256color", "COLORTERM": "truecolor"} | environment
    with subprocess.Popen(command, stdout=follower, stderr=follower, stdin=follower, env=variables) as process:
        os.close(follower)
        parts = []
        while True:
            try:
                part = os.read(leader, 65536)
            except OSError:  # Linux reports the end of a terminal this way
                break
            if not part:
                break
            parts.append(part)
        assert process.wait(60) == 0
    os.close(leader)
    return b"".join(parts).decode().replace("\r\n", "\n")


def test_heat_is_coloured_on_a_terminal_and_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    coloured = on_terminal("show", "sobel-x")
    assert "\x1b[30;48;2;255;20;20m" in coloured, "the largest weight is deep red"
    assert "\x1b[30;48;2;20;20;255m" in coloured, "the smallest deep blue"
    assert "\x1b[30;48;2;255;138;138m" in coloured, "half of it is paler"
    plain = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    piped = show(capsys, "sobel-x")
    assert [line.rstrip() for line in plain.splitlines()] == piped.splitlines()
    assert "\x1b" not in piped


def test_no_colour_where_none_is_wanted() -> None:
    assert "\x1b[" not in on_terminal("show", "sobel-x", NO_COLOR="1").replace("\x1b[0m", "")
    assert "48;2" not in on_terminal("show", "sobel-x", TERM="dumb")


def test_lines_are_not_wrapped_on_a_narrow_terminal() -> None:
    wide, narrow = on_terminal("show", "blur"), on_terminal("show", "blur", COLUMNS="20")
    assert narrow == wide


# Facts


@pytest.mark.parametrize("name", [name for name in NAMES if "maps" not in TEXTS[NAMES[name]][name]])
def test_facts_of_every_shipped_kernel(name: str) -> None:
    for each in Library().load(name).kernels:
        found = facts_of(each)
        planes = each.weights if each.depth is not None else each.weights[None]
        assert found.total == pytest.approx(each.weights.sum(), abs=1e-12)
        assert found.magnitude == pytest.approx(np.abs(each.weights).sum())
        assert (found.column is not None) == (found.row is not None) == (each.depth is None and found.rank == 1)
        if found.column is not None and found.row is not None:
            peak = np.abs(each.weights).max()
            np.testing.assert_allclose(np.outer(found.column, found.row), each.weights, rtol=1e-12, atol=1e-15 * peak)
        singular = np.linalg.svd(planes, compute_uv=False)
        assert found.rank == max(int((values > 1e-12 * values.max()).sum()) for values in singular)
        worst = 255.0 * (planes > 0)
        assert found.high == pytest.approx((each.weights * worst.reshape(each.weights.shape)).sum() + each.bias)
        assert found.low + found.high == pytest.approx(255 * each.weights.sum() + 2 * each.bias, abs=1e-9)
        assert found.low <= found.high
        assert found.peak_gain <= found.magnitude + 1e-9
        assert found.peak_gain >= abs(found.total) - 1e-9
        assert ("left-right even" in found.symmetry) == np.allclose(planes, planes[..., ::-1], atol=1e-12)
        assert ("half turn odd" in found.symmetry) == np.allclose(planes, -planes[..., ::-1, ::-1], atol=1e-12)


@pytest.mark.parametrize(
    ("spec", "rank", "column", "row"),
    [
        ("-1 -2; -2 -4", 1, [-1, -2], [1, 2]),
        ("log", 3, None, None),
        ("dog", 2, None, None),
        ("blur", 1, [1 / 16, 2 / 16, 1 / 16], [1, 2, 1]),
        ("prewitt-y", 1, [-1, 0, 1], [1, 1, 1]),
        ("edge", 2, None, None),
        ("sharpen", 2, None, None),
        ("disk", 4, None, None),
        ("emboss", 2, None, None),
        ("gabor", 1, None, None),
        ("farid-x", 1, None, None),
        ("gabor:theta=45,gamma=1", 2, None, None),
        ("gaussian:sigma=5", 1, None, None),
        ("0 0; 0 0", 0, None, None),
        ("luma", 1, None, None),
    ],
)
def test_rank_and_factors(spec: str, rank: int, column: list[float] | None, row: list[float] | None) -> None:
    found = facts_of(kernel(spec))
    assert found.rank == rank
    if column is not None:
        assert found.column is not None
        assert found.row is not None
        assert (found.column.tolist(), found.row.tolist()) == (column, row)


@pytest.mark.parametrize(
    ("spec", "symmetry"),
    [
        ("blur", ("left-right even", "top-bottom even", "half turn even", "transpose even")),
        ("gaussian", ("left-right even", "top-bottom even", "half turn even", "transpose even")),
        ("sobel-y", ("left-right even", "top-bottom odd", "half turn odd")),
        ("roberts-1", ("half turn odd", "transpose even")),
        ("central-x", ("left-right odd", "top-bottom even", "half turn odd")),
        ("gabor:theta=20", ("half turn even",)),
        ("gabor:theta=20,phase=90", ("half turn odd",)),
        ("1 2; 3 4", ()),
        ("opponent-rg", ("left-right even", "top-bottom even", "half turn even", "transpose even")),
    ],
)
def test_symmetry(spec: str, symmetry: tuple[str, ...]) -> None:
    assert facts_of(kernel(spec)).symmetry == symmetry


def test_response_is_the_fourier_transform() -> None:
    weights: NDArray[np.float64] = np.random.default_rng(3).normal(size=(4, 7))
    found = response(make_kernel("random", weights), 17)
    padded = np.fft.fftshift(np.abs(np.fft.fft2(weights, (16, 16))))
    np.testing.assert_allclose(found[:16, :16], padded, rtol=1e-9)
    assert found[8, 8] == pytest.approx(abs(weights.sum()))


def test_gains_by_hand() -> None:
    assert facts_of(kernel("blur")).peak_gain == pytest.approx(1)
    assert facts_of(kernel("laplacian-4")).peak_gain == pytest.approx(8)
    assert facts_of(kernel("edge")).peak_gain == pytest.approx(12)
    assert facts_of(kernel("shift-n")).peak_gain == pytest.approx(1)


# check


def test_check_tells_good_from_bad(capsys: pytest.CaptureFixture[str]) -> None:
    Path("good.yaml").write_text("one:\n  weights: [[1]]\nall:\n  maps: [one, sobel, kirsch]\n")
    Path("bad.yaml").write_text("one:\n  weights: [[1], [2, 3]]\n")
    Path("late.yaml").write_text("one:\n  maps: [nothing-like-it]\n")
    np.save("bank.npy", np.ones((4, 3, 3)))
    assert run("check", "good.yaml") == 0
    assert capsys.readouterr() == ("good.yaml: good, 2 names, 12 maps\n", "")
    assert run("check", "good.yaml", "bank.npy") == 0
    assert capsys.readouterr() == ("good.yaml: good, 2 names, 12 maps\nbank.npy: good, 4 kernels\n", "")
    assert run("check", "bad.yaml") == 1
    assert capsys.readouterr() == (
        "",
        "convtool: bad.yaml:2: one: weights: row 2 has 2 weights, row 1 has 1\n",
    )
    assert run("check", "missing.yaml") == 1
    assert capsys.readouterr() == ("", "convtool: missing.yaml: No such file or directory\n")
    assert run("check", "late.yaml", "good.yaml", "bad.yaml") == 1
    out, err = capsys.readouterr()
    assert out == "good.yaml: good, 2 names, 12 maps\n"
    assert [line.split(": ")[1] for line in err.splitlines()] == ["late.yaml:2", "bad.yaml:2"]
    assert run("check") == 2


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_shipped_file_is_good(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", str(path)) == 0
    assert "good" in capsys.readouterr().out


# The shipped files


@pytest.mark.parametrize("name", NAMES)
def test_every_definition_has_what_the_contract_gives_it(name: str) -> None:
    family = NAMES[name]
    definition = TEXTS[family][name]
    assert definition["summary"].strip()
    assert definition["source"].strip()
    if "maps" in definition:
        return
    for each in Library().load(name).kernels:
        assert each.range == OTHER_RANGES.get(name, RANGES[family])
        assert each.summary == definition["summary"]
        assert each.source == definition["source"]


def test_every_generator_has_a_kernel_of_its_name() -> None:
    made = {name for names in TEXTS.values() for name, definition in names.items() if "generator" in definition}
    assert {name for name in made if not name.startswith("laws-")} == set(GENERATORS) - {"laws"}
    assert len(made) == len(GENERATORS) - 1 + 25


def test_showing_one_kernel_reads_no_file_whole() -> None:
    code = (
        "import sys; from convtool.cli import main\n"
        "import convtool.kernels.folders as f; real = f.read_definitions\n"
        "f.read_definitions = lambda path: (print('read', path.stem, file=sys.stderr), real(path))[1]\n"
        "main(['kernels', 'show', 'sobel-x'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""


# Stacks


def test_stacks_are_listed_with_their_layers(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("stacks") == 0
    lines = [line.split(maxsplit=3) for line in capsys.readouterr().out.splitlines()]
    folder = Path(__file__).parents[2] / "kernels" / "stacks"
    files = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in folder.glob("*.yaml")}
    expected = [[name, str(len(each["layers"])), "layers", each["summary"]] for name, each in sorted(files.items())]
    assert lines == expected


def test_a_stack_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    Path("good.yaml").write_text("layers:\n  - kernels: sobel\n")
    Path("bad.yaml").write_text("layers:\n  - kernels: sobbel\n")
    assert run("check", "good.yaml", "bad.yaml") == 1
    out, err = capsys.readouterr()
    assert out == "good.yaml: good, a stack of 1 layer, 2 maps\n"
    assert err.startswith("convtool: bad.yaml:2: layer 1: there is no kernel 'sobbel'; did you mean sobel")
