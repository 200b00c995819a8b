"""How a sum is computed: the method, the type of the sums and the height of the strips.

All of it follows from weights, geometry, border and sample type alone, never from workers, memory, timing or what the
machine can do, so the same run gives the same bytes every time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from convtool.engine.bank import Bank, join_banks, scale_into, scaling
from convtool.engine.border import Border, Rows
from convtool.engine.choice import METHODS, Choice, candidates
from convtool.engine.core import TapSums
from convtool.engine.geometry import Geometry
from convtool.engine.taps import sum_dtype
from convtool.engine.window import Window
from convtool.errors import UsageError
from convtool.threads import over_strips
from convtool.tone.rounding import Finish

if TYPE_CHECKING:
    from convtool.engine.fft import Fft


LONGEST_CALL = 0.05
"""Seconds, about, that no signal is looked for while rows are filtered."""


@dataclass(frozen=True, eq=False, repr=False)
class Plan:
    """A planned sum, bound to everything but the samples."""

    bank: Bank
    window: Window
    method: str
    exact: bool
    """Whether sums are whole numbers that float32 holds exactly."""
    bound: float
    """The largest magnitude that sums can have, before the scale."""
    strip_rows: int
    whole: bool
    """Whether the samples are integers."""
    peak: float
    """The largest magnitude that they can have."""
    reason: str
    """Why this method, in a few words: ``separable int16: 5 + 5 taps``."""
    cost: float
    """Nanoseconds for one sample of the output, by the table in ``choice``."""
    runner: TapSums | Fft

    def __str__(self) -> str:
        return f"{self.method} {self.dtype.name}"

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the sums."""
        return self.runner.dtype

    @property
    def geometry(self) -> Geometry:
        """How the window slides."""
        return self.window.geometry

    @property
    def border(self) -> Border:
        """What stands outside the image."""
        return self.window.border

    @property
    def channels(self) -> int:
        """Channels of the image."""
        return self.window.channels

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the result, (H', W', output channels)."""
        return (*self.geometry.out, self.channels if self.bank.each else len(self.bank.weights))

    @property
    def seconds(self) -> float:
        """What the whole takes one thread, roughly."""
        return self.cost * 1e-9 * prod(self.shape)

    @property
    def tiled(self) -> bool:
        """Whether rows are made a whole tile at a time, so that strips should keep to ``strip_rows``."""
        return self.method == "fft"

    def strips(self, threads: int = 1, *, kept: bool = False) -> Iterator[tuple[int, int]]:
        """Strips of output rows, (first, last + 1), top to bottom. No value depends on their height.

        ``kept``: sums go straight to where they stay, so strips may be as tall as leaves something for each of the
        threads, and a chance for a signal.
        """
        height, step = self.geometry.rows.out, self.strip_rows
        if kept and not self.tiled:
            tall = int(LONGEST_CALL / (self.cost * 1e-9 * prod(self.shape[1:])))
            step = max(step, min(tall, -(-height // threads)))
        for first in range(0, height, step):
            yield first, min(first + step, height)

    def sums(self, image: Rows, first: int, last: int) -> NDArray[Any]:
        """Unscaled sums of output rows first..last of an image (H, W, C): (last - first, W', output channels).

        An array of its own; of several filters it holds one plane after the other.
        """
        shape = (last - first, *self.shape[1:])
        planes = np.empty(shape if self.bank.each else (shape[2], *shape[:2]), dtype=self.dtype)
        out = planes if self.bank.each else planes.transpose(1, 2, 0)
        self.runner.fill(image, first, last, Finish(), out)
        return out

    def values(self, image: Rows, first: int, last: int) -> NDArray[np.float32]:
        """Scaled sums of output rows first..last, without bias: float32, an array of its own."""
        out = np.empty((last - first, *self.shape[1:]), dtype=np.float32)
        self.write(image, first, last, out)
        return out

    def write(self, image: Rows, first: int, last: int, out: NDArray[np.float32]) -> None:
        """Scaled sums of output rows first..last into ``out``, (last - first, W', output channels), any strides."""
        if len(set(self.bank.scales)) == 1:
            self.runner.fill(image, first, last, scaling(self.bank.scales[0], self.once), out)
        else:
            scale_into(out, self.sums(image, first, last), self.bank, self.once)

    def fill(
        self, image: Rows, out: NDArray[np.float32], bias: NDArray[np.float64] | None = None, threads: int = 1
    ) -> None:
        """Scaled sums of a whole image, plus a bias for each filter, into ``out`` (H', W', M) of any strides."""

        def strip(first: int, last: int) -> None:
            block = out[first:last]
            self.write(image, first, last, block)
            for n, value in enumerate(() if bias is None else bias):
                np.add(block[..., n], np.float32(value), out=block[..., n])

        over_strips(self.strips(threads, kept=True), strip, threads)

    def store(self, image: Rows, first: int, last: int, finish: Finish, out: NDArray[Any]) -> int:
        """Finished samples of output rows first..last into ``out`` of uint8, uint16 or float32.

        Returns how many were clipped.
        """
        return self.runner.fill(image, first, last, finish, out)

    @property
    def once(self) -> bool:
        """Whether sums are whole numbers, to be rounded once: also those that only samples smaller than their type
        allows keep exact."""
        return self.whole and self.bank.integers is not None


def make_plan(
    bank: Bank,
    geometry: Geometry,
    border: Border,
    channels: int,
    *,
    peak: float,
    whole: bool,
    method: str = "auto",
) -> Plan:
    """Choose how to compute a sum over an image of ``channels``.

    ``peak`` bounds the magnitude of the samples, ``whole`` says that they are integers. A method that cannot do this
    sum (``separable`` for a kernel of high rank) gives way to ``taps``. Raises UsageError for a method that does not
    exist.
    """
    if method not in METHODS:
        raise UsageError(f"method {method!r} is not one of {', '.join(METHODS)}")
    if border.mode == "constant":
        peak = max(peak, abs(border.value))
        whole = whole and border.value == np.rint(border.value)
    bank = bank if whole else bank.for_floats()
    window = Window(geometry, border, channels, each=bank.each)
    found = candidates(bank, window, sum_dtype(bank, peak, whole), whole=whole, method=method)
    best = min(found, key=lambda choice: choice.cost)
    return Plan(
        bank=bank,
        window=window,
        method=best.method,
        exact=bank.exact(peak, whole),
        bound=bank.bound(peak),
        strip_rows=best.strip_rows,
        whole=whole,
        peak=peak,
        reason=_reason(best, found),
        cost=best.cost,
        runner=best.make(),
    )


def join_plans(plans: Sequence[Plan]) -> Plan | None:
    """One sum for several of one window on the same samples; None if it would take no less than they do by themselves.

    Samples and border are those of the first.
    """
    first = plans[0]
    if len({plan.bank.weights.shape[1:] for plan in plans}) > 1:
        return None
    joint = make_plan(
        join_banks([plan.bank for plan in plans]),
        first.geometry,
        first.border,
        first.channels,
        peak=first.peak,
        whole=first.whole,
    )
    return joint if joint.cost * len(plans) < sum(plan.cost for plan in plans) else None


def _reason(best: Choice, found: list[Choice]) -> str:
    others = [f"{choice.method} {choice.cost:.2g}" for choice in sorted(found, key=lambda c: c.cost)[1:]]
    text = f"{best.why}, about {best.cost:.2g} ns a sample"
    return f"{text} ({', '.join(others)})" if others else text
