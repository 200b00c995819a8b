"""The words of a run: option values as text turned into checked values. The command line and ``apply`` share them."""

from __future__ import annotations

import re
from collections.abc import Collection
from fractions import Fraction
from math import isfinite
from typing import NamedTuple

from convtool.errors import UsageError
from convtool.geometry import Padding, Pair, pair, standard_padding

RANGES = ("clip", "abs", "shift", "stretch", "symmetric", "raw")
MERGES = ("magnitude", "max", "mean", "sum")
CHANNELS = ("each", "sum", "luma", "r", "g", "b", "a")
ALPHAS = ("weighted", "keep", "filter", "drop")
DTYPES = ("uint8", "uint16", "float32")
FORMAT_NAMES = ("png", "jpg", "tif", "webp", "bmp", "ppm", "pgm", "npy")

MAX_COUNT = 1_000_000
"""Largest stride, padding or dilation, in samples."""

MAX_PIXELS = 89_478_485
"""Default limit of an input's pixels: a quarter of a gigabyte of RGB, the level at which Pillow warns."""
MAX_BYTES = 1 << 30
"""Default limit of bytes read from standard input: 1 GiB."""


class Range(NamedTuple):
    """How a map becomes sample values: a policy and the gain that multiplies the map first."""

    how: str
    gain: Fraction = Fraction(1)

    def __str__(self) -> str:
        return self.how if self.gain == 1 else f"{self.how}:{self.gain}"


def did_you_mean(word: str, words: Collection[str]) -> str:
    """A clause "; did you mean ...?" for a mistyped word, or nothing."""
    import difflib  # only a mistyped word needs it

    if word.casefold() in words:  # right but for its case
        return f"; did you mean {word.casefold()}?"
    if len(word) < 2 or word.isdigit():
        return ""
    close = difflib.get_close_matches(word.casefold(), list(words), n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(close)}?" if close else ""


def parse_number(text: str) -> Fraction:
    """A number as people write weights: ``3``, ``-0.5``, ``1e-3``, ``1/16``. Raises UsageError."""
    if not _NUMBER.fullmatch(text) or len(text) > 64:
        shown = text if len(text) <= 24 else text[:21] + "..."
        raise UsageError(f"{shown!r} is not a number (write 3, -0.5, 1e-3 or 1/16)")
    top, _, bottom = text.partition("/")
    if bottom and Fraction(bottom) == 0:
        raise UsageError(f"{text!r} divides by zero")
    value = _fraction(top) / (_fraction(bottom) if bottom else 1)
    if abs(value) > Fraction(10) ** 30:
        raise UsageError(f"{text!r} is larger than 1e30")
    return value


def _fraction(text: str) -> Fraction:
    exponent = re.search(r"[eE]([+-]?\d+)$", text)
    if exponent and abs(int(exponent[1])) > 40:
        raise UsageError(f"{text!r} has an exponent beyond 40")
    return Fraction(text)


_DECIMAL = r"(?:0|[1-9]\d*)(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?"
_NUMBER = re.compile(rf"[+-]?(?:{_DECIMAL})(?:/(?:{_DECIMAL}))?", re.ASCII)


def parse_range(text: str) -> Range:
    """``HOW`` or ``HOW:GAIN``, the gain a number or fraction other than 0."""
    how, _, gain = text.partition(":")
    if how not in RANGES:
        raise UsageError(f"range {how!r} is not one of {', '.join(RANGES)}{did_you_mean(how, RANGES)}")
    if not gain and ":" in text:
        raise UsageError(f"range {text!r} has no gain behind the colon; write {how}:1/4 or {how}")
    value = parse_number(gain) if gain else Fraction(1)
    if value == 0:
        raise UsageError(f"range {text!r} multiplies by 0")
    return Range(how, value)


def parse_pair(text: str, name: str) -> Pair:
    """``N`` or ``NxM`` (rows x columns), whole numbers from 1 up."""
    match = re.fullmatch(r"(-?\d+)(?:[xX](-?\d+))?", text, re.ASCII)
    if not match:
        raise UsageError(f"{name} {text!r} is not N or NxM (rows x columns), as in 2 or 2x1")
    rows = _count(match[1], name)
    return pair((rows, _count(match[2], name) if match[2] else rows), name, 1)


def _count(digits: str, name: str) -> int:
    """A whole number of samples, small enough to mean anything."""
    if len(digits) > 12 or int(digits) > MAX_COUNT:
        raise UsageError(f"{name} {digits[:20]} is too large; at most {MAX_COUNT:,}")
    return int(digits)


def parse_padding(text: str) -> Padding:
    """``N``, ``NxM``, ``T,R,B,L``, ``same``, ``valid`` or ``full``."""
    words = ("same", "valid", "full")
    if text in words:
        return standard_padding(text)
    if match := re.fullmatch(r"(-?\d+)(?:[xX](-?\d+))?", text, re.ASCII):
        rows = _count(match[1], "pad")
        return standard_padding((rows, _count(match[2], "pad") if match[2] else rows))
    if re.fullmatch(r"-?\d+(,-?\d+){3}", text, re.ASCII):
        top, right, bottom, left = (_count(number, "pad") for number in text.split(","))
        return standard_padding(((top, bottom), (left, right)))
    hint = did_you_mean(text, words)
    raise UsageError(f"pad {text!r} is not N, NxM, T,R,B,L (top, right, bottom, left), same, valid or full{hint}")


def parse_border(text: str) -> tuple[str, float]:
    """A mode name, or ``constant=V`` with V in sample units: (mode, value)."""
    from convtool.border import MODES

    name, _, value = text.partition("=")
    if name == "constant":
        if not value:
            raise UsageError("border constant needs its value in sample units, as in constant=128")
        return name, parse_float(value, "border constant")
    if text not in MODES:
        names = [mode if mode != "constant" else "constant=V" for mode in MODES]
        raise UsageError(f"border {text!r} is not one of {', '.join(names)}{did_you_mean(name, MODES)}")
    return name, 0.0


def parse_float(text: str, name: str) -> float:
    """A finite number, also as a fraction."""
    try:
        value = float(parse_number(text))
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from None
    if not isfinite(value):
        raise UsageError(f"{name}: {text!r} is not finite")
    return value


def choice(value: str, name: str, words: tuple[str, ...]) -> str:
    """``value`` if it is one of ``words``; raises UsageError with did-you-mean."""
    if value not in words:
        raise UsageError(f"{name} {value!r} is not one of {', '.join(words)}{did_you_mean(value, words)}")
    return value


def spelled(value: object) -> str:
    """A parsed option value as it can be typed."""
    if isinstance(value, tuple) and not isinstance(value, Range):
        if len(value) == 2 and all(isinstance(side, tuple) for side in value):
            (top, bottom), (left, right) = value
            same = top == bottom == left == right
            return str(top) if same else f"{top},{right},{bottom},{left}"
        if isinstance(value[0], str):  # a border and its constant
            return f"{value[0]}={spelled(value[1])}" if value[0] == "constant" else value[0]
        return str(value[0]) if value[0] == value[1] else f"{value[0]}x{value[1]}"
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
