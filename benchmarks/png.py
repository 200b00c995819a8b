"""PNG writing against Pillow and OpenCV: time and size by kind of picture, on pictures that tuned nothing.

    python benchmarks/png.py [--small] [--write docs/benchmarks-png.md]

Photographs come with scikit-image; maps and blurs are made of them by convtool; gradients and drawings are computed
here. Times are medians of interleaved runs in memory, and those of the large picture the fastest of them; every file
is read back by OpenCV before it counts. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any, NamedTuple

import cv2
import numpy as np
import PIL
import skimage.data
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from convtool import apply
from convtool.pictures.png.deflate import has_isal
from convtool.pictures.png.rows import PngWriter

Samples = NDArray[np.uint8]
Encoder = Callable[[Samples], bytes]
PHOTOGRAPHS = (
    *("astronaut", "brick", "camera", "cell", "chelsea", "coffee", "coins", "grass", "gravel", "hubble_deep_field"),
    *("immunohistochemistry", "moon", "retina", "rocket"),
)
DRAWN = ("binary_blobs", "checkerboard", "colorwheel", "horse", "logo", "page", "shepp_logan_phantom", "text")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--small", action="store_true", help="also --compress small, which takes minutes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", type=Path, help="the table as Markdown")
    options = parser.parse_args()
    lines = [*heading(), "", *sizes(options.small, options.rounds), "", *large(options.rounds)]
    print("\n".join(lines))
    if options.write:
        options.write.write_text("\n".join(lines) + "\n", encoding="utf-8")


def heading() -> list[str]:
    return [
        "# PNG writing",
        "",
        "Made by `python benchmarks/png.py --small --write docs/benchmarks-png.md`: "
        f"Python {platform.python_version()}, NumPy {np.__version__}, Pillow {PIL.__version__},"
        f" OpenCV {cv2.__version__}, deflate by {'isal' if has_isal() else 'zlib'}, {os.cpu_count()} cores.",
        "",
        "All numbers are parts of what Pillow's default needs, for time and size, as geometric means over a class;"
        " `small` is set against Pillow's best (`optimize=True`). No threads, except where they are named.",
    ]


def sizes(small: bool, rounds: int) -> list[str]:
    kinds: dict[str, list[tuple[str, Samples]]] = {}
    for kind, name, picture in pictures():
        kinds.setdefault(kind, []).append((name, picture))
    lines = [
        "| pictures | | fast: time | size | largest | OpenCV: time | size |"
        + (" small: time | size | largest |" * small),
        "|---|--:|--:|--:|--:|--:|--:|" + "--:|--:|--:|" * small,
    ]
    everything: list[dict[str, float]] = []
    for kind, members in kinds.items():
        rows = [measured(picture, small, rounds) for _, picture in members]
        everything += rows
        lines.append(table_row(kind, rows, [name for name, _ in members], small))
    lines.append(table_row("**all**", everything, [name for group in kinds.values() for name, _ in group], small))
    return lines


def table_row(kind: str, rows: list[dict[str, float]], names: list[str], small: bool) -> str:
    def mean(key: str) -> str:
        return f"{geometric_mean(row[key] for row in rows):.3f}"

    def largest(key: str) -> str:
        value, name = max((row[key], name) for row, name in zip(rows, names, strict=True))
        return f"{value:.4f} {name}"

    cells = [
        kind,
        str(len(rows)),
        mean("time"),
        mean("size"),
        largest("size"),
        mean("opencv time"),
        mean("opencv size"),
    ]
    if small:
        cells += [mean("small time"), mean("small size"), largest("small size")]
    return "| " + " | ".join(cells) + " |"


def measured(picture: Samples, small: bool, rounds: int) -> dict[str, float]:
    encoders: dict[str, Encoder] = {"ours": ours("fast", 1), "pillow": by_pillow, "opencv": by_opencv}
    costs = timed(encoders, picture, rounds)
    pillow = costs["pillow"]
    row = {
        "time": costs["ours"].seconds / pillow.seconds,
        "size": costs["ours"].size / pillow.size,
        "opencv time": costs["opencv"].seconds / pillow.seconds,
        "opencv size": costs["opencv"].size / pillow.size,
    }
    if small:
        best = timed({"ours": ours("small", 1), "pillow": by_pillow_best}, picture, 1)
        row["small time"] = best["ours"].seconds / best["pillow"].seconds
        row["small size"] = best["ours"].size / best["pillow"].size
    return row


class Cost(NamedTuple):
    """Seconds on the clock and of all cores together, each the median or the fastest of all rounds, and bytes."""

    seconds: float
    fastest: float
    processor: float
    size: int


def timed(encoders: dict[str, Encoder], picture: Samples, rounds: int) -> dict[str, Cost]:
    clock: dict[str, list[float]] = {name: [] for name in encoders}
    processor: dict[str, list[float]] = {name: [] for name in encoders}
    sizes = {}
    for _ in range(rounds):
        for name, encoder in encoders.items():
            begin, begin_processor = time.perf_counter(), time.process_time()
            data = encoder(picture)
            clock[name].append(time.perf_counter() - begin)
            processor[name].append(time.process_time() - begin_processor)
            if name not in sizes:
                sizes[name] = len(data)
                read: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
                assert np.array_equal(read, swapped(picture)), name
    return {name: Cost(median(clock[name]), min(clock[name]), min(processor[name]), sizes[name]) for name in encoders}


def large(rounds: int) -> list[str]:
    """12 megapixels: a photograph continued by reflection, with fresh noise so that no part repeats another."""
    small = skimage.data.astronaut()
    rng = np.random.default_rng(1)
    wide = np.pad(small, ((0, 3000 - 512), (0, 4000 - 512), (0, 0)), mode="symmetric").astype(np.float32)
    wide += rng.normal(0, 1.2, wide.shape).astype(np.float32)
    picture = np.clip(np.rint(wide), 0, 255).astype(np.uint8)
    encoders = {
        "fast, 1 thread": ours("fast", 1),
        "fast, 2 threads": ours("fast", 2),
        "fast, 100 rows at a time, 2 threads": ours("fast", 2, 100),
        "OpenCV": by_opencv,
        "Pillow": by_pillow,
    }
    lines = [
        "| 12 megapixels, RGB | seconds, fastest | of all cores together | MB |",
        "|---|--:|--:|--:|",
    ]
    for name, cost in timed(encoders, picture, rounds).items():
        lines.append(f"| {name} | {cost.fastest:.3f} | {cost.processor:.3f} | {cost.size / 1e6:.2f} |")
    return lines


def ours(compress: str, threads: int, step: int | None = None) -> Encoder:
    def encoder(picture: Samples) -> bytes:
        file = io.BytesIO()
        height, width = picture.shape[:2]
        channels = picture.shape[2] if picture.ndim == 3 else 1
        with PngWriter(file, height, width, channels, 8, compress=compress, threads=threads) as png:
            for first in range(0, height, step or height):
                png.write(picture[first : first + (step or height)])
        return file.getvalue()

    return encoder


def by_pillow(picture: Samples) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def by_pillow_best(picture: Samples) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", optimize=True)
    return file.getvalue()


def by_opencv(picture: Samples) -> bytes:
    return cv2.imencode(".png", swapped(picture))[1].tobytes()


def swapped(picture: Samples) -> Samples:
    """OpenCV's order of channels."""
    if picture.ndim == 2:
        return picture
    return np.ascontiguousarray(picture[..., [2, 1, 0, 3][: picture.shape[2]]])


