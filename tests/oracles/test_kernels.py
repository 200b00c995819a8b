"""Larger pictures against scipy and OpenCV, a photograph against filter2D, and which way a kernel is read."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from skimage import data

from convtool import apply, conv2d, load_kernel
from convtool.engine.border import MODES
from convtool.engine.choice import METHODS
from convtool.kernels.kernel import Kernel
from tests.support import naive

Array = NDArray[Any]

KERNELS = (
    "edge",
    "sharpen",
    "blur",
    "box:size=4",
    "binomial:size=7",
    "gaussian:sigma=2",
    "laplacian-5x5",
    "motion:length=7,angle=30",
    "roberts-1",
    "farid-x",
    "central-y",
    "unsharp",
    "1 0 -1; 2 0 -2; 1 0 -1",
    "1 2 3 4 / 10",
)
DTYPES = ("uint8", "uint16", "float32")
HIGH = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}


def single(spec: str) -> Kernel:
    (kernel,) = load_kernel(spec).kernels
    return kernel


@cache
def large(dtype: str, height: int = 64, width: int = 97) -> Array:
    random = np.random.default_rng(7)
    if dtype == "float32":
        return random.random((height, width, 3), dtype=np.float32) * 2 - 1
    return random.integers(0, int(HIGH[dtype]), size=(height, width, 3), endpoint=True).astype(dtype)


def by_scipy(image: Array, weights: Array, mode: str, value: float) -> Array:
    origin = [-1 if side % 2 == 0 else 0 for side in weights.shape]
    planes = [
        ndimage.correlate(
            image[..., c].astype(np.float64), weights, mode=naive.SCIPY_MODES[mode], cval=value, origin=origin
        )
        for c in range(image.shape[2])
    ]
    return np.stack(planes, axis=-1)


def by_opencv(image: Array, weights: Array, mode: str) -> Array:
    border = {
        "zeros": cv2.BORDER_CONSTANT,
        "replicate": cv2.BORDER_REPLICATE,
        "reflect": cv2.BORDER_REFLECT_101,
        "symmetric": cv2.BORDER_REFLECT,
    }[mode]
    row, column = naive.anchors((weights.shape[0], weights.shape[1]))
    found: Array = cv2.filter2D(
        image.astype(np.float64), cv2.CV_64F, weights, anchor=(column, row), delta=0, borderType=border
    )
    return found


def slack(image: Array, weights: Array, value: float = 0.0) -> float:
    return float(2e-6 * np.abs(weights).sum() * max(np.abs(image.astype(np.float64)).max(), abs(value)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("spec", KERNELS)
def test_large_pictures(spec: str, mode: str, dtype: str) -> None:
    image, kernel = large(dtype), single(spec)
    value = round(0.3 * HIGH[dtype]) if mode == "constant" else 0.0
    border = f"constant={value}" if mode == "constant" else mode
    (y,) = apply(image, spec, border=border).values()
    assert y.dtype == np.float32
    assert y.shape == image.shape
    theirs = by_scipy(image, kernel.weights, mode, value)
    np.testing.assert_allclose(y, theirs, rtol=0, atol=slack(image, kernel.weights, value))
    if mode not in ("constant", "circular"):
        np.testing.assert_allclose(y, by_opencv(image, kernel.weights, mode), rtol=0, atol=slack(image, kernel.weights))
    if kernel.integers is not None and dtype != "float32":
        sums = by_scipy(image, kernel.integers.astype(np.float64), mode, value)
        assert kernel.scale is not None
        if np.abs(kernel.integers).sum() * HIGH[dtype] < naive.EXACT_LIMIT:
            np.testing.assert_array_equal(y, naive.rounded_once(sums, kernel.scale))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", [(3, 3), (8, 5), (31, 31)], ids=str)
def test_large_kernels_by_every_method(side: tuple[int, int], dtype: str, method: str) -> None:
    image = large(dtype)
    whole = naive.numbers(side[0], *side, low=-3, high=3)
    theirs = by_scipy(image, whole.astype(np.float64), "reflect", 0)
    y = conv2d(image.transpose(2, 0, 1)[1:2], whole[None, None], padding="same", padding_mode="reflect", method=method)
    if dtype != "float32" and np.abs(whole).sum() * HIGH[dtype] < naive.EXACT_LIMIT:
        np.testing.assert_array_equal(y[0], theirs[..., 1])
    else:
        allowed = slack(image, whole) * (2.5 if method == "fft" else 1)
        np.testing.assert_allclose(y[0], theirs[..., 1], rtol=0, atol=allowed)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("threads", [1, 3])
def test_pictures_of_many_strips(method: str, threads: int) -> None:
    """Larger than any strip: seams between strips must not show, nor the number of threads."""
    image = np.random.default_rng(1).integers(0, 256, size=(700, 811), dtype=np.uint8)
    whole = naive.numbers(1, 5, 4, low=-4, high=4)
    theirs = by_scipy(image[..., None], whole.astype(np.float64), "symmetric", 0)[..., 0]
    y = conv2d(image[None], whole[None, None], padding="same", padding_mode="symmetric", method=method, threads=threads)
    np.testing.assert_array_equal(y[0], theirs)
    strided = conv2d(image[None], whole[None, None], stride=(2, 3), padding=((2, 2), (1, 2)), method=method)
    np.testing.assert_array_equal(
        strided[0], by_scipy(image[..., None], whole.astype(np.float64), "zeros", 0)[::2, ::3, 0]
    )


# A photograph

PHOTO_KERNELS = ("sobel-x", "sharpen", "blur", "edge", "gaussian:sigma=2")


@cache
def photograph() -> NDArray[np.uint8]:
    found: NDArray[np.uint8] = data.astronaut()
    assert found.shape == (512, 512, 3)
    return found


def exact_sums(kernel: Kernel) -> tuple[Array, Fraction] | None:
    """Whole sums and their scale, where the kernel has one; by OpenCV, exact in double precision."""
    if kernel.integers is None or kernel.scale is None:
        return None
    return by_opencv(photograph(), kernel.integers.astype(np.float64), "reflect"), kernel.scale


@pytest.mark.parametrize("spec", PHOTO_KERNELS)
def test_photograph_as_floats(spec: str) -> None:
    kernel = single(spec)
    (y,) = apply(photograph(), spec, border="reflect").values()
    theirs = by_opencv(photograph(), kernel.weights, "reflect")
    np.testing.assert_allclose(y, theirs, rtol=0, atol=slack(photograph(), kernel.weights))
    if found := exact_sums(kernel):
        np.testing.assert_array_equal(y, naive.rounded_once(*found))


@pytest.mark.parametrize("spec", PHOTO_KERNELS)
def test_photograph_as_bytes(spec: str) -> None:
    """Saturated, rounded half to even: the bytes of filter2D at 8 bits.

    blur meets tens of thousands of ties; its sixteenths are exact in any arithmetic, and both sides round them to
    even. The Gaussian meets none, but comes within a millionth of one: there OpenCV, single precision throughout,
    takes the other byte in a handful of places. Where the sum in double precision lies further from a tie than the
    contract's thousandth, all three agree.
    """
    kernel = single(spec)
    (ours,) = apply(photograph(), spec, border="reflect", range="clip", dtype="uint8").values()
    theirs = cv2.filter2D(photograph(), -1, kernel.weights, borderType=cv2.BORDER_REFLECT_101)
    double = by_opencv(photograph(), kernel.weights, "reflect")
    assert ours.dtype == np.uint8
    if found := exact_sums(kernel):
        sums, scale = found
        rounded = {value: min(max(round(Fraction(int(value)) * scale), 0), 255) for value in np.unique(sums).tolist()}
        wanted = np.vectorize(rounded.__getitem__, otypes=[np.uint8])(sums)
        np.testing.assert_array_equal(ours, wanted)
        np.testing.assert_array_equal(ours, theirs)
        return
    from_tie = np.abs(double - np.floor(double) - 0.5)
    decided = from_tie > max(1e-3, slack(photograph(), kernel.weights))
    np.testing.assert_array_equal(ours[decided], np.clip(np.rint(double), 0, 255).astype(np.uint8)[decided])
    np.testing.assert_array_equal(ours[decided], theirs[decided])
    assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1
    assert decided.mean() > 0.99


@pytest.mark.parametrize("spec", ["sobel-x", "edge"])
def test_photograph_in_the_kernels_own_range(spec: str) -> None:
    """abs: the magnitude, saturated."""
    kernel = single(spec)
    (ours,) = apply(photograph(), spec, border="reflect", dtype="uint8").values()
    theirs = cv2.convertScaleAbs(cv2.filter2D(photograph(), cv2.CV_32F, kernel.weights))
    np.testing.assert_array_equal(ours, theirs)


def test_default_border_is_that_of_opencv() -> None:
    (ours,) = apply(photograph(), "sharpen", dtype="uint8").values()
    np.testing.assert_array_equal(ours, cv2.filter2D(photograph(), -1, single("sharpen").weights))


@pytest.mark.parametrize(("top", "bottom"), [(1, 2), (1, 4), (3, 2), (5, 16), (1, 10)])
def test_ties_go_to_the_even_neighbour(top: int, bottom: int) -> None:
    """Every 8-bit value times a fraction, many of them exactly between two bytes."""
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    (ours,) = apply(image, f"{top}/{bottom}", range="clip", dtype="uint8").values()
    wanted = [min(naive.half_even(Fraction(value * top, bottom)), 255) for value in range(256)]
    assert ours.ravel().tolist() == wanted


# Which way a kernel is read

COUNTING = "1 2 3; 4 5 6; 7 8 9"


def impulse() -> NDArray[np.uint8]:
    image = np.zeros((7, 7), dtype=np.uint8)
    image[3, 3] = 1
    return image


def test_impulse_answers_with_the_kernel_turned_round() -> None:
    """Correlation: the pixel above the impulse sees it under the lower middle weight, 8."""
    (y,) = apply(impulse(), COUNTING).values()
    assert y[2:5, 2:5].tolist() == [[9, 8, 7], [6, 5, 4], [3, 2, 1]]
    assert y.sum() == 45
    np.testing.assert_array_equal(y, ndimage.correlate(impulse(), np.arange(1, 10).reshape(3, 3)))
    raw = conv2d(impulse()[None], np.arange(1, 10).reshape(1, 1, 3, 3), padding=1)
    np.testing.assert_array_equal(raw[0], y)


def test_flipped_the_impulse_answers_with_the_kernel() -> None:
    (y,) = apply(impulse(), COUNTING, flip=True).values()
    assert y[2:5, 2:5].tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


@pytest.mark.parametrize("side", [(1, 1), (3, 3), (5, 3), (1, 7), (7, 5)], ids=str)
@pytest.mark.parametrize("mode", MODES)
def test_flip_is_the_convolution_of_scipy(side: tuple[int, int], mode: str) -> None:
    whole = naive.numbers(side[0] + side[1], *side)
    text = "; ".join(" ".join(map(str, row)) for row in whole.tolist())
    image = large("uint8")[..., 0]
    border = "constant=9" if mode == "constant" else mode
    (y,) = apply(image, text, border=border, flip=True).values()
    theirs = ndimage.convolve(
        image.astype(np.float64), whole, mode=naive.SCIPY_MODES[mode], cval=9.0 * (mode == "constant")
    )
    np.testing.assert_array_equal(y, theirs)


@pytest.mark.parametrize("side", [(2, 2), (4, 3), (2, 6)], ids=str)
def test_flip_keeps_the_anchor(side: tuple[int, int]) -> None:
    """Weights turn, the window stays: at even sizes that is another shift than scipy's."""
    whole = naive.numbers(side[0] + side[1], *side)
    image = large("uint8")[..., 0]

    def answer(weights: Array, flip: bool) -> Array:
        text = "; ".join(" ".join(map(str, row)) for row in weights.tolist())
        (y,) = apply(image, text, flip=flip).values()
        return y

    np.testing.assert_array_equal(answer(whole, flip=True), answer(whole[::-1, ::-1], flip=False))


def test_flip_turns_every_channel_of_a_deep_kernel() -> None:
    image = large("uint8")
    maps = apply(image, "teaching-layer", flip=True)
    for kernel in load_kernel("teaching-layer").kernels:
        theirs = np.full(image.shape[:2], kernel.bias)
        for c in range(3):
            theirs += ndimage.convolve(image[..., c].astype(np.float64), kernel.weights[c], mode="mirror")
        np.testing.assert_array_equal(maps[kernel.label], theirs)


def test_channels_added_up() -> None:
    image = large("uint8")
    (y,) = apply(image, "edge", channels="sum").values()
    np.testing.assert_array_equal(y, by_scipy(image, single("edge").weights, "reflect", 0).sum(axis=2))
