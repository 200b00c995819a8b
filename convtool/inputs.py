"""Input arguments turned into a list of pictures to try."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from convtool.atomic import PREFIX
from convtool.formats import is_image_suffix
from convtool.naming import STDIO, Source


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
    avoid = {_identity(output_folder)} if output_folder is not None and output_folder.is_dir() else set()
    for argument in arguments:
        if argument == STDIO or not Path(argument).is_dir():
            found.sources.append(Source(argument))
            continue
        visited: set[tuple[int, int]] = set()
        if _identity(Path(argument)) in avoid:
            avoid = set()  # the folder itself is the output folder: its own files were asked for
        found.sources += _walk(Path(argument), "", recursive, avoid, visited, found)
    return found


def _walk(
    folder: Path, parent: str, recursive: bool, avoid: set[tuple[int, int]], visited: set[tuple[int, int]], found: Found
) -> Iterator[Source]:
    identity = _identity(folder)
    if identity in visited or identity in avoid:
        return
    visited.add(identity)
    try:
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        found.failures.append((str(folder), error.strerror or str(error)))
        return
    for entry in entries:
        if entry.name.startswith((".", PREFIX)):
            continue
        path = folder / entry.name
        if entry.is_dir():
            if recursive:
                yield from _walk(path, str(Path(parent, entry.name)), recursive, avoid, visited, found)
        elif is_image_suffix(path.suffix) and (entry.is_file() or not path.exists()):
            yield Source(str(path), parent)
        else:
            found.others += 1


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
