"""``convtool explain``: the sum behind every pixel, as text, step by step, as a page and as an animation."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from convtool import console
from convtool.cli import types
from convtool.cli.explain_arguments import ROWS, Arguments
from convtool.cli.explain_files import check_file, write_animation, write_page
from convtool.cli.groups import EVERYDAY, GroupedCommand, input_options, option
from convtool.cli.layered import row_option
from convtool.errors import GeometryError, InputError, UsageError
from convtool.layers import options
from convtool.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from convtool.console import Line
    from convtool.engine.geometry import Pair
    from convtool.explain.model import Crop, Explanation
    from convtool.explain.words import Words
    from convtool.kernels.kernel import KernelSet
    from convtool.layers.settings import Settings
    from convtool.pictures.picture import Picture

EXAMPLES = """
convtool explain --demo 8x8                    the tutorial's first sum
convtool explain --demo rgb --at 0,0           two filters over three channels
convtool explain img.png -k sobel-x --at 12,40
convtool explain img.png -k sobel-x --steps    window by window, with keys
convtool explain img.png -k four-views --html page.html
convtool explain --demo 8x8 --animate slide.gif --lang zh
"""

EPILOG = """\b
Rows come before columns, and both are counted from 0. Without --at, the
strongest answer is shown. Cells from the padding stand in parentheses.
"""

PAGE_SIDE = 32
"""Larger pictures are cropped to this side for a page: its cells can still be told apart."""


def _crops() -> Any:
    """Imported when one of its options is given."""
    from convtool.explain import crops

    return crops


def _run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Declare ``ROWS`` on the command."""
    for row in reversed(ROWS):
        command = row_option(row)(command)
    return command


@click.command("explain", cls=GroupedCommand, examples=EXAMPLES, epilog=EPILOG,
               short_help="Show the sum behind every pixel of a run.")  # fmt: skip
@click.argument("picture", required=False, metavar="[INPUT]")
@option("-k", "--kernel", "kernels", group=EVERYDAY, multiple=True, metavar="SPEC", help="Name, name:param=V, "
        'name@ANGLE, file, file#name or weights as in "1 2 1; 2 4 2"; repeatable.')  # fmt: skip
@option("--kernel-dir", group="Kernel", metavar="DIR", help="Look kernels up here first.")
@_run_options
@option("--demo", group=EVERYDAY, metavar="8x8|rgb", help="A built-in picture and its kernels instead of INPUT.")
@option("--at", "places", group=EVERYDAY, type=types.Parsed("ROW,COL", lambda text: _crops().parse_at(text)),
        multiple=True, help="Output pixel to show; repeatable.  [the strongest answer]")  # fmt: skip
@option("--steps", group=EVERYDAY, is_flag=True, help="Walk from window to window: next, back, play, quit.")
@option("--html", group=EVERYDAY, metavar="FILE", help="Write one page that shows the run (- is stdout).")
@option("--animate", group="Output", metavar="FILE", help="Write the sliding window as .gif or .png (APNG).")
@option("--crop", group="Input", type=types.Parsed("R,C,H,W", lambda text: _crops().parse_crop(text)),
        help="Run a part of the picture, as a picture of its own.")  # fmt: skip
@option("--lang", group="Output", type=types.word("lang", ("en", "zh"), "en|zh"), default="en", help="Language.  [en]")
@option("--force", group="Output", is_flag=True, help="Replace files that exist.")
@input_options
@option("-q", "--quiet", group="Checking", is_flag=True, help="Errors only.")
@option("--debug", group="Checking", is_flag=True, help="Show tracebacks.")
def command(**given: Any) -> int:
    """Show the arithmetic of one real run: windows, kernels, products, sums, and what is written.

    INPUT is a picture, or - for standard input.
    """
    values = {row.name: given.pop(row.name) for row in ROWS}
    return run(Arguments(values=values, **given))


def run(given: Arguments) -> int:
    """Carry out the command; the exit code. Raises ConvtoolError for what cannot be explained."""
    from convtool.explain.words import Words
    from convtool.kernels.library import Library

    _check(given)
    settings, picture, command = given.settings, None, _command(given)
    if given.demo:
        from convtool.explain.demos import load_demo

        made = load_demo(given.demo)
        picture = made.picture
        own = {row.setting: getattr(made.settings, row.setting) for row in ROWS if row.name in ("stride", "pad")
               and given.values[row.name] is None}  # fmt: skip
        settings = settings._replace(**own)
        given = given._replace(picture=made.file, kernels=given.kernels or made.kernels)
    library = Library(given.kernel_dir)
    sets = library.load_all(list(given.kernels))
    if not given.quiet:
        for note in library.notes:
            console.say(note)
    name = given.picture or "-"
    task = _Task(name, picture, sets, settings, given.crop, command, given.demo)
    try:
        return _show(task, given, Words(given.lang))
    except (GeometryError, InputError) as error:
        raise type(error)(f"{console.input_name(name)}: {error}") from None


