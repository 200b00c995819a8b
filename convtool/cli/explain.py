"""``convtool explain``: the sum behind every pixel, as text, step by step, as a page and as an animation."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from convtool import console
from convtool.cli import types
from convtool.cli.apply import command as apply_command
from convtool.cli.explain_files import check_file, write_animation, write_page
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
    from convtool.layers.maps import Settings
    from convtool.pictures.picture import Picture

EPILOG = """\b
Examples:
  convtool explain --demo 8x8                    the tutorial's first sum
  convtool explain --demo rgb --at 0,0           two filters over three channels
  convtool explain img.png -k sobel-x --at 12,40
  convtool explain img.png -k sobel-x --steps    window by window, by keys
  convtool explain img.png -k four-views --html page.html
  convtool explain --demo 8x8 --animate slide.gif --lang zh
\b
Rows come before columns, and both are counted from 0. Without --at, the
strongest answer is shown. Cells from the padding stand in parentheses.
"""

SHARED = (
    "kernels", "kernel_dir", "stride", "pad", "border", "dilation", "channels", "flip", "bias", "merge", "range_",
    "dtype", "linear", "alpha", "max_pixels", "max_bytes", "lenient", "quiet", "debug",
)  # fmt: skip
"""Options of ``convtool apply`` that mean the same here."""

PAGE_SIDE = 32
"""Larger pictures are cropped to this side for a page: its cells can still be told apart."""


@click.command("explain", epilog=EPILOG, short_help="Show the sum behind every pixel of a run.")
@click.argument("picture", required=False, metavar="[INPUT]")
@click.option("--demo", metavar="8x8|rgb", help="A built-in picture and its kernels instead of INPUT.")
@click.option("--at", "places", type=types.PLACE, multiple=True, help="Output pixel to show; repeatable.  "
              "[the strongest answer]")  # fmt: skip
@click.option("--steps", is_flag=True, help="Walk from window to window: next, back, play, quit.")
@click.option("--html", metavar="FILE", help="Write one page that shows the run (- is stdout).")
@click.option("--animate", metavar="FILE", help="Write the sliding window as .gif or .png (APNG).")
@click.option("--crop", type=types.CROP, help="Run a part of the picture, as a picture of its own.")
@click.option("--lang", type=types.word("lang", ("en", "zh")), default="en", help="Language.  [en]")
@click.option("--force", is_flag=True, help="Replace files that exist.")
@click.pass_context
def command(context: click.Context, /, **given: Any) -> int:
    """Show the arithmetic of one real run: windows, kernels, products, sums, and what is written.

    INPUT is a picture, or - for standard input.
    """
    from convtool.explain.words import Words
    from convtool.kernels.library import Library

    _check(given)
    settings, demo = settings_of(given), given["demo"]
    picture: Picture | None = None
    if demo:
        from convtool.explain.demos import load_demo

        made = load_demo(demo)
        picture, given["picture"] = made.picture, made.file
        own = {"padding" if name == "pad" else name for name in ("stride", "pad") if not _typed(context, name)}
        settings = settings._replace(**{name: getattr(made.settings, name) for name in own})
        given["kernels"] = given["kernels"] or made.kernels
    library = Library(given["kernel_dir"])
    sets = library.load_all(given["kernels"])
    if not given["quiet"]:
        for note in library.notes:
            console.say(note)
    task = _Task(given["picture"], picture, sets, settings, given["crop"], _command(given, context), demo)
    try:
        return _show(task, given, Words(given["lang"]))
    except (GeometryError, InputError) as error:
        raise type(error)(f"{console.input_name(given['picture'])}: {error}") from None


command.params[1:1] = [each for each in apply_command.params if each.name in SHARED[:14]]
command.params += [each for each in apply_command.params if each.name in SHARED[14:]]


def settings_of(given: dict[str, Any]) -> Settings:
    """What is to be computed, from the options that say so."""
    from convtool.layers.maps import Settings

    return Settings(
        stride=given["stride"],
        padding=given["pad"],
        border=given["border"],
        dilation=given["dilation"],
        channels=given["channels"],
        flip=given["flip"],
        bias=given["bias"],
        merge=given["merge"],
        range=given["range_"],
        dtype=given["dtype"],
        alpha=given["alpha"],
        linear=given["linear"],
    )


def _check(given: dict[str, Any]) -> None:
    """Refuse what the options alone show to be wrong."""
    if given["demo"] and given["picture"]:
        raise UsageError("--demo brings its own picture; leave INPUT out")
    if not given["demo"] and not given["picture"]:
        raise UsageError("no input; name a picture, - for standard input, or --demo 8x8")
    if not given["demo"] and not given["kernels"]:
        raise UsageError("no kernel; give one with -k, as in -k sobel-x (`convtool kernels` lists the names)")
    if given["animate"] and Path(given["animate"]).suffix.lower() not in (".gif", ".png", ".apng"):
        raise UsageError(f"--animate {given['animate']}: an animation is .gif or .png (APNG)")
    files = [given[name] for name in ("html", "animate") if given[name]]
    if len(files) == 2 and os.path.abspath(files[0]) == os.path.abspath(files[1]):
        raise UsageError("--html and --animate name the same file")
    for file in files:
        check_file(file, given)


def _typed(context: click.Context, name: str) -> bool:
    """Whether an option was given, not left to its default."""
    return context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT


def _command(given: dict[str, Any], context: click.Context) -> str:
    """The ``apply`` command of the run, or the demonstration's own, with the options that were given."""
    words = (
        ["convtool", "explain", "--demo", given["demo"]] if given["demo"] else ["convtool", "apply", given["picture"]]
    )
    for parameter in apply_command.params:
        name = parameter.name
        if name not in SHARED[:14] or not isinstance(parameter, click.Option) or not _typed(context, str(name)):
            continue
        option = parameter.opts[-1] if name != "kernels" else "-k"
        value = given[str(name)]
        if parameter.is_flag:
            words.append(option)
            continue
        for each in value if name == "kernels" else (value,):
            words += [option, options.spelled(each)]
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


