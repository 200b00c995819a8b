"""JPEG by the codecs of the extra: samples, metadata, errors and bytes are those of Pillow's route."""

from __future__ import annotations

import io
import random
from typing import Any

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray
from PIL import Image

from convtool.pictures import codecs
from convtool.pictures.formats import Encoding
from convtool.pictures.jpeg import decoder, encoder
from convtool.pictures.jpeg.segments import Frame, parts, plain_frame, tables
from convtool.pictures.limits import Limits
from convtool.pictures.picture import Layout, Picture
from convtool.pictures.writer import encode, encode_strips
from tests.support.routes import assert_alike, outcome, usual

Samples = NDArray[np.uint8]
PHOTOGRAPH: Samples = skimage.data.astronaut()[100:237, 150:361]
STRICT = Limits()
EXIF = Image.Exif()
EXIF[0x010E] = "a picture"


@pytest.fixture(autouse=True)
def _every_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codecs, "WORTHWHILE", 0)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the faster route took the files that it was given."""
    found: list[bool] = []
    original = decoder.plain

    def spy(data: bytes, most_pixels: int) -> Frame | None:
        frame = original(data, most_pixels)
        found.append(frame is not None)
        return frame

    monkeypatch.setattr(decoder, "plain", spy)
    return found


def jpeg(mode: str = "RGB", samples: Samples = PHOTOGRAPH, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(samples).convert(mode).save(file, "JPEG", **options)
    return file.getvalue()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"quality": 30},
        {"quality": 100},
        {"subsampling": 0},
        {"subsampling": 1},
        {"optimize": True},
        {"restart_marker_blocks": 3},
        {"restart_marker_rows": 1},
        {"keep_rgb": True},
        {"dpi": (72, 144), "comment": b"said", "exif": EXIF, "icc_profile": b"x" * 70000},
        *({"exif": turned(orientation)} for orientation in range(1, 9)),
    ],
    ids=lambda options: "-".join(options) or "bare",
)
def test_plain_files_are_read_alike(
    monkeypatch: pytest.MonkeyPatch, taken: list[bool], mode: str, options: dict[str, Any]
) -> None:
    data = jpeg(mode, **options)
    found = outcome(data)
    assert taken == [True]
    assert_alike(found, usual(monkeypatch, data))
    assert not isinstance(found, str)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (7, 9), (8, 8), (16, 16), (17, 33), (64, 65)])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_every_size_is_read_alike(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], mode: str) -> None:
    data = jpeg(mode, np.ascontiguousarray(PHOTOGRAPH[: size[0], : size[1]]))
    assert_alike(outcome(data), usual(monkeypatch, data))


def test_what_opencv_reads() -> None:
    import cv2

    data = jpeg(quality=92)
    picture = outcome(data)
    assert isinstance(picture, Picture)
    seen = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.abs(picture.samples.astype(int) - np.asarray(seen, dtype=int)).max() <= 1


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_other_kinds_go_to_pillow(monkeypatch: pytest.MonkeyPatch, taken: list[bool], mode: str) -> None:
    for progressive in (True, False) if mode == "CMYK" else (True,):
        data = jpeg(mode, progressive=progressive)
        assert_alike(outcome(data), usual(monkeypatch, data))
    assert not any(taken)


def test_a_file_cut_short_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    data = jpeg(restart_marker_blocks=7, comment=b"said")
    cuts = [*range(700), *range(700, len(data), 97), *range(len(data) - 40, len(data))]
    for cut in cuts:
        found = outcome(data[:cut])
        assert_alike(found, usual(monkeypatch, data[:cut]))
        assert isinstance(found, str), cut


@pytest.mark.parametrize("restarts", [0, 5])
def test_damaged_files(monkeypatch: pytest.MonkeyPatch, restarts: int) -> None:
    """Bytes changed, put in, left out, and markers amid the samples: the same picture or the same message."""
    data = jpeg(restart_marker_blocks=restarts, quality=60)
    start = len(parts(data)[0])
    draw = random.Random(restarts)
    for _ in range(400):
        at = draw.randrange(2 if draw.random() < 0.3 else start, len(data))
        piece = draw.choice([b"", bytes([draw.randrange(256)]), b"\xff" + bytes([draw.randrange(192, 256)])])
        damaged = data[:at] + piece + data[at + draw.choice([0, len(piece), 3]) :]
        assert_alike(outcome(damaged), usual(monkeypatch, damaged))


@pytest.mark.parametrize("marker", ["ffe0ffff", "ffd9", "ffffd9", "ffd4", "ffc40004"])
def test_markers_amid_the_samples(monkeypatch: pytest.MonkeyPatch, marker: str) -> None:
    data = jpeg()
    middle = (len(parts(data)[0]) + len(data)) // 2
    damaged = data[:middle] + bytes.fromhex(marker) + data[middle:]
    assert_alike(outcome(damaged), usual(monkeypatch, damaged))


def test_what_follows_the_end(monkeypatch: pytest.MonkeyPatch, taken: list[bool]) -> None:
    for data in (jpeg() + b"more", jpeg() + jpeg("L")):
        assert_alike(outcome(data), usual(monkeypatch, data))
    assert all(taken)


def test_several_pictures_in_one_file(monkeypatch: pytest.MonkeyPatch, taken: list[bool]) -> None:
    file = io.BytesIO()
    image = Image.fromarray(PHOTOGRAPH)
    image.save(file, "MPO", save_all=True, append_images=[image.convert("L").convert("RGB")])
    assert Image.open(io.BytesIO(file.getvalue())).format == "MPO"
    assert_alike(outcome(file.getvalue()), usual(monkeypatch, file.getvalue()))
    assert taken == [True]


def test_limits_come_first(monkeypatch: pytest.MonkeyPatch, taken: list[bool]) -> None:
    data = jpeg()
    limits = Limits(pixels=PHOTOGRAPH.shape[0] * PHOTOGRAPH.shape[1] - 1)
    found = outcome(data, limits)
    assert isinstance(found, str)
    assert found == usual(monkeypatch, data, limits)
    assert not taken
    assert decoder.plain(data, limits.pixels) is None
    assert decoder.plain(data, limits.pixels + 1) is not None


@pytest.mark.parametrize("side", [65500, 65501, 65535])
def test_the_longest_side_is_libjpegs(monkeypatch: pytest.MonkeyPatch, side: int) -> None:
    """The library of the extra would take 35 samples more."""
    import imagecodecs

    data = bytes(imagecodecs.jpeg8_encode(np.full((8, side), 7, np.uint8), 90))
    assert plain_frame(data) == Frame(8, side, 1)
    found = outcome(data)
    assert_alike(found, usual(monkeypatch, data))
    assert isinstance(found, str) == (side > 65500)


def test_a_long_comment_keeps_its_bytes(taken: list[bool]) -> None:
    comment = b"\xe9" * 40000  # Latin-1, twice as long in UTF-8
    picture = outcome(jpeg(comment=comment))
    assert isinstance(picture, Picture)
    data = written(PHOTOGRAPH, 92, picture.metadata)
    assert Image.open(io.BytesIO(data)).info["comment"] == comment


def test_the_frame_of_a_file() -> None:
    height, width, _ = PHOTOGRAPH.shape
    assert plain_frame(jpeg()) == Frame(height, width, 3)
    assert plain_frame(jpeg("L")) == Frame(height, width, 1)
    for none in (b"", b"\xff\xd8", jpeg("CMYK"), jpeg(progressive=True), jpeg()[:-1], b"x" + jpeg(), jpeg()[2:]):
        assert plain_frame(none) is None


def layout_of(samples: Samples) -> Layout:
    height, width, channels = samples.shape
    return Layout(height, width, channels, False, "uint8")


def written(samples: Samples, quality: int, metadata: dict[str, Any], threads: int | None = None) -> bytes:
    file = io.BytesIO()
    encode(samples, layout_of(samples), "jpg", Encoding(quality=quality, threads=threads), dict(metadata), file)
    return file.getvalue()


METADATA: tuple[dict[str, Any], ...] = (
    {},
    {"dpi": (300, 300), "text": {"Comment": "said"}, "icc_profile": b"y" * 140000, "exif": EXIF.tobytes()},
)


@pytest.mark.parametrize("metadata", METADATA, ids=["bare", "full"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("quality", [1, 24, 50, 75, 92, 95, 100])
def test_files_are_pillows_to_the_byte(
    monkeypatch: pytest.MonkeyPatch, quality: int, channels: int, metadata: dict[str, Any]
) -> None:
    for height, width in ((1, 1), (5, 70), (16, 16), (33, 17), PHOTOGRAPH.shape[:2]):
        samples = np.ascontiguousarray(PHOTOGRAPH[:height, :width, :channels])
        found = written(samples, quality, metadata)
        with monkeypatch.context() as patch:
            patch.setattr(codecs, "have", lambda _: False)
            assert found == written(samples, quality, metadata)


def test_bands_are_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.tile(skimage.data.astronaut(), (3, 4, 1))
    found = written(samples, 92, METADATA[1], threads=2)
    assert b"\xff\xd0" in found
    monkeypatch.setattr(codecs, "have", lambda _: False)
    assert found == written(samples, 92, METADATA[1], threads=1)


def test_the_codec_is_what_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[tuple[int, ...]] = []
    original = encoder._by_codec

    def spy(samples: Samples, options: dict[str, Any]) -> bytes:
        used.append(samples.shape)
        return original(samples, options)

    monkeypatch.setattr(encoder, "_by_codec", spy)
    written(PHOTOGRAPH, 92, {})
    assert used == [(1, 1, 3), PHOTOGRAPH.shape]


def test_a_codec_with_other_tables_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one of another libjpeg might have them."""
    expected = written(PHOTOGRAPH, 92, {})
    original = encoder._by_codec
    monkeypatch.setattr(encoder, "_by_codec", lambda samples, _: original(samples, {"quality": 91}))
    assert tables(parts(jpeg(quality=91))[0]) != tables(parts(jpeg(quality=92))[0])
    assert written(PHOTOGRAPH, 92, {}) == expected


def test_strips_make_the_same_file() -> None:
    expected = written(PHOTOGRAPH, 92, {})
    for cuts in (2, 5, 137):
        file = io.BytesIO()
        encode_strips(iter(np.array_split(PHOTOGRAPH, cuts)), layout_of(PHOTOGRAPH), "jpg", Encoding(), {}, file)
        assert file.getvalue() == expected


def test_a_library_without_the_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have been built without; what is there is said by the library itself."""
    import imagecodecs

    assert codecs.have(codecs.JPEG)
    assert codecs.have(codecs.PNG)
    expected = written(PHOTOGRAPH, 92, {})
    codecs.have.cache_clear()
    monkeypatch.setattr(imagecodecs, "JPEG8", type("JPEG8", (), {"available": False}))
    try:
        assert not codecs.have(codecs.JPEG)
        assert not codecs.have("NO SUCH")
        assert written(PHOTOGRAPH, 92, {}) == expected
    finally:
        codecs.have.cache_clear()
