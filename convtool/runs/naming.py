"""Output names: pure path arithmetic on the input's path and the options, never on content.

-o -          stdout
-o '{stem}…'  a template
-o out/       a folder: it exists, ends in a slash or has no image suffix
-o out.png    one file
no -o         beside the input
"""

from __future__ import annotations

import os
import re
import string
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from convtool.errors import OutputError, UsageError
from convtool.pictures.formats import FORMATS, WRITTEN, format_of, is_image_suffix
from convtool.text import did_you_mean
from convtool.tuples import NamedTuple

STDIO = "-"
FIELDS = ("stem", "suffix", "ext", "kernel", "map", "index", "parent")


class Source(NamedTuple):
    """An input: its path as it is read and shown, and its folder relative to the folder argument it came from."""

    path: str
    parent: str = ""

    @property
    def stdin(self) -> bool:
        """Whether this is standard input."""
        return self.path == STDIO


NOT_WRITTEN = ("pdf", "svg", "eps", "heic", "heif", "jp2", "jxl", "psd", "tga", "exr", "dng")
"""Suffixes of pictures, of which no folder has one."""


class MapName(NamedTuple):
    """What names say of a map."""

    label: str
    kernel: str
    place: int


class Target(NamedTuple):
    """Where one map of one input goes; ``path`` is ``-`` for stdout."""

    path: str
    format: str

    @property
    def stdout(self) -> bool:
        """Whether this is standard output."""
        return self.path == STDIO


class Naming(NamedTuple):
    """The output rule of a run; ``output`` and ``format`` are the options as given."""

    kind: str
    """``stdout``, ``template``, ``folder``, ``file`` or ``beside``."""
    output: str
    format: str | None
    raw: bool = False
    """Maps stay float: without a named format, inputs that cannot hold that become tif."""

    def targets(self, source: Source, maps: Sequence[MapName]) -> list[Target]:
        """The target of every map of an input, in order."""
        if self.kind not in ("folder", "beside"):
            return [self._target(source, name) for name in maps]
        stem, ext = self._stem_and_ext(source)
        format_name = self.format or _format(ext)
        folder = (os.path.dirname(source.path),) if self.kind == "beside" else (self.output, source.parent)
        start, end = f"{_plainly(*folder)}{stem}_", f".{ext}"
        return [Target(start + name.label + end, format_name) for name in maps]

    def sheet_target(self, source: Source, maps: int) -> Target:
        """Where the contact sheet of an input goes: ``{stem}_sheet``, or a template filled with the map ``sheet``.

        Raises UsageError for standard output, which holds one picture.
        """
        if self.kind == "stdout":
            raise UsageError(
                "--sheet writes a picture of its own, and standard output takes one; name a folder with -o"
            )
        name = MapName("sheet", "sheet", maps)
        if self.kind == "file":
            path = Path(self.output)
            return Target(str(path.with_name(f"{path.stem}_sheet.png")), "png")
        stem, own = self._stem_and_ext(source)
        if self.kind == "template":
            path = Path(self._filled(source, name, stem, own))
            mark = "" if "{map}" in self.output or "{kernel}" in self.output else "_sheet"
            return Target(str(path.with_name(f"{path.stem}{mark}.png")), "png")
        return Target(str(self._folder(source) / f"{stem}_{name.label}.png"), "png")

    def _folder(self, source: Source) -> Path:
        return Path(source.path).parent if self.kind == "beside" else Path(self.output) / source.parent

    def _target(self, source: Source, name: MapName) -> Target:
        if self.kind == "stdout":
            suffix = "" if source.stdin else Path(source.path).suffix
            # npy from stdin is only known from its content; whoever reads it says so.
            other = "tif" if self.raw else "png"
            return Target(STDIO, self.format or ("npy" if format_of(suffix) == "npy" else other))
        if self.kind == "file":
            return Target(self.output, self.format or _format(self.output))
        path = self._filled(source, name, *self._stem_and_ext(source))
        if self.format and _format(path) != self.format:
            raise OutputError(f"{path}: the template and -f {self.format} contradict each other; end it with .{{ext}}")
        return Target(path, _format(path))

    def _stem_and_ext(self, source: Source) -> tuple[str, str]:
        """The input's stem and the output's suffix without a dot."""
        if source.stdin:
            return "stdin", self.format or ("tif" if self.raw else "png")
        stem, suffix = _parts(source.path)
        if self.format:
            keeps = format_of(suffix) == self.format
            return stem, suffix if keeps else self.format
        if self.raw and format_of(suffix) not in ("tif", "npy"):
            return stem, "tif"
        if format_of(suffix):
            return stem, suffix
        return (f"{stem}_{suffix}" if suffix else stem), "png"

    def _filled(self, source: Source, name: MapName, stem: str, ext: str) -> str:
        path = Path(source.path)
        fields = {
            "stem": "stdin" if source.stdin else path.stem,
            "suffix": "" if source.stdin else path.suffix.removeprefix("."),
            "ext": ext,
            "kernel": name.kernel,
            "map": name.label,
            "index": str(name.place),
            "parent": source.parent or ".",
        }
        if "{ext}" in self.output and "{suffix}" not in self.output:
            fields["stem"] = stem  # tells hopper.gif from hopper.png
        filled = os.path.normpath(self.output.format_map(fields))
        base = template_folder(self.output)
        inside = os.path.commonpath([os.path.abspath(base), os.path.abspath(filled)]) == os.path.abspath(base)
        if not inside:
            raise OutputError(f"{filled}: leaves the output folder {base}")
        return filled


