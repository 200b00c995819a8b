"""Input arguments turned into a list of pictures to try."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from convtool.pictures.formats import is_image_suffix
from convtool.runs.atomic import PREFIX
from convtool.runs.naming import STDIO, Source, is_folder

EXAMPLES = 3
"""Files passed over that are named."""


class Found:
    """What the arguments name: pictures, how many other files folders held, and folders that cannot be read."""

    def __init__(self) -> None:
        self.sources: list[Source] = []
        self.others = 0
        """How many other files folders held."""
        self.examples: list[str] = []
        """The first of them."""
        self.failures: list[tuple[str, str]] = []


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
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        found.failures.append((str(folder), error.strerror or str(error)))
        return
    place = str(folder / "x")[:-1]
    for entry in entries:
        name = entry.name
        if name.startswith((".", PREFIX)):
            continue
        if _is(entry.is_dir):
            if recursive:
                yield from _walk(folder / name, str(Path(parent, name)), recursive, visited, found)
        elif is_image_suffix(os.path.splitext(name)[1]) and (_is(entry.is_file) or not _exists(folder / name)):  # noqa: PTH122
            # A file, or a name that leads nowhere, which is worth an error; no pipe, socket or device.
            yield Source(place + name, parent)
        else:
            found.others += 1
            if len(found.examples) < EXAMPLES:
                found.examples.append(place + name)


def _is(ask: Callable[[], bool]) -> bool:
    """What a folder's entry says of itself; one that leads in a circle is nothing."""
    try:
        return ask()
    except OSError:
        return False


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
