"""Damaged, lying and hostile pictures: one line, exit code 1, nothing written, little time and memory."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from numpy.lib import format as npy
from PIL import EpsImagePlugin, Image

import convtool
from convtool.errors import InputError
from convtool.pictures.limits import MAX_PIXELS, Limits
from convtool.pictures.reader import read_layout, read_picture
from tests.support.pictures import Array, Run, chunk, damaged_chunk, noise, png, samples

PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""Adam7: first row and column of each pass, and the steps between them (PNG, 8.2)."""

VALUES = noise(30, 26, 3)


def written(kind: str, image: Array | Image.Image = VALUES, **options: object) -> bytes:
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, kind, **options)
    return buffer.getvalue()


def interlaced_png(values: Array) -> bytes:
    """An RGB PNG that is stored in seven passes, which Pillow does not write."""
    parts = []
    for row, column, rows, columns in PASSES:
        for line in values[row::rows, column::columns]:
            parts.append(b"\0" + line.tobytes())
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 8, 2, 0, 0, 1))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"".join(parts))) + chunk(b"IEND", b"")


BILEVEL = Image.fromarray(noise(150, 120)).convert("1")
WHOLE = {
    "png": written("PNG"),
    "interlaced.png": interlaced_png(VALUES),
    "jpg": written("JPEG", quality=95),
    "progressive.jpg": written("JPEG", quality=95, progressive=True),
    "gif": written("GIF", interlace=0),
    "interlaced.gif": written("GIF", interlace=1),
    "tif": written("TIFF"),
    "lzw.tif": written("TIFF", compression="tiff_lzw"),
    "deflate.tif": written("TIFF", compression="tiff_adobe_deflate"),
    "jpeg.tif": written("TIFF", compression="jpeg", quality=95),
    "fax.tif": written("TIFF", BILEVEL, compression="group4"),
    "webp": written("WEBP", lossless=True),
    "bmp": written("BMP"),
    "ppm": written("PPM"),
}
EVERY = pytest.mark.parametrize("kind", WHOLE)
ROWS = b"".join(b"\0" + bytes(range(4)) for _ in range(4))
GOOD = png((4, 4, 8, 0), ROWS)
"""A PNG whose header ends at byte 33."""


@pytest.fixture
def scarce() -> Iterator[None]:
    """No more than 400 MB beyond what the process has: an image of billions of pixels cannot be allocated."""
    if not sys.platform.startswith("linux"):
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 400_000_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def refusal(data: bytes, limits: Limits = Limits(), read: Callable[..., object] = read_picture) -> str:  # noqa: B008
    """The one-line reason for which bytes are refused, in under a second of this process."""
    start = time.process_time()
    with pytest.raises(InputError) as caught:
        read(data, limits)
    assert time.process_time() - start < 1
    reason = str(caught.value)
    assert reason
    assert "\n" not in reason
    assert not reason.startswith("needs more memory")
    return reason


def refused(apply: Run, data: bytes, name: str = "bad.png", *options: str) -> str:
    """The line of a file that is refused on the command line; no output, no temporary file."""
    Path(name).write_bytes(data)
    before = sorted(Path().rglob("*"))
    start = time.process_time()
    code, out, err = apply(name, "-k", "blur", "-o", "out.png", *options)
    assert time.process_time() - start < 1
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"convtool: {name}: ")
    assert sorted(Path().rglob("*")) == before
    assert Path(name).read_bytes() == data
    return err.removeprefix(f"convtool: {name}: ").rstrip("\n")


# Cut short


@EVERY
def test_a_whole_file_is_read(kind: str) -> None:
    """So that what follows is about the cut."""
    picture = read_picture(WHOLE[kind], Limits())
    assert picture.notes == ()
    assert len(WHOLE[kind]) > 1005
    if kind in ("png", "interlaced.png", "tif", "lzw.tif", "deflate.tif", "webp", "bmp", "ppm"):
        assert np.array_equal(picture.samples, VALUES)


