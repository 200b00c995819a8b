"""``--as``: a run as code or a command for another tool."""

from __future__ import annotations

from convtool.translate.magick import to_imagemagick
from convtool.translate.python import to_python
from convtool.translate.recipe import Run

__all__ = ["translated"]


def translated(run: Run, tool: str) -> str:
    """The code or command that does a run by ``tool``; raises UsageError that says what cannot be said there."""
    return to_imagemagick(run) if tool == "imagemagick" else to_python(run, tool)
