"""``convtool plan``: what a layer or a stack does to a picture of some size, in numbers."""

from __future__ import annotations

import re
from json import dumps
from pathlib import Path
from typing import Any

import click

from convtool import console
from convtool.cli.groups import option
from convtool.cli.layered import LayeredCommand, StackWords, layer_options, run_options, stack_of
from convtool.errors import ConvtoolError, InputError, UsageError
from convtool.pictures import limits
from convtool.stdio import check_stdout, print_line
from convtool.text import parse_count

EXAMPLES = """
convtool plan 8x8 -k sharpen -p 0       one channel; 9 weights against 64 x 36
convtool plan 224x224x3 --stack edges   rows, columns, channels
convtool plan photo.jpg -k sobel --then gaussian:sigma=2
"""

EPILOG = """
Parameters are counted as a convolutional layer has them: once, however many windows share them. "Fully connected" is
a layer without sharing between the same inputs and outputs. Times are estimates for one thread of a desktop processor.
"""


@click.command("plan", cls=LayeredCommand, examples=EXAMPLES, epilog=EPILOG,
               short_help="Shapes, parameters and cost of layers.")  # fmt: skip
@click.argument("what", metavar="SIZE|IMAGE")
@layer_options
@run_options("dtype", "alpha")
@option("--json", group="Checking", is_flag=True, help="One JSON line per layer on stdout.")
@option("--debug", group="Checking", is_flag=True, help="Show tracebacks.")
def command(what: str, words: StackWords, kernel_dir: str | None, *, json: bool, debug: bool) -> int:
    """Show what layers do to a picture of some size: shapes, parameters, receptive field, cost.

    SIZE is rows x columns, or rows x columns x channels, as in 224x224x3; of IMAGE only the header is read.
    """
    check_stdout("the result")
    from convtool.kernels.library import Library
    from convtool.layers.costs import stack_facts
    from convtool.layers.plan import plan_stack
    from convtool.layers.plan_table import plan_lines, plan_values

    library = Library(kernel_dir)
    stack = stack_of(words, library)
    for note in library.notes:
        console.say(note)
    layout = _layout(what)
    try:
        facts = stack_facts(plan_stack(stack, layout))
    except ConvtoolError as error:
        raise type(error)(f"{what}: {error}") from None
    if json:
        for values in plan_values(facts):
            print_line(dumps(values))
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
