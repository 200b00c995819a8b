"""A bank through the command line: order, biases and every map, one by one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from convtool.cli import main
from tests.support import naive

Array = NDArray[Any]
Run = Callable[..., tuple[int, str, str]]

COUNT = 13
LAYER = naive.Layer((2, 1), ((1, 1), (2, 2)), (1, 2))
OPTIONS = ("-s", "2x1", "-p", "1x2", "--dilation", "1x2")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(["apply", *arguments])
        out, err = capsys.readouterr()
        return int(left.value.code or 0), out, err

    return command


@pytest.fixture
def x(run: Run) -> Array:
    """A picture of 19x23 in the folder, and its planes (C, H, W)."""
    samples = naive.numbers(1, 19, 23, 3, low=0, high=255).astype(np.uint8)
    Image.fromarray(samples).save("img.png")
    return samples.transpose(2, 0, 1)


def bank() -> tuple[Array, Array]:
    """Whole weights and biases, all maps unlike each other."""
    return naive.numbers(2, COUNT, 3, 3, 2), naive.numbers(3, COUNT, low=-500, high=500)


def expected(x: Array) -> Array:
    weight, bias = bank()
    return naive.correlate(x, weight, LAYER) + bias[:, None, None]


def store(kind: str) -> str:
    """The bank as a file; the spec of it without the name of the array."""
    weight, bias = (a.astype(np.float32) for a in bank())
    if kind == "npz":
        np.savez("net.npz", conv1=weight, bias1=bias, other=np.ones((2, 2)))
    else:
        from safetensors.numpy import save_file

        save_file({"conv1": weight, "bias1": bias, "other": np.ones((2, 2), np.float32)}, "net.safetensors")
    return f"net.{kind}"


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_order_biases_and_every_map(run: Run, x: Array, kind: str) -> None:
    file = store(kind)
    arguments = ("img.png", "-k", f"{file}#conv1", "--bias-from", f"{file}#bias1", *OPTIONS, "-f", "npy", "--json")
    code, out, err = run(*arguments)
    assert (code, err) == (0, "")
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["map"] for line in lines] == [f"conv1-{n:02}" for n in range(COUNT)]
    assert [line["index"] for line in lines] == list(range(COUNT))
    assert {line["kernel"] for line in lines} == {"conv1"}
    for n, (line, y) in enumerate(zip(lines, expected(x), strict=True)):
        assert line["output"] == f"img_conv1-{n:02}.npy"
        np.testing.assert_array_equal(np.load(line["output"]), y)
        assert (line["min"], line["max"]) == (y.min(), y.max())


def test_every_map_as_png(run: Run, x: Array) -> None:
    file = store("npz")
    assert run("img.png", "-k", f"{file}#conv1", "--bias-from", f"{file}#bias1", *OPTIONS, "-q")[0] == 0
    for n, y in enumerate(expected(x)):
        np.testing.assert_array_equal(np.asarray(Image.open(f"img_conv1-{n:02}.png")), y.clip(0, 255))


def test_some_maps_in_the_order_asked_for(run: Run, x: Array) -> None:
    file = store("npz")
    arguments = ("-k", f"{file}#conv1", "--bias-from", f"{file}#bias1", *OPTIONS, "-f", "npy", "--json")
    code, out, _ = run("img.png", *arguments, "--maps", "11,0,3-5")
    chosen = [11, 0, 3, 4, 5]
    assert code == 0
    assert [json.loads(line)["map"] for line in out.splitlines()] == [f"conv1-{n:02}" for n in chosen]
    assert len(list(Path().glob("*.npy"))) == len(chosen)
    for n in chosen:
        np.testing.assert_array_equal(np.load(f"img_conv1-{n:02}.npy"), expected(x)[n])


def test_groups(run: Run) -> None:
    samples = naive.numbers(5, 9, 8, 3, low=0, high=255).astype(np.uint8)
    Image.fromarray(samples).save("img.png")
    weight = naive.numbers(6, 6, 1, 3, 3)
    np.save("deep.npy", weight)
    assert run("img.png", "-k", "deep.npy", "--groups", "3", "-p", "1", "-f", "npy", "-q")[0] == 0
    y = naive.correlate(samples.transpose(2, 0, 1), weight, naive.Layer(padding=((1, 1), (1, 1)), groups=3))
    for n in range(6):
        np.testing.assert_array_equal(np.load(f"img_deep-{n:02}.npy"), y[n])


def test_a_resumed_bank_is_the_same_bytes(run: Run, x: Array) -> None:
    """Maps that were there already do not change how the others are computed."""
    random = np.random.default_rng(3)
    np.save("bank.npy", random.normal(size=(16, 3, 5, 5)))
    arguments = ("img.png", "-k", "bank.npy", "-q", "--range", "symmetric")
    assert run(*arguments, "-o", "whole/")[0] == 0
    assert run(*arguments, "-o", "parts/")[0] == 0
    for n in (0, 4, 5, 15):
        Path(f"parts/img_bank-{n:02}.png").unlink()
    assert run(*arguments, "-o", "parts/", "--skip-existing")[0] == 0
    for path in sorted(Path("whole").iterdir()):
        assert (Path("parts") / path.name).read_bytes() == path.read_bytes()


REFUSALS = {
    ("-k", "net.npz#conv1", "--bias-from", "net.npz#other"): "has shape (2, 2); biases are (N,)",
    ("-k", "net.npz#conv1", "-k", "sobel", "--bias-from", "net.npz#bias1"): "13 of them, and the layer has 15 kernels",
    ("-k", "net.npz#conv1", "--bias-from", "net.npz#bais1"): "has no array 'bais1'; did you mean bias1",
    ("-k", "net.npz#conv1", "--bias-from", "net.npz#bias1", "--bias", "1"): "contradict each other",
    ("-k", "net.npz#conv1", "--bias-from", "sobel"): "are read from .npy, .npz, .safetensors",
    ("-k", "net.npz#conv1", "--maps", "13"): "--maps names 13, and the layer has 13 kernels, 0 to 12",
    ("-k", "net.npz#conv1", "--maps", "3-1"): "write the smaller number first",
    ("-k", "net.npz#conv1", "--maps", "1,1"): "names 1 twice",
    ("-k", "net.npz#conv1", "--groups", "2"): "--groups 2 has to divide the number of kernels, and the layer has 13",
    ("-k", "text.npy"): "text.npy: is no .npy file; numpy.save writes one",
    ("-k", "blur", "--groups", "3"): "has no depth, so there are no channels to group",
}


@pytest.mark.parametrize("arguments", REFUSALS, ids=" ".join)
def test_refused_before_any_pixel(run: Run, x: Array, arguments: tuple[str, ...]) -> None:
    store("npz")
    Path("text.npy").write_text("0 1 0")
    code, out, err = run("img.png", *arguments)
    assert (code, out) == (2, "")
    assert REFUSALS[arguments] in err
    assert len(err.splitlines()) == 1


def test_depth_that_does_not_fit_names_both_numbers(run: Run, x: Array) -> None:
    np.save("five.npy", np.ones((2, 5, 3, 3)))
    code, _, err = run("img.png", "-k", "five.npy")
    assert code == 1
    assert "five-00 spans 5 channels, the picture has 3" in err
    code, _, err = run("img.png", "-k", "five.npy", "--groups", "2")
    assert code == 1
    assert "five-00 spans 5 channels in each of 2 groups, 10 in all, the picture has 3" in err
    assert "or use groups that make 3" in err


def test_broken_tensors(run: Run, x: Array) -> None:
    Path("bad.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0nothing at all..")
    code, _, err = run("img.png", "-k", "bad.safetensors")
    assert code == 2
    assert "bad.safetensors: is no safetensors file, or a broken one" in err
    assert len(err.splitlines()) == 1


def test_without_the_extra(run: Run, x: Array, monkeypatch: pytest.MonkeyPatch) -> None:
    store("safetensors")
    monkeypatch.setitem(__import__("sys").modules, "safetensors", None)
    code, _, err = run("img.png", "-k", "net.safetensors#conv1")
    assert code == 2
    assert "pip install 'convtool[safetensors]'" in err
