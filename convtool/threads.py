"""Work shared out among threads: strips of rows, a range for each, and parts that come out in their order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

Part = TypeVar("Part")
Made = TypeVar("Made")


def over_strips(strips: Iterable[tuple[int, int]], work: Callable[[int, int], None], threads: int = 1) -> None:
    """Call ``work(first, last)`` for every strip, each thread going through a range of rows from top to bottom.

    What ``work`` does must not depend on what it did before: then the number of threads changes no byte. An exception
    in one thread is raised here when all have come to an end.
    """
    rows = list(strips)
    threads = min(threads, len(rows))

    def run(part: list[tuple[int, int]]) -> None:
        for first, last in part:
            work(first, last)

    if threads <= 1:
        run(rows)
        return
    cuts = [len(rows) * at // threads for at in range(threads + 1)]
    own, *others = [rows[start:stop] for start, stop in pairwise(cuts)]
    waiting = [_pool(threads - 1).submit(run, part) for part in others]
    try:
        run(own)
    finally:
        failures = [future.exception() for future in waiting]
    for failure in failures:
        if failure is not None:
            raise failure


def in_order(parts: Iterable[Part], work: Callable[[Part], Made], threads: int = 1) -> Iterator[Made]:
    """What ``work`` makes of every part, in their order; threads work ahead, but not far.

    Parts are asked for as they are needed, and may come from another call of this.
    """
    if threads <= 1:
        yield from map(work, parts)
        return
    pool = _pool(threads)
    waiting: deque[Future[Made]] = deque()
    try:
        for part in parts:
            waiting.append(pool.submit(work, part))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
        for future in waiting:
            if not future.cancelled():
                future.exception()


def batched(items: Sequence[Part], count: int) -> Iterator[Sequence[Part]]:
    """The items in runs of ``count``."""
    return (items[at : at + count] for at in range(0, len(items), count))


_kept: list[tuple[int, ThreadPoolExecutor]] = []
"""The pool and its size, once there is one: starting threads costs more than a small picture."""


def _pool(threads: int) -> ThreadPoolExecutor:
    """A pool of at least so many threads, made when it is first wanted."""
    from concurrent.futures import ThreadPoolExecutor

    with _making:
        if not _kept or _kept[-1][0] < threads:
            _kept.append((threads, ThreadPoolExecutor(threads, "convtool")))
        return _kept[-1][1]


_making = Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_kept.clear)  # threads do not come along
