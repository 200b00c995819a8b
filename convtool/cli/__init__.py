"""The command line: one module a command, one place where errors become a line and an exit code."""

from __future__ import annotations

import atexit
import io
import os
import signal
import sys
import time
from typing import Any, ClassVar, NoReturn, TextIO

import click

from convtool import __version__
from convtool.console import say
from convtool.errors import ConvtoolError, Terminated
from convtool.runs.signals import deferred
from convtool.stdio import fill_descriptors


class LazyGroup(click.Group):
    """Commands are imported when they run, so that help starts without numpy."""

    commands_by_name: ClassVar = {
        "apply": ("convtool.cli.apply", "Filter pictures: one image per feature map."),
        "explain": ("convtool.cli.explain", "Show the sum behind every pixel of a run."),
        "plan": ("convtool.cli.plan", "Shapes, parameters and cost of layers."),
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
        from convtool.text import did_you_mean

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
  convtool plan 224x224x3 --stack edges
  convtool kernels
"""


def _show_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    """Which convtool this is, and what computes here."""
    if wanted and not context.resilient_parsing:
        from convtool.engine.core import name

        click.echo(f"convtool {__version__} ({name()})")
        context.exit()


@click.group(
    cls=LazyGroup,
    epilog=EPILOG,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version,
              help="Show the version and the engine, and exit.")  # fmt: skip
@click.pass_context
def cli(context: click.Context) -> int | None:
    """Filter images with convolution kernels, with the arithmetic of a convolutional layer."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        return 2
    return None


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    fill_descriptors()
    _catch_signals()
    atexit.register(_ignore_signals)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name that its encoding has no letters for
    try:
        code = _run(list(arguments))
    except Exception as error:  # a fault of ours: one line, as for any other failure, unless --debug asks for more
        if "--debug" in arguments:
            raise
        # Python 3.11 makes another error of a Ctrl-C that falls into the loading of a class.
        code = 130 if isinstance(error.__cause__, KeyboardInterrupt) else _told(error)
    except Terminated as stopped:
        code = stopped.exit_code
    except KeyboardInterrupt:
        code = 130
    _leave(code)


def _told(error: Exception) -> int:
    """Say what went wrong in one line; the exit code."""
    if isinstance(error, BrokenPipeError):
        return 141
    if isinstance(error, ConvtoolError):
        say(str(error))
        return error.exit_code
    if isinstance(error, MemoryError):
        say("needs more memory than there is")
    elif isinstance(error, OSError) and error.strerror:
        # One without a name comes from printing: files are opened by name.
        say(f"{error.filename or 'cannot write to standard output'}: {error.strerror}")
    else:
        say(f"{type(error).__name__}: {error}; this should not happen, --debug shows where it did")
    return 1


def _run(arguments: list[str]) -> int:
    try:
        if "_CONVTOOL_COMPLETE" in os.environ:
            cli.main(arguments, prog_name="convtool")
        # Not cli.main, which makes exit code 1 of a reader that went away and prints a line on Ctrl-C.
        with cli.make_context("convtool", arguments) as context:
            result: Any = cli.invoke(context)
    except click.exceptions.Exit as left:
        return left.exit_code
    except click.ClickException as error:
        used = getattr(error, "ctx", None)
        hint = f" (see {used.command_path} --help)" if used else ""
        say(f"{error.format_message().rstrip('.')}{hint}".replace("\n", " "))
        return 2
    return result if isinstance(result, int) else 0


def _catch_signals() -> None:
    """Ctrl-C, SIGTERM and a closing terminal unwind the run, so that it cleans up; ignored ones stay so."""
    if hasattr(signal, "SIGTERM"):
        signal.signal(signal.SIGTERM, _stop)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, _stop)  # nohup ignores it, and so do we then
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _stop)


def _ignore_signals() -> None:
    """The interpreter gives signals back their deadly meaning while it ends; the exit code is settled by then."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


CLEANING = 2.0
"""Seconds within which a run that was stopped has ended."""
_stopped_at = float("-inf")


def _stop(number: int, frame: object) -> None:
    """The first signal stops the run; another one soon after must not interrupt the cleaning up."""
    global _stopped_at
    now = time.monotonic()
    if now - _stopped_at < CLEANING or deferred(number):
        return
    _stopped_at = now
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise Terminated(number)


def _leave(code: int) -> NoReturn:
    """Flush stdout, so that a full or vanished one is noticed, and exit."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            code = 141
        elif not code:
            say(f"cannot write to standard output: {error.strerror}")
            code = 1
        _discard(sys.stdout)
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except OSError:  # messages that nobody can read are no failure
        _discard(sys.stderr)
    raise SystemExit(code)


def _discard(stream: TextIO) -> None:
    """Let what is left in a buffer go nowhere; the interpreter would complain about it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