@EVERY
def test_cut_at_every_length(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    for length in range(1001):
        assert refusal(WHOLE[kind][:length]), length
    assert capfd.readouterr() == ("", "")


@EVERY
def test_cut_at_every_length_and_welcome(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    """With --lenient a part is taken and said, or there is one reason."""
    whole = read_layout(WHOLE[kind], Limits())
    for length in range(0, 1001, 3):
        try:
            picture = read_picture(WHOLE[kind][:length], Limits(lenient=True))
        except InputError:
            continue
        assert picture.layout == whole, length
        assert "--lenient" in picture.notes[0], length
    assert capfd.readouterr() == ("", "")


@EVERY
def test_a_cut_file_is_one_line_on_the_command_line(apply: Run, kind: str) -> None:
    for length in (3, 30, len(WHOLE[kind]) // 2, len(WHOLE[kind]) - 300):
        refused(apply, WHOLE[kind][:length], f"cut.{kind}")


def test_an_interlaced_png_that_is_cut_says_where(apply: Run) -> None:
    said = refused(apply, WHOLE["interlaced.png"][:700])
    assert said == "is cut short: it ends within the IDAT chunk at byte 33; --lenient reads what is there"


# Damaged PNG

DAMAGED = {
    "bad header checksum": (GOOD[:29] + bytes(4) + GOOD[33:], "is damaged: wrong checksum of its header (IHDR at byte"),
    "damaged header": (damaged_chunk(GOOD, b"IHDR"), "is damaged: wrong checksum of its header"),
    "no header": (GOOD[:8] + GOOD[33:], "begins as a png file, but its header is damaged"),
    "no image data": (GOOD[:33] + chunk(b"IEND", b""), "cannot be decoded: "),
    "empty image data": (GOOD[:33] + chunk(b"IDAT", b"") + chunk(b"IEND", b""), "is cut short: its image data end"),
    "too little image data": (png((4, 4, 8, 0), ROWS[:7]), "is cut short: its image data end early; --lenient"),
    "image data that are none": (GOOD[:33] + chunk(b"IDAT", b"hello") + chunk(b"IEND", b""), "cannot be decoded: "),
    "no end": (GOOD[:-12], "is cut short: it ends at byte "),
    "a hole": (GOOD[:33] + bytes(20) + GOOD[33:], "is damaged: there is no chunk at byte 33"),
    "signature with a bit turned": (b"\x88" + GOOD[1:], "is not an image that can be read"),
    "signature without the high bit": (b"\x09" + GOOD[1:], "is not an image that can be read"),
    "signature with unix line ends": (GOOD[:4] + GOOD[5:], "is not an image that can be read"),
    "signature with dos line ends": (GOOD[:6] + b"\r\n" + GOOD[7:], "is not an image that can be read"),
}


def test_lenient_is_named_where_it_helps(apply: Run) -> None:
    """Pillow reads on behind broken image data, and never behind a broken header."""
    samples = png((4, 4, 8, 0), b"\7" + ROWS[1:])  # there is no filter 7
    header = GOOD[:16] + bytes([GOOD[16] ^ 1]) + GOOD[17:]
    for data, helps in ((samples, True), (header, False)):
        Path("in.png").write_bytes(data)
        _, _, err = apply("in.png", "-k", "blur", "-o", "out.png")
        assert ("--lenient reads what is there" in err) == helps, err
        assert (apply("in.png", "-k", "blur", "-o", "out.png", "--lenient")[0] == 0) == helps


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_png(apply: Run, kind: str) -> None:
    data, reason = DAMAGED[kind]
    assert refused(apply, data).startswith(reason)


@pytest.mark.parametrize(
    ("depth", "colour"), [(3, 0), (0, 0), (32, 0), (4, 2), (1, 6), (16, 3), (8, 1), (8, 5), (8, 7), (255, 255)]
)
def test_an_illegal_depth_or_colour_type(apply: Run, depth: int, colour: int) -> None:
    assert refused(apply, png((4, 4, depth, colour), ROWS)) == "begins as a png file, but its header is damaged"


@pytest.mark.parametrize("length", [2**31 - 1, 2**31 - 13, 2**31, 2**32 - 1])
@pytest.mark.parametrize("kind", [b"IDAT", b"tEXt", b"iCCP", b"zTXt", b"IEND", b"IHDR"])
def test_a_chunk_that_claims_two_gigabytes(apply: Run, scarce: None, kind: bytes, length: int) -> None:
    start = 8 if kind == b"IHDR" else 33
    data = GOOD[:start] + struct.pack(">I", length) + kind + GOOD[start + 8 :]
    said = refused(apply, data)
    assert (
        said == f"is cut short: it ends within the {kind.decode()} chunk at byte {start}; --lenient reads what is there"
    )
    with suppress(InputError):
        read_picture(data, Limits(lenient=True))


# Sizes that cannot be meant


def tiff_header(width: int, height: int) -> bytes:
    """A grey TIFF of one strip, with hardly any samples."""
    fields = ((256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, height), (279, 16))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in fields)
    return b"II*\0" + struct.pack("<I", 24) + bytes(16) + struct.pack("<H", len(fields)) + entries + bytes(4)


def with_size(kind: str, width: int, height: int) -> bytes:
    """A small file of some format that claims another size."""
    whole = WHOLE.get(kind, b"")
    if kind == "png":
        return png((width, height, 8, 2), ROWS)
    if kind == "jpg":
        at = whole.index(b"\xff\xc0") + 5
        return whole[:at] + struct.pack(">HH", height, width) + whole[at + 4 :]
    if kind == "gif":
        return whole[:6] + struct.pack("<HH", width, height) + whole[10:]
    if kind == "bmp":
        return whole[:18] + struct.pack("<ii", width, height) + whole[26:]
    if kind == "ppm":
        return b"P6 %d %d 255\n" % (width, height) + bytes(100)
    if kind == "tif":
        return tiff_header(width, height)
    buffer = io.BytesIO()
    npy.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": (height, width)})
    return buffer.getvalue() + bytes(100)


GIANTS = [("jpg", 65535, 65535), ("gif", 65535, 65535)] + [
    (kind, *size) for kind in ("png", "bmp", "ppm", "tif", "npy") for size in ((65536, 65536), (3_000_000, 2_000_000))
]


@pytest.mark.parametrize(("kind", "width", "height"), GIANTS)
@pytest.mark.parametrize("option", [(), ("--dry-run",), ("--lenient",)])
def test_a_header_of_billions_and_trillions_of_pixels(
    apply: Run, scarce: None, kind: str, width: int, height: int, option: tuple[str, ...]
) -> None:
    data = with_size(kind, width, height)
    limit = f"the limit is {MAX_PIXELS:,}; --max-pixels raises it"
    said = f"has {width * height:,} pixels ({height}x{width}), {limit}"
    if option != ("--dry-run",):
        assert refused(apply, data, f"giant.{kind}", *option) == said
    else:
        assert refusal(data, read=read_layout) == said


def test_the_largest_webp_and_avif_headers(scarce: None) -> None:
    extended = struct.pack("<I", 10) + bytes(4) + b"\xff\xff\xff" * 2
    assert refusal(b"RIFF" + struct.pack("<I", 100) + b"WEBPVP8X" + extended + bytes(80))
    lossless = struct.pack("<I", 20) + b"\x2f\xff\xff\xff\x0f" + bytes(15)
    assert refusal(b"RIFF" + struct.pack("<I", 40) + b"WEBPVP8L" + lossless)
    assert refusal(struct.pack(">I", 24) + b"ftypavif" + bytes(4) + b"mif1miaf" + bytes(200))


def test_a_giant_within_an_icon(apply: Run, scarce: None) -> None:
    """The directory of an icon says 16x16, the PNG in it something else."""
    inner = png((20_000, 20_000, 8, 0), bytes(20_001))
    data = b"\0\0\1\0\1\0" + struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(inner), 22) + inner
    for option in ((), ("--lenient",)):
        said = refused(apply, data, "giant.ico", *option)
        assert said == (
            f"holds a picture larger than its header says, beyond the limit of {MAX_PIXELS:,}; --max-pixels raises it"
        )


def test_giant_strips_and_tiles_of_a_small_tiff(scarce: None, capfd: pytest.CaptureFixture[str]) -> None:
    for extra in (((278, 2**31),), ((322, 65536), (323, 65536), (324, 8), (325, 16))):
        fields = {256: 4, 257: 4, 258: 8, 259: 5, 262: 1, 273: 8, 277: 1, 279: 16} | dict(extra)
        if 322 in fields:
            del fields[273], fields[279]
        entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(fields.items()))
        head = b"II*\0" + struct.pack("<I", 24) + bytes(16) + struct.pack("<H", len(fields))
        assert refusal(head + entries + bytes(4))
    assert capfd.readouterr() == ("", "")


