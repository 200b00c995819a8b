"""PNG files, read back by libraries that share no code with the writer."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

import convtool.pictures.png.deflate
from convtool.pictures.formats import Encoding
from convtool.pictures.picture import Layout
from convtool.pictures.png.rows import PngWriter
from convtool.pictures.writer import encode

Samples = NDArray[Any]
MODES = [(channels, depth) for depth in (8, 16) for channels in (1, 2, 3, 4)]
SETTINGS = ["fast", "small", *"0123456789"]
CONTENTS = ["noise", "gradient", "flat", "drawing", "photo"]
PNGCHECK = shutil.which("pngcheck")


def picture(content: str, height: int, width: int, channels: int, depth: int) -> Samples:
    rng = np.random.default_rng(height * 1009 + width * 31 + channels)
    top = 2**depth - 1
    rows, columns, plane = np.ogrid[:height, :width, :channels]
    if content == "noise":
        found = rng.integers(0, top + 1, (height, width, channels))
    elif content == "flat":
        found = np.broadcast_to(rng.integers(0, top + 1, channels), (height, width, channels))
    elif content == "drawing":
        found = ((rows // 7 + columns // 5 + plane) % 3) * (top // 2)
    else:
        found = (rows / height + columns / width * (plane + 1) / channels) * (top / 2)
        if content == "photo":
            found = found * 0.9 + rng.normal(top / 40, top / 80, found.shape)
    return np.clip(found, 0, top).astype(np.uint8 if depth == 8 else np.uint16)


def packed(samples: Samples, compress: str = "fast", step: int | None = None, **more: Any) -> bytes:
    file = io.BytesIO()
    height, width, channels = samples.shape
    with PngWriter(file, height, width, channels, samples.dtype.itemsize * 8, compress=compress, **more) as png:
        for first in range(0, height, step or height):
            png.write(samples[first : first + (step or height)])
    return file.getvalue()


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    place = 8
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        body = data[place + 8 : place + 8 + length]
        assert struct.unpack_from(">I", data, place + 8 + length)[0] == zlib.crc32(kind + body)
        yield kind, body
        place += length + 12
    assert kind == b"IEND"


def by_opencv(data: bytes, channels: int) -> Samples:
    found: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if channels == 1:
        found = found[..., None]
    if channels <= 2:
        return grey_and_alpha(found, channels)
    ordered: Samples = found[..., [2, 1, 0, 3][:channels]]
    return ordered


def by_pillow(data: bytes) -> Samples:
    with Image.open(io.BytesIO(data)) as image:
        found = np.asarray(image)
    return found if found.ndim == 3 else found[..., None]


def grey_and_alpha(found: Samples, channels: int) -> Samples:
    """Readers without a type for grey with alpha give RGBA."""
    if channels == 2 and found.shape[2] == 4:
        np.testing.assert_array_equal(found[..., 0], found[..., 2])
        return found[..., [0, 3]]
    return found


def check(data: bytes, samples: Samples) -> None:
    """Every chunk's CRC, the Adler-32 of the image data and each pixel by two readers."""
    body = b"".join(part for kind, part in chunks(data) if kind == b"IDAT")
    reader = zlib.decompressobj()
    rows = reader.decompress(body)  # raises if the checksum is wrong
    assert reader.eof
    assert not reader.unused_data
    assert len(rows) == samples.shape[0] * (1 + samples[0].nbytes)
    np.testing.assert_array_equal(by_opencv(data, samples.shape[2]), samples)
    # Pillow gives 16 bits of grey, and the high bytes of anything else.
    exact = samples.dtype == np.uint8 or samples.shape[2] == 1
    found = grey_and_alpha(by_pillow(data), samples.shape[2])
    np.testing.assert_array_equal(found, samples if exact else samples >> 8)


