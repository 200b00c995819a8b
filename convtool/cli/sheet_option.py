"""``--sheet`` with or without a word: only ``png`` and ``html`` belong to it, anything else behind it is an input."""

from __future__ import annotations

import os
from itertools import pairwise

import click

from convtool.cli.layered import LayeredCommand
from convtool.errors import UsageError
from convtool.layers.options import SHEETS
from convtool.text import did_you_mean


class SheetCommand(LayeredCommand):
    """A command whose ``--sheet`` stands for ``--sheet=png``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments with the word filled in."""
        return super().parse_args(ctx, _filled_in(args))


def _filled_in(args: list[str]) -> list[str]:
    end = args.index("--") if "--" in args else len(args)
    for word, behind in pairwise(args[:end]):
        if word == "--sheet" and behind.isalnum() and behind not in SHEETS and not os.path.lexists(behind):
            hint = did_you_mean(behind, SHEETS)
            raise UsageError(f"sheet {behind!r} is not {' or '.join(SHEETS)}, and no input has that name{hint}")
    return [
        f"--sheet={SHEETS[0]}" if word == "--sheet" and at < end and args[at + 1 : at + 2] not in ([s] for s in SHEETS)
        else word
        for at, word in enumerate(args)
    ]  # fmt: skip
