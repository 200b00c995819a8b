"""What the machine offers to this process."""

from __future__ import annotations

import os


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def hold_blas() -> None:
    """Have NumPy's BLAS start no threads, before NumPy is loaded: it loads faster."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
