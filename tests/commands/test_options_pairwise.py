"""Options in combination: every pair of values meets in some case, and shapes come out as the formula says."""

from __future__ import annotations

import re
from functools import cache
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from convtool import apply, conv2d
from convtool.engine import reference
from convtool.engine.border import MODES, Border
from convtool.engine.choice import METHODS
from convtool.engine.geometry import Axis, pair, resolve, standard_padding
from convtool.errors import GeometryError, UsageError
from tests.support import naive

Array = NDArray[Any]
Pair = tuple[int, int]

STRIDES: tuple[Pair, ...] = ((1, 1), (2, 2), (3, 3), (1, 2), (3, 1), (2, 3))
PADDINGS: tuple[str | tuple[Pair, Pair], ...] = (
    ((0, 0), (0, 0)),
    ((1, 1), (1, 1)),
    ((0, 2), (3, 1)),
    ((9, 0), (0, 8)),
    "same",
    "valid",
    "full",
)
DILATIONS: tuple[Pair, ...] = ((1, 1), (2, 2), (1, 2), (2, 1))
DTYPES = ("uint8", "uint16", "float32")
IMAGES: tuple[Pair, ...] = ((1, 1), (1, 5), (4, 1), (2, 3), (5, 5), (8, 7), (13, 10))
KERNELS: tuple[Pair, ...] = ((1, 1), (2, 2), (3, 3), (4, 2), (1, 7), (5, 5), (2, 5), (9, 8))
LAYERS = ((1, 1, 1), (3, 2, 1), (4, 4, 2), (3, 3, 3))
"""Channels, filters, groups."""
WEIGHTS = ("whole", "ninths", "float")
FACTORS: tuple[tuple[Any, ...], ...] = (
    STRIDES,
    PADDINGS,
    DILATIONS,
    DTYPES,
    IMAGES,
    KERNELS,
    MODES,
    LAYERS,
    WEIGHTS,
    METHODS,
)


def pairwise(sizes: list[int]) -> list[tuple[int, ...]]:
    """Rows of indices in which every two values of different factors meet: greedy, the same in every run."""
    missing = {
        (a, i, b, j) for a, b in combinations(range(len(sizes)), 2) for i in range(sizes[a]) for j in range(sizes[b])
    }
    rows: list[tuple[int, ...]] = []
    while missing:
        a, i, b, j = min(missing)
        row: dict[int, int] = {a: i, b: j}
        for factor in range(len(sizes)):
            if factor not in row:
                start = len(rows) % sizes[factor]  # ties go round, so that no value is left behind
                order = [*range(start, sizes[factor]), *range(start)]
                row[factor] = max(order, key=lambda value: len(_met(row, factor, value) & missing))
        found = tuple(row[factor] for factor in range(len(sizes)))
        rows.append(found)
        missing -= {(a, found[a], b, found[b]) for a, b in combinations(range(len(sizes)), 2)}
    return rows


def _met(row: dict[int, int], factor: int, value: int) -> set[tuple[int, int, int, int]]:
    """The pairs that a value would add to a row."""
    return {
        (other, index, factor, value) if other < factor else (factor, value, other, index)
        for other, index in row.items()
    }


CASES = [tuple(values[i] for values, i in zip(FACTORS, row, strict=True)) for row in pairwise([*map(len, FACTORS)])]


def named(value: Any) -> str:
    if not isinstance(value, tuple):
        return str(value)
    if value and isinstance(value[0], tuple):
        return "pad" + "".join(f"{n}" for side in value for n in side)
    return "x".join(map(str, value))


@cache
def samples(dtype: str, channels: int, size: Pair) -> Array:
    high = {"uint8": 255, "uint16": 65535, "float32": 1000}[dtype]
    x = naive.numbers(size[0] * 16 + size[1], channels, *size, low=0, high=high)
    return (x / 1000 - 0.5).astype(np.float32) if dtype == "float32" else x.astype(dtype)


@cache
def weights(kernel: Pair) -> Array:
    whole = naive.numbers(kernel[1], 1, 1, *kernel)
    whole[0, 0, 0, 0] = 1
    return whole


