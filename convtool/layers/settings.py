"""What is to be computed, apart from the kernels: the settings, and the one table of the options that make them.

The command line, stack files, ``apply`` of Python and ``explain`` take their options from these rows. A new option of a
layer is a row, a field of ``Settings`` and what it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import Any

from convtool.engine.geometry import Padding, Pair, pair, standard_padding
from convtool.errors import UsageError
from convtool.layers import options
from convtool.layers.options import Activation, Pool, Scaling
from convtool.text import choice, parse_count, parse_float
from convtool.tone.ranges import Range, parse_range
from convtool.tuples import NamedTuple

RAW = Range("raw")


class Settings(NamedTuple):
    """What is to be computed, apart from the kernels; the defaults of the command line and of ``apply``.

    Up to ``pool`` they belong to one layer; ``range`` and those after it to the whole run.
    """

    stride: Pair = (1, 1)
    padding: Padding = "same"
    border: tuple[str, float] | None = None
    """(mode, constant); None is reflect for same padding, zeros otherwise."""
    dilation: Pair = (1, 1)
    channels: str | None = None
    """None is sum for a kernel with depth, each otherwise."""
    flip: bool = False
    bias: float | None = None
    """Replaces the kernel's own."""
    merge: str | None = None
    groups: int = 1
    """Into how many groups the incoming channels are divided; each kernel sees those of its group."""
    maps: tuple[int, ...] | None = None
    """Places of the kernels that are used, None for all."""
    activation: Activation | None = None
    pool: Pool | None = None
    range: Range | None = None
    """None is the kernel's own, else clip."""
    dtype: str | None = None
    """None is the input's."""
    alpha: str = "weighted"
    linear: bool = False
    """Filter in linear light; bias and the border's constant are in linear units then."""
    scaling: Scaling = Scaling()
    """What is done to the samples of the picture first."""

    @property
    def edge(self) -> tuple[str, float]:
        """The border in force: (mode, constant)."""
        if self.border is not None:
            return self.border
        return ("reflect" if self.padding == "same" else "zeros"), 0.0

    @property
    def raw(self) -> bool:
        """Whether the values of maps are written as they are, as float32."""
        return self.dtype == "float32" or (self.range is not None and self.range.how == "raw")

    def in_run(self, run: Settings) -> Settings:
        """These settings of a layer, with what belongs to the whole run taken from ``run``."""
        return self._replace(range=run.range, dtype=run.dtype, alpha=run.alpha, linear=run.linear, scaling=run.scaling)

    def implied(self, format_name: str = "") -> Settings:
        """With the rule that range raw, dtype float32 and the format npy each imply the others unless said."""
        if not self.raw and format_name != "npy":
            return self
        return self._replace(range=self.range or RAW, dtype=self.dtype or "float32")


DEFAULTS = Settings()
NO_SCALING = Scaling()


class Option(NamedTuple):
    """One option that makes a setting."""

    name: str
    """As it is typed: ``--pad`` on the command line, ``pad:`` in a stack file, ``pad=`` in Python."""
    read: Callable[[str], Any]
    """From text to the checked value; raises UsageError."""
    help: str
    value: str = ""
    """What stands for the value in help; empty for a switch."""
    default: str = ""
    """What holds without the option, as help says it."""
    letter: str = ""
    group: str = ""
    """The part of help that shows it."""
    take: Callable[[Any], Any] | None = None
    """From a value of Python that is no text; None where only text will do."""
    field: str = ""
    """The field of ``Settings``, or of ``Scaling``, where it has another name."""

    @property
    def setting(self) -> str:
        """The field that it fills."""
        return self.field or self.name

    def checked(self, given: object) -> Any:
        """The checked value of what is given in Python; raises UsageError. None is that where it is the default."""
        if given is None and getattr(DEFAULTS, self.setting, None) is None:
            return None
        if isinstance(given, str):
            return self.read(given)
        if self.take is None:
            raise UsageError(f"{self.name} is {given!r}; it takes text, as on the command line")
        return self.take(given)


def _word(name: str, words: tuple[str, ...]) -> Callable[[str], str]:
    return lambda text: choice(text, name, words)


def _switch(name: str) -> Callable[[str], bool]:
    return lambda text: choice(text, name, ("true", "false")) == "true"


def _number(name: str) -> Callable[[Any], float]:
    def number(value: Any) -> float:
        try:
            found = float(value)
        except (TypeError, ValueError):
            raise UsageError(f"{name} is {value!r}; it takes a number") from None
        if not isfinite(found) or abs(found) > 1e30:
            raise UsageError(f"{name} is {found}; it takes a finite number up to 1e30")
        return found

    return number


