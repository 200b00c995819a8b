"""What stands beside the samples: kept where it is still true, and never an older picture."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from tests.support.pictures import Run, jpeg_bytes, noise, opened, saved, srgb_profile

EXIF, GPS = 0x8769, 0x8825
MAKE, MODEL, WIDTH, HEIGHT, MAKER_NOTE = 0x010F, 0x0110, 0xA002, 0xA003, 0x927C


def camera(thumbnail: bytes = b"", note: bytes = b"") -> bytes:
    """EXIF as a camera writes it, its thumbnail in the second directory."""
    exif = Image.Exif()
    exif[MAKE], exif[MODEL] = "Maker", "Model 4"
    fields = exif.get_ifd(EXIF)
    fields[WIDTH], fields[HEIGHT] = 48, 32
    fields[0x829A] = 0.008
    fields[0x9003] = "2026:11:24 18:00:00"
    if note:
        fields[MAKER_NOTE] = note
    exif.get_ifd(GPS)[1] = "N"
    data = exif.tobytes()
    if not thumbnail:
        return data
    # The first directory's pointer to the next one, then that directory, behind everything else.
    body = bytearray(data[6:])
    count = struct.unpack_from(">H", body, 8)[0]
    struct.pack_into(">I", body, 10 + 12 * count, len(body))
    end = len(body) + 2 + 2 * 12 + 4
    body += struct.pack(">H", 2) + struct.pack(">HHII", 0x0201, 4, 1, end)
    body += struct.pack(">HHII", 0x0202, 4, 1, len(thumbnail)) + struct.pack(">I", 0) + thumbnail
    return b"Exif\0\0" + bytes(body)


@pytest.fixture
def thumbnail() -> bytes:
    return jpeg_bytes(noise(24, 32, 3))


def test_the_thumbnail_is_really_in_the_source(apply: Run, thumbnail: bytes) -> None:
    saved("a.jpg", noise(32, 48, 3), exif=camera(thumbnail))
    assert thumbnail in Path("a.jpg").read_bytes()
    assert opened("a.jpg").getexif().get_ifd(ExifTags.IFD.IFD1)[0x0202] == len(thumbnail)


@pytest.mark.parametrize("source", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("target", ["jpg", "png", "tif", "webp", "bmp", "ppm"])
def test_no_output_holds_the_thumbnail_or_a_maker_note(apply: Run, thumbnail: bytes, source: str, target: str) -> None:
    options: dict[str, Any] = {"lossless": True} if source == "webp" else {}
    preview = jpeg_bytes(noise(16, 16, 3, seed=9))
    saved(f"a.{source}", noise(32, 48, 3), exif=camera(thumbnail, b"note" + preview), **options)
    for extra in ([], ["--compress", "small"]):
        code, _, err = apply(f"a.{source}", "-k", "blur", "-o", f"out.{target}", "--force", *extra)
        assert (code, err) == (0, "")
        written = Path(f"out.{target}").read_bytes()
        for part in (thumbnail, preview):
            assert part not in written
            assert part[40:120] not in written


def test_thumbnails_in_texts_and_packets_stay_behind(apply: Run, thumbnail: bytes) -> None:
    text = PngInfo()
    text.add_text("Raw profile type exif", f"\nexif\n {len(thumbnail)}\n{thumbnail.hex()}\n")
    text.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta>THUMB</x:xmpmeta>")
    text.add_text("Thumb::URI", "file:///elsewhere")
    text.add_text("Title", "A picture")
    saved("a.png", noise(8, 8), pnginfo=text)
    code, _, _ = apply("a.png", "-k", "blur", "-o", "out.png")
    assert code == 0
    written = Path("out.png").read_bytes()
    assert thumbnail.hex()[:60].encode() not in written
    assert b"THUMB" not in written
    assert b"Thumb::" not in written
    assert opened("out.png").info["Title"] == "A picture"


@pytest.mark.parametrize("source", ["jpg", "png", "webp"])
@pytest.mark.parametrize("target", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("compress", ["fast", "small"])
def test_profile_and_camera_fields_are_kept(apply: Run, source: str, target: str, compress: str) -> None:
    profile = srgb_profile()
    saved(f"a.{source}", noise(32, 48, 3), exif=camera(), icc_profile=profile)
    code, _, err = apply(f"a.{source}", "-k", "blur", "-o", f"out.{target}", "--stride", "2", "--compress", compress)
    assert (code, err) == (0, "")
    out = opened(f"out.{target}")
    assert out.size == (24, 16)
    assert out.info["icc_profile"] == profile
    exif = out.getexif()
    assert (exif[MAKE], exif[MODEL]) == ("Maker", "Model 4")
    fields = exif.get_ifd(EXIF)
    assert (fields[WIDTH], fields[HEIGHT]) == (24, 16), "the output's size"
    assert float(fields[0x829A]) == 0.008
    assert exif.get_ifd(GPS)[1] == "N"


def test_a_grey_map_of_a_colour_picture_has_no_profile(apply: Run) -> None:
    saved("a.png", noise(8, 8, 3), icc_profile=srgb_profile())
    assert apply("a.png", "-k", "blur", "--channels", "luma", "-o", "grey.png")[0] == 0
    assert "icc_profile" not in opened("grey.png").info
    assert apply("a.png", "-k", "blur", "-o", "colour.png")[0] == 0
    assert "icc_profile" in opened("colour.png").info


def test_an_rgb_profile_in_a_grey_picture_is_dropped(apply: Run) -> None:
    saved("a.png", noise(8, 8), icc_profile=srgb_profile())
    assert apply("a.png", "-k", "blur", "-o", "out.png")[0] == 0
    assert "icc_profile" not in opened("out.png").info


def test_a_cmyk_profile_is_not_kept(apply: Run) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    profile = lab[:16] + b"CMYK" + lab[20:]
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save("a.jpg", icc_profile=profile)
    code, _, err = apply("a.jpg", "-k", "blur", "-o", "out.png")
    assert (code, len(err.splitlines())) == (0, 1)
    assert "icc_profile" not in opened("out.png").info


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp"])
def test_resolution_is_kept(apply: Run, suffix: str) -> None:
    saved(f"a.{suffix}", noise(8, 8, 3), dpi=(300, 150))
    assert apply(f"a.{suffix}", "-k", "blur", "-o", f"out.{suffix}")[0] == 0
    assert [round(float(value)) for value in opened(f"out.{suffix}").info["dpi"]] == [300, 150]


def test_resolution_turns_with_the_picture(apply: Run) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    saved("a.png", noise(8, 12, 3), dpi=(300, 150), exif=exif)
    assert apply("a.png", "-k", "blur", "-o", "out.png")[0] == 0
    assert [round(value) for value in opened("out.png").info["dpi"]] == [150, 300]


def test_texts_are_kept(apply: Run) -> None:
    text = PngInfo()
    text.add_text("Title", "Sunset")
    text.add_text("Author", "锐化", zip=True)
    text.add_itxt("Description", "Über den Wolken", lang="de")
    saved("a.png", noise(8, 8, 3), pnginfo=text)
    assert apply("a.png", "-k", "blur", "-o", "out.png")[0] == 0
    found = opened("out.png").info
    assert [found[key] for key in ("Title", "Author", "Description")] == ["Sunset", "锐化", "Über den Wolken"]


def test_a_comment_goes_where_it_can(apply: Run) -> None:
    saved("a.jpg", noise(8, 8, 3), comment="seen from above")
    assert apply("a.jpg", "-k", "blur", "-o", "out.jpg")[0] == 0
    assert opened("out.jpg").info["comment"] == b"seen from above"
    assert apply("a.jpg", "-k", "blur", "-o", "out.png")[0] == 0
    assert opened("out.png").info["Comment"] == "seen from above"


def test_a_damaged_profile_alone_is_left_out(apply: Run) -> None:
    for suffix in ("jpg", "tif", "webp"):
        saved(f"a.{suffix}", noise(8, 8, 3), icc_profile=b"no profile at all" * 20)
        code, _, err = apply(f"a.{suffix}", "-k", "blur", "-o", f"out.{suffix}")
        assert (code, err) == (0, f"convtool: a.{suffix}: its colour profile is damaged and was left out\n")
        assert not opened(f"out.{suffix}").info.get("icc_profile")


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0MM\0*\0\0\0\x08\0\x05" + b"\xff" * 30,
        b"Exif\0\0XX",
        b"Exif\0\0MM\0*\xff\xff\xff\xff",
        camera()[:60],
        camera()[:130],
    ],
)
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_damaged_exif_alone_is_left_out(apply: Run, exif: bytes, suffix: str) -> None:
    saved(f"a.{suffix}", noise(8, 8, 3), exif=exif)
    code, _, err = apply(f"a.{suffix}", "-k", "blur", "-o", f"out.{suffix}")
    assert code == 0
    assert len(err.splitlines()) == 1
    assert "its EXIF data is damaged" in err
    assert np.asarray(opened(f"out.{suffix}")).shape == (8, 8, 3)


def test_the_structure_of_a_tiff_stays_behind(apply: Run) -> None:
    saved("a.tif", noise(64, 48, 3), compression="tiff_lzw", description="a scan", software="scanner")
    assert apply("a.tif", "-k", "blur", "-o", "out.png")[0] == 0
    found = opened("out.png").getexif()
    assert found[0x010E] == "a scan"
    assert found[0x0131] == "scanner"
    assert not {256, 257, 258, 259, 262, 273, 277, 278, 279} & set(found)
