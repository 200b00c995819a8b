"""The same script around pyvips; see opencv_folder.py."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyvips

source, target, threads, how, *maps = sys.argv[1:]
kernels = {
    suffix: [[float(weight) for weight in row.split()] for row in weights.split(";")]
    for suffix, _, weights in (text.partition("=") for text in maps)
}
paths = sorted(Path(source).iterdir())


def one(path: Path) -> None:
    # Read once from top to bottom, as far as there is one reader.
    picture = pyvips.Image.new_from_file(str(path), access="sequential" if len(kernels) == 1 else "random")
    for suffix, weights in kernels.items():
        if how == "abs":  # integers would be cut off at zero
            found = picture.conv(weights, precision="float").abs().cast("uchar")
        else:
            found = picture.conv(weights, precision="integer")
        options = {"Q": 92, "subsample_mode": "on"} if path.suffix == ".jpg" else {}
        found.write_to_file(str(Path(target, f"{path.stem}{suffix}{path.suffix}")), **options)


with ThreadPoolExecutor(int(threads)) as pool:
    list(pool.map(one, paths))
