"""Lists of inputs, separated by NUL bytes: names may hold anything else."""

from __future__ import annotations

import os
from pathlib import Path

from convtool.errors import InputError, UsageError
from convtool.stdio import read_stdin


def listed_inputs(name: str, limit: int) -> list[str]:
    """The inputs that a file lists, ``-`` for standard input, of at most ``limit`` bytes.

    Raises UsageError for a list that cannot be read or holds an empty name.
    """
    shown = "standard input" if name == "-" else name
    try:
        data = read_stdin(limit, "a list") if name == "-" else _read(Path(name), limit)
    except UsageError:
        raise
    except InputError as error:
        raise UsageError(f"{shown}: {error}") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{shown}: {getattr(error, 'strerror', None) or error}") from None
    names = data.removesuffix(b"\0").split(b"\0") if data else []
    if not names:
        raise UsageError(f"{shown}: the list names no input")
    if b"" in names:
        raise UsageError(f"{shown}: name {names.index(b'') + 1} of the list is empty")
    if names == [data] and b"\n" in data:
        raise UsageError(f"{shown}: holds no NUL byte; names in it end with one, as find -print0 writes them")
    return [os.fsdecode(each) for each in names]


def _read(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise InputError(f"has more than {limit:,} bytes; --max-bytes raises the limit")
    return data
