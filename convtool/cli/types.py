"""Option values as click types: text parsed by a function, whose UsageError becomes click's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from convtool.errors import UsageError
from convtool.text import choice


class Parsed(click.ParamType[Any]):
    """Text parsed by a function; ``name`` stands for the value in help."""

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


def word(name: str, words: tuple[str, ...], value: str) -> Parsed:
    """One of some words, with did-you-mean; ``value`` stands for it in help."""
    return Parsed(value, lambda text: choice(text, name, words))