def test_the_default_limit_is_read_and_one_pixel_more_is_not() -> None:
    assert MAX_PIXELS == 5 * 17_895_697
    assert read_layout(png((5, 17_895_697, 8, 0), ROWS), Limits()).height == 17_895_697
    said = refusal(png((2, 44_739_243, 8, 0), ROWS))
    assert said == "has 89,478,486 pixels (44739243x2), the limit is 89,478,485; --max-pixels raises it"


@EVERY
def test_exactly_the_limit_is_read_and_one_pixel_more_is_not(kind: str) -> None:
    layout = read_layout(WHOLE[kind], Limits())
    pixels = layout.height * layout.width
    for read in (read_layout, read_picture):
        read(WHOLE[kind], Limits(pixels))
        assert f"the limit is {pixels - 1:,}" in refusal(WHOLE[kind], Limits(pixels - 1), read)


@pytest.mark.parametrize("kind", ["png", "jpg", "bmp", "ppm", "tif", "npy"])
def test_no_width_or_no_height(apply: Run, kind: str) -> None:
    for width, height in ((0, 4), (4, 0), (0, 0)):
        said = refused(apply, with_size(kind, width, height), f"none.{kind}")
        assert any(part in said for part in ("has no pixels", "its header is damaged", "is no picture")), said


