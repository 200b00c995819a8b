"""Which samples of a picture a kernel sees, and what becomes of alpha."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.engine.border import Rows
from convtool.engine.convolution import sample_bounds
from convtool.engine.geometry import Geometry
from convtool.errors import GeometryError
from convtool.kernels.kernel import Kernel
from convtool.layers.options import Scaling
from convtool.pictures.picture import Layout, Samples
from convtool.tone.light import LUMA as LINEAR_LUMA
from convtool.tone.light import Light
from convtool.tuples import NamedTuple

AS_THEY_ARE = Scaling()

LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G and B in luma (ITU-R BT.601)."""


class Affine(NamedTuple):
    """What becomes of the samples of each selected channel first: ``x * gains + offsets``."""

    gains: tuple[float, ...]
    offsets: tuple[float, ...]


class Selection(NamedTuple):
    """Input channels of one kernel on pictures of one layout.

    ``indices`` are channels of the picture, ``summed`` adds them up, ``luma`` first makes one plane of three, and
    ``affine`` scales them before. ``alpha`` is what the map's alpha comes from: ``none``, ``anchor`` (the alpha of
    the pixel that an output belongs to), ``weighted`` (colours weighted by alpha) or ``channel`` (filtered like a
    colour, the last). With ``light``, the first ``lit`` channels are decoded to linear light.
    """

    indices: tuple[int, ...]
    luma: bool
    summed: bool
    alpha: str
    light: Light | None = None
    lit: int = 0
    affine: Affine | None = None

    @property
    def channels(self) -> int:
        """Channels that go into the sum."""
        return 1 if self.luma else len(self.indices)

    @property
    def maps(self) -> int:
        """Channels that come out of it, alpha not counted unless it is filtered like a colour."""
        return 1 if self.summed else self.channels + (self.luma and self.alpha == "channel")

    def rows(self, samples: Samples) -> Rows:
        """The selected channels of samples (H, W, C): views, or rows made on demand."""
        if self.luma:
            seen = samples if self.affine is None else PickedRows(samples, self.indices, self.affine)
            return LumaRows(seen, self.alpha == "channel", self.light)
        if self.light is not None and self.lit:
            return LinearRows(self._views(samples), self.light, self.lit)
        if self.affine is not None:
            return PickedRows(samples, self.indices, self.affine)
        return self._views(samples)

    def _views(self, samples: Samples) -> Rows:
        if not self._even:
            return PickedRows(samples, self.indices)
        if isinstance(samples, np.ndarray):
            return self.views(samples)
        return samples if self.indices == tuple(range(samples.shape[2])) else ChosenRows(samples, self)

    @property
    def _even(self) -> bool:
        """Whether the channels are evenly spaced, or one, repeated, so that a view has them."""
        first, last, count = self.indices[0], self.indices[-1], len(self.indices)
        step = self.indices[1] - first if count > 1 else 1
        return step == 0 or self.indices == tuple(range(first, last + (1 if step > 0 else -1), step))

    def views(self, samples: NDArray[Any]) -> NDArray[Any]:
        """The selected channels of an array (H, W, C), without copying, where they are evenly spaced."""
        first, last, count = self.indices[0], self.indices[-1], len(self.indices)
        step = self.indices[1] - first if count > 1 else 1
        if count > 1 and step == 0:  # one plane, repeated
            return np.broadcast_to(samples[..., first : first + 1], (*samples.shape[:2], count))
        stop = last + step
        return samples[..., first : stop if stop >= 0 else None : step]

    def bounds(self, samples: NDArray[Any]) -> tuple[float, bool]:
        """Largest magnitude of the selected samples, and whether they are whole numbers."""
        peak, whole = sample_bounds(samples)
        return peak, whole and not self.luma and self.light is None and self.affine is None

    def in_light(self, light: Light, colours: int) -> Selection:
        """The same channels in linear light, of a picture with so many colours; alpha has no curve."""
        return self._replace(light=light, lit=sum(index < colours for index in self.indices))


class ChosenRows:
    """Rows of the selected channels of a picture that is read row by row."""

    def __init__(self, samples: Samples, selection: Selection) -> None:
        self._samples = samples
        self._selection = selection
        self.shape = (*samples.shape[:2], len(selection.indices))

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        return self._selection.views(self._samples[rows])


