"""``convtool plan``: by hand, by counting, and beside torch (shapes and parameters of ten stacks)."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convtool.kernels.library import Library
from convtool.layers.filtering import filter_stack
from convtool.layers.options import Pool
from convtool.layers.plan import plan_stack
from convtool.layers.settings import Settings
from convtool.layers.stack import Layer, make_stack
from convtool.pictures.picture import picture_from_array

ROOT = Path(__file__).resolve().parents[2]


def convtool(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "convtool", *words],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def layers(*words: str, cwd: Path = ROOT) -> list[dict[str, Any]]:
    run = convtool("plan", *words, "--json", cwd=cwd)
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_the_tutorials_example() -> None:
    text = convtool("plan", "8x8", "-k", "sharpen", "-p", "0").stdout
    for said in (
        "floor((8 + 0 + 0 - 1*(3-1) - 1)/1) + 1 = 6",
        "9 weights, shared by all windows",
        "64 x 36 = 2,304 weights (256 times as many)",
        "share 6 of 9 samples",
        "receptive field 3x3 of the picture, jump 1x1",
        "324",  # 36 outputs of 9 products
    ):
        assert said in text
    assert "input           8x8x1" in text
    assert "output          6x6x1" in text


def test_the_teaching_layer() -> None:
    (layer,) = layers("5x5x3", "-k", "teaching-layer", "-p", "1", "-s", "2")
    assert (layer["input"], layer["output"]) == ([5, 5, 3], [3, 3, 2])
    assert (layer["weights"], layer["biases"]) == (54, 2)
    assert layer["fully_connected"] == {"inputs": 75, "outputs": 18, "weights": 1350}
    assert layer["multiply_adds"] == 3 * 3 * 2 * 27
    assert layer["windows"][0]["shared"] == {"beside": 3, "below": 3}


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"),
    [((3, 3), (1, 1), (1, 1)), ((3, 3), (3, 3), (1, 1)), ((3, 3), (2, 1), (1, 1)), ((5, 2), (1, 2), (1, 1)),
     ((3, 3), (1, 1), (2, 2)), ((3, 4), (2, 4), (2, 2)), ((4, 4), (3, 6), (3, 3)), ((3, 3), (7, 9), (1, 1))],
)  # fmt: skip
def test_neighbours_share_what_both_see(
    kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int], tmp_path: Path
) -> None:
    np.save(tmp_path / "w.npy", np.ones(kernel))
    words = ["-s", "{}x{}".format(*stride), "--dilation", "{}x{}".format(*dilation)]
    (layer,) = layers("40x40", "-k", "w.npy", *words, cwd=tmp_path)
    window = {(u * dilation[0], v * dilation[1]) for u, v in itertools.product(range(kernel[0]), range(kernel[1]))}
    beside = window & {(u, v + stride[1]) for u, v in window}
    below = window & {(u + stride[0], v) for u, v in window}
    assert layer["windows"][0]["shared"] == {"beside": len(beside), "below": len(below)}


def test_receptive_field_is_what_changes_an_output(tmp_path: Path) -> None:
    """By trial: the pixels that reach the middle output of a stack, found by changing them one by one."""
    words = ["-k", "1 1 1; 1 1 1; 1 1 1", "-s", "2", "-p", "0", "--pool", "max:2:1", "--then", "1 1; 1 1",
             "-p", "0", "--dilation", "2"]  # fmt: skip
    library = Library()
    nothing = ((0, 0), (0, 0))
    first = Settings(stride=(2, 2), padding=nothing, pool=Pool("avg", (2, 2), (1, 1)), dtype="float32")
    second = Settings(padding=nothing, dilation=(2, 2), dtype="float32")
    stack = make_stack(
        [
            Layer(tuple(library.load_all(["1 1 1; 1 1 1; 1 1 1"])), first),
            Layer(tuple(library.load_all(["1 1; 1 1"])), second),
        ]
    )
    size = 21

    def output(x: Any) -> float:
        picture = picture_from_array(x.astype(np.float32))
        (found,) = filter_stack(plan_stack(stack, picture.layout), picture)
        return float(found.samples[2, 3, 0])

    seen = []
    base = output(np.zeros((size, size)))
    for row, column in itertools.product(range(size), range(size)):
        x = np.zeros((size, size))
        x[row, column] = 1
        if output(x) != base:
            seen.append((row, column))
    *_, last = layers(f"{size}x{size}", *words, cwd=tmp_path)
    (top, left), (bottom, right) = np.min(seen, axis=0), np.max(seen, axis=0)
    assert last["receptive_field"] == [bottom - top + 1, right - left + 1]
    assert (top, left) == (2 * last["jump"][0], 3 * last["jump"][1])


def test_several_layers_have_a_table_and_a_total() -> None:
    text = convtool("plan", "224x224x3", "--stack", "edges").stdout
    lines = text.splitlines()
    assert lines[0].split() == ["layer", "input", "output", "parameters", "multiply-adds", "field", "jump"]
    assert max(map(len, lines)) <= 80
    assert "together 141 parameters, 7,024,640 multiply-adds" in text
    # 121 + 18 + 1 weights and the threshold's bias; (121 + 18 + 1) products for each of 224 x 224 outputs
    assert 224 * 224 * (121 + 18 + 1) == 7_024_640


@pytest.mark.parametrize(
    "words", [("-k", "laws"), ("--stack", "look"), ("-k", "kirsch", "-k", "box:size=31", "-k", "blur")]
)
def test_lines_fit_a_terminal(words: tuple[str, ...]) -> None:
    assert max(map(len, convtool("plan", "1000x2000x3", *words).stdout.splitlines())) <= 80


def test_a_picture_is_asked_by_its_header(tmp_path: Path) -> None:
    Image.new("RGB", (30, 20)).save(tmp_path / "a.png")
    (layer,) = layers("a.png", "-k", "sobel", "--channels", "luma", cwd=tmp_path)
    assert (layer["input"], layer["output"]) == ([20, 30, 3], [20, 30, 2])
    run = convtool("apply", "a.png", "-k", "sobel", "--channels", "luma", "--dry-run", "-v", cwd=tmp_path)
    plan = convtool("plan", "a.png", "-k", "sobel", "--channels", "luma", cwd=tmp_path)
    assert [f"     {line}".rstrip() for line in plan.stdout.splitlines()] == run.stdout.splitlines()[5:-1]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("8", "-k", "blur"), 2, "'8' is no picture and no size; write rows x columns"),
        (("8x0", "-k", "blur"), 2, "size '0' is not a whole number from 1 up"),
        (("missing.png", "-k", "blur"), 1, "missing.png: "),
        (("8x8",), 2, "no kernel"),
        (("2x2", "-k", "blur", "-p", "0"), 1, "2x2: blur on 2x2: no output rows"),
        (("8x8", "-k", "luma", "--channels", "sum"), 0, ""),
        (("8x8x2", "-k", "luma"), 1, "luma spans 3 channels"),
    ],
)
def test_what_cannot_be_planned_is_one_line(words: tuple[str, ...], code: int, said: str) -> None:
    run = convtool("plan", *words)
    assert run.returncode == code
    assert said in run.stderr
    assert len(run.stderr.splitlines()) == (code > 0)


STACKS: tuple[tuple[tuple[int, int, int], tuple[dict[str, Any], ...]], ...] = (
    ((8, 8, 1), ({"n": 1, "k": (3, 3)},)),
    ((224, 224, 3), ({"n": 64, "k": (7, 7), "s": (2, 2), "p": (3, 3), "relu": True, "pool": (3, 2)},)),
    ((32, 32, 1), ({"n": 6, "k": (5, 5), "relu": True, "pool": (2, 2)}, {"n": 16, "k": (5, 5), "pool": (2, 2)})),
    ((40, 33, 3), ({"n": 8, "k": (3, 5), "s": (1, 2), "p": (1, 2)}, {"n": 4, "k": (2, 2), "d": (2, 3)})),
    ((17, 19, 4), ({"n": 8, "k": (3, 3), "p": (1, 1), "g": 2}, {"n": 8, "k": (3, 3), "g": 4})),
    ((12, 12, 3), ({"n": 12, "k": (3, 3), "g": 3, "relu": True}, {"n": 5, "k": (1, 1)})),
    ((30, 30, 2), ({"n": 3, "k": (4, 4), "s": (2, 2), "p": (1, 1)},) * 1),
    ((64, 48, 3), ({"n": 4, "k": (3, 3), "p": (1, 1)}, {"n": 4, "k": (3, 3), "p": (1, 1)},
                   {"n": 4, "k": (3, 3), "p": (1, 1), "pool": (2, 2)}, {"n": 2, "k": (1, 1)})),
    ((9, 50, 1), ({"n": 2, "k": (1, 7), "s": (1, 3), "bias": False}, {"n": 2, "k": (9, 1), "bias": False})),
    ((25, 25, 8), ({"n": 16, "k": (5, 5), "d": (3, 3), "p": (6, 6)}, {"n": 1, "k": (11, 11), "s": (4, 4)})),
)  # fmt: skip


def stack_words(number: int, folder: Path) -> list[str]:
    """The command line of one of the stacks, its banks written to files."""
    (_, _, depth), asked = STACKS[number]
    words: list[str] = []
    for at, layer in enumerate(asked):
        shape = (layer["n"], depth // layer.get("g", 1), *layer["k"])
        np.savez(folder / f"layer{at}.npz", w=np.random.default_rng(at).normal(size=shape), b=np.ones(layer["n"]))
        words += ["--then" if at else "-k", f"layer{at}.npz#w"]
        if layer.get("bias", True):
            words += ["--bias-from", f"layer{at}.npz#b"]
        for option, key, default in (("--stride", "s", (1, 1)), ("--pad", "p", (0, 0)), ("--dilation", "d", (1, 1))):
            words += [option, "{}x{}".format(*layer.get(key, default))]
        words += ["--groups", str(layer.get("g", 1))]
        words += ["--activation", "relu"] if layer.get("relu") else []
        words += ["--pool", "max:{}:{}".format(*layer["pool"])] if "pool" in layer else []
        depth = layer["n"]
    return words


@pytest.mark.parametrize("number", range(len(STACKS)))
def test_ten_stacks_beside_torch(number: int, tmp_path: Path) -> None:
    if os.environ.get("CONVTOOL_REQUIRE_TORCH") == "1":
        import torch
    else:
        torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    (rows, columns, depth), asked = STACKS[number]
    found = layers(f"{rows}x{columns}x{depth}", *stack_words(number, tmp_path), cwd=tmp_path)
    x = torch.zeros(1, depth, rows, columns)
    assert len(found) == len(asked)
    for layer, mine in zip(asked, found, strict=True):
        assert mine["input"] == [x.shape[2], x.shape[3], x.shape[1]]
        conv = torch.nn.Conv2d(
            x.shape[1],
            layer["n"],
            layer["k"],
            stride=layer.get("s", 1),
            padding=layer.get("p", 0),
            dilation=layer.get("d", 1),
            groups=layer.get("g", 1),
            bias=layer.get("bias", True),
        )
        inputs = x.numel()
        x = conv(x)
        assert mine["sums"] == [x.shape[2], x.shape[3], x.shape[1]]
        assert mine["weights"] + mine["biases"] == sum(each.numel() for each in conv.parameters())
        assert (
            mine["fully_connected"]["weights"]
            == torch.nn.Linear(inputs, x.numel(), bias=False, device="meta").weight.numel()
        )
        # torch counts a multiplication and an addition as two.
        with FlopCounterMode(display=False) as counter:
            conv(torch.zeros(1, mine["input"][2], *mine["input"][:2]))
        assert mine["multiply_adds"] == counter.get_total_flops() // 2
        if "pool" in layer:
            x = torch.nn.functional.max_pool2d(x, *layer["pool"])
        assert mine["output"] == [x.shape[2], x.shape[3], x.shape[1]]
