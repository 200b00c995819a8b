"""``--sheet`` with or without a word: only ``png`` and ``html`` belong to it, anything else behind it is an input."""

from __future__ import annotations

import click

from convtool.cli.layered import LayeredCommand
from convtool.options import SHEETS


class SheetCommand(LayeredCommand):
    """A command whose ``--sheet`` stands for ``--sheet=png``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments with the word filled in."""
        return super().parse_args(ctx, _filled_in(args))


def _filled_in(args: list[str]) -> list[str]:
    end = args.index("--") if "--" in args else len(args)
    return [
        f"--sheet={SHEETS[0]}" if word == "--sheet" and at < end and args[at + 1 : at + 2] not in ([s] for s in SHEETS)
        else word
        for at, word in enumerate(args)
    ]  # fmt: skip
