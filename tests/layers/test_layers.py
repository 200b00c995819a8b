"""Layers on the command line, in files and in Python: which option belongs where, and what maps are called."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from convtool import apply
from convtool.cli import main
from convtool.errors import GeometryError, UsageError
from convtool.kernels.library import Library
from convtool.layers.options import parse_activation, parse_maps, parse_numbers, parse_pool, parse_scale
from convtool.layers.stack import stack_maps
from convtool.layers.stack_file import load_stack, stack_paths

Run = Callable[..., tuple[int, str, str]]
SAMPLES = np.random.default_rng(4).integers(0, 256, size=(20, 24, 3)).astype(np.uint8)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(SAMPLES).save("img.png")

    def command(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(["apply", *arguments])
        out, err = capsys.readouterr()
        return int(left.value.code or 0), out, err

    return command


def labels(run: Run, *arguments: str) -> list[str]:
    code, out, err = run("img.png", *arguments, "--dry-run", "--json")
    assert (code, err) == (0, "")
    return [json.loads(line)["map"] for line in out.splitlines()]


def shapes(run: Run, *arguments: str) -> list[tuple[int, int, int]]:
    code, out, err = run("img.png", *arguments, "--dry-run", "--json")
    assert (code, err) == (0, "")
    lines = [json.loads(line) for line in out.splitlines()]
    return [(line["height"], line["width"], line["channels"]) for line in lines]


# Which option belongs to which layer


def test_nothing_is_lost_between_layers(run: Run) -> None:
    assert (
        run("img.png", "-k", "gaussian:sigma=1.4", "--then", "sobel", "--merge", "magnitude", "-f", "npy", "-q")[0] == 0
    )
    soft = apply(SAMPLES, "gaussian:sigma=1.4")["gaussian-sigma1.4"]
    edges = apply(soft, "sobel", merge="magnitude")["sobel"]
    np.testing.assert_allclose(np.load("img_gaussian-sigma1.4+sobel.npy"), edges, rtol=0, atol=1e-3)
    assert np.abs(edges - np.rint(edges)).max() > 0.3  # rounding in between would show


def test_each_layer_has_its_own_options(run: Run) -> None:
    first = ("-k", "blur", "-s", "2", "-p", "0")
    assert shapes(run, *first) == [(9, 11, 3)]
    assert shapes(run, *first, "--then", "blur") == [(9, 11, 3)]  # the second begins with the defaults
    assert shapes(run, "-k", "blur", "--then", "blur", "-s", "2", "-p", "0") == [(9, 11, 3)]
    assert shapes(run, *first, "--then", "blur", "-p", "0", "--pool", "max:2") == [(3, 4, 3)]
    assert shapes(run, "-k", "blur", "--channels", "luma", "--then", "blur") == [(20, 24, 1)]


def test_options_of_the_run_may_stand_anywhere(run: Run) -> None:
    assert run("-k", "blur", "--then", "sobel-x", "-o", "a.png", "img.png", "-q", "--range", "shift")[0] == 0
    assert run("img.png", "-o", "b.png", "-q", "--range", "shift", "-k", "blur", "--then=sobel-x")[0] == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    assert (
        run("--force", "-k", "blur", "--then", "sobel-x", "--range", "shift", "-qo", "a.png", "--", "img.png")[0] == 0
    )
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


def test_several_kernels_in_a_row_are_one_layer(run: Run) -> None:
    assert labels(run, "-k", "blur", "--then", "sobel-x", "-k", "sobel-y") == ["blur+sobel-x", "blur+sobel-y"]
    assert labels(run, "-k", "blur", "--then", "sobel-x", "--then", "sobel-y") == ["blur+sobel-x+sobel-y"]


# What a layer does with the maps that come in


def test_a_kernel_without_depth_acts_on_each_map(run: Run) -> None:
    expected = ["sobel-x+blur", "sobel-x+sharpen", "sobel-y+blur", "sobel-y+sharpen"]
    assert sorted(labels(run, "-k", "sobel", "--then", "blur", "-k", "sharpen")) == expected


def test_a_kernel_with_depth_takes_the_maps_as_channels(run: Run) -> None:
    np.save("deep.npy", np.arange(2.0).reshape(1, 2, 1, 1))
    assert labels(run, "-k", "sobel", "--channels", "luma", "--then", "deep.npy") == ["sobel+deep"]
    maps = apply(SAMPLES, "sobel", channels="luma", then=["deep.npy"])
    np.testing.assert_array_equal(maps["sobel+deep"], apply(SAMPLES, "sobel-y", channels="luma")["sobel-y"])


def test_the_channels_of_one_map_are_channels(run: Run) -> None:
    found = apply(SAMPLES, "identity", then=["luma"])["identity+luma"]
    np.testing.assert_allclose(found, apply(SAMPLES, "luma")["luma"], atol=1e-3)


def test_a_depth_that_does_not_fit_names_both_numbers(run: Run) -> None:
    code, _, err = run("img.png", "-k", "sobel", "--channels", "luma", "--then", "luma")
    assert code == 1
    assert "layer 2: luma spans 3 channels, and 2 channels come in from the layer before" in err
    assert len(err.splitlines()) == 1


def test_maps_of_several_sizes_cannot_be_channels() -> None:
    with pytest.raises(GeometryError, match="maps of 16x20 and 18x22 cannot be seen together"):
        apply(SAMPLES, ["blur", "box:size=5"], pad="valid", channels="luma", then=["[[[1]] [[1]]]"])


def test_merging_joins_the_maps_of_each_incoming_one(run: Run) -> None:
    assert labels(run, "-k", "blur", "-k", "sharpen", "--then", "sobel", "--merge", "magnitude") == [
        "blur+sobel",
        "sharpen+sobel",
    ]


def test_merging_one_kernel_joins_what_comes_in(run: Run) -> None:
    assert labels(run, "-k", "sobel", "--then", "blur", "--merge", "max") == ["sobel+blur"]
    soft = [apply(apply(SAMPLES, name)[name], "blur")["blur"] for name in ("sobel-x", "sobel-y")]
    found = apply(SAMPLES, "sobel", then=[{"kernels": "blur", "merge": "max"}])["sobel+blur"]
    np.testing.assert_array_equal(found, np.maximum(*soft))


def test_names_of_layers(run: Run) -> None:
    assert labels(run, "-k", "blur", "-k", "sharpen", "--channels", "luma", "--then", "[[[1]] [[1]]]") == [
        "layer1+inline"
    ]
    merged = ("-k", "sobel-x", "-k", "sobel-y", "--merge", "magnitude", "--then", "blur")
    assert labels(run, *merged) == ["merged+blur"]


@pytest.mark.parametrize(
    ("arguments", "policy"),
    [
        (("-k", "blur", "--then", "sobel-x"), "abs"),
        (("-k", "sobel-x", "--then", "blur"), "abs"),
        (("-k", "emboss", "--then", "gaussian:sigma=1", "--then", "box:size=3"), "shift"),
        (("-k", "sobel", "--merge", "magnitude", "--then", "blur"), "clip"),
        (("-k", "emboss", "--then", "sharpen"), "clip"),
        (("-k", "emboss", "--then", "blur", "--range", "stretch"), "stretch"),
        (("-k", "emboss", "--range", "stretch", "--then", "blur"), "stretch"),
    ],
)
def test_the_last_kernel_s_range_counts(run: Run, arguments: tuple[str, ...], policy: str) -> None:
    _, out, _ = run("img.png", *arguments, "--dry-run", "--json")
    assert {json.loads(line)["range"] for line in out.splitlines()} == {policy}


def test_equal_labels_are_refused(run: Run) -> None:
    code, _, err = run("img.png", "-k", "blur", "-k", "blur", "--then", "sobel-x")
    assert (code, err) == (2, "convtool: the kernel blur is given twice\n")


# Scaling


def test_input_scaling() -> None:
    weight = np.random.default_rng(5).normal(size=(3, 3, 3)).round(3)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    text = (
        "[" + " ".join("[" + " ".join("[" + " ".join(map(str, r)) + "]" for r in plane) + "]" for plane in weight) + "]"
    )
    x = (SAMPLES / 255 - mean) / std
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))  # zeros behind the scaling, as torch pipelines have it
    for order, seen in (("rgb", padded), ("bgr", (padded[..., ::-1]))):
        if order == "bgr":  # the numbers stand in the order of the network
            scaled = (SAMPLES[..., ::-1] / 255 - mean) / std
            seen = np.pad(scaled, ((1, 1), (1, 1), (0, 0)))
        expected = sum(
            weight[c, u, v] * seen[u : u + 20, v : v + 24, c] for c in range(3) for u in range(3) for v in range(3)
        )
        found = apply(SAMPLES, text, pad=1, scale="1/255", mean=mean, std=std, order=order)["inline"]
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_order_is_the_network_s_and_pictures_keep_theirs() -> None:
    np.testing.assert_array_equal(apply(SAMPLES, "identity", order="bgr")["identity"], SAMPLES)
    shown = apply(SAMPLES, "identity", order="bgr", mean=(1, 2, 3))["identity"]
    np.testing.assert_allclose(shown, SAMPLES - np.array([3.0, 2.0, 1.0]), atol=1e-4)
    blue = apply(SAMPLES, "[[[1]] [[0]] [[0]]]", order="bgr")["inline"]
    np.testing.assert_array_equal(blue, SAMPLES[..., 2])


def test_full_scale_goes_along(run: Run) -> None:
    """``--scale 1/255`` shows 1 as white and 128/255 as the middle."""
    assert run("img.png", "-k", "identity", "--scale", "1/255", "-o", "same.png", "-q")[0] == 0
    np.testing.assert_array_equal(np.asarray(Image.open("same.png")), SAMPLES)
    assert run("img.png", "-k", "0", "--scale", "1/255", "--range", "shift", "-o", "grey.png", "-q")[0] == 0
    assert set(np.unique(np.asarray(Image.open("grey.png")))) == {128}
    assert run("img.png", "-k", "0", "--activation", "sigmoid", "--scale", "1/255", "-o", "half.png", "-q")[0] == 0
    assert set(np.unique(np.asarray(Image.open("half.png")))) == {128}


def test_scaling_depends_on_the_picture_s_channels() -> None:
    with pytest.raises(GeometryError, match="--mean has 2 numbers, and there are 3 channels"):
        apply(SAMPLES, "blur", mean=(1, 2))


def test_scaling_and_linear_light_contradict() -> None:
    with pytest.raises(UsageError, match="--linear and --scale"):
        apply(SAMPLES, "blur", scale="1/255", linear=True, range="clip")


# Words


@pytest.mark.parametrize(
    ("parse", "text", "reason"),
    [
        (parse_activation, "rleu", "did you mean relu?"),
        (parse_activation, "leaky", "as in leaky:0.01"),
        (parse_activation, "relu:2", "relu takes no number"),
        (parse_pool, "max", "is not max:SIZE or max:SIZE:STRIDE"),
        (parse_pool, "max:0", "from 1 up"),
        (parse_pool, "min:2", "is not one of max, avg"),
        (parse_pool, "avg:2:2:2", "as in avg:2 or avg:3:2"),
        (parse_maps, "1;2", "as in 0,3,8-11"),
        (parse_maps, "4-2", "smaller number first"),
        (parse_maps, "1,0-2", "names 1 twice"),
        (parse_scale, "0", "has to be above 0"),
        (parse_scale, "1/0", "divides by zero"),
    ],
)
def test_wrong_words(parse: Callable[[str], object], text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=r"^[^\n]*$") as found:
        parse(text)
    assert reason in str(found.value)


def test_right_words() -> None:
    assert [str(parse_pool(text)) for text in ("max:2", "avg:3:2", "max:2x3:1x2")] == [
        "max:2",
        "avg:3:2",
        "max:2x3:1x2",
    ]
    assert parse_maps("0,3,8-11") == (0, 3, 8, 9, 10, 11)
    assert parse_numbers("1/2,0.25", "mean") == (0.5, 0.25)
    with pytest.raises(UsageError, match="std '1,0' has to be above 0"):
        parse_numbers("1,0", "std")


def test_a_map_too_small_to_pool(run: Run) -> None:
    code, _, err = run("img.png", "-k", "blur", "--pool", "max:21")
    assert code == 1
    assert "blur: a map of 20x24 is too small for --pool max:21, windows of 21x21" in err


REFUSALS = {
    ("--then", "sobel"): "no kernel; give one with -k",
    ("-k", "blur", "--then"): "--then takes a kernel spec, as in --then sobel",
    ("-k", "blur", "--then", "sobbel"): "did you mean sobel",
    ("-k", "blur", "--then", "sobel", "--stride", "0"): "--stride",
    ("-k", "blur", "--then", "sobel", "--frob"): "--frob",
    ("-k", "blur", "--then", "blur", "--merge", "max"): "layer 2: --merge joins several maps, and blur gives one",
    ("--stack", "edgse"): "there is no stack 'edgse'; did you mean edges?",
    ("--stack", "edges", "-k", "blur"): "options, --kernel too; --then adds layers, as in --then blur",
    ("--stack", "edges", "-s", "2"): "--stack brings its own kernels and their options, --stride too; leave it",
    ("--stack", "edges", "--stack", "look"): "--stack is given twice, and a run takes one; --then adds layers",
    ("--stack", "."): "--stack .: is a folder; name a YAML file in it",
    ("--stack", "missing.yaml"): "missing.yaml: No such file",
}


@pytest.mark.parametrize("arguments", REFUSALS, ids=" ".join)
def test_refused_before_any_pixel(run: Run, arguments: tuple[str, ...]) -> None:
    code, out, err = run("img.png", *arguments)
    assert (code, out) == (2, "")
    assert REFUSALS[arguments] in err
    assert len(err.splitlines()) == 1


# Stack files


FILE = """
summary: A network of two layers
source: This test
scale: 1/255
mean: [0.5, 0.5, 0.5]
std: 0.25
order: bgr
range: symmetric
layers:
  - kernels: weights.npz#conv1
    bias-from: weights.npz#bias1
    stride: 2x1
    pad: 1,2,0,1
    border: replicate
    dilation: 1
    activation: leaky:0.1
    pool: max:2:1
    groups: 1
    maps: 0,2-3
  - kernels: [own, "[[[1]] [[1]] [[1]]]"]
    flip: true
    pad: valid
    merge: mean
