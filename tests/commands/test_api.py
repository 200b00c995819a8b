"""The package from Python: ``apply``, ``load_kernel``, ``conv2d``'s arguments, and what an import costs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import convtool
from convtool import apply, conv2d, load_kernel
from convtool.errors import ConvtoolError, GeometryError, KernelError, UsageError
from convtool.kernels.kernel import KernelSet, make_kernel

Array = NDArray[Any]

STEP = np.array([[0, 0, 9, 9]] * 3, dtype=np.uint8)


@pytest.fixture(autouse=True)
def _no_kernels_of_ones_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CONVTOOL_KERNELS", raising=False)
    monkeypatch.chdir(tmp_path)


# apply: what goes in


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int64", "float16", "float32", "float64", ">u2", ">f4"])
def test_maps_are_raw_float32_in_the_units_of_the_array(dtype: str) -> None:
    maps = apply(STEP.astype(dtype), "sobel")
    assert list(maps) == ["sobel-x", "sobel-y"]
    assert [found.dtype.name for found in maps.values()] == ["float32", "float32"]
    assert maps["sobel-x"].tolist() == [[0, 36, 36, 0]] * 3
    assert maps["sobel-y"].tolist() == [[0, 0, 0, 0]] * 3


def test_truth_values_are_black_and_white() -> None:
    assert apply(STEP > 0, "1")["inline"].tolist() == [[0, 0, 255, 255]] * 3


def test_lists_strides_and_read_only_arrays() -> None:
    assert apply(STEP.tolist(), "1")["inline"].tolist() == STEP.tolist()
    big = np.arange(7 * 8 * 4, dtype=np.float32).reshape(7, 8, 4)
    view = big[::-2, 1::2, 2:0:-1]  # two channels: grey and alpha
    view.setflags(write=False)
    before = big.copy()
    np.testing.assert_array_equal(
        apply(view, "blur", alpha="drop")["blur"], apply(view.copy(), "blur", alpha="drop")["blur"]
    )
    np.testing.assert_array_equal(big, before)


def test_shapes() -> None:
    assert apply(np.zeros((5, 7)), "blur")["blur"].shape == (5, 7)
    assert apply(np.zeros((5, 7, 1)), "blur")["blur"].shape == (5, 7)
    for channels in (2, 3, 4, 5):
        assert apply(np.zeros((5, 7, channels)), "blur")["blur"].shape == (5, 7, channels)
    assert apply(np.zeros((5, 7, 3)), "luma")["luma"].shape == (5, 7)


def test_the_result_never_shares_memory_with_the_image() -> None:
    image = np.arange(12, dtype=np.float32).reshape(3, 4)
    found = apply(image, "identity")["identity"]
    np.testing.assert_array_equal(found, image)
    assert not np.may_share_memory(found, image)


def pillow_images() -> list[tuple[str, Image.Image, tuple[int, ...], Array]]:
    """(name, image, shape of a map, samples of the first row)."""
    grey = Image.fromarray(STEP)
    rgba = Image.fromarray(np.dstack([STEP, STEP + 1, STEP + 2, np.full_like(STEP, 255)]))
    palette = Image.new("P", (4, 3))
    palette.putpalette([1, 2, 3, 200, 100, 50])
    palette.putdata([0, 0, 1, 1] * 3)
    clear = palette.copy()
    clear.info["transparency"] = 0
    wide = Image.fromarray(STEP.astype(np.uint16) * 257)
    two = np.array([[1, 2, 3]] * 2 + [[200, 100, 50]] * 2)
    return [
        ("L", grey, (3, 4), STEP[0]),
        ("RGBA", rgba, (3, 4, 4), np.dstack([STEP, STEP + 1, STEP + 2, np.full_like(STEP, 255)])[0]),
        (
            "LA",
            Image.merge("LA", [grey, Image.new("L", (4, 3), 255)]),
            (3, 4, 2),
            np.array([[0, 255], [0, 255], [9, 255], [9, 255]]),
        ),
        ("RGB", rgba.convert("RGB"), (3, 4, 3), np.dstack([STEP, STEP + 1, STEP + 2])[0]),
        ("P", palette, (3, 4, 3), two),
        ("P with transparency", clear, (3, 4, 4), np.column_stack([two, [0, 0, 255, 255]])),
        ("1", grey.point(lambda v: 255 if v else 0).convert("1"), (3, 4), np.array([0, 0, 255, 255])),
        ("I;16", wide, (3, 4), STEP[0].astype(int) * 257),
        ("F", grey.convert("F"), (3, 4), STEP[0]),
    ]


@pytest.mark.parametrize(
    ("name", "image", "shape", "first"), pillow_images(), ids=lambda v: v if isinstance(v, str) else ""
)
def test_pillow_images(name: str, image: Image.Image, shape: tuple[int, ...], first: Array) -> None:
    # Colours as stored: under "weighted" those of hidden pixels are nobody's business.
    found = apply(image, "identity", alpha="keep")["identity"]
    assert (found.shape, found.dtype.name) == (shape, "float32")
    np.testing.assert_array_equal(found[0], first)


def test_a_pillow_image_and_its_array_give_the_same_maps() -> None:
    rng = np.random.default_rng(3)
    samples = rng.integers(0, 256, (9, 11, 4)).astype(np.uint8)
    image = Image.fromarray(samples)
    for options in ({}, {"range": "abs"}, {"dtype": "uint16"}, {"merge": "magnitude"}):
        for label, found in apply(image, "sobel", **options).items():  # type: ignore[arg-type]
            np.testing.assert_array_equal(found, apply(samples, "sobel", **options)[label])  # type: ignore[arg-type]


# apply: kernels


def test_specs_of_every_kind(tmp_path: Path) -> None:
    np.save(tmp_path / "bank.npy", np.ones((2, 3, 3)))
    (tmp_path / "mine.yaml").write_text("mine:\n  summary: One\n  weights: [[2]]\n", encoding="utf-8")
    maps = apply(STEP, ["sobel-x@90", "box:size=3", "0 1 0", "bank.npy", "mine.yaml"])
    assert list(maps) == ["sobel-x-turn90", "box-size3", "inline", "bank-00", "bank-01", "mine"]
    np.testing.assert_array_equal(maps["mine"], STEP * 2)
    # sobel-x turned by 90 degrees is -sobel-y
    tall = STEP.T.copy()
    np.testing.assert_array_equal(apply(tall, "sobel-x@90")["sobel-x-turn90"], -apply(tall, "sobel-y")["sobel-y"])


def test_kernel_sets_and_specs_mix() -> None:
    mine = KernelSet("mine", (make_kernel("mine", np.array([[0.5]])),))
    maps = apply(STEP, [mine, "1 1", "blur", "1 -1"])
    assert list(maps) == ["mine", "inline-1", "blur", "inline-2"]
    np.testing.assert_array_equal(maps["mine"], STEP / 2)
    np.testing.assert_array_equal(apply(STEP, mine)["mine"], STEP / 2)
    np.testing.assert_array_equal(apply(STEP, load_kernel("sobel"))["sobel-x"], apply(STEP, "sobel")["sobel-x"])


def test_a_kernel_given_twice() -> None:
    blur = load_kernel("blur")
    pairs: list[list[str | KernelSet]] = [["blur", "blur"], [blur, "blur"], [blur, blur]]
    for kernels in pairs:
        with pytest.raises(KernelError, match="blur is given twice"):
            apply(STEP, kernels)


def test_load_kernel() -> None:
    sobel = load_kernel("sobel")
    assert [kernel.label for kernel in sobel.kernels] == ["sobel-x", "sobel-y"]
    assert sobel.kernels[0].weights.tolist() == [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
    assert str(sobel.kernels[0].range) == "abs"
    assert load_kernel("1 2; 3 4 / 10").kernels[0].weights.tolist() == [[0.1, 0.2], [0.3, 0.4]]
    assert load_kernel("gaussian:sigma=2.5").label == "gaussian-sigma2.5"
    assert load_kernel("luma").kernels[0].depth == 3


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("", "empty"),
        ("sobell", "did you mean"),
        ("blur:size=3", "takes no parameters"),
        ("box:5", "box:size=5"),
        ("1 2; 3", "row 2"),
        ("nowhere.yaml", "nowhere.yaml"),
        ("blur@30", "90"),
    ],
)
def test_specs_that_mean_nothing(spec: str, says: str) -> None:
    for call in (lambda: load_kernel(spec), lambda: apply(STEP, spec)):
        with pytest.raises(ValueError, match=says) as caught:
            call()
        assert isinstance(caught.value, KernelError)
        assert "\n" not in str(caught.value)


# apply: options as on the command line


def same(first: dict[str, Any], second: dict[str, Any]) -> None:
    rng = np.random.default_rng(5)
    image = rng.integers(0, 256, (9, 8, 3)).astype(np.uint8)
    one, two = apply(image, "sobel-x", **first)["sobel-x"], apply(image, "sobel-x", **second)["sobel-x"]
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ({"stride": "2"}, {"stride": 2}),
        ({"stride": "2x3"}, {"stride": (2, 3)}),
        ({"dilation": "1x2"}, {"dilation": [1, 2]}),
        ({"pad": "1"}, {"pad": 1}),
        ({"pad": "1x2"}, {"pad": (1, 2)}),
        ({"pad": "1,2,3,4"}, {"pad": ((1, 3), (4, 2))}),  # top, right, bottom, left
        ({"bias": "1/4"}, {"bias": 0.25}),
        ({"bias": 2}, {"bias": np.float64(2)}),
        ({"stride": np.int64(2)}, {"stride": 2}),
        ({"pad": "same"}, {}),
        ({"border": "reflect"}, {}),
        ({"pad": 1, "border": "zeros"}, {"pad": 1}),
        ({"pad": "full", "border": "constant=0"}, {"pad": "full"}),
        ({"channels": "each"}, {}),
        ({"alpha": "drop"}, {}),
        ({"dtype": np.uint8}, {"dtype": "uint8"}),
        ({"dtype": np.dtype("uint16")}, {"dtype": "uint16"}),
        ({"dtype": "float32"}, {}),
        ({"range": "raw"}, {}),
        ({"range": "raw", "dtype": "float32"}, {}),
        ({"dtype": "uint8"}, {"range": "abs"}),  # sobel-x's own
    ],
)
def test_options_as_text_and_as_values(text: dict[str, Any], values: dict[str, Any]) -> None:
    same(text, values)


def test_sizes_of_maps() -> None:
    image = np.zeros((8, 8))
    shapes = {
        "same": (8, 8),
        "valid": (6, 6),
        "full": (10, 10),
        0: (6, 6),
        1: (8, 8),
        ((2, 0), (0, 3)): (8, 9),
    }
    for pad, shape in shapes.items():
        assert apply(image, "blur", pad=pad)["blur"].shape == shape
    assert apply(image, "blur", pad=1, stride=2)["blur"].shape == (4, 4)
    assert apply(image, "blur", pad=0, dilation=(1, 3))["blur"].shape == (6, 2)


def test_flip_and_bias() -> None:
    line = np.array([[0, 0, 1, 0, 0]], dtype=np.uint8)
    assert apply(line, "1 2 3")["inline"].tolist() == [[0, 3, 2, 1, 0]]
    assert apply(line, "1 2 3", flip=True)["inline"].tolist() == [[0, 1, 2, 3, 0]]
    assert apply(line, "1 2 3", bias=-1)["inline"].tolist() == [[-1, 2, 1, 0, -1]]


def test_range_and_dtype_tone_the_map() -> None:
    # sobel-x of the step is 36; its own range is abs
    rise = apply(STEP[:, ::-1].copy(), "sobel-x", dtype="uint8")["sobel-x"]
    assert (rise.dtype.name, rise[0].tolist()) == ("uint8", [0, 36, 36, 0])
    wide = apply(STEP, "sobel-x", dtype="uint16")["sobel-x"]
    assert (wide.dtype.name, wide[0].tolist()) == ("uint16", [0, 36 * 257, 36 * 257, 0])
    shifted = apply(STEP, "sobel-x", range="shift:1/4")["sobel-x"]
    assert (shifted.dtype.name, shifted[0].tolist()) == ("uint8", [128, 137, 137, 128])
    floats = apply(STEP, "sobel-x", range="shift", dtype="float32")["sobel-x"]
    assert (floats.dtype.name, floats[0].tolist()) == ("float32", [128, 164, 164, 128])
    raw = apply(STEP, "sobel-x", range="raw")["sobel-x"]
    assert raw.dtype.name == "float32"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"stride": 0}, "stride"),
        ({"stride": "2y"}, "stride"),
        ({"stride": 1.5}, "stride"),
        ({"dilation": 0}, "dilation"),
        ({"pad": -1}, "padding"),
        ({"pad": "sam"}, "did you mean same"),
        ({"pad": None}, "padding"),
        ({"border": "reflekt"}, "did you mean reflect"),
        ({"border": "constant"}, "constant=128"),
        ({"border": 3}, "border"),
        ({"channels": "luna"}, "did you mean luma"),
        ({"channels": 1}, "channels"),
        ({"bias": "x"}, "bias"),
        ({"bias": float("nan")}, "bias"),
        ({"bias": 1e39}, "bias"),
        ({"bias": [1]}, "bias"),
        ({"merge": "magnitud"}, "did you mean magnitude"),
        ({"range": "clipp"}, "did you mean clip"),
        ({"range": "abs:0"}, "multiplies by 0"),
        ({"range": "abs:"}, "abs:1/4"),
        ({"range": 3}, "range"),
        ({"dtype": "float64"}, "dtype"),
        ({"dtype": np.float64}, "dtype"),
        ({"alpha": "weight"}, "did you mean weighted"),
        ({"alpha": None}, "alpha"),
    ],
)
def test_options_that_cannot_be_meant(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        apply(STEP, "sobel-x", **options)
    assert isinstance(caught.value, UsageError)


@pytest.mark.parametrize(
    "image",
    [np.ones(3), np.ones((1, 1, 1, 1)), np.ones((0, 3)), np.ones((3, 3)) * 1j, "a.png", None, np.array([["a"]])],
)
def test_images_that_are_none(image: Any) -> None:
    with pytest.raises(UsageError, match="no picture"):
        apply(image, "blur")


@pytest.mark.parametrize("kernels", [[], (), None, 5, [5], b"blur", np.ones((3, 3)), ["blur", None]])
def test_kernels_that_are_none(kernels: Any) -> None:
    with pytest.raises(UsageError, match="kernel"):
        apply(STEP, kernels)


def test_a_kernel_that_does_not_fit_names_the_way_out() -> None:
    with pytest.raises(GeometryError, match=r"blur on 2x9.*smallest padding that works is 1"):
        apply(np.zeros((2, 9)), "blur", pad=0)
    with pytest.raises(ValueError, match="spans 3 channels, the picture has 5"):
        apply(np.zeros((3, 3, 5)), "luma")


# What an import costs


def test_import_loads_nothing_heavy() -> None:
    heavy = ("click", "rich", "yaml", "PIL", "scipy", "cv2", "tifffile")
    lines = [
        "import sys, convtool",
        f"heavy = {heavy!r}",
        "loaded = lambda: [name for name in heavy if name in sys.modules]",
        "assert not loaded(), loaded()",
        "from convtool import conv2d",
        "import numpy as np",
        "conv2d(np.ones((1, 3, 3)), np.ones((1, 1, 3, 3)))",
        "assert not loaded(), loaded()",
        "from convtool import load_kernel, apply",
        "apply(np.ones((3, 3)), 'sobel')",
        "assert loaded() == ['yaml'], loaded()",
    ]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(lines)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_package_names_what_it_has() -> None:
    assert set(dir(convtool)) >= {"apply", "conv2d", "load_kernel", "__version__"}
    with pytest.raises(AttributeError, match="no attribute 'convolve'"):
        _ = convtool.convolve
    assert (convtool.apply, convtool.conv2d, convtool.load_kernel) == (apply, conv2d, load_kernel)


# conv2d

IMAGE = np.arange(2 * 5 * 5, dtype=np.float32).reshape(2, 5, 5)
FILTERS = np.ones((4, 2, 3, 3))


def test_conv2d_by_hand() -> None:
    # One channel 1..9, window sums 12, 16, 24, 28 of 2x2, plus the bias
    x = np.arange(1, 10, dtype=np.int32).reshape(1, 3, 3)
    found = conv2d(x, np.ones((2, 1, 2, 2)) * [[[[1]]], [[[-1]]]], bias=[0.5, 0])
    assert found.dtype == np.float32
    assert found.tolist() == [[[12.5, 16.5], [24.5, 28.5]], [[-12, -16], [-24, -28]]]


def test_groups() -> None:
    # Two groups of two channels: filters 0 and 1 see channels 0 and 1, filters 2 and 3 see 2 and 3.
    x = np.array([1, 10, 100, 1000], dtype=np.float64).reshape(4, 1, 1)
    w = np.array([[1, 0], [2, 3], [1, 1], [0, -1]], dtype=np.float64).reshape(4, 2, 1, 1)
    assert conv2d(x, w, groups=2).ravel().tolist() == [1, 32, 1100, -1000]
    # Depthwise: one filter a channel.
    assert conv2d(x, np.arange(4.0).reshape(4, 1, 1, 1), groups=4).ravel().tolist() == [0, 10, 200, 3000]
    assert conv2d(x, np.ones((8, 1, 1, 1)), groups=4).ravel().tolist() == [1, 1, 10, 10, 100, 100, 1000, 1000]
    with_bias = conv2d(x, w, [1, 2, 3, 4], groups=2)
    assert with_bias.ravel().tolist() == [2, 34, 1103, -996]


def test_out_is_filled_and_returned() -> None:
    out = np.full((4, 3, 3), np.nan, dtype=np.float32)
    found = conv2d(IMAGE, FILTERS, out=out)
    assert found is out
    np.testing.assert_array_equal(out, conv2d(IMAGE, FILTERS))
    # A view with steps of its own
    room = np.full((8, 3, 6), np.nan, dtype=np.float32)
    conv2d(IMAGE, FILTERS, out=room[::2, :, ::2])
    np.testing.assert_array_equal(room[::2, :, ::2], out)
    assert np.isnan(room[1::2]).all()
    grouped = np.empty((4, 3, 3), dtype=np.float32)
    conv2d(IMAGE, FILTERS[:, :1], groups=2, out=grouped)
    np.testing.assert_array_equal(grouped, conv2d(IMAGE, FILTERS[:, :1], groups=2))


def test_out_may_be_the_image() -> None:
    x = IMAGE.copy()
    w = np.arange(36.0).reshape(2, 2, 3, 3)
    expected = conv2d(x, w, padding=1)
    np.testing.assert_array_equal(conv2d(x, w, padding=1, out=x), expected)
    np.testing.assert_array_equal(x, expected)
    grouped = IMAGE.copy()
    each = np.arange(18.0).reshape(2, 1, 3, 3)
    expected = conv2d(IMAGE, each, groups=2, padding=1)
    np.testing.assert_array_equal(conv2d(grouped, each, groups=2, padding=1, out=grouped), expected)


def test_out_may_hold_the_image_among_other_planes() -> None:
    # Filters 0 and 1 overwrite the plane that filters 2 and 3 still have to see.
    room = np.zeros((4, 1, 1), dtype=np.float32)
    room[:2, 0, 0] = 3, 5
    found = conv2d(room[:2], np.array([1, 2, 3, 4.0]).reshape(4, 1, 1, 1), groups=2, out=room)
    assert found.ravel().tolist() == [3, 6, 15, 20]


def test_out_may_be_a_tall_image() -> None:
    # Rows that are written have to be read once more by the rows below them.
    x = np.random.default_rng(1).random((1, 3000, 150)).astype(np.float32)
    w = np.arange(9.0).reshape(1, 1, 3, 3)
    expected = conv2d(x.copy(), w, padding=1)
    np.testing.assert_array_equal(conv2d(x, w, padding=1, out=x), expected)


def test_constant_value_counts_under_constant_only() -> None:
    x = np.zeros((1, 1, 1))
    w = np.ones((1, 1, 3, 3))
    assert conv2d(x, w, padding=1, padding_mode="constant", constant_value=2)[0, 0, 0] == 16
    assert conv2d(x, w, padding=1, padding_mode="zeros", constant_value=2)[0, 0, 0] == 0


ARGUMENTS: list[tuple[dict[str, Any], str]] = [
    ({"stride": 0}, "stride"),
    ({"stride": "2"}, "stride"),
    ({"stride": (1, 2, 3)}, "stride"),
    ({"stride": 1.5}, "stride"),
    ({"stride": True}, "stride"),
    ({"dilation": 0}, "dilation"),
    ({"dilation": (1, -1)}, "dilation"),
    ({"padding": -1}, "padding"),
    ({"padding": "sam"}, "padding"),
    ({"padding": (1, 1, 1, 1)}, "padding"),
    ({"padding": None}, "padding"),
    ({"padding": ((1, 1), (1, -1))}, "padding"),
    ({"groups": 0}, "groups"),
    ({"groups": -2}, "groups"),
    ({"groups": 3}, "groups"),
    ({"padding_mode": "reflekt"}, "reflect"),
    ({"padding_mode": None}, "reflect"),
    ({"bias": [1, 2]}, "bias"),
    ({"bias": 1.0}, "bias"),
    ({"out": np.zeros((4, 3, 3))}, "out"),
    ({"out": np.zeros((4, 3, 4), dtype=np.float32)}, "out"),
    ({"method": "magic"}, "method"),
    ({"threads": 0}, "threads"),
    ({"dilation": 9}, "smallest padding that works"),
    ({"weight": FILTERS[0]}, "weight"),
    ({"weight": FILTERS[:0]}, "weight"),
    ({"weight": FILTERS * np.nan}, "weight"),
    ({"weight": FILTERS * 1j}, "weight"),
    ({"weight": FILTERS[:, :1]}, "weight spans 1 channels"),
    ({"weight": FILTERS, "groups": 2}, "weight spans 2 channels"),
    ({"x": IMAGE[0]}, "x has shape"),
    ({"x": IMAGE[:, :0]}, "x has shape"),
    ({"x": IMAGE * 1j}, "x has dtype"),
    ({"x": None}, "x has dtype"),
    ({"x": np.array([[["a"]]])}, "x has dtype"),
]


@pytest.mark.parametrize(("arguments", "says"), ARGUMENTS)
def test_arguments_of_conv2d_that_do_not_fit(arguments: dict[str, Any], says: str) -> None:
    given = {"x": IMAGE, "weight": FILTERS} | arguments
    call: Callable[..., Array] = conv2d
    with pytest.raises(ValueError, match=says) as caught:
        call(**given)
    assert isinstance(caught.value, ConvtoolError)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"out": [1]}, "out"),
        ({"threads": "2"}, "threads"),
        ({"threads": 1.5}, "threads"),
        ({"bias": ["a"] * 4}, "bias"),
        ({"bias": np.ones(4) * 1j}, "bias"),
        ({"padding_mode": "constant", "constant_value": "a"}, "constant_value"),
    ],
)
def test_arguments_of_conv2d_of_the_wrong_kind(arguments: dict[str, Any], says: str) -> None:
    call: Callable[..., Array] = conv2d
    with pytest.raises(UsageError, match=says):
        call(IMAGE, FILTERS, **arguments)
