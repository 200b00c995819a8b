"""Samples in and out: every kind of picture comes in as what it seems and goes out whole."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features
from skimage import data

from convtool.engine.border import MODES
from tests.support.pictures import (
    Array,
    Run,
    chunk,
    cmyk_profile,
    damaged_chunk,
    noise,
    opened,
    png,
    png16,
    samples,
    saved,
)

IDENTITY = ("-k", "identity", "-q")


def through(apply: Run, source: str | Path, out: str = "out.png", *options: str) -> Array:
    code, _, err = apply(source, *IDENTITY, "-o", out, *options)
    assert (code, err) == (0, "")
    return samples(out)


def test_bilevel_becomes_grey(apply: Run) -> None:
    bits = noise(9, 13) > 127
    saved("bits.png", bits)
    assert opened("bits.png").mode == "1"
    assert np.array_equal(through(apply, "bits.png"), bits * np.uint8(255))


@pytest.mark.parametrize("key", [0, 1])
def test_bilevel_with_a_colour_key(apply: Run, key: int) -> None:
    Path("bits.png").write_bytes(png((8, 1, 1, 0), b"\0\x0f", chunk(b"tRNS", struct.pack(">H", key))))
    out = through(apply, "bits.png")
    shown = np.array([0] * 4 + [255] * 4)
    assert out[..., 1].tolist() == [np.where(shown == 255 * key, 0, 255).tolist()]
    visible = out[0, :, 1] > 0
    assert np.array_equal(out[0, visible, 0], shown[visible])


def test_a_palette_becomes_its_colours(apply: Run) -> None:
    image = Image.fromarray(noise(10, 12, 3)).quantize(16)
    saved("palette.png", image)
    out = through(apply, "palette.png")
    assert np.array_equal(out, np.asarray(image.convert("RGB")))
    code, _, _ = apply("palette.png", "-k", "blur", "-o", "soft.png")
    assert code == 0
    assert opened("soft.png").mode == "RGB", "indices are never filtered"


def test_a_palette_with_transparency_has_alpha(apply: Run) -> None:
    indices = np.arange(16, dtype=np.uint8).reshape(4, 4) % 3
    image = Image.fromarray(indices).convert("P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    saved("palette.png", image, transparency=bytes([0, 128, 255]))
    out = through(apply, "palette.png")
    assert out.shape == (4, 4, 4)
    assert np.array_equal(out[..., 3], np.array([0, 128, 255], dtype=np.uint8)[indices])


def test_a_palette_index_out_of_range_is_no_crash(apply: Run) -> None:
    Path("palette.png").write_bytes(png((2, 1, 8, 3), b"\0\0\xfe", chunk(b"PLTE", bytes(6))))
    code, _, err = apply("palette.png", *IDENTITY, "-o", "out.png")
    assert code in (0, 1)
    assert len(err.splitlines()) == code
    if code == 0:
        assert samples("out.png").shape == (1, 2, 3)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_stays(apply: Run, mode: str) -> None:
    values = noise(7, 5, len(mode))
    values[..., -1] |= 1  # hidden pixels have no colour to keep
    saved("a.png", values)
    assert np.array_equal(through(apply, "a.png"), values)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 3)])
def test_a_colour_key_becomes_alpha(apply: Run, shape: tuple[int, ...]) -> None:
    values = noise(*shape)
    key = values[1, 2].tolist()
    saved("key.png", values, transparency=tuple(key) if isinstance(key, list) else key)
    out = through(apply, "key.png")
    assert out.shape[2] == (2 if len(shape) == 2 else 4)
    assert out[1, 2, -1] == 0
    assert (out[..., -1] == 0).sum() == (values == values[1, 2]).reshape(16, -1).all(axis=1).sum()


def test_a_colour_key_of_16_bit_grey_becomes_alpha(apply: Run) -> None:
    values = np.arange(12, dtype=np.uint16).reshape(3, 4, 1) * 5000
    Path("key.png").write_bytes(png16(values, chunk(b"tRNS", struct.pack(">H", 10000))))
    code, _, _ = apply("key.png", *IDENTITY, "--alpha", "keep", "-o", "out.npy", "--dtype", "uint16", "--range", "clip")
    assert code == 0
    out = np.load("out.npy")
    assert np.array_equal(out[..., 0], values[..., 0])
    assert np.array_equal(out[..., 1], np.where(values[..., 0] == 10000, 0, 65535))


def test_cmyk_without_a_profile_says_so(apply: Run) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save("a.jpg", quality=95)
    code, _, err = apply("a.jpg", "-k", "identity", "-o", "out.png")
    assert code == 0
    assert err == "convtool: a.jpg: CMYK was converted to RGB without a profile, as it has none\n"
    assert samples("out.png")[4, 4, 0] > 240


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk_goes_through_its_profile(apply: Run, suffix: str) -> None:
    saved(f"a.{suffix}", Image.new("CMYK", (8, 8), (255, 0, 0, 0)), icc_profile=cmyk_profile())
    code, _, err = apply(f"a.{suffix}", "-k", "identity", "-o", "out.png")
    assert (code, err) == (0, f"convtool: a.{suffix}: CMYK was converted to RGB through its profile\n")
    red, green, blue = samples("out.png")[4, 4].tolist()
    assert red > 120 > 80 > max(green, blue), "what this printer calls cyan is red"
    assert "icc_profile" not in opened("out.png").info, "it was the profile of CMYK"


def test_cmyk_with_a_damaged_profile_goes_on_without_it(apply: Run) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save("a.jpg", quality=95, icc_profile=b"no profile" * 20)
    code, _, err = apply("a.jpg", "-k", "identity", "-o", "out.png")
    assert code == 0
    assert err == "convtool: a.jpg: its CMYK profile is damaged; CMYK was converted to RGB without it\n"
    assert "icc_profile" not in opened("out.png").info


def test_16_bit_grey_is_bit_equal(apply: Run) -> None:
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    for suffix in ("png", "tif", "pgm"):
        saved(f"ramp.{suffix}", ramp)
        out = through(apply, f"ramp.{suffix}", f"out.{suffix}")
        assert out.astype(np.uint16).tobytes() == ramp.tobytes(), suffix


@pytest.mark.parametrize("sign", [True, False])
def test_32_bit_integers_become_float(apply: Run, sign: bool) -> None:
    import tifffile

    values = np.array([[0, 1, 2**24], [2**31 - 1 if sign else 2**32 - 1, 5, 6]], dtype=np.int32 if sign else np.uint32)
    tifffile.imwrite("i.tif", values)
    code, _, err = apply("i.tif", "-k", "identity", "-o", "out.tif", "--range", "raw")
    assert code == 0
    assert "32-bit integers" in err
    assert np.array_equal(samples("out.tif"), values.astype(np.float32))


def test_float_stays_float(apply: Run) -> None:
    values = noise(6, 7, dtype="float32") * 40 - 20
    saved("f.tif", values)
    code, _, err = apply("f.tif", *IDENTITY, "-o", "out.tif", "--range", "raw")
    assert (code, err) == (0, "")
    assert np.array_equal(samples("out.tif"), values)


def test_a_float_picture_stays_float_without_options(apply: Run) -> None:
    saved("f.tif", noise(6, 7, dtype="float32"))
    assert through(apply, "f.tif", "out.tif").dtype == np.float32


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_every_orientation_gives_the_same_upright_picture(apply: Run, orientation: int, suffix: str) -> None:
    upright = data.astronaut()[:48, :64]
    turns: dict[int, Callable[[Array], Array]] = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: a.swapaxes(0, 1)[::-1],
        7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
        8: lambda a: a.swapaxes(0, 1)[:, ::-1],
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Camera"
    settings: dict[str, dict[str, Any]] = {"jpg": {"quality": 100, "subsampling": 0}, "webp": {"lossless": True}}
    saved(f"in.{suffix}", np.ascontiguousarray(turns[orientation](upright)), exif=exif, **settings.get(suffix, {}))
    out = through(apply, f"in.{suffix}", "out.png")
    assert out.shape == upright.shape
    assert np.abs(out.astype(int) - upright).max() <= (24 if suffix == "jpg" else 0)
    found = opened("out.png").getexif()
    assert 0x0112 not in found
    assert found[0x010F] == "Camera"
    assert apply(f"in.{suffix}", *IDENTITY, "--dry-run", "--json")[1].count('"height": 48, "width": 64') == 1


BLURS = ("blur", "box:size=5", "gaussian:sigma=1.5", "binomial:size=4", "disk:radius=2")


@pytest.mark.parametrize(
    "border", [mode if mode != "constant" else "constant=151" for mode in MODES if mode != "zeros"]
)
@pytest.mark.parametrize("values", [np.full((9, 7), 151, np.uint8), np.full((9, 7, 3), 151, np.uint8)])
def test_a_constant_picture_stays_constant_through_every_blur(apply: Run, border: str, values: Array) -> None:
    saved("flat.png", values)
    specs = [word for spec in BLURS for word in ("-k", spec)]
    code, _, err = apply("flat.png", *specs, "-b", border, "-o", "out/", "-q")
    assert (code, err) == (0, "")
    found = sorted(Path("out").iterdir())
    assert len(found) == len(BLURS)
    for path in found:
        assert (samples(path) == 151).all(), path.name


def test_a_constant_16_bit_picture_stays_exact(apply: Run) -> None:
    saved("flat.png", np.full((20, 30), 40001, np.uint16))
    code, _, _ = apply("flat.png", "-k", "gaussian:sigma=2", "-k", "box:size=7", "-o", "out/", "-q")
    assert code == 0
    assert all((samples(path) == 40001).all() for path in Path("out").iterdir())


# Formats


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "ppm"])
def test_lossless_formats_go_round(apply: Run, suffix: str) -> None:
    values = noise(11, 6, 3)
    saved(f"in.{suffix}", values)
    assert np.array_equal(through(apply, f"in.{suffix}", f"out.{suffix}"), values)


def test_formats_that_are_only_read(apply: Run) -> None:
    values = data.astronaut()[:32, :32]
    saved("a.ico", values)
    saved("a.gif", values[..., 0])
    saved("a.pbm", values[..., 0] > 99)
    assert through(apply, "a.ico").shape[:2] == (32, 32)
    assert np.array_equal(through(apply, "a.gif", "g.png")[..., 1], values[..., 0]), "a palette, though a grey one"
    assert np.array_equal(through(apply, "a.pbm", "b.png"), (values[..., 0] > 99) * np.uint8(255))


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_avif_is_read(apply: Run) -> None:
    values = data.astronaut()[:64, :64]
    saved("a.avif", values, quality=100, subsampling="4:4:4")
    out = through(apply, "a.avif")
    assert np.abs(out.astype(int) - values).mean() < 3


def test_a_jpeg_named_png_is_noted(apply: Run) -> None:
    Image.fromarray(noise(16, 16, 3)).save("photo.png", "JPEG")
    code, _, err = apply("photo.png", "-k", "identity")
    assert (code, err) == (0, "convtool: photo.png: is a jpg file, whatever its name says, and was read as one\n")
    assert opened("photo_identity.png").format == "PNG", "the output's suffix is honest"


def test_an_mpo_is_a_jpeg(apply: Run) -> None:
    values = data.astronaut()[:32, :48]
    first, second = (Image.fromarray(np.ascontiguousarray(v)) for v in (values, values[::-1]))
    first.save("phone.jpg", "MPO", save_all=True, append_images=[second])
    assert opened("phone.jpg").format == "MPO"
    code, out, err = apply("phone.jpg", "-k", "identity", "-o", "out.png", "--json")
    assert (code, err) == (0, "")
    assert [json.loads(line)["frame"] for line in out.splitlines()] == [0]


def test_a_format_that_cannot_hold_the_result_is_refused_before_the_work(apply: Run) -> None:
    saved("a.png", noise(4, 4, 4))
    code, _, err = apply("a.png", "-k", "blur", "-o", "out.jpg")
    assert (code, err) == (
        1,
        "convtool: a.png: jpg cannot hold alpha; write png or tif or webp or npy, or give --alpha drop\n",
    )
    code, _, err = apply("a.png", "-k", "blur", "-o", "out.jpg", "--dtype", "uint16")
    assert code == 2, "the options alone show it"
    saved("long.png", noise(1, 16384))
    code, _, err = apply("long.png", "-k", "blur", "-o", "out.webp")
    assert (code, err) == (1, "convtool: long.png: webp cannot hold a side of 16,384, 16,383 is its longest\n")


# Damage


def test_a_wrong_checksum_of_image_data_is_an_error(apply: Run) -> None:
    values = np.zeros((8, 8), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    at = buffer.getvalue().index(b"IDAT")
    length = struct.unpack(">I", buffer.getvalue()[at - 4 : at])[0]
    broken = bytearray(buffer.getvalue())
    broken[at + 4 + length] ^= 1  # the checksum itself: the pixels are whole
    Path("a.png").write_bytes(broken)
    code, _, err = apply("a.png", "-k", "identity", "-o", "out.png")
    assert code == 1
    assert "wrong checksum of its image data" in err
    assert "--lenient" in err
    code, _, err = apply("a.png", "-k", "identity", "-o", "out.png", "--lenient")
    assert code == 0
    assert "wrong checksum" in err
    assert len(err.splitlines()) == 1
    assert np.array_equal(samples("out.png"), values)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_lenient_takes_a_truncated_file_and_says_so(apply: Run, suffix: str) -> None:
    whole = saved(f"whole.{suffix}", data.astronaut()[:128, :128]).read_bytes()
    Path(f"cut.{suffix}").write_bytes(whole[: len(whole) * 2 // 3])
    code, _, err = apply(f"cut.{suffix}", "-k", "identity", "-o", "out.png")
    assert (code, len(err.splitlines())) == (1, 1)
    code, _, err = apply(f"cut.{suffix}", "-k", "identity", "-o", "out.png", "--lenient")
    if suffix == "webp":  # its decoder gives nothing of a part
        assert code == 1
        return
    assert "--lenient reads" not in err
    assert (code, len(err.splitlines())) == (0, 1)
    assert "what could be read" in err
    assert np.array_equal(samples("out.png")[:16], samples(f"whole.{suffix}")[:16])


def test_a_sound_file_is_read_strictly_under_lenient(apply: Run) -> None:
    saved("a.png", noise(4, 4))
    assert apply("a.png", "-k", "identity", "--lenient") == (0, "", "")
    from PIL import ImageFile

    assert not ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize(
    ("kind", "name"), [(b"iCCP", "colour profile"), (b"eXIf", "EXIF data"), (b"tEXt", "tEXt chunk")]
)
def test_damaged_metadata_alone_is_left_out_with_a_line(apply: Run, kind: bytes, name: str) -> None:
    from PIL.PngImagePlugin import PngInfo

    from tests.support.pictures import srgb_profile

    exif, text = Image.Exif(), PngInfo()
    exif[0x010F] = "Camera"
    text.add_text("Title", "A picture")
    whole = saved("a.png", noise(8, 8, 3), exif=exif, pnginfo=text, icc_profile=srgb_profile())
    values = samples("a.png")
    whole.write_bytes(damaged_chunk(whole.read_bytes(), kind))
    code, _, err = apply("a.png", "-k", "identity", "-o", "out.png")
    assert (code, err) == (0, f"convtool: a.png: its {name} is damaged and was left out\n")
    out = opened("out.png")
    assert np.array_equal(np.asarray(out), values)
    assert ("icc_profile" in out.info, 0x010F in out.getexif(), "Title" in out.info) == (
        kind != b"iCCP",
        kind != b"eXIf",
        kind != b"tEXt",
    )
