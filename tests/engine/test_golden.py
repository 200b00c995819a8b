"""Results that were recorded once come out again, byte for byte: in NumPy and with every width of vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convtool.engine import conv2d, core
from convtool.engine.border import MODES
from tests.support import golden
from tests.support.core_calls import WIDTHS, Recorder
from tests.support.fused import FUSED
from tests.support.golden import CASES

ENGINES = ("numpy", *WIDTHS)

NAMES = list(CASES)
OUTPUTS = ("colour of four", "planes", "backwards", "gaps")


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let one engine do all sums, and see that it did."""
    level = None if request.param == "numpy" else WIDTHS.index(request.param)
    monkeypatch.setattr(core, "width", lambda: level)
    recorder = Recorder()
    monkeypatch.setattr(core, "_core", recorder)
    yield request.param
    assert recorder.levels == (set() if level is None else {level})


def differing(engine: str, names: list[str], step: int | None = None, layout: str = "plain") -> list[str]:
    recorded = golden.recorded(fused=engine in FUSED)
    return [name for name in names if golden.entry(CASES[name], step, layout) != recorded[name]]


def test_every_result_is_the_recorded_one(engine: str) -> None:
    assert differing(engine, NAMES) == []


@pytest.mark.parametrize("step", [1, 7])
def test_strips_of_any_height_give_the_recorded_results(engine: str, step: int) -> None:
    small = [name for name in NAMES if CASES[name].shape[0] <= 70]
    assert differing(engine, small[step % 3 :: 3], step) == []


@pytest.mark.parametrize("layout", OUTPUTS)
def test_outputs_that_lie_apart_are_the_recorded_ones(engine: str, layout: str) -> None:
    assert differing(engine, NAMES[OUTPUTS.index(layout) :: 5], layout=layout) == []


@pytest.mark.parametrize("layout", OUTPUTS)
def test_what_lies_between_outputs_is_left_alone(engine: str, layout: str) -> None:
    for name in NAMES[OUTPUTS.index(layout) :: 9]:
        out, _, _ = golden.result(CASES[name], 7, layout)
        room = out
        while isinstance(room.base, np.ndarray):
            room = room.base
        out.view(np.uint8 if out.itemsize == 1 else f"u{out.itemsize}")[...] = int("A5" * out.itemsize, 16)
        assert (room == 0xA5).all(), name


@pytest.mark.parametrize("rows", [20, 10**4, 10**9, 2**31, 2**40])
def test_strides_may_go_far_beyond_the_image(engine: str, rows: int) -> None:
    """Then there is one window, and no more memory than for that."""
    x, weight = golden.samples("float32", (1, 10, 300)), golden.real(1, 1, 1, 3, 5)
    expected = conv2d(x, weight, padding="valid")[:, :1]
    np.testing.assert_array_equal(conv2d(x, weight, padding="valid", stride=(rows, 1)), expected)
    down, across = x.transpose(0, 2, 1).copy(), weight.transpose(0, 1, 3, 2).copy()
    once = conv2d(down, across, padding="valid", stride=(1, rows))
    np.testing.assert_array_equal(once, conv2d(down, across, padding="valid")[:, :, :1])


def test_enough_is_recorded() -> None:
    recorded = golden.recorded()
    assert list(recorded) == NAMES
    assert len(recorded) >= 200
    fused = golden.recorded(fused=True)
    assert {CASES[name].kernel for name in NAMES if fused[name] != recorded[name]} >= {
        "bank of 4",
        "bank of 5",
        "bank of 9",
    }
    kinds = {str(plan) for plan, _, _ in recorded.values()}
    assert kinds == {f"{method} {dtype}" for method in ("taps", "separable") for dtype in core.RINGS}
    assert sum(int(lost) > 0 for _, lost, _ in recorded.values()) > 50


def test_kernels_meet_all_borders_and_types() -> None:
    """Who changes the lists of cases may not lose what they are there for."""
    for kernel in golden.KERNELS:
        mine = [case for case in CASES.values() if case.kernel == kernel]
        assert {case.mode for case in mine} == set(MODES)
        assert {case.dtype for case in mine} >= set(golden.DTYPES)
    for mode in MODES:
        mine = [case for case in CASES.values() if case.mode == mode]
        assert {case.stride for case in mine} == set(golden.STRIDES)
        assert {case.dilation for case in mine} == set(golden.DILATIONS)
        assert {case.padding for case in mine} == set(golden.PADDINGS)
        assert len({case.finish for case in mine}) > 7
    assert {case.finish for case in CASES.values()} == set(golden.FINISHES)
    assert {case.shape[:2] for case in CASES.values()} >= set(golden.SIZES)
