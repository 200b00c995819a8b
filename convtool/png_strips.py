"""How a strip of a PNG is filtered and compressed: one filter a strip, found by trying."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from convtool.deflate import adler32, isal_zlib, quick, thorough
from convtool.png_filters import AVERAGE, NONE, PAETH, SMALLEST, SUB, UP, Bytes, filtered, sampled

FAST, SMALL = "fast", "small"
STRIP_BYTES = 512 * 1024
"""Bytes of a strip before compression: many enough to share out among threads, large enough to lose nothing."""
SMALL_STRIP_BYTES = 4 * 1024 * 1024
"""The same where size is what counts: no match reaches across the seam of two strips."""
KINDS = (NONE, SUB, UP, AVERAGE)
"""Filters that pay in ``fast``: Paeth takes a third of the time of compressing and gains a hundredth."""
KINDS_BY_ZLIB = (*KINDS, PAETH)
WHOLE = 32 * 1024
"""Strips up to this are tried as a whole."""
WINDOWS, WINDOW_ROWS, WINDOW_BYTES = 4, 8, 256
"""Of larger strips: how many windows are tried, and of what size."""
PLAIN = 0.16
"""What isal presses below this part is drawn rather than photographed; zlib's long matches then pay and are cheap."""
PLAIN_BY_ZLIB = 0.25
"""The same for runs alone, which press drawings less."""
FINALISTS = 3


@dataclass(frozen=True)
class Packed:
    """A strip as a piece of deflate, with the checksum and the length of what was packed."""

    data: bytes
    adler: int
    length: int


def pack(block: Bytes, margin: int, compress: str, last: bool) -> Packed:
    """Filter and compress a block (see ``png_filters``); a pure function, free to run on any thread."""
    if compress == FAST:
        rows, data = _fast(block, margin, last)
    elif compress == SMALL:
        rows, data = _small(block, margin, last)
    else:
        rows, data = _level(block, margin, int(compress), last)
    return Packed(data, adler32(rows), rows.size)


def _fast(block: Bytes, margin: int, last: bool) -> tuple[Bytes, bytes]:
    kinds, limit = (KINDS_BY_ZLIB, PLAIN_BY_ZLIB) if isal_zlib is None else (KINDS, PLAIN)
    windows = _windows(block, margin)
    sizes = {kind: len(quick(sampled(windows, margin, kind))) for kind in kinds}
    kind = min(kinds, key=lambda each: sizes[each])
    rows = filtered(block, margin, kind)
    data = quick(rows, last)
    if len(data) >= limit * rows.size:
        return rows, data
    if isal_zlib is not None:
        # Windows say little about drawings and text, but here trying the whole strip costs isal little.
        for other in kinds:
            if other != kind:
                rival_rows = filtered(block, margin, other)
                rival = quick(rival_rows, last)
                if len(rival) < len(data):
                    rows, data = rival_rows, rival
    rival = thorough(rows, 6 if len(data) < 0.4 * limit * rows.size else 4, last)
    return rows, min(data, rival, key=len)


def _level(block: Bytes, margin: int, level: int, last: bool) -> tuple[Bytes, bytes]:
    kind = NONE
    if level:
        windows = _windows(block, margin)
        kind = min(KINDS_BY_ZLIB, key=lambda each: len(thorough(sampled(windows, margin, each), level)))
    rows = filtered(block, margin, kind)
    return rows, thorough(rows, level, last)


def _small(block: Bytes, margin: int, last: bool) -> tuple[Bytes, bytes]:
    """The smallest of several ways: all are tried with little effort, the best and the usual one with all of it."""
    usual = SMALLEST, zlib.Z_FILTERED
    ways = [(kind, strategy) for kind in (SMALLEST, *KINDS_BY_ZLIB) for strategy in (zlib.Z_FILTERED, 0)]
    candidates = {kind: filtered(block, margin, kind) for kind in (SMALLEST, *KINDS_BY_ZLIB)}
    ways.sort(key=lambda way: len(thorough(candidates[way[0]], 4, last, way[1])))
    finalists = dict.fromkeys((*ways[:FINALISTS], usual))
    packed = {way: thorough(candidates[way[0]], 9, last, way[1]) for way in finalists}
    best = min(packed, key=lambda way: len(packed[way]))
    return candidates[best[0]], packed[best]


def _windows(block: Bytes, margin: int) -> list[Bytes]:
    """Blocks cut out of a block, spread over it along its diagonal."""
    height, width = block.shape[0] - 1, block.shape[1] - margin
    if height * width <= WHOLE:
        return [block]
    rows, columns = min(WINDOW_ROWS, height), min(WINDOW_BYTES // margin * margin, width)
    # A few rows of a wide picture give longer windows, and a narrow picture taller ones.
    if rows < WINDOW_ROWS:
        columns = min(WINDOW_BYTES * WINDOW_ROWS // rows // margin * margin, width)
    elif columns < WINDOW_BYTES:
        rows = min(WINDOW_BYTES * WINDOW_ROWS // columns, height)
    windows = []
    for number in range(WINDOWS):
        place = (2 * number + 1) / (2 * WINDOWS)
        top = int((height - rows) * place)
        side = int((width - columns) // margin * place) * margin
        windows.append(block[top : top + rows + 1, side : side + columns + margin])
    return windows