def pictures() -> Iterator[tuple[str, str, Samples]]:
    photographs = {name: getattr(skimage.data, name)() for name in PHOTOGRAPHS}
    for name, picture in photographs.items():
        yield "photographs", name, picture
    for title, kernel in (("Sobel maps", "sobel-x"), ("blurred, sigma 2", "gaussian:sigma=2")):
        for name, picture in photographs.items():
            (found,) = apply(picture, kernel, range="abs", dtype="uint8").values()
            yield title, name, np.asarray(found)
    for name, picture in photographs.items():
        (found,) = apply(picture, "sharpen", range="clip", dtype="uint8").values()
        yield "sharpened", name, np.asarray(found)
    for name, picture in gradients():
        yield "gradients", name, picture
    for name in DRAWN:
        yield "drawings", name, eight_bits(getattr(skimage.data, name)())
    for name, picture in drawings():
        yield "drawings", name, picture


def eight_bits(picture: NDArray[Any]) -> Samples:
    if picture.dtype == np.bool_:
        return picture.astype(np.uint8) * 255
    return picture if picture.dtype == np.uint8 else np.rint(picture * 255).astype(np.uint8)


def gradients() -> Iterator[tuple[str, Samples]]:
    rows, columns = np.mgrid[0:720, 0:1080]
    across, down = columns / 1079, rows / 719
    corner = np.hypot(columns - 200, rows - 150) / 1100
    angle = (np.arctan2(rows - 360, columns - 540) / (2 * np.pi)) % 1
    shades = {
        "left to right": across,
        "top to bottom": down,
        "corner to corner": (across + down) / 2,
        "round a corner": 1 - corner,
        "cone": angle,
        "vignette": np.cos(corner) ** 4,
        "steps": np.floor(across * 12) / 12,
        "waves": 0.5 + 0.5 * np.sin(across * 9) * np.cos(down * 7),
    }
    sky, sand = np.array([40, 110, 210]), np.array([245, 225, 180])
    for name, shade in shades.items():
        yield f"{name}, grey", np.rint(shade * 255).astype(np.uint8)
        yield f"{name}, RGB", np.rint(sky + shade[..., None] * (sand - sky)).astype(np.uint8)
    hues = np.stack([across, down, 1 - across], axis=-1)
    yield "hues", (hues * 255).astype(np.uint8)
    yield "fading, RGBA", np.rint(np.concatenate([hues, down[..., None]], axis=-1) * 255).astype(np.uint8)


