"""``convtool plan``: what a layer or a stack does to a picture of some size, in numbers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click

from convtool import console
from convtool.cli import types
from convtool.cli.layered import LayeredCommand, layer_options, stack_of
from convtool.errors import ConvtoolError, InputError, UsageError
from convtool.layers import options
from convtool.pictures import limits
from convtool.stdio import check_stdout, print_line
from convtool.text import parse_count

EPILOG = """\b
Examples:
  convtool plan 8x8 -k sharpen -p 0              one channel; 9 weights against 64 x 36
  convtool plan 224x224x3 --stack edges          rows, columns, channels
  convtool plan photo.jpg -k sobel --then gaussian:sigma=2
\b
Parameters are counted as a convolutional layer has them: once, however many windows share them. "Fully connected" is
a layer without sharing between the same inputs and outputs. Times are estimates for one thread of a desktop processor.
"""


@click.command("plan", cls=LayeredCommand, epilog=EPILOG, short_help="Shapes, parameters and cost of layers.")
@click.argument("what", metavar="SIZE|IMAGE")
@layer_options
@click.option("--dtype", type=types.word("dtype", options.DTYPES), help="Sample type of the output.  [the input's]")
@click.option("--alpha", type=types.word("alpha", options.ALPHAS), default="weighted", help="What transparency does.  "
              "[weighted]")  # fmt: skip
@click.option("--json", "json_", is_flag=True, help="One JSON line per layer on stdout.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def command(**given: Any) -> int:
    """Show what layers do to a picture of some size: shapes, parameters, receptive field, cost.

    SIZE is rows x columns, or rows x columns x channels, as in 224x224x3; of IMAGE only the header is read.
    """
    check_stdout("the result")
    from convtool.kernels.library import Library
    from convtool.layers.costs import stack_facts
    from convtool.layers.plan import plan_stack
    from convtool.layers.plan_table import plan_lines, plan_values

    library = Library(given["kernel_dir"])
    stack = stack_of(given, library)
    for note in library.notes:
        console.say(note)
    layout = _layout(given["what"])
    try:
        facts = stack_facts(plan_stack(stack, layout))
    except ConvtoolError as error:
        raise type(error)(f"{given['what']}: {error}") from None
    if given["json_"]:
        for values in plan_values(facts):
            print_line(json.dumps(values))
        return 0
    for line in plan_lines(facts):
        print_line(console.shown(line))
    return 0


def _layout(what: str) -> Any:
    """The layout of a size in words, or of a picture's header."""
    from convtool.pictures.picture import Layout

    if match := re.fullmatch(r"(\d+)[xX](\d+)(?:[xX](\d+))?", what, re.ASCII):
        rows, columns, channels = (parse_count(text or "1", "size") for text in match.groups())
        if rows * columns > limits.MAX_PIXELS:
            raise UsageError(f"{what} has {rows * columns:,} pixels, the limit is {limits.MAX_PIXELS:,}")
        return Layout(rows, columns, channels, False, "uint8")
    from convtool.pictures.limits import Limits
    from convtool.pictures.reader import read_layout

    if not Path(what).exists() and not Path(what).suffix:
        raise UsageError(f"{what!r} is no picture and no size; write rows x columns, as in 8x8 or 224x224x3")
    try:
        return read_layout(Path(what), Limits(reduce_16bit=True))
    except InputError as error:
        raise InputError(f"{what}: {error}") from None