class PickedRows:
    """Rows of some channels in any order, scaled in float32 if asked for, made when they are read."""

    def __init__(self, samples: Samples, indices: tuple[int, ...], affine: Affine | None = None) -> None:
        self._samples = samples
        self._indices = list(indices)
        self._affine = affine
        self.shape = (*samples.shape[:2], len(indices))

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        part = self._samples[rows]
        if self._affine is None:
            return part[..., self._indices]
        gains, offsets = self._affine
        same = len(set(gains)) == len(set(offsets)) == 1
        scaled = np.empty((*part.shape[:2], len(self._indices)), dtype=np.float32)
        for at, index in enumerate(self._indices):
            scaled[..., at] = part[..., index]
            if not same:
                scaled[..., at] *= np.float32(gains[at])
                scaled[..., at] += np.float32(offsets[at])
        if same:
            scaled *= np.float32(gains[0])
            if offsets[0]:
                scaled += np.float32(offsets[0])
        return scaled


class LumaRows:
    """Rows of luma in float32, unrounded, made when they are read; alpha after it if asked for."""

    def __init__(self, samples: Rows, with_alpha: bool, light: Light | None = None) -> None:
        self._samples = samples
        self._light = light
        self._alpha = with_alpha
        self.shape = (*samples.shape[:2], 2 if with_alpha else 1)

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        stored: NDArray[Any] = self._samples[rows]
        part = stored.astype(np.float32) if self._light is None else decoded(self._light, stored[..., :3])
        weights = LUMA if self._light is None else LINEAR_LUMA
        luma = part[..., 0:1] * np.float32(weights[0])
        luma += part[..., 1:2] * np.float32(weights[1])
        luma += part[..., 2:3] * np.float32(weights[2])
        return np.concatenate((luma, stored[..., -1:].astype(np.float32)), axis=-1) if self._alpha else luma


class LinearRows:
    """Rows in linear light in float32, made when they are read; channels after the first ``lit`` as stored."""

    def __init__(self, samples: Rows, light: Light, lit: int) -> None:
        self._samples = samples
        self._light = light
        self._lit = lit
        self.shape = samples.shape

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        part: NDArray[Any] = self._samples[rows]
        linear = decoded(self._light, part[..., : self._lit])
        if self._lit == part.shape[-1]:
            return linear
        return np.concatenate((linear, part[..., self._lit :].astype(np.float32)), axis=-1)


def decoded(light: Light, samples: NDArray[Any]) -> NDArray[np.float32]:
    """Samples in linear light, in their own units."""
    return light.decoded(samples, int(np.iinfo(samples.dtype).max) if samples.dtype.kind == "u" else 1)


def select(
    layout: Layout,
    kernel: Kernel,
    mode: str | None,
    policy: str,
    *,
    groups: int = 1,
    group: int = 0,
    scaling: Scaling = AS_THEY_ARE,
    later: bool = False,
) -> Selection:
    """The channels of a kernel on pictures of ``layout``; raises GeometryError, naming both numbers, on a mismatch.

    ``group`` of ``groups`` is seen by a kernel with depth. ``later``: what comes in are the maps of another layer, not
    a picture, so alpha and grey have no other meaning than what they are, and ``scaling`` is not for them.
    """
    selection = _select(layout, kernel, mode, policy, groups, later)
    if later:
        return _of_group(selection, groups, group)
    deep = kernel.depth is not None
    if deep and scaling.order == "bgr":
        selection = selection._replace(indices=_reversed(selection.indices, layout.colours))
    if not scaling.plain:
        selection = selection._replace(affine=_affine(selection, layout, scaling, deep=deep))
    return _of_group(selection, groups, group)


def _select(layout: Layout, kernel: Kernel, mode: str | None, policy: str, groups: int, later: bool) -> Selection:
    colours = tuple(range(layout.colours))
    alpha = "none" if not layout.alpha or policy == "drop" else "anchor" if policy == "keep" else policy
    alpha = "channel" if alpha == "filter" else alpha
    if kernel.depth is not None:
        return _deep(layout, kernel, kernel.depth * groups, colours, alpha, later)
    if mode == "a":
        if not layout.alpha:
            raise GeometryError(f"--channels a: the picture ({layout}) has no alpha")
        return Selection((layout.colours,), luma=False, summed=False, alpha="none")
    if mode in ("r", "g", "b"):
        if layout.colours not in (1, 3):
            raise GeometryError(f"--channels {mode}: the picture has {layout.colours} channels, not R, G and B")
        at = "rgb".index(mode) if layout.colours == 3 else 0
        chosen = (at, layout.colours) if alpha == "channel" else (at,)
        return Selection(chosen, luma=False, summed=False, alpha=alpha)
    if mode == "luma" and layout.colours != 1:
        if layout.colours != 3:
            raise GeometryError(f"--channels luma: the picture has {layout.colours} channels, not R, G and B")
        return Selection(colours, luma=True, summed=False, alpha=alpha)
    seen = (*colours, layout.colours) if alpha == "channel" else colours
    summed = mode == "sum"
    return Selection(seen, luma=False, summed=summed, alpha="none" if summed and alpha == "channel" else alpha)


