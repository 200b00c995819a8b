"""``--as``: a run as a Python program for another tool."""

from __future__ import annotations

from convtool.translate.python import to_python

__all__ = ["to_python"]
