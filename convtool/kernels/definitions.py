"""Kernel definitions: the nodes of a YAML file checked into plain values, before any kernel is made of them."""

from __future__ import annotations

import re
import unicodedata
from collections import abc
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

from convtool.errors import KernelError, UsageError
from convtool.kernels.kernel import MAX_SIDE
from convtool.kernels.yaml_nodes import Mapping, Node, Scalar, Sequence, read_yaml
from convtool.text import did_you_mean, parse_number
from convtool.tone.ranges import Range, parse_range
from convtool.tuples import NamedTuple

KEYS = (
    "summary",
    "source",
    "weights",
    "maps",
    "generator",
    "parameters",
    "rotations",
    "scale",
    "normalise",
    "bias",
    "range",
)
_ONLY_WITH = {
    "parameters": ("generator",),
    "rotations": ("weights",),
    "scale": ("weights", "generator"),
    "normalise": ("weights", "generator"),
    "bias": ("weights", "generator"),
    "range": ("weights", "generator"),
}
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


class Definition(NamedTuple):
    """One named kernel or set as it was written."""

    name: str
    path: Path
    line: int
    summary: str = ""
    source: str = ""
    weights: tuple[Fraction, ...] = ()
    shape: tuple[int, ...] = ()
    maps: tuple[tuple[str, int], ...] = ()
    """Specs and their lines."""
    generator: str = ""
    parameters: abc.Mapping[str, Fraction] = MappingProxyType({})
    rotations: int = 1
    scale: Fraction = Fraction(1)
    normalise: bool = False
    bias: float = 0.0
    range: Range | None = None
    lines: abc.Mapping[str, int] = MappingProxyType({})
    """The line of each key."""

    @property
    def where(self) -> str:
        """File, line and name, as errors begin."""
        return f"{self.path}:{self.line}: {self.name}"

    def at(self, key: str) -> str:
        """File, line, name and key, as errors about a key begin."""
        return f"{self.path}:{self.lines.get(key, self.line)}: {self.name}: {key}"

    def computes(self) -> tuple[object, ...]:
        """What the kernel does, apart from where it stands and what is said about it."""
        specs = tuple(spec for spec, _ in self.maps)
        numbers = (self.weights, self.shape, self.rotations, self.scale, self.normalise, self.bias)
        return (specs, numbers, self.generator, tuple(sorted(self.parameters.items())), self.range)


def fold(name: str) -> str:
    """The form in which names are compared."""
    return unicodedata.normalize("NFC", name).casefold()


def check_name(name: str) -> str:
    """The name in NFC; raises KernelError unless it can be typed, used as a file name and told from others."""
    name = unicodedata.normalize("NFC", name)
    shown = name if len(name) <= 40 else name[:37] + "..."
    if not 1 <= len(name) <= 64:
        raise KernelError(f"the name {shown!r} has {len(name)} characters; 1 to 64 are allowed")
    for at, character in enumerate(name):
        kind = unicodedata.category(character)[0]
        if not (kind == "L" or (at and (kind == "M" or character.isdecimal() or character in "-_."))):
            raise KernelError(
                f"the name {shown!r} has {character!r}; names are letters, digits, - _ and ., a letter first"
            )
    if _RESERVED.fullmatch(name):
        raise KernelError(f"the name {shown!r} is reserved by Windows and could not be a file there")
    return name


def read_definitions(path: Path) -> dict[str, Definition]:
    """All definitions of a kernel file by their folded name; raises KernelError with file, line and key."""
    return check_definitions(read_yaml(path), path)


def check_definitions(top: Mapping, path: Path) -> dict[str, Definition]:
    """The definitions of a file that has been read; raises KernelError with file, line and key."""
    found: dict[str, Definition] = {}
    for key, node in top.pairs:
        try:
            name = check_name(key.text)
            if fold(name) in found:
                raise KernelError(f"{name!r} is defined a second time (first in line {found[fold(name)].line})")
        except KernelError as error:
            raise KernelError(f"{path}:{key.line}: {error}") from None
        found[fold(name)] = _define(name, key.line, node, path)
    if not found:
        raise KernelError(f"{path}: holds no kernels; a kernel file maps names to definitions")
    return found


def _define(name: str, line: int, node: Node, path: Path) -> Definition:
    if not isinstance(node, Mapping):
        raise KernelError(f"{path}:{node.line}: {name}: a definition has keys, one of weights, generator or maps")
    values: dict[str, object] = {}
    lines = {key.text: key.line for key, _ in node.pairs}
    for key, value in node.pairs:
        if key.text not in KEYS:
            hint = did_you_mean(key.text, KEYS) or f"; known are {', '.join(KEYS)}"
            raise KernelError(f"{path}:{key.line}: {name}: unknown key {key.text!r}{hint}")
        try:
            values |= _value(key.text, value)
        except UsageError as error:
            raise KernelError(f"{path}:{value.line}: {name}: {key.text}: {error}") from None
        except _AtError as error:
            raise KernelError(f"{path}:{error.line}: {name}: {key.text}: {error}") from None
    _check_partners(name, line, lines, path)
    if "generator" in lines:
        _check_parameters(name, str(values["generator"]), node, path)
    return Definition(name=name, path=path, line=line, lines=lines, **values)  # type: ignore[arg-type]  # keys are KEYS


