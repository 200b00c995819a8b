"""The rooms of the house: which may import which, and who uses which package of others. Arrows point one way."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "convtool"

GROUND = ("errors", "text", "tuples", "threads", "machine", "stdio", "console")
"""Single modules that every room may import; they import none of the rooms."""

ROOMS = {
    "tone": (),
    "kernels": ("tone",),
    "engine": ("kernels", "tone"),
    "pictures": (),
    "layers": ("tone", "kernels", "engine", "pictures"),
    "sheets": ("layers", "tone", "pictures"),
    "runs": ("sheets", "layers", "tone", "pictures"),
    "explain": ("runs", "layers", "engine", "tone", "pictures", "kernels"),
    "translate": ("runs", "layers", "tone", "pictures"),
    "cli": ("explain", "translate", "runs", "sheets", "layers", "engine", "tone", "pictures", "kernels"),
}
"""The rooms, and which others each may import."""

FACES = ("__init__", "__main__", "api")
"""What people call; they may import any room."""

PACKAGES = {
    "rich": {"console"},
    "click": {"cli"},
    "yaml": {"kernels"},
    "PIL": {"pictures", "sheets", "explain", "api"},
    "tifffile": {"pictures"},
    "imagecodecs": {"pictures"},
    "isal": {"pictures"},
    "safetensors": {"kernels"},
}
"""Packages of others that are not everywhere, and the rooms that use them."""

NEVER = {"scipy", "cv2", "skimage", "torch", "matplotlib"}


def modules() -> list[str]:
    """All modules, without the name of the package."""
    names = (path.relative_to(PACKAGE).with_suffix("").parts for path in sorted(PACKAGE.rglob("*.py")))
    return [".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts) for parts in names]


def path_of(module: str) -> Path:
    path = PACKAGE.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def tree(module: str) -> ast.Module:
    return ast.parse(path_of(module).read_text(encoding="utf-8"))


def imports(module: str) -> Iterator[str]:
    """What a module imports anywhere: our modules with the name of the package before them."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield (
                    name
                    if name.startswith("convtool.") and path_of(name.partition(".")[2]).exists()
                    else str(node.module)
                )


def ours(module: str) -> set[str]:
    """Our own modules that a module imports."""
    return {name.partition(".")[2] for name in imports(module) if name.startswith("convtool.")}


def room(module: str) -> str:
    return module.partition(".")[0]


def test_every_module_has_a_room() -> None:
    assert {room(module) for module in modules()} == {*GROUND, *ROOMS, *FACES}


def test_rooms_are_in_order() -> None:
    """There is an order in which each room imports only those before it."""
    assert set(TopologicalSorter(ROOMS).static_order()) == set(ROOMS)


@pytest.mark.parametrize("module", modules())
def test_arrows_point_one_way(module: str) -> None:
    here = room(module)
    if here in FACES:
        return
    allowed = {here, *GROUND, *ROOMS.get(here, ())}
    assert {room(other) for other in ours(module)} <= allowed


def test_no_modules_import_each_other_in_a_circle() -> None:
    TopologicalSorter({module: ours(module) - {module} for module in modules() if module != "__init__"}).prepare()


@pytest.mark.parametrize("module", modules())
def test_packages_of_others_are_used_in_their_rooms(module: str) -> None:
    used = {name.partition(".")[0] for name in imports(module)}
    assert not used & NEVER
    assert {package for package in used if room(module) not in PACKAGES.get(package, {room(module)})} == set()


@pytest.mark.parametrize("module", [name for name in modules() if name != "tuples"])
def test_named_tuples_are_those_that_load_fast(module: str) -> None:
    assert "NamedTuple" not in {
        alias.name
        for node in ast.walk(tree(module))
        if isinstance(node, ast.ImportFrom) and node.module == "typing"
        for alias in node.names
    }


@pytest.mark.parametrize("module", modules())
def test_files_are_short(module: str) -> None:
    assert len(path_of(module).read_text(encoding="utf-8").splitlines()) <= 320
