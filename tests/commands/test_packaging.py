"""What people install: the wheel in an empty environment, far from the checkout, and the checkout itself."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "kernels").rglob("*.yaml"))
STACKS = {path.stem for path in FILES if path.parent.name == "stacks"}
NAMES = {name for path in FILES if path.stem not in STACKS for name in yaml.safe_load(path.read_text("utf-8"))}
RUNTIME = {"numpy", "pillow", "click", "rich", "pyyaml", "isal"}
OWN = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "CONVTOOL", "VIRTUAL_ENV"))}
VERSION = importlib.metadata.version("convtool")

FOLDERS = ("convtool", "kernels", "sample_images", "tests")
LOOSE = ("CHANGELOG.md", "LICENSE", "MANIFEST.in", "README.md", "pyproject.toml", "setup.py")
"""What the source distribution has of a checkout."""
MADE = shutil.ignore_patterns("__pycache__", "*.so", "*.pyd")

COMPILER = shutil.which(shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cl")[0])
COMPILES = COMPILER is not None and Path(sysconfig.get_path("include"), "Python.h").is_file()
LIMITED = sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
choosing = pytest.mark.skipif(os.name == "nt", reason="CC chooses no compiler there")


def attempt(*command: str | Path, cwd: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command far from the settings of whoever runs the tests, but with these."""
    return subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=OWN | settings,
        timeout=300,
        check=False,
    )


def run(*command: str | Path, cwd: Path, **settings: str) -> str:
    """What a command says on stdout; it must succeed."""
    done = attempt(*command, cwd=cwd, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def checkout(folder: Path) -> Path:
    """A fresh checkout. In the real one, builds side by side would get in each other's way."""
    folder.mkdir()
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=MADE)
    for name in LOOSE:
        shutil.copy2(ROOT / name, folder)
    return folder


def files(*names: str) -> set[str]:
    """Files of some folders of a checkout."""
    found = (path for name in names for path in (ROOT / name).rglob("*") if path.is_file())
    made = {"__pycache__", ".so", ".pyd"}
    return {path.relative_to(ROOT).as_posix() for path in found if not made & {path.parent.name, path.suffix}}


def _inside(path: Path) -> str:
    """A kernel file's place in the folder of kernels."""
    return path.relative_to(ROOT / "kernels").as_posix()


