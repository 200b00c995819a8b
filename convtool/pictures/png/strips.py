"""How a strip of a PNG is filtered and compressed: one filter a strip, found by trying."""

from __future__ import annotations

from convtool.pictures.png.deflate import adler32, has_isal, quick, thorough
from convtool.pictures.png.filters import AVERAGE, NONE, PAETH, SUB, UP, Bytes, filtered, sampled
from convtool.tuples import NamedTuple

FAST = "fast"
STRIP_BYTES = 512 * 1024
"""Bytes of a strip before compression: enough strips to share out among threads, few enough to lose little."""
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
VERY_PLAIN = 0.4
"""The part of that below which even more effort pays."""


class Packed(NamedTuple):
    """A strip as a piece of deflate, with the checksum and the length of what was packed."""

    data: bytes
    adler: int
    length: int


def pack(block: Bytes, margin: int, compress: str, last: bool) -> Packed:
    """Filter and compress a block (see ``png_filters``), ``fast`` or at a level; free to run on any thread."""
    if compress == FAST:
        rows, data = _fast(block, margin, last)
    else:
        rows, data = _level(block, margin, int(compress), last)
    return Packed(data, adler32(rows), rows.size)


def _fast(block: Bytes, margin: int, last: bool) -> tuple[Bytes, bytes]:
    kinds, limit = (KINDS, PLAIN) if has_isal() else (KINDS_BY_ZLIB, PLAIN_BY_ZLIB)
    windows = _windows(block, margin)
    sizes = {kind: len(quick(sampled(windows, margin, kind))) for kind in kinds}
    kind = min(kinds, key=lambda each: sizes[each])
    rows = filtered(block, margin, kind)
    data = quick(rows, last)
    if len(data) >= limit * rows.size:
        return rows, data
    if has_isal():
        # Windows say little about drawings and text, but here trying the whole strip costs isal little.
        for other in kinds:
            if other != kind:
                rival_rows = filtered(block, margin, other)
                rival = quick(rival_rows, last)
                if len(rival) < len(data):
                    rows, data = rival_rows, rival
    if len(data) > VERY_PLAIN * limit * rows.size:
        rival = thorough(rows, 4, last)
        if len(rival) > len(data) / 2:
            return rows, min(data, rival, key=len)
    # Long repeats nearly throughout, for which only zlib's usual effort looks far enough.
    return rows, min(data, thorough(rows, 6, last), key=len)


def _level(block: Bytes, margin: int, level: int, last: bool) -> tuple[Bytes, bytes]:
    kind = NONE
    if level:
        windows = _windows(block, margin)
        kind = min(KINDS_BY_ZLIB, key=lambda each: len(thorough(sampled(windows, margin, each), level)))
    rows = filtered(block, margin, kind)
    return rows, thorough(rows, level, last)


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
