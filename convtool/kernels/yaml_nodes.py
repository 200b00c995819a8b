"""Read one YAML file into nodes that remember their line, refusing YAML's surprises.

Nothing is ever constructed: aliases, anchors, tags, several documents, duplicate keys and deep nesting are
errors, and a scalar stays the text that was written, so that ``010``, ``1:30`` or ``yes`` cannot turn into
something else on the way.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from pathlib import Path

import yaml

from convtool.errors import KernelError
from convtool.tuples import NamedTuple

MAX_BYTES = 256 * 1024
"""Largest kernel file; fixed. PyYAML takes seconds and gigabytes for lists of a few megabytes."""

MAX_DEPTH = 8
"""A definition needs five levels: file, kernel, depth, rows, weights."""

_CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What YAML does not allow as itself; its own message about them knows no line."""

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Scalar(NamedTuple):
    """A piece of text; ``plain`` if it stood without quotes."""

    text: str
    plain: bool
    line: int


class Sequence(NamedTuple):
    """A list of nodes."""

    items: tuple[Node, ...]
    line: int


class Mapping(NamedTuple):
    """Keys and their nodes, in the order of the file."""

    pairs: tuple[tuple[Scalar, Node], ...]
    line: int


Node = Scalar | Sequence | Mapping


def read_yaml(path: Path) -> Mapping:
    """The mapping at the top of a YAML file; raises KernelError with file and line."""
    return parse_yaml(_read(path), path)


def parse_yaml(text: str, path: Path) -> Mapping:
    """The mapping at the top of YAML text; ``path`` is named in errors."""
    if control := _CONTROL.search(text):
        line = text.count("\n", 0, control.start()) + 1
        raise KernelError(f"{path}:{line}: holds the control character {control[0]!r}; a kernel file is plain text")
    try:
        node = _compose(yaml.parse(text, Loader=_Loader), path)
    except yaml.YAMLError as error:
        raise KernelError(_syntax(error, text, path)) from None
    if node is None:
        if not text.strip():
            raise KernelError(f"{path}: is empty")
        raise KernelError(f"{path}: holds no kernels; a kernel file maps names to definitions")
    if not isinstance(node, Mapping):
        raise KernelError(f"{path}:{node.line}: a kernel file maps names to definitions, and this one does not")
    return node


def _read(path: Path) -> str:
    try:
        status = path.stat()
        data = path.read_bytes() if stat.S_ISREG(status.st_mode) and status.st_size <= MAX_BYTES else b""
    except OSError as error:
        raise KernelError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:  # a NUL in the name
        raise KernelError(f"{str(path)!r}: {error}") from None
    if stat.S_ISDIR(status.st_mode):
        raise KernelError(f"{path}: is a folder; name a file in it, or use --kernel-dir {path}")
    if not stat.S_ISREG(status.st_mode):
        raise KernelError(f"{path}: is not a regular file")
    if status.st_size > MAX_BYTES:
        raise KernelError(f"{path}: has {status.st_size} bytes; YAML files hold at most {MAX_BYTES}, a fixed limit")
    if len(data) > MAX_BYTES:
        raise KernelError(f"{path}: has more than {MAX_BYTES} bytes, a fixed limit of kernel files")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise KernelError(f"{path}:{line}: is not UTF-8 text; save it as UTF-8") from None


def _compose(events: Iterator[yaml.Event], path: Path) -> Node | None:
    root: list[Node] = []
    stack: list[tuple[list[Node], yaml.Event]] = [(root, next(events))]
    documents = 0
    for event in events:
        line = _line(event)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise KernelError(f"{path}:{line}: aliases and anchors (* and &) are not used in kernel files")
        if tag := getattr(event, "tag", None):
            raise KernelError(f"{path}:{line}: tags ({tag}) are not used in kernel files")
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise KernelError(f"{path}:{line}: a second document begins here; a kernel file holds one")
        elif isinstance(event, yaml.ScalarEvent):
            stack[-1][0].append(Scalar(event.value, event.style is None or event.style == "", line))
        elif isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            if len(stack) > MAX_DEPTH:
                raise KernelError(f"{path}:{line}: is nested deeper than {MAX_DEPTH} levels")
            stack.append(([], event))
        elif isinstance(event, yaml.SequenceEndEvent):
            items, start = stack.pop()
            stack[-1][0].append(Sequence(tuple(items), _line(start)))
        elif isinstance(event, yaml.MappingEndEvent):
            items, start = stack.pop()
            stack[-1][0].append(_mapping(items, _line(start), path))
    node = root[0] if root else None
    return None if isinstance(node, Scalar) and node.plain and node.text in ("", "~", "null") else node


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _mapping(items: list[Node], line: int, path: Path) -> Mapping:
    pairs: list[tuple[Scalar, Node]] = []
    seen: dict[str, int] = {}
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, Scalar):
            raise KernelError(f"{path}:{key.line}: a key has to be a plain word")
        if key.text in seen:
            raise KernelError(
                f"{path}:{key.line}: {key.text!r} stands here a second time (first in line {seen[key.text]})"
            )
        seen[key.text] = key.line
        pairs.append((key, value))
    return Mapping(tuple(pairs), line)


def _syntax(error: yaml.YAMLError, text: str, path: Path) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = " ".join(str(getattr(error, "problem", None) or "is not YAML").split())
    if mark is None:
        return f"{path}: {problem}"
    found = text.splitlines()[mark.line : mark.line + 1]
    character = found[0][mark.column : mark.column + 1] if found else ""
    if character == "\t" or "tab character" in problem:
        problem = "a tab stands where YAML wants blanks; indent with blanks"
    elif "mapping values are not allowed" in problem:
        problem = "a second colon with a blank after it; put a value that has one in quotes"
    elif "cannot start any token" in problem and character:
        problem = f"a word cannot begin with {character}; put it in quotes"
    return f"{path}:{mark.line + 1}: {problem}"
