"""The rooms of the house: which module may import which. Arrows point one way."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "convtool"

# From the bottom up: a module may import only modules that stand on a lower floor than its own.
FLOORS = (
    ("tuples",),
    (
        *("errors", "merging", "holding", "heap", "machine", "thumbs", "threads"),
        *("deflate", "png_filters", "codecs", "jpeg_file"),
    ),
    ("atomic", "geometry", "border", "formulas", "png_strips", "pngcheck", "png_chunks", "jpeg_decode", "jpeg_encode"),
    ("options", "generators", "png_small", "png_sound", "icc", "colormaps", "ahead"),
    ("png_decode", "kernel", "yamlfile", "spec", "picture", "limits", "stdio", "png"),
    (
        *("definitions", "tensors", "facts", "formats", "extent", "rounding", "light"),
        *("engine.reference",),
    ),
    ("arrays", "folders", "drawing", "naming", "tone", "metadata", "apng", "npyfile", "ppm16", "sniff", "engine.*"),
    ("making",),
    ("library", "engine", "maps", "console", "modes", "exififd", "jpeg_bands"),
    ("layers",),
    ("stackfile",),
    ("channels", "inputs", "frames", "deep", "plain"),
    ("decode", "encode"),
    ("opacity", "incoming"),
    ("planning", "pooling"),
    ("maprun",),
    ("filtering",),
    ("defining",),
    ("api", "verify", "memory", "streams", "cells"),
    ("framing", "sheet", "layerfacts"),
    ("plantable",),
    ("translate.recipe",),
    ("translate.sliding", "translate.magick"),
    ("translate.python",),
    ("translate",),
    ("batch",),
    ("report", "running", "listed"),
    ("serving",),
    ("workers",),
    ("explain.*",),
    ("explain",),
    ("cli.types",),
    ("cli.layered", "cli.sheet_option", "cli.dryrun", "cli.execute", "cli.elsewhere", "cli.explain_files"),
    ("cli.apply", "cli.kernels", "cli.plan", "cli.explain"),
    ("cli",),
    ("__main__", "__init__"),
)
ONLY_USERS = {
    "rich": {"console"},
    "click": {
        "cli",
        "cli.types",
        "cli.sheet_option",
        "cli.layered",
        "cli.dryrun",
        "cli.apply",
        "cli.kernels",
        "cli.plan",
        "cli.explain",
    },
    "yaml": {"yamlfile"},
    "PIL": {
        *("decode", "encode", "api", "metadata", "modes", "frames", "deep", "exififd", "sheet", "explain.animation"),
        *("png_decode", "jpeg_encode", "ahead", "plain"),
    },
    "tifffile": {"deep"},
    "imagecodecs": {"codecs", "deep", "png_decode", "jpeg_decode", "jpeg_encode"},
    "isal": {"deflate"},
    "safetensors": {"tensors"},
}
NEVER = {"scipy", "cv2", "skimage", "torch", "matplotlib"}


def modules() -> list[str]:
    names = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts))
    return names


def path_of(module: str) -> Path:
    path = PACKAGE / Path(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def floor(module: str) -> int:
    for number, names in enumerate(FLOORS):
        if module in names:
            return number
    for number, names in enumerate(FLOORS):
        if f"{module.partition('.')[0]}.*" in names:
            return number
    raise AssertionError(f"{module} stands on no floor: add it to FLOORS")


def imports(module: str) -> set[str]:
    """Modules of ours (without the package's name) and top-level names of others that a module imports at all."""
    found = set()
    for node in ast.walk(ast.parse(path_of(module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if path_of_exists(name) else str(node.module) for name in names}
    return found


def path_of_exists(dotted: str) -> bool:
    if not dotted.startswith("convtool."):
        return False
    path = PACKAGE / Path(*dotted.split(".")[1:])
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


@pytest.mark.parametrize("module", modules())
def test_arrows_point_one_way(module: str) -> None:
    for name in imports(module):
        if name == "convtool":
            continue
        if name.startswith("convtool."):
            other = name.removeprefix("convtool.")
            if module != "__init__":
                same_room = (
                    "." in module
                    and module.partition(".")[0] == other.partition(".")[0]
                    and floor(module) == floor(other)
                )
                assert floor(other) < floor(module) or same_room, f"{module} imports {other}, which is not below it"


@pytest.mark.parametrize("module", [name for name in modules() if name != "tuples"])
def test_named_tuples_are_those_that_load_fast(module: str) -> None:
    assert "typing.NamedTuple" not in {
        f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(path_of(module).read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


@pytest.mark.parametrize("module", modules())
def test_libraries_stay_in_their_rooms(module: str) -> None:
    for name in imports(module):
        top = name.partition(".")[0]
        assert top not in NEVER, f"{module} imports {top}: oracles are for tests"
        if top in ONLY_USERS:
            assert module in ONLY_USERS[top], f"{module} imports {top}, which belongs to {ONLY_USERS[top]}"


def test_rooms_are_small() -> None:
    sizes = {name: len(path_of(name).read_text(encoding="utf-8").splitlines()) for name in modules()}
    assert {name: lines for name, lines in sizes.items() if lines > 320} == {}


def test_every_floor_exists() -> None:
    known = {name for names in FLOORS for name in names if not name.endswith("*")}
    assert known - set(modules()) == set()
