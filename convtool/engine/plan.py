"""How a sum is computed: the method, the sample type and the height of the strips.

All of it follows from weights, geometry, border and sample type alone, never from workers, memory or timing, so
the same run gives the same bytes every time; and none of it may change a result beyond the documented exactness.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from convtool.border import Border, Rows, Strips
from convtool.engine import blas
from convtool.engine.bank import Bank, join_banks, scale_into, scaled
from convtool.engine.choice import METHODS, Choice, candidates
from convtool.engine.taps import Taps
from convtool.errors import UsageError
from convtool.geometry import Geometry


class Method(Protocol):
    """What the methods have in common."""

    def sums(self, strips: Strips, image: Rows, first: int, last: int, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Unscaled sums of output rows first..last, (rows, W', outputs), perhaps written into ``out``."""


@dataclass(frozen=True, eq=False, repr=False)
class Plan:
    """A planned sum, bound to everything but the samples."""

    bank: Bank
    geometry: Geometry
    border: Border
    channels: int
    method: str
    dtype: np.dtype[Any]
    exact: bool
    bound: float
    strip_rows: int
    shared_rows: int
    """The height of strips that several threads share out."""
    whole: bool
    """Whether the samples are integers."""
    peak: float
    """The largest magnitude that they can have."""
    reason: str
    """Why this method, in a few words: ``taps int16: 3 passes``."""
    cost: float
    """Nanoseconds for one sample of the output, by the table in ``costs``."""
    runner: Method
    padded: Strips

    def __str__(self) -> str:
        return f"{self.method} {self.dtype.name}"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the result, (H', W', output channels)."""
        return (*self.geometry.out, self.channels if self.bank.each else len(self.bank.weights))

    @property
    def seconds(self) -> float:
        """What the whole takes one thread, roughly."""
        return self.cost * 1e-9 * prod(self.shape)

    def strips(self, threads: int = 1) -> Iterator[tuple[int, int]]:
        """The strips of output rows, (first, last + 1), top to bottom."""
        height, step = self.geometry.rows.out, self.step(threads)
        for first in range(0, height, step):
            yield first, min(first + step, height)

    def step(self, threads: int) -> int:
        """The height of a strip. No value depends on it, unless samples may not be finite: then it is always the same.

        A strip with such a sample is summed in another way, which may round its other values otherwise.
        """
        return self.strip_rows if threads <= 1 and self.whole else self.shared_rows

    def sums(self, image: Rows, first: int, last: int) -> NDArray[Any]:
        """Unscaled sums of output rows first..last of an image (H, W, C): (last - first, W', output channels).

        A view of this thread's scratch memory whose last two axes lie contiguous together. It may be overwritten,
        and is lost with the next call on the same thread, of this or any other plan.
        """
        sums = self._run(image, first, last, None)
        return sums if self.bank.each or sums.shape[2] == 1 else np.ascontiguousarray(sums)

    def planes(self, image: Rows, first: int, last: int) -> NDArray[Any]:
        """Like ``sums``, but as the method leaves them: of any strides, and not to be written to."""
        return self._run(image, first, last, None)

    def values(self, image: Rows, first: int, last: int) -> NDArray[np.float32]:
        """Scaled sums of output rows first..last, without bias: float32, an array of its own."""
        return scaled(self._run(image, first, last, None), self.bank, self.once)

    def write(self, image: Rows, first: int, last: int, out: NDArray[np.float32]) -> None:
        """Scaled sums of output rows first..last into ``out``, (last - first, W', output channels), any strides."""
        sums = self._run(image, first, last, out)
        scale_into(out, sums, self.bank, self.once)

    def _run(self, image: Rows, first: int, last: int, out: NDArray[Any] | None) -> NDArray[Any]:
        watched = image if self.whole else _Watched(image)
        # Samples near the end of float32 may overflow to infinity, as they would in any framework.
        with np.errstate(over="ignore", invalid="ignore"), self._held():
            sums = self.runner.sums(self.padded, watched, first, last, out)
            if isinstance(watched, _Watched) and not watched.finite:
                sums = self._careful.sums(self.padded, image, first, last)
        return sums

    def _held(self) -> AbstractContextManager[None]:
        return blas.one_thread() if self.method in ("gemm", "separable") else nullcontext()

    @property
    def once(self) -> bool:
        """Whether sums are whole numbers, to be rounded once: also those that only samples smaller than their type
        allows keep exact."""
        return self.whole and self.bank.integers is not None

    @cached_property
    def _careful(self) -> Taps:
        """Taps without structure: the products of all other methods would spread a NaN beyond its windows."""
        return Taps(self.bank, self.geometry, self.channels, np.dtype(np.float32), plain=True)


class _Watched:
    """Rows that remember whether all samples read so far were finite."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.finite = True

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W, C)."""
        return self._rows.shape

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        samples: NDArray[Any] = self._rows[rows]
        if samples.size and not (np.isfinite(samples.min()) and np.isfinite(samples.max())):
            self.finite = False
        return samples


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
    sum (``separable`` for a kernel of high rank) gives way to the best that can. Raises UsageError for a method that
    does not exist.
    """
    if method not in METHODS:
        raise UsageError(f"method {method!r} is not one of {', '.join(METHODS)}")
    if border.mode == "constant":
        peak = max(peak, abs(border.value))
        whole = whole and border.value == np.rint(border.value)
    found = candidates(bank, geometry, channels, peak=peak, whole=whole, method=method)
    best = min(found, key=lambda choice: choice.cost)
    runner = best.make()
    columns = geometry.columns
    return Plan(
        bank=bank,
        geometry=geometry,
        border=border,
        channels=channels,
        method=best.method,
        dtype=best.dtype,
        exact=bank.exact(peak, whole),
        bound=bank.bound(peak),
        strip_rows=max(1, min(best.strip_rows, geometry.rows.out)),
        shared_rows=max(1, min(best.shared_rows, geometry.rows.out)),
        whole=whole,
        peak=peak,
        reason=_reason(best, found),
        cost=best.cost,
        runner=runner,
        padded=Strips(border, geometry.rows.size, columns.size, columns.start(0), columns.padded),
    )


def join_plans(plans: Sequence[Plan]) -> Plan | None:
    """One sum for several of one window on the same samples; None if it would take no less than they do by themselves.

    Samples and border are those of the first. ``taps`` share nothing but the strip, which is not worth it.
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
    return joint if joint.method != "taps" and joint.cost * len(plans) < sum(plan.cost for plan in plans) else None


def _reason(best: Choice, found: list[Choice]) -> str:
    others = [f"{choice.method} {choice.cost:.2g}" for choice in sorted(found, key=lambda c: c.cost)[1:]]
    text = f"{best.why}, about {best.cost:.2g} ns a sample"
    return f"{text} ({', '.join(others)})" if others else text
