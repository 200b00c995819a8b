"""The engine against its peers: one table, every peer in the same run, medians of interleaved repeats.

    python -m benchmarks.engine                    # the table, Markdown on stdout
    python -m benchmarks.engine --only random      # some rows of it
    python -m benchmarks.engine --quick            # fewer repeats
    python -m benchmarks.engine --growth docs      # charts of time against kernel side and image side

Needs ``pip install -e '.[test]'``; PyTorch joins in where it is installed. Every peer is held to one thread and
writes into an array that exists (the uint8 columns: into one it makes itself, as convtool does), with a reflecting
border; strides are cut out of the full map by those that have none.

``CONVTOOL_CORE=avx2`` holds the compiled core to a width of vectors; the column of NumPy is the engine without it.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import ndimage

from benchmarks.charts import Series, line_chart
from convtool.engine import conv2d, core
from convtool.engine.bank import bank_of
from convtool.engine.border import Border
from convtool.engine.geometry import resolve
from convtool.engine.plan import Plan, make_plan
from convtool.kernels.kernel import Kernel, KernelSet, make_kernel
from convtool.kernels.library import Library
from convtool.layers.filtering import filter_map
from convtool.layers.maps import list_maps
from convtool.layers.plan import plan_map
from convtool.layers.settings import Settings
from convtool.pictures.picture import picture_from_array
from convtool.tone.ranges import Range

Array = NDArray[Any]
Run = Callable[[], object]
HAVE_TORCH = importlib.util.find_spec("torch") is not None
SIDE = 2048
SPECS = (
    "sobel-x",
    "sharpen",
    "box:size=5",
    "binomial:size=5",
    "gaussian:sigma=1",
    "gaussian:sigma=5",
    "log:sigma=2",
    "gabor:theta=30,wavelength=8,sigma=2.33",
    "disk:radius=15",
    "motion:length=31,angle=30",
)
SIDES = (3, 5, 7, 9, 15, 31)


@dataclass(frozen=True)
class Cell:
    """One row of the table: what is timed, the reference first."""

    name: str
    method: str
    runs: dict[str, Run]


def in_numpy(run: Run) -> Run:
    """The same without the compiled core."""

    def wrapped() -> None:
        before = os.environ.get("CONVTOOL_CORE")
        os.environ["CONVTOOL_CORE"] = "numpy"
        try:
            run()
        finally:
            del os.environ["CONVTOOL_CORE"]
            if before is not None:
                os.environ["CONVTOOL_CORE"] = before

    return wrapped


def kernels() -> list[tuple[str, Kernel]]:
    """The single kernels of the grid."""
    rng = np.random.default_rng(0)
    found = [(spec.split(":")[0] if spec.count("=") != 1 else spec, Library().load(spec).kernels[0]) for spec in SPECS]
    return found + [(f"random {side}x{side}", make_kernel("random", rng.normal(size=(side, side)))) for side in SIDES]


def plan_of(kernel: Kernel, channels: int, stride: int = 1, dilation: int = 1, side: int = SIDE) -> Plan:
    geometry = resolve(
        (side, side), kernel.size, stride=(stride, stride), padding="same", dilation=(dilation, dilation)
    )
    bank = bank_of(kernel, channels, summed=False)
    return make_plan(bank, geometry, Border("reflect"), channels, peak=255, whole=True)


def cell(name: str, kernel: Kernel, channels: int, stride: int = 1, dilation: int = 1) -> Cell:
    """One kernel on every channel of a 2048x2048 picture."""
    image = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, channels), dtype=np.uint8)
    plan = plan_of(kernel, channels, stride, dilation)
    out = np.empty(plan.shape, dtype=np.float32)
    picture = picture_from_array(image)
    settings = Settings(stride=(stride, stride), dilation=(dilation, dilation), range=Range("clip"))
    tone = plan_map(list_maps([KernelSet(kernel.label, (kernel,))], settings)[0], picture.layout, settings)
    spread = np.zeros(((kernel.size[0] - 1) * dilation + 1, (kernel.size[1] - 1) * dilation + 1))
    spread[::dilation, ::dilation] = kernel.weights
    single, full = spread.astype(np.float32), np.empty(image.shape, dtype=np.float32)
    runs: dict[str, Run] = {
        "float": lambda: plan.fill(image, out),
        "float, 2 threads": lambda: plan.fill(image, out, threads=2),
        "NumPy": in_numpy(lambda: plan.fill(image, out)),
        "uint8": lambda: filter_map(tone, picture),
        "OpenCV float": lambda: cv2.filter2D(image, cv2.CV_32F, single, dst=full)[::stride, ::stride],
        "OpenCV uint8": lambda: cv2.filter2D(image, -1, single)[::stride, ::stride],
    }
    left, values, right = np.linalg.svd(spread)
    if values[1:].max(initial=0) < 1e-9 * values[0]:
        column, row = left[:, 0] * values[0], right[0]
        runs["sepFilter2D float"] = lambda: cv2.sepFilter2D(image, cv2.CV_32F, row, column)
        runs["sepFilter2D uint8"] = lambda: cv2.sepFilter2D(image, -1, row, column)
    singles = image.astype(np.float32)
    runs["scipy"] = lambda: [
        ndimage.correlate(singles[..., c], single, output=full[..., c], mode="mirror") for c in range(channels)
    ]
    if HAVE_TORCH and channels == 1:
        runs["torch"] = torch_run(image.transpose(2, 0, 1), kernel.weights[None, None], stride, dilation)
    if kernel.size in ((3, 3), (5, 5)) and stride == dilation == 1:
        pillow = Image.fromarray(image[..., 0] if channels == 1 else image)
        runs["Pillow"] = lambda: pillow.filter(ImageFilter.Kernel(kernel.size, kernel.weights.ravel().tolist(), 1))
    return Cell(f"{name} {'RGB' if channels == 3 else 'grey'}", str(plan), runs)


def layer(name: str, shape: tuple[int, ...], weight: Array, stride: int, pad: int) -> Cell:
    """A layer of several filters, or of filters with depth."""
    x = np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)
    planar = np.ascontiguousarray(x.transpose(2, 0, 1))
    out = conv2d(planar, weight, stride=stride, padding=pad)
    runs: dict[str, Run] = {
        "float": lambda: conv2d(planar, weight, stride=stride, padding=pad, out=out),
        "float, 2 threads": lambda: conv2d(planar, weight, stride=stride, padding=pad, out=out, threads=2),
        "NumPy": in_numpy(lambda: conv2d(planar, weight, stride=stride, padding=pad, out=out)),
    }
    if len(weight) <= 4:
        singles, total = x.astype(np.float32), np.empty(shape[:2], dtype=np.float32)

        def opencv() -> None:
            for filters in weight.astype(np.float32):
                for c, plane in enumerate(filters):
                    part = cv2.filter2D(x[..., c], cv2.CV_32F, plane)
                    cv2.add(total, part, dst=total) if c else None

        def scipy() -> None:
            for filters in weight:
                for c, plane in enumerate(filters):
                    ndimage.correlate(singles[..., c], plane, output=total, mode="mirror")

        runs |= {"OpenCV float": opencv, "scipy": scipy}
    if HAVE_TORCH:
        runs["torch"] = torch_run(planar, weight, stride, 1, pad)
        runs["torch channels_last"] = torch_run(planar, weight, stride, 1, pad, last=True)
    return Cell(name, "", runs)


def torch_run(x: Array, weight: Array, stride: int, dilation: int, pad: int | None = None, last: bool = False) -> Run:
    import torch

    torch.set_num_threads(1)
    memory = torch.channels_last if last else torch.contiguous_format
    samples = torch.from_numpy(x.astype(np.float32))[None].contiguous(memory_format=memory)
    filters = torch.from_numpy(weight.astype(np.float32)).contiguous(memory_format=memory)
    padding = weight.shape[2] // 2 * dilation if pad is None else pad

    def run() -> object:
        with torch.inference_mode():
            return torch.nn.functional.conv2d(samples, filters, stride=stride, padding=padding, dilation=dilation)

    return run


def cells(only: str) -> Iterable[Cell]:
    """The grid."""
    rng = np.random.default_rng(3)
    for channels in (1, 3):
        for name, kernel in kernels():
            if only in f"{name} {'RGB' if channels == 3 else 'grey'}":
                yield cell(name, kernel, channels)
        for name, spec, stride, dilation in (
            ("box 5 stride 3", "box:size=5", 3, 1),
            ("sobel-x dilation 2", "sobel-x", 1, 2),
        ):
            if only in name:
                yield cell(name, Library().load(spec).kernels[0], channels, stride, dilation)
    four = np.array([[[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]] * 2, dtype=float)
    four[2:] = four[:2].transpose(0, 2, 1)
    four[3] = [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]
    for name, shape, weight, stride, pad in (
        ("four 3x3 filters, grey", (SIDE, SIDE, 1), four[:, None], 1, 1),
        ("one 3x3x3 filter, RGB", (SIDE, SIDE, 3), rng.normal(size=(1, 3, 3, 3)), 1, 1),
        ("64 filters 7x7x3, stride 2, 1024", (1024, 1024, 3), rng.normal(size=(64, 3, 7, 7)), 2, 3),
    ):
        if only in name:
            yield layer(name, shape, weight, stride, pad)


def medians(runs: dict[str, Run], quick: bool) -> dict[str, float]:
    """Milliseconds of each run: repeats in turn, slow peers fewer times."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    budget, rounds = (0.4, 5) if quick else (1.5, 11)
    for repeat in range(rounds + 1):
        for name, run in runs.items():
            if sum(times[name]) > budget and len(times[name]) >= (2 if quick else 3):
                continue
            if repeat and times[name] and times[name][0] > 1:
                continue  # once is enough for what takes seconds
            # The time of this thread, so that other programs count less; only what threads share is timed by the clock.
            clock = time.perf_counter if "threads" in name else time.thread_time
            start = clock()
            run()
            seconds = clock() - start
            if repeat or seconds > 0.2:  # the first round warms up
                times[name].append(seconds)
    return {name: statistics.median(found) * 1e3 for name, found in times.items() if found}


