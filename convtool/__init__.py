"""Filter images with convolution kernels, with the arithmetic of a convolutional layer.

>>> from convtool import conv2d, load_kernel, apply

Importing the package loads nothing heavy: each name below brings its module in when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["__version__", "apply", "conv2d", "load_kernel"]

if TYPE_CHECKING:
    from convtool.api import apply
    from convtool.engine import conv2d
    from convtool.kernels.library import load_kernel

_HOMES = {"conv2d": "convtool.engine", "apply": "convtool.api", "load_kernel": "convtool.kernels.library"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'convtool' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
