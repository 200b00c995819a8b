"""One planned map on one picture: what its strips are made of, and how they become samples."""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from convtool.engine.bank import scaled
from convtool.layers.activations import activate
from convtool.layers.channels import anchor_rows
from convtool.layers.layer_input import Incoming
from convtool.layers.merging import merge
from convtool.layers.plan import MapPlan, Member, alpha_full
from convtool.layers.pooling import pooled, pooled_rows, pooled_visible
from convtool.tone.extent import NOTHING, Extent, Meter
from convtool.tone.toner import Toner, tone_alpha

if TYPE_CHECKING:
    from convtool.layers.opacity import WeightedSum

Array = NDArray[Any]
Floats = NDArray[np.float32]


class MapRun:
    """One map on what comes into its layer. Threads may share it: each strip stands for itself.

    Where its range is ``fitted`` to the map, ``measure`` has to see every strip before ``begin``; after it, ``write``
    makes the samples of a strip. Where maps are computed together, both are given the unscaled sums of the whole group.
    """

    def __init__(self, plan: MapPlan, coming: Incoming, *, extent: bool = False) -> None:
        """``extent`` asks for the smallest and largest value even if no policy needs them."""
        self.plan = plan
        self.pictures = [coming.seen(member.inputs) for member in plan.members]
        self.fitted = plan.spec.range.fitted
        self._measures = extent and not self.fitted
        self._meter = Meter()
        kind = plan.members[0].selection.alpha
        full = alpha_full(plan)
        if kind == "weighted" and all(bool((each.opacity == full).all()) for each in self.pictures):
            kind = "anchor"  # an opaque alpha: the plain sums say the same
        self.kind = kind
        self.weighted = [weighted_sum(m, plan) for m in plan.members] if kind == "weighted" else []
        self.terms = plan.terms()
        self._rows = [each.samples if each.alpha else each.rows for each in self.pictures]

    def begin(self) -> None:
        """Get ready to write."""
        plan = self.plan
        self.toner = Toner(
            plan.spec.range,
            plan.source.dtype,
            plan.layout.dtype,
            self.extent if self.fitted else None,
            light=plan.light,
            lit=plan.lit,
            scale=plan.scale,
        )

    @property
    def clipped(self) -> int:
        """Colour samples that clipping changed."""
        return self.toner.clipped

    @property
    def extent(self) -> Extent:
        """Smallest and largest value of the visible colours that were seen, in sample units."""
        found = self._meter.extent
        if not self._plain or found is NOTHING:
            return found
        scale, bias = self.terms[0].scale, self._bias
        low, high = sorted(end * scale + bias for end in found.ends)  # measured on plain sums: no rounding
        return Extent(float(low), float(high), (low, high))

    def measure(self, first: int, last: int, sums: Array | None = None) -> None:
        """Take in the values of output rows first..last."""
        if self._plain:
            self._meter.add(self._colour(self._sums(first, last, sums)), None)
        else:
            y, alpha = self.values(first, last, sums)
            self._meter.add(self._colour(y), alpha if self.weighted else None)

    def write(self, first: int, last: int, samples: Array, sums: Array | None = None) -> None:
        """Output rows first..last into ``samples`` (rows, W', C)."""
        colours = self.plan.layout.colours + (self.kind == "channel")
        out = samples[..., :colours]
        if self._plain:
            self._write_sums(first, last, sums, out)
        else:
            y, alpha = self.values(first, last, sums)
            if self._measures:
                self._meter.add(self._colour(y), alpha if self.weighted else None)
            self.toner.values(y, out)
            if alpha is not None and self.weighted:
                tone_alpha(alpha, self.plan.source.dtype, self.plan.layout.dtype, samples[..., -1:])
        if self.kind == "anchor":
            tone_alpha(self._anchored(first, last), self.plan.source.dtype, self.plan.layout.dtype, samples[..., -1:])

    @cached_property
    def _bias(self) -> Fraction:
        """The one member's bias as it was written: 0.1 is a tenth."""
        return Fraction(repr(self.plan.members[0].kernel.bias))

    @property
    def _plain(self) -> bool:
        """Whether a sum becomes a sample without anything in between but a scale and a bias."""
        return self.plan.plain and not self.weighted

    def rows(self, first: int, last: int) -> tuple[int, int]:
        """Rows of the sums for output rows first..last."""
        return (first, last) if self.plan.pool is None else pooled_rows(self.plan.pool, first, last)

    def planes(self, first: int, last: int) -> Array:
        """Unscaled sums of the whole group for output rows first..last."""
        assert self.plan.joint is not None
        return self.plan.joint.sums(self.plan.members[0].selection.rows(self._rows[0]), *self.rows(first, last))

    def _sums(self, first: int, last: int, sums: Array | None) -> Array:
        """Unscaled sums of the only member, which may be overwritten."""
        if sums is not None:
            return sums[..., self.plan.filter : self.plan.filter + 1]
        member = self.plan.members[0]
        return member.plan.sums(member.selection.rows(self._rows[0]), first, last)

    def _write_sums(self, first: int, last: int, sums: Array | None, out: Array) -> None:
        """The short way: sums go to samples without becoming float values in between."""
        term, plan = self.terms[0], self.plan.joint or self.plan.members[0].plan
        finish = self.toner.finish_for(plan.dtype, term.scale, self._bias, exact=term.exact, bound=term.bound)
        if sums is None and self.toner.direct and not self._measures:
            member = self.plan.members[0]
            self.toner.count(member.plan.store(member.selection.rows(self._rows[0]), first, last, finish, out))
            return
        found = self._sums(first, last, sums)
        if self._measures:
            self._meter.add(self._colour(found), None)
        self.toner.sums(found, finish, out)

    def values(self, first: int, last: int, sums: Array | None = None) -> tuple[Floats, Array | None]:
        """Values of output rows in sample units, merged, and their alpha if colours are weighted by it."""
        maps: list[Floats] = []
        opacity: Array | None = None
        start, stop = self.rows(first, last)
        for at, member in enumerate(self.plan.members):
            alpha: Array | None = None
            if self.weighted:
                rows = member.selection.rows(self._rows[at])
                y, alpha = self.weighted[at].values(rows, self.pictures[at].opacity, start, stop)
            elif sums is not None:
                place, term = self.plan.filter + at, self.terms[at]
                y = scaled(sums[..., place : place + 1], term.bank, term.once)
                y += np.float32(member.kernel.bias)
            else:
                rows = member.selection.rows(self._rows[at])
                y = member.plan.values(rows, start, stop)
                y += np.float32(member.kernel.bias)
            if self.plan.activation is not None:
                activate(y, self.plan.activation)
            if self.plan.pool is not None:
                y, alpha = (
                    (pooled(y, self.plan.pool), None) if alpha is None else pooled_visible(y, alpha, self.plan.pool)
                )
            # A merged pixel is as visible as its least visible member, so nothing hidden shows up in it.
            opacity = alpha if opacity is None or alpha is None else np.minimum(opacity, alpha)
            maps.append(y)
        return merge(maps, self.plan.spec.merge), opacity

    def _anchored(self, first: int, last: int) -> Array:
        """Alpha of the pixels that output rows belong to: (rows, W', 1), as stored."""
        start, stop = self.rows(first, last)
        planes = [
            anchor_rows(picture.opacity, member.geometry, start, stop)
            for picture, member in zip(self.pictures, self.plan.members, strict=True)
        ]
        opacity: Array = np.minimum.reduce(planes)
        return opacity if self.plan.pool is None else pooled(opacity.astype(np.float64), self.plan.pool)

    def _colour(self, y: Array) -> Array:
        return y[..., : self.plan.layout.colours]


def weighted_sum(member: Member, plan: MapPlan) -> WeightedSum:
    """The sum of one member with colours weighted by alpha."""
    from convtool.layers.opacity import WeightedSum  # only pictures with transparency need it

    full = alpha_full(plan)
    whole = not plan.real
    peak = full if whole else float(np.finfo(np.float32).max)
    return WeightedSum(
        member.kernel,
        member.plan.bank,
        member.geometry,
        member.border,
        peak=peak,
        whole=whole and not member.selection.luma and member.selection.light is None,
        full=full,
    )
