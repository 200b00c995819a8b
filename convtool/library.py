"""Specs and definitions turned into kernel sets."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from convtool.definitions import Definition, fold, read_definitions
from convtool.errors import KernelError
from convtool.folders import Folder, search_folders
from convtool.generators import GENERATORS, generate
from convtool.kernel import (
    MAX_MAPS,
    MAX_WEIGHTS,
    Kernel,
    KernelSet,
    common_denominator,
    exact_kernel,
    make_kernel,
)
from convtool.options import did_you_mean
from convtool.spec import ARRAY_SUFFIXES, Spec, parse_spec


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
    """The kernels that can be named in one run. ``notes`` collects what the user should be told once."""

    def __init__(self, kernel_dir: str | os.PathLike[str] | None = None) -> None:
        self.notes: list[str] = []
        self.folders: list[Folder] = search_folders(kernel_dir, self.notes)
        self._files: dict[Path, dict[str, Definition]] = {}
        self._made: dict[tuple[object, ...], KernelSet] = {}

    def load_all(self, specs: Sequence[str]) -> list[KernelSet]:
        """The sets of several specs, in order; raises KernelError if two maps would have one label."""
        parsed = [parse_spec(text) for text in specs]
        sets = _numbered(parsed, [self._resolve(spec, home=None, trail=()) for spec in parsed])
        seen: set[str] = set()
        for kernel in (kernel for found in sets for kernel in found.kernels):
            if fold(kernel.label) in seen:
                raise KernelError(f"the kernel {kernel.label} is given twice")
            seen.add(fold(kernel.label))
        return sets

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
            return _turned(KernelSet("inline", (kernel,)), spec, generator="")
        if spec.file:
            return self._from_file(spec, trail)
        return self._build(self._find(spec, home), spec, trail)

    def _from_file(self, spec: Spec, trail: tuple[Definition, ...]) -> KernelSet:
        path = Path(spec.file)
        if path.suffix.lower() in ARRAY_SUFFIXES:
            if spec.parameters:
                raise KernelError(f"kernel {_quoted(spec)}: weights from a file take no parameters")
            return _turned(_bank(path, spec.name), spec, generator="")
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
            raise KernelError(f"kernel {_quoted(spec)}: parameters go with one kernel; write {path}#name:...")
        kernels: dict[str, Kernel] = {}
        for definition in definitions.values():
            for kernel in self._build(definition, replace(spec, name=definition.name), trail).kernels:
                kernels.setdefault(fold(kernel.label), kernel)
        return KernelSet(path.stem, tuple(kernels.values()), f"All kernels of {path.name}")

    def _find(self, spec: Spec, home: Path | None) -> Definition:
        if home is not None and (found := self._home(home).get(fold(spec.name))):
            self._note_shadow(found)
            return found
        for folder in self.folders:
            if found := folder.find(spec.name):
                self._note_shadow(found)
                return found
        names = [definition.name for definition, _ in self.names()]
        hint = did_you_mean(spec.name, names) or "; `convtool kernels` lists the names"
        raise KernelError(f"there is no kernel {spec.name!r}{hint}")

    def _home(self, path: Path) -> dict[str, Definition]:
        for folder in self.folders:
            if path in folder.paths:
                return folder.file(path)
        return self.read(path)

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
            raise KernelError(f"kernel {_quoted(spec)}: {definition.name} {kind}")
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
            return _turned(self._build_maps(definition, trail), spec, generator="")
        try:
            made = _build_single(definition, spec)
        except KernelError as error:
            # What was typed is at fault only if something was: the definition's own values were checked before.
            where = f"kernel {_quoted(spec)}" if spec.parameters else definition.where
            raise KernelError(
                str(error) if str(error).startswith(f"{definition.path}:") else f"{where}: {error}"
            ) from None
        return _turned(made, spec, definition.generator)

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
        kernels = [kernel for found in _numbered(specs, sets) for kernel in found.kernels]
        return KernelSet(definition.name, tuple(kernels), definition.summary)


MAX_TRAIL = 32
"""Deepest nesting of sets in sets; fixed, so that a chain of thousands ends in a message."""


def _numbered(specs: Sequence[Spec], sets: Sequence[KernelSet]) -> list[KernelSet]:
    """Several inline kernels become inline-1, inline-2 ..."""
    inline = [at for at, spec in enumerate(specs) if spec.inline is not None]
    numbers = {at: number for number, at in enumerate(inline, 1)} if len(inline) > 1 else {}
    return [
        _relabelled(found, "inline", f"inline-{numbers[at]}") if at in numbers else found
        for at, found in enumerate(sets)
    ]


def _quoted(spec: Spec) -> str:
    return repr(spec.text if len(spec.text) <= 60 else spec.text[:57] + "...")


def _build_single(definition: Definition, spec: Spec) -> KernelSet:
    facts: dict[str, object] = {
        "bias": definition.bias,
        "range": definition.range,
        "summary": definition.summary,
        "source": definition.source,
    }
    label = "-".join((definition.name, *spec.typed))
    if definition.generator:
        made = generate(definition.generator, definition.parameters | spec.parameters)
        as_made = definition.scale == 1 and not definition.normalise
        if as_made and made.integers is not None:
            kernel = Kernel(label, made.weights, made.integers, made.scale, **facts)  # type: ignore[arg-type]
        elif made.integers is not None and made.scale is not None:
            values = [int(v) * made.scale for v in made.integers.ravel()]
            kernel = _finished(definition, values, made.integers.shape, label, facts)
        else:
            weights = made.weights * float(definition.scale)
            if definition.normalise:
                total = float(weights.sum())
                _check_sum(definition, total, float(np.abs(weights).sum()))
                weights = weights / total
            kernel = make_kernel(label, weights, **facts)
    else:
        kernel = _finished(definition, list(definition.weights), definition.shape, label, facts)
    if definition.rotations == 1:
        return KernelSet(label, (kernel,), definition.summary)
    step = 360 // definition.rotations
    try:
        turned = [replace(kernel.turned(angle), label=f"{label}-{angle}") for angle in range(0, 360, step)]
    except KernelError as error:
        raise KernelError(f"{definition.at('rotations')}: {str(error).partition(': ')[2]}") from None
    return KernelSet(label, tuple(turned), definition.summary)


def _finished(
    definition: Definition, values: list[Fraction], shape: tuple[int, ...], label: str, facts: dict[str, object]
) -> Kernel:
    values = [value * definition.scale for value in values]
    if definition.normalise:
        # An exact sum of thousands of unlike fractions would never end.
        exact = common_denominator(values, 1 << 256) is not None
        total = sum(values, Fraction(0)) if exact else Fraction(math.fsum(map(float, values)))
        _check_sum(definition, float(total), math.fsum(abs(float(value)) for value in values))
        values = [value / total for value in values]
    return exact_kernel(label, values, shape, **facts)


def _check_sum(definition: Definition, total: float, size: float) -> None:
    if abs(total) <= 1e-9 * size:
        raise KernelError(
            f"{definition.at('normalise')}: the weights add up to {total:g}, and nothing can be divided by that"
        )


def _bank(path: Path, name: str) -> KernelSet:
    from convtool.arrays import read_bank  # brings zipfile, which a run seldom needs

    label, weights = read_bank(path, name)
    digits = max(2, len(str(len(weights) - 1)))
    labels = [label] if len(weights) == 1 else [f"{label}-{at:0{digits}}" for at in range(len(weights))]
    kernels = [
        make_kernel(label, part, summary=f"From {path.name}") for label, part in zip(labels, weights, strict=True)
    ]
    return KernelSet(label, tuple(kernels), f"Weights from {path.name}")


def _turned(found: KernelSet, spec: Spec, generator: str) -> KernelSet:
    if spec.angle is None:
        return found
    try:
        turned = [kernel.turned(spec.angle) for kernel in found.kernels]
    except KernelError as error:
        names = [p.name for p in GENERATORS[generator].parameters] if generator in GENERATORS else []
        own = next((name for name in names if name in ("angle", "theta")), None)
        hint = f"; {generator} has its own: {generator}:{own}={spec.angle}" if own else ""
        raise KernelError(f"kernel {_quoted(spec)}: {error}{hint}") from None
    ending = f"-turn{spec.angle}"
    kernels = tuple(replace(kernel, label=kernel.label + ending) for kernel in turned)
    return KernelSet(found.label + ending, kernels, found.summary)


def _relabelled(found: KernelSet, old: str, new: str) -> KernelSet:
    def renamed(label: str) -> str:
        return new + label.removeprefix(old)

    kernels: Iterable[Kernel] = (replace(kernel, label=renamed(kernel.label)) for kernel in found.kernels)
    return KernelSet(renamed(found.label), tuple(kernels), found.summary)
