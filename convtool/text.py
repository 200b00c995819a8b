"""Words and numbers as people type them: parsed, or refused with a reason and a suggestion."""

from __future__ import annotations

import re
from collections.abc import Collection
from fractions import Fraction
from math import isfinite

from convtool.errors import UsageError

MAX_COUNT = 1_000_000
"""Largest stride, padding or dilation, in samples."""


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


def parse_float(text: str, name: str) -> float:
    """A finite number, also as a fraction."""
    try:
        value = float(parse_number(text))
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from None
    if not isfinite(value):
        raise UsageError(f"{name}: {text!r} is not finite")
    return value


def sample_count(digits: str, name: str) -> int:
    """A whole number of samples, small enough to mean anything."""
    if len(digits) > 12 or int(digits) > MAX_COUNT:
        raise UsageError(f"{name} {digits[:20]} is too large; at most {MAX_COUNT:,}")
    return int(digits)


def parse_count(text: str, name: str) -> int:
    """A whole number from 1 up."""
    if not re.fullmatch(r"\d+", text, re.ASCII) or sample_count(text, name) < 1:
        raise UsageError(f"{name} {text!r} is not a whole number from 1 up")
    return int(text)


def choice(value: str, name: str, words: tuple[str, ...]) -> str:
    """``value`` if it is one of ``words``; raises UsageError with did-you-mean."""
    if value not in words:
        raise UsageError(f"{name} {value!r} is not one of {', '.join(words)}{did_you_mean(value, words)}")
    return value
