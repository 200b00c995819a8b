"""PNG files by isal and libpng: the samples, metadata and errors that Pillow's route gives, from 1x1 images up."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from convtool.pictures import codecs, reader
from convtool.pictures.limits import Limits
from convtool.pictures.png import chunks, decoder, deflate
from convtool.pictures.reader import read_picture
from tests.support.pictures import chunk, noise
from tests.support.routes import assert_alike, outcome, usual

Samples = NDArray[np.uint8]
COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}
STRICT = Limits()
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


@pytest.fixture(autouse=True)
def _every_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codecs, "WORTHWHILE", 0)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[Samples | None]:
    """What the faster route made of every file that it was given."""
    found: list[Samples | None] = []
    original = decoder.decoded

    def spy(*arguments: Any) -> Samples | None:
        found.append(original(*arguments))
        return found[-1]

    monkeypatch.setattr(decoder, "decoded", spy)
    return found


def filtered(samples: Samples, filters: list[int]) -> bytes:
    """Rows with a filter each, by the definitions of the PNG specification (9.2)."""
    height, width, channels = samples.shape
    x = np.zeros((height + 1, (width + 1) * channels), dtype=np.int64)
    x[1:, channels:] = samples.reshape(height, -1)
    rows = []
    for row, kind in enumerate(filters, 1):
        here, left = x[row, channels:], x[row, :-channels]
        up, corner = x[row - 1, channels:], x[row - 1, :-channels]
        p = left + up - corner
        near = [abs(p - left), abs(p - up), abs(p - corner)]
        paeth = np.where((near[0] <= near[1]) & (near[0] <= near[2]), left, np.where(near[1] <= near[2], up, corner))
        guess = [0 * left, left, up, (left + up) // 2, paeth][kind]
        rows.append(bytes([kind]) + ((here - guess) % 256).astype(np.uint8).tobytes())
    return b"".join(rows)


def png(samples: Samples, data: bytes, *, pieces: int = 1 << 20, before: bytes = b"", after: bytes = b"") -> bytes:
    """A PNG file with some compressed data in chunks of ``pieces`` bytes, and chunks around it."""
    height, width, channels = samples.shape
    header = struct.pack(">IIBBBBB", width, height, 8, COLOURS[channels], 0, 0, 0)
    image = b"".join(chunk(b"IDAT", data[at : at + pieces]) for at in range(0, len(data), pieces))
    return chunks.SIGNATURE + chunk(b"IHDR", header) + before + image + after + chunk(b"IEND", b"")


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("band", [1, 100, 1 << 18])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_filter_and_size(
    monkeypatch: pytest.MonkeyPatch, taken: list[Any], channels: int, band: int, large: bool
) -> None:
    monkeypatch.setattr(decoder, "BAND_BYTES", band)
    monkeypatch.setattr(decoder, "LARGE", 0 if large else 1 << 30)
    rng = np.random.default_rng(channels)
    sizes = [(1, 1), (1, 5), (7, 1), (2, 3), (9, 8), (33, 31), (64, 17)]
    for height, width in sizes:
        samples = noise(height, width, channels, seed=height)
        data = zlib.compress(filtered(samples, [int(kind) for kind in rng.integers(0, 5, height)]))
        for pieces in (1, 13, 1 << 20):
            found = read_picture(png(samples, data, pieces=pieces), Limits())
            np.testing.assert_array_equal(found.samples, samples)
            assert found.alpha == (channels in (2, 4))
    assert len(taken) == len(sizes) * 3
    assert all(made is not None for made in taken)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_files_of_other_writers(taken: list[Any], channels: int) -> None:
    import cv2

    samples = np.ascontiguousarray(skimage.data.astronaut()[:331, :257, [0, 1, 2, 0][:channels]])
    buffer = io.BytesIO()
    Image.fromarray(samples.squeeze(), MODES[channels]).save(buffer, "png")
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]
    for data in (buffer.getvalue(), cv2.imencode(".png", samples[..., order])[1].tobytes()):
        np.testing.assert_array_equal(read_picture(data, Limits()).samples, samples)
    assert len(taken) == 2


def _exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "maker"
    return bytes(exif.tobytes().removeprefix(b"Exif\0\0"))


AROUND = {
    "nothing": (b"", b""),
    "text": (chunk(b"tEXt", b"Title\0one"), chunk(b"tEXt", b"Author\0two")),
    "text compressed": (chunk(b"zTXt", b"Title\0\0" + zlib.compress(b"one")), b""),
    "international text": (b"", chunk(b"iTXt", b"Title\0\0\0\0\0" + "größe".encode())),
    "resolution": (chunk(b"pHYs", struct.pack(">IIB", 3937, 7874, 1)), b""),
    "orientation before": (chunk(b"eXIf", _exif()), b""),
    "orientation behind": (b"", chunk(b"eXIf", _exif())),
    "damaged exif": (chunk(b"eXIf", b"nothing of it"), b""),
    "damaged profile": (chunk(b"iCCP", b"name\0\0" + zlib.compress(b"no profile")), b""),
    "damaged text": (chunk(b"zTXt", b"Title\0\0" + b"no deflate"), b""),
    "wrong checksum of a text": (chunk(b"tEXt", b"Title\0one")[:-1] + b"?", b""),
    "huge text": (chunk(b"zTXt", b"Title\0\0" + zlib.compress(bytes(3 << 20))), b""),
    "suggested palette": (chunk(b"PLTE", bytes(range(12))), b""),
    "background and time": (chunk(b"bKGD", b"\0\1\0\2\0\3"), chunk(b"tIME", bytes(7))),
    "private chunk": (chunk(b"prVt", b"???"), chunk(b"prVt", b"!!!")),
    "transparent colour": (chunk(b"tRNS", b"\0\7\0\7\0\7"), b""),
    "unknown critical chunk": (chunk(b"ABCD", b"what"), b""),
    "second header": (chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 2, 0, 0, 0)), b""),
    "frames": (chunk(b"acTL", struct.pack(">II", 1, 0)) + chunk(b"fcTL", bytes(26)), b""),
}
LEFT_TO_PILLOW = ("transparent colour", "unknown critical chunk", "second header", "frames")


@pytest.mark.parametrize("name", AROUND)
def test_what_stands_around_the_samples(monkeypatch: pytest.MonkeyPatch, taken: list[Any], name: str) -> None:
    samples = noise(12, 9, 3)
    before, after = AROUND[name]
    data = png(samples, zlib.compress(filtered(samples, [4] * 12)), before=before, after=after)
    expected = usual(monkeypatch, data)
    assert_alike(outcome(data), expected)
    if name in LEFT_TO_PILLOW or isinstance(expected, str):
        assert not taken
    else:
        assert taken[0] is not None


def _damaged() -> dict[str, Callable[[Samples], bytes]]:
    def rows(samples: Samples, kind: int = 4) -> bytes:
        return filtered(samples, [kind] * len(samples))

    return {
        "no filter": lambda s: png(s, zlib.compress(b"\5" + rows(s)[1:])),
        "no filter in the middle": lambda s: png(s, zlib.compress(rows(s)[:280] + b"\xff" + rows(s)[281:])),
        "few rows": lambda s: png(s, zlib.compress(rows(s)[:-28])),
        "part of a row": lambda s: png(s, zlib.compress(rows(s)[:-3])),
        "one byte more": lambda s: png(s, zlib.compress(rows(s) + b"\0")),
        "a row more": lambda s: png(s, zlib.compress(rows(s) + rows(s)[:28])),
        "wrong checksum": lambda s: png(s, zlib.compress(rows(s))[:-1] + b"?"),
        "no checksum": lambda s: png(s, zlib.compress(rows(s))[:-4]),
        "cut stream": lambda s: png(s, zlib.compress(rows(s))[:-60]),
        "bytes behind the stream": lambda s: png(s, zlib.compress(rows(s)) + b"more"),
        "no stream": lambda s: png(s, b"nothing of it"),
        "no image data": lambda s: png(s, b""),
        "flipped bits": lambda s: png(s, bytes([*zlib.compress(rows(s))[:99], 0x55, *zlib.compress(rows(s))[100:]])),
        "a chunk between": lambda s: png(
            s, zlib.compress(rows(s))[:50], after=chunk(b"tEXt", b"a\0b") + chunk(b"IDAT", zlib.compress(rows(s))[50:])
        ),
        "cut file": lambda s: png(s, zlib.compress(rows(s)))[:-40],
    }


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize("name", _damaged())
def test_damage_is_told_as_ever(monkeypatch: pytest.MonkeyPatch, name: str, lenient: bool, large: bool) -> None:
    monkeypatch.setattr(decoder, "BAND_BYTES", 100)
    monkeypatch.setattr(decoder, "LARGE", 0 if large else 1 << 30)
    data = _damaged()[name](noise(20, 9, 3))
    limits = Limits(lenient=lenient)
    assert_alike(outcome(data, limits), usual(monkeypatch, data, limits))


@pytest.mark.parametrize("mode", ["P", "1", "I;16"])
def test_other_modes_are_left_to_pillow(monkeypatch: pytest.MonkeyPatch, taken: list[Any], mode: str) -> None:
    buffer = io.BytesIO()
    picture = Image.fromarray(noise(20, 30), "L")
    (picture.convert("I").convert(mode) if mode == "I;16" else picture.convert(mode)).save(buffer, "png")
    assert_alike(outcome(buffer.getvalue()), usual(monkeypatch, buffer.getvalue()))
    assert not taken


def test_interlaced_files_are_left_to_pillow() -> None:
    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 1)
    file = chunks.SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", b"?") + chunk(b"IEND", b"")
    assert decoder.plain_chunks(io.BytesIO(file)) is None


def test_a_file_that_grows_when_inflated_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream of more than the picture needs is given up at its first byte too many."""
    import tracemalloc

    samples = noise(40, 50, 3)
    data = png(samples, zlib.compress(filtered(samples, [0] * 40) + bytes(200 << 20), 9))
    chunks = decoder.plain_chunks(io.BytesIO(data))
    assert chunks is not None
    tracemalloc.start()
    assert decoder.decoded(io.BytesIO(data), chunks) is None
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_without_isal(monkeypatch: pytest.MonkeyPatch, taken: list[Any]) -> None:
    monkeypatch.setattr(deflate, "isal_zlib", None)
    monkeypatch.setattr(decoder, "BAND_BYTES", 700)
    samples = noise(40, 50, 3)
    data = png(samples, zlib.compress(filtered(samples, [4] * 40)), pieces=100)
    np.testing.assert_array_equal(read_picture(data, Limits()).samples, samples)
    assert taken[0] is not None


