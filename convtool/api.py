"""``apply``: the Python twin of ``convtool apply``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from convtool.engine.geometry import Pair
from convtool.errors import UsageError
from convtool.kernels.kernel import Kernel, KernelSet
from convtool.kernels.library import Library
from convtool.layers.filtering import filter_stack
from convtool.layers.plan import plan_stack
from convtool.layers.settings import LAYER, RUN, SCALING, Option, Settings, scaling_of, settings_of
from convtool.layers.stack import Layer, make_stack
from convtool.layers.stack_file import load_stack
from convtool.pictures.picture import Picture, picture_from_array
from convtool.text import did_you_mean
from convtool.tone.light import SRGB, light_of

if TYPE_CHECKING:
    from PIL.Image import Image


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
    then: the layers after the first, each a kernel or a dict ``{"kernels": ..., "stride": 2, ...}`` with the options
        of a layer.
    stack: layers from a YAML file, or by name, instead of ``kernels``.
    scale, mean, std, order: what is done to the samples first, ``(x*scale - mean)/std``, one number a channel.
    range, dtype: without them maps are raw float32, signed, in the units of the image; with either they are toned
        as a file would be (the other defaults to the kernel's range and the image's type; raw and float32 imply
        each other).

    Returns a dict from map label to array (H', W') or (H', W', C). Raises UsageError or KernelError for arguments
    that cannot be meant and GeometryError where a kernel does not fit the image (all are ValueErrors).
    """
    given = {
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
    first = _checked(LAYER, given)
    scaling = _checked(SCALING, {"scale": scale, "mean": mean, "std": std, "order": order})
    whole = _checked(RUN, {"range": range, "dtype": _type_name(dtype), "alpha": alpha, "linear": linear})
    layers = [_layer(each) for each in then]
    run = settings_of(RUN, whole).implied("npy" if range is None and dtype is None else "")
    if stack is None:
        made = make_stack([Layer(tuple(_sets(kernels)), settings_of(LAYER, first)), *layers])
    elif kernels is not None or settings_of(LAYER, first) != Settings():
        raise UsageError("stack has its own kernels, and options for each layer; leave out those of the first layer")
    else:
        named = load_stack(stack, Library())
        made = make_stack([*named.layers, *layers], named.name)
        run = run._replace(scaling=named.settings.scaling)
    run = run._replace(scaling=scaling_of(scaling, run.scaling))
    made = make_stack(made.in_run(run).layers, made.name)
    picture = _picture(image)
    light = light_of(picture.metadata.get("icc_profile"), []) if linear else SRGB
    plan = plan_stack(made, picture.layout, light)
    found = {}
    for each in filter_stack(plan, picture):
        found[each.plan.spec.label] = each.samples[..., 0] if each.samples.shape[2] == 1 else each.samples
    return found


def _checked(rows: Iterable[Option], given: Mapping[str, object]) -> dict[str, object]:
    """The checked values of the options that are given; None stands for the default where that is nothing."""
    return {row.name: row.checked(given[row.name]) for row in rows if row.name in given}


def _layer(given: object) -> Layer:
    """A layer from its kernels, or from a dict with options beside them."""
    words: dict[str, object] = dict(given) if isinstance(given, Mapping) else {"kernels": given}
    kernels = words.pop("kernels", None)
    if kernels is None:
        raise UsageError("no kernel is given")
    names = [row.name for row in LAYER]
    unknown = next((word for word in words if word not in names), None)
    if unknown is not None:
        raise UsageError(f"{unknown!r} is not an option of a layer{did_you_mean(str(unknown), names)}")
    return Layer(tuple(_sets(kernels)), settings_of(LAYER, _checked(LAYER, words)))


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


def _type_name(dtype: Any) -> object:
    """``uint8`` for np.uint8 and its like; anything else as it is."""
    if isinstance(dtype, (np.dtype, type)):
        try:
            return np.dtype(dtype).name
        except TypeError:
            return dtype
    return dtype