# Bombs


def text_bombs() -> dict[str, bytes]:
    packed = zlib.compress(bytes(64 << 20), 9)
    many = b"".join(chunk(b"zTXt", b"C%d\0\0" % at + zlib.compress(bytes(1 << 20), 1)) for at in range(100))
    return {
        "zTXt": chunk(b"zTXt", b"Comment\0\0" + packed),
        "iTXt": chunk(b"iTXt", b"Comment\0\1\0\0\0" + packed),
        "iCCP": chunk(b"iCCP", b"profile\0\0" + packed),
        "many": many,
    }


def test_a_png_text_bomb(apply: Run) -> None:
    """Refused, or read without the texts, before they are unpacked; a profile of 64 MB is no better."""
    import tracemalloc

    for kind, extra in text_bombs().items():
        data = GOOD[:33] + extra + GOOD[33:]
        tracemalloc.start()
        try:
            said = refusal(data)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert "cannot be decoded: " in said
        assert peak < (80 << 20 if kind == "many" else 8 << 20), kind
        refused(apply, data)


def test_image_data_far_beyond_the_picture_are_not_unpacked(scarce: None) -> None:
    data = GOOD[:33] + chunk(b"IDAT", zlib.compress(bytes(200 << 20), 1)) + chunk(b"IEND", b"")
    start = time.process_time()
    with suppress(InputError):
        assert read_picture(data, Limits()).samples.shape == (4, 4, 1)
    assert time.process_time() - start < 1


def test_frames_that_grow(scarce: None) -> None:
    """A GIF of 4x4 whose other frames are larger: one beyond the limit, or all together."""
    frames = [Image.fromarray(noise(40, 40, seed=seed)) for seed in range(6)]
    data = written("GIF", frames[0], save_all=True, append_images=frames[1:], duration=50)
    parts = data.split(struct.pack("<HHHH", 0, 0, 40, 40))
    assert len(parts) == 7, "an image descriptor a frame"
    head = parts[0][:6] + struct.pack("<HH", 4, 4) + parts[0][10:] + struct.pack("<HHHH", 0, 0, 4, 4)
    giant = head + struct.pack("<HHHH", 0, 0, 30_000, 30_000).join(parts[1:])
    assert "beyond the limit of 89,478,485; --max-pixels raises it" in refusal(giant, Limits(frames=True))
    larger = head + struct.pack("<HHHH", 0, 0, 40, 40).join(parts[1:])
    said = refusal(larger, Limits(frames=True, pixels=5000))
    assert said == "has frames that grow beyond 5,000 pixels together; --max-pixels raises this limit"


def test_a_hundred_thousand_frames(apply: Run) -> None:
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 4, 4, 0) + b"\x02\x02\x44\x01\0"
    data = b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0x80, 0, 0) + bytes(6) + frame * 100_000 + b";"
    said = refused(apply, data, "many.gif", "--max-pixels", "1000000")
    assert said == "has 1,600,000 pixels in 100,000 frames, the limit is 1,000,000; --max-pixels raises it"


