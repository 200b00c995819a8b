"""The command line: one module a command, one place where errors become a line and an exit code."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any, ClassVar, NoReturn

import click

from convtool import __version__
from convtool.console import say
from convtool.errors import ConvtoolError


class Terminated(BaseException):
    """SIGTERM arrived: clean up and leave with 143."""


class LazyGroup(click.Group):
    """Commands are imported when they run, so that help and --version start without numpy."""

    commands_by_name: ClassVar = {
        "apply": ("convtool.cli.apply", "Filter pictures: one image per feature map."),
        "kernels": ("convtool.cli.kernels", "List, show and check kernels."),
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return list(self.commands_by_name)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command by name, imported now."""
        if cmd_name not in self.commands_by_name:
            return None
        from importlib import import_module

        command: click.Command = import_module(self.commands_by_name[cmd_name][0]).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, with did-you-mean for a typo."""
        from convtool.options import did_you_mean

        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in self.commands_by_name:
            hint = did_you_mean(name, self.commands_by_name) or f"; there are {', '.join(self.commands_by_name)}"
            raise click.UsageError(f"no command {name!r}{hint}", ctx=ctx)
        return super().resolve_command(ctx, args)


EPILOG = """\b
Examples:
  convtool apply photo.jpg --kernel sobel
  convtool apply photo.jpg -k gaussian:sigma=2 -o soft.png
  convtool apply photos/ -k sharpen -o sharp/
  convtool kernels
"""


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="convtool %(version)s")
def cli() -> None:
    """Filter images with convolution kernels, with the arithmetic of a convolutional layer."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if hasattr(signal, "SIGTERM"):
        signal.signal(signal.SIGTERM, _terminated)
    debug = "--debug" in arguments
    try:
        code = _run(arguments)
    except Terminated:
        code = 143
    except BrokenPipeError:
        code = 141
    except ConvtoolError as error:
        if debug:
            raise
        say(str(error))
        code = error.exit_code
    except MemoryError:
        if debug:
            raise
        say("needs more memory than there is")
        code = 1
    _leave(code)


def _run(arguments: list[str]) -> int:
    try:
        result: Any = cli.main(arguments, prog_name="convtool", standalone_mode=False)
    except click.exceptions.Exit as left:
        return left.exit_code
    except click.Abort:
        return 130
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        hint = f" (see {context.command_path} --help)" if context else ""
        say(f"{error.format_message().rstrip('.')}{hint}".replace("\n", " "))
        return 2
    return result if isinstance(result, int) else 0


def _terminated(number: int, frame: object) -> NoReturn:
    raise Terminated


def _leave(code: int) -> NoReturn:
    """Flush stdout, so that a full or vanished one is noticed, and exit."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        code = 141
    except OSError as error:
        say(f"cannot write to standard output: {error.strerror}")
        code = code or 1
    if code == 141 and sys.stdout is not None:
        # What is left in the buffer has no reader; without this the interpreter would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(code)
