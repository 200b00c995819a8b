"""Feature maps strip by strip: what is computed goes on to the encoder while it is in the cache, and no map is held."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.layers.filtering import measured, quietly
from convtool.layers.layer_input import Incoming
from convtool.layers.map_run import MapRun
from convtool.layers.plan import MapPlan
from convtool.threads import batched, in_order, over_strips
from convtool.tone.extent import Extent

Array = NDArray[Any]

PART_BYTES = 1 << 18
"""Of a map that a thread makes in one go: long calls, and little to wait for its turn."""


class Stream:
    """One map, strip by strip from top to bottom; ``extent`` and ``clipped`` hold when all are out."""

    def __init__(self, plan: MapPlan, coming: Incoming, *, extent: bool = False, threads: int = 1) -> None:
        """As ``filter_map``, from what comes into the map's layer, and without holding the map."""
        self.plan = plan
        self._threads = threads
        self._run = measured(MapRun(plan, coming, extent=extent), threads)
        self._write = quietly(self._run.write)

    def strips(self) -> Iterator[Array]:
        """Samples (rows, W', C), alpha last; a strip may be overwritten when the next is asked for."""
        layout, rows = self.plan.layout, list(self.plan.strips())
        shape = (layout.width, layout.channels)
        if self._threads <= 1:
            room = np.empty((rows[0][1], *shape), dtype=layout.dtype)
            yield from in_order(rows, lambda strip: self._filled([strip], room), 1)
            return
        size = rows[0][1] * layout.width * layout.channels * np.dtype(layout.dtype).itemsize
        parts = list(batched(rows, max(1, PART_BYTES // size)))

        def part(strips: Sequence[tuple[int, int]]) -> Array:
            return self._filled(strips, np.empty((strips[-1][1] - strips[0][0], *shape), dtype=layout.dtype))

        yield from in_order(parts, part, self._threads if len(parts) > 1 else 1)

    def __iter__(self) -> Iterator[Array]:
        return self.strips()

    def bands(self, rows: int, work: Callable[[Array], bytes], threads: int) -> Iterator[bytes] | None:
        """What ``work`` makes of every ``rows`` rows of the samples, in their order, by the thread that made them.

        None for maps that are made a whole tile of rows at a time, of which a band would use a part.
        """
        return None if self.plan.tiled else self._bands(rows, work, threads)

    def _bands(self, rows: int, work: Callable[[Array], bytes], threads: int) -> Iterator[bytes]:
        layout = self.plan.layout
        shape = (layout.width, layout.channels)
        if rows >= layout.height and self._threads > 1:
            whole = np.empty((layout.height, *shape), dtype=layout.dtype)
            over_strips(self.plan.strips(), lambda a, b: self._write(a, b, whole[a:b]), self._threads)
            yield work(whole)
            return
        wanted = next(self.plan.strips())[1]
        step = -(-rows // max(1, round(rows / wanted)))  # strips alike in height: a few rows take as many calls

        def made(start: int) -> bytes:
            stop = min(start + rows, layout.height)
            strips = [(first, min(first + step, stop)) for first in range(start, stop, step)]
            return work(self._filled(strips, np.empty((stop - start, *shape), dtype=layout.dtype)))

        starts = range(0, layout.height, rows)
        yield from in_order(starts, made, threads if len(starts) > 1 else 1)

    def _filled(self, strips: Sequence[tuple[int, int]], room: Array) -> Array:
        start = strips[0][0]
        for first, last in strips:
            self._write(first, last, room[first - start : last - start])
        return room[: strips[-1][1] - start]

    @property
    def extent(self) -> Extent:
        """Smallest and largest value of the map's visible colours, if it was asked for."""
        return self._run.extent

    @property
    def clipped(self) -> int:
        """Colour samples that clipping changed."""
        return self._run.clipped
