"""The files that ``convtool explain`` writes: a page, an animation; ``-`` is standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from convtool import console
from convtool.errors import OutputError, UsageError
from convtool.stdio import check_stdout, write_stdout

if TYPE_CHECKING:
    from convtool.cli.explain_arguments import Arguments
    from convtool.explain.model import Explanation

STDOUT = "-"


def check_file(file: str, given: Arguments) -> None:
    """Raise UsageError or OutputError for a file that cannot be written, or should not be."""
    if file == STDOUT:
        check_stdout("the page")
        if sys.stdout.isatty():
            raise UsageError("--html -: standard output is a terminal; redirect it, or name a file")
        if given.places or given.steps:
            raise UsageError("--html - and the text would both go to standard output; name a file with --html")
        return
    path = Path(file)
    if path.is_dir():
        raise OutputError(f"{file}: is a folder; name a file")
    if not path.parent.is_dir():
        raise OutputError(f"{file}: the folder {path.parent} does not exist")
    if not os.path.lexists(file):
        return
    source = Path(given.picture or "-")
    if source.exists() and path.exists() and path.samefile(source):
        raise OutputError(f"{file}: is the input; convtool never writes over an input")
    if not given.force:
        raise OutputError(f"{file}: exists; --force replaces it")


def write_page(file: str, found: Explanation, given: Arguments) -> None:
    """Write the page of a run."""
    from importlib import import_module

    page: str = import_module("convtool.explain.page").render(found, given.lang)
    _write(file, page.encode("utf-8"), found, given)


def write_animation(file: str, part: Callable[[int, int], Explanation], given: Arguments) -> None:
    """Write the animation of the ``part`` of a run that can be drawn."""
    from convtool.explain.animation import animation
    from convtool.explain.stepping import SIDE, SMALL, steps_of

    found = part(SIDE, SMALL)
    steps = steps_of(found, "--animate")
    _write(file, animation(found, steps, gif=file.lower().endswith(".gif")), found, given)


def _write(file: str, data: bytes, found: Explanation, given: Arguments) -> None:
    """Write a file whole or not at all, and say which part of the picture it shows."""
    from convtool.runs.atomic import replacing

    if file == STDOUT:
        write_stdout(lambda out: out.write(data))
    else:
        try:
            with replacing(Path(file)) as out:
                out.write(data)
        except OSError as error:
            # Told by the name that was asked for, not by that of the temporary file beside it.
            raise OSError(error.errno, f"cannot be written ({error.strerror or error})", file) from None
    crop = found.source.crop
    if found.source.automatic and crop is not None and not given.quiet:
        ends = (
            f"rows {crop.row} to {crop.row + crop.height - 1}, columns {crop.column} to {crop.column + crop.width - 1}"
        )
        name = "the page" if file == STDOUT else file
        console.say(f"{name}: shows {ends}, run as a picture of its own; --crop R,C,H,W takes another part")
