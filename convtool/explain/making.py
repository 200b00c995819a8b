"""A picture, kernels and settings made into an explanation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from convtool.explain.crops import automatic_crop, cropped
from convtool.explain.model import Array, Crop, ExplainedMap, Explanation, Filter, Source
from convtool.kernels.kernel import Kernel, KernelSet
from convtool.layers.filtering import filter_map
from convtool.layers.maps import list_maps
from convtool.layers.plan import MapPlan, Member, plan_map
from convtool.layers.settings import Settings
from convtool.layers.stack import Layer, Stack
from convtool.pictures.picture import Picture
from convtool.runs.batch import implied
from convtool.runs.naming import MapName, make_naming
from convtool.runs.naming import Source as NamedSource
from convtool.tone.light import SRGB, light_of
from convtool.tone.toner import FULL

LARGEST_WEIGHT = 9999
"""Whole-number weights are shown as such up to here."""


def explain(
    picture: Picture,
    sets: Sequence[KernelSet],
    settings: Settings,
    *,
    name: str,
    command: str = "",
    crop: Crop | None = None,
    demo: str | None = None,
) -> Explanation:
    """Run kernels on a picture, or on a crop of it as a picture of its own, and keep everything.

    name: of the file, which decides, as for ``apply``, what the maps are called and their type. The first frame is
    run. Raises UsageError, KernelError and GeometryError as ``apply`` does.
    """
    size = picture.layout.height, picture.layout.width
    source = Source(name, size, crop)
    part = picture if crop is None else cropped(picture, crop)
    naming = make_naming(None, None, stdin=False, raw=settings.raw)
    labels = [MapName(spec.label, spec.kernel, at) for at, spec in enumerate(list_maps(sets, settings))]
    targets = naming.targets(NamedSource(name), labels)
    own = implied(Stack((Layer(tuple(sets), settings),)), targets[0].format).settings
    notes: list[str] = []
    light = light_of(picture.metadata.get("icc_profile"), notes) if own.linear else SRGB
    plans = [plan_map(spec, part.layout, own, light) for spec in list_maps(sets, own)]
    planes = _Planes(part)
    filters: list[Filter] = []
    maps = []
    for plan, target in zip(plans, targets, strict=True):
        members = tuple(_filter(plan, member, part, planes) for member in plan.members)
        indices = tuple(range(len(filters), len(filters) + len(members)))
        filters += members
        result = filter_map(plan, part, extent=True)
        spec = plan.spec
        maps.append(ExplainedMap(spec.label, indices, spec.merge, spec.range, members, result, target.path))
    alpha = None
    if any(each.weighted for each in filters):
        alpha = part.opacity[..., 0] / float(FULL[part.layout.dtype])
    return Explanation(
        command, source, own, planes.array(), planes.names, part.layout.dtype, tuple(filters), tuple(maps),
        (*picture.notes, *notes), demo, alpha,
    )  # fmt: skip


def explain_part(
    picture: Picture,
    whole: Explanation,
    sets: Sequence[KernelSet],
    settings: Settings,
    *,
    side: int,
    around: tuple[int, int],
) -> Explanation:
    """The run on a crop of at most ``side`` x ``side`` with the window of output ``around`` in it.

    ``whole`` is the run on all of the picture, and is handed back where the picture is that small. The crop keeps
    step with the stride, so away from its edges it has the outputs of the whole run.
    """
    crop = automatic_crop([each.geometry for each in whole.filters], whole.source.size, side, around)
    if crop is None:
        return whole
    part = explain(picture, sets, settings, name=whole.source.name, command=whole.command, crop=crop, demo=whole.demo)
    return replace(part, source=part.source._replace(automatic=True))


class _Planes:
    """The input planes that the filters of a run see, each once."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._planes: dict[str, Array] = {}

    def seen_by(self, member: Member) -> tuple[int, ...]:
        """The planes of a member, in the order of its weights."""
        selection, samples = member.selection, self._picture.samples
        rows = selection.rows(samples)[0 : len(samples)]
        names = [channel_name(self._picture, index) for index in selection.indices]
        if selection.luma:
            names = ["luma", "alpha"]
        if selection.light is not None:
            names = [name if name == "alpha" else f"linear {name}" for name in names]
        return tuple(self._at(name, rows[..., k]) for k, name in zip(range(rows.shape[2]), names, strict=False))

    def _at(self, name: str, plane: Array) -> int:
        self._planes.setdefault(name, plane)
        return self.names.index(name)

    @property
    def names(self) -> tuple[str, ...]:
        """What the planes are called."""
        return tuple(self._planes)

    def array(self) -> Array:
        """(C, H, W): as stored, or in float32 where luma or linear light is among them."""
        return np.stack(list(self._planes.values()))


def channel_name(picture: Picture, index: int) -> str:
    """What a stored channel is called: R, G, B, grey, alpha, or its number from 0."""
    colours = picture.layout.colours
    if index == colours:
        return "alpha"
    if colours == 1:
        return "grey"
    return "RGB"[index] if colours == 3 else f"channel {index}"


def _filter(plan: MapPlan, member: Member, picture: Picture, planes: _Planes) -> Filter:
    selection, kernel = member.selection, member.kernel
    seen = planes.seen_by(member)
    names = tuple(planes.names[at] for at in seen)
    weights, scale = shown_weights(kernel)
    if selection.summed:
        inputs: tuple[tuple[int, ...], ...] = (seen,)
        names = ("sum",) if len(seen) > 1 else names
        weights = weights if kernel.depth is not None else np.repeat(weights[None], len(seen), axis=0)
    else:
        inputs = tuple((at,) for at in seen)
        weights = weights[None]
    return Filter(
        kernel.label, kernel.summary, weights, scale, kernel.bias, member.geometry, member.border, inputs, names,
        plan, member, picture, _is_weighted(member, picture),
    )  # fmt: skip


def _is_weighted(member: Member, picture: Picture) -> bool:
    """Whether a member's colours are weighted by alpha: where all is opaque, the plain sums say the same."""
    opaque = float(FULL[picture.layout.dtype])
    return member.selection.alpha == "weighted" and bool((picture.opacity != opaque).any())


def shown_weights(kernel: Kernel) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float64]], Fraction]:
    """Weights as they are shown and what multiplies them: small whole numbers and a fraction, or the weights and 1."""
    if kernel.integers is None or kernel.scale is None or kernel.scale == 1:
        return kernel.weights, Fraction(1)
    if int(np.abs(kernel.integers).max()) > LARGEST_WEIGHT or len(str(kernel.scale)) > 12:
        return kernel.weights, Fraction(1)
    return kernel.integers.astype(np.float64), kernel.scale
