"""Every shipped kernel at every border: against the definition, scipy and OpenCV, on whole small images."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from scipy import ndimage

from convtool import apply, conv2d
from convtool.engine import reference
from convtool.engine.border import MODES, Border
from convtool.engine.choice import METHODS
from convtool.engine.geometry import resolve
from convtool.kernels.kernel import Kernel, KernelSet, turn
from convtool.kernels.library import Library
from convtool.tone.ranges import Range
from tests.support import naive

Array = NDArray[Any]

FILES = sorted((Path(__file__).parents[2] / "kernels").glob("*.yaml"))
FAMILIES: dict[str, list[str]] = {path.stem: list(yaml.safe_load(path.read_text("utf-8"))) for path in FILES}
NAMES = [name for names in FAMILIES.values() for name in names]

CONTRACT = {
    "basic": "identity shift-n shift-s shift-e shift-w four-views",
    "blur": "blur box gaussian binomial pyramid disk motion",
    "sharpen": "sharpen sharpen-8 unsharp high-boost edge-enhance detail",
    "edge": "edge sobel-x sobel-y sobel scharr-x scharr-y scharr prewitt-x prewitt-y prewitt farid-x farid-y farid"
    " central-x central-y central roberts-1 roberts-2 roberts frei-chen kirsch robinson",
    "laplace": "laplacian-4 laplacian-8 laplacian-5x5 log dog",
    "relief": "emboss emboss-compass outline contour",
    "texture": "line-0 line-45 line-90 line-135 lines laws gabor gabor-bank",
    "colour": "luma opponent-rg opponent-by colour-edge",
    "layers": "teaching-layer",
}
"""The names that are promised, by file."""

CONSTANT = 37
SIZES = ((9, 11), (16, 13))
FULL_TAPS = 121
"""Kernels of up to this many taps are compared with the plain loops in full; larger ones pixel by pixel, spread out."""


@cache
def library() -> Library:
    found = Library()
    found.folders = found.folders[-1:]  # the built-in set alone, wherever the tests are started
    return found


@cache
def load(name: str) -> KernelSet:
    return library().load(name)


@cache
def picture(size: tuple[int, int]) -> NDArray[np.uint8]:
    """RGB with both ends of the range in it, all three channels different."""
    image = naive.numbers(size[0], *size, 3, low=0, high=255).astype(np.uint8)
    image[0, 0], image[-1, -1] = 255, 0
    return image


def border_spec(mode: str) -> str:
    return f"constant={CONSTANT}" if mode == "constant" else mode


def value_of(mode: str) -> float:
    return float(CONSTANT) if mode == "constant" else 0.0


def layer_of(mode: str) -> naive.Layer:
    return naive.Layer(padding="same", mode=mode, value=value_of(mode))


def planes_of(kernel: Kernel, image: Array) -> Array:
    """What the kernel spans, (C, H, W), from a picture (H, W, C): depth 3 on grey repeats the grey."""
    planes = image.transpose(2, 0, 1)
    return np.repeat(planes, 3, axis=0) if kernel.depth == 3 and len(planes) == 1 else planes


def maps_of(kernel: Kernel, image: Array) -> list[tuple[Array, Array]]:
    """The sums that make a map of the picture: (planes, weight (1, C, kh, kw)) for each of its channels."""
    planes = planes_of(kernel, image)
    if kernel.depth is not None:
        return [(planes, kernel.weights[None])]
    return [(plane[None], kernel.weights[None, None]) for plane in planes]


@cache
def by_loops(weights: bytes, shape: tuple[int, ...], size: tuple[int, int], mode: str, grey: bool) -> Array:
    """The definition in full: kernels that several sets share are summed once."""
    weight = np.frombuffer(weights).reshape(shape)
    x = picture(size)[..., 1][None] if len(weight) == 1 else planes_in(size, grey)
    geometry = resolve(size, (shape[1], shape[2]), stride=(1, 1), padding="same", dilation=(1, 1))
    return reference.correlate(x, weight[None], np.zeros(1), geometry, Border(mode, value_of(mode)))


def planes_in(size: tuple[int, int], grey: bool) -> Array:
    planes = picture(size).transpose(2, 0, 1)
    return np.repeat(planes[1:2], 3, axis=0) if grey else planes


def check_definition(sums: Array, kernel: Kernel, planes: Array, size: tuple[int, int], mode: str, grey: bool) -> None:
    """Sums of the vectorised oracle against the plain loops."""
    weight = kernel.weights if kernel.depth is not None else kernel.weights[None]
    slack = 1e-12 * np.abs(weight).sum() * 255
    if kernel.weights.size <= FULL_TAPS:
        slow = by_loops(np.ascontiguousarray(weight).tobytes(), weight.shape, size, mode, grey)
        np.testing.assert_allclose(sums, slow, rtol=0, atol=slack)
        return
    geometry = resolve(size, kernel.size, stride=(1, 1), padding="same", dilation=(1, 1))
    for i, j in ((0, 0), (size[0] // 2, size[1] // 3), (size[0] - 1, size[1] - 1)):
        slow_one = reference.output(planes, weight, 0.0, geometry, Border(mode, value_of(mode)), i, j)
        assert abs(sums[0, i, j] - slow_one) <= slack


def expected(kernel: Kernel, planes: Array, weight: Array, mode: str) -> tuple[Array, float]:
    """The map by the definition with bias, and how far a float32 may be from it: 0 where it has to be exact."""
    layer = layer_of(mode)
    if kernel.integers is not None:
        whole = kernel.integers.reshape(weight.shape)
        if np.abs(whole).sum() * naive.reach(planes, layer) < naive.EXACT_LIMIT:
            assert kernel.scale is not None
            sums = naive.correlate(planes, whole, layer)
            return naive.rounded_once(sums, kernel.scale, Fraction(kernel.bias)), 0.0
    sums = naive.correlate(planes, weight, layer)
    return sums + kernel.bias, float(naive.allowance(planes, weight, layer)[0, 0, 0])


def scipy_sum(planes: Array, weight: Array, mode: str) -> Array:
    total = np.zeros(planes.shape[1:])
    for plane, w in zip(planes, weight, strict=True):
        origin = [-1 if side % 2 == 0 else 0 for side in w.shape]  # scipy's anchor is side // 2
        total += ndimage.correlate(
            plane.astype(np.float64), w, mode=naive.SCIPY_MODES[mode], cval=value_of(mode), origin=origin
        )
    return total


CV_BORDERS = {
    "zeros": cv2.BORDER_CONSTANT,
    "constant": cv2.BORDER_CONSTANT,
    "replicate": cv2.BORDER_REPLICATE,
    "reflect": cv2.BORDER_REFLECT_101,
    "symmetric": cv2.BORDER_REFLECT,
    "circular": cv2.BORDER_WRAP,
}


def opencv_sum(planes: Array, weight: Array, mode: str) -> Array:
    """filter2D; for borders that it lacks (a constant, WRAP) its answer inside an image padded by OpenCV."""
    total = np.zeros(planes.shape[1:])
    kh, kw = weight.shape[1:]
    row, column = naive.anchors((kh, kw))
    height, width = planes.shape[1:]
    for plane, w in zip(planes.astype(np.float64), weight, strict=True):
        if mode in ("constant", "circular"):
            around = cv2.copyMakeBorder(plane, kh, kh, kw, kw, CV_BORDERS[mode], value=value_of(mode))
            found = cv2.filter2D(around, cv2.CV_64F, w, anchor=(column, row), borderType=cv2.BORDER_REPLICATE)
            total += found[kh : kh + height, kw : kw + width]
        else:
            total += cv2.filter2D(plane, cv2.CV_64F, w, anchor=(column, row), borderType=CV_BORDERS[mode])
    return total


def test_every_promised_name_is_shipped_once() -> None:
    assert len(NAMES) == len(set(NAMES))
    assert set(FAMILIES) == set(CONTRACT)
    for family, promised in CONTRACT.items():
        assert set(promised.split()) <= set(FAMILIES[family])
    assert set(NAMES) == {definition.name for definition, _ in library().names()}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NAMES)
def test_definition_scipy_and_opencv(name: str, mode: str) -> None:
    found = load(name)
    for size in SIZES:
        colour = picture(size)
        for image in (colour[..., 1:2], colour):
            maps = apply(image if image.shape[2] == 3 else image[..., 0], found, border=border_spec(mode))
            assert list(maps) == [kernel.label for kernel in found.kernels]
            for kernel in found.kernels:
                channels = maps_of(kernel, image)
                answer = np.atleast_3d(maps[kernel.label])
                assert answer.dtype == np.float32
                assert answer.shape == (*size, len(channels))
                for channel, (planes, weight) in enumerate(channels):
                    y = answer[..., channel]
                    want, slack = expected(kernel, planes, weight, mode)
                    if slack:
                        np.testing.assert_allclose(y, want[0], rtol=0, atol=slack)
                    else:
                        np.testing.assert_array_equal(y, want[0])
                    for other in (scipy_sum, opencv_sum):
                        theirs = other(planes, weight[0], mode) + kernel.bias
                        np.testing.assert_allclose(y, theirs, rtol=0, atol=slack or 1e-6 * max(1.0, np.abs(want).max()))
                        if kernel.scale == 1 and not slack and other is scipy_sum:
                            np.testing.assert_array_equal(y, theirs)
                    middle = image.shape[2] == 1 or kernel.depth is not None or channel == 1
                    if middle:
                        sums = naive.correlate(planes, weight, layer_of(mode))
                        check_definition(sums, kernel, planes, size, mode, image.shape[2] == 1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", NAMES)
def test_conv2d_by_every_method(name: str, method: str) -> None:
    """conv2d gets bare weights, without the fractions that a kernel knows about itself."""
    image = picture(SIZES[0])
    for kernel in load(name).kernels:
        for mode in ("zeros", "reflect"):
            planes, weight = maps_of(kernel, image)[0]
            want, slack = expected(kernel, planes, weight, mode)
            y = conv2d(planes, weight, [kernel.bias], padding="same", padding_mode=mode, method=method)
            if slack:
                np.testing.assert_allclose(y, want, rtol=0, atol=slack)
            else:
                np.testing.assert_array_equal(y, want)


@pytest.mark.parametrize("name", NAMES)
def test_exact_parts_are_the_weights(name: str) -> None:
    for kernel in load(name).kernels:
        if kernel.integers is not None:
            assert kernel.scale is not None
            exact = kernel.integers * kernel.scale.numerator / kernel.scale.denominator
            np.testing.assert_array_equal(kernel.weights, exact)


WHOLE = [name for name in NAMES if name.split("-")[0] not in {"gaussian", "disk", "farid", "log", "dog", "unsharp"}]


@pytest.mark.parametrize("name", [n for n in WHOLE if not n.startswith(("gabor", "frei-chen", "motion"))])
def test_kernels_written_in_whole_numbers_are_exact(name: str) -> None:
    assert all(kernel.integers is not None for kernel in load(name).kernels)


# Turning


def weights(spec: str) -> Array:
    (kernel,) = library().load(spec).kernels
    return kernel.weights


@pytest.mark.parametrize("family", ["sobel", "scharr", "prewitt", "farid", "central"])
def test_quarter_turn_of_x_is_minus_y(family: str) -> None:
    np.testing.assert_array_equal(weights(f"{family}-x@90"), -weights(f"{family}-y"))
    np.testing.assert_array_equal(weights(f"{family}-x@180"), -weights(f"{family}-x"))
    np.testing.assert_array_equal(weights(f"{family}-x@270"), weights(f"{family}-y"))


ODD_SQUARES = sorted(
    {
        kernel.label: kernel
        for name in NAMES
        for kernel in load(name).kernels
        if kernel.size[0] == kernel.size[1] and kernel.size[0] % 2
    }.values(),
    key=lambda kernel: kernel.label,
)


@pytest.mark.parametrize("kernel", ODD_SQUARES, ids=lambda kernel: kernel.label)
def test_eight_eighths_are_a_full_turn(kernel: Kernel) -> None:
    turned = kernel
    for eighth in range(1, 9):
        turned = turned.turned(45)
        np.testing.assert_array_equal(turned.weights, turn(kernel.weights, eighth * 45 % 360))
        assert sorted(turned.weights.ravel()) == sorted(kernel.weights.ravel())
        if eighth % 2 == 0:
            np.testing.assert_array_equal(turned.weights, np.rot90(kernel.weights, eighth // 2, axes=(-2, -1)))
        if kernel.integers is not None:
            assert turned.integers is not None
            assert turned.scale == kernel.scale
            np.testing.assert_array_equal(turned.integers, turn(kernel.integers, eighth * 45 % 360))
    np.testing.assert_array_equal(turned.weights, kernel.weights)


def test_turns_go_counter_clockwise() -> None:
    assert weights("1 2 3; 8 0 4; 7 6 5@45").tolist() == [[2, 3, 4], [1, 0, 5], [8, 7, 6]]
    np.testing.assert_array_equal(weights("line-0@45"), weights("line-45"))
    np.testing.assert_array_equal(weights("line-0@90"), weights("line-90"))
    np.testing.assert_array_equal(weights("line-0@135"), weights("line-135"))
    np.testing.assert_array_equal(weights("shift-e@90"), weights("shift-n"))
    np.testing.assert_array_equal(weights("shift-e@180"), weights("shift-w"))
    np.testing.assert_array_equal(weights("shift-e@270"), weights("shift-s"))


@pytest.mark.parametrize("name", ["kirsch", "robinson", "emboss-compass"])
def test_compass_sets_are_turns_of_their_first(name: str) -> None:
    kernels = load(name).kernels
    assert [kernel.label for kernel in kernels] == [f"{name}-{angle}" for angle in range(0, 360, 45)]
    for kernel, angle in zip(kernels, range(0, 360, 45), strict=True):
        np.testing.assert_array_equal(kernel.weights, turn(kernels[0].weights, angle))


@pytest.mark.parametrize(("name", "row", "column"), [("shift-n", -1, 0), ("shift-s", 1, 0), ("shift-e", 0, 1)])
def test_shifts_move_the_picture(name: str, row: int, column: int) -> None:
    image = picture(SIZES[0])
    np.testing.assert_array_equal(
        apply(image, name, border="circular")[name], np.roll(image, (row, column), axis=(0, 1)).astype(np.float32)
    )


# Sums


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", [*FAMILIES["blur"], "gaussian:sigma=2.5", "box:size=4", "disk:radius=1.5"])
def test_blurs_keep_an_even_image_even(name: str, mode: str) -> None:
    for value in (1, 200, 255):
        image = np.full((9, 11, 3), value, dtype=np.uint8)
        border = f"constant={value}" if mode == "constant" else mode
        (y,) = apply(image, library().load(name), border=border).values()
        (shown,) = apply(image, library().load(name), border=border, dtype="uint8").values()
        if mode == "zeros":  # every blur reaches beyond the image somewhere, and zeros pull it down there
            assert y.max() <= value * (1 + 2e-6)
            assert y.min() < value * 0.99
        else:
            np.testing.assert_allclose(y, value, rtol=2e-6)
            np.testing.assert_array_equal(shown, image)


@pytest.mark.parametrize("name", [*FAMILIES["blur"], *FAMILIES["sharpen"]])
def test_blurs_and_sharpenings_add_up_to_one(name: str) -> None:
    (kernel,) = load(name).kernels
    assert float(kernel.weights.sum()) == pytest.approx(1, abs=1e-12)
    if kernel.integers is not None and kernel.scale is not None:
        assert int(kernel.integers.sum()) * kernel.scale == 1
    if name in FAMILIES["blur"]:
        assert (kernel.weights >= 0).all()


ZERO_SUM = [
    name
    for name in [*FAMILIES["edge"], *FAMILIES["laplace"], "laws", "lines", "opponent-rg", "opponent-by", "colour-edge"]
    if name not in {"frei-chen", "frei-chen-9"}
]


@pytest.mark.parametrize("name", ZERO_SUM)
def test_edges_answer_nothing_to_an_even_image(name: str) -> None:
    for kernel in load(name).kernels:
        if kernel.label != "laws-l5l5":
            assert abs(float(kernel.weights.sum())) <= 1e-12 * np.abs(kernel.weights).sum()
            if kernel.integers is not None:
                assert int(kernel.integers.sum()) == 0


# Ranges

KIRSCH, SCHARR = Range("abs", Fraction(4, 15)), Range("abs", Fraction(4, 16))
BY_FAMILY = {"blur": "clip", "sharpen": "clip", "edge": "abs", "laplace": "abs", "texture": "abs"}
BY_NAME = {
    "kirsch": KIRSCH,
    "scharr": SCHARR,
    "scharr-x": SCHARR,
    "scharr-y": SCHARR,
    "emboss": Range("shift"),
    "emboss-compass": Range("shift"),
    "opponent-rg": Range("shift"),
    "opponent-by": Range("shift"),
    "gabor": Range("symmetric"),
    "gabor-bank": Range("symmetric"),
    "teaching-layer": Range("symmetric"),
    "contour": Range("clip"),
    "outline": Range("clip"),
}


RANGED = [(name, family) for family in BY_FAMILY for name in FAMILIES[family]]


@pytest.mark.parametrize(("name", "family"), [*RANGED, *((name, "") for name in BY_NAME)])
def test_range(name: str, family: str) -> None:
    want = BY_NAME.get(name) or Range(BY_FAMILY[family])
    assert {kernel.range for kernel in load(name).kernels} == {want}


def test_four_views_keep_their_own_ranges() -> None:
    shown = {kernel.label: str(kernel.range) for kernel in load("four-views").kernels}
    assert shown == {"edge": "abs", "blur": "clip", "sharpen": "clip", "emboss": "shift"}


def test_number_of_maps() -> None:
    sizes = {name: len(load(name).kernels) for name in NAMES}
    several = {
        "four-views": 4,
        "frei-chen": 9,
        "kirsch": 8,
        "robinson": 8,
        "emboss-compass": 8,
        "lines": 4,
        "laws": 25,
        "gabor-bank": 8,
        "teaching-layer": 2,
    } | dict.fromkeys(("sobel", "scharr", "prewitt", "farid", "central", "roberts"), 2)
    assert {name: count for name, count in sizes.items() if count > 1} == several