PEERS = (
    ("float", "OpenCV float"),
    ("uint8", "OpenCV uint8"),
    ("float", "scipy"),
    ("float", "torch"),
    ("NumPy", "scipy"),
)


def table(only: str, quick: bool) -> None:
    """Print the table and the geometric means of the ratios."""
    cv2.setNumThreads(1)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, NumPy {np.__version__},")
    print(
        f"OpenCV {cv2.__version__}, convtool by {core.name()}. Milliseconds; in brackets how many times faster it is.\n"
    )
    head = (
        "",
        "method",
        "float32",
        "2 threads",
        "NumPy alone",
        "OpenCV",
        "scipy",
        "torch",
        "uint8",
        "OpenCV",
        "sepFilter2D",
    )
    print("|" + "|".join(head) + "|\n|" + "---|" * len(head))
    ratios: dict[tuple[str, str], list[tuple[float, str]]] = {pair: [] for pair in PEERS}
    for found in cells(only):
        ms = medians(found.runs, quick)
        for pair in PEERS:
            if pair[0] in ms and pair[1] in ms:
                ratios[pair].append((ms[pair[1]] / ms[pair[0]], found.name))

        def show(name: str, ours: str, ms: dict[str, float] = ms) -> str:
            return f"{ms[name]:.1f} ({ms[name] / ms[ours]:.2f})" if name in ms and ours in ms else ""

        torch = show("torch", "float")
        if "torch channels_last" in ms:
            torch += f", last {show('torch channels_last', 'float')}"
        columns = (
            found.name,
            found.method,
            f"{ms['float']:.1f}",
            f"{ms['float, 2 threads']:.1f} ({ms['float'] / ms['float, 2 threads']:.2f})",
            f"{ms['NumPy']:.1f}",
            show("OpenCV float", "float"),
            show("scipy", "float"),
            torch,
            f"{ms['uint8']:.1f}" if "uint8" in ms else "",
            show("OpenCV uint8", "uint8"),
            " / ".join(filter(None, (show("sepFilter2D float", "float"), show("sepFilter2D uint8", "uint8")))),
        )
        print("|" + "|".join(columns) + "|", flush=True)
    print()
    for (ours, peer), found_ratios in ratios.items():
        if found_ratios:
            mean = statistics.geometric_mean(ratio for ratio, _ in found_ratios)
            least, where = min(found_ratios)
            print(f"- {ours} against {peer}: geometric mean {mean:.2f}x, least {least:.2f}x ({where})")


