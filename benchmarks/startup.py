"""Whole-process time of one small picture, as a ratio to the bare imports plus decoding and encoding it.

    python benchmarks/startup.py

The baseline imports numpy, Pillow, click and yaml, decodes the input and encodes the very picture that convtool
writes, with the same compression. Both are run in turn; medians are compared.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

REPEATS = 21
BASELINE = """
import numpy, PIL.Image, click, yaml
PIL.Image.open("in.png").load()
picture = PIL.Image.open("out.bmp")
picture.load()
picture.save("base.png", compress_level=1)
"""


def photograph() -> Image.Image:
    """512x512 RGB that compresses like a photograph: smoothed noise and some grain."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (24, 24, 3)).astype(np.uint8)).resize(
        (512, 512), Image.Resampling.BICUBIC
    )
    grain = rng.normal(0, 4, (512, 512, 3))
    return Image.fromarray(np.clip(np.asarray(coarse) + grain, 0, 255).astype(np.uint8))


def seconds(command: list[str], folder: Path) -> float:
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True)
    return time.perf_counter() - start


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photograph().save(folder / "in.png")
        ours = [str(Path(sys.executable).with_name("convtool")), "apply", "in.png", "-k", "sharpen", "-o", "out.png"]
        seconds(ours, folder)
        Image.open(folder / "out.png").save(folder / "out.bmp")
        times: dict[str, list[float]] = {"imports": [], "baseline": [], "convtool": []}
        imports = [sys.executable, "-c", "import numpy, PIL.Image, click, yaml"]
        for _ in range(REPEATS):
            times["imports"].append(seconds(imports, folder))
            (folder / "base.png").unlink(missing_ok=True)
            times["baseline"].append(seconds([sys.executable, "-c", BASELINE], folder))
            (folder / "out.png").unlink()
            times["convtool"].append(seconds(ours, folder))
    medians = {key: statistics.median(values) for key, values in times.items()}
    for key, value in medians.items():
        print(f"{key:<10}{value * 1000:7.1f} ms")
    print(f"convtool / (imports + decode + encode): {medians['convtool'] / medians['baseline']:.2f}")


if __name__ == "__main__":
    main()
