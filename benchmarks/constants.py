"""Measure the constants of convtool/engine/costs.py on this machine.

    python -m benchmarks.constants

Prints each constant beside the one in use. Ratios matter, not figures: change the table only if an order of two
methods comes out wrong, and say on which machine.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

if "OPENBLAS_CORETYPE" in os.environ:  # a foreign core type would measure a processor that this is not
    os.environ.pop("OPENBLAS_CORETYPE")
    os.execv(sys.executable, sys.orig_argv)

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from convtool.engine.costs import COSTS
from convtool.engine.workspace import as_strided

Array = NDArray[Any]
ROWS, WIDTH = 64, 2048
SAMPLES = ROWS * WIDTH


def nanoseconds(run: Callable[[], object], samples: float) -> float:
    """Median time of a run for each of ``samples``."""
    run()
    times = []
    for _ in range(41):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e9 / samples


def passes(dtype: type) -> float:
    """One addition, over a strip that stays in cache."""
    samples = 200_000 if dtype is np.int16 else 100_000
    a: Array = np.ones(samples, dtype=dtype)
    b: Array = np.ones(samples, dtype=dtype)
    return nanoseconds(lambda: np.add(a, b, out=a), samples)


def products(rows: int, taps: int) -> float:
    """Four output rows of a band at a time, for one output sample."""
    strip = np.ones((ROWS * 4, WIDTH), dtype=np.float32)
    band, out = np.ones((4, taps), dtype=np.float32), np.empty((ROWS // 4, 4, WIDTH), dtype=np.float32)
    source = as_strided(strip, (ROWS // 4, taps, WIDTH), (rows * WIDTH, WIDTH, 1))
    return nanoseconds(lambda: np.matmul(band, source, out=out), SAMPLES)


def transforms(side: int = 288) -> float:
    """One tile there and back, without the rows that overlap-save leaves out."""
    tile: Array = np.ones((side, side), np.float32)
    spectrum: Array = np.empty((side, side // 2 + 1), np.complex64)

    def run() -> None:
        np.fft.rfft(tile, axis=1, norm="forward", out=spectrum)
        np.fft.fft(spectrum, axis=0, norm="forward", out=spectrum)
        np.multiply(spectrum, spectrum, out=spectrum)
        np.fft.ifft(spectrum, axis=0, out=spectrum)
        np.fft.irfft(spectrum, n=side, axis=1, out=tile)
        tile[...] = 1

    return nanoseconds(run, side * side)


def main() -> None:
    image = np.ones((ROWS, WIDTH), dtype=np.uint8)
    padded = np.ones((ROWS, WIDTH + 8), dtype=np.int16)
    single, shifted = np.empty((ROWS, WIDTH), np.float32), np.empty((ROWS, 4, WIDTH), np.float32)
    four = as_strided(padded, shifted.shape, (WIDTH + 8, 1, 1))
    dealt = np.empty((ROWS // 2, WIDTH // 2), np.float32)
    tiny = np.ones(1, dtype=np.int16)
    with threadpool_limits(1):
        short, long = products(4, 16), products(4, 64)
        product = (long - short) / 48
        found = {
            "pass_int16": passes(np.int16),
            "pass_int32": passes(np.int32),
            "pass_float32": passes(np.float32),
            "fill": nanoseconds(lambda: np.copyto(single, image), SAMPLES),
            "deal": nanoseconds(lambda: np.copyto(dealt, padded[::2, :WIDTH:2]), dealt.size),
            "shift": nanoseconds(lambda: np.copyto(shifted, four), shifted.size),
            "product": product,
            "block": max(short - 16 * product, 0.0),
            "transform": transforms(),
            "call": nanoseconds(lambda: np.add(tiny, tiny, out=tiny), 1),
        }
    print(f"{'ns':14}{'here':>8}{'in use':>8}")
    for name, used in COSTS._asdict().items():
        print(f"{name:14}{found[name]:8.3f}{used:8.3f}")


if __name__ == "__main__":
    main()
