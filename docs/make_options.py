"""Write the option table of the README from the command line itself: ``make options``.

With ``--check``, say whether the README is up to date instead.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from convtool.cli.apply import command

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- options: written by docs/make_options.py -->\n", "<!-- end of options -->"


def table() -> str:
    """The options of ``convtool apply`` as Markdown, in the order of its help."""
    rows = ["| option | meaning |", "|---|---|"]
    for parameter in command.params:
        if not isinstance(parameter, click.Option) or parameter.help is None:
            continue
        names = ", ".join(sorted(parameter.opts, key=len))
        value = "" if parameter.is_flag else f" {parameter.metavar or parameter.type.name}"
        if parameter.metavar is None and isinstance(parameter.type, click.IntRange):
            value = " N"
        meaning = " ".join(parameter.help.split()).replace("|", "\\|")
        rows.append(f"| `{names}{value}` | {meaning} |")
    return "\n".join(_escaped(row) for row in rows) + "\n"


def _escaped(row: str) -> str:
    """A pipe inside a code span would end the cell."""
    first, tick, rest = row.partition("`")
    code, end, tail = rest.partition("`")
    return first + tick + code.replace("|", "\\|") + end + tail


def updated(text: str) -> str:
    """The README with its table written anew."""
    head, _, rest = text.partition(BEGIN)
    return head + BEGIN + "\n" + table() + "\n" + END + rest.partition(END)[2]


def main() -> None:
    """Update or check the README."""
    text = README.read_text(encoding="utf-8")
    if "--check" in sys.argv:
        raise SystemExit(0 if updated(text) == text else "README.md: the option table is old; run make options")
    README.write_text(updated(text), encoding="utf-8")


if __name__ == "__main__":
    main()
