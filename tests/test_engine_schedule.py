"""The schedule is no part of the result: threads, strips, panels, memory, and rows made on demand."""

from __future__ import annotations

import copy
import pickle
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convtool.border import MODES, Border
from convtool.engine import choice, conv2d, gemm
from convtool.engine.bank import bank_from_array, bank_of
from convtool.engine.parallel import fill
from convtool.engine.plan import Plan, make_plan
from convtool.errors import UsageError
from convtool.geometry import resolve
from convtool.kernel import make_kernel
from tests.engine_cases import METHODS, Array, run, samples, tolerance, weights


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


@pytest.mark.parametrize("kernel", [3, 7])
@pytest.mark.parametrize("kind", ["whole", "dense", "rank one"])
@pytest.mark.parametrize("method", ["taps", "separable", "gemm"])
def test_taller_strips_for_threads_change_no_byte(method: str, kind: str, kernel: int) -> None:
    rng = np.random.default_rng(5)
    taller = False
    for shape, stride in (((1601, 1023, 1), 1), ((641, 1001, 3), 1), ((1203, 2003, 1), 2)):
        image = samples("uint8", shape, rng)
        weight = weights(kind, (1, 1, kernel, kernel), rng)[0, 0]
        plan = plan_of(weight, shape, method, stride=stride)
        alone, shared = (np.empty(plan.shape, dtype=np.float32) for _ in range(2))
        fill(plan, image, alone)
        fill(plan, image, shared, threads=2)
        assert shared.tobytes() == alone.tobytes()
        taller = taller or plan.step(2) > plan.step(1)
    assert taller or (method, kernel) == ("gemm", 7)  # its strips are tall enough as they are


def test_threads_must_be_some() -> None:
    with pytest.raises(UsageError, match="threads"):
        conv2d(np.ones((1, 4, 4)), np.ones((1, 1, 3, 3)), threads=0)


@pytest.mark.parametrize("method", ["taps", "separable", "gemm", "fft"])
@pytest.mark.parametrize("stride", [1, 2])
def test_any_strip_height_gives_the_same_sums(method: str, stride: int) -> None:
    rng = np.random.default_rng(6)
    image = rng.integers(0, 256, (151, 90, 3)).astype(np.uint8)
    for mode in MODES:
        for weight in (rng.normal(size=(5, 4)), rng.integers(-3, 4, (5, 5)).astype(float), np.ones((7, 7)) / 49):
            plan = plan_of(weight, image.shape, method, mode, stride)
            whole = values(plan, image)
            limit = 2 * tolerance(method, weight[None, None], 255)
            for step in (1, 2, 3, 17, 40):
                found = values(plan, image, step)
                if plan.exact:
                    np.testing.assert_array_equal(found, whole)
                assert np.abs(found - whole).max() <= limit


@pytest.mark.parametrize("panel", [16, 50, 100])
def test_panels_change_nothing(panel: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    for stride, dilation, channels, n in ((1, 1, 1, 1), (2, 1, 1, 1), (1, 2, 3, 1), (3, 2, 3, 5), (1, 1, 2, 2)):
        x, w = samples("uint8", (channels, 40, 131), rng), weights("dense", (n, channels, 5, 9), rng)
        with monkeypatch.context() as patch:
            patch.setattr(gemm, "PANEL", panel)
            found = run(x, w, "gemm", (stride, stride), "same", (dilation, dilation))
        expected = run(x, w, "gemm", (stride, stride), "same", (dilation, dilation))
        assert np.abs(found - expected).max() <= tolerance("gemm", w, 255)


def test_small_strips_by_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(9)
    image = rng.integers(0, 256, (64, 48, 1)).astype(np.uint8)
    for method in ("taps", "separable", "gemm"):
        weight = np.outer(np.hanning(9)[1:-1], np.hanning(9)[1:-1])
        expected = values(plan_of(weight, image.shape, method), image)
        with monkeypatch.context() as patch:
            for budget in ("TAPS_BYTES", "SEPARABLE_BYTES"):
                patch.setattr(choice, budget, (2000, 4000))
            for budget in ("GEMM_BYTES", "CLOSE_BYTES"):
                patch.setattr(choice, budget, 2000)
            plan = plan_of(weight, image.shape, method)
        assert plan.strip_rows < 20
        assert np.abs(values(plan, image) - expected).max() <= tolerance(method, weight[None, None], 255)


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
    assert rows.most <= max(step + 5, 29)


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
    assert str(plan) == "taps int16"
    assert plan.reason.startswith("taps int16: 6 passes a strip, about")
    gaussian = np.outer(np.hanning(33)[1:-1], np.hanning(33)[1:-1])
    assert str(plan_of(gaussian, (512, 512, 1))) == "separable float32"
    rough = np.random.default_rng(0).normal(size=(41, 41))
    assert str(plan_of(rough, (512, 512, 1))) == "fft float32"
    assert str(plan_of(rough[:5, :5], (512, 512, 1))) == "gemm float32"


def test_plans_depend_on_the_shape_not_on_the_samples() -> None:
    rng = np.random.default_rng(15)
    first = bank_from_array(rng.normal(size=(2, 3, 3, 3)))
    geometry = resolve((90, 80), (3, 3), stride=(1, 1), padding="same", dilation=(1, 1))
    plans = [make_plan(first, geometry, Border("zeros"), 3, peak=255, whole=True) for _ in range(2)]
    assert plans[0].strip_rows == plans[1].strip_rows
    assert plans[0].reason == plans[1].reason


@pytest.mark.parametrize("kind", ["whole", "gaussian", "rough", "large"])
def test_memory_of_24_megapixels_is_bounded(kind: str) -> None:
    rng = np.random.default_rng(16)
    line = np.hanning(17)[1:-1]
    weight = {
        "whole": np.array([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]),
        "gaussian": np.outer(line, line),
        "rough": rng.normal(size=(7, 7)),
        "large": rng.normal(size=(45, 45)),
    }[kind]
    image = np.zeros((1000, 6000, 3), dtype=np.uint8)  # as wide as one of 24 megapixels; strips do not know the height
    geometry = resolve((4000, 6000), weight.shape, stride=(1, 1), padding="same", dilation=(1, 1))
    plan = make_plan(
        bank_of(make_kernel("k", weight), 3, summed=False), geometry, Border("zeros"), 3, peak=255, whole=True
    )
    rows = plan.strip_rows
    thread = ThreadPoolExecutor(1)  # a thread without scratch memory yet
    tracemalloc.start()
    thread.submit(plan.sums, image, 0, rows).result()
    thread.submit(plan.sums, image, rows, 2 * rows).result()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    thread.shutdown()
    assert peak <= (64 if plan.method == "fft" else 32) << 20
