"""JPEG files encoded in bands: the samples of a file encoded in one go, for any strips and any number of threads."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from convtool.pictures.formats import Encoding
from convtool.pictures.jpeg import bands
from convtool.pictures.picture import Layout
from convtool.pictures.writer import encode_strips

Samples = NDArray[np.uint8]
METADATA: dict[str, Any] = {"dpi": (72, 72), "text": {"Comment": "with bands"}}


@pytest.fixture
def low_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bands, "PIXELS", 1600)
    monkeypatch.setattr(bands, "ONE_PIECE", 3200)


def picture(height: int, width: int, channels: int) -> Samples:
    """Smooth and rough parts, so that the edges of bands would show."""
    rng = np.random.default_rng(height)
    y, x = np.mgrid[:height, :width]
    smooth = np.stack([128 + 100 * np.sin(x / 9 + c) * np.cos(y / 7) for c in range(channels)], axis=-1)
    smooth[:, width // 2 :] += rng.normal(0, 40, smooth[:, width // 2 :].shape)
    rounded: Samples = np.clip(smooth, 0, 255).astype(np.uint8)
    return rounded


def layout_of(samples: Samples) -> Layout:
    height, width, channels = samples.shape
    return Layout(height, width, channels, False, "uint8")


def written(samples: Samples, threads: int, quality: int = 92, cuts: int = 5) -> bytes:
    layout = layout_of(samples)
    file = io.BytesIO()
    strips = iter(np.array_split(samples, cuts))
    encode_strips(strips, layout, "jpg", Encoding(quality=quality, threads=threads), METADATA, file)
    return file.getvalue()


def plain(samples: Samples, quality: int = 92) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)
    image.save(file, "JPEG", quality=quality, dpi=(72, 72), comment=b"with bands")
    return file.getvalue()


def decoded(data: bytes) -> Samples:
    image = Image.open(io.BytesIO(data))
    image.load()
    assert image.info["comment"] == b"with bands"
    assert image.info["dpi"] == (72, 72)
    return np.asarray(image)


@pytest.mark.usefixtures("low_bands")
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(400, 40), (401, 39), (79, 300), (2000, 3), (65, 161), (64, 160)])
@pytest.mark.parametrize("quality", [30, 92, 100])
def test_samples_are_those_of_one_piece(size: tuple[int, int], channels: int, quality: int) -> None:
    samples = picture(*size, channels)
    assert bands.band_rows(layout_of(samples))
    data = written(samples, 1, quality)
    np.testing.assert_array_equal(decoded(data), decoded(plain(samples, quality)))
    assert b"\xff\xd0" in data  # there are bands


@pytest.mark.usefixtures("low_bands")
@pytest.mark.parametrize("channels", [1, 3])
def test_opencv_reads_the_same(channels: int) -> None:
    import cv2

    samples = picture(501, 77, channels)
    banded, whole = (np.frombuffer(data, np.uint8) for data in (written(samples, 2), plain(samples)))
    flag = cv2.IMREAD_UNCHANGED
    np.testing.assert_array_equal(cv2.imdecode(banded, flag), cv2.imdecode(whole, flag))


@pytest.mark.usefixtures("low_bands")
def test_neither_threads_nor_strips_change_a_byte() -> None:
    samples = picture(700, 50, 3)
    files = {written(samples, threads, cuts=cuts) for threads in (1, 2, 8) for cuts in (1, 7, 700)}
    assert len(files) == 1


@pytest.mark.parametrize("side", [100, 1448])
def test_pictures_of_one_piece_are_pillows_own(side: int) -> None:
    samples = picture(side, side, 3)
    assert written(samples, 2) == plain(samples)


def test_real_bands_and_the_longest_side() -> None:
    for shape, most in (((1500, 2000, 3), 600), ((65500, 40, 3), 30000), ((70, 65500, 1), 64), ((90, 65500, 3), 64)):
        layout = Layout(*shape, False, "uint8")
        rows = bands.band_rows(layout)
        block = bands.BLOCK[layout.channels]
        assert 0 < rows <= most
        assert rows % block == 0
        assert rows // block * -(-layout.width // block) <= bands.MOST_BLOCKS
        samples = np.tile(picture(shape[0], 40, layout.channels), (1, -(-layout.width // 40), 1))[:, : layout.width]
        data = written(np.ascontiguousarray(samples), 2)
        np.testing.assert_array_equal(decoded(data), decoded(plain(np.ascontiguousarray(samples))))


@pytest.mark.usefixtures("low_bands")
def test_an_error_while_filtering_comes_through() -> None:
    def strips() -> Any:
        yield picture(300, 40, 3)
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        encode_strips(strips(), Layout(600, 40, 3, False, "uint8"), "jpg", Encoding(threads=2), {}, io.BytesIO())
