"""Maps that come strip by strip are those that come whole, from an array or from a decoder's storage."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from convtool.errors import InputError
from convtool.kernels.library import Library
from convtool.layers import streams
from convtool.layers.filtering import filter_map
from convtool.layers.layer_input import Incoming
from convtool.layers.maps import list_maps
from convtool.layers.plan import MapPlan, plan_map
from convtool.layers.settings import Settings
from convtool.layers.streams import Stream
from convtool.pictures.formats import Encoding
from convtool.pictures.modes import picture_from_image
from convtool.pictures.picture import Layout, picture_from_array
from convtool.pictures.writer import encode, encode_strips
from convtool.threads import in_order
from convtool.tone.ranges import Range

GENERATOR = np.random.default_rng(11)
SETTINGS = {
    "plain": Settings(),
    "strided": Settings(stride=(3, 2), padding=((2, 1), (1, 0))),
    "stretch": Settings(range=Range("stretch")),
    "symmetric": Settings(range=Range("symmetric")),
    "luma": Settings(channels="luma"),
    "sum": Settings(channels="sum"),
    "red": Settings(channels="r"),
    "linear": Settings(linear=True, range=Range("clip")),
    "raw": Settings(range=Range("raw"), dtype="float32"),
    "magnitude": Settings(merge="magnitude"),
    "circular": Settings(border=("circular", 0.0)),
    "drop": Settings(alpha="drop"),
}


def noise(*shape: int) -> NDArray[np.uint8]:
    return GENERATOR.integers(0, 256, shape, dtype=np.uint8)


def low_strips(plan: MapPlan, threads: int = 1) -> Iterator[tuple[int, int]]:
    return ((first, min(first + 17, plan.layout.height)) for first in range(0, plan.layout.height, 17))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("mode", ["L", "RGB", "LA", "RGBA"])
@pytest.mark.parametrize("name", SETTINGS)
def test_a_stream_is_the_map(monkeypatch: pytest.MonkeyPatch, name: str, mode: str, threads: int) -> None:
    monkeypatch.setattr(streams, "PART_BYTES", 4_000)
    monkeypatch.setattr(MapPlan, "strips", low_strips)
    settings = SETTINGS[name]
    image = Image.fromarray(noise(301, 211, {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}[mode]).squeeze())
    assert image.mode == mode
    array = picture_from_array(np.asarray(image))
    for spec in list_maps(Library().load_all(["sobel"]), settings):
        plan = plan_map(spec, array.layout, settings)
        whole = filter_map(plan, array, extent=True)
        stream = Stream(plan, Incoming([picture_from_image(image)]), extent=True, threads=threads)
        strips = [strip.copy() for strip in stream.strips()]
        assert len(strips) > 1
        assert np.array_equal(np.concatenate(strips), whole.samples)
        assert (stream.extent, stream.clipped) == (whole.extent, whole.clipped)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("rows", [1, 16, 100, 301, 1000])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_bands_are_the_rows_of_the_map(rows: int, threads: int, dtype: str) -> None:
    array = picture_from_array(noise(301, 211, 3).astype(dtype) * np.dtype(dtype).type(1 if dtype == "uint8" else 257))
    settings = Settings(dtype="uint8")
    spec = list_maps(Library().load_all(["gaussian:sigma=2"]), settings)[0]
    plan = plan_map(spec, array.layout, settings)
    whole = filter_map(plan, array, extent=True)
    stream = Stream(plan, Incoming([array]), extent=True, threads=threads)
    found = stream.bands(rows, lambda band: np.ascontiguousarray(band).tobytes(), threads)
    assert found is not None
    bands = list(found)
    assert len(bands) == -(-301 // rows)
    assert b"".join(bands) == whole.samples.tobytes()
    assert (stream.extent, stream.clipped) == (whole.extent, whole.clipped)


def test_samples_that_are_not_finite_are_the_same_in_bands() -> None:
    samples = noise(301, 211, 3).astype(np.float32) / 255
    samples[150, 100] = np.nan
    array = picture_from_array(samples)
    settings = Settings(dtype="uint8")
    plan = plan_map(list_maps(Library().load_all(["gaussian:sigma=2"]), settings)[0], array.layout, settings)
    whole = filter_map(plan, array).samples.tobytes()
    for threads in (1, 2):
        bands = Stream(plan, Incoming([array]), threads=threads).bands(16, lambda band: band.tobytes(), threads)
        assert bands is not None
        assert b"".join(bands) == whole


def test_maps_that_are_made_by_tiles_are_not_made_in_bands() -> None:
    array, settings = picture_from_array(noise(301, 211, 3)), Settings()
    plan = plan_map(list_maps(Library().load_all(["disk:radius=15"]), settings)[0], array.layout, settings)
    assert plan.methods.startswith("fft")
    whole = filter_map(plan, array)
    for threads in (1, 2):
        stream = Stream(plan, Incoming([array]), threads=threads)
        assert stream.bands(16, lambda band: band.tobytes(), threads) is None
        files = [io.BytesIO(), io.BytesIO()]
        encode_strips(stream, plan.layout, "jpg", Encoding(threads=threads), {}, files[0])
        encode(whole.samples, plan.layout, "jpg", Encoding(), {}, files[1])
        assert files[0].getvalue() == files[1].getvalue()


def test_storage_is_read_by_rows_and_held_once() -> None:
    samples = noise(40, 30, 3)
    picture = picture_from_image(Image.fromarray(samples))
    assert not isinstance(picture.rows, np.ndarray)
    assert np.array_equal(picture.rows[7:19], samples[7:19])
    assert picture.rows[5:5].shape == (0, 30, 3)
    assert picture.layout == Layout(40, 30, 3, False, "uint8")
    assert np.array_equal(picture.samples, samples)
    assert picture.rows is picture.samples


@pytest.mark.parametrize("format_name", ["png", "jpg", "tif", "webp", "bmp", "ppm", "npy"])
@pytest.mark.parametrize("channels", [1, 3])
def test_strips_encode_to_the_bytes_of_the_whole(format_name: str, channels: int) -> None:
    samples = noise(37, 29, channels)
    layout = Layout(37, 29, channels, False, "uint8")
    if format_name == "ppm" and channels == 1:
        format_name = "pgm"
    files = []
    for cuts in ([37], [1] * 37, [30, 7]):
        rows = iter(np.split(samples, np.cumsum(cuts)[:-1]))
        files.append(io.BytesIO())
        encode_strips(rows, layout, format_name, Encoding(), {}, files[-1])
    assert len({file.getvalue() for file in files}) == 1
    whole = io.BytesIO()
    encode(samples, layout, format_name, Encoding(), {}, whole)
    assert whole.getvalue() == files[0].getvalue()
    if format_name == "npy":
        read = np.load(io.BytesIO(whole.getvalue()), allow_pickle=False)
        assert np.array_equal(read, samples.squeeze())


def test_what_a_format_cannot_hold_is_refused_before_a_strip_is_made() -> None:
    def strips() -> Any:
        raise AssertionError("asked for")
        yield

    with pytest.raises(InputError, match="jpg"):
        encode_strips(strips(), Layout(4, 4, 3, True, "uint8"), "jpg", Encoding(), {}, io.BytesIO())


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_parts_come_in_order_and_not_far_ahead(threads: int) -> None:
    begun: list[int] = []

    def work(part: int) -> int:
        begun.append(part)
        return part * part

    for count, made in enumerate(in_order(range(40), work, threads)):
        assert made == count * count
        assert max(begun) <= count + threads + 1
    assert sorted(begun) == list(range(40))


@pytest.mark.parametrize("threads", [1, 3])
def test_a_part_that_fails_ends_the_stream(threads: int) -> None:
    def work(part: int) -> int:
        if part == 7:
            raise ZeroDivisionError
        return part

    made = []
    with pytest.raises(ZeroDivisionError):
        made += list(in_order(range(40), work, threads))
    assert made == []
