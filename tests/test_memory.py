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


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 24-megapixel RGB picture."""
    rows, columns = np.mgrid[0:4000, 0:6000].astype(np.uint16)
    samples = np.stack((rows % 251, columns % 241, (rows + columns) % 239), axis=-1).astype(np.uint8)
    path = tmp_path_factory.mktemp("large") / "large.png"
    Image.fromarray(samples).save(path, compress_level=1)
    return path


@pytest.mark.parametrize("options", [["-k", "sharpen"], ["-k", "sobel"], ["-k", "sobel", "--merge", "magnitude"]])
def test_24_megapixels_stay_below_350_megabytes(large: Path, tmp_path: Path, options: list[str]) -> None:
    assert peak_megabytes("apply", large, *options, "-f", "ppm", "-o", f"{tmp_path}/", "-q") <= 350


def test_png_to_png(large: Path, tmp_path: Path) -> None:
    assert peak_megabytes("apply", large, "-k", "sharpen", "-o", tmp_path / "out.png", "-q") <= 350