def _show(task: _Task, given: dict[str, Any], words: Words) -> int:
    from convtool.explain import explain
    from convtool.explain.making import explain_part

    name, picture = task.name, task.picture or _read(given)
    if name == "-":
        name = "stdin.npy" if isinstance(given.get("kind"), str) and given["kind"] == "NPY" else "stdin.png"
    whole = explain(picture, task.sets, task.settings, name=name, command=task.command, crop=task.crop, demo=task.demo)
    if not given["quiet"]:
        for note in whole.notes:
            console.say(f"{console.input_name(task.name)}: {note}")
    if whole.weighted and (given["html"] or given["animate"] or given["steps"]):
        raise InputError(
            "has transparency, and sums weighted by it are shown as text only; --alpha keep or --alpha drop goes with"
            " --html, --animate and --steps"
        )
    if given["linear"] and given["html"]:
        raise UsageError("--html has no linear light; leave out --linear, or use --at, --steps or --animate")
    for place in given["places"]:
        for at in range(len(whole.maps)):
            whole.pixel(at, 0, *place)

    def part(side: int, largest: int) -> Explanation:
        """The whole run, or a crop of it where it is too large to be drawn."""
        if max(whole.planes.shape[1:]) <= largest or task.crop is not None:
            return whole
        return explain_part(picture, whole, task.sets, task.settings, side=side, around=around())

    def around() -> Pair:
        return given["places"][0] if given["places"] else whole.strongest()[2:]

    if given["html"]:
        write_page(given["html"], part(PAGE_SIDE, PAGE_SIDE), given)
    if given["animate"]:
        write_animation(given["animate"], part, given)
    if given["steps"]:
        _walk(part, around, words)
    elif given["places"] or not (given["html"] or given["animate"]):
        console.draw(_text(whole, given["places"], words))
    return 0


def _read(given: dict[str, Any]) -> Picture:
    from convtool.pictures.limits import Limits
    from convtool.pictures.reader import read_picture
    from convtool.pictures.signatures import kind_of
    from convtool.stdio import read_stdin

    source: Path | bytes = Path(given["picture"])
    if given["picture"] == "-":
        source = read_stdin(given["max_bytes"])
        given["kind"] = kind_of(source[:16])
    limits = Limits(given["max_pixels"], reduce_16bit=given["dtype"] == "uint8", lenient=given["lenient"])
    return read_picture(source, limits)


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
