"""``apply``: the Python twin of ``convtool apply``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from convtool.engine.geometry import Padding, Pair, pair, standard_padding
from convtool.errors import UsageError
from convtool.kernels.kernel import Kernel, KernelSet
from convtool.kernels.library import Library
from convtool.layers import options
from convtool.layers.filtering import filter_stack
from convtool.layers.maps import Settings
from convtool.layers.options import Scaling
from convtool.layers.plan import plan_stack
from convtool.layers.stack import Layer, make_stack
from convtool.layers.stack_file import load_stack
from convtool.pictures.picture import Picture, picture_from_array
from convtool.text import choice, did_you_mean, parse_float
from convtool.tone import ranges
from convtool.tone.light import SRGB, light_of
from convtool.tone.ranges import Range

if TYPE_CHECKING:
    from PIL.Image import Image

RAW = Range("raw")


def apply(
    image: NDArray[Any] | Image,
    kernels: str | Kernel | KernelSet | Sequence[str | Kernel | KernelSet] | None = None,
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
    groups: int = 1,
    maps: str | Sequence[int] | None = None,
    activation: str | None = None,
    pool: str | None = None,
    then: Sequence[str | Kernel | KernelSet | Mapping[str, Any]] = (),
    stack: str | None = None,
    scale: float | str | None = None,
    mean: float | str | Sequence[float] | None = None,
    std: float | str | Sequence[float] | None = None,
    order: str | None = None,
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
    groups, maps, activation, pool: as on the command line; ``maps`` may be a list of places.
    then: the layers behind the first, each a kernel or a dict ``{"kernels": ..., "stride": 2, ...}`` with the options
        of a layer.
    stack: layers from a YAML file, or by name, instead of ``kernels``.
    scale, mean, std, order: what is done to the samples first, ``(x*scale - mean)/std``, one number a channel.
    range, dtype: without them maps are raw float32, signed, in the units of the image; with either they are toned
        as a file would be (the other defaults to the kernel's range and the image's type; raw and float32 imply
        each other).

    Returns a dict from map label to array (H', W') or (H', W', C). Raises UsageError or KernelError for arguments
    that cannot be meant and GeometryError where a kernel does not fit the image (all are ValueErrors).
    """
    policy = None if range is None else ranges.parse_range(_text(range, "range"))
    chosen = None if dtype is None else _choice(_type_name(dtype), "dtype", options.DTYPES)
    if policy is None and chosen in (None, "float32"):
        policy = RAW
    if policy is not None and policy.how == "raw":
        chosen = chosen or "float32"
    run = Settings(range=policy, dtype=chosen, alpha=_choice(alpha, "alpha", options.ALPHAS), linear=linear)
    first = {
        "stride": stride,
        "pad": pad,
        "border": border,
        "dilation": dilation,
        "channels": channels,
        "flip": flip,
        "bias": bias,
        "merge": merge,
        "groups": groups,
        "maps": maps,
        "activation": activation,
        "pool": pool,
    }
    asked = _scaling(scale, mean, std, order)
    layers = [_layer(each) for each in then]
    if stack is None:
        made = make_stack([_layer({"kernels": kernels, **first}), *layers])
    elif kernels is not None or _layer_settings(first) != Settings():
        raise UsageError("stack has its own kernels, and options for each layer; leave out those of the first layer")
    else:
        named = load_stack(stack, Library())
        made = make_stack([*named.layers, *layers], named.name)
        asked = {**named.settings.scaling._asdict(), **asked}
    words = {name: getattr(run, name) for name in ("range", "dtype", "alpha", "linear")}
    made = make_stack(made.with_run(**words, scaling=Scaling(**asked)).layers, made.name)
    picture = _picture(image)
    light = light_of(picture.metadata.get("icc_profile"), []) if linear else SRGB
    plan = plan_stack(made, picture.layout, light)
    found = {}
    for each in filter_stack(plan, picture):
        found[each.plan.spec.label] = each.samples[..., 0] if each.samples.shape[2] == 1 else each.samples
    return found


def _layer(given: object) -> Layer:
    """A layer from its kernels, or from a dict with options beside them."""
    words: dict[str, Any] = dict(given) if isinstance(given, Mapping) else {"kernels": given}
    kernels = words.pop("kernels", None)
    if kernels is None:
        raise UsageError("no kernel is given")
    unknown = next((word for word in words if word not in LAYER_WORDS), None)
    if unknown is not None:
        raise UsageError(f"{unknown!r} is not an option of a layer{did_you_mean(str(unknown), LAYER_WORDS)}")
    return Layer(tuple(_sets(kernels)), _layer_settings(words))


def _layer_settings(given: Mapping[str, Any]) -> Settings:
    """The settings of a layer from its options; what is missing is by default, and None where that is the default."""
    read: dict[str, Callable[[Any], Any]] = {
        "stride": lambda value: _pair(value, "stride"),
        "pad": _padding,
        "border": lambda value: options.parse_border(_text(value, "border")),
        "dilation": lambda value: _pair(value, "dilation"),
        "channels": lambda value: _choice(value, "channels", options.CHANNELS),
        "flip": bool,
        "bias": lambda value: _number(value, "bias"),
        "merge": lambda value: _choice(value, "merge", options.MERGES),
        "groups": lambda value: pair((value, value), "groups", 1)[0],
        "maps": lambda value: options.parse_maps(value if isinstance(value, str) else ",".join(map(str, value))),
        "activation": lambda value: options.parse_activation(_text(value, "activation")),
        "pool": lambda value: options.parse_pool(_text(value, "pool")),
    }
    nothing = ("border", "channels", "bias", "merge", "maps", "activation", "pool")
    found = {
        LAYER_WORDS[word]: read[word](value)
        for word, value in given.items()
        if value is not None or word not in nothing
    }
    return Settings(**found)


LAYER_WORDS = {
    word: "padding" if word == "pad" else word
    for word in (
        *("stride", "pad", "border", "dilation", "channels", "flip", "bias", "merge"),
        *("groups", "maps", "activation", "pool"),
    )
}
"""Options of a layer and the settings that they become."""


def _scaling(
    scale: float | str | None,
    mean: float | str | Sequence[float] | None,
    std: float | str | Sequence[float] | None,
    order: str | None,
) -> dict[str, Any]:
    """Those of the four that are given."""
    found: dict[str, Any] = {}
    if scale is not None:
        found["scale"] = options.parse_scale(scale if isinstance(scale, str) else repr(float(_number(scale, "scale"))))
    for name, value in (("mean", mean), ("std", std)):
        if value is not None:
            numbers = value if isinstance(value, (str, Sequence)) else [value]
            text = numbers if isinstance(numbers, str) else ",".join(repr(float(_number(n, name))) for n in numbers)
            found[name] = options.parse_numbers(text, name)
    if order is not None:
        found["order"] = _choice(order, "order", options.ORDERS)
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
        from convtool.pictures.modes import picture_from_image

        return picture_from_image(image)
    return picture_from_array(np.asarray(image))


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{name} is {value!r}; it takes text, as on the command line")
    return value


def _choice(value: object, name: str, words: tuple[str, ...]) -> str:
    return choice(_text(value, name), name, words)


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
        return parse_float(value, name)
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
