"""``--verify`` through layers: silent on right maps with every kind of alpha, and not on wrong ones."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from convtool.kernels.library import Library
from convtool.layers.filtering import FeatureMap, filter_stack
from convtool.layers.options import Scaling, parse_activation, parse_pool
from convtool.layers.plan import StackPlan, plan_stack
from convtool.layers.settings import Settings
from convtool.layers.stack import Layer, Stack, make_stack
from convtool.layers.stack_file import load_stack
from convtool.layers.verification import largest_difference
from convtool.pictures.picture import Picture, picture_from_array

LIBRARY = Library()
TENTH = Scaling(Fraction(1, 255), mean=(0.5,), std=(0.25,))


def layer(*specs: str, **settings: Any) -> Layer:
    return Layer(tuple(LIBRARY.load_all(specs)), Settings(**settings))


STACKS = {
    "softened": make_stack([layer("blur"), layer("sobel", merge="magnitude")]),
    "relu and max": make_stack([layer("sobel-x", activation=parse_activation("relu"), pool=parse_pool("max:2"))]),
    "leaky and avg": make_stack(
        [layer("sharpen", activation=parse_activation("leaky:0.5"), pool=parse_pool("avg:3:2"))]
    ),
    "scaled": make_stack(
        [
            layer("blur", scaling=TENTH, activation=parse_activation("sigmoid"), pool=parse_pool("avg:2:1")),
            layer("sharpen", scaling=TENTH),
        ]
    ),
    "linear": make_stack([layer("blur", linear=True), layer("sobel-x", linear=True, stride=(2, 2))]),
    "keep": make_stack([layer("blur", alpha="keep", pool=parse_pool("max:2")), layer("emboss", alpha="keep")]),
    "filter": make_stack([layer("blur", alpha="filter", pool=parse_pool("max:2")), layer("emboss", alpha="filter")]),
    "drop": make_stack([layer("blur", alpha="drop", padding="valid"), layer("gaussian:sigma=0.8", alpha="drop")]),
    "joined": make_stack(
        [layer("sobel-x", "blur", channels="luma"), layer("[[[1 -1]] [[2 1]]]", padding=((0, 0), (1, 2)))]
    ),
    "maxima of maps": make_stack([layer("sobel", channels="sum"), layer("blur", merge="max")]),
    **{name: load_stack(name, LIBRARY) for name in ("edges", "blobs", "look")},
}


def picture(channels: int, dtype: str = "uint8") -> Picture:
    random = np.random.default_rng(channels)
    samples = random.integers(0, 256, size=(23, 29, channels)).astype(dtype)
    if channels in (2, 4):
        samples[..., -1] = random.choice([0, 100, 255], size=(23, 29))
    return picture_from_array(samples * 257 if dtype == "uint16" else samples)


def maps(stack: Stack, seen: Picture) -> tuple[StackPlan, list[FeatureMap]]:
    plan = plan_stack(stack, seen.layout)
    return plan, list(filter_stack(plan, seen))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("name", STACKS)
def test_right_maps(name: str, channels: int) -> None:
    seen = picture(channels)
    plan, found = maps(STACKS[name], seen)
    assert [largest_difference(each, seen, 8, plan) for each in found] == [0.0] * len(found)


@pytest.mark.parametrize("name", ["softened", "leaky and avg", "edges"])
def test_16_bits(name: str) -> None:
    seen = picture(3, "uint16")
    plan, found = maps(STACKS[name], seen)
    assert [largest_difference(each, seen, 8, plan) for each in found] == [0.0] * len(found)


@pytest.mark.parametrize("name", ["softened", "relu and max", "scaled", "look", "keep"])
def test_wrong_maps(name: str) -> None:
    """Every sample moved by a few steps: the definition does not reach that far."""
    seen = picture(4)
    plan, found = maps(STACKS[name], seen)
    for each in found:
        each.samples[...] = each.samples + np.uint8(7)
    assert all(largest_difference(each, seen, 8, plan) >= 5 for each in found)


@pytest.mark.parametrize("threads", [2, 5])
@pytest.mark.parametrize("name", STACKS)
def test_threads_change_no_byte(name: str, threads: int) -> None:
    seen = picture_from_array(np.random.default_rng(1).integers(0, 256, size=(700, 90, 4)).astype(np.uint8))
    plan = plan_stack(STACKS[name], seen.layout)
    for one, more in zip(filter_stack(plan, seen), filter_stack(plan, seen, threads=threads), strict=True):
        np.testing.assert_array_equal(one.samples, more.samples)
