"""Peak memory of whole commands, as the system counts it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MEASURE = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stderr=subprocess.PIPE, text=True)
print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, done.stderr)
"""


def peak_megabytes(*arguments: str | Path) -> float:
    command = [sys.executable, "-c", MEASURE, sys.executable, "-m", "convtool", *map(str, arguments)]
    code, kilobytes, *rest = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert code == "0", rest
    return int(kilobytes) * 1024 / 1e6


@pytest.fixture(scope="module", params=["png", "jpg"])
def large(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A 24-megapixel RGB picture: 96 MB in Pillow's storage."""
    rows, columns = np.mgrid[0:4000, 0:6000].astype(np.uint16)
    samples = np.stack((rows % 251, columns % 241, (rows + columns) % 239), axis=-1).astype(np.uint8)
    path = tmp_path_factory.mktemp("large") / f"large.{request.param}"
    Image.fromarray(samples).save(path, compress_level=1, quality=92)
    return path


LIMITS = {"png": 170, "jpg": 240}
"""Megabytes: a PNG is written as it is filtered; Pillow's JPEG encoder wants the whole picture."""


@pytest.mark.parametrize(
    ("options", "more"), [(["-k", "sharpen"], 0), (["-k", "sobel"], 0), (["-k", "sobel", "--merge", "magnitude"], 15)]
)
def test_24_megapixels_to_the_same_format(large: Path, tmp_path: Path, options: list[str], more: int) -> None:
    """Merging holds float strips of its members."""
    assert peak_megabytes("apply", large, *options, "-o", f"{tmp_path}/", "-q") <= LIMITS[large.suffix[1:]] + more


def test_an_alpha_channel_needs_more(tmp_path: Path) -> None:
    samples = np.full((4000, 6000, 4), 255, dtype=np.uint8)
    samples[1000:2000, :, 3] = 128
    Image.fromarray(samples).save(tmp_path / "in.png", compress_level=1)
    assert peak_megabytes("apply", tmp_path / "in.png", "-k", "sharpen", "-o", tmp_path / "out.png", "-q") <= 350
