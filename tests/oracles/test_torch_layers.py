"""Layers in a row against torch itself."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from convtool import conv2d
from tests.support import record_torch, trained
from tests.support.layer_cases import Conv, assert_close, by_convtool, stacks

if os.environ.get("CONVTOOL_REQUIRE_TORCH") == "1":
    import torch  # a missing torch is a failure here
else:
    torch = pytest.importorskip("torch", reason="torch is not installed; test_layers_oracle.py has the definition")

Array = NDArray[Any]


def by_torch(x: Array, layers: list[Conv]) -> Array:
    """The answer of torch, in single precision."""
    functional = torch.nn.functional
    y = x.transpose(2, 0, 1)
    for conv in layers:
        words = {
            "stride": conv.stride,
            "padding": conv.padding,
            "dilation": conv.dilation,
            "groups": conv.groups,
            "padding_mode": conv.mode,
        }
        t = torch.from_numpy(record_torch.by_torch(y, conv.weight, conv.bias, words))[None]
        t = {
            "none": lambda v: v,
            "relu": functional.relu,
            "leaky:0.1": lambda v: functional.leaky_relu(v, 0.1),
            "abs": torch.abs,
            "sigmoid": torch.sigmoid,
            "tanh": torch.tanh,
        }[conv.activation](t)
        if conv.pool is not None:
            how, size, stride = conv.pool
            t = (functional.max_pool2d if how == "max" else functional.avg_pool2d)(t, size, stride)
        y = t[0].numpy()
    return y


@settings(deadline=None, max_examples=60)
@given(case=stacks(layers=1))
def test_a_layer(case: tuple[Array, list[Conv]]) -> None:
    assert_close(by_convtool(*case), by_torch(*case))


@settings(deadline=None, max_examples=60)
@given(case=stacks(layers=4))
def test_layers_in_a_row(case: tuple[Array, list[Conv]]) -> None:
    assert_close(by_convtool(*case), by_torch(*case))


@pytest.mark.parametrize("net", trained.NETS)
def test_a_trained_layer(net: str) -> None:
    """All of every map; test_trained.py has the command line, and a part of this recorded."""
    weight, bias = trained.first_layer(net)
    y = conv2d(trained.scaled(), weight, bias)
    assert_close(y, record_torch.by_torch(trained.scaled(), weight, bias, record_torch.PLAIN))
