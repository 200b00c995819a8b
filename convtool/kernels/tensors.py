"""Arrays from ``.safetensors``, by the package of that name (the extra ``convtool[safetensors]``)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from convtool.errors import KernelError

BRAIN = "BF16"
"""16-bit floats with the exponent of 32-bit ones, which NumPy does not know."""


def read_tensor(
    path: Path, choose: Callable[[list[str]], str], check: Callable[[tuple[int, ...]], None]
) -> tuple[str, NDArray[Any]]:
    """The name and values of one tensor: ``choose`` picks it by name, ``check`` is shown its shape before it is read.

    Raises KernelError where the package is missing or the file is broken.
    """
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError:
        raise KernelError("reading safetensors needs pip install 'convtool[safetensors]'") from None
    try:
        with safe_open(path, framework="np") as file:
            name = choose(sorted(file.keys()))
            header = file.get_slice(name)
            check(tuple(header.get_shape()))
            kind = header.get_dtype()
            if kind == BRAIN:
                raise KernelError(f"{name} is {kind}, which NumPy cannot hold; store it as F32")
            tensor: NDArray[Any] = file.get_tensor(name)
    except SafetensorError as error:
        raise KernelError(f"is no safetensors file, or a broken one ({str(error)[:100]})") from None
    if tensor.dtype.kind not in "biuf":
        raise KernelError(f"{name} has dtype {tensor.dtype}; weights are real numbers")
    return name, tensor