def _check_partners(name: str, line: int, lines: dict[str, int], path: Path) -> None:
    """Refuse keys that contradict each other."""
    kinds = [kind for kind in ("weights", "generator", "maps") if kind in lines]
    if len(kinds) != 1:
        found = f"this one has {' and '.join(kinds)}" if kinds else "this one has none"
        raise KernelError(f"{path}:{line}: {name}: a definition has one of weights, generator or maps; {found}")
    for key_name, partners in _ONLY_WITH.items():
        if key_name in lines and kinds[0] not in partners:
            raise KernelError(f"{path}:{lines[key_name]}: {name}: {key_name} goes with {' or '.join(partners)} only")


def _check_parameters(name: str, generator: str, definition: Mapping, path: Path) -> None:
    """Refuse unknown parameters and values out of range, with their line."""
    from convtool.kernels.generators import check_parameter

    for key, node in definition.pairs:
        for parameter, value in node.pairs if key.text == "parameters" and isinstance(node, Mapping) else ():
            try:
                check_parameter(generator, parameter.text, _number(value))
            except KernelError as error:
                raise KernelError(f"{path}:{parameter.line}: {name}: parameters: {error}") from None


class _AtError(Exception):
    """A reason and the line it is about."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.line = line


def _value(key: str, node: Node) -> dict[str, object]:
    if key == "weights":
        values, shape = _weights(node)
        return {"weights": values, "shape": shape}
    if key == "maps":
        if not isinstance(node, Sequence) or not node.items:
            raise _AtError("takes a list of kernel specs", node.line)
        return {"maps": tuple((_text(item), item.line) for item in node.items)}
    if key == "parameters":
        if not isinstance(node, Mapping):
            raise _AtError("takes names and numbers, as in {sigma: 1.0}", node.line)
        return {"parameters": {name.text: _number(value, f"{name.text}: ") for name, value in node.pairs}}
    text = _text(node)
    if key == "generator":
        from convtool.kernels.generators import GENERATORS  # only for kernels that are made by one

        if text not in GENERATORS:
            hint = did_you_mean(text, GENERATORS) or f"; known are {', '.join(sorted(GENERATORS))}"
            raise _AtError(f"unknown generator {text!r}{hint}", node.line)
        return {"generator": text}
    if key == "normalise":
        if text not in ("true", "false") or not _plain(node):
            raise _AtError(f"is {text!r}; it takes true or false", node.line)
        return {"normalise": text == "true"}
    if key == "rotations":
        if text not in ("2", "4", "8") or not _plain(node):
            raise _AtError(f"is {text!r}; it takes 2, 4 or 8 (turns of 180, 90 or 45 degrees)", node.line)
        return {"rotations": int(text)}
    if key == "range":
        return {"range": parse_range(text)}
    if key == "bias":
        return {"bias": float(_number(node))}
    if key == "scale":
        scale = _number(node)
        if scale == 0:
            raise _AtError("is 0, which leaves nothing of the weights", node.line)
        return {"scale": scale}
    return {key: " ".join(text.split())}


def _plain(node: Node) -> bool:
    return isinstance(node, Scalar) and node.plain


def _text(node: Node) -> str:
    if not isinstance(node, Scalar) or not node.text.strip():
        raise _AtError("takes a piece of text", node.line)
    return node.text


def _number(node: Node, where: str = "") -> Fraction:
    if not isinstance(node, Scalar):
        raise _AtError(f"{where}takes a number", node.line)
    if not node.plain:
        raise _AtError(f"{where}{node.text!r} is text; write numbers without quotes", node.line)
    try:
        return parse_number(node.text)
    except UsageError as error:
        raise _AtError(f"{where}{error}", node.line) from None


def _weights(node: Node) -> tuple[tuple[Fraction, ...], tuple[int, ...]]:
    if not isinstance(node, Sequence) or not node.items:
        raise _AtError("takes rows of numbers, as in [[1, 2, 1], [2, 4, 2]]", node.line)
    first = node.items[0]
    if isinstance(first, Sequence) and first.items and isinstance(first.items[0], Sequence):
        planes = [_matrix(plane, f"channel {at}, ") for at, plane in enumerate(node.items, 1)]
        for at, (_, shape) in enumerate(planes, 1):
            if shape != planes[0][1]:
                raise _AtError(
                    f"channel {at} is {shape[0]}x{shape[1]}, channel 1 is {planes[0][1][0]}x{planes[0][1][1]}",
                    node.items[at - 1].line,
                )
        return tuple(v for values, _ in planes for v in values), (len(planes), *planes[0][1])
    return _matrix(node, "")


def _matrix(node: Node, where: str) -> tuple[tuple[Fraction, ...], tuple[int, ...]]:
    if not isinstance(node, Sequence) or not node.items:
        raise _AtError(f"{where}takes rows of numbers, as in [[1, 2, 1], [2, 4, 2]]", node.line)
    values: list[Fraction] = []
    width = len(node.items[0].items) if isinstance(node.items[0], Sequence) else 0
    # Before the numbers are read: a line of 100,000 of them takes a second.
    if max(width, len(node.items)) > MAX_SIDE:
        raise _AtError(
            f"{where}is {len(node.items)}x{width}; the largest side is {MAX_SIDE}, which is fixed", node.line
        )
    for row, line in enumerate(node.items, 1):
        if not isinstance(line, Sequence) or not line.items:
            raise _AtError(f"{where}row {row} is not a list of numbers", line.line)
        if len(line.items) != width:
            raise _AtError(f"{where}row {row} has {len(line.items)} weights, row 1 has {width}", line.line)
        values += [_number(item, f"{where}row {row}, column {at}: ") for at, item in enumerate(line.items, 1)]
    return tuple(values), (len(node.items), width)
