"""Every failure a user can meet, with the exit code it leads to.

Low layers raise these with the bare reason; the command line adds which file or kernel it was about, prints one
line and leaves with ``exit_code``.
"""

from __future__ import annotations


class ConvtoolError(Exception):
    """Base of all failures; the message is one line: what is wrong and what to do."""

    exit_code = 2


class UsageError(ConvtoolError, ValueError):
    """An option or argument that cannot be meant; nothing has been done."""


class KernelError(ConvtoolError, ValueError):
    """A kernel that cannot be found, read or made; nothing has been done."""


class OutputError(ConvtoolError):
    """Outputs that exist, collide or would destroy an input; nothing has been done."""


class GeometryError(ConvtoolError, ValueError):
    """Sizes that leave no output sample, or a depth that does not fit; fails one input."""

    exit_code = 1


class InputError(ConvtoolError):
    """One input that cannot be read, filtered or written; the others go on."""

    exit_code = 1


class Terminated(BaseException):
    """SIGTERM or SIGHUP arrived: clean up and leave with 128 and its number."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number
