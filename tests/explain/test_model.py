"""The explanation of a run: sums by the definition, planes by the engine, samples as ``apply`` writes them."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from convtool import apply as apply_array
from convtool.engine.geometry import resolve
from convtool.errors import GeometryError, InputError, UsageError
from convtool.explain import Explanation, explain, to_json
from convtool.explain.crops import automatic_crop, parse_at, parse_crop
from convtool.explain.demos import DEMOS, load_demo
from convtool.explain.making import explain_part
from convtool.explain.model import Crop
from convtool.explain.record import pack, unpack
from convtool.explain.toning import tone_steps
from convtool.kernels.library import Library
from convtool.layers.settings import Settings
from convtool.pictures.picture import picture_from_array
from convtool.tone.extent import Extent
from convtool.tone.ranges import Range

Array = NDArray[Any]
SAMPLES = Path(__file__).resolve().parents[2] / "sample_images"


def noise(height: int, width: int, channels: int, dtype: str = "uint8") -> Array:
    random = np.random.default_rng(height * 100 + width * 10 + channels)
    shape = (height, width, channels) if channels > 1 else (height, width)
    if dtype == "float32":
        return random.normal(0.3, 0.5, shape).astype(np.float32)
    return random.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def run(image: Array, kernels: tuple[str, ...], name: str = "img.png", **options: Any) -> Explanation:
    return explain(picture_from_array(image), Library().load_all(kernels), Settings(**options), name=name)


def pads(n: int) -> tuple[tuple[int, int], tuple[int, int]]:
    return (n, n), (n, n)


CLEAR = noise(6, 7, 4)
CLEAR[:3, :4, 3] = 0  # a corner that is fully hidden, and some of it opaque
CLEAR[3:, 5:, 3] = 255

DEEP = "1 2 3; 0 -1 0; 2 0 1 / 7"
RUNS: dict[str, tuple[Array, tuple[str, ...], dict[str, Any]]] = {
    "grey": (noise(9, 11, 1), ("sobel-x",), {"padding": pads(0)}),
    "same": (noise(9, 11, 1), ("sharpen", "blur"), {}),
    "rgb": (noise(7, 8, 3), ("sobel",), {"padding": pads(1)}),
    "sum": (noise(7, 8, 3), ("sobel-x",), {"channels": "sum"}),
    "luma": (noise(7, 8, 3), ("edge",), {"channels": "luma"}),
    "one": (noise(7, 8, 3), ("edge",), {"channels": "g"}),
    "deep": (noise(5, 5, 3), ("teaching-layer",), {"padding": pads(1), "stride": (2, 2)}),
    "deep-grey": (noise(6, 5, 1), ("teaching-layer",), {"padding": pads(1)}),
    "mixed": (noise(6, 7, 3), ("teaching-layer-1", "gaussian:sigma=0.8"), {}),
    "dilated": (noise(12, 13, 1), (DEEP,), {"dilation": (2, 3), "border": ("circular", 0.0), "padding": "same"}),
    "uneven": (noise(8, 9, 1), ("1 2; 3 4",), {"padding": ((2, 0), (1, 3)), "border": ("symmetric", 0.0)}),
    "constant": (noise(5, 6, 1), ("emboss",), {"padding": "full", "border": ("constant", 37.5), "stride": (1, 2)}),
    "replicate": (noise(3, 3, 1), ("gaussian:sigma=2",), {"border": ("replicate", 0.0)}),
    "tiny": (noise(1, 1, 1), ("laplacian-5x5",), {"border": ("reflect", 0.0)}),
    "bias": (noise(6, 6, 1), ("sobel-x",), {"bias": 0.1, "flip": True}),
    "merge": (noise(6, 6, 3), ("sobel",), {"merge": "magnitude"}),
    "merge-mean": (noise(6, 6, 1), ("blur", "sharpen", "edge"), {"merge": "mean"}),
    "merge-max": (noise(6, 6, 1), ("sobel",), {"merge": "max", "range": Range("symmetric")}),
    "deep-samples": (noise(6, 6, 1, "uint16"), ("sharpen",), {"dtype": "uint8"}),
    "floats": (noise(6, 6, 3, "float32"), ("sobel-y",), {"dtype": "uint8", "range": Range("shift")}),
    "raw": (noise(6, 6, 1), ("sobel-y",), {"range": Range("raw")}),
    "gain": (noise(6, 6, 1), ("kirsch",), {"range": Range("abs", Fraction(4, 15))}),
    "clear": (CLEAR, ("edge",), {}),
    "clear-blur": (CLEAR, ("blur",), {"padding": pads(1)}),
    "clear-deep": (CLEAR, ("teaching-layer",), {"border": ("circular", 0.0), "stride": (2, 1)}),
    "clear-sum": (CLEAR, ("gaussian:sigma=0.7",), {"channels": "sum", "bias": 3.0, "dtype": "uint16"}),
    "clear-luma": (CLEAR, ("sharpen",), {"channels": "luma", "border": ("constant", 90.0)}),
    "clear-merged": (CLEAR, ("sobel",), {"merge": "magnitude"}),
    "clear-mixed": (noise(6, 7, 4), ("blur", "edge"), {"merge": "max", "border": ("replicate", 0.0)}),
    "linear": (noise(6, 7, 3), ("blur", "edge"), {"linear": True}),
    "linear-luma": (noise(6, 7, 3), ("sobel-x",), {"linear": True, "channels": "luma", "dtype": "uint16"}),
    "linear-float": (noise(6, 7, 1), ("sharpen",), {"linear": True, "dtype": "float32", "range": Range("abs")}),
    "linear-clear": (CLEAR, ("blur",), {"linear": True}),
    "linear-filtered": (CLEAR, ("emboss",), {"linear": True, "alpha": "filter", "range": Range("clip")}),
    "stretch": (noise(6, 6, 3), ("log:sigma=0.7",), {"range": Range("stretch"), "dtype": "uint16"}),
}


@pytest.fixture(params=list(RUNS.values()), ids=list(RUNS))
def made(request: pytest.FixtureRequest) -> tuple[Array, dict[str, Any], tuple[str, ...], Explanation]:
    image, kernels, options = request.param
    return image, options, kernels, run(image, kernels, **options)


def by_hand(found: Explanation, at: int, plane: int, i: int, j: int) -> float:
    """The sum of product.md, spelled out with NumPy's padding instead of ours."""
    one, kernel = found.filters[at], found.filters[at].member.kernel
    rows, columns = one.geometry.rows, one.geometry.columns
    modes = {"replicate": "edge", "reflect": "reflect", "symmetric": "symmetric", "circular": "wrap"}
    mode = modes.get(one.border.mode, "constant")
    more = {"constant_values": one.border.value} if mode == "constant" else {}
    top, left = i * rows.stride, j * columns.stride
    sides = ((rows.before, rows.after + 99), (columns.before, columns.after + 99))

    def part(values: Array, outside: dict[str, Any]) -> Array:
        x: Array = np.pad(values.astype(np.float64), sides, mode=mode, **outside)  # type: ignore[call-overload]
        return x[top : top + rows.span : rows.dilation, left : left + columns.span : columns.dilation]

    # As product.md has it: colour = conv(w, a*x)/conv(w, a)*sum(w), or conv(w, a*x) + x_anchor*(sum(w) - conv(w, a)).
    over = under = whole = hidden = 0.0
    opaque = np.ones(found.planes.shape[1:])
    a = part(opaque if found.alpha is None else found.alpha, {"constant_values": 1.0} if mode == "constant" else {})
    for c, seen in enumerate(one.inputs[plane]):
        w = kernel.weights if kernel.depth is None else kernel.weights[c]
        over += float((w * a * part(found.planes[seen], more)).sum())
        under += float((w * a).sum())
        whole += float(w.sum())
        anchor = float(found.planes[seen][rows.anchor(i), columns.anchor(j)])
        hidden += anchor * float(w.sum() - (w * a).sum())
    if found.alpha is None:
        return over + kernel.bias
    if (kernel.weights >= 0).all():
        return (over / under * whole if under > 0 else 0.0) + kernel.bias
    return over + hidden + kernel.bias


