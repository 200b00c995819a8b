"""``convtool kernels``: the list of names, and ``show`` and ``check``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from convtool import console
from convtool.errors import ConvtoolError
from convtool.stdio import check_stdout, print_line

if TYPE_CHECKING:
    from convtool.kernels.definitions import Definition
    from convtool.kernels.library import Library
    from convtool.layers.stack import Stack

EPILOG = """\b
Examples:
  convtool kernels                      every name, by family
  convtool kernels show sobel-x         the matrix, its facts, its frequency response
  convtool kernels show gabor:theta=30  any spec that --kernel takes
  convtool kernels check my.yaml        is the file right?
  convtool kernels stacks               layers in a row that --stack can name
"""


# Accepted before and after show and check: nobody remembers which.
_KERNEL_DIR = click.option("--kernel-dir", metavar="DIR", help="Look kernels up here first.")
_DEBUG = click.option("--debug", is_flag=True, help="Show tracebacks.")


@click.group("kernels", epilog=EPILOG, invoke_without_command=True, short_help="List, show and check kernels.")
@_KERNEL_DIR
@_DEBUG
@click.pass_context
def command(context: click.Context, kernel_dir: str | None, debug: bool) -> None:
    """List the kernels that can be named, with family and summary."""
    context.obj = kernel_dir
    if context.invoked_subcommand is None:
        _list(_library(kernel_dir))


@command.command("show")
@click.argument("specs", nargs=-1, required=True, metavar="NAME...")
@_KERNEL_DIR
@_DEBUG
@click.pass_obj
def show(group_dir: str | None, specs: tuple[str, ...], kernel_dir: str | None, debug: bool) -> None:
    """Draw kernels: the matrix, its facts and its frequency response. NAME is any spec that --kernel takes."""
    from convtool.kernels.drawing import draw_kernel

    library = _library(group_dir if kernel_dir is None else kernel_dir)
    kernels = [kernel for spec in specs for kernel in library.load(spec).kernels]
    for at, kernel in enumerate(kernels):
        if at:
            click.echo()
        console.draw(draw_kernel(kernel))
    _say_notes(library)


@command.command("check")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@_KERNEL_DIR
@_DEBUG
@click.pass_obj
def check(group_dir: str | None, files: tuple[str, ...], kernel_dir: str | None, debug: bool) -> int:
    """Read kernel files and make every kernel in them, or the layers of a stack; exit code 1 if one is bad.

    (A kernel's scale in a file multiplies its weights; --scale of convtool apply multiplies samples.)
    """
    library = _library(group_dir if kernel_dir is None else kernel_dir)
    check_stdout("the result")
    bad = 0
    for name in files:
        try:
            maps = _check_file(library, Path(name))
        except ConvtoolError as error:
            bad += 1
            console.say(str(error))
        else:
            print_line(f"{console.shown(name)}: good, {maps}")
    _say_notes(library)
    return 1 if bad else 0


@command.command("stacks")
@_KERNEL_DIR
@_DEBUG
@click.pass_obj
def stacks(group_dir: str | None, kernel_dir: str | None, debug: bool) -> None:
    """List the stacks that can be named, for --stack of convtool apply."""
    from convtool.console import Piece
    from convtool.layers.stack_file import read_stack, stack_paths

    library = _library(group_dir if kernel_dir is None else kernel_dir)
    found = [read_stack(path, library) for path in stack_paths(library)]
    width = max((len(each.path.stem) for each in found), default=0) + 2
    console.draw([(Piece(f"{each.path.stem:<{width}}{_layers(each.stack):<11}{each.summary}"),) for each in found])
    _say_notes(library)


def _layers(stack: Stack) -> str:
    count = len(stack.layers)
    return f"{count} layer{'' if count == 1 else 's'}"


def _check_file(library: Library, path: Path) -> str:
    from convtool.kernels.spec import ARRAY_SUFFIXES

    if path.suffix.lower() in ARRAY_SUFFIXES:
        kernels = library.load(str(path)).kernels
        return f"{len(kernels)} kernel{'' if len(kernels) == 1 else 's'}"
    from convtool.layers.stack import stack_maps
    from convtool.layers.stack_file import is_stack, read_stack

    if is_stack(path):
        stack = read_stack(path, library).stack
        maps = len(stack_maps(stack)[-1])
        return f"a stack of {_layers(stack)}, {maps} map{'' if maps == 1 else 's'}"
    definitions = library.read(path)
    maps = sum(len(library.build(definition).kernels) for definition in definitions.values())
    return f"{len(definitions)} name{'' if len(definitions) == 1 else 's'}, {maps} map{'' if maps == 1 else 's'}"


def _library(kernel_dir: str | None) -> Library:
    from convtool.kernels.library import Library

    return Library(kernel_dir)


def _list(library: Library) -> None:
    from convtool.console import Line, Piece

    families: dict[str, list[Definition]] = {}
    for definition, _ in library.names():
        families.setdefault(definition.path.stem, []).append(definition)
    kinds = {d.name: _kind(d, library) for found in families.values() for d in found}
    width, kind = (max(map(len, words)) + 2 for words in (kinds, kinds.values()))
    lines: list[Line] = []
    for family, found in families.items():
        lines.append((Piece(family),))
        lines += [(Piece(f"  {d.name:<{width}}{kinds[d.name]:<{kind}}{d.summary}"),) for d in found]
    console.draw(lines)
    _say_notes(library)


def _say_notes(library: Library) -> None:
    for note in library.notes:
        console.say(note)


def _kind(definition: Definition, library: Library) -> str:
    """What a name gives, in a word or two."""
    if definition.maps:
        return f"{len(definition.maps)} maps"
    if definition.rotations > 1:
        return f"{definition.rotations} maps"
    shape = definition.shape
    if definition.generator and definition.generator != definition.name:
        shape = library.build(definition).kernels[0].size
    elif definition.generator:
        from convtool.kernels.generators import GENERATORS

        return ":" + ",".join(parameter.name for parameter in GENERATORS[definition.generator].parameters)
    size = f"{shape[-2]}x{shape[-1]}"
    return f"{size} depth {shape[0]}" if len(shape) == 3 else size
