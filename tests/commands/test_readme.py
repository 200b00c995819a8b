"""The README is executed: every recipe runs, every name in it exists, its option table is the command's own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from convtool.kernels.library import Library
from convtool.pictures.formats import is_image_suffix

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


RECIPES = [line for block in blocks("sh") for line in block.splitlines() if line.startswith(("convtool ", "find "))]


def test_recipes_are_found() -> None:
    assert len(RECIPES) >= 7


def test_recipes_run_in_order(tmp_path: Path) -> None:
    for name in ("sample_images", "docs", "kernels"):
        (tmp_path / name).symlink_to(ROOT / name)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for recipe in RECIPES:
        run = subprocess.run(
            ["bash", "-o", "pipefail", "-c", recipe], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert run.returncode == 0, f"{recipe}\n{run.stderr}"
        assert run.stderr == "", f"{recipe}\n{run.stderr}"
    pictures = [path for path in (ROOT / "sample_images").iterdir() if is_image_suffix(path.suffix)]
    for folder, count in (("all", len(pictures)), ("listed", sum(path.suffix == ".png" for path in pictures))):
        assert len(list((tmp_path / "maps" / folder).iterdir())) == count
        shutil.rmtree(tmp_path / "maps" / folder)
    written = {str(path.relative_to(tmp_path / "maps")) for path in (tmp_path / "maps").rglob("*.*")}
    assert written == {
        "three/scene_edge.png",
        "three/scene_blur.png",
        "three/scene_sharpen.png",
        "edges.png",
        "layers/scene_gaussian-sigma1.4+sobel.png",
        "layers/scene_gaussian-sigma1.4+sobel+threshold.png",
        "layers/scene_teaching-layer+sum.png",
        "log.png",
        "own.png",
        "glow.png",
        "scene-0-edge.png",
        "scene-1-blur.png",
        "scene-2-sharpen.png",
        "scene-3-emboss.png",
        "layer.gif",
        "lighthouse.html",
        "sheet/scene_sheet.png",
        *(f"sheet/scene_kirsch-{angle}.png" for angle in range(0, 360, 45)),
    }


def test_setup_commands_stand_alone() -> None:
    first, second = (
        line for block in blocks("sh") for line in block.splitlines() if line.startswith("python3 -m venv")
    )
    assert "convtool apply sample_images/scene.png --kernel sobel --stride 1 --pad 1" in first
    assert second.endswith("-m pytest -n auto")


def test_option_table_is_current() -> None:
    run = subprocess.run([sys.executable, "docs/make_options.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_kernel_table_names_exist() -> None:
    table = README.partition("| family | names |")[2].partition("Names in italics")[0]
    names = {definition.name for definition, _ in Library().names()}
    for name in re.findall(r"[a-z][a-z0-9-]+", re.sub(r"^\| [^|]*\|", "", table, flags=re.MULTILINE)):
        assert name in names, name


@pytest.mark.parametrize("definition", blocks("yaml"))
def test_yaml_of_the_readme_is_the_file_it_names(definition: str) -> None:
    first, _, body = definition.partition("\n")
    assert yaml.safe_load(body) == yaml.safe_load((ROOT / first.removeprefix("# ")).read_text(encoding="utf-8"))


def test_pictures_exist() -> None:
    for path in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / path).is_file(), path


def test_the_sum_that_is_shown_is_what_is_printed() -> None:
    text = README.partition("--pad 0 --at 1,4\n```\n\n```\n")[2].partition("```")[0]
    assert text.startswith("  channel grey")
    command = [sys.executable, "-m", "convtool", "explain", "sample_images/teaching.png", "-k", "sobel-x", "--pad", "0"]
    run = subprocess.run([*command, "--at", "1,4"], cwd=ROOT, capture_output=True, text=True)
    assert text in run.stdout


def test_the_plan_that_is_shown_is_what_is_printed() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "convtool", "plan", "8x8", "-k", "sharpen", "-p", "0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    shown = README.partition("```\nsharpen\n")[2].partition("```")[0]
    assert shown
    assert run.stdout.startswith(f"sharpen\n{shown}")
