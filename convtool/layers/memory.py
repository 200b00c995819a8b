"""An estimate of a run's peak memory, for ``--dry-run``."""

from __future__ import annotations

import numpy as np

from convtool.layers.plan import MapPlan, StackPlan
from convtool.pictures.jpeg.bands import band_rows
from convtool.pictures.picture import Layout

IMPORTS = 36_000_000
"""Python, NumPy and Pillow before any picture (measured)."""


def peak_bytes(stack: StackPlan, plan: MapPlan, target_format: str) -> int:
    """Bytes at the highest point of decoding, filtering or encoding one map of a stack; an estimate, not a bound."""
    source = _samples(plan.source)
    stored = _stored(plan.source)
    strip = max(
        (member.plan.strip_rows * member.geometry.rows.stride + member.geometry.rows.span)
        * member.geometry.columns.padded
        * member.plan.channels
        * member.plan.dtype.itemsize
        for member in plan.members
    )
    if plan.source.dtype == "uint8" and not plan.source.alpha:  # rows are packed when they are read
        decoding = stored
        filtering = stored + 4 * strip
    else:
        decoding = stored + 2 * source  # the picture, its bytes, and their copy as an array
        filtering = source + 4 * strip
    in_strips = target_format in ("png", "npy") or (target_format == "jpg" and band_rows(plan.layout) > 0)
    held = 0 if in_strips else _stored(plan.layout)
    between = max((sum(_samples(each.layout) for each in layer.maps) for layer in stack.layers[:-1]), default=0)
    group = stack.layers[-1].group_of(stack.maps.index(plan))
    if group is not None:  # its maps are there at once, and so are the sums of a strip of each
        held += sum(_samples(stack.maps[at].layout) for at in group.places)
        held += 4 * group.plan.strip_rows * plan.layout.width * len(group.places)
    return IMPORTS + max(decoding, filtering + between + held)


def _samples(layout: Layout) -> int:
    return layout.height * layout.width * layout.channels * np.dtype(layout.dtype).itemsize


def _stored(layout: Layout) -> int:
    """Bytes of Pillow's storage: four a pixel for anything but grey."""
    wide = 4 if layout.channels > 1 else np.dtype(layout.dtype).itemsize
    return layout.height * layout.width * wide
