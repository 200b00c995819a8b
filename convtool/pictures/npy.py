"""NumPy array files as pictures, never pickled."""

from __future__ import annotations

from collections.abc import Iterable
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from convtool.errors import InputError, UsageError
from convtool.pictures.formats import Output
from convtool.pictures.limits import Opened, check_size
from convtool.pictures.picture import Layout, Picture, layout_of_array, picture_from_array


def read(opened: Opened) -> Picture | Layout:
    """An array as a picture."""
    layout = npy_layout(opened.file)
    check_size(layout.height, layout.width * -(-layout.channels // 4), opened.limits)
    return layout if opened.header_only else npy_picture(opened.file)


def write(strips: Iterable[NDArray[Any]], output: Output, file: IO[bytes]) -> None:
    """Write an array (H, W) or (H, W, C)."""
    layout = output.layout
    shape = (layout.height, layout.width, layout.channels)
    header = {"descr": np.dtype(layout.dtype).str, "fortran_order": False, "shape": shape[: 2 + (shape[2] > 1)]}
    npy.write_array_header_1_0(file, header)
    for strip in strips:
        file.write(np.ascontiguousarray(strip).data)


def npy_layout(file: IO[bytes]) -> Layout:
    """Shape and type from the header; raises InputError for what is no picture."""
    shape, _, dtype = _header(file)
    try:
        return layout_of_array(shape, dtype)
    except UsageError as error:
        raise InputError(str(error)) from None


def npy_picture(file: IO[bytes]) -> Picture:
    """The array as a picture; its layout has to be checked before."""
    shape, fortran, dtype = _header(file)
    wanted = int(np.prod(shape, dtype=object)) * dtype.itemsize
    data = file.read(wanted)
    if len(data) < wanted:
        raise InputError(f"is cut short: {len(data)} bytes of samples, {wanted} announced")
    return picture_from_array(np.frombuffer(data, dtype=dtype).reshape(shape, order="F" if fortran else "C"))


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    file.seek(0)
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    try:
        shape, fortran, dtype = read(file)
    except TokenError as error:  # NumPy reads the header as Python, and lets this one through
        raise InputError(f"cannot be decoded: {error.args[0]}") from None
    return shape, fortran, dtype
