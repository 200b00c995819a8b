"""Options that belong to the layer after whose kernel they stand: ``--then SPEC`` begins the next one.

    convtool apply img.png -k gaussian:sigma=1.4 --pad 0 --then sobel --merge magnitude -o edges.png
                           `------- layer 1 ----------' `-------- layer 2 ------------'

What stands before the first ``--then`` belongs to layer 1, and every layer begins with the defaults. All other options
and the inputs may stand anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

import click

from convtool.cli.groups import EVERYDAY, GroupedCommand, option
from convtool.cli.types import Parsed
from convtool.errors import UsageError
from convtool.layers.settings import LAYER, RUN, SCALING, Option, Settings, scaling_of, settings_of
from convtool.tuples import NamedTuple

if TYPE_CHECKING:
    from convtool.kernels.library import Library
    from convtool.layers.stack import Layer, Stack

THEN = "--then"
OWN = {"kernels": "kernel", "bias_from": "bias-from", **{row.name: row.name for row in LAYER}}
"""Parameters of a layer and the options that fill them; all other parameters are of the run."""


class LayerWords(NamedTuple):
    """The options of one layer, checked."""

    kernels: tuple[str, ...]
    bias_from: str | None
    settings: Settings
    """Those of the layer alone; what belongs to the run is by default."""
    typed: tuple[str, ...]
    """Names of the options that were given."""


class StackWords(NamedTuple):
    """The options that say what is computed, checked."""

    layers: tuple[LayerWords, ...]
    stack: str | None
    run: Mapping[str, object]
    """Values of the options of the whole run, by their names; None for one that was not given."""

    @property
    def settings(self) -> Settings:
        """The settings of the run, without those of any layer."""
        return self.over(Settings())

    def over(self, base: Settings) -> Settings:
        """The settings of the run, where nothing is said those of ``base``."""
        scaling = scaling_of(self.run, base.scaling)
        return settings_of(RUN, self.run, Settings(range=base.range, scaling=scaling))


def _only_one(_: click.Context, __: click.Parameter, stacks: tuple[str, ...]) -> str | None:
    """The one stack: of several, click would take the last without a word."""
    if len(stacks) > 1:
        raise UsageError("--stack is given twice, and a run takes one; --then adds layers after it")
    return stacks[0] if stacks else None


def row_option(row: Option) -> Callable[[Any], Any]:
    """An option of the command line from its row."""
    words = ([f"-{row.letter}"] if row.letter else []) + [f"--{row.name}"]
    help_text = f"{row.help}  [{row.default}]" if row.default else row.help
    if not row.value:
        return option(*words, group=row.group, is_flag=True, help=help_text)
    return option(*words, group=row.group, type=Parsed(row.value, row.read), help=help_text)


OPTIONS = (
    option("-k", "--kernel", "kernels", group=EVERYDAY, multiple=True, metavar="SPEC", help="Name, name:param=V, "
           'name@ANGLE, file, file#name or weights as in "1 2 1; 2 4 2"; repeatable.'),
    option("--kernel-dir", group="Kernel", metavar="DIR", help="Look kernels up here first."),
    *(row_option(row) for row in LAYER),
    option("--bias-from", group="Kernel", metavar="FILE#NAME", help="Take the biases from an array, one a kernel."),
    option("--then", group="Layers", multiple=True, metavar="SPEC", help="Begin the next layer, on the float maps of "
           "the one before; the options of a layer that follow are its own."),
    option("--stack", group="Layers", multiple=True, callback=_only_one, metavar="NAME|FILE", help="Layers from a YAML "
           "file, or by name: edges, blobs, look."),
    *(row_option(row) for row in SCALING),
)  # fmt: skip


def layer_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Declare the options of layers, and of what comes before the first, on a command."""
    for each in reversed(OPTIONS):
        command = each(command)
    return command