def check(x: Array, weight: Array, whole: Array | None, scale: float, layer: naive.Layer, method: str) -> None:
    """conv2d equals the definition in full, or the refusal is right."""
    size, kernel = (x.shape[1], x.shape[2]), (weight.shape[2], weight.shape[3])
    out = layer.out(size, kernel)
    if min(out) < 1:
        with pytest.raises(GeometryError, match=r"no output (rows|columns)"):
            conv2d(x, weight, **layer.options(), method=method)
        return
    y = conv2d(x, weight, **layer.options(), method=method)
    assert y.shape == (len(weight), *out)
    if whole is not None and x.dtype.kind == "u":
        sums = naive.correlate(x, whole, layer)
        assert np.abs(whole).sum(axis=(1, 2, 3)).max() * naive.reach(x, layer) < naive.EXACT_LIMIT
        np.testing.assert_array_equal(y, (sums / round(1 / scale)).astype(np.float32))
    else:
        want = naive.correlate(x, weight, layer)
        assert (np.abs(y - want) <= naive.allowance(x, weight, layer)).all()


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "dtype", "image", "kernel", "mode", "layer", "kind", "method"),
    CASES,
    ids=["-".join(map(named, case)) for case in CASES],
)
def test_pairs_of_options(
    stride: Pair,
    padding: str | tuple[Pair, Pair],
    dilation: Pair,
    dtype: str,
    image: Pair,
    kernel: Pair,
    mode: str,
    layer: tuple[int, int, int],
    kind: str,
    method: str,
) -> None:
    channels, filters, groups = layer
    asked = naive.Layer(stride, padding, dilation, mode, 3.0 if mode == "constant" else 0.0, groups)
    x = samples(dtype, channels, image)
    limit = 9 if dtype != "uint16" else 1  # 256 times 65,535 is still below 2**24
    whole = naive.numbers(kernel[0] + 16, filters, channels // groups, *kernel, low=-limit, high=limit)
    whole[:, :, 0, 0] = [[limit]] * filters
    scale = {"whole": 1.0, "ninths": 1 / 9, "float": 1 / 9}[kind]
    weight = whole / 9.0 if kind == "ninths" else whole * 0.123456789 + 0.01 if kind == "float" else whole
    check(x, weight, None if kind == "float" else whole, scale, asked, method)
    if min(asked.out(image, kernel)) < 1:
        return
    # The plain loops at the four corners, where the border is at work.
    geometry = resolve(image, kernel, stride=stride, padding=standard_padding(padding), dilation=dilation)
    assert geometry.out == asked.out(image, kernel)
    want = naive.correlate(x, weight, asked)
    rows, columns = geometry.out
    for i, j in {(0, 0), (0, columns - 1), (rows - 1, 0), (rows - 1, columns - 1)}:
        slow = reference.output(
            x[: channels // groups], weight[0].astype(np.float64), 0.0, geometry, Border(mode, asked.value), i, j
        )
        assert slow == pytest.approx(want[0, i, j], rel=1e-12, abs=1e-9)


def test_every_pair_is_met() -> None:
    indices = [{value: at for at, value in enumerate(values)} for values in FACTORS]
    for a, b in combinations(range(len(FACTORS)), 2):
        met = {(indices[a][case[a]], indices[b][case[b]]) for case in CASES}
        assert met == set(product(range(len(FACTORS[a])), range(len(FACTORS[b]))))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("stride", STRIDES, ids=named)
def test_geometry_in_full(stride: Pair, mode: str) -> None:
    """Every padding, image and kernel with each other, close together and two apart."""
    for padding, dilation, image, kernel in product(PADDINGS, DILATIONS[:2], IMAGES, KERNELS):
        layer = naive.Layer(stride, padding, dilation, mode, -2.0 if mode == "constant" else 0.0)
        whole = weights(kernel)
        check(samples("uint8", 1, image), whole, whole, 1.0, layer, "auto")


# Same


@pytest.mark.parametrize("kernel", [(2, 2), (4, 2), (2, 5), (6, 4), (8, 3)], ids=named)
def test_same_even_kernels_anchor_before_the_middle(kernel: Pair) -> None:
    """A kernel that is 1 on its anchor, (k-1)//2, leaves the picture in place; scipy's and OpenCV's is k//2."""
    x = samples("uint8", 1, (9, 8))
    row, column = naive.anchors(kernel)
    weight = np.zeros((1, 1, *kernel))
    weight[0, 0, row, column] = 1
    for mode in MODES:
        np.testing.assert_array_equal(conv2d(x, weight, padding="same", padding_mode=mode), x)
    if kernel[0] % 2 == 0 and kernel[1] % 2 == 0:
        moved = conv2d(x, weight, padding="same", padding_mode="circular")
        theirs = ndimage.correlate(x[0], weight[0, 0].astype(np.uint8), mode="wrap")
        np.testing.assert_array_equal(np.roll(moved[0], (1, 1), axis=(0, 1)), theirs)


@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2, 3, 4, 7])
def test_same_size_is_size_over_stride_rounded_up(stride: int, dilation: int) -> None:
    for size, k in product(range(1, 14), range(1, 9)):
        geometry = resolve((size, 1), (k, 1), stride=(stride, 1), padding="same", dilation=(dilation, 1))
        axis = geometry.rows
        assert axis.out == -(-size // stride)
        assert axis.after - axis.before in (0, 1)  # the odd sample comes after: SAME_UPPER
        needed = max((axis.out - 1) * stride + dilation * (k - 1) + 1 - size, 0)
        assert axis.before + axis.after == needed
        if stride == dilation == 1:
            assert axis.before == (k - 1) // 2
        y = conv2d(np.ones((1, size, 2)), np.ones((1, 1, k, 1)), stride=(stride, 1), padding="same", dilation=dilation)
        assert y.shape == (1, -(-size // stride), 2)


def test_same_at_a_stride_samples_other_pixels_than_a_number() -> None:
    x = np.arange(64.0).reshape(1, 8, 8)
    one = np.zeros((1, 1, 3, 3))
    one[0, 0, 1, 1] = 1
    assert conv2d(x, one, stride=2, padding=1)[0, 0].tolist() == [0, 2, 4, 6]
    assert conv2d(x, one, stride=2, padding="same")[0, 0].tolist() == [9, 11, 13, 15]


@pytest.mark.parametrize("k", range(1, 8))
@pytest.mark.parametrize("dilation", [1, 2])
def test_valid_and_full(k: int, dilation: int) -> None:
    x, weight = np.ones((1, 20, 20)), np.ones((1, 1, k, k))
    reach = dilation * (k - 1)
    assert conv2d(x, weight, padding="valid", dilation=dilation).shape == (1, 20 - reach, 20 - reach)
    full = conv2d(x, weight, padding="full", dilation=dilation)
    assert full.shape == (1, 20 + reach, 20 + reach)
    assert full[0, 0, 0] == 1  # one corner of the kernel touches one corner of the image
    assert full.sum() == 400 * k * k


def test_padding_can_be_said_in_several_ways() -> None:
    x, weight = samples("uint8", 1, (8, 7)), np.ones((1, 1, 3, 3))
    one = conv2d(x, weight, padding=1)
    for same in ((1, 1), [1, 1], ((1, 1), (1, 1)), [[1, 1], [1, 1]], np.int64(1), (np.uint8(1), 1), "same"):
        np.testing.assert_array_equal(conv2d(x, weight, padding=same), one)
    np.testing.assert_array_equal(conv2d(x, weight, padding="valid"), conv2d(x, weight))
    np.testing.assert_array_equal(conv2d(x, weight, padding=(2, 2)), conv2d(x, weight, padding="full"))
    rows_only = conv2d(x, weight, padding=(2, 0))
    assert rows_only.shape == (1, 10, 5)
    np.testing.assert_array_equal(conv2d(x, weight, padding=((2, 2), (0, 0))), rows_only)


# No output


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "padding", "text"),
    [
        ((2, 9), (5, 3), (1, 1), (1, 1), 0, "floor((2 + 0 + 0 - 1*(5-1) - 1)/1) + 1 = -2"),
        ((9, 2), (3, 5), (1, 1), (1, 1), 0, "floor((2 + 0 + 0 - 1*(5-1) - 1)/1) + 1 = -2"),
        ((1, 1), (7, 7), (2, 2), (1, 1), 1, "floor((1 + 1 + 1 - 1*(7-1) - 1)/2) + 1 = -1"),
        ((4, 4), (3, 3), (3, 3), (2, 2), 0, "floor((4 + 0 + 0 - 2*(3-1) - 1)/3) + 1 = 0"),
        ((3, 3), (6, 6), (1, 1), (1, 1), ((0, 2), (9, 9)), "floor((3 + 0 + 2 - 1*(6-1) - 1)/1) + 1 = 0"),
    ],
)
def test_no_output_shows_the_sum(
    size: Pair, kernel: Pair, stride: Pair, dilation: Pair, padding: Any, text: str
) -> None:
    x, weight = np.ones((1, *size)), np.ones((1, 1, *kernel))
    with pytest.raises(GeometryError) as caught:
        conv2d(x, weight, stride=stride, dilation=dilation, padding=padding)
    message = str(caught.value)
    assert text in message
    assert isinstance(caught.value, ValueError)
    assert "\n" not in message
    assert re.search(r"\bstride\b", message)
    found = re.search(r"padding that works is (\d+)", message)
    assert found
    smallest = int(found[1])
    axis = 0 if "rows" in message else 1
    sides: list[Pair] = [(99, 99), (99, 99)]
    for pad, fits in ((smallest, True), (smallest - 1, False)):
        sides[axis] = (pad, pad)
        both: Any = tuple(sides)
        if fits:
            conv2d(x, weight, stride=stride, dilation=dilation, padding=both)
        elif pad >= 0:
            with pytest.raises(GeometryError):
                conv2d(x, weight, stride=stride, dilation=dilation, padding=both)


def test_apply_names_the_kernel_and_the_image() -> None:
    with pytest.raises(
        GeometryError, match=r"edge on 2x2: no output rows: floor\(\(2 \+ 0 \+ 0 - 1\*\(3-1\) - 1\)/1\)"
    ):
        apply(np.ones((2, 2)), "edge", pad="valid")


@pytest.mark.parametrize(
    "options",
    [
        {"stride": 0},
        {"stride": (1, 0)},
        {"stride": -1},
        {"stride": 1.5},
        {"stride": True},
        {"stride": (1, 2, 3)},
        {"dilation": 0},
        {"padding": -1},
        {"padding": ((0, -1), (0, 0))},
        {"padding": "some"},
        {"padding": 0.5},
        {"padding": (1, 2, 3, 4)},
        {"padding_mode": "mirror"},
        {"method": "magic"},
        {"groups": 2},
        {"groups": 0},
        {"threads": 0},
        {"bias": [1.0]},
    ],
    ids=str,
)
def test_arguments_that_cannot_be_meant(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        conv2d(np.ones((3, 5, 5)), np.ones((2, 3, 3, 3)), **options)


@pytest.mark.parametrize("value", [1, (1, 1), [1, 1], np.array([1, 1]).tolist(), (np.int8(1), np.int64(1))], ids=str)
def test_pairs(value: object) -> None:
    assert pair(value, "stride", 1) == (1, 1)


def test_axis_says_where_a_window_starts_and_whose_it_is() -> None:
    axis = Axis(size=8, kernel=4, stride=3, dilation=2, before=2, after=3)
    assert axis.span == 7
    assert axis.out == (8 + 5 - 7) // 3 + 1 == 3
    assert axis.padded == 2 * 3 + 7
    assert [axis.start(i) for i in range(3)] == [-2, 1, 4]
    assert [axis.anchor(i) for i in range(3)] == [0, 3, 6]
    assert Axis(size=2, kernel=1, stride=1, dilation=1, before=3, after=3).anchor(0) == 0
    assert Axis(size=2, kernel=1, stride=1, dilation=1, before=3, after=3).anchor(7) == 1
