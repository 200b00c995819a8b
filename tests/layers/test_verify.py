"""``--verify``: silent on right maps under every mix of options, and not on a map that is wrong anywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from convtool import load_kernel
from convtool.engine.geometry import Padding
from convtool.kernels.kernel import KernelSet, make_kernel
from convtool.layers.filtering import FeatureMap, filter_map
from convtool.layers.maps import list_maps
from convtool.layers.plan import plan_map
from convtool.layers.settings import Settings
from convtool.layers.verification import expected_pixel, largest_difference
from convtool.pictures.picture import Picture, picture_from_array
from convtool.tone.ranges import parse_range

Array = NDArray[Any]

DEEP = KernelSet("deep", (make_kernel("deep", np.array([[[1, 2]], [[0, -1]], [[3, 0]]], dtype=np.float64)),))
SETS = {
    spec: load_kernel(spec)
    for spec in (
        "blur",
        "box:size=2",
        "box:size=3",
        "gaussian:sigma=0.8",
        "sharpen",
        "sobel-x",
        "kirsch",
        "emboss",
        "0.1 0.2 -0.4",
    )
} | {"deep": DEEP}
FULL = {"uint8": 255, "uint16": 65535, "float32": 1.0}


def picture(dtype: str, channels: int, size: tuple[int, int], seed: int) -> Picture:
    rng = np.random.default_rng(seed)
    samples = rng.random((*size, channels)) * FULL[dtype]
    if channels in (2, 4):
        samples[..., -1] = rng.choice([0, 1, 1, 0.4], size) * FULL[dtype]
    if dtype != "float32":
        samples = np.rint(samples)
    return picture_from_array(samples.astype(dtype))


def first_map(sets: list[KernelSet], made: Picture, chosen: Settings) -> FeatureMap:
    spec = list_maps(sets, chosen)[0]
    return filter_map(plan_map(spec, made.layout, chosen), made)


@settings(deadline=None, max_examples=250)
@given(data=st.data())
def test_right_maps_verify(data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(["uint8", "uint16", "float32"]))
    channels = data.draw(st.sampled_from([1, 2, 3, 4]))
    size = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    made = picture(dtype, channels, size, data.draw(st.integers(0, 10_000)))
    spec = data.draw(st.sampled_from(sorted(SETS)))
    policy = data.draw(
        st.sampled_from([None, "clip", "abs", "abs:4/15", "shift:1/3", "stretch", "symmetric:-2", "raw"])
    )
    pad: Padding = data.draw(st.sampled_from(["same", "full", ((7, 6), (6, 9))]))
    chosen = Settings(
        stride=data.draw(st.sampled_from([(1, 1), (2, 2), (1, 3)])),
        padding=pad,
        border=data.draw(
            st.sampled_from([None, ("zeros", 0.0), ("constant", 7.0), ("replicate", 0.0), ("symmetric", 0.0)])
        ),
        dilation=data.draw(st.sampled_from([(1, 1), (2, 1)])),
        channels=None if spec == "deep" else data.draw(st.sampled_from([None, "each", "sum", "luma", "g"])),
        flip=data.draw(st.booleans()),
        bias=data.draw(st.sampled_from([None, 0.5, -3.0, 0.1])),
        merge=data.draw(st.sampled_from(["magnitude", "max", "mean", "sum"])) if spec == "kirsch" else None,
        range=parse_range(policy) if policy else None,
        dtype=data.draw(st.sampled_from([None, "uint8", "uint16", "float32"])),
        alpha="weighted" if spec == "deep" else data.draw(st.sampled_from(["weighted", "keep", "filter", "drop"])),
    )
    if spec == "deep" and channels == 2:
        chosen = chosen._replace(alpha="keep")
    found = first_map([SETS[spec]], made, chosen)
    difference = largest_difference(found, made, 6)
    if found.samples.dtype.kind == "u":
        assert difference == 0
        return
    # Float maps are not rounded, so what is left is the rounding of single precision.
    weights = sum(float(np.abs(kernel.weights).sum()) for kernel in SETS[spec].kernels) * (channels + 1)
    gain = 2.0 if policy == "symmetric:-2" else 1.0
    reach = max(weights * max(float(FULL[dtype]), 7.0), float(np.abs(found.samples).max()))
    if policy in ("stretch", "symmetric:-2"):
        spread = max(found.extent.high - found.extent.low, 1e-30)
        gain *= max(1.0, 4 * FULL[dtype] / spread)
    assert difference <= 2e-6 * gain * reach


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("spec", ["blur", "sobel-x", "box:size=2", "sharpen", "gaussian:sigma=0.8", "deep"])
@pytest.mark.parametrize("policy", ["clip", "abs:1/4", "shift", "stretch", "symmetric"])
def test_every_pixel_of_whole_maps(dtype: str, spec: str, policy: str) -> None:
    for channels in (3, 4):
        made = picture(dtype, channels, (5, 6), seed=channels)
        found = first_map([SETS[spec]], made, Settings(range=parse_range(policy)))
        assert largest_difference(found, made, 60) == 0
        if dtype == "uint8" and spec != "gaussian:sigma=0.8" and channels == 3:
            for i, j in np.ndindex(found.samples.shape[:2]):
                assert expected_pixel(found, made, i, j) == found.samples[i, j].tolist()


def wrong(found: FeatureMap, at: tuple[int, int, int], by: float) -> FeatureMap:
    samples = found.samples.copy()
    value = float(samples[at])
    samples[at] = value - by if value + by > 255 and samples.dtype.kind == "u" else value + by
    return found._replace(samples=samples)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("spec", ["blur", "sobel-x", "deep"])
@pytest.mark.parametrize("policy", ["clip", "abs", "stretch"])
def test_one_wrong_sample_is_found(channels: int, dtype: str, spec: str, policy: str) -> None:
    """In any channel, alpha too; 12 draws meet both pixels."""
    made = picture("uint8", channels, (1, 2), seed=11)
    found = first_map([SETS[spec]], made, Settings(range=parse_range(policy), dtype=dtype))
    right = largest_difference(found, made, 12)
    for at in np.ndindex(found.samples.shape):
        for by in (1, 40):
            difference = largest_difference(wrong(found, at, by), made, 12)
            assert difference == pytest.approx(by, abs=2e-3), at
            assert difference > right


def test_a_shifted_map_and_a_turned_kernel_are_found() -> None:
    made = picture("uint8", 3, (9, 9), seed=4)
    found = first_map([SETS["sobel-x"]], made, Settings(range=parse_range("abs")))
    moved = found._replace(samples=np.roll(found.samples, 1, axis=1))
    assert largest_difference(moved, made, 20) > 0
    other = first_map([load_kernel("sobel-y")], made, Settings(range=parse_range("abs")))
    assert largest_difference(found._replace(samples=other.samples), made, 20) > 0
    # The same map of another picture
    assert largest_difference(found, picture("uint8", 3, (9, 9), seed=5), 20) > 0


def test_a_map_toned_otherwise_is_found() -> None:
    made = picture("uint8", 3, (9, 9), seed=4)
    maps = {
        how: first_map([SETS["emboss"]], made, Settings(range=parse_range(how))) for how in ("clip", "abs", "shift")
    }
    for how, found in maps.items():
        for other in maps:
            difference = largest_difference(found._replace(samples=maps[other].samples), made, 30)
            assert (difference == 0) == (how == other)


def test_a_tie_rounded_the_wrong_way_is_found() -> None:
    # (0 + 1)/2 is 0 by the rule, and 1 to those who round half up
    made = picture_from_array(np.array([[0, 1]], dtype=np.uint8))
    found = first_map([load_kernel("1 1 / 2")], made, Settings(padding="valid"))
    assert found.samples.tolist() == [[[0]]]
    assert largest_difference(found, made, 1) == 0
    assert largest_difference(found._replace(samples=np.ones_like(found.samples)), made, 1) == 1


def test_wrapped_and_truncated_samples_are_found() -> None:
    made = picture_from_array(np.array([[200, 203]], dtype=np.uint8))
    tripled = first_map([load_kernel("3")], made, Settings())
    wrapped = np.array([[600 % 256, 609 % 256]], dtype=np.uint8)[..., None]
    assert largest_difference(tripled, made, 8) == 0
    assert largest_difference(tripled._replace(samples=wrapped), made, 8) > 100
    third = first_map([load_kernel("1 / 3")], made, Settings())
    assert third.samples[..., 0].tolist() == [[67, 68]]
    cut = np.array([[66, 67]], dtype=np.uint8)[..., None]
    assert largest_difference(third._replace(samples=cut), made, 8) == 1


def test_nan_is_no_excuse() -> None:
    made = picture_from_array(np.array([[0.25, np.nan, np.inf]]))
    for dtype in ("uint8", "float32"):
        found = first_map([load_kernel("1")], made, Settings(dtype=dtype))
        assert largest_difference(found, made, 30) == 0
    spoiled = found.samples.copy()
    spoiled[0, 0] = np.nan
    assert largest_difference(found._replace(samples=spoiled), made, 30) == np.inf


def test_the_same_pixels_every_time_and_none_if_none_are_asked_for() -> None:
    made = picture("uint8", 3, (40, 40), seed=9)
    found = first_map([SETS["blur"]], made, Settings())
    spoiled = wrong(found, (17, 23, 1), 9)
    assert largest_difference(spoiled, made, 0) == 0
    assert len({largest_difference(spoiled, made, 40) for _ in range(3)}) == 1
