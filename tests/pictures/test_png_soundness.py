"""What libpng is given: files that it cannot fail on, for its errors may end the process some calls later."""

from __future__ import annotations

import io
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convtool.errors import InputError
from convtool.pictures import deep_colour
from convtool.pictures.png.chunks import SIGNATURE
from convtool.pictures.png.soundness import PASSES, bare_png, known_filters
from tests.support.pictures import Array, chunk, noise, png16

TYPES = {1: 0, 2: 4, 3: 2, 4: 6}


def file_of(
    values: Array, *, interlaced: bool = False, filters: int = 0, extra: bytes = b"", tail: bytes = b""
) -> bytes:
    """A PNG of 8 or 16 bits, by the specification."""
    height, width, channels = values.shape
    depth = values.dtype.itemsize * 8
    big = values.astype(f">u{values.dtype.itemsize}")
    passes = [big[r::down, c::along] for r, c, down, along in PASSES] if interlaced else [big]
    rows = b"".join(bytes([filters]) + row.tobytes() for part in passes if part.size for row in part)
    sizes = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    header = chunk(b"IHDR", sizes + bytes((depth, TYPES[channels], 0, 0, interlaced)))
    return SIGNATURE + header + extra + chunk(b"IDAT", zlib.compress(rows + tail)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (3, 2), (5, 5), (8, 8), (17, 33)])
def test_sound_files_keep_their_samples(size: tuple[int, int], channels: int, interlaced: bool) -> None:
    values = noise(*size, channels).reshape(*size, channels).astype(np.uint16) * 257 + 3
    extra = chunk(b"gAMA", (45455).to_bytes(4, "big")) + chunk(b"tEXt", b"Comment\0said")
    data = file_of(values, interlaced=interlaced, extra=extra)
    bare = bare_png(data)
    assert bare is not None
    assert b"gAMA" not in bare
    np.testing.assert_array_equal(deep_colour.png_samples(data), values)


def test_eight_bits_as_pillow_reads_them() -> None:
    values = noise(17, 33, 3)
    bare = bare_png(file_of(values, interlaced=True))
    assert bare is not None
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(bare))), values)


def test_a_colour_key_stays() -> None:
    values = np.array([[[1, 2, 3], [7, 8, 9]]], dtype=np.uint16)
    key = b"".join(int(v).to_bytes(2, "big") for v in (7, 8, 9))
    samples = deep_colour.png_samples(png16(values, chunk(b"tRNS", key)))
    np.testing.assert_array_equal(samples, [[[1, 2, 3, 65535], [7, 8, 9, 0]]])


VALUES = noise(6, 5, 3).astype(np.uint16)


@pytest.mark.parametrize("interlaced", [False, True])
def test_what_libpng_would_fail_on(interlaced: bool) -> None:
    good = file_of(VALUES, interlaced=interlaced)
    at = good.index(b"IDAT")
    for data in (
        file_of(VALUES, interlaced=interlaced, filters=5),
        file_of(VALUES, interlaced=interlaced, filters=255),
        good[:19] + b"\7" + good[20:],  # wider than its rows
        good[: at + 20] + b"\0\0\0" + good[at + 23 :],
        good[:at],
        SIGNATURE,
    ):
        assert bare_png(data) is None
        with pytest.raises(InputError, match="image data are not what its header says"):
            deep_colour.png_samples(data)
    assert bare_png(good) is not None
    np.testing.assert_array_equal(deep_colour.png_samples(file_of(VALUES, interlaced=interlaced, tail=b"more")), VALUES)


def test_filters() -> None:
    assert known_filters(b"", 3)
    assert known_filters(b"\4\xff\xff\0\xff\xff", 3)
    assert not known_filters(b"\4\0\0\5\0\0", 3)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_thousands_of_damaged_files_do_not_end_the_process(tmp_path: Path, dtype: str) -> None:
    """They did: 8-bit ones within two hundred, 16-bit ones within twenty thousand."""
    (tmp_path / "a.png").write_bytes(file_of(noise(4, 4, 3).astype(dtype), filters=7))
    code = """
from pathlib import Path
from convtool.pictures import codecs
from convtool.pictures.reader import read_picture
from convtool.errors import InputError
from convtool.pictures.limits import Limits
codecs.WORTHWHILE = 0
data = Path("a.png").read_bytes()
for _ in range(2000):
    try:
        read_picture(data, Limits())
    except InputError as error:
        said = error
print(said)
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert "image data" in run.stdout or "data stream" in run.stdout
