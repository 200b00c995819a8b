"""Options that belong to the layer they stand behind: ``--then SPEC`` begins the next one.

    convtool apply img.png -k gaussian:sigma=1.4 --pad 0 --then sobel --merge magnitude -o edges.png
                           `------- layer 1 ----------' `-------- layer 2 ------------'

What stands before the first ``--then`` belongs to layer 1, and every layer begins with the defaults. All other options
and the inputs may stand anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any

import click

from convtool.cli import types
from convtool.errors import UsageError
from convtool.layers import options

if TYPE_CHECKING:
    from convtool.kernels.library import Library
    from convtool.layers.maps import Settings
    from convtool.layers.stack import Layer, Stack

THEN = "--then"
OPTION_NAMES = {"kernels": "kernel", "bias_from": "bias-from"}
LAYER = (
    *("kernels", "stride", "pad", "border", "dilation", "channels", "flip", "bias", "bias_from"),
    *("merge", "activation", "pool", "groups", "maps"),
)
"""Parameters of a layer; all others are of the run."""

Given = dict[str, Any]


def _only_one(_: click.Context, __: click.Parameter, stacks: tuple[str, ...]) -> str | None:
    """The one stack: of several, click would take the last without a word."""
    if len(stacks) > 1:
        raise UsageError("--stack is given twice, and a run takes one; --then adds layers behind it")
    return stacks[0] if stacks else None


OPTIONS = (
    click.option(
        "-k",
        "--kernel",
        "kernels",
        multiple=True,
        metavar="SPEC",
        help='Name, name:param=V, name@ANGLE, file, file#name or weights "1 2 1; 2 4 2"; repeatable.',
    ),
    click.option("--kernel-dir", metavar="DIR", help="Look kernels up here first."),
    click.option("-s", "--stride", type=types.STRIDE, default="1", help="Step of the window, rows x columns.  [1]"),
    click.option(
        "-p", "--pad", type=types.PADDING, default="same", help="N, NxM, T,R,B,L, same, valid or full.  [same]"
    ),
    click.option(
        "-b",
        "--border",
        type=types.BORDER,
        help="zeros, constant=V, replicate, reflect, symmetric, circular.  [reflect for same, else zeros]",
    ),
    click.option("--dilation", type=types.DILATION, default="1", help="Distance between taps, rows x columns.  [1]"),
    click.option(
        "--channels",
        type=types.word("channels", options.CHANNELS),
        help="each, sum (one plane), luma, or one of r g b a.  [sum for kernels with depth, else each]",
    ),
    click.option("--flip", is_flag=True, help="Turn the weights by 180 degrees; the anchor stays."),
    click.option("--bias", type=types.NUMBER, help="Replace the kernel's bias, in sample units."),
    click.option("--bias-from", metavar="FILE#NAME", help="Take the biases from an array, one a kernel."),
    click.option(
        "--groups",
        type=types.GROUPS,
        default="1",
        help="Groups of channels, each seen by its share of the kernels.  [1]",
    ),
    click.option("--maps", type=types.MAPS, help="Use these kernels only, counted from 0: 0,3,8-11.  [all]"),
    click.option(
        "--activation",
        type=types.ACTIVATION,
        help="none, relu, leaky:A, abs, sigmoid or tanh, behind the bias.  [none]",
    ),
    click.option(
        "--pool", type=types.POOL, help="max:N or avg:N, with a stride as in max:3:2, behind the activation.  [none]"
    ),
    click.option(
        "--merge", type=types.word("merge", options.MERGES), help="Join the maps of each kernel set into one."
    ),
    click.option(
        "--then",
        multiple=True,
        metavar="SPEC",
        help="The next layer, on the float maps of the one before; --kernel to --merge behind it are its own.",
    ),
    click.option(
        "--stack",
        multiple=True,
        callback=_only_one,
        metavar="NAME|FILE",
        help="Layers from a YAML file, or by name: edges, blobs, look.",
    ),
    click.option(
        "--scale",
        type=types.SCALE,
        help="Multiply samples first, as in 1/255 (a kernel's scale is another thing: it multiplies weights).  [1]",
    ),
    click.option("--mean", type=types.MEAN, help="Then subtract this, one number a channel.  [0]"),
    click.option("--std", type=types.STD, help="Then divide by this, one number a channel.  [1]"),
    click.option(
        "--order",
        type=types.word("order", options.ORDERS),
        help="Order in which kernels with depth see the channels: rgb or bgr.  [rgb]",
    ),
)


def layer_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Declare the options of layers, and of what comes before the first, on a command."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


class LayeredCommand(click.Command):
    """A command whose layer options start anew behind each ``--then``; ``ctx.params["layers"]`` holds those layers."""

    def make_parser(self, ctx: click.Context) -> Any:
        """A parser that knows ``-k`` by its whole word: click would first look for long options that resemble it."""
        parser = super().make_parser(ctx)
        for word, option in parser._short_opt.items():
            parser._long_opt.setdefault(word, option)
        return parser

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Hand the options behind every ``--then`` that are not a layer's to the command itself."""
        head, *tails = _split(args)
        layers: list[Given] = []
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
                elif name not in LAYER and name in found:
                    words += [param.opts[-1]] if getattr(param, "is_flag", False) else [param.opts[-1], found[name]]
        dash = ["--"] if "--" not in head[1] and any(text.startswith("-") and text != "-" for text in inputs) else []
        left = super().parse_args(ctx, [*words, *head[1], *dash, *inputs])
        ctx.params["layers"] = layers
        ctx.params["explicit"] = {
            name for name in LAYER if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        }
        return left

    def _layer(self, ctx: click.Context, found: Given) -> Given:
        own = click.Context(self, parent=ctx.parent, info_name=ctx.info_name)
        for param in self.params:
            if param.name in LAYER:
                param.handle_parse_result(own, {param.name: found[param.name]} if param.name in found else {}, [])
        # What is not given may be a mark of click's own, an enumeration; None says the same.
        return {name: None if isinstance(own.params.get(name), Enum) else own.params.get(name) for name in LAYER}


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


