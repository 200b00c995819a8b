"""Several maps made one: by hand, which maps are joined, and how the joined map is shown.

    picture  1 4 5     h = right - left   3  4  1     v = below - above  4  4 -4
             5 8 1     (-1 0 1)           3 -4 -7     (-1; 0; 1)         8  5  4
             9 9 9                        0  0  0                        4  1  8

with replicated borders.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convtool import apply
from convtool.errors import GeometryError, KernelError, UsageError
from convtool.kernels.kernel import Kernel, KernelSet, make_kernel
from convtool.kernels.library import Library
from convtool.layers import options
from convtool.layers.activations import ACTIVATIONS
from convtool.layers.filtering import filter_map
from convtool.layers.maps import MapSpec, list_maps
from convtool.layers.merging import MERGES
from convtool.layers.plan import plan_map
from convtool.layers.settings import Settings
from convtool.pictures.picture import picture_from_array
from convtool.tone.ranges import Range, parse_range

PICTURE = np.array([[1, 4, 5], [5, 8, 1], [9, 9, 9]], dtype=np.uint8)
H, V = "-1 0 1", "-1; 0; 1"


def merged(how: str, picture: NDArray[Any] = PICTURE, **options: Any) -> NDArray[Any]:
    (found,) = apply(picture, [H, V], border="replicate", merge=how, **options).items()
    assert found[0] == "merged"
    return found[1]


def test_the_members_are_those_of_the_text() -> None:
    maps = apply(PICTURE, [H, V], border="replicate")
    assert maps["inline-1"].tolist() == [[3, 4, 1], [3, -4, -7], [0, 0, 0]]
    assert maps["inline-2"].tolist() == [[4, 4, -4], [8, 5, 4], [4, 1, 8]]


def test_magnitude_by_hand() -> None:
    # sqrt(9+16) sqrt(16+16) sqrt(1+16), sqrt(9+64) sqrt(16+25) sqrt(49+16), 4 1 8
    expected: list[list[float]] = [[5, 5.6568542, 4.1231056], [8.5440037, 6.4031242, 8.0622577], [4, 1, 8]]
    np.testing.assert_allclose(merged("magnitude"), expected, rtol=1e-7)
    assert merged("magnitude", range="clip").tolist() == [[5, 6, 4], [9, 6, 8], [4, 1, 8]]


def test_max_by_hand_is_signed() -> None:
    assert merged("max").tolist() == [[4, 4, 1], [8, 5, 4], [4, 1, 8]]
    # Both below 0: the one nearer to 0 is the larger. -2x and -x over 1 4 5 ...
    (found,) = apply(PICTURE, ["-2", "-1"], merge="max").values()
    assert found.tolist() == [[-1, -4, -5], [-5, -8, -1], [-9, -9, -9]]
    # -4 and -7 of h are less than v's 5 and 4: what counts is not the magnitude.
    assert merged("max", range="abs").tolist() == [[4, 4, 1], [8, 5, 4], [4, 1, 8]]


def test_mean_by_hand() -> None:
    assert merged("mean").tolist() == [[3.5, 4, -1.5], [5.5, 0.5, -1.5], [2, 0.5, 4]]
    # ties to even: 3.5 is 4, 5.5 is 6, 0.5 is 0
    assert merged("mean", range="clip").tolist() == [[4, 4, 0], [6, 0, 0], [2, 0, 4]]


def test_sum_by_hand() -> None:
    assert merged("sum").tolist() == [[7, 8, -3], [11, 1, -3], [4, 1, 8]]
    assert merged("sum", range="abs:1/2").tolist() == [[4, 4, 2], [6, 0, 2], [2, 0, 4]]
    # (y + 3)/14*255 = 182.1 200.4 0, 255 72.9 0, 127.5 72.9 200.4
    assert merged("sum", range="stretch").tolist() == [[182, 200, 0], [255, 73, 0], [128, 73, 200]]
    # y/11*127 + 128 = 208.8 220.4 93.4, 255 139.5 93.4, 174.2 139.5 220.4
    assert merged("sum", range="symmetric").tolist() == [[209, 220, 93], [255, 140, 93], [174, 140, 220]]


def test_bias_is_added_to_every_member_before_merging() -> None:
    assert merged("sum", bias=10).tolist() == [[27, 28, 17], [31, 21, 17], [24, 21, 28]]
    assert merged("max", bias=10).tolist() == [[14, 14, 11], [18, 15, 14], [14, 11, 18]]
    # (3+10)^2 + (4+10)^2 = 365
    np.testing.assert_allclose(merged("magnitude", bias=10)[0, 0], 365**0.5, rtol=1e-7)


@pytest.mark.parametrize("how", ["magnitude", "max", "mean", "sum"])
def test_channels_are_merged_one_by_one(how: str) -> None:
    colour = np.dstack([PICTURE, PICTURE.T, PICTURE[::-1]])
    found = merged(how, colour)
    for c in range(3):
        np.testing.assert_array_equal(found[..., c], merged(how, colour[..., c]))


def test_merging_happens_on_floats_before_the_range() -> None:
    # x/3 twice, 1/3 + 1/3 of 5 is 3.33: two rounded maps would give 2 + 2
    five = np.full((3, 3), 5, dtype=np.uint8)
    (found,) = apply(five, ["1/3", "1/3 0 0"], merge="sum", range="clip").values()
    assert (found == 3).all()
    # 200 + 200 - 300 = 100 although every member but the first is beyond 8 bits on the way
    wide = np.full((3, 3), 200, dtype=np.uint8)
    (found,) = apply(wide, ["1", "0 1 0", "-1.5"], merge="sum", range="clip").values()
    assert (found == 100).all()


def test_a_thousand_squared_does_not_overflow() -> None:
    wide = np.full((3, 3), 65535, dtype=np.uint16)
    (found,) = apply(wide, ["1000", "-1000"], merge="magnitude").values()
    np.testing.assert_allclose(found, 65535e3 * 2**0.5, rtol=1e-6)


# What is merged with what


def single(label: str, how: str | None = None) -> Kernel:
    return make_kernel(label, np.ones((3, 3)), range=parse_range(how) if how else None)


def several(label: str, *members: Kernel) -> KernelSet:
    return KernelSet(label, members)


def alone(label: str, how: str | None = None) -> KernelSet:
    return KernelSet(label, (single(label, how),))


def maps(*sets: KernelSet, how: str = "sum", policy: str | None = None) -> list[MapSpec]:
    return list_maps(sets, Settings(merge=how, range=parse_range(policy) if policy else None))


def labels(found: list[MapSpec]) -> list[tuple[str, str, list[str], str | None]]:
    return [(each.label, each.kernel, [m.label for m in each.members], each.merge) for each in found]


def test_a_set_is_merged_into_one_map_of_its_name() -> None:
    found = maps(several("pair", single("one"), single("two")))
    assert labels(found) == [("pair", "pair", ["one", "two"], "sum")]


def test_each_set_by_itself() -> None:
    found = maps(several("p", single("a"), single("b")), several("q", single("c"), single("d"), single("e")))
    assert labels(found) == [("p", "p", ["a", "b"], "sum"), ("q", "q", ["c", "d", "e"], "sum")]


def test_a_single_kernel_beside_a_set_stays_as_it_is() -> None:
    found = maps(alone("blur"), several("p", single("a"), single("b")), alone("edge", "abs:1/4"))
    assert labels(found) == [
        ("blur", "blur", ["blur"], None),
        ("p", "p", ["a", "b"], "sum"),
        ("edge", "edge", ["edge"], None),
    ]
    assert [str(each.range) for each in found] == ["clip", "clip", "abs:1/4"]


def test_single_kernels_are_merged_all_together() -> None:
    found = maps(alone("a"), alone("b"), alone("c"), how="max")
    assert labels(found) == [("merged", "merged", ["a", "b", "c"], "max")]


@pytest.mark.parametrize("how", ["magnitude", "max", "mean", "sum"])
def test_one_map_in_all_cannot_be_merged(how: str) -> None:
    with pytest.raises(UsageError, match="blur"):
        maps(alone("blur"), how=how)
    with pytest.raises(UsageError):
        apply(PICTURE, "blur", merge=how)


def test_labels_of_the_library() -> None:
    assert list(apply(PICTURE, "sobel", merge="magnitude")) == ["sobel"]
    assert list(apply(PICTURE, ["sobel", "kirsch", "blur"], merge="max")) == ["sobel", "kirsch", "blur"]
    assert list(apply(PICTURE, ["sobel-x", "sobel-y"], merge="max")) == ["merged"]


def test_equal_labels_after_merging_are_refused() -> None:
    with pytest.raises(KernelError, match="given twice"):
        maps(several("Pair", single("a"), single("b")), several("pair", single("c"), single("d")))


# How it is shown


@pytest.mark.parametrize(
    ("how", "ranges", "shown"),
    [
        ("magnitude", ["abs", "abs"], "clip"),
        ("magnitude", ["shift", "shift"], "clip"),
        ("max", ["abs", "abs"], "abs"),
        ("mean", ["symmetric", "symmetric"], "symmetric"),
        ("sum", ["abs:4/15", "abs:4/15"], "abs:4/15"),
        ("sum", ["abs:4/15", "abs"], "clip"),
        ("max", ["abs", "shift"], "clip"),
        ("max", ["abs", None], "clip"),
        ("sum", [None, None], "clip"),
        ("sum", [None, "clip"], "clip"),
        ("sum", ["clip", "abs", "clip"], "clip"),
    ],
)
def test_the_range_of_a_merged_map(how: str, ranges: list[str | None], shown: str) -> None:
    members = [single(f"k{at}", policy) for at, policy in enumerate(ranges)]
    (in_set,) = maps(several("pair", *members), how=how)
    assert str(in_set.range) == shown
    (as_singles,) = maps(*(KernelSet(m.label, (m,)) for m in members), how=how)
    assert str(as_singles.range) == shown


@pytest.mark.parametrize("how", ["magnitude", "max", "mean", "sum"])
def test_a_range_that_is_given_wins(how: str) -> None:
    (found,) = maps(several("pair", single("a", "abs"), single("b", "abs")), how=how, policy="shift:1/2")
    assert found.range == parse_range("shift:1/2")
    assert maps(several("pair", single("a"), single("b")), alone("c", "abs"), policy="raw")[1].range == Range("raw")


def test_shipped_ranges() -> None:
    # sobel's magnitude is clipped, its max keeps the members' abs: sobel-x of a falling edge is negative
    falling = np.repeat(np.array([[200, 0, 0, 0]], dtype=np.uint8), 4, axis=0)
    # at the edge sobel-x is -800, sobel-y 0
    assert apply(falling, "sobel", merge="magnitude", dtype="uint8")["sobel"][1].tolist() == [0, 255, 0, 0]
    assert apply(falling, "sobel", merge="max", dtype="uint8")["sobel"][1].tolist() == [0, 0, 0, 0]
    assert apply(falling, "sobel", merge="sum", dtype="uint8")["sobel"][1].tolist() == [0, 255, 0, 0]


# Maps that do not go together


def test_maps_of_different_size_are_refused_with_both_sizes() -> None:
    with pytest.raises(GeometryError, match=r"1x1 and 3x3.*same"):
        apply(PICTURE, ["1", "blur"], merge="sum", pad=0)


def test_maps_of_different_channels_are_refused() -> None:
    colour = np.dstack([PICTURE] * 3)
    with pytest.raises(GeometryError, match="channels"):
        apply(colour, ["sobel-x", "luma"], merge="sum")
    (found,) = apply(colour, ["sobel-x", "luma"], merge="sum", channels="sum").values()
    assert found.shape == (3, 3)


@pytest.mark.parametrize("options", [{"merge": "magnitude"}, {"range": "stretch"}, {"dtype": "uint8"}])
def test_threads_change_no_byte_and_warn_of_nothing(options: dict[str, str]) -> None:
    noise = np.random.default_rng(7).normal(size=(700, 900, 3)).astype(np.float32)
    noise[::97, ::89] = np.inf
    noise[5, 5] = np.nan
    settings = Settings(
        merge=options.get("merge"), range=Range(options.get("range", "clip")), dtype=options.get("dtype", "uint8")
    )
    spec = list_maps(Library().load_all(["sobel"]), settings)[0]
    picture = picture_from_array(noise)
    plan = plan_map(spec, picture.layout, settings)
    one = filter_map(plan, picture)
    for threads in (2, 8):
        more = filter_map(plan, picture, threads=threads)
        np.testing.assert_array_equal(more.samples, one.samples)
        assert (more.clipped, more.extent) == (one.clipped, one.extent)


def test_every_word_has_its_row() -> None:
    assert tuple(MERGES) == options.MERGES
    assert tuple(ACTIVATIONS) == options.ACTIVATIONS
