"""The page's arithmetic by itself: conv.js, loaded into an empty page, against the modules that say what it must do."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from convtool.engine.border import MODES, Border
from convtool.engine.geometry import Padding, resolve
from convtool.explain.toning import tone_steps
from convtool.tone.extent import Extent
from convtool.tone.ranges import Range
from tests.support.browser import browser

if TYPE_CHECKING:
    from playwright.sync_api import Page

CONV = Path(__file__).resolve().parents[2] / "convtool" / "explain" / "web" / "conv.js"


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with browser() as chromium:
        page = chromium.new_page()
        page.add_script_tag(content=CONV.read_text(encoding="utf-8"))
        yield page


def test_borders(page: Page) -> None:
    positions = list(range(-25, 26))
    ask = "([mode, sizes, at]) => sizes.map((size) => at.map((each) => Conv.place(each, size, mode)))"
    for mode in MODES:
        found = page.evaluate(ask, [mode, [1, 2, 3, 7], positions])
        for size, row in zip((1, 2, 3, 7), found, strict=True):
            assert row == Border(mode).source(np.array(positions), size).tolist(), (mode, size)


def test_sizes_and_named_padding(page: Page) -> None:
    paddings: list[Padding] = ["same", "valid", "full", ((1, 2), (1, 2))]
    cases = [
        (size, kernel, stride, dilation, padding)
        for size, kernel, stride, dilation, padding in product((5, 8, 9), (1, 2, 3, 4), (1, 2, 3, 7), (1, 2), paddings)
        if size >= dilation * (kernel - 1) + 1
    ]
    asked = [[*case[:4], case[4] if isinstance(case[4], str) else case[4][0]] for case in cases]
    found = page.evaluate(
        """(cases) => cases.map(([size, kernel, stride, dilation, padding]) =>
             Conv.axis(size, kernel, stride, dilation, Conv.padding(padding, size, kernel, stride, dilation)))""",
        asked,
    )
    for (size, kernel, stride, dilation, padding), axis in zip(cases, found, strict=True):
        rows = resolve(
            (size, size), (kernel, kernel), stride=(stride, stride), padding=padding, dilation=(dilation, dilation)
        ).rows
        assert [axis[key] for key in ("before", "after", "out", "span")] == [
            rows.before,
            rows.after,
            rows.out,
            rows.span,
        ]


@pytest.mark.parametrize("how", ["clip", "abs", "shift", "stretch", "symmetric"])
def test_tones(page: Page, how: str) -> None:
    raws = [-300.0, -0.5, 0.0, 0.25, 0.5, 1.5, 2.5, 127.0, 254.5, 255.0, 255.5, 700.0, 70000.0]
    for source, target, gain in product(("uint8", "uint16"), ("uint8", "uint16", "float32"), (1, 4)):
        ends = Extent(-300.0, 70000.0, (Fraction(-300), Fraction(70000)))
        policy = Range(how, Fraction(1, gain))
        found = page.evaluate(
            """([raws, how, gain, from, to]) => raws.map((raw) =>
                 Conv.toneSteps(raw, { how, gain }, from, to, [-300, 70000]))""",
            [raws, how, 1 / gain, source, target],
        )
        for raw, steps in zip(raws, found, strict=True):
            expected = tone_steps(Fraction(raw), policy, source, target, ends)
            values = [float(step.value) for step in expected]
            if how in ("clip", "abs", "shift") and source == target:
                assert [name for name, _ in steps] == [step.name for step in expected]
                assert [value for _, value in steps] == values
            elif values:  # a double may round what is no double
                assert steps[-1][1] == pytest.approx(values[-1], rel=1e-12, abs=1e-9)


def test_a_kernel_of_impulses_finds_its_way(page: Page) -> None:
    # 1 ... 9 on an impulse: correlation lays the weights down turned by 180 degrees.
    found = page.evaluate(
        """() => {
          const plane = new Float64Array(25), axis = Conv.axis(5, 3, 1, 1, [1, 1]);
          plane[12] = 1;
          const filter = { weights: [1, 2, 3, 4, 5, 6, 7, 8, 9], rows: axis, columns: axis, scale: 1, bias: 0,
                           border: { mode: "zeros", value: 0 } };
          const flipped = { ...filter, weights: Conv.flipped(filter.weights, 9) };
          return [filter, flipped].map((each) => [...Conv.correlate([plane], each)]);
        }"""
    )
    plain, flipped = (np.array(each).reshape(5, 5)[1:4, 1:4] for each in found)
    assert plain.tolist() == [[9, 8, 7], [6, 5, 4], [3, 2, 1]]
    assert flipped.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