def stack_of(given: Given, library: Library) -> Stack:
    """The layers that the options ask for; raises UsageError or KernelError."""
    from convtool.layers.maps import Settings
    from convtool.layers.options import Scaling
    from convtool.layers.stack import make_stack

    layers: list[Given] = [given, *given["layers"]]
    named = None
    if given["stack"] is not None:
        from convtool.layers.stack_file import load_stack

        own = next((name for name in LAYER if name in given["explicit"]), None)
        if own is not None:
            way = f"--then adds layers, as in --then {given['kernels'][0]}" if own == "kernels" else "leave it out"
            what = f"--{OPTION_NAMES.get(own, own)}"
            raise UsageError(f"--stack brings its own kernels and their options, {what} too; {way}")
        named = load_stack(given["stack"], library)
        layers = layers[1:]
    elif not given["kernels"]:
        raise UsageError("no kernel; give one with -k, as in -k sobel (`convtool kernels` lists the names)")
    theirs = named.settings if named else Settings()
    scaling = theirs.scaling
    run = Settings(
        range=given.get("range_") or theirs.range,
        dtype=given.get("dtype"),
        alpha=given.get("alpha", "weighted"),
        linear=given.get("linear", False),
        scaling=Scaling(
            scale=given["scale"] or scaling.scale,
            mean=given["mean"] or scaling.mean,
            std=given["std"] or scaling.std,
            order=given["order"] or scaling.order,
        ),
    )
    found = [] if named is None else list(named.with_run(**run_words(run)).layers)
    return make_stack([*found, *(layer_of(each, library, run) for each in layers)], named.name if named else "")


def run_words(settings: Settings) -> dict[str, object]:
    """Those settings that belong to the whole run."""
    return {name: getattr(settings, name) for name in ("range", "dtype", "alpha", "linear", "scaling")}


def layer_of(given: Given, library: Library, run: Settings) -> Layer:
    """A layer from its options; ``run`` holds what belongs to the whole run."""
    from convtool.kernels.construction import with_biases
    from convtool.layers.stack import Layer

    sets = library.load_all(given["kernels"])
    if given["bias_from"] is not None:
        if given["bias"] is not None:
            raise UsageError("--bias and --bias-from contradict each other; give one of them")
        sets = with_biases(sets, given["bias_from"])
    settings = run._replace(
        stride=given["stride"],
        padding=given["pad"],
        border=given["border"],
        dilation=given["dilation"],
        channels=given["channels"],
        flip=given["flip"],
        bias=given["bias"],
        merge=given["merge"],
        groups=given["groups"],
        maps=given["maps"],
        activation=given["activation"],
        pool=given["pool"],
    )
    return Layer(tuple(sets), settings)