def allowance(found: Explanation, at: int) -> float:
    one = found.filters[at]
    size = float(np.abs(one.weights).sum() * float(one.scale))
    peak = max(float(np.abs(found.planes).max()), abs(one.border.value))
    return 2e-6 * size * peak + 1e-6 * abs(one.bias) + 1e-12


def test_sums_are_those_of_the_definition(made: tuple[Array, dict[str, Any], tuple[str, ...], Explanation]) -> None:
    found = made[3]
    for at, one in enumerate(found.filters):
        for plane in range(len(one.inputs)):
            for i in range(one.geometry.rows.out):
                for j in range(one.geometry.columns.out):
                    window = found.window(at, plane, i, j)
                    expected = by_hand(found, at, plane, i, j)
                    assert float(window.raw) == pytest.approx(expected, rel=1e-12, abs=1e-9)
                    assert abs(float(one.values[plane, i, j]) - expected) <= allowance(found, at)


def test_cells_add_up(made: tuple[Array, dict[str, Any], tuple[str, ...], Explanation]) -> None:
    found = made[3]
    for at, one in enumerate(found.filters):
        window = found.window(at, len(one.inputs) - 1, one.geometry.rows.out - 1, 0)
        for part in window.slices:
            for line in part.cells:
                for cell in line:
                    assert cell.product == cell.value * (cell.alpha if window.cover else 1) * cell.weight
                    height, width = found.planes.shape[1:]
                    assert cell.from_padding == (not (0 <= cell.row < height and 0 <= cell.column < width))
                    value = one.border.value if cell.source is None else found.planes[part.plane][cell.source]
                    if cell.alpha == 1 or window.cover:
                        assert cell.value == value
            assert part.subtotal == sum(cell.product for line in part.cells for cell in line)
        assert window.total == sum(part.subtotal for part in window.slices)
        assert float(window.raw) == pytest.approx(window.weighted * float(window.scale) + window.bias)


