"""Weights and biases from ``.npy``, ``.npz`` and ``.safetensors``, checked by their header before memory is taken."""

from __future__ import annotations

import lzma
import re
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from convtool.errors import KernelError
from convtool.kernels.kernel import MAX_MAPS, MAX_SIDE, MAX_WEIGHTS
from convtool.text import did_you_mean

Check = Callable[[tuple[int, ...]], None]

# What numpy and zipfile raise for broken files: RuntimeError covers encrypted members, methods that are not
# there and headers nested too deep.
_BROKEN = (
    *(KernelError, OSError, ValueError, EOFError, SyntaxError, RuntimeError, MemoryError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, tokenize.TokenError),
)


def read_bank(path: Path, name: str) -> tuple[str, NDArray[np.float64]]:
    """The label and weights (N, kh, kw) or (N, C, kh, kw) of a file; (kh, kw) comes as (1, kh, kw).

    ``name`` picks an array of an npz or safetensors file. Raises KernelError naming the file.
    """
    name, weights = _read(path, name, _check_weights)
    if weights.ndim == 2:
        weights = weights[None]
    return re.sub(r"[^\w.-]", "_", name), weights


def read_biases(path: Path, name: str) -> NDArray[np.float64]:
    """The biases (N,) of a file, like ``read_bank``."""
    return _read(path, name, _check_biases)[1]


def _read(path: Path, name: str, check: Check) -> tuple[str, NDArray[np.float64]]:
    try:
        if not path.is_file():
            raise KernelError("no such file" if not path.exists() else "is not a regular file")
        if path.suffix.lower() == ".safetensors":
            from convtool.kernels.tensors import read_tensor

            name, tensor = read_tensor(path, lambda names: _chosen(name, names), check)
            return name, _finite(tensor)
        with path.open("rb") as file:
            if path.suffix.lower() == ".npz":
                return _from_npz(file, name, check)
            if name:
                raise KernelError(f"#{name}: an .npy file holds one array without a name")
            return path.stem, _checked(file, check)
    except KernelError as error:
        raise KernelError(f"{path}: {error}") from None
    except _BROKEN as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error).split("\n")[0]
        raise KernelError(f"{path}: {reason[:120] or 'cannot be read'}") from None


def _from_npz(file: IO[bytes], name: str, check: Check) -> tuple[str, NDArray[np.float64]]:
    if not zipfile.is_zipfile(file):
        raise KernelError("is no .npz file, or cut short; numpy.savez writes one")
    with zipfile.ZipFile(file) as archive:
        name = _chosen(name, [entry.removesuffix(".npy") for entry in archive.namelist() if entry.endswith(".npy")])
        with archive.open(f"{name}.npy") as member:
            return name, _checked(member, check)


def _chosen(name: str, names: list[str]) -> str:
    """The array that is meant, of those there are."""
    if not names:
        raise KernelError("holds no arrays")
    if not name and len(names) > 1:
        raise KernelError(f"holds {len(names)} arrays; write file#name with one of {', '.join(names[:8])}")
    name = name or names[0]
    if name not in names:
        hint = did_you_mean(name, names) or f"; it has {', '.join(names[:8])}"
        raise KernelError(f"has no array {name!r}{hint}")
    return name


def _checked(file: IO[bytes], check: Check) -> NDArray[np.float64]:
    try:
        version = npy.read_magic(file)
    except ValueError:
        raise KernelError("is no .npy file; numpy.save writes one") from None
    header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    try:
        shape, fortran, dtype = header(file)
    except ValueError as error:
        if "EOF" in str(error):
            raise KernelError("is cut short: it ends within its header") from None
        raise
    if dtype.kind not in "biuf":
        raise KernelError(f"has dtype {dtype}; weights are real numbers")
    check(shape)
    count = int(np.prod(shape, dtype=object))
    size = count * dtype.itemsize
    data = bytearray()
    while len(data) < size and (part := file.read(min(size - len(data), 1 << 20))):
        data += part  # piece by piece: a header may announce what never comes
    if len(data) < size:
        raise KernelError(f"is cut short: {len(data)} bytes of weights, {size} announced")
    weights: NDArray[Any] = np.frombuffer(data, dtype=dtype).reshape(shape, order="F" if fortran else "C")
    return _finite(weights)


def _finite(weights: NDArray[Any]) -> NDArray[np.float64]:
    """Weights in double precision; raises KernelError if one is no finite number."""
    if not np.isfinite(weights).all():
        raise KernelError("has weights that are not finite numbers")
    return np.ascontiguousarray(weights, dtype=np.float64)


def _check_weights(shape: tuple[int, ...]) -> None:
    if len(shape) not in (2, 3, 4) or min(shape) < 1:
        raise KernelError(f"has shape {shape}; weights are (kh, kw), (N, kh, kw) or (N, C, kh, kw)")
    if max(shape[-2:]) > MAX_SIDE:
        raise KernelError(f"has shape {shape}; the largest kernel side is {MAX_SIDE}, which is fixed")
    if len(shape) > 2 and shape[0] > MAX_MAPS:
        raise KernelError(f"has shape {shape}; a bank gives at most {MAX_MAPS} maps, a fixed limit")
    count = int(np.prod(shape, dtype=object))
    if count > MAX_WEIGHTS:
        raise KernelError(f"has {count} weights; at most {MAX_WEIGHTS} are read, a fixed limit")


def _check_biases(shape: tuple[int, ...]) -> None:
    if len(shape) != 1 or not 1 <= shape[0] <= MAX_MAPS:
        raise KernelError(f"has shape {shape}; biases are (N,), one number a kernel, at most {MAX_MAPS}")
