"""``apply``: the Python twin of ``convtool apply``."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from convtool import options
from convtool.errors import UsageError
from convtool.filtering import filter_map, plan_map
from convtool.geometry import Padding, Pair, pair, standard_padding
from convtool.kernel import Kernel, KernelSet
from convtool.library import Library
from convtool.light import SRGB, light_of
from convtool.maps import Settings, list_maps
from convtool.options import Range
from convtool.picture import Picture, picture_from_array

if TYPE_CHECKING:
    from PIL.Image import Image

RAW = Range("raw")


def apply(
    image: NDArray[Any] | Image,
    kernels: str | Kernel | KernelSet | Sequence[str | Kernel | KernelSet],
    *,
    stride: int | Pair | str = 1,
    pad: object = "same",
    border: str | None = None,
    dilation: int | Pair | str = 1,
    channels: str | None = None,
    flip: bool = False,
    bias: float | str | None = None,
    merge: str | None = None,
    range: str | None = None,
    dtype: str | type[Any] | np.dtype[Any] | None = None,
    alpha: str = "weighted",
    linear: bool = False,
) -> dict[str, NDArray[Any]]:
    """Filter an image with one or more kernels, as the command does.

    >>> apply(np.eye(8), "sobel", pad=1)["sobel-x"].shape
    (8, 8)

    image: an array (H, W) or (H, W, C), two and four channels ending in alpha, or a Pillow image.
    kernels: a ``--kernel`` spec, a Kernel, a KernelSet, or several of them.
    stride, dilation: whole numbers, (rows, columns), or text as on the command line.
    pad: a number, (rows, columns), ((top, bottom), (left, right)), or ``same``, ``valid``, ``full``.
    border: ``zeros``, ``constant=V``, ``replicate``, ``reflect``, ``symmetric``, ``circular``; by default reflect
        for same padding and zeros otherwise.
    channels, flip, bias, merge, alpha, linear: as on the command line; in linear light
        maps need a range (clip or abs) or an integer dtype.
    range, dtype: without them maps are raw float32, signed, in the units of the image; with either they are toned
        as a file would be (the other defaults to the kernel's range and the image's type; raw and float32 imply
        each other).

    Returns a dict from map label to array (H', W') or (H', W', C). Raises UsageError or KernelError for arguments
    that cannot be meant and GeometryError where a kernel does not fit the image (all are ValueErrors).
    """
    policy = None if range is None else options.parse_range(_text(range, "range"))
    chosen = None if dtype is None else _choice(_type_name(dtype), "dtype", options.DTYPES)
    if policy is None and chosen in (None, "float32"):
        policy = RAW
    if policy is not None and policy.how == "raw":
        chosen = chosen or "float32"
    settings = Settings(
        stride=_pair(stride, "stride"),
        padding=_padding(pad),
        border=None if border is None else options.parse_border(_text(border, "border")),
        dilation=_pair(dilation, "dilation"),
        channels=None if channels is None else _choice(channels, "channels", options.CHANNELS),
        flip=flip,
        bias=None if bias is None else _number(bias, "bias"),
        merge=None if merge is None else _choice(merge, "merge", options.MERGES),
        range=policy,
        dtype=chosen,
        alpha=_choice(alpha, "alpha", options.ALPHAS),
        linear=linear,
    )
    maps = list_maps(_sets(kernels), settings)
    picture = _picture(image)
    light = light_of(picture.metadata.get("icc_profile"), []) if linear else SRGB
    found = {}
    for spec in maps:
        samples = filter_map(plan_map(spec, picture.layout, settings, light), picture).samples
        found[spec.label] = samples[..., 0] if samples.shape[2] == 1 else samples
    return found


def _sets(kernels: object) -> list[KernelSet]:
    given = [kernels] if isinstance(kernels, (str, KernelSet, Kernel)) else kernels
    if not isinstance(given, Sequence) or not all(isinstance(each, (str, KernelSet, Kernel)) for each in given):
        raise UsageError("kernels takes a --kernel spec, a Kernel or KernelSet (see load_kernel), or a list of them")
    if not given:
        raise UsageError("no kernel is given")
    loaded = iter(Library().load_all([kernel for kernel in given if isinstance(kernel, str)]))
    return [next(loaded) if isinstance(kernel, str) else _as_set(kernel) for kernel in given]


def _as_set(kernel: Kernel | KernelSet) -> KernelSet:
    return kernel if isinstance(kernel, KernelSet) else KernelSet(kernel.label, (kernel,), kernel.summary)


def _picture(image: Any) -> Picture:
    if hasattr(image, "getbands"):  # a Pillow image; nothing else of Pillow is needed here
        from convtool.modes import picture_from_image

        return picture_from_image(image)
    return picture_from_array(np.asarray(image))


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{name} is {value!r}; it takes text, as on the command line")
    return value


def _choice(value: object, name: str, words: tuple[str, ...]) -> str:
    return options.choice(_text(value, name), name, words)


def _type_name(dtype: Any) -> object:
    """``uint8`` for np.uint8 and its like."""
    if isinstance(dtype, (np.dtype, type)):
        try:
            return np.dtype(dtype).name
        except TypeError:
            return dtype
    return dtype


def _number(value: float | str, name: str) -> float:
    if isinstance(value, str):
        return options.parse_float(value, name)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise UsageError(f"{name} is {value!r}; it takes a number") from None
    if not isfinite(number) or abs(number) > 1e30:
        raise UsageError(f"{name} is {number}; it takes a finite number up to 1e30")
    return number


def _pair(value: int | Pair | str, name: str) -> Pair:
    return options.parse_pair(value, name) if isinstance(value, str) else pair(value, name, 1)


def _padding(value: object) -> Padding:
    return options.parse_padding(value) if isinstance(value, str) else standard_padding(value)