def run_options(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare those options of the whole run that have these names."""

    def declare(command: Callable[..., Any]) -> Callable[..., Any]:
        for row in reversed(RUN):
            command = row_option(row)(command) if row.name in names else command
        return command

    return declare


class LayeredCommand(GroupedCommand):
    """A command whose layer options start anew after each ``--then``; its parameter ``words`` is a StackWords."""

    def make_parser(self, ctx: click.Context) -> Any:
        """A parser that knows ``-k`` by its whole word: click would first look for long options that resemble it."""
        parser = super().make_parser(ctx)
        for word, found in parser._short_opt.items():
            parser._long_opt.setdefault(word, found)
        return parser

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Hand the options after every ``--then`` that are not a layer's to the command itself."""
        head, *tails = _split(args)
        layers: list[LayerWords] = []
        words: list[str] = []
        inputs: list[str] = []
        for spec, tail in tails:
            found, _, order = self.make_parser(ctx).parse_args(args=list(tail))
            found["kernels"] = [spec, *found.get("kernels", [])]
            layers.append(self._layer(ctx, found))
            for param in dict.fromkeys(order):
                name = param.name or ""
                if isinstance(param, click.Argument):
                    values = found.get(name)
                    inputs += values if isinstance(values, (list, tuple)) else []
                elif name not in OWN and name in found:
                    words += [param.opts[-1]] if getattr(param, "is_flag", False) else [param.opts[-1], found[name]]
        dash = ["--"] if "--" not in head[1] and any(text.startswith("-") and text != "-" for text in inputs) else []
        left = super().parse_args(ctx, [*words, *head[1], *dash, *inputs])
        first = layer_words({name: ctx.params.pop(name) for name in OWN})
        run = {row.name: ctx.params.pop(row.name, None) for row in (*RUN, *SCALING)}
        del ctx.params["then"]
        ctx.params["words"] = StackWords((first, *layers), ctx.params.pop("stack"), run)
        return left

    def _layer(self, ctx: click.Context, found: dict[str, Any]) -> LayerWords:
        own = click.Context(self, parent=ctx.parent, info_name=ctx.info_name)
        for param in self.params:
            if param.name in OWN:
                param.handle_parse_result(own, {param.name: found[param.name]} if param.name in found else {}, [])
        return layer_words(own.params)


def layer_words(given: Mapping[str, Any]) -> LayerWords:
    """The options of a layer from click's parameters."""
    # What is not given may be a mark of click's own, an enumeration.
    values = {name: None if isinstance(value, Enum) else value for name, value in given.items() if name in OWN}
    typed = tuple(name for name in OWN if values.get(name) not in (None, False, ()))
    return LayerWords(tuple(values["kernels"] or ()), values.get("bias_from"), settings_of(LAYER, values), typed)


def _split(args: list[str]) -> list[tuple[str, list[str]]]:
    """Arguments cut at every ``--then``: (its SPEC, what follows), the first with an empty SPEC."""
    parts: list[tuple[str, list[str]]] = [("", [])]
    at = 0
    while at < len(args):
        word = args[at]
        if word == "--":
            parts[-1][1].extend(args[at:])
            break
        if word == THEN:
            if at + 1 == len(args):
                raise UsageError("--then takes a kernel spec, as in --then sobel")
            parts.append((args[at + 1], []))
            at += 2
            continue
        if word.startswith(f"{THEN}="):
            parts.append((word.partition("=")[2], []))
        else:
            parts[-1][1].append(word)
        at += 1
    return parts


def stack_of(words: StackWords, library: Library) -> Stack:
    """The layers that the options ask for; raises UsageError or KernelError."""
    from convtool.layers.stack import make_stack

    first, *others = words.layers
    named = None
    if words.stack is not None:
        from convtool.layers.stack_file import load_stack

        if first.typed:
            own = first.typed[0]
            way = f"--then adds layers, as in --then {first.kernels[0]}" if own == "kernels" else "leave it out"
            raise UsageError(f"--stack brings its own kernels and their options, --{OWN[own]} too; {way}")
        named = load_stack(words.stack, library)
    elif not first.kernels:
        raise UsageError("no kernel; give one with -k, as in -k sobel (`convtool kernels` lists the names)")
    run = words.over(named.settings) if named else words.settings
    found = list(named.in_run(run).layers) if named else [layer_of(first, library, run)]
    return make_stack([*found, *(layer_of(each, library, run) for each in others)], named.name if named else "")


def layer_of(words: LayerWords, library: Library, run: Settings) -> Layer:
    """A layer from its options; ``run`` holds what belongs to the whole run."""
    from convtool.kernels.construction import with_biases
    from convtool.layers.stack import Layer

    sets = library.load_all(list(words.kernels))
    if words.bias_from is not None:
        if words.settings.bias is not None:
            raise UsageError("--bias and --bias-from contradict each other; give one of them")
        sets = with_biases(sets, words.bias_from)
    return Layer(tuple(sets), words.settings.in_run(run))
