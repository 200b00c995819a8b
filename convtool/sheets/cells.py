"""What a contact sheet shows: the input and its maps as small pictures with a name and facts.

A map of one channel is shown by its raw values: in blue, white and red if it is signed, in grey if not. It counts as
signed if it has negative values and another range than clip, or clip only because its kernel names no range (as those
of a bank) and a tenth of it is negative, or the samples were scaled for a network.
Colour maps, and those of linear light, are shown as they are written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.layers.filtering import FeatureMap, filter_stack
from convtool.layers.plan import MapPlan, StackPlan, plan_stack
from convtool.pictures.picture import Picture
from convtool.sheets.colormaps import DIVERGING, GREY, coloured
from convtool.sheets.thumbnails import averaged, averaged_under, enlarged, fitted
from convtool.tone.ranges import Range
from convtool.tone.toner import FULL
from convtool.tuples import NamedTuple

Array = NDArray[Any]

NEGATIVE_SHARE = 0.1
"""Share of negative samples from which a map that is clipped counts as signed: overshoot of a sharpened picture stays
far below, the answer of an edge filter far above."""

MOST_BYTES = 1 << 28
"""Of raw maps that are held at a time; maps of a bank are computed together."""

STRONG = 0.99
PALEST = 8
"""How many times stronger than the end of the colours an answer may be."""

CHECKS = (255, 225)
"""Greys of the chequered ground behind what is transparent."""
CHECK = 6
"""Pixels of one of its squares."""


class Cell(NamedTuple):
    """One small picture: uint8 (rows, columns, 3), its label, and the facts beneath it."""

    picture: NDArray[np.uint8]
    label: str
    facts: str
    """Range of values, what was clipped."""


def cells(
    name: str,
    picture: Picture,
    plan: StackPlan,
    clipped: Mapping[int, int],
    *,
    side: int,
    threads: int = 1,
) -> Iterator[Cell]:
    """The input and its maps, one after the other, about ``side`` pixels large; few maps at a time are in memory.

    ``clipped``: how many samples maps have lost, by their places, as far as that is known already.
    """
    layout = picture.layout
    box = fitted(layout.height, layout.width, side)
    if max(box) < side // 2:  # a very small picture: its pixels become blocks
        scale = max(1, side // max(box))
        box = (box[0] * scale, box[1] * scale)
    yield Cell(_input(picture, box), name, str(layout))
    raw = None
    if not plan.stack.settings.linear and any(each.layout.colours != 3 for each in plan.maps):
        raw = plan_stack(plan.stack.with_run(range=Range("raw"), dtype="float32"), plan.source)
    places = range(len(plan.maps))
    step = max(1, MOST_BYTES // max(4 * each.layout.height * each.layout.width for each in plan.maps))
    for first in places[::step]:
        chosen = places[first : first + step]
        of_values = [at for at in chosen if raw is not None and plan.maps[at].layout.colours != 3]
        as_written = [at for at in chosen if at not in of_values or at not in clipped]
        written = filter_stack(plan, picture, as_written, extent=True, threads=threads)
        values = filter_stack(raw or plan, picture, of_values, extent=True, threads=threads)
        for at in chosen:
            lost = next(written) if at in as_written else None
            shown = next(values) if at in of_values else lost
            assert shown is not None
            yield _map(plan.maps[at], shown, clipped[at] if lost is None else lost.clipped, box)


def held_bytes(plan: StackPlan) -> int:
    """Bytes of the raw maps that are held at a time, beside what the run itself takes; an estimate."""
    sizes = [4 * each.layout.height * each.layout.width * each.layout.channels for each in plan.maps]
    return min(sum(sizes), max(MOST_BYTES, max(sizes)))


def _input(picture: Picture, box: tuple[int, int]) -> NDArray[np.uint8]:
    full = float(FULL[picture.layout.dtype])
    colour = picture.colour if picture.colour.shape[2] in (1, 3) else picture.colour[..., :1]
    alpha = picture.opacity / full if picture.layout.alpha else None
    mean, opacity = _mean(colour, alpha, box)
    if picture.layout.dtype == "float32":  # float samples may run to anything
        full = max(float(mean.max(initial=0)), full)
    return _finished(np.rint((mean / full).clip(0, 1) * 255), opacity, box)


def _map(plan: MapPlan, shown: FeatureMap, clipped: int, box: tuple[int, int]) -> Cell:
    """The cell of a map from its raw values, or from its samples as they are written."""
    extent, layout = shown.extent, shown.plan.layout
    facts = f"{_number(extent.low)} to {_number(extent.high)}"
    if clipped:
        facts += f", {_percent(clipped, layout.height * layout.width * layout.colours)} clipped"
    samples = shown.samples
    full = float(FULL[layout.dtype])
    alpha_full = float(FULL[plan.source.dtype]) if layout.dtype == "float32" else full
    alpha = samples[..., -1:] / alpha_full if layout.alpha else None
    mean, opacity = _mean(samples[..., : 3 if layout.colours == 3 else 1], alpha, box)
    if full > 1:
        shade: Array = mean / full * 255
    elif layout.colours == 3:  # raw colours: between their own ends, zero in the middle where some are negative
        low, high = (-_peak(mean), _peak(mean)) if extent.low < 0 else (0.0, float(mean.max(initial=0)))
        shade = (mean - low) / ((high - low) or 1) * 255
    else:
        unsaid = all(member.kernel.range is None for member in plan.members)
        # Scaled for a network, samples are small numbers around zero, and so are the answers.
        network = not plan.settings.scaling.plain
        negative = unsaid and (network or float((samples[..., 0] < 0).mean()) > NEGATIVE_SHARE)
        signed = extent.low < 0 and (plan.spec.range.how != "clip" or negative)
        shade = _shown(mean[..., 0], plan, signed=signed)
    return Cell(_finished(np.rint(shade), opacity, box), plan.spec.label, facts)


def _shown(mean: Array, plan: MapPlan, *, signed: bool) -> Array:
    """Raw values in blue, white and red around zero, or in grey as the picture would be, or between their ends."""
    if signed:
        return coloured(mean, -_peak(mean), _peak(mean), DIVERGING)
    if plan.spec.range.how == "clip" and plan.layout.dtype != "float32":
        return coloured(mean * float(plan.spec.range.gain), 0.0, float(FULL[plan.source.dtype] * plan.scale), GREY)
    return coloured(mean, min(float(mean.min()), 0.0), float(mean.max()), GREY)


def _peak(values: Array) -> float:
    """Where the colours end: a hundredth of the answers may be stronger, or a few would make all others pale."""
    sizes = np.abs(values)
    return max(float(np.quantile(sizes, STRONG)), float(sizes.max()) / PALEST)


def _mean(samples: Array, alpha: Array | None, box: tuple[int, int]) -> tuple[Array, Array | None]:
    height, width = samples.shape[:2]
    scale = min(box[0] / height, box[1] / width, 1.0)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    return averaged_under(samples, alpha, size) if alpha is not None else (averaged(samples, size), None)


def _finished(colour: Array, opacity: Array | None, box: tuple[int, int]) -> NDArray[np.uint8]:
    """Colours 0..255 (rows, columns, 1 or 3) as RGB, on chequered ground where they are transparent."""
    colour = enlarged(np.broadcast_to(colour, (*colour.shape[:2], 3)), box)
    if opacity is not None:
        rows, columns = np.indices(colour.shape[:2]) // CHECK
        ground = np.where((rows + columns) % 2, CHECKS[1], CHECKS[0])[..., None]
        under = enlarged(opacity, box)
        colour = np.rint(colour * under + ground * (1 - under))
    return np.ascontiguousarray(colour.clip(0, 255).astype(np.uint8))


def _number(value: float) -> str:
    if abs(value) >= 1e6 or 0 < abs(value) < 1e-3:
        return f"{value:.3g}"
    return f"{value:.0f}" if value == round(value) or abs(value) >= 100 else f"{value:.3g}"


def _percent(part: int, whole: int) -> str:
    share = 100 * part / whole
    return f"{share:.0f} %" if share >= 1 else "under 1 %"