def test_samples_are_what_apply_makes(made: tuple[Array, dict[str, Any], tuple[str, ...], Explanation]) -> None:
    image, options, kernels, found = made
    words = {name: value for name, value in options.items() if name not in ("padding", "border", "range")}
    words["pad"] = options.get("padding", "same")
    if "border" in options:
        mode, value = options["border"]
        words["border"] = f"constant={value}" if mode == "constant" else mode
    for each in found.maps:
        maps = apply_array(image, list(kernels), **words, range=str(each.range))
        expected = maps[each.label]
        np.testing.assert_array_equal(each.written, expected.reshape(each.written.shape))


def test_steps_lead_to_the_written_sample(made: tuple[Array, dict[str, Any], tuple[str, ...], Explanation]) -> None:
    found = made[3]
    for at, one in enumerate(found.maps):
        for plane in range(len(one.plane_names)):
            for i, j in np.ndindex(*one.size):
                pixel = found.pixel(at, plane, i, j)
                last = pixel.steps[-1].value if pixel.steps else pixel.raw
                if one.dtype == "float32":
                    assert float(last) == pytest.approx(pixel.written, rel=1e-5, abs=1e-3)
                elif float(last) != pixel.written:  # a float sum may stand next to a tie
                    before = [float(step.value) for step in pixel.steps if step.name not in ("round", "clip")]
                    assert abs((before or [float(pixel.raw)])[-1] % 1 - 0.5) < 1e-3
                assert float(pixel.raw) == pytest.approx(float(one.values[plane, i, j]), rel=1e-5, abs=1e-3)


