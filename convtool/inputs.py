"""Input arguments turned into a list of pictures to try."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from convtool.atomic import PREFIX
from convtool.formats import is_image_suffix
from convtool.naming import STDIO, Source, is_folder


@dataclass
class Found:
    """What the arguments name: pictures, how many other files folders held, and folders that cannot be read."""

    sources: list[Source] = field(default_factory=list)
    others: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)


def find_inputs(arguments: Sequence[str], *, recursive: bool, output_folder: Path | None) -> Found:
    """List the pictures of every argument: a file is always tried, a folder gives its image files in order of path.

    Hidden files, our temporary files and the output folder are passed over; links to folders are followed once.
    """
    found = Found()
    output = _identity(output_folder) if output_folder is not None and is_folder(output_folder) else None
    for argument in arguments:
        if argument == STDIO or not is_folder(argument):
            found.sources.append(Source(argument))
            continue
        # An argument that is the output folder itself is read: its own files were asked for.
        passed_over: set[tuple[int, int] | None] = {output} - {None, _identity(Path(argument))}
        found.sources += _walk(Path(argument), "", recursive, passed_over, found)
    return found


def _walk(
    folder: Path, parent: str, recursive: bool, visited: set[tuple[int, int] | None], found: Found
) -> Iterator[Source]:
    try:
        identity = _identity(folder)
        if identity in visited:
            return
        visited.add(identity)
        with os.scandir(folder) as scan:
            names = sorted(entry.name for entry in scan)
    except OSError as error:
        found.failures.append((str(folder), error.strerror or str(error)))
        return
    for name in names:
        if name.startswith((".", PREFIX)):
            continue
        path = folder / name
        if is_folder(path):
            if recursive:
                yield from _walk(path, str(Path(parent, name)), recursive, visited, found)
        elif is_image_suffix(path.suffix) and _is_to_be_tried(path):
            yield Source(str(path), parent)
        else:
            found.others += 1


def _is_to_be_tried(path: Path) -> bool:
    """A file, or a name that leads nowhere, which is worth an error; no pipe, socket or device."""
    try:
        return path.is_file() or not path.exists()
    except OSError:
        return True


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