def listed(text: str) -> set[str]:
    return {line.split()[0] for line in text.splitlines() if line.startswith("  ")}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution, and the wheel built from it, as an index would serve both."""
    folder = tmp_path_factory.mktemp("built")
    required = {"CONVTOOL_REQUIRE_CORE": "1"} if COMPILES else {}
    source = checkout(folder / "source")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, source, cwd=folder, **required)
    return folder


def only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def test_the_source_distribution_holds_what_it_takes_to_build_and_to_test(built: Path) -> None:
    with tarfile.open(only(built, "*.tar.gz")) as archive:
        inside = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    generated = {name for name in inside if ".egg-info/" in name} | {"PKG-INFO", "setup.cfg"}
    assert inside - generated == files(*FOLDERS) | set(LOOSE)
    assert {"convtool/engine/core.c", "convtool/engine/lanes.h"} <= inside


def test_the_wheel_holds_the_package_the_core_and_the_kernels_and_nothing_else(built: Path) -> None:
    wheel = only(built, "*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
        core = {name for name in inside if re.fullmatch(r"convtool/engine/_core\..*(so|pyd)", name)}
        package = {name for name in files("convtool") if not name.endswith((".c", ".h"))}
        kernels = {f"convtool/kernels/builtin/{_inside(path)}" for path in FILES}
        assert inside - core == package | kernels
        assert len(core) == COMPILES
        for path in FILES:
            assert archive.read(f"convtool/kernels/builtin/{_inside(path)}") == path.read_bytes()
        about = {name.split("/")[1]: name for name in archive.namelist() if ".dist-info/" in name}
        points = archive.read(about["entry_points.txt"]).decode()
        metadata = archive.read(about["METADATA"]).decode()
    assert "convtool = convtool.__main__:main" in points
    needed = re.findall(r"^Requires-Dist: ([\w-]+)(?!.*extra ==)", metadata, re.MULTILINE)
    assert {name.lower() for name in needed} == RUNTIME
    assert "License-Expression: MIT" in metadata
    if COMPILES and LIMITED:  # one wheel for all versions of Python
        assert re.fullmatch(rf"convtool-{re.escape(VERSION)}-cp311-abi3-\w+\.whl", wheel.name)
        assert all(".abi3" in name or name.endswith("_core.pyd") for name in core)


# One test, for the environment takes a while and every worker would make its own.
def test_the_wheel_works_in_an_empty_environment(built: Path, tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "environment", tmp_path / "elsewhere"
    elsewhere.mkdir()
    venv.create(home, symlinks=os.name != "nt")
    scripts = home / ("Scripts" if os.name == "nt" else "bin")
    python, convtool = scripts / "python", scripts / "convtool"
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    run(*pip, "install", "--quiet", "--no-compile", only(built, "*.whl"), cwd=elsewhere)
    where = run(python, "-c", "import convtool; print(convtool.__file__)", cwd=elsewhere)
    assert Path(where.strip()).is_relative_to(home)
    names = run(*pip, "list", "--format", "freeze", cwd=elsewhere)
    installed = {line.partition("==")[0].lower() for line in names.splitlines()}
    assert RUNTIME | {"convtool"} <= installed
    assert installed & {"tifffile", "scipy", "scikit-image", "opencv-python-headless", "setuptools", "pytest"} == set()

    engine = r"core \w+" if COMPILES else "numpy"
    assert re.fullmatch(rf"convtool {re.escape(VERSION)} \({engine}\)\n", run(convtool, "--version", cwd=elsewhere))
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
    soft = ("apply", "step.pgm", "-k", "gaussian:sigma=2", "-o")
    run(convtool, *soft, "soft.png", cwd=elsewhere)
    assert (elsewhere / "soft.png").read_bytes().startswith(b"\x89PNG")
    run(convtool, *soft, "softer.png", cwd=elsewhere, CONVTOOL_CORE="numpy")
    assert (elsewhere / "softer.png").read_bytes() == (elsewhere / "soft.png").read_bytes()
    run(convtool, "explain", "--demo", "rgb", "--html", "page.html", "--lang", "zh", cwd=elsewhere)
    assert "teaching-layer-1" in (elsewhere / "page.html").read_text(encoding="utf-8")
    run(convtool, "apply", "step.pgm", "--stack", "edges", "-o", "edges.pgm", cwd=elsewhere)
    assert (elsewhere / "edges.pgm").read_bytes().startswith(b"P5\n6 4\n255\n")


@choosing
def test_without_a_compiler_the_wheel_is_for_every_machine_and_computes_the_same(tmp_path: Path) -> None:
    build = (sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", tmp_path, checkout(tmp_path / "s"))
    refused = attempt(*build, cwd=tmp_path, CC="false", CONVTOOL_REQUIRE_CORE="1")
    assert refused.returncode != 0
    assert "NumPy" not in refused.stdout + refused.stderr
    assert list(tmp_path.glob("*.whl")) == []
    done = attempt(*build, cwd=tmp_path, CC="false")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count("convtool will do the same in NumPy, more slowly") == 1

    wheel = only(tmp_path, "*.whl")
    assert wheel.name == f"convtool-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        assert [name for name in archive.namelist() if name.endswith((".so", ".pyd"))] == []
        assert b"Root-Is-Purelib: true" in archive.read(f"convtool-{VERSION}.dist-info/WHEEL")
    home = tmp_path / "home"
    pip = (
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--quiet",
        "--no-deps",
        "--no-compile",
    )
    run(*pip, "--target", home, wheel, cwd=tmp_path)
    convtool = (sys.executable, "-m", "convtool")
    assert run(*convtool, "--version", cwd=tmp_path, PYTHONPATH=str(home)) == f"convtool {VERSION} (numpy)\n"
    scene = str(ROOT / "sample_images" / "scene.png")
    sobel = (*convtool, "apply", scene, "--kernel", "sobel", "--stride", "1", "--pad", "1", "-o")
    run(*sobel, "with", cwd=tmp_path)
    run(*sobel, "without", cwd=tmp_path, PYTHONPATH=str(home))
    names = {"scene_sobel-x.png", "scene_sobel-y.png"}
    assert {path.name for path in (tmp_path / "with").iterdir()} == names
    for name in names:
        assert (tmp_path / "without" / name).read_bytes() == (tmp_path / "with" / name).read_bytes()


@choosing
def test_an_editable_checkout_is_a_folder_on_the_path_and_keeps_no_core_of_other_sources(tmp_path: Path) -> None:
    source = checkout(tmp_path / "source")
    old = source / "convtool" / "engine" / f"_core{'.abi3.so' if LIMITED else sysconfig.get_config_var('EXT_SUFFIX')}"
    old.write_bytes(b"of an earlier build")
    code = "import sys; from setuptools.build_meta import build_editable as build; build(sys.argv[1])"
    run(sys.executable, "-c", code, tmp_path, cwd=source, CC="false")
    with zipfile.ZipFile(only(tmp_path, "*.whl")) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
        assert names == [f"__editable__.convtool-{VERSION}.pth"], "no hook, which each start of Python would wait for"
        assert Path(archive.read(names[0]).decode().strip()) == source.resolve()
    assert not old.exists()
    assert not (source / "convtool" / "kernels" / "builtin").exists()


@pytest.mark.skipif(not COMPILES or os.name == "nt", reason="no compiler that takes such flags")
def test_more_flags_reach_the_compiler(tmp_path: Path) -> None:
    source = checkout(tmp_path / "source")
    code = "#error told to stop\n" + (source / "convtool/engine/core.c").read_text("utf-8")
    (source / "convtool/engine/core.c").write_text("#ifdef STOP\n" + code.replace("\n", "\n#endif\n", 1), "utf-8")
    done = attempt(
        *(sys.executable, "setup.py", "build_ext"), cwd=source, CONVTOOL_CFLAGS="-O0 -DSTOP", CONVTOOL_REQUIRE_CORE="1"
    )
    assert done.returncode != 0
    assert "told to stop" in done.stderr


def test_a_checkout_finds_its_own_kernels_from_anywhere(tmp_path: Path) -> None:
    where = run(
        sys.executable, "-c", "from convtool.kernels.folders import builtin_path as p; print(p())", cwd=tmp_path
    )
    assert Path(where.strip()) == ROOT / "kernels"
    assert listed(run(sys.executable, "-m", "convtool", "kernels", cwd=tmp_path)) == NAMES
    assert listed(run(sys.executable, "-m", "convtool", "kernels", cwd=ROOT)) == NAMES


def test_a_package_without_kernels_says_so(tmp_path: Path) -> None:
    """A copy of the package alone, as a careless vendor would make it; a folder named kernels beside it is not ours."""
    code = "import shutil, sys; shutil.copytree(sys.argv[1], 'convtool')"
    run(sys.executable, "-c", code, ROOT / "convtool", cwd=tmp_path)
    (tmp_path / "kernels").mkdir()
    done = attempt(sys.executable, "-m", "convtool", "kernels", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "convtool: the built-in kernels are missing; install convtool again\n"
