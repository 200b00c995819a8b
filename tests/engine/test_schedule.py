"""The schedule is no part of the result: threads, strips, memory, and rows made on demand."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convtool.engine import choice, conv2d, core, sliding
from convtool.engine.bank import bank_from_array, bank_of
from convtool.engine.border import MODES, Border
from convtool.engine.geometry import resolve
from convtool.engine.plan import Plan, make_plan
from convtool.errors import UsageError
from convtool.kernels.kernel import make_kernel
from convtool.tone.rounding import Finish
from tests.support.engine_cases import METHODS, Array, run, samples, weights


def plan_of(
    weight: Array, shape: tuple[int, int, int], method: str = "auto", mode: str = "reflect", stride: int = 1
) -> Plan:
    size = weight.shape[0], weight.shape[1]
    geometry = resolve(shape[:2], size, stride=(stride, stride), padding="same", dilation=(1, 1))
    bank = bank_of(make_kernel("k", weight), shape[2], summed=False)
    return make_plan(bank, geometry, Border(mode), shape[2], peak=255, whole=True, method=method)


def values(plan: Plan, image: Any, step: int | None = None) -> Array:
    height, step = plan.shape[0], step or plan.strip_rows
    rows = [(first, min(first + step, height)) for first in range(0, height, step)]
    return np.concatenate([plan.values(image, *pair) for pair in rows])


@pytest.mark.parametrize("kind", ["whole", "dense", "rank one"])
@pytest.mark.parametrize("method", METHODS)
def test_threads_change_no_byte(method: str, kind: str) -> None:
    rng = np.random.default_rng(4)
    shape: tuple[int, ...]
    for shape in ((1, 700, 650), (3, 300, 650)):
        x = samples("uint8", shape, rng)
        w = weights(kind, (2 if shape[0] == 3 else 1, shape[0], 7, 7), rng)
        one = run(x, w, method, threads=1)
        for threads in (2, 5):
            assert run(x, w, method, threads=threads).tobytes() == one.tobytes()


def test_threads_must_be_some() -> None:
    with pytest.raises(UsageError, match="threads"):
        conv2d(np.ones((1, 4, 4)), np.ones((1, 1, 3, 3)), threads=0)


@pytest.mark.parametrize("method", ["taps", "separable", "fft"])
@pytest.mark.parametrize("stride", [1, 2])
def test_any_strip_height_gives_the_same_bytes(method: str, stride: int) -> None:
    rng = np.random.default_rng(6)
    image = rng.integers(0, 256, (151, 90, 3)).astype(np.uint8)
    for mode in MODES:
        for weight in (rng.normal(size=(5, 4)), rng.integers(-3, 4, (5, 5)).astype(float), np.ones((7, 7)) / 49):
            plan = plan_of(weight, image.shape, method, mode, stride)
            whole = values(plan, image, plan.shape[0])
            for step in (1, 2, 3, 17, 40):
                assert values(plan, image, step).tobytes() == whole.tobytes()


def test_parts_of_a_strip_change_nothing_in_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    monkeypatch.setattr(core, "width", lambda: None)
    for stride, dilation, channels, n in ((1, 1, 1, 1), (2, 1, 1, 1), (1, 2, 3, 1), (3, 2, 3, 5), (1, 1, 2, 2)):
        x, w = samples("uint8", (channels, 40, 131), rng), weights("dense", (n, channels, 5, 9), rng)
        expected = run(x, w, "taps", (stride, stride), "same", (dilation, dilation))
        with monkeypatch.context() as patch:
            patch.setattr(sliding, "PART_BYTES", 2000)
            found = run(x, w, "taps", (stride, stride), "same", (dilation, dilation))
        assert found.tobytes() == expected.tobytes()


def test_small_strips_by_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(9)
    image = rng.integers(0, 256, (64, 48, 1)).astype(np.uint8)
    for method in ("taps", "separable"):
        weight = np.outer(np.hanning(9)[1:-1], np.hanning(9)[1:-1])
        expected = values(plan_of(weight, image.shape, method), image)
        with monkeypatch.context() as patch:
            patch.setattr(choice, "STRIP_BYTES", 2000)
            plan = plan_of(weight, image.shape, method)
        assert plan.strip_rows < 20
        assert values(plan, image).tobytes() == expected.tobytes()


class OnDemand:
    """Rows made when they are asked for, as filtering makes luma."""

    def __init__(self, image: Array) -> None:
        self.image, self.shape, self.most = image, image.shape, 0

    def __getitem__(self, rows: slice) -> NDArray[np.generic]:
        assert rows.step is None
        part = self.image[rows].copy()
        self.most = max(self.most, len(part))
        return part


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("mode", MODES)
def test_rows_made_on_demand(method: str, mode: str) -> None:
    rng = np.random.default_rng(10)
    image = rng.integers(0, 256, (150, 40, 2)).astype(np.uint8)
    weight = rng.normal(size=(5, 5))
    plan = plan_of(weight, image.shape, method, mode)
    rows = OnDemand(image)
    step = min(plan.strip_rows, 25)
    np.testing.assert_array_equal(values(plan, rows, step), values(plan, image, step))
    assert rows.most <= (plan.strip_rows if plan.tiled else step) + 5


@pytest.mark.parametrize("method", METHODS)
def test_sums_may_be_overwritten(method: str) -> None:
    rng = np.random.default_rng(12)
    image = rng.integers(0, 256, (60, 50, 3)).astype(np.uint8)
    plan = plan_of(rng.normal(size=(3, 3)), image.shape, method)
    kept = plan.sums(image, 0, 20).copy()
    found = plan.sums(image, 0, 20)
    assert found.shape == (20, 50, 3)
    assert found.strides[1:] == (3 * found.itemsize, found.itemsize)
    found[...] = 0
    np.testing.assert_array_equal(plan.sums(image, 0, 20), kept)


def test_plans_share_a_thread_and_threads_share_a_plan() -> None:
    rng = np.random.default_rng(13)
    image = rng.integers(0, 256, (200, 120, 1)).astype(np.uint8)
    plans = [plan_of(rng.normal(size=(k, k)), image.shape, m) for k in (3, 9) for m in METHODS]
    alone = [values(plan, image, 20) for plan in plans]
    mixed: list[list[Array]] = [[] for _ in plans]
    for first in range(0, 200, 20):
        for plan, parts in zip(plans, mixed, strict=True):
            parts.append(plan.values(image, first, first + 20))
    for expected, parts in zip(alone, mixed, strict=True):
        np.testing.assert_array_equal(np.concatenate(parts), expected)
    with ThreadPoolExecutor(4) as pool:
        for plan, expected in zip(plans, alone, strict=True):
            found = list(pool.map(lambda first, plan=plan: plan.values(image, first, first + 20), range(0, 200, 20)))
            np.testing.assert_array_equal(np.concatenate(found), expected)


@pytest.mark.parametrize("method", METHODS)
def test_plans_travel(method: str) -> None:
    rng = np.random.default_rng(14)
    image = rng.integers(0, 256, (40, 30, 1)).astype(np.uint8)
    plan = plan_of(rng.normal(size=(3, 3)), image.shape, method)
    expected = values(plan, image)
    for other in (pickle.loads(pickle.dumps(plan)), copy.deepcopy(plan), replace(plan, strip_rows=40)):
        np.testing.assert_array_equal(values(other, image), expected)


def test_plans_say_why() -> None:
    plan = plan_of(np.ones((5, 5)) / 25, (512, 512, 1))
    assert str(plan) == "separable int16"
    assert plan.reason.startswith("separable int16: 5 + 5 taps, about")
    assert str(plan_of(np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]), (512, 512, 1))) == "taps int16"
    gaussian = np.outer(np.hanning(33)[1:-1], np.hanning(33)[1:-1])
    assert str(plan_of(gaussian, (512, 512, 1))) == "separable float32"
    rough = np.random.default_rng(0).normal(size=(41, 41))
    assert str(plan_of(rough, (512, 512, 1))) == "fft float32"
    assert str(plan_of(rough[:5, :5], (512, 512, 1))) == "taps float32"


def test_plans_depend_on_the_shape_not_on_the_samples() -> None:
    rng = np.random.default_rng(15)
    first = bank_from_array(rng.normal(size=(2, 3, 3, 3)))
    geometry = resolve((90, 80), (3, 3), stride=(1, 1), padding="same", dilation=(1, 1))
    plans = [make_plan(first, geometry, Border("zeros"), 3, peak=255, whole=True) for _ in range(2)]
    assert plans[0].strip_rows == plans[1].strip_rows
    assert plans[0].reason == plans[1].reason


STATUS = Path("/proc/self/status")


def kilobytes(key: str) -> int:
    return next(int(line.split()[1]) for line in STATUS.read_text().splitlines() if line.startswith(key))


@pytest.mark.skipif(not STATUS.exists(), reason="only Linux says how high memory went")
@pytest.mark.parametrize("engine", ["core", "numpy"])
@pytest.mark.parametrize("kind", ["whole", "gaussian", "rough", "large"])
def test_memory_of_24_megapixels_is_bounded(kind: str, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(16)
    line = np.hanning(17)[1:-1]
    weight = {
        "whole": np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]),
        "gaussian": np.outer(line, line),
        "rough": rng.normal(size=(7, 7)),
        "large": rng.normal(size=(45, 45)),
    }[kind]
    if engine == "numpy":
        monkeypatch.setattr(core, "width", lambda: None)
    # As wide as 24 megapixels; strips do not know the height.
    image, out = np.full((600, 6000, 3), 7, dtype=np.uint8), np.full((600, 6000, 3), 7, dtype=np.uint8)
    geometry = resolve((600, 6000), weight.shape, stride=(1, 1), padding="same", dilation=(1, 1))
    plan = make_plan(
        bank_of(make_kernel("k", weight), 3, summed=False), geometry, Border("zeros"), 3, peak=255, whole=True
    )
    finish = Finish("single", full=255)
    plan.store(image, 0, 1, finish, out[:1])
    Path("/proc/self/clear_refs").write_text("5")
    before = kilobytes("VmRSS")
    for first, last in plan.strips():
        plan.store(image, first, last, finish, out[first:last])
    assert kilobytes("VmHWM") - before <= 8 << 10