def growth(folder: Path) -> None:
    """Nanoseconds a pixel against kernel side and image side, as two charts."""
    rng = np.random.default_rng(4)
    sides: Series = {"random": [], "of rank 1": [], "box": []}
    for side in (3, 5, 7, 9, 11, 15, 21, 31, 41, 51, 63):
        line = np.hanning(side + 2)[1:-1]
        for points, weights in zip(
            sides.values(), (rng.normal(size=(side, side)), np.outer(line, line), np.ones((side, side))), strict=True
        ):
            points.append((side, pixel_time(weights, SIDE)))
    line = np.hanning(33)[1:-1]
    images: dict[str, Array] = {
        "random 31x31": rng.normal(size=(31, 31)),
        "random 7x7": rng.normal(size=(7, 7)),
        "rank 1, 31x31": np.outer(line, line),
        "sobel-x": np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]),
    }
    sizes: Series = {
        name: [(side, pixel_time(weights, side)) for side in (256, 512, 1024, 2048, 4096, 8192)]
        for name, weights in images.items()
    }
    for kind, found in (("kernel side", sides), ("image side", sizes)):
        print(f"{kind}, nanoseconds a pixel of a grey uint8 image to float32, one thread")
        for name, points in found.items():
            print(f"  {name}: " + ", ".join(f"{x:g}: {y:.2f}" for x, y in points))
    line_chart(folder / "growth-kernel.svg", "2048x2048 grey, one thread", "kernel side", "ns a pixel", sides)
    line_chart(folder / "growth-image.svg", "square grey images, one thread", "image side", "ns a pixel", sizes)


def pixel_time(weights: Array, side: int) -> float:
    plan = plan_of(make_kernel("k", weights), 1, side=side)
    image = np.random.default_rng(5).integers(0, 256, (side, side, 1), dtype=np.uint8)
    out = np.zeros(plan.shape, dtype=np.float32)
    plan.fill(image, out)  # the first touch of a large array is not what is measured
    return medians({"run": lambda: plan.fill(image, out)}, quick=True)["run"] * 1e6 / side**2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    parser.add_argument("--growth", type=Path, metavar="FOLDER", help="instead: charts of time against sides")
    arguments = parser.parse_args()
    growth(arguments.growth) if arguments.growth else table(arguments.only, arguments.quick)


if __name__ == "__main__":
    main()