def _check(given: Arguments) -> None:
    """Refuse what the options alone show to be wrong."""
    if given.demo and given.picture:
        raise UsageError("--demo brings its own picture; leave INPUT out")
    if not given.demo and not given.picture:
        raise UsageError("no input; name a picture, - for standard input, or --demo 8x8")
    if not given.demo and not given.kernels:
        raise UsageError("no kernel; give one with -k, as in -k sobel-x (`convtool kernels` lists the names)")
    if given.animate and Path(given.animate).suffix.lower() not in (".gif", ".png", ".apng"):
        raise UsageError(f"--animate {given.animate}: an animation is .gif or .png (APNG)")
    files = [file for file in (given.html, given.animate) if file]
    if len(files) == 2 and os.path.abspath(files[0]) == os.path.abspath(files[1]):
        raise UsageError("--html and --animate name the same file")
    for file in files:
        check_file(file, given)


def _command(given: Arguments) -> str:
    """The ``apply`` command of the run, or the demonstration's own, with the options that were given."""
    words = ["convtool", "explain", "--demo", given.demo] if given.demo else ["convtool", "apply", given.picture or "-"]
    for spec in given.kernels:
        words += ["-k", spec]
    if given.kernel_dir is not None:
        words += ["--kernel-dir", given.kernel_dir]
    for row in ROWS:
        value = given.values[row.name]
        if value is not None and value is not False:
            words += [f"--{row.name}"] if value is True else [f"--{row.name}", options.spelled(value)]
    return shlex.join(words)


class _Task(NamedTuple):
    """A picture and what is done with it; ``picture`` is None until its file has been read."""

    name: str
    picture: Picture | None
    sets: list[KernelSet]
    settings: Settings
    crop: Crop | None
    command: str
    demo: str | None


def _show(task: _Task, given: Arguments, words: Words) -> int:
    from convtool.explain import explain
    from convtool.explain.making import explain_part

    name, kind, picture = task.name, None, task.picture
    if picture is None:
        picture, kind = _read(given)
    if name == "-":
        name = "stdin.npy" if kind == "NPY" else "stdin.png"
    whole = explain(picture, task.sets, task.settings, name=name, command=task.command, crop=task.crop, demo=task.demo)
    if not given.quiet:
        for note in whole.notes:
            console.say(f"{console.input_name(task.name)}: {note}")
    if whole.weighted and (given.html or given.animate or given.steps):
        raise InputError(
            "has transparency, and sums weighted by it are shown as text only; --alpha keep or --alpha drop goes with"
            " --html, --animate and --steps"
        )
    if task.settings.linear and given.html:
        raise UsageError("--html has no linear light; leave out --linear, or use --at, --steps or --animate")
    for place in given.places:
        for at in range(len(whole.maps)):
            whole.pixel(at, 0, *place)

    def part(side: int, largest: int) -> Explanation:
        """The whole run, or a crop of it where it is too large to be drawn."""
        if max(whole.planes.shape[1:]) <= largest or task.crop is not None:
            return whole
        return explain_part(picture, whole, task.sets, task.settings, side=side, around=around())

    def around() -> Pair:
        return given.places[0] if given.places else whole.strongest()[2:]

    if given.html:
        write_page(given.html, part(PAGE_SIDE, PAGE_SIDE), given)
    if given.animate:
        write_animation(given.animate, part, given)
    if given.steps:
        _walk(part, around, words)
    elif given.places or not (given.html or given.animate):
        console.draw(_text(whole, given.places, words))
    return 0


def _read(given: Arguments) -> tuple[Picture, str | None]:
    """The picture, and the kind of file that standard input was."""
    from convtool.pictures.formats import reading
    from convtool.pictures.limits import Limits
    from convtool.pictures.reader import read_picture
    from convtool.stdio import read_stdin

    source: Path | bytes = Path(given.picture or "-")
    kind = None
    if given.picture == "-":
        source = read_stdin(given.max_bytes)
        found = reading(source[:16])
        kind = found and found.kind
    limits = Limits(given.max_pixels, reduce_16bit=given.settings.dtype == "uint8", lenient=given.lenient)
    return read_picture(source, limits), kind


def _text(whole: Explanation, places: tuple[Pair, ...], words: Words) -> Iterator[Line]:
    """The run and the pixels that were asked for, of every map and plane; else the strongest answer."""
    from convtool.explain.text import describe_pixel, describe_run

    yield from describe_run(whole, words)
    if not places:
        yield ()
        yield from describe_pixel(whole, whole.pixel(*whole.strongest()), words, strongest=True)
    for place in places:
        for at, one in enumerate(whole.maps):
            for plane in range(len(one.plane_names)):
                yield ()
                yield from describe_pixel(whole, whole.pixel(at, plane, *place), words)


def _walk(part: Callable[[int, int], Explanation], around: Callable[[], Pair], words: Words) -> None:
    from convtool.explain.keys import can_read_keys
    from convtool.explain.stepping import SIDE, SMALL, start_of, steps_of, tell, walk
    from convtool.explain.text import describe_run

    found = part(SIDE, SMALL)
    steps = steps_of(found, "--steps")
    if not can_read_keys():
        console.draw([*describe_run(found, words), ()])
        console.draw(tell(found, steps, words))
        return
    start = 0
    if found.source.automatic and found.source.crop is not None:
        row, column = around()
        stride, crop = found.settings.stride, found.source.crop
        start = start_of(steps, row - crop.row // stride[0], column - crop.column // stride[1])
    walk(found, steps, words, start)
