"""The page in use: play, step, scrub, pointer, keyboard, what is said, and what an accessibility checker says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from convtool.engine import reference
from convtool.explain.model import Crop
from convtool.explain.page import render
from convtool.layers.settings import Settings
from tests.support.browser import AXE, Opened, browser, missing, opened
from tests.support.pages import demo, photo

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Viewport = dict[str, int]
WIDE: Viewport = {"width": 1280, "height": 900}
SMALL = Crop(340, 770, 20, 24)
NARROW: Viewport = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as made:
        yield made


@pytest.fixture
def grey(chromium: Browser, tmp_path: Path) -> Iterator[Opened]:
    with opened(chromium, tmp_path / "page.html", render(demo("8x8")), viewport=WIDE) as page:
        yield page


@pytest.fixture
def layer(chromium: Browser, tmp_path: Path) -> Iterator[Opened]:
    with opened(chromium, tmp_path / "page.html", render(demo("rgb")), viewport=WIDE) as page:
        yield page


def at(page: Opened) -> list[int]:
    return list(page.page.evaluate("window.convtool.app.output.at"))


def words(page: Opened) -> str:
    return page.page.locator("#words-line").inner_text()


def number(text: str | None) -> float:
    return float((text or "").replace("−", "-"))


def numbers(page: Opened, selector: str) -> list[float]:
    return [number(text) for text in page.page.locator(selector).all_inner_texts()]


def test_it_opens_at_the_strongest_answer(grey: Opened) -> None:
    assert at(grey) == [0, 2]
    assert number(grey.page.locator("#chain .raw b").inner_text()) == 320
    assert number(grey.page.locator("#chain .written b").inner_text()) == 255


def test_every_number_of_every_sum_is_the_definitions(layer: Opened) -> None:
    told = demo("rgb")
    for n, one in enumerate(told.filters):
        layer.page.locator(f"input[name=filter][value='{n}']").check(force=True)
        layer.page.locator("#output .cell").focus()
        layer.page.keyboard.press("Control+Home")
        for i in range(3):
            layer.page.keyboard.press("Home")
            for j in range(3):
                assert at(layer) == [i, j]
                pixel = told.pixel(n, 0, i, j)
                cells = [cell for each in pixel.windows[0].slices for row in each.cells for cell in row]
                assert numbers(layer, ".window span") == [cell.value for cell in cells]
                assert numbers(layer, ".products span") == [cell.product for cell in cells]
                assert numbers(layer, ".subtotal") == [each.subtotal for each in pixel.windows[0].slices]
                padded = layer.page.locator(".window span").evaluate_all("all => all.map(s => s.matches('.padded'))")
                assert padded == [cell.from_padding for cell in cells]
                assert number(layer.page.locator("#chain .raw b").inner_text()) == float(pixel.raw)
                assert number(layer.page.locator("#chain .written b").inner_text()) == pixel.written
                y = reference.output(told.planes, one.weights, one.bias, one.geometry, one.border, i, j)
                assert float(pixel.raw) == y
                layer.page.keyboard.press("ArrowRight")
            layer.page.keyboard.press("ArrowDown")


def test_arrow_keys_walk_and_stop_at_the_edges(grey: Opened) -> None:
    grey.page.locator("#output .cell").focus()
    for keys, place in (
        ("Control+Home", [0, 0]), ("ArrowLeft", [0, 0]), ("ArrowDown", [1, 0]), ("End", [1, 5]), ("ArrowRight", [1, 5]),
        ("PageDown", [3, 5]), ("Control+End", [5, 5]), ("Home", [5, 0]), ("PageUp", [3, 0]), ("ArrowUp", [2, 0]),
    ):  # fmt: skip
        grey.page.keyboard.press(keys)
        assert at(grey) == place
        expected = demo("8x8").filters[0].values[0][tuple(place)]
        label = grey.page.locator("#output .cell").get_attribute("aria-label") or ""
        assert label.startswith(f"output row {place[0]}, column {place[1]}:")
        assert number(label.split(": ")[1]) == expected
        assert words(grey).startswith(f"Output row {place[0]}, column {place[1]} of sobel-x")
    assert grey.page.evaluate("document.activeElement.getAttribute('role')") == "gridcell"


def test_everything_can_be_reached_by_tab(grey: Opened) -> None:
    reached = set()
    for _ in range(60):
        grey.page.keyboard.press("Tab")
        reached.add(grey.page.evaluate("document.activeElement.id || document.activeElement.className"))
    for name in (
        "skip",
        "stride-r",
        "pad",
        "pad-t",
        "border",
        "activation",
        "flip",
        "play",
        "next",
        "back",
        "scrub",
        "speed",
    ):
        assert name in reached
    assert {"bias", "cell", "plain"} <= reached


def test_step_and_scrub(grey: Opened) -> None:
    grey.page.locator("#next").click()
    assert at(grey) == [0, 3]
    for _ in range(5):
        grey.page.locator("#back").click()
    assert at(grey) == [0, 0]
    grey.page.locator("#scrub").evaluate("(e) => { e.value = 13; e.dispatchEvent(new Event('input')); }")
    assert at(grey) == [2, 1]
    assert grey.page.locator("#scrub").get_attribute("aria-valuetext") == "row 2, column 1"


def test_a_walk_fills_the_map_up(grey: Opened) -> None:
    grey.page.locator("#scrub").evaluate("(e) => { e.value = 8; e.dispatchEvent(new Event('input')); }")
    assert grey.page.evaluate("window.convtool.app.output.rest") == [1, 2]
    grey.page.locator("#output .cell").focus()
    grey.page.keyboard.press("ArrowRight")
    assert grey.page.evaluate("window.convtool.app.output.rest") is None


def test_play_walks_to_the_end_and_pause_stops(grey: Opened) -> None:
    grey.page.locator("#speed").select_option("60")
    grey.page.locator("#play").click()
    assert grey.page.locator("#play").inner_text() == "Pause"
    grey.page.locator("#play[aria-pressed=false]").wait_for()
    assert at(grey) == [5, 5]
    assert grey.page.locator("#play").inner_text() == "Play"
    grey.page.locator("#speed").select_option("1")
    grey.page.locator("#output .cell").focus()
    grey.page.keyboard.press("Space")
    assert at(grey) == [0, 0]
    grey.page.keyboard.press("Space")
    assert grey.page.evaluate("window.convtool.app.timer") is None


def test_pointing_at_an_output_shows_its_sum(grey: Opened) -> None:
    grey.page.locator("#output").scroll_into_view_if_needed()
    box = grey.page.locator("#output").bounding_box()
    assert box is not None
    grey.page.mouse.move(box["x"] + box["width"] * 4.5 / 6, box["y"] + box["height"] * 1.5 / 6)
    assert at(grey) == [1, 4]
    assert numbers(grey, ".subtotal") == [float(demo("8x8").filters[0].values[0][1, 4])]


def test_pointing_at_an_input_shows_what_it_feeds(layer: Opened) -> None:
    told = demo("rgb").filters[0]
    grid = layer.page.locator(".slice .grid").first
    grid.scroll_into_view_if_needed()
    box = grid.bounding_box()
    assert box is not None
    for row in range(5):
        for column in range(5):
            layer.page.mouse.move(
                box["x"] + box["width"] * (column + 1.5) / 7, box["y"] + box["height"] * (row + 1.5) / 7
            )
            fed = told.feeds(row, column)
            text = layer.page.locator("#feeds").inner_text()
            assert f"row {row}, column {column} =" in text
            expected = "feeds one output" if len(fed) == 1 else f"feeds {len(fed)} outputs"
            assert expected in text
            marks = layer.page.evaluate("window.convtool.app.output.marks[0]")
            assert [(i, j) for i in marks["rows"] for j in marks["columns"]] == [
                (each.row, each.column) for each in fed
            ]
    layer.page.mouse.move(5, 5)
    assert "Point at an input" not in words(layer)


def test_controls_by_hand(grey: Opened) -> None:
    page = grey.page
    page.locator("#stride-r").fill("2")
    page.locator("#stride-r").press("Tab")
    assert page.locator("#output-title").inner_text() == "Feature map sobel-x, 3×6"
    page.locator("#pad").select_option("same")
    assert [page.locator(f"#pad-{side}").input_value() for side in "trbl"] == ["0", "1", "1", "1"]
    page.locator("#dilation-c").fill("9")
    page.locator("#dilation-c").press("Tab")
    page.locator("#pad").select_option("valid")
    assert "does not fit" in page.locator("#problem").inner_text()
    assert page.locator("#pad").input_value() == "same"
    weight = page.locator(".weights input").first
    weight.fill("x")
    weight.press("Tab")
    assert "is not a number" in page.locator("#problem").inner_text()
    weight.fill("1/4")
    weight.press("Tab")
    assert weight.input_value() == "0.25"
    assert page.locator("#note").inner_text() == "Changed: these numbers are computed by this page."
    page.locator("#reset").click()
    assert page.locator("#note").inner_text().startswith("Exactly as run")
    assert weight.input_value() == "-1"


def test_four_views_are_merged_at_the_end(chromium: Browser, tmp_path: Path) -> None:
    told = photo("four-views")
    with opened(chromium, tmp_path / "page.html", render(told), viewport=WIDE) as page:
        assert page.page.locator(".map h3").all_inner_texts() == ["edge", "blur", "sharpen", "emboss", "merged"]
        raw = np.stack([each.values for each in told.filters]).astype(np.float64).reshape(4, 3, -1)
        for how, joined in {
            "mean": raw.mean(axis=0), "max": raw.max(axis=0), "sum": raw.sum(axis=0),
            "magnitude": np.sqrt((raw**2).sum(axis=0)),
        }.items():  # fmt: skip
            page.page.locator("#merge").select_option(how)
            shown = page.page.evaluate("window.convtool.app.layer.merged.values.map((plane) => [...plane])")
            assert float(np.abs(np.array(shown) - joined).max()) < 1e-9 * 4096
        lost = page.page.locator(".map .facts dd:last-of-type").all_inner_texts()
        for each, text in zip(told.maps, lost, strict=False):
            assert f"({each.clipped}/12288)" in text


def test_a_merged_run_ends_in_the_merged_map(chromium: Browser, tmp_path: Path) -> None:
    told = photo("sobel", settings=Settings(merge="magnitude"))
    with opened(chromium, tmp_path / "page.html", render(told), viewport=WIDE) as page:
        i, j = at(page)
        assert f"merged: magnitude\n{told.maps[0].values[0, i, j]:.6g}"[:22] in page.page.locator("#chain").inner_text()
        assert number(page.page.locator("#chain .written b").inner_text()) == told.maps[0].written[i, j, 0]


def test_linear_light_is_coded_again(chromium: Browser, tmp_path: Path) -> None:
    told = photo("blur", settings=Settings(linear=True))
    with opened(chromium, tmp_path / "page.html", render(told), viewport=WIDE) as page:
        i, j = at(page)
        assert "coded again" in page.page.locator("#chain").inner_text()
        assert number(page.page.locator("#chain .written b").inner_text()) == told.maps[0].written[i, j, 0]
        page.page.locator("#border").select_option("zeros")
        shown = np.array(page.page.evaluate("window.convtool.app.layer.maps[0].written.map((plane) => [...plane])"))
        other = photo("blur", settings=Settings(linear=True, border=("zeros", 0.0))).maps[0].written
        assert float(np.abs(shown - other.transpose(2, 0, 1).reshape(3, -1).astype(float)).max()) <= 1
        assert page.page.locator(".slice h3").inner_text() == "Input linear R"


def test_a_large_crop_is_computed_by_the_page(chromium: Browser, tmp_path: Path) -> None:
    told = photo("four-views", crop=Crop(200, 700, 160, 150))
    with opened(chromium, tmp_path / "page.html", render(told), viewport=NARROW) as page:
        assert page.page.locator("#note").inner_text().startswith("As run; this part is large")
        shown = page.page.evaluate("window.convtool.app.layer.filters.map((f) => f.values.map((plane) => [...plane]))")
        for one, values in zip(told.filters, shown, strict=True):
            bound = 1e-5 * float(np.abs(one.weights).sum() * one.scale) * 255
            assert float(np.abs(np.array(values) - one.values.reshape(3, -1)).max()) <= bound
        page.page.wait_for_timeout(300)
        assert page.page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_counts_of_weights(layer: Opened) -> None:
    # Two filters of 3x3x3 and a bias each; 75 inputs, 18 outputs.
    assert layer.page.locator(".count").all_inner_texts() == ["56", "1,368"]
    texts = layer.page.locator("#overlap figcaption span").all_inner_texts()
    assert [re.findall(r"\d+", text)[:3] for text in texts] == [["2", "3", "9"], ["3", "0", "9"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize(
    ("name", "lang"),
    [("8x8", "en"), ("rgb", "zh"), ("photo", "en"), ("gaussian:sigma=1.4", "en"), ("gaussian:sigma=3", "zh")],
)
def test_no_serious_accessibility_fault(
    chromium: Browser, tmp_path: Path, lang: str, scheme: Any, viewport: Viewport, name: str
) -> None:
    if not AXE.exists():
        missing(f"no axe-core at {AXE}: npm install --prefix .ci/node axe-core")
    told = photo("four-views") if name == "photo" else demo(name) if name in ("8x8", "rgb") else photo(name, crop=SMALL)
    path, text = tmp_path / "page.html", render(told, lang)
    with opened(chromium, path, text, viewport=viewport, color_scheme=scheme, bypass_csp=True) as page:
        width = page.page.evaluate("document.documentElement.scrollWidth")
        assert width <= viewport["width"]
        page.page.add_script_tag(content=AXE.read_text(encoding="utf-8"))
        found = page.page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
        serious = [each for each in found if each["impact"] in ("serious", "critical")]
        told_faults = [(each["id"], [node["html"][:160] for node in each["nodes"]][:4]) for each in serious]
        assert told_faults == []


def test_chinese_is_complete(chromium: Browser, tmp_path: Path) -> None:
    with opened(chromium, tmp_path / "page.html", render(demo("rgb"), "zh"), viewport=WIDE) as page:
        page.page.locator("#next").click()
        text = page.page.inner_text("body")
    known = {
        *("convtool", "explain", "demo", "rgb", "html", "teaching", "png", "layer", "uint", "zeros", "constant"),
        *("replicate", "reflect", "symmetric", "circular", "same", "valid", "full", "sigmoid", "tanh", "ReLU", "Tab"),
        *("Page", "Up", "Down", "Home", "End", "Ctrl"),
    }
    assert set(re.findall(r"[A-Za-z]{2,}", text)) - known == set()


def test_reduced_motion_is_slow_and_print_is_light(chromium: Browser, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    with opened(chromium, path, render(demo("8x8")), reduced_motion="reduce", color_scheme="dark") as page:
        assert page.page.locator("#speed").input_value() == "1"
        page.page.emulate_media(media="print")
        assert page.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert not page.page.locator("#controls").is_visible()
        assert page.page.locator("#slices").is_visible()
