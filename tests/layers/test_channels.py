"""Which channels a kernel sees: each, sum, luma and letters by hand; how depth meets pictures of every kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convtool import apply
from convtool.errors import GeometryError, UsageError
from convtool.kernels.kernel import Kernel, KernelSet, make_kernel
from convtool.layers.channels import select
from convtool.pictures.picture import Layout

Array = NDArray[Any]

R = [[10, 20, 30], [40, 50, 60], [70, 80, 90]]
G = [[1, 1, 2], [3, 5, 8], [13, 21, 34]]
B = [[100, 100, 100], [0, 0, 0], [200, 200, 200]]
A = [[255, 255, 255], [255, 255, 255], [255, 255, 255]]
RGB = np.dstack([R, G, B]).astype(np.uint8)
RGBA = np.dstack([R, G, B, A]).astype(np.uint8)
GREY = np.array(R, dtype=np.uint8)
GREY_ALPHA = np.dstack([R, A]).astype(np.uint8)

RIGHT = "0 0 1"  # the right neighbour


def one(image: Array, kernel: str | KernelSet, **options: Any) -> Array:
    (found,) = apply(image, kernel, **options).values()
    return found


def deep(depth: int, *planes: float) -> KernelSet:
    """A 1x1 kernel that spans the depth."""
    kernel = make_kernel("deep", np.array(planes or range(1, depth + 1), dtype=np.float64).reshape(depth, 1, 1))
    return KernelSet("deep", (kernel,))


# Kernels without depth


def test_each_channel_by_itself_is_the_default() -> None:
    expected = np.dstack([[[*r[1:], 0] for r in plane] for plane in (R, G, B)])
    for options in ({}, {"channels": "each"}):
        np.testing.assert_array_equal(one(RGB, RIGHT, border="zeros", **options), expected)
    assert one(GREY, RIGHT, border="zeros").tolist() == [[20, 30, 0], [50, 60, 0], [80, 90, 0]]


def test_sum_adds_the_channels_into_one_plane() -> None:
    # R + G + B
    assert one(RGB, "1", channels="sum").tolist() == [[111, 121, 132], [43, 55, 68], [283, 301, 324]]
    # clipped as one plane: 283, 301 and 324 are beyond 255
    assert one(RGB, "1", channels="sum", range="clip").tolist() == [[111, 121, 132], [43, 55, 68], [255, 255, 255]]
    # the weights are on every channel, the bias is there once
    assert one(RGB, "2", channels="sum", bias=1).tolist() == [[223, 243, 265], [87, 111, 137], [567, 603, 649]]
    assert one(RGB, RIGHT, channels="sum", border="zeros").tolist() == [[121, 132, 0], [55, 68, 0], [301, 324, 0]]


def test_the_sum_of_one_plane_is_that_plane() -> None:
    np.testing.assert_array_equal(one(GREY, RIGHT, channels="sum"), one(GREY, RIGHT))
    np.testing.assert_array_equal(one(GREY_ALPHA, RIGHT, channels="sum"), one(GREY_ALPHA, RIGHT))


def test_alpha_is_no_part_of_the_sum() -> None:
    found = one(RGBA, "1", channels="sum")
    assert found[..., 0].tolist() == [[111, 121, 132], [43, 55, 68], [283, 301, 324]]
    assert (found[..., 1] == 255).all()


def test_luma_is_float_and_unrounded() -> None:
    # 0.299 R + 0.587 G + 0.114 B: 2.99+0.587+11.4 = 14.977, 17.967, 21.544; 11.96+1.761 = 13.721, 17.885, 22.636;
    # 20.93+7.631+22.8 = 51.361, 59.047 - that is 23.92+12.327+22.8 - and 26.91+19.958+22.8 = 69.668
    expected: list[list[float]] = [[14.977, 17.967, 21.544], [13.721, 17.885, 22.636], [51.361, 59.047, 69.668]]
    np.testing.assert_allclose(one(RGB, "1", channels="luma"), expected, rtol=1e-6)
    # unrounded: 14.977*10 is 149.77, while a rounded luma would give 150
    np.testing.assert_allclose(one(RGB, "10", channels="luma")[0, 0], 149.77, rtol=1e-6)
    assert one(RGB, "1", channels="luma", range="clip").tolist() == [[15, 18, 22], [14, 18, 23], [51, 59, 70]]
    # 17.967 - 14.977 = 2.99 and so on: differences of unrounded lumas
    found = one(RGB, "-1 1", channels="luma", pad="valid")
    np.testing.assert_allclose(found[0], [2.99, 3.577], atol=3e-6)


def test_luma_of_white_is_white() -> None:
    for dtype, full in (("uint8", 255), ("uint16", 65535), ("float32", 1.0)):
        white = np.full((3, 3, 3), full, dtype=dtype)
        np.testing.assert_allclose(one(white, "1", channels="luma"), full, rtol=3e-7)
        if dtype != "float32":
            assert (one(white, "1", channels="luma", range="clip") == full).all()


def test_luma_of_grey_is_grey() -> None:
    np.testing.assert_array_equal(one(GREY, RIGHT, channels="luma"), one(GREY, RIGHT))


def test_letters() -> None:
    for letter, plane in zip("rgb", (R, G, B), strict=True):
        assert one(RGB, "1", channels=letter).tolist() == plane
        found = one(RGBA, "1", channels=letter)
        assert found[..., 0].tolist() == plane
        assert (found[..., 1] == 255).all()
        assert one(GREY, "1", channels=letter).tolist() == R  # grey is equal red, green and blue


def test_the_letter_a_filters_alpha_as_a_plane() -> None:
    image = RGBA.copy()
    image[..., 3] = G
    assert one(image, "1", channels="a").tolist() == G
    assert one(image, RIGHT, channels="a", border="zeros").tolist() == [[1, 2, 0], [5, 8, 0], [21, 34, 0]]
    assert one(np.dstack([R, G]).astype(np.uint8), "1", channels="a").tolist() == G
    for image in (GREY, RGB):
        with pytest.raises(GeometryError, match="no alpha"):
            apply(image, "1", channels="a")


@pytest.mark.parametrize("letter", ["luma", "r", "g", "b"])
def test_five_channels_have_no_colours_to_pick(letter: str) -> None:
    with pytest.raises(GeometryError, match="5 channels"):
        apply(np.zeros((3, 3, 5)), "1", channels=letter)
    assert one(np.ones((3, 3, 5)), "1", channels="sum")[0, 0] == 5


def test_an_unknown_mode_is_refused_with_a_hint() -> None:
    with pytest.raises(UsageError, match="did you mean luma"):
        apply(RGB, "1", channels="lumma")


# Alpha filtered as one more channel


def test_filtered_alpha_comes_last_in_every_mode() -> None:
    image = np.dstack([R, G, B, G]).astype(np.uint8)
    filtered = [[1, 2, 0], [5, 8, 0], [21, 34, 0]]
    for mode, channels in ((None, 4), ("each", 4), ("luma", 2), ("r", 2), ("g", 2), ("b", 2)):
        found = one(image, RIGHT, channels=mode, alpha="filter", border="zeros")
        assert found.shape == (3, 3, channels), mode
        assert found[..., -1].tolist() == filtered, mode
    for letter, plane in zip("rgb", (R, G, B), strict=True):
        assert one(image, "1", channels=letter, alpha="filter")[..., 0].tolist() == plane
    # one more channel: the sum takes it in
    assert one(image, "1", channels="sum", alpha="filter")[0].tolist() == [112, 122, 134]


# Kernels with depth


def test_depth_three_by_hand() -> None:
    # R + 2 G + 3 B: 10+2+300 = 312, 20+2+300 = 322, 30+4+300 = 334; 46, 60, 76; 696, 722, 758
    expected = [[312, 322, 334], [46, 60, 76], [696, 722, 758]]
    assert one(RGB, deep(3)).tolist() == expected
    assert one(RGB, deep(3), channels="sum").tolist() == expected
    found = one(RGBA, deep(3))
    assert found[..., 0].tolist() == expected
    assert (found[..., 1] == 255).all()


def test_depth_three_on_grey_repeats_the_grey() -> None:
    # (1 + 2 + 3) x
    assert one(GREY, deep(3)).tolist() == [[60, 120, 180], [240, 300, 360], [420, 480, 540]]
    found = one(GREY_ALPHA, deep(3))
    assert found[..., 0].tolist() == [[60, 120, 180], [240, 300, 360], [420, 480, 540]]
    assert (found[..., 1] == 255).all()
    as_colour = np.dstack([GREY] * 3)
    np.testing.assert_array_equal(one(GREY, "luma"), one(as_colour, "luma"))
    np.testing.assert_array_equal(one(GREY, "colour-edge"), one(as_colour, "colour-edge"))


def test_depth_four_takes_alpha_as_a_channel() -> None:
    image = np.dstack([R, G, B, G]).astype(np.uint8)
    # R + 2 G + 3 B + 4 A: 312 + 4, 322 + 4, 334 + 8 ...
    expected = [[316, 326, 342], [58, 80, 108], [748, 806, 894]]
    for how in ("weighted", "keep", "filter", "drop"):
        assert one(image, deep(4), alpha=how).tolist() == expected, how


def test_depth_one_and_five() -> None:
    assert one(GREY, deep(1, 2)).tolist() == [[20, 40, 60], [80, 100, 120], [140, 160, 180]]
    assert one(np.ones((2, 2, 5)), deep(5)).tolist() == [[15, 15], [15, 15]]


@pytest.mark.parametrize(
    ("image", "depth", "has"),
    [(RGB, 2, 3), (RGB, 4, 3), (RGB, 1, 3), (RGBA, 2, 3), (RGBA, 5, 3), (GREY, 2, 1), (GREY, 4, 1), (GREY_ALPHA, 2, 1)],
)
def test_any_other_depth_names_both_numbers(image: Array, depth: int, has: int) -> None:
    with pytest.raises(GeometryError, match=rf"deep spans {depth} channels?, the picture has {has} "):
        apply(image, deep(depth))


@pytest.mark.parametrize("mode", ["each", "luma", "r", "g", "b", "a"])
@pytest.mark.parametrize("image", [RGB, RGBA, GREY])
def test_a_mode_given_with_a_deep_kernel_is_a_usage_error(mode: str, image: Array) -> None:
    with pytest.raises(UsageError, match=rf"deep spans 3 channels.*{mode}"):
        apply(image, deep(3), channels=mode)


def test_kernels_with_and_without_depth_side_by_side() -> None:
    found = apply(RGB, [deep(3), "blur"])
    assert found["deep"].shape == (3, 3)
    assert found["blur"].shape == (3, 3, 3)


# The selection itself


@pytest.mark.parametrize(
    ("colours", "alpha", "mode", "policy", "maps", "kind"),
    [
        (3, True, None, "weighted", 3, "weighted"),
        (3, True, None, "keep", 3, "anchor"),
        (3, True, None, "drop", 3, "none"),
        (3, True, None, "filter", 4, "channel"),
        (3, False, None, "weighted", 3, "none"),
        (3, True, "sum", "weighted", 1, "weighted"),
        (1, True, "luma", "weighted", 1, "weighted"),
        (3, True, "a", "weighted", 1, "none"),
        (3, True, "luma", "filter", 2, "channel"),
    ],
)
def test_channels_and_alpha_of_a_selection(
    colours: int, alpha: bool, mode: str | None, policy: str, maps: int, kind: str
) -> None:
    kernel: Kernel = make_kernel("k", np.ones((3, 3)))
    found = select(Layout(4, 4, colours, alpha, "uint8"), kernel, mode, policy)
    assert (found.maps, found.alpha) == (maps, kind)
