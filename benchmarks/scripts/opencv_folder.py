"""What a good script around OpenCV does with a folder: threads, one picture each.

python opencv_folder.py SOURCE TARGET THREADS clip|abs SUFFIX=WEIGHTS...
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

source, target, threads, how, *maps = sys.argv[1:]
kernels = {
    suffix: np.array([[float(weight) for weight in row.split()] for row in weights.split(";")], np.float32)
    for suffix, _, weights in (text.partition("=") for text in maps)
}
paths = sorted(Path(source).iterdir())
if len(paths) > 1:
    cv2.setNumThreads(1)  # the pool's threads share the cores out already


def one(path: Path) -> None:
    picture = cv2.imread(str(path))
    assert picture is not None, path
    for suffix, kernel in kernels.items():
        if how == "abs":
            found = cv2.convertScaleAbs(cv2.filter2D(picture, cv2.CV_16S, kernel))
        else:
            found = cv2.filter2D(picture, -1, kernel)
        options = [cv2.IMWRITE_JPEG_QUALITY, 92] if path.suffix == ".jpg" else []
        assert cv2.imwrite(str(Path(target, f"{path.stem}{suffix}{path.suffix}")), found, options), path


with ThreadPoolExecutor(int(threads)) as pool:
    list(pool.map(one, paths))
