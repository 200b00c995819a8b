"""A run as numbers and names, apart from any tool: what every translation starts from."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from convtool.errors import UsageError
from convtool.layers.channels import Affine
from convtool.layers.options import Activation, Pool
from convtool.layers.plan import LayerPlan, MapPlan, Member, StackPlan
from convtool.pictures.picture import Layout
from convtool.runs.naming import Target
from convtool.tone.ranges import Range
from convtool.tone.toner import FULL, MIDDLE
from convtool.tuples import NamedTuple

Nested = list[Any]


class Part(NamedTuple):
    """One kernel of a map: ``sum * factor + bias``, the sum over ``weights`` as they are slid (flipped if asked)."""

    label: str
    weights: Nested
    """(kh, kw), or (C, kh, kw) where it spans the depth; whole numbers wherever a factor makes them so."""
    deep: bool
    size: tuple[int, int]
    factor: Fraction
    bias: Fraction
    pad: tuple[tuple[int, int], tuple[int, int]]
    """((top, bottom), (left, right))."""
    inputs: tuple[int, ...]
    """Places of the maps it sees, of the layer before; empty for the picture."""
    channels: int
    """That these have together, or the picture."""
    indices: tuple[int, ...]
    """Those of them that it sees."""
    affine: Affine | None
    """Gains and offsets of the channels, before the border."""
    luma: bool
    summed: bool
    """Channels are added up after the kernel."""


class Map(NamedTuple):
    """One feature map and the file that it goes to."""

    label: str
    target: Target
    parts: tuple[Part, ...]
    merge: str | None
    range: Range
    layout: Layout
    alpha: str
    """``none``, ``anchor`` (its own alpha stays) or ``channel`` (filtered, the last)."""
    anchors: tuple[int, int]
    """Row and column of the pixel that the first output belongs to, before they are clamped into the picture."""
    to_output: Fraction
    """What samples are multiplied by for the type of the output."""


class Recipe(NamedTuple):
    """One layer of a run on one picture."""

    layout: Layout
    """Of what comes in: the picture, or all maps of the layer before as channels."""
    maps: tuple[Map, ...]
    border: tuple[str, float]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    activation: Activation | None
    pool: Pool | None

    @property
    def parts(self) -> list[Part]:
        """The kernels of all maps."""
        return [part for each in self.maps for part in each.parts]


class Run(NamedTuple):
    """Layers from a picture to files."""

    command: str
    path: str
    mode: str
    """Pillow's, or ``npy``."""
    turned: bool
    """It is set upright by its EXIF orientation."""
    layers: tuple[Recipe, ...]
    scale: Fraction
    """What the full scale of the picture is multiplied by."""
    quality: int

    @property
    def layout(self) -> Layout:
        """Of the picture."""
        return self.layers[0].layout

    @property
    def maps(self) -> tuple[Map, ...]:
        """Those that are written."""
        return self.layers[-1].maps

    @property
    def full(self) -> Fraction:
        """The full scale of values."""
        return FULL[self.layout.dtype] * self.scale

    @property
    def middle(self) -> Fraction:
        """What zero becomes under shift."""
        return MIDDLE[self.layout.dtype] * self.scale


def run_of(
    command: str,
    path: str,
    stored: tuple[str, bool],
    plan: StackPlan,
    targets: Sequence[Target],
    quality: int,
) -> Run:
    """The recipe of a planned run; raises UsageError for what no translation can say."""
    mode, turned = stored
    members = [member for layer in plan.layers for each in layer.maps for member in each.members]
    alphas = {member.selection.alpha for member in members}
    if any(target.stdout for target in targets):
        raise UsageError("--as writes files; name one with -o")
    if plan.stack.settings.linear:
        raise UsageError("--as cannot say --linear; the nearest is the same run without it")
    if "weighted" in alphas:
        raise UsageError(
            f"--as cannot say sums weighted by alpha, and {path} has alpha; nearest are --alpha keep, filter or drop"
        )
    layered = len(plan.layers) > 1 or any(each.activation or each.pool for each in plan.maps)
    if alphas != {"none"} and layered:
        raise UsageError("--as cannot say how alpha goes through layers; the nearest is --alpha drop")
    if mode in ("CMYK", "LAB", "YCbCr", "HSV"):
        raise UsageError(f"--as cannot say how {path} goes from {mode} to RGB through its profile; convert it first")
    layers = [_layer(layer, plan, targets) for layer in plan.layers]
    return Run(command, path, mode, turned, tuple(layers), plan.stack.settings.scaling.scale, quality)


def _layer(layer: LayerPlan, plan: StackPlan, targets: Sequence[Target]) -> Recipe:
    first, settings = layer.maps[0].members[0], layer.layer.settings
    last = layer is plan.layers[-1]
    files = targets if last else [Target("", "")] * len(layer.maps)
    layout = plan.source
    if first.inputs:
        colours = sum(each.colours for each in layer.inputs)
        layout = Layout(layer.inputs[0].height, layer.inputs[0].width, colours, False, "float32")
    return Recipe(
        layout,
        tuple(_map(each, target, layer) for each, target in zip(layer.maps, files, strict=True)),
        (first.border.mode, first.border.value),
        (first.geometry.rows.stride, first.geometry.columns.stride),
        (first.geometry.rows.dilation, first.geometry.columns.dilation),
        layer.maps[0].activation,
        settings.pool,
    )


def _map(each: MapPlan, target: Target, layer: LayerPlan) -> Map:
    geometry = each.members[0].geometry
    rows, columns = ((axis.kernel - 1) // 2 * axis.dilation - axis.before for axis in (geometry.rows, geometry.columns))
    dtype, full = each.layout.dtype, FULL[each.source.dtype] * each.scale
    return Map(
        each.spec.label,
        target,
        tuple(_part(member, layer) for member in each.members),
        each.spec.merge,
        each.spec.range,
        each.layout,
        each.members[0].selection.alpha,
        (rows, columns),
        FULL[dtype] / full if dtype != "float32" else Fraction(1),
    )


def _part(member: Member, layer: LayerPlan) -> Part:
    channels = sum(layer.inputs[at].channels for at in member.inputs) or layer.inputs[0].channels
    kernel, rows, columns = member.kernel, member.geometry.rows, member.geometry.columns
    exact = kernel.integers is not None and kernel.scale is not None
    weights = kernel.integers.tolist() if kernel.integers is not None and exact else kernel.weights.tolist()
    selection = member.selection
    return Part(
        kernel.label,
        weights,
        kernel.depth is not None,
        kernel.size,
        kernel.scale if exact and kernel.scale is not None else Fraction(1),
        Fraction(repr(float(kernel.bias))),
        ((rows.before, rows.after), (columns.before, columns.after)),
        member.inputs,
        channels,
        selection.indices,
        selection.affine,
        selection.luma,
        selection.summed and kernel.depth is None,
    )
