"""What ``convtool explain`` prints: golden text for the two demonstrations, and every number in it recomputed.

The recomputation starts from the sample images and the YAML of the kernels, and reads the printed text back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from PIL import Image

from convtool.explain.figures import Figures, brief, columns, flow, grid, wrapped
from convtool.explain.words import LANGUAGES, WORDS, Words
from tests.support.pictures import Run

Array = NDArray[Any]
ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).parents[1] / "data" / "explain"

DEMOS: dict[str, dict[str, Any]] = {
    "8x8": {"file": "teaching.png", "kernels": "edge", "maps": ["sobel-x"], "stride": 1, "pad": 0, "names": ["grey"]},
    "rgb": {
        "file": "teaching-rgb.png",
        "kernels": "layers",
        "maps": ["teaching-layer-1", "teaching-layer-2"],
        "stride": 2,
        "pad": 1,
        "names": ["R", "G", "B"],
    },
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("demo", "places"), [("8x8", ("0,2", "2,4")), ("rgb", ("0,0", "1,2"))])
def test_golden(explain: Run, demo: str, places: tuple[str, str], language: str) -> None:
    at = [word for place in places for word in ("--at", place)]
    code, out, err = explain("--demo", demo, *at, "--lang", language)
    assert (code, err) == (0, "")
    assert out == (GOLDEN / f"{demo}-{language}.txt").read_text("utf-8")


class Layer:
    """A demonstration computed here: samples (C, H, W), and for each map weights (C, kh, kw), bias and raw values."""

    def __init__(self, demo: str) -> None:
        about = DEMOS[demo]
        with Image.open(ROOT / "sample_images" / about["file"]) as image:
            samples = np.asarray(image, dtype=np.int64)
        self.samples = samples[None] if samples.ndim == 2 else samples.transpose(2, 0, 1)
        self.names, self.stride, self.pad = about["names"], about["stride"], about["pad"]
        self.padded = np.pad(self.samples, ((0, 0), (self.pad, self.pad), (self.pad, self.pad)))
        kernels = yaml.safe_load((ROOT / "kernels" / f"{about['kernels']}.yaml").read_text("utf-8"))
        self.maps = {}
        for label in about["maps"]:
            weights = np.array(kernels[label]["weights"])
            weights = weights[None] if weights.ndim == 2 else weights
            self.maps[label] = (weights, kernels[label].get("bias", 0), kernels[label]["range"])
        self.size = tuple((n + 2 * self.pad - 3) // self.stride + 1 for n in self.samples.shape[1:])

    def window(self, i: int, j: int) -> Array:
        top, left = i * self.stride, j * self.stride
        return self.padded[:, top : top + 3, left : left + 3]

    def raw(self, label: str, i: int, j: int) -> int:
        weights, bias, _ = self.maps[label]
        return int((weights * self.window(i, j)).sum() + bias)

    def written(self, label: str, i: int, j: int) -> int:
        how, raw = self.maps[label][2], self.raw(label, i, j)
        if how == "abs":
            return min(abs(raw), 255)
        assert how == "symmetric"
        peak = max(abs(self.raw(label, *at)) for at in np.ndindex(*self.size))
        return round(raw / peak * 127 + 128)


def numbers(text: str) -> list[int]:
    return [int(found) for found in re.findall(r"-?\d+", text)]


@pytest.mark.parametrize("demo", DEMOS)
def test_every_number_is_the_definitions(explain: Run, demo: str) -> None:
    run = Layer(demo)
    places = list(np.ndindex(*run.size))
    at = [word for i, j in places for word in ("--at", f"{i},{j}")]
    code, out, _ = explain("--demo", demo, *at)
    assert code == 0
    head, *blocks = re.split(r"^Map ", out, flags=re.MULTILINE)
    check_head(head, run)
    expected = [(label, i, j) for i, j in places for label in run.maps]
    assert len(blocks) == len(expected)
    for block, (label, i, j) in zip(blocks, expected, strict=True):
        check_block(block, run, label, i, j)


def check_head(head: str, run: Layer) -> None:
    channels, height, width = run.samples.shape
    assert f"{height}x{width}  {' '.join(run.names)}  uint8" in head
    assert len(run.names) == channels
    assert f"stride    {run.stride}x{run.stride}" in head
    assert f"{run.pad} above, {run.pad} below, {run.pad} left, {run.pad} right, border zeros" in head
    formulas = re.findall(r"floor\(\((.+)\) / (\d+)\) \+ 1 = (\d+)$", head, re.MULTILINE)
    assert len(formulas) == 2
    for (inner, stride, result), size, out in zip(formulas, (height, width), run.size, strict=True):
        assert inner == f"{size} + {run.pad} + {run.pad} - 1*(3 - 1) - 1"
        assert int(stride) == run.stride
        assert int(result) == out


def check_block(block: str, run: Layer, label: str, i: int, j: int) -> None:
    lines = block.splitlines()
    assert lines[0] == f"{label}, output row {i}, column {j}"
    weights, bias, how = run.maps[label]
    window = run.window(i, j)
    top, left = i * run.stride - run.pad, j * run.stride - run.pad
    height, width = run.samples.shape[1:]
    subtotals = []
    starts = [n for n, line in enumerate(lines) if line.startswith("  channel ")]
    assert len(starts) == len(run.names)
    for c, start in enumerate(starts):
        assert lines[start] == f"  channel {run.names[c]}: rows {top} to {top + 2}, columns {left} to {left + 2}"
        assert lines[start + 1].split() == ["window", "kernel", "products"]
        outside = False
        for u in range(3):
            cells = lines[start + 2 + u].split()
            for v in range(3):
                padding = not (0 <= top + u < height and 0 <= left + v < width)
                outside = outside or padding
                value = int(window[c, u, v])
                assert cells[v] == (f"({value})" if padding else str(value))
            assert numbers(" ".join(cells[3:6])) == weights[c, u].tolist()
            assert numbers(" ".join(cells[6:])) == (weights[c, u] * window[c, u]).tolist()
        subtotals.append(int((weights[c] * window[c]).sum()))
        after = lines[start + 5 + outside]
        assert ("from the padding" in lines[start + 5]) == outside
        assert after == f"    subtotal of {run.names[c]}: {subtotals[c]}"
    facts = dict(re.findall(r"^  (sum|bias|raw|range|dtype|written) +(.+)$", block, re.MULTILINE))
    assert set(facts) == {"sum", "bias", "raw", "range", "dtype", "written"}
    raw, written = run.raw(label, i, j), run.written(label, i, j)
    terms, _, total = facts["sum"].partition(" = ")
    assert eval(terms) == sum(subtotals) == int(total or terms)
    assert numbers(terms.replace("- ", "-")) == subtotals
    terms, _, total = facts["bias"].partition(" = ")
    assert numbers(terms.replace("- ", "-")) == [sum(subtotals), bias]
    assert int(total) == int(facts["raw"]) == raw
    if how == "abs":
        assert facts["range"] == f"abs: the magnitude of {raw} is {abs(raw)}"
        end = f"{abs(raw)} clipped to 0..255 = 255" if abs(raw) > 255 else f"{abs(raw)} fits"
        assert facts["dtype"] == f"uint8: {end}"
    else:
        peak = max(abs(run.raw(label, *at)) for at in np.ndindex(*run.size))
        toned = raw / peak * 127 + 128
        text = Figures()(toned)
        assert facts["range"] == f"symmetric: {raw} / {peak} times 127 + 128 = {text}"
        assert facts["dtype"] == f"uint8: {text} " + (
            "fits" if toned == int(toned) else f"rounded half to even = {written}"
        )
    assert facts["written"] == str(written)


def test_without_at_the_strongest_answer_is_shown(explain: Run) -> None:
    _, out, _ = explain("--demo", "8x8")
    assert "Map sobel-x, output row 0, column 2\nThis is the strongest answer of all maps" in out
    _, out, _ = explain("--demo", "rgb")
    assert "Map teaching-layer-1, output row 1, column 0\nThis is the strongest" in out


def test_every_map_and_plane_is_shown(explain: Run, tmp_path: Path) -> None:
    Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3)).save("a.png")
    _, out, _ = explain("a.png", "-k", "sobel", "--at", "4,5")
    assert re.findall(r"^Map (.+), output row 4, column 5$", out, re.MULTILINE) == [
        f"sobel-{axis}, channel {plane}" for axis in "xy" for plane in "RGB"
    ]


def test_scales_and_fractions(explain: Run) -> None:
    Image.fromarray(np.arange(100, dtype=np.uint8).reshape(10, 10)).save("a.png")
    _, out, _ = explain("a.png", "-k", "blur", "--bias", "0.1", "--at", "4,5")
    assert "sum      720\n  scale    720 * 1/16 = 45\n  bias     45 + 0.1 = 45.1\n  raw      45.1\n" in out
    assert "dtype    uint8: 45.1 rounded half to even = 45\n" in out
    _, out, _ = explain("a.png", "-k", "gaussian:sigma=0.5", "--at", "4,5", "--dtype", "float32")
    assert out.endswith("  Numbers are shown to four decimals.\n")
    assert "  dtype    float32: 45 fits\n  written  45\n" in out


def test_merging_is_told(explain: Run) -> None:
    Image.fromarray(np.array([[0, 0, 0], [0, 0, 30], [0, 40, 0]], np.uint8)).save("a.png")
    _, out, _ = explain("a.png", "-k", "shift-e", "-k", "shift-s", "--merge", "magnitude", "--at", "2,2")
    assert "  Kernel shift-e\n" in out
    assert "  merge    sqrt(40^2 + 30^2) = 50\n  range    clip: 50 stays as it is until the end\n" in out
    for how, told in (("max", "max(40, 30) = 40"), ("mean", "(40 + 30) / 2 = 35"), ("sum", "40 + 30 = 70")):
        _, out, _ = explain("a.png", "-k", "shift-e", "-k", "shift-s", "--merge", how, "--at", "2,2")
        assert f"  merge    {told}\n" in out


def test_large_kernels_are_told_by_their_largest_products(explain: Run) -> None:
    image = np.zeros((40, 40), np.uint8)
    image[20, 21], image[19, 20] = 200, 100
    Image.fromarray(image).save("a.png")
    _, out, _ = explain("a.png", "-k", "box:size=21", "--at", "20,20")
    assert "441 taps; the largest products" in out
    assert "row 20, column 21: 200 times 1 = 200\n      row 19, column 20: 100 times 1 = 100\n" in out
    assert "the 433 others together: 0\n    subtotal of grey: 300\n" in out
    assert "scale    300 * 1/441 = 0.6803" in out
    _, out, _ = explain("a.png", "-k", "box:size=21", "--at", "0,0", "-b", "constant=9")
    assert "row -10, column -10: 9 times 1 = 9 (padding)" in out


def test_dilation_and_alpha_are_told(explain: Run) -> None:
    image = np.full((9, 9, 4), 50, np.uint8)
    image[0, 1, 3] = 77
    Image.fromarray(image).save("a.png")
    _, out, _ = explain("a.png", "-k", "blur", "--dilation", "2x1", "--alpha", "keep", "--at", "0,1")
    assert "channel R: rows -2 to 2, columns 0 to 2, every 2x1" in out
    assert "alpha    the input's at row 0, column 1: 77" in out


def test_sums_weighted_by_alpha_are_told(explain: Run) -> None:
    grey = np.full((3, 3, 2), [40, 255], np.uint8)
    grey[1, 2], grey[0, 0] = (200, 0), (90, 51)
    Image.fromarray(grey, "LA").save("a.png")
    _, out, _ = explain("a.png", "-k", "blur", "--at", "1,1")
    # 40 * (1 + 2 + 1 + ... ) without the hidden 2, and a fifth of the corner's 90.
    total = 40 * 13 + 90 * 0.2
    assert f"  sum      {total:g}\n" in out
    assert f"  alpha    {total:g} / 13.2 * 16 = 652.1212 (only what is visible counts)\n" in out
    assert "  scale    652.1212 * 1/16 = 40.7576\n" in out
    assert "  written  41\n  alpha    13.2 of 16 is visible, of 255: 210\n" in out
    _, out, _ = explain("a.png", "-k", "edge", "--at", "1,1")
    corner = 0.2 * 90 + 0.8 * 40  # the rest counts as the anchor, which is 40
    first = out.partition("products\n")[2].splitlines()[0].split()
    assert [float(number) for number in first] == [corner, 40, 40, 0.2, 1, 1, -1, -1, -1, -corner, -40, -40]
    assert "values are mixed with the anchor pixel, row 1, column 1, where alpha is below 1" in out
    assert f"  raw      {40 - corner:g}\n" in out
    assert "  alpha    the input's at row 1, column 1: 255\n" in out


@pytest.mark.parametrize("demo", DEMOS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_lines_fit_80_columns_and_have_no_escapes(explain: Run, demo: str, language: str) -> None:
    for options in (("--at", "0,0"), ("--steps",), ()):
        _, out, _ = explain("--demo", demo, "--lang", language, *options)
        assert "\x1b" not in out
        assert max(columns(line) for line in out.splitlines()) <= 80
        assert not re.search(r"\d,\d{3}\b", out)


# Words and figures


def test_languages_say_the_same() -> None:
    for key, (english, chinese) in WORDS.items():
        places = [sorted(re.findall(r"(?<!\{)\{(\w+)", text)) for text in (english, chinese)]
        assert set(places[0]) == set(places[1]), key
        assert english != chinese or not english


def test_a_language_that_is_not_there(explain: Run) -> None:
    code, _, err = explain("--demo", "8x8", "--lang", "de")
    assert code == 2
    assert "lang 'de' is not one of en, zh" in err
    with pytest.raises(ValueError, match="one of en, zh"):
        Words("de")


@pytest.mark.parametrize(
    ("value", "text", "rounded"),
    [
        (0.0, "0", False),
        (-0.0, "0", False),
        (1234567.0, "1234567", False),
        (0.0625, "0.0625", False),
        (1 / 3, "0.3333", True),
        (-2 / 3, "-0.6667", True),
        (0.00012345678, "0.0001235", True),
        (float("nan"), "nan", False),
        (float("-inf"), "-inf", False),
    ],
)
def test_figures(value: float, text: str, rounded: bool) -> None:
    figure = Figures()
    assert (figure(value), figure.rounded) == (text, rounded)


def test_cells_are_brief() -> None:
    assert [brief(v) for v in (12345.0, 1 / 3, 153.724, float("inf"))] == ["12345", "0.3333", "153.7", "inf"]


def test_blocks_flow() -> None:
    assert columns("输入 R") == 6
    block = grid([["1", "-20"], ["300", "4"]])

    def told(width: int) -> Iterator[str]:
        return ("".join(piece.text for piece in line) for line in flow([block, block], width))

    assert list(told(40)) == ["    1 -20     1 -20", "  300   4   300   4"]
    assert list(told(15)) == ["    1 -20", "  300   4"] * 2


def test_wrapping() -> None:
    assert list(wrapped("one two three four", 9)) == ["one two", "  three", "  four"]
    assert list(wrapped("第一步，共二步：完成。", 10)) == ["第一步，", "  共二步：", "  完成。"]
    for width in (20, 33, 80):
        text = "step 3 of 36: sobel-x, row 0: -20 + 100 - 40 + 200 = 320; raw 320，写入 255。"
        lines = list(wrapped(text, width))
        assert max(map(columns, lines)) <= width
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")