def make_naming(output: str | None, format_name: str | None, *, stdin: bool, raw: bool = False) -> Naming:
    """The rule of ``-o`` and ``-f``; raises UsageError where they contradict each other."""
    if output is None:
        return Naming("stdout" if stdin else "beside", "", format_name, raw)
    if output == STDIO:
        return Naming("stdout", output, format_name, raw)
    if not output or "\0" in output:
        raise UsageError("-o is empty; name a file, a folder or a template")
    if "{" in output:
        _check_template(output)
        suffix = Path(output).suffix
        if "{" not in suffix and suffix != ".":
            _check_suffix(output, format_name)
        return Naming("template", output, format_name, raw)
    if is_folder(output) or output.endswith(("/", os.sep)):
        return Naming("folder", output, format_name, raw)
    if not is_image_suffix(Path(output).suffix):
        _check_new_folder(output)
        return Naming("folder", output, format_name, raw)
    _check_suffix(output, format_name)
    return Naming("file", output, format_name)


def _check_new_folder(output: str) -> None:
    """Refuse what would become a folder, but has the suffix of a picture, mistyped or of a format we do not write."""
    suffix = Path(output).suffix
    word = suffix.removeprefix(".").lower()
    hint = did_you_mean(word, WRITTEN)
    if hint or word in NOT_WRITTEN:
        known = hint or f"; {' '.join(FORMATS)} are"
        raise UsageError(f"-o {output}: {suffix} files are not written{known} (a folder of that name is {output}/)")


def is_folder(path: str | Path) -> bool:
    """Whether a path leads to a folder; one that cannot be followed (too long, no permission) does not."""
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


def template_folder(output: str) -> str:
    """The folder that a template stays in: what stands before its first field."""
    return os.path.normpath(os.path.dirname(output.split("{")[0]) or ".")


def _check_template(output: str) -> None:
    try:
        parts = list(string.Formatter().parse(output))
    except ValueError as error:
        raise UsageError(f"-o {output!r}: {error}; write {{{{ and }}}} for braces that are meant as such") from None
    for _, field, spec, conversion in parts:
        if field is None:
            continue
        if field not in FIELDS:
            hint = did_you_mean(field, FIELDS) or f"; known are {', '.join('{' + each + '}' for each in FIELDS)}"
            raise UsageError(f"-o {output!r}: unknown field {{{field}}}{hint}")
        if spec or conversion:
            raise UsageError(f"-o {output!r}: fields are written plainly, as in {{{field}}}")
    if output.endswith(("/", os.sep)):
        raise UsageError(f"-o {output!r}: a template names files; add {{stem}}_{{map}}.{{ext}}")


