"""Layers in a row against the definition in plain NumPy; against torch: test_layers_torch.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from convtool import apply, conv2d
from convtool.layers.plan import plan_stack
from convtool.layers.settings import Settings
from convtool.layers.stack import Layer, make_stack
from convtool.pictures.picture import picture_from_array
from tests.support import naive
from tests.support.layer_cases import Conv, assert_close, by_convtool, by_definition, stacks

Array = NDArray[Any]


@settings(deadline=None, max_examples=120)
@given(case=stacks(layers=1))
def test_a_layer(case: tuple[Array, list[Conv]]) -> None:
    x, (conv,) = case
    assert_close(by_convtool(x, [conv]), by_definition(x, [conv]))


@settings(deadline=None, max_examples=60)
@given(case=stacks(layers=4))
def test_layers_in_a_row(case: tuple[Array, list[Conv]]) -> None:
    assert_close(by_convtool(*case), by_definition(*case))


@settings(deadline=None, max_examples=60)
@given(case=stacks(layers=1))
def test_the_sum_alone(case: tuple[Array, list[Conv]]) -> None:
    """``conv2d`` is the sum and bias of the layer."""
    x, (conv,) = case
    planes = x.transpose(2, 0, 1)
    y = conv2d(planes, conv.weight, conv.bias, **conv.sum.options())
    expected = naive.correlate(planes, conv.weight, conv.sum) + conv.bias.astype(np.float64)[:, None, None]
    assert_close(y, expected)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_whole_numbers_in_a_bank_stay_exact(dtype: str) -> None:
    """Filters that are computed together are the exact sums that each of them is by itself."""
    random = np.random.default_rng(6)
    x = random.integers(0, 256, size=(40, 37, 3)).astype(dtype)
    weight = random.integers(-9, 10, size=(24, 3, 5, 5))
    none = Conv(weight, np.zeros(24), (2, 1), (2, 1), (1, 2), 1, "replicate", "none", None)
    y = by_convtool(x, [none])
    np.testing.assert_array_equal(y, naive.correlate(x.transpose(2, 0, 1), weight, none.sum))


@pytest.mark.parametrize("range_", ["clip", "stretch", "symmetric", "abs:1/2", "shift"])
def test_maps_of_a_bank_are_toned_one_by_one(range_: str) -> None:
    """Toned together or alone, a map of whole weights is the same bytes."""
    random = np.random.default_rng(7)
    x = random.integers(0, 256, size=(60, 50, 3)).astype(np.uint8)
    bank = Conv(
        random.integers(-3, 4, size=(20, 3, 7, 7)), np.arange(20.0), (1, 1), (3, 3), (1, 1), 1, "zeros", "none", None
    )
    words = bank.options("bank")
    kernels = words.pop("kernels")
    together = apply(x, kernels, **words, range=range_)
    for kernel in kernels.kernels:
        np.testing.assert_array_equal(together[kernel.label], apply(x, kernel, **words, range=range_)[kernel.label])


def test_merged_filters_of_several_banks() -> None:
    """Banks that are computed together are merged each by itself."""
    random = np.random.default_rng(8)
    x = random.integers(0, 256, size=(64, 70, 3)).astype(np.uint8)
    weights = [random.normal(size=(count, 3, 5, 5)).astype(np.float32) for count in (3, 4)]
    sets = [
        Conv(weight, np.zeros(len(weight)), (1, 1), (2, 2), (1, 1), 1, "zeros", "none", None).options(name)["kernels"]
        for name, weight in zip(("first", "second"), weights, strict=True)
    ]
    plan = plan_stack(make_stack([Layer(tuple(sets), Settings(merge="max"))]), picture_from_array(x).layout)
    assert [group.places for group in plan.layers[0].groups] == [(0, 1)]
    found = apply(x, sets, merge="max", pad=2)
    for name, weight in zip(("first", "second"), weights, strict=True):
        sums = naive.correlate(x.transpose(2, 0, 1), weight, naive.Layer(padding=((2, 2), (2, 2))))
        np.testing.assert_allclose(found[name], sums.max(axis=0), atol=1e-3)