def test_feeds_are_the_windows_turned_round(made: tuple[Array, dict[str, Any], tuple[str, ...], Explanation]) -> None:
    found = made[3]
    height, width = found.planes.shape[1:]
    for at, one in enumerate(found.filters):
        expected: dict[tuple[int, int], set[tuple[int, int, int, int, bool]]] = {}
        for i, j in np.ndindex(*one.geometry.out):
            for u, line in enumerate(found.window(at, 0, i, j).slices[0].cells):
                for v, cell in enumerate(line):
                    if cell.source is not None:
                        expected.setdefault(cell.source, set()).add((i, j, u, v, cell.from_padding))
        for row, column in ((0, 0), (height - 1, width // 2), (height // 2, width - 1)):
            feeds = one.feeds(row, column)
            told = {(feed.row, feed.column, *tap) for feed in feeds for tap in feed.taps}
            assert told == expected.get((row, column), set())
            assert len({(feed.row, feed.column) for feed in feeds}) == len(feeds)


# Channels


def test_a_kernel_without_depth_sees_one_channel_at_a_time() -> None:
    found = run(noise(5, 6, 3), ("sobel-x",))
    one = found.filters[0]
    assert found.plane_names == one.plane_names == ("R", "G", "B")
    assert one.inputs == ((0,), (1,), (2,))
    assert one.weights.shape == (1, 3, 3)


def test_a_kernel_with_depth_adds_them_up() -> None:
    found = run(noise(5, 6, 3), ("teaching-layer",))
    assert [one.inputs for one in found.filters] == [((0, 1, 2),)] * 2
    assert [one.plane_names for one in found.filters] == [("sum",)] * 2
    grey = run(noise(5, 6, 1), ("teaching-layer",))
    assert grey.plane_names == ("grey",)
    assert grey.filters[0].inputs == ((0, 0, 0),)


def test_planes_are_what_the_filters_see() -> None:
    image = noise(5, 6, 3)
    assert run(image, ("edge",), channels="b").plane_names == ("B",)
    luma = run(image, ("edge",), channels="luma")
    assert luma.plane_names == ("luma",)
    np.testing.assert_allclose(luma.planes[0], image @ [0.299, 0.587, 0.114], rtol=1e-6)
    both = run(noise(5, 6, 4), ("edge",), alpha="filter")
    assert both.plane_names == both.maps[0].plane_names == ("R", "G", "B", "alpha")


def test_planes_in_linear_light() -> None:
    image = noise(5, 6, 4)
    found = run(image, ("edge",), linear=True, alpha="filter")
    assert found.plane_names == ("linear R", "linear G", "linear B", "alpha")
    np.testing.assert_array_equal(found.planes[3], image[..., 3])
    coded = image[..., 0] / 255
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4) * 255
    np.testing.assert_allclose(found.planes[0], linear, rtol=1e-6, atol=1e-5)
    assert [step.name for step in found.pixel(0, 0, 2, 2).steps if step.name != "clip"] == ["abs", "coded", "round"]


def test_weights_are_shown_as_they_were_written() -> None:
    found = run(noise(5, 6, 1), ("blur", "gaussian:sigma=0.8"))
    assert found.filters[0].weights.tolist() == [[[1, 2, 1], [2, 4, 2], [1, 2, 1]]]
    assert found.filters[0].scale == Fraction(1, 16)
    assert found.filters[1].scale == 1
    assert found.filters[1].weights.sum() == pytest.approx(1)


def test_transparency() -> None:
    image = noise(5, 6, 4)
    kept = run(image, ("edge",), alpha="keep").maps[0]
    np.testing.assert_array_equal(kept.written[..., 3], image[..., 3])
    assert kept.plane_names == ("R", "G", "B")
    assert run(image, ("edge",), alpha="drop").maps[0].written.shape == (5, 6, 3)
    image[..., 3] = 255
    assert run(image, ("edge",)).maps[0].written.shape == (5, 6, 4)
    assert not run(image, ("edge",)).weighted


def test_an_npy_input_is_written_raw_as_apply_does() -> None:
    assert run(noise(5, 6, 1), ("sobel-x",), name="img.npy").maps[0].dtype == "float32"
    assert run(noise(5, 6, 1), ("sobel-x",), name="img.npy").maps[0].target == "img_sobel-x.npy"


def test_samples_that_are_not_finite() -> None:
    image = noise(5, 6, 1, "float32")
    image[0, 0], image[4, 5] = np.nan, np.inf
    found = run(image, ("sobel-x",), dtype="uint8")
    record = json.loads(to_json(found))
    assert record["planes"][0]["samples"]["gaps"] == {"0": "nan", "29": "inf"}
    assert found.pixel(0, 0, 0, 0).written == found.maps[0].written[0, 0, 0]
    _, _, row, column = found.strongest()
    assert np.isfinite(found.maps[0].values[0, row, column])
    assert found.pixel(0, 0, 4, 4).written == 255


def test_outputs_that_are_not_there() -> None:
    found = run(noise(5, 6, 1), ("sobel-x",), padding=pads(0))
    for at in ((3, 0), (0, 4), (-1, 0)):
        with pytest.raises(UsageError, match=r"sobel-x, which has 3x4 outputs: rows 0 to 2, columns 0 to 3"):
            found.pixel(0, 0, *at)
    with pytest.raises(GeometryError, match="no output rows"):
        run(noise(2, 2, 1), ("sobel-x",), padding=pads(0))


def test_the_strongest_answer() -> None:
    image = np.full((9, 9), 100, np.uint8)
    image[4, 5] = 200
    found = run(image, ("blur", "laplacian-8"))
    assert found.strongest() == (1, 0, 4, 5)


# Steps


@pytest.mark.parametrize(
    ("policy", "dtype", "names"),
    [
        ("clip", "uint8", ["clip"]),
        ("abs", "uint8", ["abs", "clip"]),
        ("abs:1/4", "uint8", ["gain", "abs", "round"]),
        ("shift", "uint16", ["shift", "units", "clip"]),
        ("stretch", "uint8", ["stretch", "round"]),
        ("symmetric", "float32", ["symmetric"]),
        ("raw", "float32", []),
    ],
)
def test_names_of_steps(policy: str, dtype: str, names: list[str]) -> None:
    how, _, gain = policy.partition(":")
    steps = tone_steps(Fraction(-310), Range(how, Fraction(gain or 1)), "uint8", dtype, Extent(-400.0, 300.0))
    assert [step.name for step in steps] == names


# Crops


@pytest.mark.parametrize(
    ("stride", "padding"), [((1, 1), "same"), ((2, 3), "same"), ((3, 2), pads(2)), ((2, 2), "valid")]
)
def test_an_automatic_crop_keeps_step_with_the_whole_run(stride: tuple[int, int], padding: Any) -> None:
    image = noise(101, 90, 3)
    options: dict[str, Any] = {"stride": stride, "padding": padding}
    whole = run(image, ("sharpen", "box:size=5"), **options)
    i, j = 17, 13
    sets, picture = Library().load_all(("sharpen", "box:size=5")), picture_from_array(image)
    part = explain_part(picture, whole, sets, Settings(**options), side=32, around=(i, j))
    crop = part.source.crop
    assert crop is not None
    assert part.source.automatic
    assert max(crop.height, crop.width) <= 32
    assert crop.row % stride[0] == crop.column % stride[1] == 0
    top, left = crop.row // stride[0], crop.column // stride[1]
    assert 0 <= i - top < part.maps[0].size[0]
    for one, other in zip(part.maps, whole.maps, strict=True):
        rows, columns = one.size
        inner = one.written[3 : rows - 3, 3 : columns - 3]
        assert inner.size
        there = other.written[top + 3 : top + rows - 3, left + 3 : left + columns - 3]
        np.testing.assert_array_equal(inner, there)


def test_small_pictures_are_not_cropped() -> None:
    geometry = resolve((64, 40), (3, 3), stride=(1, 1), padding="same", dilation=(1, 1))
    assert automatic_crop([geometry], (64, 40), 64, (0, 0)) is None
    assert automatic_crop([geometry], (64, 400), 64, (10, 399)) == Crop(0, 336, 64, 64)


def test_a_crop_is_a_picture_of_its_own() -> None:
    image = noise(20, 30, 1)
    sets = Library().load_all(("sharpen",))
    found = explain(picture_from_array(image), sets, Settings(), name="img.png", crop=Crop(3, 4, 7, 8))
    alone = run(image[3:10, 4:12], ("sharpen",))
    np.testing.assert_array_equal(found.maps[0].written, alone.maps[0].written)
    assert found.source.size == (20, 30)
    with pytest.raises(InputError, match="20x30"):
        explain(picture_from_array(image), sets, Settings(), name="img.png", crop=Crop(3, 4, 18, 8))


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "-1,0,3,3", "0,0,0,4", "a,b,c,d", "1x2"])
def test_crops_that_cannot_be_meant(text: str) -> None:
    with pytest.raises(UsageError, match="crop"):
        parse_crop(text)