def _numbers(name: str) -> Callable[[Any], tuple[float, ...]]:
    def numbers(value: Any) -> tuple[float, ...]:
        each = value if isinstance(value, Iterable) else [value]
        return options.parse_numbers(",".join(repr(_number(name)(number)) for number in each), name)

    return numbers


LAYER = (
    Option("stride", lambda text: options.parse_pair(text, "stride"), "Step of the window, rows x columns.", "N|NxM",
           "1", "s", take=lambda value: pair(value, "stride", 1), group="Everyday"),
    Option("pad", options.parse_padding, "Samples added around the picture: N, NxM, T,R,B,L, same, valid or full.", "P",
           "same", "p", take=standard_padding, field="padding", group="Everyday"),
    Option("border", options.parse_border, "What stands beyond the edge: zeros, constant=V, replicate, reflect, "
           "symmetric or circular.", "MODE", "reflect for same, else zeros", "b", group="Window"),
    Option("dilation", lambda text: options.parse_pair(text, "dilation"), "Distance between taps, rows x columns.",
           "N|NxM", "1", take=lambda value: pair(value, "dilation", 1), group="Window"),
    Option("channels", _word("channels", options.CHANNELS), "What kernels see: each channel by itself, sum (all "
           "of them added up), luma, or one of r g b a.", "WHICH", "sum for kernels with depth, else each",
           group="Channels and values"),
    Option("flip", _switch("flip"), "Turn the weights by 180 degrees; the anchor stays.", take=bool, group="Kernel"),
    Option("bias", lambda text: parse_float(text, "bias"), "Replace the kernel's bias, in sample units.", "X",
           take=_number("bias"), group="Kernel"),
    Option("merge", _word("merge", options.MERGES), "Join the maps of each kernel set into one: magnitude, max, "
           "mean or sum.", "HOW", group="Everyday"),
    Option("groups", lambda text: parse_count(text, "groups"), "Groups of channels, each seen by its share of the "
           "kernels.", "N", "1", take=lambda value: pair((value, value), "groups", 1)[0], group="Channels and values"),
    Option("maps", options.parse_maps, "Use these kernels only, counted from 0: 0,3,8-11.", "PLACES", "all",
           take=lambda value: options.parse_maps(",".join(map(str, value))), group="Kernel"),
    Option("activation", options.parse_activation, "Applied after the bias: none, relu, leaky:A, abs, sigmoid or tanh.",
           "HOW", "none", group="Layers"),
    Option("pool", options.parse_pool, "Applied after the activation: max:N or avg:N, with a stride as in max:3:2.",
           "HOW:N", "none", group="Layers"),
)  # fmt: skip
"""Options of one layer."""

SCALING = (
    Option("scale", options.parse_scale, "Multiply samples first, as in 1/255. (A kernel's own scale multiplies its "
           "weights.)", "X", "1", take=lambda value: options.parse_scale(repr(_number("scale")(value))),
           group="Channels and values"),
    Option("mean", lambda text: options.parse_numbers(text, "mean"), "Then subtract this, one number a channel.",
           "X[,X...]", "0", take=_numbers("mean"), group="Channels and values"),
    Option("std", lambda text: options.parse_numbers(text, "std"), "Then divide by this, one number a channel.",
           "X[,X...]", "1", take=_numbers("std"), group="Channels and values"),
    Option("order", _word("order", options.ORDERS), "Order in which kernels with depth see the channels: rgb or bgr.",
           "ORDER", "rgb", group="Channels and values"),
)  # fmt: skip
"""What is done to the samples before the first layer."""

RUN = (
    Option("range", parse_range, "How values become samples: clip, abs, shift, stretch, symmetric or raw, with a "
           "gain as in abs:1/4.", "HOW[:GAIN]", "the kernel's, else clip", group="Everyday"),
    Option("dtype", _word("dtype", options.DTYPES), "Sample type of the output: uint8, uint16 or float32.", "TYPE",
           "the input's", group="Channels and values"),
    Option("linear", _switch("linear"), "Filter in linear light; bias and constant=V are in its units, 0 to full.",
           take=bool, group="Channels and values"),
    Option("alpha", _word("alpha", options.ALPHAS), "What transparency does: weighted, keep, filter or drop.", "RULE",
           "weighted", group="Channels and values"),
)  # fmt: skip
"""Options of the whole run."""


def settings_of(rows: Iterable[Option], given: Mapping[str, Any], base: Settings = DEFAULTS) -> Settings:
    """Settings with the checked values of some rows, by the rows' names; None leaves what ``base`` has."""
    return base._replace(**{row.setting: given[row.name] for row in rows if given.get(row.name) is not None})


def scaling_of(given: Mapping[str, Any], base: Scaling = NO_SCALING) -> Scaling:
    """The scaling with the checked values of ``SCALING``; None leaves what ``base`` has."""
    return base._replace(**{row.setting: given[row.name] for row in SCALING if given.get(row.name) is not None})
