"""64 filters of 7x7x3, stride 2, over 12 megapixels to 64 PNG files: convtool beside PyTorch with Pillow. Needs torch.

    python benchmarks/bank.py

Both are whole processes from JPEG to files, run in turn; the script of the other side is below. Shown are seconds, the
processor's seconds and the peak memory of the fastest run. ``level 1`` has Pillow pack as fast as it can.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve()
REPEATS = 3
SCRIPT = """
import sys
import numpy, torch
from PIL import Image
weight = torch.from_numpy(numpy.load("bank.npy"))
picture = torch.from_numpy(numpy.array(Image.open("photo.jpg"))).permute(2, 0, 1)[None].float()
with torch.no_grad():
    maps = torch.nn.functional.conv2d(picture, weight, stride=2, padding=3)[0]
for n, samples in enumerate(maps.round().clamp(0, 255).byte().numpy()):
    Image.fromarray(samples).save(f"theirs-{n:02}.png", **({"compress_level": 1} if len(sys.argv) > 1 else {}))
"""
CONVTOOL = (
    "-m",
    "convtool",
    "apply",
    "photo.jpg",
    "-k",
    "bank.npy",
    "-s",
    "2",
    "-p",
    "3",
    "-f",
    "png",
    "--force",
    "-q",
)


def prepare() -> None:
    """A photograph-like picture of 4000x3000 and a bank, in the working folder."""
    random = np.random.default_rng(0)
    coarse = Image.fromarray(random.integers(0, 256, (75, 100, 3)).astype(np.uint8))
    smooth = np.asarray(coarse.resize((4000, 3000), Image.Resampling.BICUBIC), dtype=np.float64)
    grain = random.normal(0, 3, (3000, 4000, 1))
    Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8)).save("photo.jpg", quality=92)
    np.save("bank.npy", (random.normal(size=(64, 3, 7, 7)) / 12).astype(np.float32))


def measured(*arguments: str) -> tuple[float, float, float]:
    """Seconds, processor seconds and megabytes of a process."""
    start = time.perf_counter()
    process = os.posix_spawn(sys.executable, [sys.executable, *arguments], os.environ)
    _, status, usage = os.wait4(process, 0)
    assert status == 0, arguments
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6


def main() -> None:
    """Print one line a contestant."""
    contestants = {
        "convtool": CONVTOOL,
        "torch + Pillow": ("-W", "ignore", "-c", SCRIPT),
        "torch + Pillow, level 1": ("-W", "ignore", "-c", SCRIPT, "fast"),
    }
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        # In a process of its own: what this one has held would count as held by its children.
        subprocess.run([sys.executable, HERE, "prepare"], check=True)
        best: dict[str, tuple[float, float, float]] = {}
        for _ in range(REPEATS):
            for name, arguments in contestants.items():
                found = measured(*arguments)
                best[name] = min(best.get(name, found), found)
        for name, (seconds, busy, megabytes) in best.items():
            print(f"{name:<24} {seconds:6.1f} s {busy:6.1f} s busy {megabytes:6.0f} MB")
        worst = 0
        for path in sorted(Path().glob("theirs-*.png")):
            ours = np.asarray(Image.open(f"photo_bank-{path.stem[-2:]}.png")).astype(int)
            worst = max(worst, int(np.abs(ours - np.asarray(Image.open(path))).max()))
        print(f"largest difference of a sample: {worst}")
        os.chdir("/")


if __name__ == "__main__":
    prepare() if len(sys.argv) > 1 else main()
