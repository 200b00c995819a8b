"""Specs and definitions turned into kernel sets."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from convtool.errors import KernelError
from convtool.kernels.construction import bank, numbered, quoted, single, turned
from convtool.kernels.definitions import Definition, fold, read_definitions
from convtool.kernels.folders import Folder, search_folders
from convtool.kernels.kernel import MAX_MAPS, MAX_WEIGHTS, Kernel, KernelSet, exact_kernel
from convtool.kernels.spec import ARRAY_SUFFIXES, Spec, parse_spec
from convtool.text import did_you_mean


def load_kernel(spec: str) -> KernelSet:
    """The kernel set of a ``--kernel`` spec.

    >>> [kernel.label for kernel in load_kernel("sobel").kernels]
    ['sobel-x', 'sobel-y']

    Names are looked up as on the command line: $CONVTOOL_KERNELS, ./kernels, the built-in set. Raises KernelError
    (a ValueError) for a spec that names nothing or a definition that is wrong.
    """
    library = Library()
    found = library.load(spec)
    for note in library.notes:
        warnings.warn(note, stacklevel=2)
    return found


class Library:
    """The kernels that can be named in one run. ``notes`` collects what should be reported to the user once."""

    def __init__(self, kernel_dir: str | os.PathLike[str] | None = None) -> None:
        self.notes: list[str] = []
        self.folders: list[Folder] = search_folders(kernel_dir, self.notes)
        self._files: dict[Path, dict[str, Definition]] = {}
        self._made: dict[tuple[object, ...], KernelSet] = {}

    def load_all(self, specs: Sequence[str], home: Path | None = None) -> list[KernelSet]:
        """The sets of several specs, in order; several inline ones are numbered.

        ``home`` is the file they stand in, in which names are looked up first.
        """
        parsed = [parse_spec(text) for text in specs]
        return numbered(parsed, [self._resolve(spec, home=home, trail=()) for spec in parsed])

    def adopt(self, path: Path, definitions: dict[str, Definition]) -> None:
        """Take in the definitions that a file holds beside other things; its own specs find them by name."""
        self._files[path] = definitions

    def load(self, text: str) -> KernelSet:
        """The kernel set of one spec."""
        return self._resolve(parse_spec(text), home=None, trail=())

    def names(self) -> Iterator[tuple[Definition, Folder]]:
        """Every definition that can be named, each name once, in the order of lookup."""
        seen: set[str] = set()
        for folder in self.folders:
            for definition in folder.definitions():
                if fold(definition.name) not in seen:
                    seen.add(fold(definition.name))
                    yield definition, folder

    def build(self, definition: Definition) -> KernelSet:
        """The kernels of one definition, as if its name had been given."""
        return self._build(definition, Spec(definition.name, name=definition.name), ())

    def read(self, path: Path) -> dict[str, Definition]:
        """The definitions of a file, read once."""
        if path not in self._files:
            self._files[path] = read_definitions(path)
        return self._files[path]

    def _resolve(self, spec: Spec, home: Path | None, trail: tuple[Definition, ...]) -> KernelSet:
        if spec.inline is not None:
            kernel = exact_kernel("inline", spec.inline.values, spec.inline.shape, summary="Weights typed in place")
            return turned(KernelSet("inline", (kernel,)), spec, generator="")
        if spec.file:
            return self._from_file(spec, trail)
        return self._build(self._find(spec, home), spec, trail)

    def _from_file(self, spec: Spec, trail: tuple[Definition, ...]) -> KernelSet:
        path = Path(spec.file)
        if path.suffix.lower() in ARRAY_SUFFIXES:
            if spec.parameters:
                raise KernelError(f"kernel {quoted(spec)}: weights from a file take no parameters")
            return turned(bank(path, spec.name), spec, generator="")
        definitions = self.read(path)
        if spec.name:
            if fold(spec.name) not in definitions:
                names = [definition.name for definition in definitions.values()]
                hint = did_you_mean(spec.name, names) or f"; it has {', '.join(names[:8])}"
                raise KernelError(f"{path}: has no kernel {spec.name!r}{hint}")
            return self._build(definitions[fold(spec.name)], spec, trail)
        if len(definitions) == 1:
            return self._build(next(iter(definitions.values())), spec, trail)
        if spec.parameters:
            raise KernelError(f"kernel {quoted(spec)}: parameters go with one kernel; write {path}#name:...")
        kernels: dict[str, Kernel] = {}
        for definition in definitions.values():
            for kernel in self._build(definition, spec._replace(name=definition.name), trail).kernels:
                kernels.setdefault(fold(kernel.label), kernel)
        return KernelSet(path.stem, tuple(kernels.values()), f"All kernels of {path.name}")

    def _find(self, spec: Spec, home: Path | None) -> Definition:
        if home is not None and (found := self._find_in(home, spec.name)):
            self._note_shadow(found)
            return found
        for folder in self.folders:
            if found := folder.find(spec.name):
                self._note_shadow(found)
                return found
        names = [definition.name for definition, _ in self.names()]
        hint = did_you_mean(spec.name, names) or "; `convtool kernels` lists the names"
        raise KernelError(f"there is no kernel {spec.name!r}{hint}")

    def _find_in(self, path: Path, name: str) -> Definition | None:
        for folder in self.folders:
            if path in folder.paths:
                return folder.find_in(path, name)
        return self.read(path).get(fold(name))

    def _note_shadow(self, found: Definition) -> None:
        """Say once if ./kernels, which nobody asked for, gives a built-in name another meaning."""
        at = next((at for at, folder in enumerate(self.folders) if found.path in folder.paths), None)
        if at is None or self.folders[at].strict:
            return
        for other in self.folders[at + 1 :]:
            hidden = other.find(found.name)
            if hidden and hidden.computes() != found.computes():
                note = f"{found.name} is the one of {found.path}, which hides the built-in kernel of that name"
                if note not in self.notes:
                    self.notes.append(note)

    def _build(self, definition: Definition, spec: Spec, trail: tuple[Definition, ...]) -> KernelSet:
        if spec.parameters and not definition.generator:
            kind = "is a set; parameters belong to one of its kernels" if definition.maps else "takes no parameters"
            raise KernelError(f"kernel {quoted(spec)}: {definition.name} {kind}")
        if definition in trail:
            names = " -> ".join(step.name for step in (*trail[trail.index(definition) :], definition))
            raise KernelError(f"{definition.at('maps')}: maps go in a circle: {names}")
        if len(trail) == MAX_TRAIL:
            raise KernelError(f"{definition.at('maps')}: sets of sets are more than {MAX_TRAIL} deep, a fixed limit")
        # Made once: sets of sets may name a kernel thousands of times.
        key = (definition.path, definition.name, tuple(spec.parameters.items()), spec.typed, spec.angle)
        if key not in self._made:
            self._made[key] = self._make(definition, spec, trail)
        return self._made[key]

    def _make(self, definition: Definition, spec: Spec, trail: tuple[Definition, ...]) -> KernelSet:
        if definition.maps:
            return turned(self._build_maps(definition, trail), spec, generator="")
        try:
            made = single(definition, spec)
        except KernelError as error:
            # What was typed is at fault only if something was: the definition's own values were checked before.
            where = f"kernel {quoted(spec)}" if spec.parameters else definition.where
            raise KernelError(
                str(error) if str(error).startswith(f"{definition.path}:") else f"{where}: {error}"
            ) from None
        return turned(made, spec, definition.generator)

    def _build_maps(self, definition: Definition, trail: tuple[Definition, ...]) -> KernelSet:
        kernels: list[Kernel] = []
        specs: list[Spec] = []
        sets: list[KernelSet] = []
        for text, line in definition.maps:
            try:
                specs.append(parse_spec(text))
                sets.append(self._resolve(specs[-1], definition.path, (*trail, definition)))
            except KernelError as error:
                if str(error).startswith(f"{definition.path}:"):  # it names a line of this file already
                    raise
                raise KernelError(f"{definition.path}:{line}: {definition.name}: maps: {error}") from None
            kernels += sets[-1].kernels
            if len(kernels) > MAX_MAPS:
                raise KernelError(f"{definition.at('maps')}: gives more than {MAX_MAPS} maps, a fixed limit")
            if sum(kernel.weights.size for kernel in kernels) > MAX_WEIGHTS:
                raise KernelError(f"{definition.at('maps')}: gives more than {MAX_WEIGHTS} weights, a fixed limit")
        kernels = [kernel for found in numbered(specs, sets) for kernel in found.kernels]
        return KernelSet(definition.name, tuple(kernels), definition.summary)


MAX_TRAIL = 32
"""Deepest nesting of sets in sets; fixed, so that a chain of thousands ends in a message."""
