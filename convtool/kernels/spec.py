"""The grammar of ``--kernel``: text taken apart, nothing looked up.

sobel                 a name                gaussian:sigma=2.5      parameters
sobel-x@90            turned                my.yaml#name            a file, one kernel of it
"1 0 -1; 2 0 -2"      inline                "1 2 1 / 4"             inline with a divisor
bank.npz#conv1        weights from a file
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import PurePath
from types import MappingProxyType

from convtool.errors import KernelError, UsageError
from convtool.text import parse_number
from convtool.tuples import NamedTuple

YAML_SUFFIXES = (".yaml", ".yml")
ARRAY_SUFFIXES = (".npy", ".npz", ".safetensors")
_HERE = ("./", "../", ".\\", "..\\")  # a path, though it begins as a number may
_ROW_END = r";[^\S\n]*\n|[;\n]"  # a semicolon at the end of a line is one end, not two


class Inline(NamedTuple):
    """Weights typed in place, row by row."""

    values: tuple[Fraction, ...]
    shape: tuple[int, ...]


class Spec(NamedTuple):
    """A kernel spec: exactly one of ``name``, ``file`` or ``inline`` says where the weights come from."""

    text: str
    name: str = ""
    file: str = ""
    inline: Inline | None = None
    parameters: Mapping[str, Fraction] = MappingProxyType({})
    typed: tuple[str, ...] = ()
    """Parameters as labels show them: ``sigma2.5``."""
    angle: int | None = None


def parse_spec(text: str) -> Spec:
    """Take a spec apart; raises KernelError that quotes it."""
    spec = text.strip()
    try:
        if not spec:
            raise KernelError("a kernel spec is empty")
        body, angle = _angle(spec)
        if not body or body[0] in "#:":
            raise KernelError("names no kernel; begin with a name, a file or weights")
        if _is_inline(body):
            return Spec(text, inline=_inline(body), angle=angle)
        file, tail = _file(body)
        if file:
            # Arrays have names like conv1/kernel:0 and take no parameters: everything after the # is the name.
            array = file.lower().endswith(ARRAY_SUFFIXES) and tail.startswith("#")
            name, parameters = (tail, None) if array else _split_parameters(tail)
            name = name.removeprefix("#")
        else:
            name, parameters = _split_parameters(body)
            if "@" in name:
                raise KernelError("@angle comes last, after #name and :parameters")
        values, typed = _parameters(name, parameters)
        return Spec(text, name=name, file=file, parameters=values, typed=typed, angle=angle)
    except (KernelError, UsageError) as error:
        shown = text if len(text) <= 60 else text[:57] + "..."
        raise KernelError(f"kernel {shown!r}: {error}") from None


def _angle(spec: str) -> tuple[str, int | None]:
    body, at, angle = spec.rpartition("@")
    if not at or re.search(r"[/\\#:]|\.(yaml|yml|npy|npz|safetensors)$", angle, re.IGNORECASE):
        return spec, None  # none, or an @ in the name of a file
    if not re.fullmatch(r"[+-]?\d{1,6}", angle, re.ASCII):
        raise KernelError(f"@{angle} is not a whole number of degrees, as in sobel-x@90")
    return body, int(angle)


def _is_inline(body: str) -> bool:
    if not body or body[0] not in "0123456789+-.[":
        return False
    return not body.startswith(_HERE) and not _file(body)[0]


def _file(body: str) -> tuple[str, str]:
    """The file at the start of a spec and what follows it; no file if it is a name or numbers."""
    match = re.match(r"(.*?\.(?:yaml|yml|npy|npz|safetensors))(?=$|[#:])", body, re.IGNORECASE | re.DOTALL)
    if match:
        return match[1], body[match.end() :]
    if body[0] in "0123456789+-.[" and not body.startswith(_HERE):
        return "", body
    if "/" in re.split(r"[#:]", body, maxsplit=1)[0] or "\\" in body:
        suffix = PurePath(re.split(r"[#:]", body)[0]).suffix
        kinds = ", ".join(YAML_SUFFIXES + ARRAY_SUFFIXES)
        raise KernelError(f"a path to a kernel ends in one of {kinds}, not {suffix!r}")
    return "", body


def _split_parameters(body: str) -> tuple[str, str | None]:
    name, colon, parameters = body.partition(":")
    return name, parameters if colon else None


def _parameters(name: str, text: str | None) -> tuple[dict[str, Fraction], tuple[str, ...]]:
    values: dict[str, Fraction] = {}
    typed: list[str] = []
    if text is None:
        return values, ()
    for part in text.split(","):
        key, equals, number = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise KernelError(_bare(name, part.strip()))
        if key in values:
            raise KernelError(f"{key} is given twice")
        values[key] = parse_number(number)
        typed.append(key + (f"{float(values[key]):g}" if "/" in number else number.removeprefix("+")))
    return values, tuple(typed)


def _bare(name: str, value: str) -> str:
    from convtool.kernels.generators import GENERATORS

    parameters = GENERATORS[name.casefold()].parameters if name.casefold() in GENERATORS else ()
    if parameters and value:
        return f"write {name}:{parameters[0].name}={value}"
    return "parameters are written name=value, as in gaussian:sigma=2.5"


def _inline(body: str) -> Inline:
    divisor = Fraction(1)
    if match := re.search(r"(?:\s|(?<=\]))/\s*(\S+)\s*$", body):
        divisor = parse_number(match[1])
        if divisor == 0:
            raise KernelError("the divisor is 0")
        body = body[: match.start()]
    planes = _brackets(body) if body.lstrip().startswith("[") else [_rows(body)]
    for plane in planes:
        for at, row in enumerate(plane, 1):
            if len(row) != len(plane[0]):
                raise KernelError(f"row {at} has {len(row)} weights, row 1 has {len(plane[0])}")
        if len(plane) != len(planes[0]) or len(plane[0]) != len(planes[0][0]):
            raise KernelError("the channels differ in size")
    values = tuple(value / divisor for plane in planes for row in plane for value in row)
    shape = (len(planes[0]), len(planes[0][0]))
    return Inline(values, shape if len(planes) == 1 else (len(planes), *shape))


def _rows(text: str) -> list[list[Fraction]]:
    lines = re.split(_ROW_END, text.strip().removesuffix(";"))
    return [_weights(line, at) for at, line in enumerate(lines, 1)]


def _weights(line: str, row: int) -> list[Fraction]:
    if not line.strip():
        raise KernelError(f"row {row} is empty")
    words = re.split(r"\s*,\s*|\s+", line.strip().removesuffix(",").rstrip())
    weights = []
    for column, word in enumerate(words, 1):
        if not word:
            raise KernelError(f"row {row}, column {column}: a weight is missing")
        try:
            weights.append(parse_number(word))
        except UsageError as error:
            raise KernelError(f"row {row}, column {column}: {error}") from None
    return weights


def _brackets(text: str) -> list[list[list[Fraction]]]:
    """``[1 0 -1; 2 0 -2]``, ``[[1, 0, -1], [2, 0, -2]]`` or a list of such matrices, one a channel."""
    compact = re.sub(r"\s*([\[\]])\s*", r"\1", text.strip())
    depth = len(compact) - len(compact.lstrip("["))
    if not compact.endswith("]" * depth) or depth > 3:
        raise KernelError("the brackets do not match")
    inner = compact[depth:-depth]
    planes = re.split(r"\]\][,;]?\[\[", inner) if depth == 3 else [inner]
    result = []
    for plane in planes:
        rows = re.split(r"\][,;]?\[", plane) if depth > 1 else re.split(_ROW_END, plane)
        if any("[" in row or "]" in row for row in rows):
            raise KernelError("the brackets do not match")
        result.append([_weights(row, at) for at, row in enumerate(rows, 1)])
    return result
