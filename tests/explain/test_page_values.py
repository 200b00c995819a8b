"""Every value that the page shows is the engine's: after loading it, and after each of its controls was used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from convtool.explain.making import explain
from convtool.explain.model import ExplainedMap, Explanation
from convtool.explain.page import render
from convtool.kernels.kernel import Kernel, KernelSet
from convtool.kernels.library import Library
from convtool.layers.settings import Settings
from convtool.pictures.picture import Picture, picture_from_array
from convtool.tone.ranges import Range, parse_range
from tests.support.browser import browser, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser

BORDERS = ("zeros", "constant", "replicate", "reflect", "symmetric", "circular")
ACTIVATIONS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "relu": lambda y: np.maximum(y, 0),
    "leaky": lambda y: np.where(y < 0, 0.01 * y, y),
    "abs": np.abs,
    "sigmoid": lambda y: 0.5 + 0.5 * np.tanh(y / 2),
    "tanh": np.tanh,
}
USE = """(turns) => {
  const { app } = window.convtool, { layer } = app;
  const shown = () => {
    const { rows, columns } = app.filter, texts = [];
    for (let i = 0; i < rows.out; i++) {
      for (let j = 0; j < columns.out; j++) texts.push(app.output.options.describe(i, j).split(": ")[1]);
    }
    return {
      values: layer.filters.map((filter) => filter.values.map((plane) => [...plane])),
      written: layer.maps.map((map) => map.written.map((plane) => [...plane])),
      clipped: layer.maps.map((map) => map.clipped),
      changed: layer.changed,
      problem: document.getElementById("problem").textContent,
      texts,
    };
  };
  return turns.map((fields) => {
    for (const [name, value, number] of fields) {
      const field = document.querySelectorAll(name)[number || 0];
      if (value === null) field.click();
      else {
        field.value = value;
        field.dispatchEvent(new Event("change", { bubbles: true }));
      }
    }
    return shown();
  });
}"""
"""Fields are given values one turn after the other, or clicked; after each turn, what the page shows."""

Fields = list[tuple[Any, ...]]


class Turn(NamedTuple):
    """Fields that are used, and what the run is then."""

    fields: Fields
    run: Drawn
    activation: str = "none"


class Drawn(NamedTuple):
    """A run made of chance."""

    picture: Picture
    sets: list[KernelSet]
    settings: Settings

    def explained(self) -> Explanation:
        # Names decide the type of the maps: png keeps that of whole numbers, npy is float.
        name = "drawn.npy" if self.picture.samples.dtype.kind == "f" else "drawn.png"
        return explain(self.picture, self.sets, self.settings, name=name, command=f"convtool apply {name}")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as made:
        yield made


def own(label: str, weights: NDArray[Any], bias: float, policy: str) -> KernelSet:
    kernel = Kernel(label, weights.astype(np.float64), bias=bias, range=parse_range(policy))
    return KernelSet(label, (kernel,), "")


def draw(seed: int) -> Drawn:
    rng = np.random.default_rng(seed)
    kind = ("grey", "rgb", "depth", "four", "sum")[seed % 5]
    shape = tuple(int(n) for n in rng.integers(7, 14, 2)) + (() if kind == "grey" else (3,))
    dtype = ("uint8", "uint8", "float32", "uint16")[seed // 5 % 4]
    samples = rng.random(shape, dtype=np.float32)
    if dtype != "float32":
        samples = (samples * np.iinfo(dtype).max).astype(dtype)
    sides = tuple(int(n) for n in rng.integers(1, 5, 2))
    policy = ("clip", "abs", "shift", "stretch", "symmetric", "abs:1/4")[seed % 6]
    sets = {
        "grey": lambda: [own("own", rng.integers(-4, 5, sides), float(rng.integers(-9, 9)), policy)],
        "rgb": lambda: [own("own", rng.normal(size=sides), 0.5, policy)],
        "depth": lambda: [own(f"own{n}", rng.integers(-3, 4, (3, *sides)), float(n), policy) for n in range(2)],
        "four": lambda: Library().load_all(["four-views"]),
        "sum": lambda: [own("own", rng.integers(-4, 5, sides), 1.0, policy)],
    }[kind]()
    pads: list[Any] = ["same", "valid", "full", ((1, 1), (1, 1)), ((0, 2), (3, 1))]
    settings = Settings(
        stride=tuple(int(n) for n in rng.integers(1, 4, 2)),  # type: ignore[arg-type]
        padding=pads[int(rng.integers(len(pads)))],
        border=(BORDERS[seed % 6], 7.5 if BORDERS[seed % 6] == "constant" else 0.0),
        dilation=(1 + seed % 2, 1 + seed // 2 % 2),
        channels="sum" if kind == "sum" else None,
        flip=seed % 7 == 0,
    )
    return Drawn(picture_from_array(samples), sets, settings)


def check(shown: dict[str, Any], run: Drawn, activation: str) -> None:
    """The page shows what the engine makes of this run."""
    assert shown["problem"] == ""
    told = run.explained()
    top = max(float(np.abs(told.planes.astype(float)).max()), abs(run.settings.edge[1]))
    for at, one in enumerate(told.filters):
        bound = 1e-5 * float(np.abs(one.weights).sum() * abs(one.scale)) * top + 1e-9
        expected = one.values.astype(np.float64).reshape(len(one.values), -1)
        if activation != "none":
            expected = ACTIVATIONS[activation](expected)
        values = np.array(shown["values"][at])
        assert values.shape == expected.shape
        assert float(np.abs(values - expected).max()) <= bound
        if at == 0:
            texts = np.array([float(text.replace("−", "-")) for text in shown["texts"]])
            assert float(np.abs(texts - expected[0]).max()) <= max(bound, 1e-6 * float(np.abs(expected).max()))
    for at, each in enumerate(told.maps) if activation == "none" else ():
        check_written(np.array(shown["written"][at]), shown["clipped"][at], each, told, top)


def check_written(written: NDArray[Any], clipped: int, each: ExplainedMap, told: Explanation, top: float) -> None:
    """Saved samples: the same bytes where sums are exact, else next to them at most."""
    whole = all(np.all(f.weights == np.rint(f.weights)) for f in each.filters) and told.dtype != "float32"
    exact = whole and each.dtype != "float32" and each.range.how not in ("stretch", "symmetric")
    expected = each.written.astype(np.float64).transpose(2, 0, 1).reshape(written.shape)
    slack = 0.0 if exact else 1.0 if each.dtype != "float32" else 1e-4 * max(top, 1.0)
    assert float(np.abs(written - expected).max()) <= slack, each.label
    if exact:
        assert clipped == each.clipped


@pytest.mark.parametrize("seed", range(30))
def test_values_are_the_engines(chromium: Browser, tmp_path: Path, seed: int) -> None:
    run = draw(seed)
    used = list(turns(run, np.random.default_rng(seed)))
    with opened(chromium, tmp_path / "page.html", render(run.explained())) as page:
        shown = page.page.evaluate(USE, [turn.fields for turn in used])
    assert len(shown) == 22
    assert [each["changed"] for each in (shown[0], shown[-1])] == [False, False]
    for turn, found in zip(used, shown, strict=True):
        check(found, turn.run, turn.activation)


def turns(run: Drawn, rng: np.random.Generator) -> Iterator[Turn]:
    """Every control, one after the other; what they set adds up. In the end, back to the run."""
    original = run
    border = run.settings.edge

    def turn(fields: Fields, **changes: Any) -> Turn:
        nonlocal run
        run = run._replace(settings=run.settings._replace(**changes))
        return Turn(fields, run)

    yield turn([])
    # Padding first: without it the kernel may not fit what follows.
    yield turn([("#pad", "full")], padding="full", border=border)
    sides = [(f"#pad-{side}", value) for side, value in zip("trbl", (4, 3, 2, 5), strict=True)]
    yield turn([*sides], padding=((4, 2), (5, 3)))
    yield turn([("#pad", "same")], padding="same")
    rows, columns = (int(n) for n in rng.integers(1, 4, 2))
    yield turn([("#stride-r", rows)], stride=(rows, run.settings.stride[1]))
    yield turn([("#stride-c", columns)], stride=(rows, columns))
    rows, columns = (int(n) for n in rng.integers(1, 3, 2))
    yield turn([("#dilation-r", rows), ("#dilation-c", columns)], dilation=(rows, columns))
    for mode in BORDERS:
        value: Fields = [("#border-value", "-2.5")] if mode == "constant" else []
        yield turn([("#border", mode), *value], border=(mode, -2.5 if mode == "constant" else 0.0))
    yield turn([("#flip", None)], flip=not run.settings.flip)
    for name in ACTIVATIONS:
        yield Turn([("#activation", name)], run, name)
    yield Turn([("#activation", "none")], run)
    yield edited(run)
    yield Turn([("#reset", None)], original)


def edited(run: Drawn) -> Turn:
    """The first weight as shown becomes 2.25, the bias 3."""
    first = run.sets[0].kernels[0]
    shown = run.explained().filters[0]
    weights = first.weights.copy()
    flat = weights.reshape(-1, *weights.shape[-2:])
    slices = range(len(shown.weights)) if first.depth is None else [0]  # weights without depth are one for all
    fields: Fields = [(".slice .weights input:first-child", "2.25", c) for c in slices]
    corner = (-1, -1) if run.settings.flip else (0, 0)
    flat[0][corner] = 2.25 * float(shown.scale)
    kernel = Kernel(first.label, weights, bias=3.0, range=first.range or Range("clip"))
    changed = replace(run.sets[0], kernels=(kernel, *run.sets[0].kernels[1:]))
    return Turn([*fields, ("#bias", "3")], run._replace(sets=[changed, *run.sets[1:]]))
