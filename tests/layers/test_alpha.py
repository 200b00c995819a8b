"""Transparency: the four policies by hand, anchors, what is hidden stays hidden, mattes make no edges.

The picture of the examples, grey x over alpha a (v visible, 255; . hidden, 0):

    x   30  60  90      a  v . v
       100 200  50         v v .
        10  20  30         . . .
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from convtool import apply, load_kernel
from convtool.engine.geometry import resolve
from convtool.kernels.kernel import KernelSet, make_kernel

Array = NDArray[Any]
Rows = list[list[float]]

X = [[30, 60, 90], [100, 200, 50], [10, 20, 30]]
A = [[255, 0, 255], [255, 255, 0], [0, 0, 0]]
GREY = np.dstack([X, A]).astype(np.uint8)
RGBA = np.dstack([X, np.full((3, 3), 10), np.full((3, 3), 100), A]).astype(np.uint8)
FULL = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}
BORDERS = ["zeros", "constant=90", "replicate", "reflect", "symmetric", "circular"]


def deep(label: str, planes: list[Rows]) -> KernelSet:
    return KernelSet(label, (make_kernel(label, np.array(planes, dtype=np.float64)),))


DEEP_BLUR = deep("deep-blur", [[[0, 1, 1]], [[0, 1, 0]], [[0, 0, 1]]])
DEEP_EDGE = deep("deep-edge", [[[-1, 0, 1]], [[0, 1, 0]], [[0, 0, -1]]])


@cache
def kernel(spec: str) -> KernelSet:
    return {"deep-blur": DEEP_BLUR, "deep-edge": DEEP_EDGE}.get(spec) or load_kernel(spec)


def one(image: Array, spec: str | KernelSet, **options: Any) -> Array:
    (found,) = apply(image, kernel(spec) if isinstance(spec, str) else spec, **options).values()
    return found


# By hand


@pytest.mark.parametrize(
    ("border", "colour", "alpha"),
    [
        # The mean of what is visible among left, centre, right; alpha the visible third(s) of 255.
        # zeros: outside is a visible 0: (0+30)/2 (30+90)/2 (90+0)/2; (0+100+200)/3 (100+200)/2 (200+0)/2; 0/1 - 0/1
        ("zeros", [[15, 60, 45], [100, 150, 100], [0, 0, 0]], [[170, 170, 170], [255, 170, 170], [85, 0, 85]]),
        # constant: outside is a visible 90: (90+30)/2 .. (90+90)/2; (90+100+200)/3 .. (200+90)/2; 90 - 90
        ("constant=90", [[60, 60, 90], [130, 150, 145], [90, 0, 90]], [[170, 170, 170], [255, 170, 170], [85, 0, 85]]),
        # reflect: outside is the middle column: 30/1 .. 90/1; (200+100+200)/3 .. (200+200)/2; nothing visible
        ("reflect", [[30, 60, 90], [500 / 3, 150, 200], [0, 0, 0]], [[85, 170, 85], [255, 170, 170], [0, 0, 0]]),
    ],
)
def test_a_weighted_blur(border: str, colour: Rows, alpha: Rows) -> None:
    found = one(GREY, "1 1 1 / 3", border=border)
    np.testing.assert_allclose(found[..., 0], colour, rtol=2e-7)
    np.testing.assert_allclose(found[..., 1], alpha, rtol=2e-7)
    toned = one(GREY, "1 1 1 / 3", border=border, range="clip")
    np.testing.assert_array_equal(toned[..., 0], np.rint(colour))
    np.testing.assert_array_equal(toned[..., 1], np.rint(alpha))


def test_a_weighted_blur_keeps_the_sum_of_its_weights_and_adds_the_bias_last() -> None:
    # 2 2 2: colour 6 times the mean, plus 5 even where nothing is visible; alpha does not care
    found = one(GREY, "2 2 2", border="zeros", bias=5)
    assert found[..., 0].tolist() == [[95, 365, 275], [605, 905, 605], [5, 5, 5]]
    assert found[..., 1].tolist() == [[170, 170, 170], [255, 170, 170], [85, 0, 85]]


@pytest.mark.parametrize(
    ("border", "colour"),
    [
        # right - left, a hidden neighbour counting as the centre.
        # zeros: 30-0 90-30 0-90; 200-0 200-100 0-200; 10-0 20-20 0-30
        ("zeros", [[30, 60, -90], [200, 100, -200], [10, 0, -30]]),
        # constant: 30-90 90-30 90-90; 200-90 200-100 90-200; 10-90 20-20 90-30
        ("constant=90", [[-60, 60, 0], [110, 100, -110], [-80, 0, 60]]),
        # reflect: 30-30 90-30 90-90; 200-200 200-100 200-200; all hidden
        ("reflect", [[0, 60, 0], [0, 100, 0], [0, 0, 0]]),
    ],
)
def test_a_weighted_signed_kernel(border: str, colour: Rows) -> None:
    found = one(GREY, "-1 0 1", border=border)
    np.testing.assert_array_equal(found[..., 0], colour)
    np.testing.assert_array_equal(found[..., 1], A)
    with_bias = one(GREY, "-1 0 1", border=border, bias=7)
    np.testing.assert_array_equal(with_bias[..., 0], np.array(colour) + 7)


def test_half_visible_neighbours_count_by_half() -> None:
    # Alpha 51 is a fifth. Blur of 100 (opaque), 200 (a fifth): (100 + 40)/1.2 = 116.67, alpha 0.6*255 = 153.
    half = np.array([[[100, 255], [200, 51]]], dtype=np.uint8)
    found = one(half, "1 1 / 2", pad="valid")
    np.testing.assert_allclose(found, [[[350 / 3, 153]]], rtol=2e-7)
    # Signed, anchor 100: -100 + 200/5 + 100*(0 - (-1 + 1/5)) = 20, a fifth of the step.
    np.testing.assert_allclose(one(half, "-1 1", pad="valid"), [[[20, 255]]], rtol=2e-7)


@pytest.mark.parametrize(
    ("border", "colour", "alpha"),
    [
        # R: centre and right, G (10): centre, B (100): right; 4 weights, colour = sum / visible weights * 4.
        # zeros: (30+10)/2*4 (90+100)/2*4 (90+10)/4*4; (100+200+10+100)/4*4 (200+10)/2*4 0; 0 0 0
        (
            "zeros",
            [[80, 380, 100], [410, 420, 0], [0, 0, 0]],
            [[127.5, 127.5, 255], [255, 127.5, 127.5], [0, 0, 127.5]],
        ),
        # constant, 90 on each channel: (90+10+90+90)/4*4; (90+90)/2*4
        (
            "constant=90",
            [[80, 380, 280], [410, 420, 360], [0, 0, 360]],
            [[127.5, 127.5, 255], [255, 127.5, 127.5], [0, 0, 127.5]],
        ),
        # reflect: right of the last column is the middle one: (90+10)/2*4; (200+100)/2*4
        (
            "reflect",
            [[80, 380, 200], [410, 420, 600], [0, 0, 0]],
            [[127.5, 127.5, 127.5], [255, 127.5, 127.5], [0, 0, 0]],
        ),
    ],
)
def test_a_weighted_blur_of_depth_three(border: str, colour: Rows, alpha: Rows) -> None:
    found = one(RGBA, "deep-blur", border=border)
    np.testing.assert_allclose(found[..., 0], colour, rtol=2e-7)
    np.testing.assert_allclose(found[..., 1], alpha, rtol=2e-7)


@pytest.mark.parametrize(
    ("border", "colour"),
    [
        # R: right - left, + G (10), - B (100) on the right; hidden ones count as the centre.
        # zeros: 30+10-100 60+10-100 -90+10-0; 200+10-100 100+10-100 -200+10-0; 10+10-100 0+10-100 -30+10-0
        ("zeros", [[-60, -30, -80], [110, 10, -190], [-80, -90, -20]]),
        # constant: -60+10-100 60+10-100 0+10-90; 110+10-100 10 -110+10-90; -80+10-100 -90 60+10-90
        ("constant=90", [[-150, -30, -80], [20, 10, -190], [-170, -90, -20]]),
        # reflect: 0+10-100 60+10-100 0+10-100; 0+10-100 10 0+10-100; 10-100 everywhere
        ("reflect", [[-90, -30, -90], [-90, 10, -90], [-90, -90, -90]]),
    ],
)
def test_a_weighted_signed_kernel_of_depth_three(border: str, colour: Rows) -> None:
    found = one(RGBA, "deep-edge", border=border)
    np.testing.assert_array_equal(found[..., 0], colour)
    np.testing.assert_array_equal(found[..., 1], A)


@pytest.mark.parametrize(
    ("border", "colour", "filtered"),
    [
        # right - left of what is stored, and of alpha
        ("zeros", [[60, 60, -60], [200, -50, -200], [20, 20, -20]], [[0, 0, 0], [255, -255, -255], [0, 0, 0]]),
        # 60-90 60 90-60; 200-90 -50 90-200; 20-90 20 90-20; alpha 0-90 0 90-0; 255-90 -255 90-255; -90 0 90
        (
            "constant=90",
            [[-30, 60, 30], [110, -50, -110], [-70, 20, 70]],
            [[-90, 0, 90], [165, -255, -165], [-90, 0, 90]],
        ),
        ("reflect", [[0, 60, 0], [0, -50, 0], [0, 20, 0]], [[0, 0, 0], [0, -255, 0], [0, 0, 0]]),
    ],
)
def test_keep_filter_and_drop(border: str, colour: Rows, filtered: Rows) -> None:
    keep = one(GREY, "-1 0 1", border=border, alpha="keep")
    np.testing.assert_array_equal(keep, np.dstack([colour, A]))
    both = one(GREY, "-1 0 1", border=border, alpha="filter")
    np.testing.assert_array_equal(both, np.dstack([colour, filtered]))
    dropped = one(GREY, "-1 0 1", border=border, alpha="drop")
    np.testing.assert_array_equal(dropped, colour)
    # A blur under keep: colours as stored, alpha untouched. (30+60+90)/3 in the middle of the first row.
    blurred = one(GREY, "1 1 1 / 3", border=border, alpha="keep")
    assert blurred[0, 1].tolist() == [60, 0]
    np.testing.assert_array_equal(blurred[..., 1], A)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("border", ["zeros", "constant=200", "reflect"])
def test_a_kernel_of_zeros_is_no_blur(dtype: str, border: str) -> None:
    image = np.dstack([X, np.array(A) / 255 * FULL[dtype]]).astype(dtype)
    found = one(image, "0 0 0", border=border)
    assert not found[..., 0].any()
    np.testing.assert_array_equal(found[..., 1], image[..., 1])


def test_depth_four_takes_rgba() -> None:
    # x + 2*10 + 3*100 + a
    four = deep("four", [[[1]], [[2]], [[3]], [[1]]])
    expected = np.array(X) + 320 + np.array(A)
    np.testing.assert_array_equal(one(RGBA, four), expected)


def test_alpha_changes_type_with_the_colours() -> None:
    found = one(GREY, "1 1 1 / 3", border="zeros", range="clip", dtype="uint16")
    assert found[..., 1].tolist() == [[43690, 43690, 43690], [65535, 43690, 43690], [21845, 0, 21845]]
    assert one(GREY, "-1 0 1", dtype="uint16", range="abs")[..., 1].tolist() == [
        [65535, 0, 65535],
        [65535, 65535, 0],
        [0, 0, 0],
    ]
    wide = (GREY.astype(np.uint16) * 257).astype(np.uint16)
    assert one(wide, "1 1 1 / 3", border="zeros", range="clip", dtype="uint8")[..., 1].tolist() == [
        [170, 170, 170],
        [255, 170, 170],
        [85, 0, 85],
    ]


def test_a_merged_pixel_is_as_visible_as_its_least_visible_member() -> None:
    found = apply(GREY, ["1 1 1 / 3", "-1 0 1"], merge="sum", border="zeros")
    # blur 15 60 45, edge 30 60 -90; blur 100 150 100, edge 200 100 -200; alpha: min(blur's, anchor's)
    assert found["merged"][..., 0].tolist() == [[45, 120, -45], [300, 250, -100], [10, 0, -30]]
    assert found["merged"][..., 1].tolist() == [[170, 0, 170], [255, 170, 0], [0, 0, 0]]


# Anchors

PLACES = np.arange(25, dtype=np.float32).reshape(5, 5) / 32 + 1 / 32


@pytest.mark.parametrize(
    ("size", "options", "rows", "columns"),
    [
        # i*stride + (k-1)//2*dilation - pad, clamped to 0..4
        ((3, 3), {}, [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]),
        ((4, 2), {}, [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]),
        ((3, 3), {"stride": 2, "pad": 1}, [0, 2, 4], [0, 2, 4]),
        ((3, 3), {"stride": 2}, [0, 2, 4], [0, 2, 4]),
        ((3, 3), {"stride": 2, "pad": 0}, [1, 3], [1, 3]),
        ((2, 2), {"pad": "valid"}, [0, 1, 2, 3], [0, 1, 2, 3]),
        ((4, 3), {"pad": "valid"}, [1, 2], [1, 2, 3]),
        # i + 1 - 2 = -1 .. 5
        ((3, 3), {"pad": "full"}, [0, 0, 1, 2, 3, 4, 4], [0, 0, 1, 2, 3, 4, 4]),
        # rows i + 1 - 2, columns j + 1
        ((3, 3), {"pad": ((2, 0), (0, 2))}, [0, 0, 1, 2, 3], [1, 2, 3, 4, 4]),
        # i + 1*2 - 0: one window
        ((3, 3), {"pad": "valid", "dilation": 2}, [2], [2]),
        # i*3 + 2*1 - 4 = -2 1 4, j*2 + 0 - 1 = -1 1 3 5 (1x1)
        ((5, 1), {"pad": (4, 1), "stride": (3, 2)}, [0, 1, 4], [0, 1, 3, 4]),
    ],
)
def test_alpha_is_the_anchors(
    size: tuple[int, int], options: dict[str, Any], rows: list[int], columns: list[int]
) -> None:
    image = np.dstack([np.ones_like(PLACES), PLACES])
    signed = np.ones(size)
    signed[0, 0] = -1
    made = KernelSet("k", (make_kernel("k", signed),))
    expected = PLACES[np.ix_(rows, columns)]
    for how in ("keep", "weighted"):
        np.testing.assert_array_equal(one(image, made, alpha=how, **options)[..., 1], expected)


# An opaque alpha


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("spec", ["blur", "box:size=4", "gaussian:sigma=0.8", "sharpen", "sobel-x", "1 2 3 / 7"])
@pytest.mark.parametrize("policy", ["clip", "abs:1/3", "stretch", "symmetric", "shift", "raw"])
def test_an_opaque_alpha_gives_the_same_bytes(dtype: str, spec: str, policy: str) -> None:
    rng = np.random.default_rng(7)
    colour = rng.random((7, 6, 3)) * FULL[dtype]
    image = np.dstack([colour, np.full((7, 6), FULL[dtype])]).astype(dtype)
    for options in ({}, {"border": "zeros"}, {"stride": 2, "pad": 1}, {"channels": "luma"}, {"channels": "sum"}):
        found = one(image, spec, range=policy, dtype=dtype, **options)
        plain = one(image[..., :3], spec, range=policy, dtype=dtype, **options)
        assert found[..., :-1].tobytes() == plain.reshape(*found.shape[:2], -1).tobytes()
        assert (found[..., -1] == FULL[dtype]).all()


@pytest.mark.parametrize("spec", ["colour-edge", "luma", "deep-blur"])
def test_an_opaque_alpha_gives_the_same_bytes_in_depth(spec: str) -> None:
    rng = np.random.default_rng(8)
    image = np.dstack([rng.integers(0, 256, (7, 6, 3)), np.full((7, 6), 255)]).astype(np.uint8)
    for stride, pad in ((1, "same"), (2, 1)):
        options: dict[str, Any] = {"stride": stride, "pad": pad}
        for name, found in apply(image, kernel(spec), range="clip", **options).items():
            plain = apply(image[..., :3], kernel(spec), range="clip", **options)[name]
            assert found[..., 0].tobytes() == plain.tobytes()


# Random pictures

SPECS = [
    "blur",
    "gaussian:sigma=0.8",
    "box:size=2",
    "sharpen",
    "sobel-x",
    "emboss",
    "1",
    "-1",
    "deep-blur",
    "deep-edge",
]
SPECS += ["1 2 -3; 0 1 4", "3 1"]


@st.composite
def pictures(draw: st.DrawFn) -> Array:
    """Pictures (H, W, colours + alpha) with many hidden pixels."""
    dtype = draw(st.sampled_from(["uint8", "uint16", "float32"]))
    shape = draw(st.integers(1, 6)), draw(st.integers(1, 6)), draw(st.sampled_from([1, 3]))
    full = FULL[dtype]
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    colour = rng.random(shape) * full
    levels: list[float] = draw(st.sampled_from([[0, 1], [0, 0, 0, 1, 0.5], [0, 0.001, 0.2, 0.999], [0]]))
    alpha = rng.choice(levels, shape[:2]) * full
    whole = dtype != "float32"
    return np.dstack([np.rint(colour) if whole else colour, np.rint(alpha) if whole else alpha]).astype(dtype)


@st.composite
def run_options(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "border": draw(st.sampled_from(BORDERS)),
        "stride": draw(st.sampled_from([1, 1, 2, (1, 3)])),
        "pad": draw(st.sampled_from(["same", 6, "full", ((6, 7), (9, 6))])),
        "dilation": draw(st.sampled_from([1, 1, 2])),
    }


def rehidden(image: Array, rng: np.random.Generator) -> Array:
    """The picture with other colours where alpha is 0."""
    changed = image.copy()
    hidden = image[..., -1] == 0
    count = (int(hidden.sum()), image.shape[2] - 1)
    if image.dtype.kind == "f":
        changed[hidden, :-1] = rng.choice([np.nan, np.inf, -np.inf, 0.3, -7.0, 1e30], count)
    else:
        changed[hidden, :-1] = rng.integers(0, int(FULL[image.dtype.name]) + 1, count)
    return changed


@settings(deadline=None, max_examples=400)
@given(data=st.data())
def test_hidden_colour_never_reaches_a_visible_pixel(data: st.DataObject) -> None:
    image = data.draw(pictures())
    options = data.draw(run_options())
    specs = data.draw(st.lists(st.sampled_from(SPECS), min_size=1, max_size=3, unique=True))
    is_deep = any(spec.startswith("deep") for spec in specs)
    merge = data.draw(st.sampled_from([None, "magnitude", "max", "mean", "sum"])) if len(specs) > 1 else None
    modes = ["sum", None] if is_deep else [None, "sum", "luma", "r", "g", "b"]
    if merge:
        options["pad"] = "same"  # kernels of any size then give maps of one size
    mode = "sum" if is_deep and merge else data.draw(st.sampled_from(modes))
    policy = data.draw(st.sampled_from(["clip", "abs:1/3", "shift", "stretch", "symmetric:2", "raw"]))
    dtype = data.draw(st.sampled_from([None, "uint8", "uint16", "float32"]))
    other = rehidden(image, np.random.default_rng(data.draw(st.integers(0, 1000))))
    sets = [KernelSet(f"k{at}", kernel(spec).kernels) for at, spec in enumerate(specs)]
    sets = [KernelSet(s.label, tuple(make_kernel(s.label, np.array(k.weights)) for k in s.kernels)) for s in sets]
    before, after = (
        apply(given_, sets, merge=merge, channels=mode, range=policy, dtype=dtype, **options)
        for given_ in (image, other)
    )
    assert before.keys() == after.keys()
    for label, found in before.items():
        np.testing.assert_array_equal(found[..., -1], after[label][..., -1])
        visible = found[..., -1] > 0
        assert found[visible].tobytes() == after[label][visible].tobytes()


@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_a_matte_makes_no_false_edge(data: st.DataObject) -> None:
    image = data.draw(pictures())
    value = data.draw(st.sampled_from([0.1, 0.5, 0.77, 1.0])) * FULL[image.dtype.name]
    visible = image[..., -1] > 0
    image[visible, :-1] = value  # cut to whole numbers where the type is one
    constant = float(np.array(value).astype(image.dtype))
    options = data.draw(run_options()) | {"border": data.draw(st.sampled_from(BORDERS[2:]))}
    edge = one(image, data.draw(st.sampled_from(["sobel-x", "edge", "laplacian-8", "scharr-y", "-1 1"])), **options)
    seen = edge[..., -1] > 0
    tolerance = 0.0 if image.dtype.kind == "u" else 2e-6 * 48
    assert np.abs(edge[seen][:, :-1]).max(initial=0) <= tolerance
    blurred = one(image, data.draw(st.sampled_from(["blur", "box:size=4", "gaussian:sigma=0.8", "1 2 / 3"])), **options)
    seen = blurred[..., -1] > 0
    np.testing.assert_allclose(blurred[seen][:, :-1], constant, rtol=2e-6)
    if image.dtype.kind == "u":
        toned = one(image, "blur", range="clip", **options)
        # Alpha of a pixel with hardly any visible neighbour rounds to 0, but not the other way round.
        assert (toned[toned[..., -1] > 0][:, :-1] == int(constant)).all()


# Section 3, "Alpha weighted", once more as loops


def placed(position: int, size: int, border: str) -> int | None:
    """The sample that stands at a position of an axis; None outside under zeros and constant."""
    if 0 <= position < size:
        return position
    if border.startswith(("zeros", "constant")):
        return None
    if border == "replicate":
        return 0 if position < 0 else size - 1
    line = list(range(size))
    period = {
        "circular": line,
        "symmetric": line + line[::-1],
        "reflect": line + line[-2:0:-1] if size > 1 else [0],
    }[border]
    return period[position % len(period)]


def by_the_book(
    image: Array, w: Array, pads: tuple[int, int], out: tuple[int, int], options: Mapping[str, Any], summed: bool
) -> tuple[Array, Array]:
    """Colours (H', W', M) and alpha (H', W') of weights w (channels, kh, kw), alpha in the units of the picture."""
    full = FULL[image.dtype.name]
    x, a = image[..., :-1].astype(np.float64), image[..., -1].astype(np.float64) / full
    height, width, channels = x.shape
    stride, dilation, border = options["stride"], options["dilation"], options["border"]
    (down, across) = (stride, stride) if isinstance(stride, int) else stride
    outside = float(border.partition("=")[2] or 0)
    groups = [range(channels)] if summed else [[c] for c in range(channels)]
    colours, alphas = np.zeros((*out, len(groups))), np.zeros(out)
    for i, j, g in np.ndindex(*out, len(groups)):
        conv_ax = conv_a = total = colour = 0.0
        row = min(max(i * down + (w.shape[1] - 1) // 2 * dilation - pads[0], 0), height - 1)
        column = min(max(j * across + (w.shape[2] - 1) // 2 * dilation - pads[1], 0), width - 1)
        blur = bool((w >= 0).all() and w.sum() > 0)
        for c in groups[g]:
            here_ax = here_a = 0.0
            for u, v in np.ndindex(*w.shape[1:]):
                r = placed(i * down + u * dilation - pads[0], height, border)
                s = placed(j * across + v * dilation - pads[1], width, border)
                alpha, sample = (1.0, outside) if r is None or s is None else (a[r, s], x[r, s, c])
                here_ax += w[c, u, v] * alpha * sample
                here_a += w[c, u, v] * alpha
            colour += here_ax + x[row, column, c] * (w[c].sum() - here_a)
            conv_ax, conv_a, total = conv_ax + here_ax, conv_a + here_a, total + w[c].sum()
        if blur:
            colours[i, j, g] = conv_ax / conv_a * total if conv_a > 0 else 0.0
            alphas[i, j] = conv_a / total * full
        else:
            colours[i, j, g] = colour
            alphas[i, j] = a[row, column] * full
    return colours, alphas


@settings(deadline=None, max_examples=250)
@given(data=st.data())
def test_weighted_sums_are_those_of_the_book(data: st.DataObject) -> None:
    image = data.draw(pictures())
    options = data.draw(run_options())
    spec = data.draw(st.sampled_from(SPECS))
    colours = image.shape[2] - 1
    (made,) = kernel(spec).kernels
    mode = None if made.depth else data.draw(st.sampled_from([None, "sum"]))
    summed = mode == "sum" or made.depth is not None
    if made.depth and colours == 1:
        image = np.dstack([image[..., :1]] * 3 + [image[..., 1:]])
        colours = 3
    bias = data.draw(st.sampled_from([0.0, 1.5]))
    found = one(image, kernel(spec), channels=mode, bias=bias, **options)

    pads = options["pad"]
    shape = {"stride": options["stride"], "dilation": options["dilation"]}
    pairs = {name: (v, v) if isinstance(v, int) else v for name, v in shape.items()}
    sides = ((pads, pads), (pads, pads)) if isinstance(pads, int) else pads
    geometry = resolve(image.shape[:2], made.size, padding=sides, **pairs)
    weights = made.weights if made.depth else np.repeat(made.weights[None], colours, axis=0)
    expected, alpha = by_the_book(
        image, weights, (geometry.rows.before, geometry.columns.before), geometry.out, options, summed
    )
    peak = max(float(np.abs(image[..., :-1]).max()), 90.0 if options["border"].startswith("constant") else 0.0)
    blur = (weights >= 0).all() and weights.any()
    near = 3e-6 * float(np.abs(weights).sum()) * peak + 1e-6 * abs(bias)
    assert found.shape == (*expected.shape[:2], expected.shape[2] + 1)
    np.testing.assert_allclose(found[..., :-1], expected + bias, rtol=3e-6, atol=near)
    np.testing.assert_allclose(found[..., -1], alpha, rtol=2e-6, atol=1e-6 * FULL[image.dtype.name] if blur else 0)


@settings(deadline=None, max_examples=100)
@given(colour=hnp.arrays(np.uint16, (4, 5, 3)), matte=hnp.arrays(np.bool_, (4, 5)))
def test_sixteen_bits_with_a_hard_matte_are_exact(colour: Array, matte: Array) -> None:
    """Where alpha is 0 or full, a signed sum of whole numbers is a sum of whole numbers."""
    image = np.dstack([colour, matte.astype(np.uint16) * 65535]).astype(np.uint16)
    (made,) = kernel("sobel-x").kernels
    options: dict[str, Any] = {"border": "replicate", "stride": 1, "dilation": 1}
    weights = np.repeat(made.weights[None], 3, axis=0)
    expected, _ = by_the_book(image, weights, (1, 1), (4, 5), options, summed=False)
    np.testing.assert_array_equal(one(image, "sobel-x", border="replicate")[..., :-1], np.rint(expected))
