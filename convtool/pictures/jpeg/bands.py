"""JPEG files of large pictures, encoded in bands of rows side by side: no thread waits, and no map is held.

Each band is encoded as a picture of its own. A band is one restart interval (ITU T.81, E.1.3 and F.1.2), so the scans
of all of them, with a restart marker between, are the scan of the whole. Decoded, the file gives the samples that it
would give encoded in one go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from convtool.pictures.jpeg.encoder import coder_for, header_for
from convtool.pictures.jpeg.segments import END, RESTART
from convtool.pictures.picture import Layout
from convtool.threads import in_order

PIXELS = 1 << 19
"""Of a band, about: enough to be worth a turn, and little fresh memory."""
ONE_PIECE = 1 << 21
"""Pixels up to which a picture is written in one piece."""
MOST_BLOCKS = 65535
"""Of a restart interval."""
BLOCK = {1: 8, 3: 16}
"""Rows and columns that are encoded together, by channels: colour at half the resolution (4:2:0) takes four blocks."""

Samples = NDArray[Any]


@runtime_checkable
class Banded(Iterable[Samples], Protocol):
    """Where samples come from, if threads can make them band by band."""

    def bands(self, rows: int, work: Callable[[Samples], bytes], threads: int) -> Iterator[bytes] | None:
        """What ``work`` makes of every ``rows`` rows, in their order, by the thread that made the samples.

        None where samples depend on the rows that are made at a time.
        """


def band_rows(layout: Layout) -> int:
    """Rows of a band, whole blocks; 0 for a picture that is better written in one piece."""
    block = BLOCK.get(layout.channels, 0)
    if not block or layout.height * layout.width <= ONE_PIECE:
        return 0
    across = -(-layout.width // block)
    blocks = min(PIXELS // (across * block * block), MOST_BLOCKS // across)
    return max(blocks, 1) * block


def write_bands(
    strips: Iterable[Samples], layout: Layout, options: dict[str, Any], file: IO[bytes], threads: int, *, fast: bool
) -> None:
    """Write samples that come in strips (rows, W, C) or are made in bands; several are encoded side by side.

    ``fast``: by the codec of the extra, which changes no byte.
    """
    block = BLOCK[layout.channels]
    rows = band_rows(layout)
    interval = {"restart_marker_blocks": rows // block * -(-layout.width // block)} if rows else {}
    header = header_for(layout.height, layout.width, layout.channels, options | interval)
    plain = {"quality": options["quality"], **interval}
    coder = coder_for(header, layout.channels, plain, fast=fast)
    file.write(header)
    rows = rows or layout.height
    made = strips.bands(rows, coder, threads) if isinstance(strips, Banded) else None
    if made is None:
        made = in_order(_gathered(strips, layout, rows), coder, threads)
    for index, part in enumerate(made):
        if index:
            file.write(bytes((0xFF, RESTART + (index - 1) % 8)))
        file.write(part)
    file.write(END)


def _gathered(strips: Iterable[Samples], layout: Layout, rows: int) -> Iterator[Samples]:
    """The same samples in bands of ``rows``, each an array of its own; the last may be lower."""
    left, gathered = layout.height, 0
    band = np.empty((min(rows, left), layout.width, layout.channels), dtype=np.uint8)
    for strip in strips:
        if not gathered and len(strip) == len(band) == left:
            yield strip
            return
        taken = 0
        while taken < len(strip):
            part = strip[taken : taken + len(band) - gathered]
            band[gathered : gathered + len(part)] = part
            gathered, taken = gathered + len(part), taken + len(part)
            if gathered == len(band):
                yield band
                left, gathered = left - gathered, 0
                band = np.empty((min(rows, left), layout.width, layout.channels), dtype=np.uint8)