def _deep(layout: Layout, kernel: Kernel, depth: int, colours: tuple[int, ...], alpha: str, later: bool) -> Selection:
    if alpha == "channel":
        colours, alpha = (*colours, layout.colours), "none"
    if depth == layout.colours + 1 == 4 and layout.alpha and not later:
        return Selection((*range(layout.colours), layout.colours), luma=False, summed=True, alpha="none")
    if depth == 3 and layout.colours == 1 and len(colours) == 1 and not later:
        return Selection((0, 0, 0), luma=False, summed=True, alpha=alpha)
    if depth != len(colours):
        spans = f"{kernel.label} spans {_channels(kernel.depth or depth)}"
        if kernel.depth != depth:
            spans += f" in each of {depth // (kernel.depth or depth)} groups, {depth} in all"
        if later:
            of = "channels come in from the layer before" if len(colours) != 1 else "channel comes in"
            raise GeometryError(
                f"{spans}, and {len(colours)} {of}; use a kernel of depth"
                f" {len(colours)}, or one without depth, which acts on each map by itself"
            )
        with_alpha = layout.alpha and len(colours) > layout.colours
        way = "leave out --alpha filter, which counts alpha" if with_alpha else "convert the picture"
        other = f"a kernel of depth {len(colours)} or without depth"
        if kernel.depth != depth:
            other = f"groups that make {len(colours)}"
        raise GeometryError(f"{spans}, the picture has {len(colours)} ({layout}); {way}, or use {other}")
    return Selection(colours, luma=False, summed=True, alpha=alpha)


def _channels(count: int) -> str:
    return f"{count} channel{'' if count == 1 else 's'}"


def _reversed(indices: tuple[int, ...], colours: int) -> tuple[int, ...]:
    """Channels in the order blue, green, red; alpha stays after them."""
    return tuple(colours - 1 - index if index < colours == 3 else index for index in indices)


def _of_group(selection: Selection, groups: int, group: int) -> Selection:
    """The channels of one group."""
    if groups == 1:
        return selection
    size = len(selection.indices) // groups
    part = slice(group * size, (group + 1) * size)
    affine = selection.affine
    if affine is not None:
        affine = Affine(affine.gains[part], affine.offsets[part])
    return selection._replace(indices=selection.indices[part], affine=affine)


def _affine(selection: Selection, layout: Layout, scaling: Scaling, *, deep: bool) -> Affine:
    """Gain and offset of each selected channel; raises GeometryError where there are too few or too many numbers."""
    count = len(selection.indices) if deep else layout.colours
    lists = []
    for name, values, usual in (("mean", scaling.mean, 0.0), ("std", scaling.std, 1.0)):
        if len(values) not in (0, 1, count):
            raise GeometryError(
                f"--{name} has {len(values)} numbers, and there {'is' if count == 1 else 'are'} {count}"
                f" channel{'' if count == 1 else 's'} ({layout}); give one for each, or one for all"
            )
        spread = (values or (usual,)) * (count if len(values) < 2 else 1)
        # Channels keep their order for kernels without depth; the numbers stand in the network's.
        swapped = not deep and scaling.order == "bgr" and count == 3
        lists.append(spread[::-1] if swapped else spread)
    means, stds = lists
    scale = float(scaling.scale)
    gains, offsets = [], []
    for at, index in enumerate(selection.indices):
        place = at if deep else index
        beyond = place >= count  # alpha, filtered like a colour, has no mean
        gains.append(scale if beyond else scale / stds[place])
        offsets.append(0.0 if beyond else -means[place] / stds[place])
    return Affine(tuple(gains), tuple(offsets))


def anchor_rows(image: Rows, geometry: Geometry, first: int, last: int) -> NDArray[Any]:
    """The pixels that output rows first..last belong to: (last - first, W', C)."""
    rows = np.array([geometry.rows.anchor(i) for i in range(first, last)])
    columns = np.array([geometry.columns.anchor(j) for j in range(geometry.columns.out)])
    part: NDArray[Any] = image[int(rows[0]) : int(rows[-1]) + 1]
    chosen: NDArray[Any] = part[rows - rows[0]][:, columns]
    return chosen
