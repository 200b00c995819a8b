"""conv2d beside torch itself: random layers, and the record that stands in where torch is not installed."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convtool import conv2d
from convtool.engine.choice import METHODS
from tests.commands.test_tutorial import RECORD, TEACHING_INPUT, TEACHING_OUTPUT, teaching_layer
from tests.support import naive, record_torch

if os.environ.get("CONVTOOL_REQUIRE_TORCH") == "1":
    import torch  # a missing torch is a failure here
else:
    torch = pytest.importorskip("torch", reason="torch is not installed; test_tutorial.py compares with its record")

Array = NDArray[Any]

LAYERS = 150
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
"""torch says that it copies; what it computes is what is compared."""

TORCH_MODES = ("zeros", "replicate", "reflect", "circular")


def random_layer(random: np.random.Generator) -> tuple[Array, Array, Array | None, dict[str, Any]]:
    """A layer that torch takes: it reflects and wraps at most once, and has ``same`` at stride 1 only."""
    mode = str(random.choice(TORCH_MODES))
    groups = int(random.choice([1, 1, 1, 2, 3]))
    depth, filters = int(random.integers(1, 5)), groups * int(random.integers(1, 4))
    kernel = tuple(int(v) for v in random.integers(1, 6, size=2))
    dilation = tuple(int(v) for v in random.integers(1, 4, size=2))
    reach = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    named = random.random() < 0.2
    size = [int(random.integers(1, 14)) for _ in range(2)]
    padding: Any = str(random.choice(["same", "valid"]))
    stride = tuple(int(v) for v in random.integers(1, 4, size=2))
    if named:
        stride = (1, 1) if padding == "same" else stride
        size = [max(n, r + 1) for n, r in zip(size, reach, strict=True)]
    else:
        padding = tuple(int(v) for v in random.integers(0, 5, size=2))
        least = [
            max(r + 1 - 2 * p, p + 1 if mode in ("reflect", "circular") else 1)
            for r, p in zip(reach, padding, strict=True)
        ]
        size = [max(n, least_n) for n, least_n in zip(size, least, strict=True)]
    x = random.normal(size=(depth * groups, *size)).astype(np.float32) * np.float32(10.0 ** random.integers(-2, 4))
    w = random.normal(size=(filters, depth, *kernel)).astype(np.float32)
    b = random.normal(size=filters).astype(np.float32) if random.random() < 0.5 else None
    return (
        x,
        w,
        b,
        {
            "stride": stride,
            "padding": padding,
            "dilation": dilation,
            "groups": groups,
            "padding_mode": mode,
        },
    )


@pytest.mark.parametrize("seed", range(LAYERS))
def test_random_layer(seed: int) -> None:
    x, w, b, asked = random_layer(np.random.default_rng(seed))
    # torch in double precision: what it would say if it did not round.
    theirs = torch.nn.functional.conv2d(*_double(x, w, b, asked))[0].numpy() if _plain(asked) else None
    single = record_torch.by_torch(x, w, b, asked)
    allowed = naive.allowance(x, w, naive.Layer())
    room = 0.0 if b is None else 2.0**-23 * (np.abs(b)[:, None, None] + np.abs(single))
    for method in METHODS:
        y = conv2d(x, w, b, **asked, method=method)
        assert y.shape == single.shape
        assert (np.abs(y - single) <= 2 * allowed + room).all()
        if theirs is not None:
            assert (np.abs(y - theirs) <= allowed + room).all()


def _plain(asked: dict[str, Any]) -> bool:
    return str(asked["padding_mode"]) == "zeros"


def _double(x: Array, w: Array, b: Array | None, asked: dict[str, Any]) -> tuple[Any, ...]:
    bias = None if b is None else torch.from_numpy(b).double()
    options = (asked["stride"], asked["padding"], asked["dilation"], asked["groups"])
    return torch.from_numpy(x)[None].double(), torch.from_numpy(w).double(), bias, *options


@pytest.mark.parametrize("seed", range(30))
def test_random_layer_of_whole_numbers(seed: int) -> None:
    """Sums that both sides hold exactly are the same numbers."""
    random = np.random.default_rng(1000 + seed)
    _, w, b, asked = (layer := random_layer(random))
    x = random.integers(0, 256, size=layer[0].shape, dtype=np.uint8)
    w = random.integers(-8, 9, size=w.shape)
    b = None if b is None else random.integers(-99, 100, size=b.shape)
    theirs = record_torch.by_torch(
        x.astype(np.float32), w.astype(np.float32), None if b is None else b.astype(np.float32), asked
    )
    for method in METHODS:
        np.testing.assert_array_equal(conv2d(x, w, b, **asked, method=method), theirs)


def test_teaching_layer() -> None:
    weight, bias = teaching_layer()
    theirs = torch.nn.functional.conv2d(
        torch.tensor([TEACHING_INPUT], dtype=torch.float64),
        torch.from_numpy(weight),
        torch.from_numpy(bias),
        stride=2,
        padding=1,
    )
    assert theirs[0].tolist() == list(TEACHING_OUTPUT.values())


def test_record_is_what_torch_says_today() -> None:
    for case in RECORD["cases"]:
        layer = record_torch.LAYERS[case["layer"]]
        x, w, b = record_torch.inputs(case["layer"], layer, case["kind"])
        y = record_torch.by_torch(x, w, b, record_torch.options(layer))
        recorded = np.array(case["values"]).reshape(case["shape"])
        if case["kind"] == "whole":
            np.testing.assert_array_equal(y, recorded)
        else:
            assert (np.abs(y - recorded) <= 2 * naive.allowance(x, w, naive.Layer())).all()
