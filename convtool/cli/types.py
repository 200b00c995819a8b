"""Option values as click types: each hands its text to the one parser in ``convtool.layers.options``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from convtool.errors import UsageError
from convtool.layers import options
from convtool.text import choice, parse_count, parse_float
from convtool.tone import ranges


class Parsed(click.ParamType[Any]):
    """Text parsed by a function of convtool.layers.options, its UsageError becoming click's."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The parsed value; a default that is a value already passes."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except UsageError as error:
            raise click.UsageError(f"{_option(param)}{error}", ctx=ctx) from None

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """How the value is called in help."""
        return self.name


def _option(param: click.Parameter | None) -> str:
    return f"{param.opts[-1]}: " if param is not None else ""


STRIDE = Parsed("N|NxM", lambda text: options.parse_pair(text, "stride"))
DILATION = Parsed("N|NxM", lambda text: options.parse_pair(text, "dilation"))
PADDING = Parsed("P", options.parse_padding)
BORDER = Parsed("MODE", options.parse_border)
RANGE = Parsed("HOW[:GAIN]", ranges.parse_range)
ACTIVATION = Parsed("none|relu|leaky:A|abs|sigmoid|tanh", options.parse_activation)
POOL = Parsed("max:N|avg:N[:STRIDE]", options.parse_pool)
MAPS = Parsed("0,3,8-11", options.parse_maps)
GROUPS = Parsed("N", lambda text: parse_count(text, "groups"))
SCALE = Parsed("X", options.parse_scale)
MEAN = Parsed("X[,X...]", lambda text: options.parse_numbers(text, "mean"))
STD = Parsed("X[,X...]", lambda text: options.parse_numbers(text, "std"))
NUMBER = Parsed("X", lambda text: parse_float(text, "bias"))
PLACE = Parsed("ROW,COL", lambda text: _crops().parse_at(text))
CROP = Parsed("R,C,H,W", lambda text: _crops().parse_crop(text))


def _crops() -> Any:
    """Imported when one of these options is given."""
    from convtool.explain import crops

    return crops


def word(name: str, words: tuple[str, ...]) -> Parsed:
    """One of some words, with did-you-mean."""
    return Parsed("|".join(words), lambda text: choice(text, name, words))


def compress(text: str) -> str:
    """``fast``, ``small`` or a level 0 to 9."""
    return choice(text, "compress", ("fast", "small", *"0123456789"))


COMPRESS = Parsed("fast|small|0-9", compress)