def drawings() -> Iterator[tuple[str, Samples]]:
    rng = np.random.default_rng(11)
    chart = Image.new("RGB", (1200, 800), "white")
    pen = ImageDraw.Draw(chart)
    for number, height in enumerate(rng.integers(50, 700, 16)):
        pen.rectangle((60 + number * 70, 760 - int(height), 110 + number * 70, 760), fill=(60, 90 + 9 * number, 200))
        pen.text((62 + number * 70, 765), f"Q{number} {height}", fill="black")
    for level in range(60, 760, 100):
        pen.line((50, level, 1190, level), fill=(200, 200, 200))
    yield "bar chart", np.asarray(chart)
    smooth = Image.new("RGBA", (1600, 1600), (0, 0, 0, 0))
    pen = ImageDraw.Draw(smooth)
    for _ in range(25):
        points = [(int(x), int(y)) for x, y in rng.integers(0, 1600, (5, 2))]
        pen.polygon(points, fill=(*(int(value) for value in rng.integers(0, 256, 3)), 255))
    yield "polygons, RGBA", np.asarray(smooth.resize((800, 800), Image.Resampling.LANCZOS))
    yield "pixel art", np.kron(rng.integers(0, 6, (40, 60, 3)) * 51, np.ones((12, 12, 1))).astype(np.uint8)
    sheet = Image.new("L", (1000, 1000), 255)
    pen = ImageDraw.Draw(sheet)
    words = ["lantern", "harbour", "seventeen", "copper", "drizzle", "marble", "window", "orchard", "thirty", "sparrow"]
    for line in range(0, 990, 12):
        pen.text((10, line), " ".join(words[index] for index in rng.integers(0, len(words), 26)), fill=20)
    yield "print", np.asarray(sheet)
    web = Image.new("RGB", (1400, 1000), (12, 16, 30))
    pen = ImageDraw.Draw(web)
    for _ in range(400):
        ends = [int(value) for value in rng.integers(0, 1400, 4)]
        pen.line(ends, fill=(0, 200, int(rng.integers(100, 256))))
    yield "fine lines", np.asarray(web)


if __name__ == "__main__":
    main()
