"""Where kernel files lie, and which definition a name means."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from convtool.errors import KernelError
from convtool.kernels.definitions import Definition, check_definitions, fold, read_definitions
from convtool.kernels.spec import YAML_SUFFIXES
from convtool.kernels.yaml_nodes import parse_yaml


class Folder:
    """A folder of kernel files. A strict one raises KernelError for a bad file; another skips it with a note."""

    def __init__(self, path: Path, *, strict: bool, notes: list[str] | None = None) -> None:
        self.path = path
        self.strict = strict
        self._notes = notes if notes is not None else []
        self._read: dict[Path, dict[str, Definition]] = {}

    @cached_property
    def paths(self) -> list[Path]:
        """The kernel files of the folder, in order of name."""
        try:
            entries = sorted(self.path.iterdir())
        except OSError as error:
            reason = f"{self.path}: {error.strerror or error}"
            if self.strict:
                raise KernelError(reason) from None
            self._notes.append(f"skipped a folder of kernels: {reason}")
            return []
        return [entry for entry in entries if entry.suffix.lower() in YAML_SUFFIXES and not entry.name.startswith(".")]

    def find(self, name: str) -> Definition | None:
        """The definition of a name; a name that two files define is an error."""
        found = [definitions[fold(name)] for definitions in self._all() if fold(name) in definitions]
        if len(found) > 1:
            raise KernelError(f"{found[1].where}: is also defined in {found[0].path}")
        return found[0] if found else None

    def find_in(self, path: Path, name: str) -> Definition | None:
        """The definition of a name in one file."""
        return self.file(path).get(fold(name))

    def definitions(self) -> Iterator[Definition]:
        """Every definition, file by file."""
        for definitions in self._all():
            yield from definitions.values()

    def _all(self) -> Iterator[dict[str, Definition]]:
        for path in self.paths:
            yield self.file(path)

    def file(self, path: Path) -> dict[str, Definition]:
        """The definitions of one file, read once."""
        if path not in self._read:
            try:
                self._read[path] = read_definitions(path)
            except KernelError as error:
                if self.strict:
                    raise
                self._notes.append(f"skipped a file that is no kernel file: {error}")
                self._read[path] = {}
        return self._read[path]


class BuiltinFolder(Folder):
    """The kernels that come with convtool. To start fast, only the entry of a name is parsed, not its file.

    These files are our own and tested whole; a key begins its line and what is indented below belongs to it.
    """

    def __init__(self) -> None:
        super().__init__(builtin_path(), strict=True)
        self._found: dict[str, Definition | None] = {}

    def find(self, name: str) -> Definition | None:
        """The definition of a name."""
        key = fold(name)
        if key not in self._found:
            self._found[key] = self._search(key)
        return self._found[key]

    def find_in(self, path: Path, name: str) -> Definition | None:
        """The definition of a name in one file."""
        found = self.find(name)
        return found if found is not None and found.path == path else None

    def _search(self, key: str) -> Definition | None:
        for path, text in self._texts.items():
            if entry := re.search(rf"^{re.escape(key)}:.*\n(?:[ #].*\n|\n)*", text, re.MULTILINE | re.IGNORECASE):
                # Blank lines in front keep the line numbers of the file.
                alone = "\n" * text.count("\n", 0, entry.start()) + entry[0]
                return check_definitions(parse_yaml(alone, path), path)[key]
        return None

    @cached_property
    def _texts(self) -> dict[Path, str]:
        return {path: path.read_text(encoding="utf-8") for path in self.paths}


def builtin_path() -> Path:
    """The folder of the built-in kernels: inside an installed package, or ``kernels/`` of a checkout."""
    inside = Path(__file__).resolve().parent / "builtin"
    if inside.is_dir():
        return inside
    root = inside.parents[2]
    if (root / "pyproject.toml").is_file() and (root / "kernels").is_dir():
        return root / "kernels"
    raise KernelError("the built-in kernels are missing; install convtool again")


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # the working folder cannot be searched
        return False


def search_folders(kernel_dir: str | os.PathLike[str] | None, notes: list[str]) -> list[Folder]:
    """The folders in which names are looked up, first to last: --kernel-dir, $CONVTOOL_KERNELS, ./kernels, built-in."""
    folders: list[Folder] = []
    given = [(os.fspath(kernel_dir), "--kernel-dir")] if kernel_dir is not None else []
    variable = os.environ.get("CONVTOOL_KERNELS", "")
    given += [(part, "$CONVTOOL_KERNELS") for part in variable.split(os.pathsep) if part]
    for text, origin in given:
        path = Path(text)
        if not text or not path.is_dir():
            raise KernelError(f"{origin}: {text or 'an empty name'} is not a folder")
        folder = Folder(path, strict=True)
        list(folder.definitions())  # a bad file is refused even if the name wanted is in another
        folders.append(folder)
    builtin = BuiltinFolder()
    local = Path("kernels")
    if _is_folder(local) and not local.samefile(builtin.path):
        folders.append(Folder(local, strict=False, notes=notes))
    return [*folders, builtin]
