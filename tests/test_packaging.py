"""What people install: the wheel in an empty environment, far from the checkout, and the checkout itself."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted((ROOT / "kernels").rglob("*.yaml"))
STACKS = {path.stem for path in FILES if path.parent.name == "stacks"}
NAMES = {name for path in FILES if path.stem not in STACKS for name in yaml.safe_load(path.read_text("utf-8"))}
RUNTIME = {"numpy", "pillow", "click", "rich", "pyyaml", "threadpoolctl", "isal"}
OWN = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "CONVTOOL", "VIRTUAL_ENV"))}


def run(*command: str | Path, cwd: Path) -> str:
    """What a command says on stdout; it must succeed, and far from the settings of whoever runs the tests."""
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, cwd=cwd, env=OWN, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _inside(path: Path) -> str:
    """A kernel file's place in the folder of kernels."""
    return path.relative_to(ROOT / "kernels").as_posix()


def listed(text: str) -> set[str]:
    return {line.split()[0] for line in text.splitlines() if line.startswith("  ")}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution as an index would serve both."""
    folder = tmp_path_factory.mktemp("wheel")
    # With hatchling at hand nothing has to be fetched to build.
    ready = ["--no-isolation"] if importlib.util.find_spec("hatchling") else []
    run(sys.executable, "-m", "build", *ready, "--outdir", folder, ROOT, cwd=folder)
    found = list(folder.glob("*.whl"))
    assert len(found) == 1
    assert len(list(folder.glob("*.tar.gz"))) == 1
    return found[0]


def test_the_wheel_holds_the_package_and_the_kernels_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
        modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "convtool").rglob("*.py")}
        kernels = {f"convtool/builtin_kernels/{_inside(path)}" for path in FILES}
        page = {path.relative_to(ROOT).as_posix() for path in (ROOT / "convtool" / "explain" / "web").iterdir()}
        assert inside == modules | kernels | page | {"convtool/py.typed"}
        for path in FILES:
            assert archive.read(f"convtool/builtin_kernels/{_inside(path)}") == path.read_bytes()
        about = {name.split("/")[1]: name for name in archive.namelist() if ".dist-info/" in name}
        points = archive.read(about["entry_points.txt"]).decode()
        metadata = archive.read(about["METADATA"]).decode()
    assert "convtool = convtool.__main__:main" in points
    needed = re.findall(r"^Requires-Dist: ([\w-]+)(?!.*extra ==)", metadata, re.MULTILINE)
    assert {name.lower() for name in needed} == RUNTIME
    assert "License-Expression: MIT" in metadata


# One test, for the environment takes a while and every worker would make its own.
def test_the_wheel_works_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "environment", tmp_path / "elsewhere"
    elsewhere.mkdir()
    venv.create(home, symlinks=os.name != "nt")
    scripts = home / ("Scripts" if os.name == "nt" else "bin")
    python, convtool = scripts / "python", scripts / "convtool"
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    run(*pip, "install", "--quiet", "--no-compile", wheel, cwd=elsewhere)
    where = run(python, "-c", "import convtool; print(convtool.__file__)", cwd=elsewhere)
    assert Path(where.strip()).is_relative_to(home)
    names = run(*pip, "list", "--format", "freeze", cwd=elsewhere)
    installed = {line.partition("==")[0].lower() for line in names.splitlines()}
    assert RUNTIME | {"convtool"} <= installed
    assert installed & {"tifffile", "scipy", "scikit-image", "opencv-python-headless", "hatchling", "pytest"} == set()

    assert run(convtool, "--version", cwd=elsewhere) == f"convtool {importlib.metadata.version('convtool')}\n"
    assert listed(run(convtool, "kernels", cwd=elsewhere)) == NAMES
    assert "column [1 2 1] times row [-1 0 1]" in run(
        python, "-m", "convtool", "kernels", "show", "sobel-x", cwd=elsewhere
    )

    assert {line.split()[0] for line in run(convtool, "kernels", "stacks", cwd=elsewhere).splitlines()} == STACKS

    picture = elsewhere / "step.pgm"
    picture.write_bytes(b"P5\n6 4\n255\n" + bytes([10, 10, 10, 50, 50, 50] * 4))
    run(convtool, "apply", "step.pgm", "-k", "sobel", "--stride", "1", "--pad", "1", "-f", "pgm", cwd=elsewhere)
    assert sorted(path.name for path in elsewhere.iterdir()) == ["step.pgm", "step_sobel-x.pgm", "step_sobel-y.pgm"]
    edges = (elsewhere / "step_sobel-x.pgm").read_bytes()[-24:]
    assert list(edges[6:12]) == [40, 0, 160, 160, 0, 200], "by hand: zeros beyond the border, 4 * 40 at the step"
    run(convtool, "apply", "step.pgm", "-k", "gaussian:sigma=2", "-o", "soft.png", cwd=elsewhere)
    assert (elsewhere / "soft.png").read_bytes().startswith(b"\x89PNG")
    run(convtool, "explain", "--demo", "rgb", "--html", "page.html", "--lang", "zh", cwd=elsewhere)
    assert "teaching-layer-1" in (elsewhere / "page.html").read_text(encoding="utf-8")
    run(convtool, "apply", "step.pgm", "--stack", "edges", "-o", "edges.pgm", cwd=elsewhere)
    assert (elsewhere / "edges.pgm").read_bytes().startswith(b"P5\n6 4\n255\n")


def test_a_checkout_finds_its_own_kernels_from_anywhere(tmp_path: Path) -> None:
    where = run(sys.executable, "-c", "from convtool.folders import builtin_path as p; print(p())", cwd=tmp_path)
    assert Path(where.strip()) == ROOT / "kernels"
    assert listed(run(sys.executable, "-m", "convtool", "kernels", cwd=tmp_path)) == NAMES
    assert listed(run(sys.executable, "-m", "convtool", "kernels", cwd=ROOT)) == NAMES


def test_a_package_without_kernels_says_so(tmp_path: Path) -> None:
    """A copy of the package alone, as a careless vendor would make it; a folder named kernels beside it is not ours."""
    code = "import shutil, sys; shutil.copytree(sys.argv[1], 'convtool')"
    run(sys.executable, "-c", code, ROOT / "convtool", cwd=tmp_path)
    (tmp_path / "kernels").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "convtool", "kernels"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=OWN,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "convtool: the built-in kernels are missing; install convtool again\n"
