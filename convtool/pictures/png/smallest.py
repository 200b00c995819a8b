"""PNG strips packed as small as can be: several ways are tried on each, and one stream of deflate runs through all."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from convtool.pictures.png.deflate import REACH, adler32, thorough
from convtool.pictures.png.filters import AVERAGE, NONE, PAETH, SMALLEST, SUB, UP, Bytes, filtered
from convtool.pictures.png.strips import Packed
from convtool.tuples import NamedTuple

if TYPE_CHECKING:
    from zlib import _Compress as Stream

SMALL = "small"
KINDS = (SMALLEST, NONE, SUB, UP, AVERAGE, PAETH)
STRATEGIES = (zlib.Z_FILTERED, zlib.Z_DEFAULT_STRATEGY)
"""The first is what most writers use for filtered rows."""
FINALISTS = 3
"""Of all ways, how many are tried with all effort."""
PLAIN = 0.06
"""Below this part, what a glance says of a strip means little, and all effort takes little time."""

Runner = Callable[..., Iterable[Any]]
"""``map``, or something like it that uses threads."""


class _Way(NamedTuple):
    kind: int
    strategy: int


class _Outcome(NamedTuple):
    way: _Way
    data: bytes
    stream: Stream
    size: int
    """Of the data and of what the stream still holds back."""


class SmallPacker:
    """Packs one block after the other, each finding its matches in the ones before.

    What can run side by side are the ways that are tried on a block, given a ``run`` that does so.
    """

    def __init__(self, margin: int) -> None:
        self._margin = margin
        self._before = b""
        self._strategy = STRATEGIES[0]
        self._stream = _stream(self._strategy)

    def pack(self, block: Bytes, last: bool, run: Runner = map) -> Packed:
        """Filter and compress the next block; the way most writers go is always among the finalists."""
        ways = [_Way(kind, strategy) for kind in KINDS for strategy in STRATEGIES]
        candidates = {kind: filtered(block, self._margin, kind) for kind in KINDS}

        def glance(way: _Way) -> int:
            return len(thorough(candidates[way.kind], 4, last, way.strategy, self._before))

        def packed(way: _Way) -> _Outcome:
            return self._packed(candidates[way.kind], way, last)

        sizes = dict(zip(ways, run(glance, ways), strict=True))
        ranked = sorted(ways, key=lambda way: sizes[way])
        count = FINALISTS if sizes[ranked[0]] > PLAIN * block.size else len(ranked)
        finalists = dict.fromkeys((*ranked[:count], _Way(SMALLEST, self._strategy)))
        best: _Outcome = min(run(packed, finalists), key=lambda outcome: outcome.size)
        rows = candidates[best.way.kind]
        self._stream, self._strategy = best.stream, best.way.strategy
        self._before = (self._before + rows[-(REACH // rows.shape[1] + 1) :].tobytes())[-REACH:]
        return Packed(best.data, adler32(rows), rows.size)

    def _packed(self, rows: Bytes, way: _Way, last: bool) -> _Outcome:
        """Rows at the end of a copy of the stream: going on in it as long as the strategy stays costs nothing."""
        stream, head = self._stream.copy(), b""
        if way.strategy != self._strategy:
            head = stream.flush(zlib.Z_SYNC_FLUSH)
            stream = _stream(way.strategy, self._before)
        data = head + stream.compress(rows.data)
        if last:
            data += stream.flush()
            return _Outcome(way, data, stream, len(data))
        return _Outcome(way, data, stream, len(data) + len(stream.copy().flush(zlib.Z_SYNC_FLUSH)))


def _stream(strategy: int, before: bytes = b"") -> Stream:
    return zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, 9, strategy, *([before] if before else []))
