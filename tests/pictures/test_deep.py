"""More than 8 bits in colour: read and written with the extra, refused with its name without."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.support.pictures import Array, Run, chunk, noise, opened, png16, srgb_profile

KINDS = {1: "minisblack", 2: "minisblack", 3: "rgb", 4: "rgb"}


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    """A computer without the extra."""
    monkeypatch.setattr("convtool.pictures.formats.has_deep", lambda: False)


def tiff(path: str, values: Array, **options: Any) -> None:
    channels = values.shape[2]
    extra = {"extrasamples": ["unassalpha"]} if channels in (2, 4) else {}
    plain = values[..., 0] if channels == 1 else values
    config = {} if channels == 1 else {"planarconfig": "contig"}
    tifffile.imwrite(path, plain, photometric=KINDS[channels], **{**extra, **config, **options})


def written(path: str) -> Array:
    if path.endswith(".png"):
        return np.asarray(imagecodecs.png_decode(Path(path).read_bytes()))
    return np.asarray(tifffile.imread(path))


def opaque(*shape: int, dtype: str) -> Array:
    """Random samples without fully hidden pixels."""
    values = noise(*shape, dtype=dtype)
    if shape[-1] in (2, 4):
        values[..., -1] = np.maximum(values[..., -1], 1 if dtype == "uint16" else 0.01)
    return values


@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize("target", ["png", "tif"])
def test_16_bit_png_is_bit_equal(apply: Run, channels: int, target: str) -> None:
    values = opaque(33, 21, channels, dtype="uint16")
    Path("in.png").write_bytes(png16(values))
    code, _, err = apply("in.png", "-k", "identity", "-o", f"out.{target}", "--alpha", "keep")
    assert (code, err) == (0, "")
    assert np.array_equal(written(f"out.{target}"), values)


def test_a_16_bit_ramp_in_colour_is_bit_equal(apply: Run) -> None:
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    values = np.stack((ramp, ramp[::-1], ramp.T), axis=-1)
    Path("in.png").write_bytes(png16(values))
    assert apply("in.png", "-k", "identity", "-o", "out.png") == (0, "", "")
    assert np.array_equal(written("out.png"), values)


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("compress", ["fast", "small"])
def test_deep_tiff_is_bit_equal(apply: Run, dtype: str, channels: int, compress: str) -> None:
    values = opaque(17, 23, channels, dtype=dtype)
    tiff("in.tif", values)
    code, _, err = apply("in.tif", "-k", "identity", "-o", "out.tif", "--alpha", "keep", "--compress", compress)
    assert (code, err) == (0, "")
    assert np.array_equal(written("out.tif").reshape(values.shape), values)


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "lzw"},
        {"compression": "zlib", "predictor": True},
        {"tile": (16, 16)},
        {"planarconfig": "separate"},
        {"byteorder": ">"},
        {"bigtiff": True},
    ],
)
def test_ways_of_storing_a_tiff(apply: Run, options: dict[str, Any]) -> None:
    values = noise(40, 50, 3, dtype="uint16")
    stored = np.moveaxis(values, -1, 0) if "planarconfig" in options else values
    tifffile.imwrite("in.tif", stored, photometric="rgb", **options)
    assert apply("in.tif", "-k", "identity", "-o", "out.tif") == (0, "", "")
    assert np.array_equal(written("out.tif"), values)


def test_double_precision_becomes_single(apply: Run) -> None:
    values = np.random.default_rng(1).random((5, 6, 3))
    tifffile.imwrite("in.tif", values, photometric="rgb")
    assert apply("in.tif", "-k", "identity", "-o", "out.tif") == (0, "", "")
    assert np.array_equal(written("out.tif"), values.astype(np.float32))


def test_white_is_zero(apply: Run) -> None:
    values = noise(5, 6, dtype="uint16")
    tifffile.imwrite("in.tif", values, photometric="miniswhite")
    assert apply("in.tif", "-k", "identity", "-o", "out.png") == (0, "", "")
    assert np.array_equal(written("out.png"), 65535 - values)


def test_colours_that_were_multiplied_by_alpha_are_divided(apply: Run) -> None:
    values = opaque(9, 9, 4, dtype="uint16")
    values[..., 3] |= 0x8000
    multiplied = values.copy()
    multiplied[..., :3] = np.rint(values[..., :3] * (values[..., 3:] / 65535))
    tiff("in.tif", multiplied, extrasamples=["assocalpha"])
    assert apply("in.tif", "-k", "identity", "-o", "out.png", "--alpha", "keep") == (0, "", "")
    assert np.abs(written("out.png").astype(int) - values).max() <= 1


def test_a_colour_key_of_16_bits(apply: Run) -> None:
    values = noise(4, 5, 3, dtype="uint16")
    key = struct.pack(">HHH", *values[2, 3].tolist())
    Path("in.png").write_bytes(png16(values, chunk(b"tRNS", key)))
    assert apply("in.png", "-k", "identity", "-o", "out.png", "--alpha", "keep") == (0, "", "")
    out = written("out.png")
    assert np.array_equal(out[..., :3], values)
    assert (out[..., 3] == 0).tolist() == (values == values[2, 3]).all(axis=-1).tolist()


def test_a_16_bit_ppm_needs_no_extra(apply: Run, without: None) -> None:
    values = noise(4, 5, 3, dtype="uint16")
    Path("in.ppm").write_bytes(b"P6\n# a comment\n5 4\n65535\n" + values.astype(">u2").tobytes())
    assert apply("in.ppm", "-k", "identity", "-o", "out.png") == (0, "", "")
    assert np.array_equal(written("out.png"), values)
    Path("in.ppm").write_bytes(b"P6 1 1 1023\n" + struct.pack(">HHH", 0, 1023, 511))
    assert apply("in.ppm", "-k", "identity", "-o", "few.png") == (0, "", "")
    assert written("few.png").tolist() == [[[0, 65535, round(511 * 65535 / 1023)]]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_deep_tiff(apply: Run, orientation: int) -> None:
    """Stored for Pillow in 8 bits and for us in 16, both are upright alike."""
    values = noise(6, 9, 3)
    extra = [(274, "H", 1, orientation, True)]
    tifffile.imwrite("plain.tif", values, photometric="rgb", extratags=extra)
    tifffile.imwrite("deep.tif", values.astype(np.uint16) * 257, photometric="rgb", extratags=extra)
    for name in ("plain", "deep"):
        assert apply(f"{name}.tif", "-k", "identity", "-o", f"{name}.png")[0] == 0
        assert apply(f"{name}.tif", "-k", "identity", "-o", f"out-{name}.tif")[0] == 0
        with tifffile.TiffFile(f"out-{name}.tif") as file:
            assert 274 not in file.pages[0].tags
    assert np.array_equal(written("deep.png"), np.asarray(opened("plain.png")).astype(np.uint16) * 257)


def test_metadata_of_deep_pictures(apply: Run) -> None:
    profile, exif = srgb_profile(), Image.Exif()
    exif[0x010F] = "Maker"
    exif.get_ifd(0x8769)[0xA002] = 8
    exif.get_ifd(0x8769)[0x9003] = "2026:11:24 18:00:00"
    body = exif.tobytes()
    import zlib

    extra = (
        chunk(b"iCCP", b"p\0\0" + zlib.compress(profile)),
        chunk(b"pHYs", struct.pack(">IIB", 11811, 11811, 1)),
        chunk(b"eXIf", body[6:]),
    )
    Path("in.png").write_bytes(png16(noise(8, 8, 3, dtype="uint16"), *extra))
    for source, target in (("in.png", "out.tif"), ("out.tif", "again.png")):
        assert apply(source, "-k", "blur", "-s", "2", "-o", target) == (0, "", "")
        assert opened(target).info["icc_profile"] == profile
        assert round(float(opened(target).info["dpi"][0])) == 300
        found = opened(target).getexif()
        assert found[0x010F] == "Maker"
        assert found.get_ifd(0x8769)[0x9003] == "2026:11:24 18:00:00"
        assert found.get_ifd(0x8769)[0xA002] == (4 if target == "out.tif" else 2)


def test_pages_of_a_deep_tiff(apply: Run) -> None:
    pages = noise(3, 6, 7, 3, dtype="uint16")
    tifffile.imwrite("in.tif", pages, photometric="rgb")
    assert apply("in.tif", "-k", "identity", "-o", "out.tif") == (0, "", "")
    assert np.array_equal(written("out.tif"), pages)
    code, _, err = apply("in.tif", "-k", "identity", "-o", "out.png", "--max-pixels", 100)
    assert code == 1
    assert "126 pixels in 3 frames" in err


@pytest.mark.parametrize("source", ["png", "tif"])
def test_without_the_extra_reading_is_refused(apply: Run, without: None, source: str) -> None:
    values = noise(5, 5, 3, dtype="uint16")
    Path("in.png").write_bytes(png16(values))
    tiff("in.tif", values)
    tail = "pip install 'convtool[deep]' reads them, --dtype uint8 reduces them to 8"
    code, _, err = apply(f"in.{source}", "-k", "identity", "-o", "out.png")
    assert (code, err) == (1, f"convtool: in.{source}: has more than 8 bits a colour sample; {tail}\n")
    code, _, err = apply(f"in.{source}", "-k", "identity", "-o", "out.png", "--dtype", "uint8")
    assert (code, err) == (0, f"convtool: in.{source}: its 16-bit colour was reduced to 8 bits\n")
    assert np.abs(np.asarray(opened("out.png")).astype(int) - values / 257).max() <= 1


def test_without_the_extra_a_tiff_that_pillow_does_not_know(apply: Run, without: None) -> None:
    tiff("in.tif", noise(5, 5, 3, dtype="float32"))
    code, _, err = apply("in.tif", "-k", "identity", "-o", "out.png")
    assert (code, len(err.splitlines())) == (1, 1)
    assert "pip install 'convtool[deep]'" in err


def test_without_the_extra_writing_is_refused_before_the_work(apply: Run, without: None) -> None:
    Image.fromarray(noise(5, 5, 3)).save("in.png")
    code, _, err = apply("in.png", "-k", "blur", "-o", "out.tif", "--dtype", "float32")
    assert (code, err) == (
        1,
        "convtool: in.png: float32 colour as tif needs an extra: pip install 'convtool[deep]'; npy needs none\n",
    )
    assert apply("in.png", "-k", "blur", "-o", "out.png", "--dtype", "uint16")[0] == 0, "png needs none"
    assert apply("in.png", "-k", "blur", "--channels", "luma", "-o", "grey.tif", "--dtype", "float32")[0] == 0


@pytest.mark.parametrize("cut", [9, 40, 200, 700])
def test_a_broken_deep_file_is_one_line(apply: Run, cut: int) -> None:
    values = noise(20, 20, 3, dtype="uint16")
    tifffile.imwrite("in.tif", values.astype(np.float32), photometric="rgb", compression="zlib")
    Path("in.png").write_bytes(png16(values))
    for name in ("in.tif", "in.png"):
        Path(name).write_bytes(Path(name).read_bytes()[:cut])
        code, out, err = apply(name, "-k", "identity", "-o", "out.png")
        assert (code, out, len(err.splitlines())) == (1, "", 1)


def test_a_deep_picture_reduced_on_request(apply: Run) -> None:
    values = noise(8, 8, 3, dtype="uint16")
    Path("in.png").write_bytes(png16(values))
    assert apply("in.png", "-k", "identity", "-o", "out.png", "--dtype", "uint8") == (0, "", "")
    assert np.array_equal(np.asarray(opened("out.png")), np.rint(values / 257).astype(np.uint8)), "rounded, not cut"


@pytest.mark.parametrize("name", ["in.png", "in.tif"])
def test_the_plan_knows_the_depth(apply: Run, name: str) -> None:
    values = noise(8, 8, 4, dtype="uint16")
    Path("in.png").write_bytes(png16(values))
    tiff("in.tif", values)
    code, out, _ = apply(name, "-k", "identity", "--dry-run")
    assert code == 0
    assert "8x8 RGBA uint16" in out.splitlines()[0]
