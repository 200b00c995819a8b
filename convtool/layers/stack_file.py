"""Stacks from YAML files: layers in a row, each with its kernels and its own options.

    summary: Edges of a softened picture
    layers:
      - kernels: gaussian:sigma=1.4
      - kernels: [sobel-x, sobel-y]
        merge: magnitude
    kernels:            # definitions of the stack's own, looked up first
      ...

A stack is found by the name of its file in the folder ``stacks`` of the kernel folders, or by its path.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from convtool.errors import ConvtoolError, KernelError, UsageError
from convtool.kernels.construction import with_biases
from convtool.kernels.definitions import check_definitions, check_name, fold
from convtool.kernels.spec import YAML_SUFFIXES, parse_spec
from convtool.kernels.yaml_nodes import Mapping, Node, Scalar, Sequence, read_yaml
from convtool.layers.settings import LAYER, RUN, SCALING, Option, Settings, scaling_of, settings_of
from convtool.layers.stack import Layer, Stack, make_stack, stack_maps
from convtool.text import did_you_mean

if TYPE_CHECKING:
    from convtool.kernels.library import Library

FOLDER = "stacks"
"""Where a folder of kernels has its stacks."""

LAYER_ROWS = {row.name: row for row in LAYER}
RUN_ROWS = {row.name: row for row in (*SCALING, *(row for row in RUN if row.name == "range"))}
"""Options of a layer and of the whole that a file may have; their text is read as on the command line."""

LAYER_KEYS = ("kernels", "bias-from", *LAYER_ROWS)
KEYS = ("summary", "source", "layers", "kernels", *RUN_ROWS)


@dataclass(frozen=True)
class StackFile:
    """A stack as its file has it."""

    path: Path
    stack: Stack
    summary: str
    source: str


def load_stack(text: str, library: Library) -> Stack:
    """The stack of a name or a file; raises KernelError."""
    return read_stack(find_stack(text, library), library).stack


def find_stack(text: str, library: Library) -> Path:
    """The file of a stack: a path to a YAML file, or the name of one in ``stacks`` of a kernel folder."""
    if not text.strip():
        raise KernelError("--stack is empty; name a stack, or a YAML file")
    is_yaml = text.lower().endswith(YAML_SUFFIXES)
    is_path = is_yaml or "/" in text or "\\" in text
    names: list[str] = []
    for path in () if is_path else stack_paths(library):
        if fold(path.stem) == fold(text):
            return path
        names.append(path.stem)
    if Path(text).is_dir():
        raise KernelError(f"--stack {text}: is a folder; name a YAML file in it")
    if Path(text).is_file() and not is_yaml:
        raise KernelError(f"--stack {text}: is no YAML file, as stacks are")
    if is_path:
        return Path(text)
    hint = did_you_mean(text, names) or f"; there are {', '.join(names)}, or name a file, as in my.yaml"
    raise KernelError(f"there is no stack {text!r}{hint}")


def stack_paths(library: Library) -> Iterator[Path]:
    """Every stack file that can be named, in the order of lookup."""
    for folder in library.folders:
        try:
            entries = sorted((folder.path / FOLDER).iterdir())
        except OSError:
            continue
        yield from (path for path in entries if path.suffix.lower() in YAML_SUFFIXES and path.name[0] != ".")


def is_stack(path: Path) -> bool:
    """Whether a YAML file has layers; raises KernelError if it cannot be read."""
    return any(key.text == "layers" for key, _ in read_yaml(path).pairs)


def read_stack(path: Path, library: Library) -> StackFile:
    """A stack file, checked whole; raises KernelError with file, line and key."""
    top = read_yaml(path)
    nodes = {key.text: (key, node) for key, node in top.pairs}
    if "layers" not in nodes:
        near = next((key for key, _ in top.pairs if did_you_mean(key.text, ("layers",))), None)
        if near is not None:
            raise KernelError(f"{path}:{near.line}: unknown key {near.text!r}; did you mean layers?")
        raise KernelError(f"{path}: has no layers, so it is no stack; --kernel {path} takes kernels")
    for key, _ in top.pairs:
        if key.text not in KEYS:
            hint = did_you_mean(key.text, KEYS) or f"; known are {', '.join(KEYS)}"
            raise KernelError(f"{path}:{key.line}: unknown key {key.text!r}{hint}")
    library.adopt(path, {})
    if "kernels" in nodes:
        own = nodes["kernels"][1]
        if not isinstance(own, Mapping):
            raise KernelError(f"{path}:{own.line}: kernels: maps names to definitions, as in a kernel file")
        library.adopt(path, check_definitions(own, path))
    reader = _Reader(path, library)
    given = {word: reader.value(word, nodes[word][1], row) for word, row in RUN_ROWS.items() if word in nodes}
    run = settings_of(RUN, given)._replace(scaling=scaling_of(given))
    key, node = nodes["layers"]
    if not isinstance(node, Sequence) or not node.items:
        raise KernelError(f"{path}:{key.line}: layers: takes a list, one entry with kernels for each layer")
    layers = [reader.layer(number, entry, run) for number, entry in enumerate(node.items, 1)]
    texts = {word: reader.text(word, nodes[word][1]) if word in nodes else "" for word in ("summary", "source")}
    try:
        stack = make_stack(layers, check_name(path.stem))
        stack_maps(stack)
    except ConvtoolError as error:
        raise KernelError(f"{path}: {error}") from None
    return StackFile(path, stack, **{word: " ".join(text.split()) for word, text in texts.items()})


class _Reader:
    """Turns the nodes of one file into values, with the line in every error."""

    def __init__(self, path: Path, library: Library) -> None:
        self.path, self.library = path, library

    def layer(self, number: int, node: Node, run: Settings) -> Layer:
        """One entry of the list of layers."""
        if not isinstance(node, Mapping):
            raise KernelError(f"{self.path}:{node.line}: layer {number}: takes keys, kernels and the layer's options")
        given: dict[str, object] = {}
        nodes: dict[str, Node] = {}
        for key, value in node.pairs:
            if key.text not in LAYER_KEYS:
                hint = did_you_mean(key.text, LAYER_KEYS) or f"; known are {', '.join(LAYER_KEYS)}"
                raise KernelError(f"{self.path}:{key.line}: layer {number}: unknown key {key.text!r}{hint}")
            nodes[key.text] = value
            if key.text in LAYER_ROWS:
                given[key.text] = self.value(f"layer {number}: {key.text}", value, LAYER_ROWS[key.text])
        if "kernels" not in nodes:
            raise KernelError(f"{self.path}:{node.line}: layer {number}: has no kernels")
        if "bias" in nodes and "bias-from" in nodes:
            raise KernelError(f"{self.path}:{node.line}: layer {number}: bias and bias-from contradict each other")
        specs = nodes["kernels"]
        try:
            texts = [self._spec(self.text("kernels", item)) for item in _items(specs)]
            sets = self.library.load_all(texts, home=self.path)
            if "bias-from" in nodes:
                specs = nodes["bias-from"]
                sets = with_biases(sets, self._spec(self.text("bias-from", specs)))
        except KernelError as error:
            if str(error).startswith(f"{self.path}:"):  # it names a line of this file already
                raise
            raise KernelError(f"{self.path}:{specs.line}: layer {number}: {error}") from None
        return Layer(tuple(sets), settings_of(LAYER, given, run))

    def _spec(self, text: str) -> str:
        """A spec with its file, if it has one, looked up from the folder of this file."""
        spec = parse_spec(text)
        if not spec.file or Path(spec.file).is_absolute():
            return text
        return str(self.path.parent / spec.file) + text.strip()[len(spec.file) :]

    def text(self, key: str, node: Node) -> str:
        """A piece of text."""
        if not isinstance(node, Scalar) or not node.text.strip():
            raise KernelError(f"{self.path}:{node.line}: {key}: takes a piece of text")
        return node.text

    def value(self, key: str, node: Node, row: Option) -> object:
        """The value of an option, written as on the command line; several numbers may be a list."""
        text = ",".join(self.text(key, item) for item in _items(node))
        try:
            return row.read(text)
        except UsageError as error:
            raise KernelError(f"{self.path}:{node.line}: {key}: {error}") from None


def _items(node: Node) -> tuple[Node, ...]:
    return node.items if isinstance(node, Sequence) else (node,)
