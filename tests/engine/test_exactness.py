"""The exactness contract where it is hardest: whole numbers, long kernels, images that round one way."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from convtool.engine.bank import bank_of
from convtool.engine.border import Border
from convtool.engine.convolution import conv2d, sample_bounds
from convtool.engine.geometry import resolve
from convtool.engine.plan import make_plan
from convtool.kernels.kernel import exact_kernel, make_kernel
from convtool.kernels.library import Library
from tests.support.engine_cases import METHODS, Array, run, tolerance


def valid_sums(x: Array, w: Array, stride: int) -> NDArray[np.int64]:
    """Integer sums of one plane without padding, in int64."""
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(np.int64), w.shape)[::stride, ::stride]
    sums: NDArray[np.int64] = np.einsum("ijuv,uv->ij", windows, w.astype(np.int64))
    return sums


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("side", "top"), [(3, 9), (5, 9), (9, 5), (15, 2), (31, 1)])
def test_whole_sums_are_exact(method: str, dtype: str, side: int, top: int) -> None:
    rng = np.random.default_rng(side)
    info = np.iinfo(dtype)
    for stride in (1, 2):
        for w in (rng.integers(-top, top + 1, (side, side)), np.full((side, side), top), np.eye(side) * top):
            noise = rng.integers(info.min, info.max + 1, (70, 90)).astype(dtype)
            ends = np.where(rng.random((70, 90)) < 0.5, info.min, info.max).astype(dtype)
            for x in (noise, ends, np.full((70, 90), info.max, dtype=dtype)):
                if np.abs(w).sum() * max(-int(info.min), int(info.max)) >= 2**24:
                    continue
                found = conv2d(x[None], w[None, None].astype(float), stride=stride, method=method)[0]
                np.testing.assert_array_equal(found, valid_sums(x, w, stride))


@pytest.mark.parametrize("method", METHODS)
def test_the_scale_rounds_once(method: str) -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(0, 256, (60, 60, 1)).astype(np.uint8)
    for numbers, scale in (
        ([1, 2, 1, 2, 4, 2, 1, 2, 1], Fraction(1, 16)),
        ([1] * 9, Fraction(1, 9)),
        ([3] * 9, Fraction(7, 90)),
    ):
        kernel = exact_kernel("k", [number * scale for number in numbers], (3, 3))
        geometry = resolve((60, 60), (3, 3), stride=(1, 1), padding="valid", dilation=(1, 1))
        bank = bank_of(kernel, 1, summed=False)
        plan = make_plan(bank, geometry, Border("zeros"), 1, peak=255, whole=True, method=method)
        sums = valid_sums(x[..., 0], np.array(numbers).reshape(3, 3), 1)
        found = np.concatenate([plan.values(x, *rows) for rows in plan.strips()])[..., 0]
        exact = sums * (scale.numerator / scale.denominator)
        np.testing.assert_array_equal(found, (sums * scale.numerator / scale.denominator).astype(np.float32))
        assert np.abs(found - exact).max() <= 2.0**-24 * np.abs(exact).max()


ADVERSARIES = {
    "constant": np.full((160, 170), 1.0),
    "just below": np.full((160, 170), 1.0 - 2.0**-24),
    "third": np.full((160, 170), 1 / 3),
    "ramp": np.linspace(0.5, 1, 160 * 170).reshape(160, 170),
    "halves": np.where(np.arange(170) < 85, 1.0, -1.0) * np.ones((160, 1)),
}


@pytest.mark.parametrize("image", ADVERSARIES)
@pytest.mark.parametrize("method", METHODS)
def test_rounding_does_not_drift(method: str, image: str) -> None:
    x = ADVERSARIES[image].astype(np.float32)
    for kh, kw in ((127, 1), (1, 127), (63, 63), (31, 31), (9, 9)):
        line, row = 0.1 + 0.9 * np.hanning(kh + 2)[1:-1], 0.1 + 0.9 * np.hanning(kw + 2)[1:-1]
        rough = np.random.default_rng(kh).normal(size=(kh, kw))
        for w in (np.full((kh, kw), 0.1), np.full((kh, kw), 1 / 3), np.outer(line, row), np.abs(rough), rough):
            if w is rough and kh * kw > 1000 and method == "taps":
                continue
            found = conv2d(x[None], w[None, None], method=method)[0]
            columns = np.lib.stride_tricks.sliding_window_view(x.astype(np.float64), (kh, kw))[::9, ::9]
            expected = np.einsum("ijuv,uv->ij", columns, w)
            error = np.abs(found[::9, ::9] - expected).max()
            assert error <= tolerance(method, w[None, None], float(np.abs(x).max())), f"{kh}x{kw}"


@pytest.mark.parametrize("method", ["taps", "auto"])
def test_deep_kernels_do_not_drift(method: str) -> None:
    x = np.full((300, 12, 13), 1 / 3, dtype=np.float32)
    w = np.full((2, 300, 3, 3), 0.1)
    expected = 2700 * float(np.float32(1 / 3)) * 0.1
    assert np.abs(conv2d(x, w, method=method) - expected).max() <= 2e-6 * 270 / 3


@pytest.mark.parametrize("method", METHODS)
def test_a_sample_that_is_not_finite_stays_in_its_windows(method: str) -> None:
    rng = np.random.default_rng(3)
    for w in (rng.normal(size=(5, 5)), np.ones((3, 3)), np.array([[-1.0, -1, -1], [-1, 8, -1], [-1, -1, -1]])):
        half = w.shape[0] // 2
        for value in (np.nan, np.inf, -np.inf):
            x = rng.normal(size=(1, 90, 80)).astype(np.float32)
            clean = run(x, w[None, None], method)
            x[0, 40, 30] = value
            found = run(x, w[None, None], method)
            near = np.zeros(x.shape, dtype=bool)
            near[0, 40 - half : 41 + half, 30 - half : 31 + half] = True
            assert not np.isfinite(found[near]).any()
            np.testing.assert_allclose(found[~near], clean[~near], atol=1e-4)
            if np.isinf(value):
                assert found[0, 40, 30] == np.sign(w[half, half]) * value


def test_bounds_come_from_the_dtype_or_the_samples() -> None:
    assert sample_bounds(np.zeros((1, 1, 1), dtype=np.uint8)) == (255, True)
    assert sample_bounds(np.zeros((1, 1, 1), dtype=np.int16)) == (32768, True)
    assert sample_bounds(np.full((1, 1, 1), -70000, dtype=np.int32)) == (70000, True)
    assert sample_bounds(np.zeros((1, 1, 1), dtype=np.float64)) == (float(np.finfo(np.float32).max), False)


def test_large_whole_kernels_go_through_the_transform_in_double() -> None:
    rng = np.random.default_rng(17)
    for weights in (np.ones((61, 61)), rng.integers(-9, 10, (41, 41)).astype(float)):
        bank = bank_of(make_kernel("k", weights), 2, summed=False)
        geometry = resolve((150, 140), bank.size, stride=(1, 1), padding="same", dilation=(1, 1))
        x = rng.integers(0, 256, (150, 140, 2)).astype(np.uint8)
        plan = make_plan(bank, geometry, Border("zeros"), 2, peak=255, whole=True, method="fft")
        assert str(plan) == "fft float64"
        half = weights.shape[0] // 2
        found = np.concatenate([plan.values(x, *rows) for rows in plan.strips()])
        for c in range(2):
            padded = np.pad(x[..., c], half)
            np.testing.assert_array_equal(found[..., c], valid_sums(padded, bank.multiplied[0, 0], 1))


def test_huge_kernels_are_planned_quickly_and_right() -> None:
    rng = np.random.default_rng(18)
    x, w = rng.integers(0, 256, (1, 90, 80)).astype(np.uint8), rng.normal(size=(1, 1, 201, 301))
    found = conv2d(x, w, padding="same", padding_mode="circular")
    padded = np.pad(x[0].astype(float), ((100, 100), (150, 150)), mode="wrap")
    for i, j in ((0, 0), (89, 79), (40, 3)):
        expected = (padded[i : i + 201, j : j + 301] * w[0, 0]).sum()
        assert abs(found[0, i, j] - expected) <= tolerance("fft", w, 255)


@pytest.mark.parametrize("method", METHODS)
def test_samples_smaller_than_their_type_allows_keep_sums_exact(method: str) -> None:
    rng = np.random.default_rng(19)
    w = rng.integers(-9000, 9000, (7, 7))
    x = rng.integers(0, 2**24 // int(np.abs(w).sum()), (30, 40)).astype(np.uint8)
    assert np.abs(w).sum() * 255 > 2**24
    np.testing.assert_array_equal(conv2d(x[None], w[None, None].astype(float), method=method)[0], valid_sums(x, w, 1))


def test_weights_of_zero_on_samples_of_any_size() -> None:
    x = np.full((1, 5, 5), 65535, dtype=np.uint16)
    y = conv2d(x, np.zeros((1, 1, 3, 3)), padding=2, padding_mode="constant", constant_value=65535.0)
    assert not y.any()


NO_DATA = -3.4028235e38
"""What geographers write where they have no sample: the lowest float32."""


@pytest.mark.parametrize("spec", ["blur", "box:size=5", "gaussian:sigma=2", "sobel-x", "log:sigma=2", "disk:radius=12"])
def test_no_window_overflows_whose_sum_does_not(spec: str) -> None:
    x = np.ones((60, 70), dtype=np.float32)
    x[20:26, 30:36] = NO_DATA
    weights = Library().load(spec).kernels[0].weights
    found = conv2d(x[None], weights[None, None], padding="same", padding_mode="replicate")[0]
    rows, columns = weights.shape
    padded = np.pad(x.astype(np.float64), ((rows // 2,) * 2, (columns // 2,) * 2), mode="edge")
    expected = np.einsum("ijuv,uv->ij", np.lib.stride_tricks.sliding_window_view(padded, weights.shape), weights)
    inside = np.abs(expected) < 0.99999 * -NO_DATA
    assert inside.mean() > 0.9
    assert np.isfinite(found[inside]).all()
    window_peak = ndimage.maximum_filter(np.abs(padded), weights.shape)[rows // 2 : rows // 2 + 60, columns // 2 :][
        :, :70
    ]
    bound = 5e-6 * np.abs(weights).sum() * window_peak
    assert (np.abs(found - expected)[inside] <= bound[inside]).all()


@pytest.mark.parametrize("spec", ["disk:radius=12", "gaussian:sigma=4", "unsharp:sigma=3,amount=2"])
def test_errors_follow_the_largest_sample_of_the_window(spec: str) -> None:
    x = np.full((200, 220), 0.0125, dtype=np.float32)
    x[100, 110] = 1e6
    weights = Library().load(spec).kernels[0].weights
    found = conv2d(x[None], weights[None, None], padding="same", padding_mode="replicate")[0]
    far = np.ones(x.shape, dtype=bool)
    far[100 - 40 : 141, 110 - 40 : 151] = False
    np.testing.assert_allclose(found[far], 0.0125 * weights.sum(), rtol=5e-6 * np.abs(weights).sum())