def test_limits_come_first(monkeypatch: pytest.MonkeyPatch, taken: list[Any]) -> None:
    samples = noise(40, 50, 3)
    data = png(samples, zlib.compress(filtered(samples, [1] * 40)))
    limits = Limits(pixels=1999)
    assert_alike(outcome(data, limits), usual(monkeypatch, data, limits))
    assert not taken


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, taken: list[Any]) -> None:
    monkeypatch.setattr(codecs, "have", lambda _: False)
    samples = noise(40, 50, 3)
    data = png(samples, zlib.compress(filtered(samples, [2] * 40)))
    np.testing.assert_array_equal(read_picture(data, Limits()).samples, samples)
    assert not taken


def test_the_library_is_loaded_when_enough_was_read(monkeypatch: pytest.MonkeyPatch, taken: list[Any]) -> None:
    monkeypatch.setattr(codecs, "WORTHWHILE", 5000)
    monkeypatch.setattr(codecs, "_seen", 0)
    samples = noise(40, 50, 3)
    data = png(samples, zlib.compress(filtered(samples, [3] * 40)))
    for pixels in (2000, 4000, 6000, 8000):
        np.testing.assert_array_equal(read_picture(data, Limits()).samples, samples)
        assert len(taken) == sum(seen >= 5000 for seen in range(2000, pixels + 1, 2000))
    assert reader.read_layout(data, Limits()) == read_picture(data, Limits()).layout


def test_the_text_that_describes_is_pillows(taken: list[Any]) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "kept")
    buffer = io.BytesIO()
    Image.fromarray(noise(20, 30, 3)).save(buffer, "png", pnginfo=info, dpi=(300, 300))
    found = read_picture(buffer.getvalue(), Limits())
    assert found.metadata["text"] == {"Comment": "kept"}
    assert found.metadata["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert taken[0] is not None
