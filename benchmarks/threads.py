"""Two threads on one picture of 12 megapixels against one, and what the machine would allow.

    python -m benchmarks.threads

One thread, two threads and, as the bound, two processes that filter half of the picture each at the same time, which
wait for no interpreter but share memory and cache. Medians of interleaved repeats, by the clock, of ``float32`` sums
and of the whole way to ``uint8``.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from typing import Any

import numpy as np

from convtool.engine.bank import bank_of
from convtool.engine.border import Border
from convtool.engine.geometry import resolve
from convtool.engine.plan import make_plan
from convtool.kernels.kernel import Kernel, KernelSet, make_kernel
from convtool.kernels.library import Library
from convtool.layers.filtering import filter_map
from convtool.layers.maps import list_maps
from convtool.layers.plan import plan_map
from convtool.layers.settings import Settings
from convtool.pictures.picture import picture_from_array

HEIGHT, WIDTH = 3000, 4000
REPEATS = 7
Run = Callable[[int], object]
"""What is timed, by the number of threads."""


def kernels() -> dict[str, Kernel]:
    rng = np.random.default_rng(0)
    named = {spec: Library().load(spec).kernels[0] for spec in ("sobel-x", "sharpen", "gaussian:sigma=2")}
    return named | {
        f"random {side}x{side}": make_kernel("random", rng.normal(size=(side, side))) for side in (3, 7, 31)
    }


def runs(kernel: Kernel, height: int) -> tuple[str, dict[str, Run]]:
    """The method of a kernel, and how it is run on an RGB picture of a height."""
    image = np.random.default_rng(1).integers(0, 256, (height, WIDTH, 3), dtype=np.uint8)
    geometry = resolve((height, WIDTH), kernel.size, stride=(1, 1), padding="same", dilation=(1, 1))
    plan = make_plan(bank_of(kernel, 3, summed=False), geometry, Border("reflect"), 3, peak=255, whole=True)
    out = np.zeros(plan.shape, dtype=np.float32)
    picture = picture_from_array(image)
    tone = plan_map(list_maps([KernelSet(kernel.label, (kernel,))], Settings())[0], picture.layout, Settings())

    def sums(threads: int) -> None:
        plan.fill(image, out, threads=threads)

    return plan.method, {"float32": sums, "uint8": lambda threads: filter_map(tone, picture, threads=threads)}


def timed(run: Run, threads: int) -> float:
    start = time.perf_counter()
    run(threads)
    return time.perf_counter() - start


def half(kernel: Kernel, kind: str, together: Barrier, found: Any) -> None:
    """What one of two processes does: half of the rows, starting when the other does."""
    run = runs(kernel, HEIGHT // 2)[1][kind]
    run(1)
    times = []
    for _ in range(REPEATS):
        together.wait()
        times.append(timed(run, 1))
    found.put(statistics.median(times))


def in_processes(kernel: Kernel, kind: str) -> float:
    """Seconds of the slower of two processes."""
    context = multiprocessing.get_context("spawn")
    together, found = context.Barrier(2), context.Queue()
    processes = [context.Process(target=half, args=(kernel, kind, together, found)) for _ in range(2)]
    for process in processes:
        process.start()
    seconds: float = max(found.get() for _ in processes)
    for process in processes:
        process.join()
    return seconds


def main() -> None:
    print("|||one thread, ms|two threads|two processes|\n|---|---|--:|--:|--:|")
    for name, kernel in kernels().items():
        method, ways = runs(kernel, HEIGHT)
        for kind, run in ways.items():
            several = {"one": 1, "two": 2}
            times: dict[str, list[float]] = {key: [] for key in several}
            for _ in range(REPEATS + 1):
                for key, threads in several.items():
                    times[key].append(timed(run, threads))
            ms = {key: statistics.median(found[1:]) * 1e3 for key, found in times.items()}
            bound = in_processes(kernel, kind) * 1e3
            gains = f"{ms['two']:.1f} ({ms['one'] / ms['two']:.2f}x)|{bound:.1f} ({ms['one'] / bound:.2f}x)"
            print(f"|{method}, {name}|{kind}|{ms['one']:.1f}|{gains}|", flush=True)


if __name__ == "__main__":
    main()
