"""``conv2d``: the sum of a convolutional layer over one image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convtool.engine.bank import bank_from_array
from convtool.engine.border import make_border
from convtool.engine.geometry import pair, resolve, standard_padding
from convtool.engine.plan import make_plan
from convtool.errors import UsageError


def conv2d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: int | tuple[int, int] = 1,
    padding: object = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
    constant_value: float = 0.0,
    out: NDArray[np.float32] | None = None,
    method: str = "auto",
    threads: int = 1,
) -> NDArray[np.float32]:
    """Slide filters over an image as ``torch.nn.functional.conv2d`` does, for one image.

    >>> conv2d(np.ones((3, 5, 5)), np.ones((2, 3, 3, 3)), stride=2, padding=1).shape
    (2, 3, 3)

    x: the image, (C, H, W), any real dtype and any strides.
    weight: the filters, (N, C/groups, kh, kw). Correlation: read as written, not flipped.
    bias: one number a filter, (N,), added to the sum.
    stride, dilation: whole numbers from 1 up, or (rows, columns).
    padding: samples on each side: an int, (rows, columns), ((top, bottom), (left, right)), ``"same"`` (output
        ceil(size/stride), the odd sample after), ``"valid"`` (none) or ``"full"`` (dilation*(k-1)).
    padding_mode: ``zeros``, ``constant`` (of ``constant_value``), ``replicate``, ``reflect``, ``symmetric`` or
        ``circular``.
    out: a float32 array (N, H', W') to write into.
    method: ``auto``, ``taps``, ``separable`` or ``fft``; results agree to 2e-6 * sum|w| * max|x| (fft: 5e-6), and
        exactly for integer samples and integer weights times one scale while sum|w| * max|x| < 2**24.
    threads: strips of rows filtered side by side; never changes a result.

    Returns float32 (N, H', W'). Raises UsageError (a ValueError) for arguments that do not fit together and
    GeometryError (a ValueError) where the window does not fit the padded image.
    """
    image, weights, biases = _checked(x, weight, bias, groups)
    border = make_border(padding_mode, _number(constant_value, "constant_value") if padding_mode == "constant" else 0.0)
    geometry = resolve(
        (image.shape[1], image.shape[2]),
        (weights.shape[2], weights.shape[3]),
        stride=pair(stride, "stride", 1),
        padding=standard_padding(padding),
        dilation=pair(dilation, "dilation", 1),
    )
    workers, _ = pair((threads, threads), "threads", 1)
    shape = (len(weights), *geometry.out)
    if out is None:
        out = np.empty(shape, dtype=np.float32)
    elif not isinstance(out, np.ndarray):
        raise UsageError(f"out is a {type(out).__name__}; it has to be a float32 array {shape}")
    elif out.shape != shape or out.dtype != np.float32:
        raise UsageError(f"out is {out.dtype} {out.shape}; it has to be float32 {shape}")
    elif np.may_share_memory(out, image):
        image = image.copy()

    peak, whole = sample_bounds(image)
    depth, filters = weights.shape[1], len(weights) // groups
    for group in range(groups):
        chosen = slice(group * filters, (group + 1) * filters)
        rows = image[group * depth : (group + 1) * depth].transpose(1, 2, 0)
        bank = bank_from_array(weights[chosen])
        plan = make_plan(bank, geometry, border, depth, peak=peak, whole=whole, method=method)
        added = biases[chosen] if biases[chosen].any() else None
        plan.fill(rows, out[chosen].transpose(1, 2, 0), added, workers)
    return out


def sample_bounds(image: NDArray[Any]) -> tuple[float, bool]:
    """The largest magnitude of the samples, and whether they are integers.

    From the dtype where that is narrow; for floats, the end of float32.
    """
    if image.dtype.kind not in "iu":
        return float(np.finfo(np.float32).max), False
    if image.dtype.itemsize <= 2:
        info = np.iinfo(image.dtype)
        return float(max(-info.min, info.max)), True
    return float(max(-int(image.min()), int(image.max()))), True


def _checked(
    x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None, groups: int
) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.float64]]:
    image, weights = np.asarray(x), np.asarray(weight)
    for name, array in (("x", image), ("weight", weights)):
        if array.dtype.kind not in "biuf":
            raise UsageError(f"{name} has dtype {array.dtype}; it takes real numbers")
    if image.ndim != 3 or not image.size:
        raise UsageError(f"x has shape {image.shape}; it has to be (C, H, W) with no side 0")
    if weights.ndim != 4 or not weights.size:
        raise UsageError(f"weight has shape {weights.shape}; it has to be (N, C/groups, kh, kw) with no side 0")
    if not np.isfinite(weights).all():
        raise UsageError("weight has a value that is not finite")
    if groups < 1 or image.shape[0] % groups or weights.shape[0] % groups:
        raise UsageError(
            f"groups is {groups}; it has to divide the {image.shape[0]} channels and the {weights.shape[0]} filters"
        )
    if weights.shape[1] * groups != image.shape[0]:
        raise UsageError(
            f"weight spans {weights.shape[1]} channels in {groups} group(s); x has {image.shape[0]} channels"
        )
    biases = np.zeros(len(weights)) if bias is None else np.asarray(bias)
    if biases.dtype.kind not in "biuf":
        raise UsageError(f"bias has dtype {biases.dtype}; it takes real numbers")
    if biases.shape != (len(weights),):
        raise UsageError(f"bias has shape {biases.shape}; it has to be ({len(weights)},), one number a filter")
    image = image.astype(np.uint8) if image.dtype.kind == "b" else image
    return image, weights.astype(np.float64), biases.astype(np.float64)


def _number(value: object, name: str) -> float:
    if isinstance(value, (int, float, np.integer, np.floating)):
        return float(value)
    raise UsageError(f"{name} is {value!r}; it takes a number")
