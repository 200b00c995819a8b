"""What ``convtool explain`` is given: its arguments and options, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from convtool.layers.settings import LAYER, RUN, Settings, settings_of
from convtool.tuples import NamedTuple

if TYPE_CHECKING:
    from convtool.engine.geometry import Pair
    from convtool.explain.model import Crop

ROWS = tuple(row for row in (*LAYER, *RUN) if row.name not in ("groups", "maps", "activation", "pool"))
"""The options of a run that can be explained."""


class Arguments(NamedTuple):
    """The command's arguments and options, checked one by one."""

    picture: str | None
    kernels: tuple[str, ...]
    kernel_dir: str | None
    values: Mapping[str, object]
    """Values of ``ROWS``, by their names; None for one that was not given."""
    demo: str | None
    places: tuple[Pair, ...]
    steps: bool
    html: str | None
    animate: str | None
    crop: Crop | None
    lang: str
    force: bool
    max_pixels: int
    max_bytes: int
    lenient: bool
    quiet: bool
    debug: bool

    @property
    def settings(self) -> Settings:
        """What is to be computed."""
        return settings_of(ROWS, self.values)