def test_words_of_positions() -> None:
    assert parse_crop("1,2,30,40") == Crop(1, 2, 30, 40)
    assert parse_at("12,40") == (12, 40)
    for text in ("12", "12x40", "1,2,3", "a,b", "1.5,2"):
        with pytest.raises(UsageError, match="ROW,COL"):
            parse_at(text)


# Demonstrations


def test_the_demonstrations_are_the_sample_images() -> None:
    for name in DEMOS:
        demo = load_demo(name)
        with Image.open(SAMPLES / demo.file) as image:
            np.testing.assert_array_equal(np.asarray(image), demo.picture.samples.squeeze())
    with pytest.raises(UsageError, match="did you mean rgb"):
        load_demo("RGB")


def test_sizes_of_the_demonstrations() -> None:
    sizes = {}
    for name in DEMOS:
        demo = load_demo(name)
        found = explain(demo.picture, Library().load_all(demo.kernels), demo.settings, name=demo.file, demo=name)
        sizes[name] = (found.planes.shape, [one.size for one in found.maps])
    assert sizes == {"8x8": ((1, 8, 8), [(6, 6)]), "rgb": ((3, 5, 5), [(3, 3), (3, 3)])}


# JSON


def test_the_record_holds_the_run(made: tuple[Array, dict[str, Any], tuple[str, ...], Explanation]) -> None:
    found = made[3]
    text = to_json(found)
    assert text.isascii()
    record = json.loads(text, parse_constant=lambda word: pytest.fail(word))
    for told, plane in zip(record["planes"], found.planes, strict=True):
        np.testing.assert_array_equal(unpack(told["samples"]), plane.ravel().astype(np.float32))
    for told, one in zip(record["filters"], found.filters, strict=True):
        assert told["weights"] == one.weights.tolist()
        assert Fraction(*told["scale_parts"]) == one.scale
        assert told["rows"]["out"], told["columns"]["out"] == one.geometry.out
        for packed, values in zip(told["values"], one.values, strict=True):
            np.testing.assert_array_equal(unpack(packed), values.ravel())
    for told, each in zip(record["maps"], found.maps, strict=True):
        assert told["size"] == list(each.size)
        written = np.stack([unpack(packed) for packed in told["written"]], axis=-1)
        count = len(each.plane_names)
        np.testing.assert_array_equal(written, each.written[..., :count].reshape(-1, count).astype(np.float32))
        assert (told["values"] is None) == (each.merge is None)
        if each.merge:
            for packed, values in zip(told["values"], each.values, strict=True):
                np.testing.assert_array_equal(unpack(packed), values.ravel())


def test_whole_sums_are_packed_small() -> None:
    found = run(noise(64, 64, 3), ("four-views",))
    assert len(to_json(found)) < 260_000
    assert pack(np.array([-1020.0, 3.0]))["type"] == "int16"
    assert pack(np.array([0.25, 3.0]), Fraction(1, 16))["type"] == "uint8"
    assert pack(np.array([0.1, 3.0]))["type"] == "float32"


def test_the_record_is_safe_inside_a_page() -> None:
    picture, sets = picture_from_array(noise(5, 5, 1)), Library().load_all(("edge",))
    text = to_json(explain(picture, sets, Settings(), name="</script><b>&.png", command="<!--"))
    assert not set("<>&") & set(text)
    assert json.loads(text)["source"]["name"] == "</script><b>&.png"
