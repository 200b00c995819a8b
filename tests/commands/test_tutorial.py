"""The numbers of the tutorials, and a record of torch: the same layers have the same sizes and values here."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convtool import apply, conv2d, load_kernel
from convtool.engine.choice import METHODS
from tests.support import naive, record_torch

Array = NDArray[Any]

# An 8x8 picture and a 3x3 kernel


@pytest.mark.parametrize(
    ("options", "out"),
    [
        ({}, (6, 6)),
        ({"padding": 1}, (8, 8)),
        ({"padding": "same"}, (8, 8)),
        ({"stride": 2}, (3, 3)),
        ({"stride": 2, "padding": 1}, (4, 4)),
        ({"padding": "full"}, (10, 10)),
        ({"dilation": 2}, (4, 4)),
        ({"stride": (1, 2), "padding": (1, 0)}, (8, 3)),
    ],
    ids=str,
)
def test_sizes_of_8x8_and_3x3(options: dict[str, Any], out: tuple[int, int]) -> None:
    x = np.arange(64).reshape(1, 8, 8)
    y = conv2d(x, np.ones((1, 1, 3, 3)), **options)
    assert y.shape == (1, *out)


def test_apply_gives_the_same_sizes() -> None:
    image = np.arange(64, dtype=np.uint8).reshape(8, 8)
    assert apply(image, "sobel-x", pad=0)["sobel-x"].shape == (6, 6)
    assert apply(image, "sobel-x", pad=1)["sobel-x"].shape == (8, 8)
    assert apply(image, "sobel-x", pad=0, stride=2)["sobel-x"].shape == (3, 3)


def test_values_by_hand() -> None:
    """Pixel (i, j) is 8i + j: ones add up nine of them, and the middle of a window is its mean."""
    x = np.arange(64).reshape(1, 8, 8)
    ones = np.ones((1, 1, 3, 3))
    assert conv2d(x, ones)[0].tolist() == [[9 * (8 * i + j) for j in range(1, 7)] for i in range(1, 7)]
    assert conv2d(x, ones, stride=2)[0].tolist() == [[9 * (8 * i + j) for j in (1, 3, 5)] for i in (1, 3, 5)]
    assert conv2d(x, ones, padding=1)[0, 0, 0] == 0 + 1 + 8 + 9
    assert conv2d(x, ones, padding=1)[0, 7, 7] == 54 + 55 + 62 + 63
    assert conv2d(x, ones, padding=1, padding_mode="constant", constant_value=2)[0, 0, 0] == 18 + 5 * 2


def test_one_pixel_written_out() -> None:
    x = np.array([[[10, 20, 30], [40, 50, 60], [70, 80, 90]]])
    sobel = np.array([[[[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]]])
    assert conv2d(x, sobel, [5]).tolist() == [[[-10 + 30 - 2 * 40 + 2 * 60 - 70 + 90 + 5]]]


# The teaching layer: 5x5x3, two filters, pad 1, stride 2, 3x3x2

TEACHING_INPUT = [
    [[0, 1, 2, 1, 0], [2, 2, 1, 0, 1], [1, 0, 0, 2, 2], [0, 1, 1, 2, 0], [2, 0, 1, 0, 1]],
    [[1, 0, 1, 2, 2], [0, 2, 0, 1, 1], [2, 1, 2, 0, 0], [1, 1, 0, 2, 1], [0, 2, 1, 1, 0]],
    [[2, 1, 0, 0, 1], [1, 0, 2, 2, 0], [0, 2, 1, 0, 1], [2, 0, 0, 1, 2], [1, 1, 2, 0, 0]],
]
TEACHING_OUTPUT = {
    # torch.nn.functional.conv2d(x, w, b, stride=2, padding=1), see test_torch_live.py
    "teaching-layer-1": [[2, -2, 0], [3, 0, 2], [5, 6, 1]],
    "teaching-layer-2": [[1, 2, -2], [2, 1, 2], [4, 4, 3]],
}


def teaching_layer() -> tuple[Array, Array]:
    kernels = load_kernel("teaching-layer").kernels
    return np.stack([kernel.weights for kernel in kernels]), np.array([kernel.bias for kernel in kernels])


@pytest.mark.parametrize("method", METHODS)
def test_teaching_layer(method: str) -> None:
    weight, bias = teaching_layer()
    assert weight.shape == (2, 3, 3, 3)
    assert bias.tolist() == [1, 0]
    y = conv2d(TEACHING_INPUT, weight, bias, stride=2, padding=1, method=method)
    assert y.shape == (2, 3, 3)
    assert dict(zip(TEACHING_OUTPUT, y.tolist(), strict=True)) == TEACHING_OUTPUT


def test_teaching_layer_by_apply() -> None:
    image = np.array(TEACHING_INPUT, dtype=np.uint8).transpose(1, 2, 0)
    maps = apply(image, "teaching-layer", pad=1, stride=2)
    assert {label: y.tolist() for label, y in maps.items()} == TEACHING_OUTPUT


def test_teaching_layer_first_value_by_hand() -> None:
    """Top left window: its first row and column lie outside, so weights [1:, 1:] meet samples [:2, :2]."""
    weight, bias = teaching_layer()
    x = np.array(TEACHING_INPUT)
    assert (weight[0][:, 1:, 1:] * x[:, :2, :2]).sum() + bias[0] == TEACHING_OUTPUT["teaching-layer-1"][0][0]


# The record

RECORD: dict[str, Any] = json.loads(record_torch.RECORD.read_text("utf-8"))


def case_id(case: dict[str, Any]) -> str:
    layer = record_torch.LAYERS[case["layer"]]
    words = [f"{key}{value}" for key, value in layer.items() if key not in ("x", "w")]
    text = f"{layer['x']}-{layer['w']}-{'-'.join(words)}-{case['kind']}"
    return text.replace("(", "").replace(")", "").replace(", ", "x")


def test_record_is_complete() -> None:
    assert [(case["layer"], case["kind"]) for case in RECORD["cases"]] == [
        (number, kind) for number in range(len(record_torch.LAYERS)) for kind in record_torch.KINDS
    ]


@pytest.mark.parametrize("case", RECORD["cases"], ids=case_id)
def test_record_of_torch(case: dict[str, Any]) -> None:
    layer = record_torch.LAYERS[case["layer"]]
    x, weight, bias = record_torch.inputs(case["layer"], layer, case["kind"])
    asked = record_torch.options(layer)
    recorded = np.array(case["values"]).reshape(case["shape"])
    for method in METHODS:
        whole = case["kind"] == "whole"  # whole numbers as integers: then every method is exact
        y = conv2d(x.astype(np.int32) if whole else x, weight, bias, **asked, method=method)
        if whole:
            np.testing.assert_array_equal(y, recorded)
        else:
            # Both sides round: torch in its own order of addition, and the sum of value and bias once more.
            allowed = 2 * naive.allowance(x, weight, naive.Layer())
            assert y.shape == recorded.shape
            assert (np.abs(y - recorded) <= allowed).all()