def _check_suffix(output: str, format_name: str | None) -> None:
    suffix = Path(output).suffix
    if not format_of(suffix):
        if is_image_suffix(suffix):
            raise UsageError(f"-o {output}: {suffix} files are read, not written; try .png")
        raise UsageError(f"-o {output}: has no image suffix; end it with .png or .{{ext}}")
    if format_name and format_of(suffix) != format_name:
        raise UsageError(f"-o {output} and -f {format_name} contradict each other; give one of them")


@cache
def _plainly(*folder: str) -> str:
    """What stands before the name of a file in a folder, without ``./`` and double slashes."""
    return str(Path(*folder, "x"))[:-1]


def _parts(path: str) -> tuple[str, str]:
    """Stem and suffix, as pathlib has them and in a tenth of its time."""
    name = os.path.split(path)[1]
    if name in ("", ".", ".."):
        name = Path(path).name
    dot = name.rfind(".")
    return (name[:dot], name[dot + 1 :]) if 0 < dot < len(name) - 1 else (name, "")


def _format(name: str) -> str:
    found = format_of(name.rpartition(".")[2])
    if not found:
        raise OutputError(f"{name}: has no image suffix that can be written; end it with .png or .{{ext}}")
    return found


def check_collisions(pairs: Iterable[tuple[Source, Target]]) -> list[str]:
    """One message a pair of inputs (or maps) whose outputs would be one file, also by case where the disk folds it."""
    seen: dict[str, Source] = {}
    folders: dict[str, tuple[str, bool]] = {}
    messages = []
    for source, target in pairs:
        if target.stdout:
            continue
        folder, name = os.path.split(target.path)
        if folder not in folders:
            folders[folder] = os.path.abspath(folder).rstrip("/"), _folds_case(Path(target.path))
        place, folds = folders[folder]
        key = f"{place}/{name.casefold() if folds else name}"
        if key not in seen:
            seen[key] = source
            continue
        other = seen[key]
        if other is source:
            messages.append(f"{target.path}: several maps of {source.path} would go here; put {{map}} in the template")
            continue
        if os.path.abspath(other.path) == os.path.abspath(source.path):
            messages.append(f"{source.path}: is given twice")
            continue
        messages.append(
            f"{target.path}: both {other.path} and {source.path} would be written here; {_parting(other, source)}"
        )
    return messages


def _parting(first: Source, second: Source) -> str:
    """The way out for two inputs with one output name: a template in which they differ."""
    if Path(first.path).stem.casefold() != Path(second.path).stem.casefold():
        return "part them with {stem}, as in -o 'OUT/{stem}_{map}.{ext}'"
    suffixes = {Path(first.path).suffix.casefold(), Path(second.path).suffix.casefold()}
    if len(suffixes) > 1:
        return "part them with -o 'OUT/{stem}_{suffix}_{map}.{ext}'"
    if first.parent.casefold() != second.parent.casefold():
        return "part them with -o 'OUT/{parent}/{stem}_{map}.{ext}'"
    # {parent} is empty for files that were named one by one: only a folder argument above both tells them apart.
    return "part them by giving the folder above both, with --recursive and -o 'OUT/{parent}/{stem}_{map}.{ext}'"


_FOLDS: dict[Path, bool] = {}


def _folds_case(path: Path) -> bool:
    """Whether the disk under a path takes ``A`` and ``a`` for one name."""
    folder = path.parent
    while not is_folder(folder) and folder != folder.parent:
        folder = folder.parent
    if folder not in _FOLDS:
        swapped = Path(str(folder.resolve()).swapcase())
        _FOLDS[folder] = bool(re.search("[a-zA-Z]", str(folder.resolve()))) and swapped.exists()
    return _FOLDS[folder]
