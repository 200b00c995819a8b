"""Every method against independent programs on a photograph, and against each other."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import pytest
from scipy import ndimage
from skimage import data

from tests.support.engine_cases import METHODS, Array, run, tolerance

SCIPY = {"zeros": "constant", "replicate": "nearest", "reflect": "mirror", "symmetric": "reflect", "circular": "wrap"}
OPENCV = {
    "zeros": cv2.BORDER_CONSTANT,
    "replicate": cv2.BORDER_REPLICATE,
    "reflect": cv2.BORDER_REFLECT_101,
    "symmetric": cv2.BORDER_REFLECT,
}


@lru_cache(maxsize=1)
def astronaut() -> Array:
    image: Array = data.astronaut()
    return image.transpose(2, 0, 1)


def kernel(name: str) -> Array:
    rng = np.random.default_rng(11)
    line = np.exp(-(np.linspace(-3, 3, 13) ** 2) / 2)
    ring = np.hypot(*np.mgrid[-8:9, -8:9]) / 3
    known: dict[str, Array] = {
        "sobel": np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]),
        "box": np.ones((5, 5)) / 25,
        "gaussian": np.outer(line, line) / line.sum() ** 2,
        "log": (ring**2 - 2) * np.exp(-(ring**2) / 2),
        "random 7x5": rng.normal(size=(7, 5)),
        "random 15": rng.normal(size=(15, 15)),
        "tall": rng.normal(size=(41, 2)),
        "disk": (np.hypot(*np.mgrid[-15:16, -15:16]) <= 15).astype(float),
    }
    return known[name]


KERNELS = ("sobel", "box", "gaussian", "log", "random 7x5", "random 15", "tall", "disk")


@pytest.mark.parametrize("mode", SCIPY)
@pytest.mark.parametrize("name", KERNELS)
def test_scipy(name: str, mode: str) -> None:
    weight = kernel(name)
    anchor = [-1 if side % 2 == 0 else 0 for side in weight.shape]  # scipy's window of an even kernel starts earlier
    for image in (astronaut()[0], astronaut()[1].astype(np.float32) / 255):
        expected = ndimage.correlate(image.astype(np.float64), weight, mode=SCIPY[mode], origin=anchor)
        for method in METHODS:
            found = run(image[None], weight[None, None], method, mode=mode)[0]
            limit = tolerance(method, weight[None, None], float(image.max()))
            assert np.abs(found - expected).max() <= limit, f"{method} {image.dtype}"


@pytest.mark.parametrize("mode", OPENCV)
@pytest.mark.parametrize("name", ["sobel", "gaussian", "random 7x5", "disk"])
def test_opencv_by_strides(name: str, mode: str) -> None:
    weight, image = kernel(name), astronaut()[2]
    full = cv2.filter2D(image.astype(np.float64), cv2.CV_64F, weight, borderType=OPENCV[mode])
    pad = tuple((side // 2, side // 2) for side in weight.shape)
    for stride in ((1, 1), (2, 3), (5, 1)):
        for method in METHODS:
            found = run(image[None], weight[None, None], method, stride=stride, padding=pad, mode=mode)[0]
            error = np.abs(found - full[:: stride[0], :: stride[1]]).max()
            assert error <= tolerance(method, weight[None, None], 255), f"{method} {stride}"


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("dilation", [(1, 1), (2, 3)])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (3, 1)])
def test_torch_layers(stride: tuple[int, int], dilation: tuple[int, int], groups: int, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    from convtool import conv2d

    rng = np.random.default_rng(5)
    x = np.ascontiguousarray(astronaut()[:, :150, :170]).astype(dtype)
    for filters, kh, kw in ((6, 3, 3), (3, 7, 7), (12, 1, 5)):
        weight, bias = rng.normal(size=(filters, 3 // groups, kh, kw)), rng.normal(size=filters)
        tensors = [torch.from_numpy(array.astype(np.float64)) for array in (x, weight, bias)]
        expected = torch.nn.functional.conv2d(
            tensors[0][None], *tensors[1:], stride=stride, padding=3, dilation=dilation, groups=groups
        )
        for method in METHODS:
            found = conv2d(x, weight, bias, stride=stride, padding=3, dilation=dilation, groups=groups, method=method)
            limit = tolerance(method, weight, 255) + 1e-5
            assert np.abs(found - expected[0].numpy()).max() <= limit, f"{method} {filters} {kh}x{kw}"


@pytest.mark.parametrize("name", KERNELS)
def test_auto_is_one_of_the_methods(name: str) -> None:
    image, weight = astronaut()[:1, :200], kernel(name)[None, None]
    auto = run(image, weight, "auto")
    for method in METHODS[1:]:
        limit = 2 * tolerance("auto", weight, 255)
        assert np.abs(run(image, weight, method) - auto).max() <= limit
