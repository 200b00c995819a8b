"""The same script around Pillow alone; see opencv_folder.py."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image, ImageFilter

source, target, threads, _, *maps = sys.argv[1:]
kernels = {
    suffix: ImageFilter.Kernel((3, 3), [float(weight) for weight in weights.replace(";", " ").split()], 1)
    for suffix, _, weights in (text.partition("=") for text in maps)
}


def one(path: Path) -> None:
    with Image.open(path) as picture:
        for suffix, kernel in kernels.items():
            found = picture.filter(kernel)
            found.save(Path(target, f"{path.stem}{suffix}{path.suffix}"), quality=92)  # PNG does not look at it


with ThreadPoolExecutor(int(threads)) as pool:
    list(pool.map(one, sorted(Path(source).iterdir())))
