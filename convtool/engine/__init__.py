"""The sum of a convolutional layer over an image: ``conv2d``, its methods and its plan.

Sizes and borders are needed without NumPy, too, so ``conv2d`` is loaded when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convtool.engine.convolution import conv2d

__all__ = ["conv2d"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from convtool.engine.convolution import conv2d

        return conv2d
    raise AttributeError(f"module 'convtool.engine' has no attribute {name!r}")