kernels:
  own:
    weights: [[[1, 2]], [[0, 1]], [[3, 4]]]
"""


def test_a_file_says_what_options_say(run: Run) -> None:
    """Each key of a file is the option of that name, and weights lie beside the file, wherever the run starts."""
    Path("nets").mkdir()
    random = np.random.default_rng(8)
    np.savez("nets/weights.npz", conv1=random.normal(size=(5, 3, 3, 3)), bias1=random.normal(size=5))
    Path("nets/net.yaml").write_text(FILE.replace('"[[[1]] [[1]] [[1]]]"', '"[[[1 1]] [[1 1]] [[1 1]]]"'))
    assert run("img.png", "--stack", "nets/net.yaml", "-f", "npy", "-o", "stack.npy", "--range", "raw", "-q")[0] == 0
    Path("own.yaml").write_text("own:\n  weights: [[[1, 2]], [[0, 1]], [[3, 4]]]\n")
    first: tuple[str, ...] = (
        "-k",
        "nets/weights.npz#conv1",
        "--bias-from",
        "nets/weights.npz#bias1",
        "-s",
        "2x1",
        "-p",
        "1,2,0,1",
    )
    first += ("-b", "replicate", "--activation", "leaky:0.1", "--pool", "max:2:1", "--maps", "0,2-3")
    second = ("--then", "own.yaml", "-k", "[[[1 1]] [[1 1]] [[1 1]]]", "--flip", "-p", "valid", "--merge", "mean")
    scaling = ("--scale", "1/255", "--mean", "0.5", "--std", "0.25,0.25,0.25", "--order", "bgr")
    assert run("img.png", *first, *second, *scaling, "-f", "npy", "-o", "options.npy", "-q")[0] == 0
    np.testing.assert_array_equal(np.load("stack.npy"), np.load("options.npy"))
    _, out, _ = run("img.png", "--stack", "nets/net.yaml", "--dry-run", "--json")
    (line,) = [json.loads(text) for text in out.splitlines()]
    assert (line["map"], line["kernel"], line["range"]) == ("conv1+merged", "net", "symmetric")


def test_layers_may_follow_a_stack(run: Run) -> None:
    assert labels(run, "--stack", "edges", "--then", "box:size=3") == ["gaussian-sigma1.4+sobel+threshold+box-size3"]


BAD_FILES = {
    "": "bad.yaml: is empty",
    " \n\n": "bad.yaml: is empty",
    "# nothing\n": "bad.yaml: holds no kernels",
    "layer:\n  - kernels: blur\n": "bad.yaml:1: unknown key 'layer'; did you mean layers?",
    "layers:\n  - kernels: blur\n    pool: 2\n": "bad.yaml:3: layer 1: pool: pool '2' does not say how; write max:2",
    "layers:\n  - kernels: blur\n    bias: bias: 2\n": "bad.yaml:3: a second colon with a blank after it",
    "a:\n  weights: [[1]]\n": "bad.yaml: has no layers, so it is no stack",
    "layers: []\n": "bad.yaml:1: layers: takes a list",
    "layers: [{kernels: blur}]\nlayer: 2\n": "bad.yaml:2: unknown key 'layer'; did you mean layers?",
    "layers:\n  - kernels: blur\n    strid: 2\n": "bad.yaml:3: layer 1: unknown key 'strid'; did you mean stride?",
    "layers:\n  - stride: 2\n": "bad.yaml:2: layer 1: has no kernels",
    "layers:\n  - kernels: blur\n  - kernels: [sobel, blurr]\n": "bad.yaml:3: layer 2: there is no kernel 'blurr'",
    "layers:\n  - kernels: blur\n    stride: 0\n": "bad.yaml:3: layer 1: stride: ",
    "layers:\n  - kernels: blur\n    activation: rlu\n": "bad.yaml:3: layer 1: activation: ",
    "layers:\n  - kernels: blur\n    bias: 1\n    bias-from: a.npz\n": "bad.yaml:2: layer 1: bias and bias-from",
    "layers:\n  - kernels: blur\n    flip: yes\n": "bad.yaml:3: layer 1: flip: ",
    "scale: -1\nlayers:\n  - kernels: blur\n": "bad.yaml:1: scale: ",
    "layers:\n  - kernels: blur\n    merge: max\n": "bad.yaml: --merge joins several maps, and blur gives one",
    "layers:\n  - blur\n": "bad.yaml:2: layer 1: takes keys",
    "layers:\n  - kernels: a\nkernels: [a]\n": "bad.yaml:3: kernels: maps names to definitions",
    "layers:\n  - kernels: a\nkernels:\n  a:\n    weight: [[1]]\n": "bad.yaml:5: a: unknown key 'weight'",
    "layers:\n  - kernels: {a: 1}\n": "bad.yaml:2: kernels: takes a piece of text",
}


@pytest.mark.parametrize("text", BAD_FILES)
def test_bad_files_name_line_and_key(run: Run, text: str) -> None:
    Path("bad.yaml").write_text(text)
    code, out, err = run("img.png", "--stack", "bad.yaml")
    assert (code, out) == (2, "")
    assert err.startswith(f"convtool: {BAD_FILES[text]}")
    assert len(err.splitlines()) == 1


def test_stacks_of_one_s_own_are_found_by_name(run: Run) -> None:
    Path("mine/stacks").mkdir(parents=True)
    Path("mine/stacks/Soft.yaml").write_text("layers:\n  - kernels: blur\n  - kernels: blur\n")
    assert labels(run, "--stack", "soft", "--kernel-dir", "mine") == ["blur+blur"]


# The stacks that ship


def shipped() -> list[str]:
    return [path.stem for path in stack_paths(Library())]


def test_three_stacks_ship() -> None:
    assert shipped() == ["blobs", "edges", "look"]


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_stack_gives_one_map(name: str) -> None:
    maps = stack_maps(load_stack(name, Library()))
    assert len(maps[-1]) == 1
    assert maps[-1][0].kernel == name


@pytest.mark.parametrize("name", shipped())
@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 3), (40, 50, 4)])
def test_a_shipped_stack_sees_nothing_in_a_plain_picture(name: str, shape: tuple[int, ...]) -> None:
    (found,) = apply(np.full(shape, 120, np.uint8), stack=name, range="clip", alpha="drop").values()
    assert found.shape == (40, 50)
    assert found.max() == 0


def centre(spot: NDArray[np.uint8], name: str) -> tuple[int, int]:
    (found,) = apply(spot, stack=name, range="clip").values()
    row, column = np.unravel_index(int(found.argmax()), found.shape)
    return int(row), int(column)


@pytest.mark.parametrize("radius", [2, 4, 8])
def test_blobs_stand_where_the_spots_are(radius: int) -> None:
    rows, columns = np.mgrid[0:80, 0:90]
    spot = np.where((rows - 33) ** 2 + (columns - 51) ** 2 <= radius**2, 220, 60).astype(np.uint8)
    row, column = centre(spot, "blobs")
    assert abs(row - 33) <= radius
    assert abs(column - 51) <= radius


def test_edges_stand_where_the_step_is() -> None:
    step = np.full((30, 40), 60, np.uint8)
    step[:, 20:] = 200
    (found,) = apply(step, stack="edges", range="clip").values()
    assert (found[:, 19:21] > 200).all()
    assert (found[:, :14] == 0).all()
    assert (found[:, 26:] == 0).all()
    step[:, 20:] = 62  # a weak one falls under the threshold
    (found,) = apply(step, stack="edges", range="clip").values()
    assert found.max() == 0


def test_a_look_is_drawn_by_colour_shape_and_light() -> None:
    for colour in ((200, 60, 60), (60, 60, 200), (230, 230, 230)):
        plain = np.full((60, 60, 3), 110, np.uint8)
        plain[25:35, 25:35] = colour
        row, column = centre(plain, "look")
        assert 20 <= row < 40
        assert 20 <= column < 40