def test_pages_that_lead_in_a_circle_end() -> None:
    data = bytearray(tiff_header(4, 4))
    data[-4:] = struct.pack("<I", 24)
    assert read_picture(bytes(data), Limits(frames=True)).more == ()


# Other programs, other tongues

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"


@pytest.mark.skipif(os.name != "posix", reason="the stand-in for Ghostscript is a shell script")
def test_an_eps_under_another_name_starts_no_ghostscript(apply: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("bin").mkdir()
    stand_in = Path("bin/gs")
    stand_in.write_text(f"#!/bin/sh\necho started >> {Path('bin/started').resolve()}\n")
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{Path('bin').resolve()}:{os.environ['PATH']}")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    preview = b"\xc5\xd0\xd3\xc6" + struct.pack("<6I", 32, len(EPS), 0, 0, 0, 0) + b"\xff\xff\0\0" + EPS
    for data in (EPS, preview):
        for name in ("a.png", "a.eps", "a.tif", "a.jpg", "a"):
            assert refused(apply, data, name).startswith("is not an image that can be read")
    assert not Path("bin/started").exists()
    with suppress(OSError), Image.open(io.BytesIO(EPS)) as image:
        image.load()
    assert Path("bin/started").exists(), "Pillow alone would have started it"


@pytest.mark.parametrize("kind", ["lzw.tif", "deflate.tif", "jpeg.tif", "fax.tif"])
def test_libtiff_is_kept_off_stderr(tmp_path: Path, kind: str) -> None:
    """In a process of its own: libtiff writes past Python."""
    damaged = bytearray(WHOLE[kind])
    damaged[40:60] = bytes(20)
    for at, data in enumerate((bytes(damaged), WHOLE[kind][:-7] + b"\xff" * 7, WHOLE[kind][:-100])):
        (tmp_path / f"{at}.tif").write_bytes(data)
    command = [sys.executable, "-m", "convtool", "apply", "0.tif", "1.tif", "2.tif", "-k", "identity", "-o", "out/"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
    assert done.stdout == ""
    assert done.stderr
    assert all(line.startswith("convtool: ") for line in done.stderr.splitlines()), done.stderr


def test_what_libtiff_says_of_samples_is_an_error() -> None:
    """Pillow hands out a fax that libtiff found damaged."""
    whole, said = WHOLE["fax.tif"], {}
    for at in range(300, 340):
        data = whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :]
        try:
            read_picture(data, Limits())
        except InputError as error:
            said[data] = str(error)
    damaged = [data for data, reason in said.items() if reason.startswith("is damaged: Fax4Decode: ")]
    assert damaged
    assert all(said[data].endswith("; --lenient reads what is there") for data in damaged)
    picture = read_picture(damaged[0], Limits(lenient=True))
    assert picture.samples.shape == (150, 120, 1)
    assert len(picture.notes) == 1
    assert picture.notes[0].startswith("is damaged: Fax4Decode: ")


def test_a_fault_of_a_tiff_that_spares_the_samples_is_said(apply: Run) -> None:
    """A unit of resolution that does not exist is passed over by libtiff, with a word to stderr."""
    whole = written("TIFF", compression="tiff_lzw", dpi=(72, 72))
    unit = struct.pack("<HHI", 296, 3, 1)
    assert whole.count(unit + b"\2\0") == 1
    Path("a.tif").write_bytes(whole.replace(unit + b"\2\0", unit + b"\6\0"))
    code, _, err = apply("a.tif", "-k", "identity", "-o", "out.png")
    assert (code, err.count("\n")) == (0, 1)
    assert err.startswith("convtool: a.tif: is damaged in part: ")
    assert "ResolutionUnit" in err
    assert np.array_equal(samples("out.png"), VALUES)


# Small ones


@pytest.mark.parametrize("border", ["zeros", "constant=9", "replicate", "reflect", "symmetric", "circular"])
def test_pictures_smaller_than_the_kernel(apply: Run, border: str) -> None:
    for height, width in ((1, 1), (1, 7), (7, 1), (2, 3)):
        values = noise(height, width, 3)
        Image.fromarray(values).save("small.png")
        assert apply("small.png", "-k", "box:size=9", "-o", "out.png", "--force", "-b", border) == (0, "", "")
        expected = convtool.apply(values, "box:size=9", border=border, range="clip", dtype="uint8")["box-size9"]
        assert np.array_equal(samples("out.png"), np.asarray(expected))
