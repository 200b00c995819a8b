"""Options in groups: help shows the everyday ones first, and the others by what they are about."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click

from convtool.pictures import limits

EVERYDAY = "Everyday"
GROUPS = (EVERYDAY, "Input", "Kernel", "Window", "Channels and values", "Layers", "Output", "Batch", "Checking")
LAST = GROUPS[-1]


class GroupedOption(click.Option):
    """An option that belongs to a group."""

    def __init__(self, *arguments: Any, group: str, **more: Any) -> None:
        assert group in GROUPS, group
        super().__init__(*arguments, **more)
        self.group = group

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The option and what is said of it, without click's way of writing a range of numbers."""
        record = super().get_help_record(ctx)
        return record and (record[0], re.sub(r"  \[(?:\d+<=?)?x(?:[<>]=?\d+)?\]$", "", record[1]))


def option(*words: str, group: str, **more: Any) -> Callable[[Any], Any]:
    """``click.option`` with a group."""
    return click.option(*words, cls=GroupedOption, group=group, **more)


INPUT_OPTIONS = (
    option("--max-pixels", group="Input", type=click.IntRange(1), default=limits.MAX_PIXELS, metavar="N",
           help=f"Refuse larger pictures.  [{limits.MAX_PIXELS}]"),
    option("--max-bytes", group="Input", type=click.IntRange(1), default=limits.MAX_BYTES, metavar="N",
           help="Refuse more on stdin and in lists.  [1 GiB]"),
    option("--lenient", group="Input", is_flag=True, help="Take what can be read of damaged files, and say so."),
)  # fmt: skip


def input_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Declare what limits the reading of pictures on a command."""
    for each in reversed(INPUT_OPTIONS):
        command = each(command)
    return command


class GroupedCommand(click.Command):
    """A command whose help has examples first and then its options in groups."""

    def __init__(self, *arguments: Any, examples: str = "", **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.examples = examples

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the command does, and examples."""
        super().format_help_text(ctx, formatter)
        with formatter.section("Examples"):
            for line in self.examples.strip("\n").splitlines():
                formatter.write(f"{'':>{formatter.current_indent}}{line}\n")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, group by group."""
        rows: dict[str, list[tuple[str, str]]] = {group: [] for group in GROUPS}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                rows[getattr(parameter, "group", LAST)].append(record)
        for group, records in rows.items():
            if records:
                with formatter.section(group):
                    formatter.write_dl(records)
