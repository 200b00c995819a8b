"""The words of a run: option values as text turned into checked values. The command line and ``apply`` share them."""

from __future__ import annotations

import re
from collections import Counter
from fractions import Fraction

from convtool.engine.geometry import Padding, Pair, pair, standard_padding
from convtool.errors import UsageError
from convtool.text import choice, did_you_mean, parse_float, parse_number, sample_count
from convtool.tone.ranges import Range
from convtool.tuples import NamedTuple

MERGES = ("magnitude", "max", "mean", "sum")
CHANNELS = ("each", "sum", "luma", "r", "g", "b", "a")
ALPHAS = ("weighted", "keep", "filter", "drop")
DTYPES = ("uint8", "uint16", "float32")
ACTIVATIONS = ("none", "relu", "leaky", "abs", "sigmoid", "tanh")
POOLS = ("max", "avg")
ORDERS = ("rgb", "bgr")

MAX_PLACES = 4096
"""Most places that ``--maps`` names: no set has more maps."""


class Activation(NamedTuple):
    """What becomes of every value after the sum and its bias; ``slope`` is leaky's, for values below 0."""

    how: str
    slope: float = 0.0

    def __str__(self) -> str:
        return f"{self.how}:{self.slope:g}" if self.how == "leaky" else self.how


class Pool(NamedTuple):
    """Largest or mean value of windows (rows, columns), taken every ``stride``; windows over the edge are left out."""

    how: str
    size: Pair
    stride: Pair

    def __str__(self) -> str:
        numbers = [self.size] if self.size == self.stride else [self.size, self.stride]
        return ":".join([self.how, *(f"{r}" if r == c else f"{r}x{c}" for r, c in numbers)])


class Scaling(NamedTuple):
    """What is done to samples before the first layer pads them: ``(x*scale - mean)/std``, channel by channel.

    ``mean`` and ``std`` hold one number a channel, or one for all, in the order that ``order`` says; empty for none.
    """

    scale: Fraction = Fraction(1)
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    order: str = "rgb"

    @property
    def plain(self) -> bool:
        """Whether samples stay what they are, whatever their order."""
        return self.scale == 1 and not any(self.mean) and all(value == 1 for value in self.std)


def parse_pair(text: str, name: str) -> Pair:
    """``N`` or ``NxM`` (rows x columns), whole numbers from 1 up."""
    match = re.fullmatch(r"(-?\d+)(?:[xX](-?\d+))?", text, re.ASCII)
    if not match:
        raise UsageError(f"{name} {text!r} is not N or NxM (rows x columns), as in 2 or 2x1")
    rows = sample_count(match[1], name)
    return pair((rows, sample_count(match[2], name) if match[2] else rows), name, 1)


def parse_padding(text: str) -> Padding:
    """``N``, ``NxM``, ``T,R,B,L``, ``same``, ``valid`` or ``full``."""
    words = ("same", "valid", "full")
    if text in words:
        return standard_padding(text)
    if match := re.fullmatch(r"(-?\d+)(?:[xX](-?\d+))?", text, re.ASCII):
        rows = sample_count(match[1], "pad")
        return standard_padding((rows, sample_count(match[2], "pad") if match[2] else rows))
    if re.fullmatch(r"-?\d+(,-?\d+){3}", text, re.ASCII):
        top, right, bottom, left = (sample_count(number, "pad") for number in text.split(","))
        return standard_padding(((top, bottom), (left, right)))
    hint = did_you_mean(text, words)
    raise UsageError(f"pad {text!r} is not N, NxM, T,R,B,L (top, right, bottom, left), same, valid or full{hint}")


def parse_border(text: str) -> tuple[str, float]:
    """A mode name, or ``constant=V`` with V in sample units: (mode, value)."""
    from convtool.engine.border import MODES

    name, _, value = text.partition("=")
    if name == "constant":
        if not value:
            raise UsageError("border constant needs its value in sample units, as in constant=128")
        return name, parse_float(value, "border constant")
    if text not in MODES:
        names = [mode if mode != "constant" else "constant=V" for mode in MODES]
        raise UsageError(f"border {text!r} is not one of {', '.join(names)}{did_you_mean(name, MODES)}")
    return name, 0.0


def parse_activation(text: str) -> Activation:
    """``none``, ``relu``, ``leaky:A``, ``abs``, ``sigmoid`` or ``tanh``."""
    how, colon, slope = text.partition(":")
    choice(how, "activation", ACTIVATIONS)
    if how != "leaky":
        if colon:
            raise UsageError(f"activation {text!r}: {how} takes no number")
        return Activation(how)
    if not slope:
        raise UsageError("activation leaky needs the slope below 0, as in leaky:0.01")
    return Activation(how, parse_float(slope, "activation leaky"))


def parse_pool(text: str) -> Pool:
    """``max:SIZE`` or ``avg:SIZE``, perhaps ``:STRIDE``, which is the size otherwise; both N or NxM."""
    how, *numbers = text.split(":")
    if how[:1].isdigit():
        raise UsageError(f"pool {text!r} does not say how; write {' or '.join(f'{each}:{text}' for each in POOLS)}")
    choice(how, "pool", POOLS)
    if not 1 <= len(numbers) <= 2:
        raise UsageError(f"pool {text!r} is not {how}:SIZE or {how}:SIZE:STRIDE, as in {how}:2 or {how}:3:2")
    size = parse_pair(numbers[0], "pool size")
    return Pool(how, size, parse_pair(numbers[1], "pool stride") if len(numbers) == 2 else size)


def parse_maps(text: str) -> tuple[int, ...]:
    """Places counted from 0, and ranges of them: ``0,3,8-11``."""
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", part.strip(), re.ASCII)
        if not match:
            raise UsageError(f"maps {text!r} is not a list of places counted from 0, as in 0,3,8-11")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last - first >= MAX_PLACES:
            raise UsageError(f"maps {part.strip()} names no range; write the smaller number first")
        found += range(first, last + 1)
    if len(found) > MAX_PLACES:
        raise UsageError(f"maps names {len(found)} places; a set has at most {MAX_PLACES}")
    twice = [at for at, count in Counter(found).items() if count > 1]
    if twice:
        raise UsageError(f"maps names {twice[0]} twice")
    return tuple(found)


def parse_scale(text: str) -> Fraction:
    """What samples are multiplied by, above 0."""
    value = parse_number(text)
    if value <= 0:
        raise UsageError(f"scale {text!r} has to be above 0")
    return value


def parse_numbers(text: str, name: str) -> tuple[float, ...]:
    """One number, or one a channel: ``0.485,0.456,0.406``. A ``std`` has to be above 0."""
    values = tuple(parse_float(part.strip(), name) for part in text.split(","))
    if name == "std" and min(values) <= 0:
        raise UsageError(f"std {text!r} has to be above 0; samples are divided by it")
    return values


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
