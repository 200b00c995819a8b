"""Range policies: how the values of a map become samples. Each policy is ``gain*y + shift``, or its magnitude."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from convtool.errors import UsageError
from convtool.text import did_you_mean, parse_number
from convtool.tuples import NamedTuple

Number = Fraction | float
"""A fraction wherever it is finite."""


class Units(NamedTuple):
    """What values are measured in: full scale and middle."""

    full: Fraction
    middle: Fraction


class Line(NamedTuple):
    """What becomes of every value y: ``y*gain + shift``, or the magnitude of that."""

    gain: Fraction
    shift: Fraction
    absolute: bool = False

    def of(self, y: Number) -> Number:
        """The value for y."""
        value = y * self.gain + self.shift
        return -value if self.absolute and value < 0 else value


Numbers = tuple[Fraction, ...]


class Policy(NamedTuple):
    """One policy. Its functions take the units of the input, and the ends of the map times the gain that is typed."""

    line: Callable[[Units, Fraction, Fraction], tuple[Fraction, Fraction]]
    """Gain and shift, beside the gain that is typed."""
    operands: Callable[[Units, Fraction, Fraction], Numbers | None] = lambda units, low, high: None
    """The numbers that it works with, for those who explain it; None where it changes nothing."""
    absolute: bool = False
    fitted: bool = False
    """Whether it looks at the ends of the whole map."""


def _peak(low: Fraction, high: Fraction) -> Fraction:
    return max(abs(low), abs(high))


def _stretched(units: Units, low: Fraction, high: Fraction) -> tuple[Fraction, Fraction]:
    if low == high:
        return Fraction(1), Fraction(0)
    factor = units.full / (high - low)
    return factor, -low * factor


def _symmetric(units: Units, low: Fraction, high: Fraction) -> tuple[Fraction, Fraction]:
    peak = _peak(low, high)
    return ((units.full - units.middle) / peak if peak else Fraction(0)), units.middle


def _unchanged(units: Units, low: Fraction, high: Fraction) -> tuple[Fraction, Fraction]:
    return Fraction(1), Fraction(0)


POLICIES = {
    "clip": Policy(_unchanged),
    "abs": Policy(_unchanged, lambda units, low, high: (), absolute=True),
    "shift": Policy(lambda units, low, high: (Fraction(1), units.middle), lambda units, low, high: (units.middle,)),
    "stretch": Policy(
        _stretched, lambda units, low, high: (low, high, units.full) if low != high else None, fitted=True
    ),
    "symmetric": Policy(
        _symmetric,
        lambda units, low, high: (_peak(low, high), units.full - units.middle, units.middle),
        fitted=True,
    ),
    "raw": Policy(_unchanged),
}
RANGES = tuple(POLICIES)


class Range(NamedTuple):
    """How a map becomes sample values: a policy and the gain that multiplies the map first."""

    how: str
    gain: Fraction = Fraction(1)

    def __str__(self) -> str:
        return self.how if self.gain == 1 else f"{self.how}:{self.gain}"

    @property
    def fitted(self) -> bool:
        """Whether the smallest and the largest value of the map are needed."""
        return POLICIES[self.how].fitted

    def line(self, units: Units, ends: tuple[Fraction, Fraction] = (Fraction(0), Fraction(0))) -> Line:
        """What becomes of the values of a map, in the units of the input; ``ends`` of the map matter where fitted."""
        policy = POLICIES[self.how]
        gain, shift = policy.line(units, *self._scaled(ends))
        return Line(self.gain * gain, shift, policy.absolute)

    def operands(self, units: Units, ends: tuple[Fraction, Fraction]) -> Numbers | None:
        """The numbers of the policy, for those who explain it; None where it changes nothing but by its gain."""
        return POLICIES[self.how].operands(units, *self._scaled(ends))

    def _scaled(self, ends: tuple[Fraction, Fraction]) -> tuple[Fraction, Fraction]:
        low, high = sorted(end * self.gain for end in ends)
        return low, high


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
