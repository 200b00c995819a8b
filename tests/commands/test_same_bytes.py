"""The same run gives the same files, whatever computes them: core or NumPy, vectors, jobs, BLAS, a second try."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.fused import FUSED
from tests.support.pictures import Array, noise

try:
    from convtool.engine._core import WIDTHS
except ImportError:
    WIDTHS = ()

KERNELS = (
    *("sobel", "sharpen", "gaussian:sigma=1.5", "unsharp:sigma=2,amount=1", "log:sigma=1.4", "farid", "frei-chen"),
    *("gabor:theta=30,wavelength=5,sigma=1.5", "disk:radius=9", "0.1 0.3 -0.2; 0.7 0.4 0.01", "luma"),
)
BANK = "frei-chen"
"""The nine filters of this set, which are no whole numbers, are summed together."""

FORMATS = ("png", "jpg", "npy")
WAYS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "two jobs": (("-j", "2"), {}),
    "four jobs": (("-j", "4"), {}),
    "NumPy": ((), {"CONVTOOL_CORE": "numpy"}),
    **{width: (("-j", "2"), {"CONVTOOL_CORE": width}) for width in WIDTHS},
    "another BLAS": ((), {"OPENBLAS_CORETYPE": "Haswell"}),
    "an old BLAS, two jobs": (("-j", "2"), {"OPENBLAS_CORETYPE": "Prescott"}),
}
"""Options and variables of a run that is compared with one job and the widest core."""

First = tuple[Path, str, dict[str, bytes]]
"""The folder of a first run, the format of its files, and the files."""


def run(folder: Path, out: str, format_name: str, *options: str, **variables: str) -> dict[str, bytes]:
    """The files of one run over the folder of pictures."""
    words = [word for kernel in KERNELS for word in ("-k", kernel)]
    own = {key: value for key, value in os.environ.items() if key not in ("CONVTOOL_CORE", "OPENBLAS_CORETYPE")}
    done = subprocess.run(
        [sys.executable, "-m", "convtool", "apply", "in", *words, "-o", f"{out}/", "-f", format_name, "-q", *options],
        cwd=folder,
        env=own | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return {path.name: path.read_bytes() for path in sorted((folder / out).iterdir())}


@pytest.fixture(scope="module", params=FORMATS)
def first(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> First:
    """A folder of pictures, and the files of its first run, on one job, by the widest core."""
    folder, format_name = tmp_path_factory.mktemp("same"), str(request.param)
    (folder / "in").mkdir()
    Image.fromarray(noise(211, 307, 3)).save(folder / "in" / "colour.png")
    Image.fromarray(noise(180, 333, 1)[..., 0]).save(folder / "in" / "grey.jpg")
    if format_name == "jpg":  # so large that it is encoded in bands
        Image.fromarray(np.tile(noise(260, 340, 3), (5, 5, 1))).save(folder / "in" / "large.jpg")
    if format_name == "png":
        Image.fromarray(noise(150, 170, 1)[..., 0].astype(np.uint16) * 257).save(folder / "in" / "deep.png")
    if format_name == "npy":
        np.save(folder / "in" / "float.npy", noise(120, 140, 3).astype(np.float32) / 255)
    return folder, format_name, run(folder, "first", format_name, "-j", "1")


@pytest.mark.parametrize("way", WAYS)
def test_each_way_gives_the_same_files(first: First, way: str) -> None:
    folder, format_name, expected = first
    options, variables = WAYS[way]
    found = run(folder, way.replace(" ", "-"), format_name, *options, **variables)
    assert list(found) == list(expected)
    others = [name for name in expected if found[name] != expected[name]]
    if fuses(variables) != fuses({}):
        for name in list(others):
            if BANK in name:  # which may differ by rounding
                apart = 8 if name.endswith(".jpg") else 2  # levels; a JPEG spreads one over its block
                np.testing.assert_allclose(read(name, found[name]), read(name, expected[name]), rtol=0, atol=apart)
                others.remove(name)
    assert others == []


def fuses(variables: dict[str, str]) -> bool:
    """Whether what runs rounds a product and its sum together in banks."""
    return variables.get("CONVTOOL_CORE", WIDTHS[-1] if WIDTHS else "numpy") in FUSED


def read(name: str, content: bytes) -> Array:
    if name.endswith(".npy"):
        array: Array = np.load(io.BytesIO(content)) * 1000.0  # in thousandths of a level
        return array
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image).astype(float)


def test_what_a_second_run_adds_is_the_same(first: First) -> None:
    folder, format_name, expected = first
    run(folder, "resumed", format_name, "-j", "2")
    for number, path in enumerate(sorted((folder / "resumed").iterdir())):
        if number % 3:
            path.unlink()
    assert run(folder, "resumed", format_name, "--skip-existing") == expected