def pngcheck(*paths: Path) -> None:
    if PNGCHECK:
        done = subprocess.run([PNGCHECK, "-q", *paths], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(params=["isal", "zlib"])
def packer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With isal where it is installed, and without it as elsewhere."""
    if request.param == "zlib":
        monkeypatch.setattr(convtool.pictures.png.deflate, "isal_zlib", None)
    elif not convtool.pictures.png.deflate.has_isal():
        pytest.skip("isal is not installed here")
    return str(request.param)


@pytest.mark.parametrize(("channels", "depth"), MODES)
def test_every_size_up_to_33(channels: int, depth: int, tmp_path: Path) -> None:
    paths = []
    for height in range(1, 34):
        for width in range(1, 34):
            samples = picture(CONTENTS[(height + width) % len(CONTENTS)], height, width, channels, depth)
            data = packed(samples)
            check(data, samples)
            paths.append(tmp_path / f"{height}x{width}.png")
            paths[-1].write_bytes(data)
    pngcheck(*paths)


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("compress", SETTINGS)
def test_every_setting(content: str, compress: str, packer: str, tmp_path: Path) -> None:
    paths = []
    for channels, depth in MODES:
        samples = picture(content, 150, 131, channels, depth)
        data = packed(samples, compress)
        check(data, samples)
        paths.append(tmp_path / f"{channels}-{depth}.png")
        paths[-1].write_bytes(data)
    pngcheck(*paths)


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    mode=st.sampled_from(MODES),
    compress=st.sampled_from(SETTINGS),
    seed=st.integers(0, 2**32 - 1),
    spread=st.sampled_from([1, 2, 7, 100, 65535]),
)
@settings(max_examples=150, deadline=None)
def test_round_trip(height: int, width: int, mode: tuple[int, int], compress: str, seed: int, spread: int) -> None:
    channels, depth = mode
    low = min(spread, 2**depth - 1)
    samples = np.random.default_rng(seed).integers(0, low, (height, width, channels), endpoint=True)
    samples = samples.astype(np.uint8 if depth == 8 else np.uint16)
    check(packed(samples, compress), samples)


@pytest.mark.parametrize("compress", ["fast", "small", "0", "1", "6"])
@pytest.mark.parametrize("content", ["photo", "drawing"])
def test_same_bytes_however_it_is_written(content: str, compress: str, packer: str, tmp_path: Path) -> None:
    samples = picture(content, 700, 360 if compress == "small" else 901, 3, 8)  # two strips or four
    data = packed(samples, compress, threads=1)
    check(data, samples)
    (tmp_path / "a.png").write_bytes(data)
    pngcheck(tmp_path / "a.png")
    for step in (1, 7, 64, 333) if compress != "small" else (97,):
        assert packed(samples, compress, step, threads=1) == data
    for threads in (2, 8, None):
        assert packed(samples, compress, 50, threads=threads) == data
        assert packed(samples, compress, threads=threads) == data


def test_16_bits_in_strips(packer: str) -> None:
    samples = picture("photo", 600, 517, 4, 16)
    data = packed(samples, threads=1)
    check(data, samples)
    assert packed(samples, step=13, threads=3) == data
    assert packed(samples.astype(">u2"), threads=1) == data


@pytest.mark.parametrize(("height", "width"), [(1, 400_000), (400_000, 1), (3, 200_001), (90_001, 3)])
def test_long_and_narrow(height: int, width: int, packer: str) -> None:
    samples = picture("photo", height, width, 3, 8)
    data = packed(samples)
    assert by_opencv(data, 3).shape == samples.shape
    check(data, samples)


def test_the_array_may_be_reused() -> None:
    samples = picture("photo", 900, 800, 3, 8)
    file, strip = io.BytesIO(), np.empty((60, 800, 3), np.uint8)
    with PngWriter(file, 900, 800, 3, 8, threads=2) as png:
        for first in range(0, 900, 60):
            strip[...] = samples[first : first + 60]
            png.write(strip)
    check(file.getvalue(), samples)


def test_views_of_any_strides() -> None:
    samples = picture("photo", 120, 90, 3, 8)
    for view in (samples[:, ::-1], samples[::-2], samples.transpose(1, 0, 2), samples[..., 1:2], samples[..., ::-1]):
        check(packed(view), view)


def test_grey_rows_need_no_third_axis() -> None:
    samples = picture("photo", 20, 30, 1, 16)
    file = io.BytesIO()
    with PngWriter(file, 20, 30, 1, 16) as png:
        png.write(samples[..., 0])
    assert file.getvalue() == packed(samples)


def test_metadata() -> None:
    profile, exif = bytes(range(256)) * 3, b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"
    text = {"Title": "Grüße", "Author": "锐化", "Comment": ""}
    data = packed(
        picture("photo", 9, 9, 3, 8), metadata={"icc_profile": profile, "dpi": (72, 300.5), "exif": exif, "text": text}
    )
    kinds = [kind for kind, _ in chunks(data)]
    assert kinds == [b"IHDR", b"iCCP", b"pHYs", b"eXIf", b"tEXt", b"iTXt", b"tEXt", b"IDAT", b"IEND"]
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert image.info["icc_profile"] == profile
        assert image.info["dpi"] == pytest.approx((72, 300.5), abs=0.02)
        assert image.info["exif"].removeprefix(b"Exif\0\0") == exif.removeprefix(b"Exif\0\0")
        assert image.text == text  # type: ignore[attr-defined]


@pytest.mark.parametrize("dpi", [(0, 0), (72, float("nan")), (float("inf"), 72), (-1, 72), (1e12, 72), None, ()])
def test_a_resolution_that_is_none(dpi: Any) -> None:
    samples = picture("photo", 9, 9, 3, 8)
    assert packed(samples, metadata={"dpi": dpi}) == packed(samples)


@pytest.mark.parametrize("keyword", ["", " x", "x ", "a  b", "x" * 80, "锐", "a\0b", "a\nb"])
def test_keywords_that_png_cannot_hold(keyword: str) -> None:
    with pytest.raises(ValueError, match="keyword"):
        packed(picture("flat", 2, 2, 1, 8), metadata={"text": {keyword: "text"}})


@pytest.mark.parametrize("layout", [Layout(31, 27, 3, True, "uint8"), Layout(31, 27, 1, False, "uint16")])
def test_encode_uses_it(layout: Layout, tmp_path: Path) -> None:
    samples = picture("photo", 31, 27, layout.channels, 8 if layout.dtype == "uint8" else 16)
    path = tmp_path / "a.png"
    with path.open("wb") as file:
        encode(samples, layout, "png", Encoding(), {"dpi": (100, 100)}, file)
    assert path.read_bytes() == packed(samples, metadata={"dpi": (100, 100)})


def test_what_is_not_a_png_is_refused() -> None:
    for arguments in ((0, 1, 1, 8), (1, 2**31, 1, 8), (1, 1, 5, 8), (1, 1, 1, 32)):
        with pytest.raises(ValueError, match="PNG"):
            PngWriter(io.BytesIO(), *arguments)
    for compress in ("", "10", "best", "-1", "²"):
        with pytest.raises(ValueError, match="compress"):
            PngWriter(io.BytesIO(), 1, 1, 1, 8, compress=compress)


def test_rows_that_do_not_fit_are_refused() -> None:
    rows = picture("flat", 4, 5, 3, 8)
    with pytest.raises(ValueError, match="announced"):
        packed_of(rows, 3)
    with pytest.raises(ValueError, match="announced"):
        packed_of(rows, 5)
    for wrong in (rows[:, :4], rows[..., :2], rows.astype(np.uint16), rows.astype(np.int8)):
        with pytest.raises(ValueError, match="picture of"):
            packed_of(wrong, 4)


def packed_of(rows: Samples, height: int) -> None:
    with PngWriter(io.BytesIO(), height, 5, 3, 8) as png:
        png.write(rows)


def interrupted(png: PngWriter, samples: Samples) -> None:
    png.write(samples)
    raise KeyboardInterrupt


@pytest.mark.parametrize("threads", [1, 4])
def test_an_error_inside_leaves_no_end_and_no_thread(threads: int) -> None:
    file, before = io.BytesIO(), threading.active_count()
    samples = picture("photo", 1500, 900, 3, 8)
    with pytest.raises(KeyboardInterrupt), PngWriter(file, 2000, 900, 3, 8, threads=threads) as png:
        interrupted(png, samples)
    assert b"IEND" not in file.getvalue()
    assert threading.active_count() == before


@pytest.mark.parametrize("threads", [1, 4])
def test_a_full_disk_is_told(threads: int) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            if self.tell() > 100_000:
                raise OSError(28, "No space left on device")
            return super().write(data)

    before = threading.active_count()
    with pytest.raises(OSError, match="No space"), PngWriter(Full(), 2000, 900, 3, 8, threads=threads) as png:
        png.write(picture("noise", 2000, 900, 3, 8))
    assert threading.active_count() == before


@pytest.mark.parametrize("content", CONTENTS)
def test_sizes(content: str, packer: str) -> None:
    for channels in (1, 3, 4):
        samples = picture(content, 500, 700, channels, 8)
        plain = samples[..., 0] if channels == 1 else samples
        usual, best = io.BytesIO(), io.BytesIO()
        Image.fromarray(plain).save(usual, "PNG")
        Image.fromarray(plain).save(best, "PNG", optimize=True)
        assert len(packed(samples)) <= 1.6 * len(usual.getvalue())
        assert len(packed(samples, "small")) <= len(best.getvalue())
