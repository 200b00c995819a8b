"""One BLAS thread while strips are filtered: the products are small, and strips are what threads share out."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

_lock = threading.Lock()
_holders = 0
_limit: Any = None


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold NumPy's BLAS at one thread; the last to leave restores what it was. May be nested and shared."""
    global _holders, _limit
    if os.environ.get("OPENBLAS_NUM_THREADS") == "1":  # as the command line starts: nothing to hold
        yield
        return
    with _lock:
        _holders += 1
        if _holders == 1:
            _limit = _controller().limit(limits=1, user_api="blas")
    try:
        yield
    finally:
        with _lock:
            _holders -= 1
            if _holders == 0:
                _limit.restore_original_limits()
                _limit = None


@lru_cache(maxsize=1)
def _controller() -> Any:
    """The libraries in this process; looking them up takes milliseconds, so it is done once."""
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()
