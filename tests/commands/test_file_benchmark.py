"""The benchmark of files refuses a wrong picture before it times anybody, and says whom it did not find."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from benchmarks import peers
from benchmarks.checks import unlike
from benchmarks.files_report import Found, report
from benchmarks.photographs import make


@pytest.mark.parametrize("kernel", peers.KERNELS)
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_wrong_pictures_are_found(tmp_path: Path, kernel: str, suffix: str) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    make(source, f"photographs-{suffix}", 1)
    target.mkdir()
    work = peers.Work(source, target, kernel)
    subprocess.run(peers.convtool()(work).words, check=True, capture_output=True)
    assert unlike(work) == ""
    written = sorted(target.iterdir())
    assert len(written) == len(peers.KERNELS[kernel])
    with Image.open(written[-1]) as right:
        shifted = ImageChops.offset(right, 1, 0)
    shifted.save(written[-1], quality=92)
    assert "samples differ" in unlike(work)
    shutil.copy(source / f"000.{suffix}", written[-1])
    assert "samples differ" in unlike(work)
    written[-1].unlink()
    assert "files were to be written" in unlike(work)


def test_another_jpeg_quality_is_found(tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    make(source, "photographs-jpg", 1)
    target.mkdir()
    work = peers.Work(source, target, "sharpen")
    words = peers.convtool("--quality", "91")(work).words
    subprocess.run(words, check=True, capture_output=True)
    assert "JPEG settings" in unlike(work)


def test_report_names_winners_losses_and_the_missing() -> None:
    there = peers.Peer("vips", "8.0", "Debian's libvips-tools", peers.vips())
    away = peers.Peer("gm convert", "", "Debian's graphicsmagick", peers.graphics_magick("convert"))
    results = {
        "12 MP JPEG, sharpen": {
            "convtool": Found(0.5, 0, 10, ""),
            "vips": Found(0.4, 0, 10, ""),
            "OpenCV script": Found(0.1, 0, 10, "samples differ"),
        }
    }
    text = report(results, [there, away], (1, 1), 2, 0.0)
    assert "| vips | **400 ms (0.80)** |" in text
    assert "| OpenCV script | wrong picture |" in text
    assert "Missing: gm convert (Debian's graphicsmagick)." in text
    assert "| 12 MP JPEG, sharpen | vips | at least 1 | 0.80 | **missed** |" in text
    assert "- **12 MP JPEG, sharpen** (vips 0.80): " in text
