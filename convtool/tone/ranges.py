"""Range policies: how the values of a map become samples, as they are typed."""

from __future__ import annotations

from fractions import Fraction

from convtool.errors import UsageError
from convtool.text import did_you_mean, parse_number
from convtool.tuples import NamedTuple

RANGES = ("clip", "abs", "shift", "stretch", "symmetric", "raw")


class Range(NamedTuple):
    """How a map becomes sample values: a policy and the gain that multiplies the map first."""

    how: str
    gain: Fraction = Fraction(1)

    def __str__(self) -> str:
        return self.how if self.gain == 1 else f"{self.how}:{self.gain}"


def parse_range(text: str) -> Range:
    """``HOW`` or ``HOW:GAIN``, the gain a number or fraction other than 0."""
    how, _, gain = text.partition(":")
    if how not in RANGES:
        raise UsageError(f"range {how!r} is not one of {', '.join(RANGES)}{did_you_mean(how, RANGES)}")
    if not gain and ":" in text:
        raise UsageError(f"range {text!r} has no gain after the colon; write {how}:1/4 or {how}")
    value = parse_number(gain) if gain else Fraction(1)
    if value == 0:
        raise UsageError(f"range {text!r} multiplies by 0")
    return Range(how, value)
