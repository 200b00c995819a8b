"""The weights of one planned sum, and what is known exactly about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.kernels.kernel import EXACT_LIMIT, Floats, Integers, Kernel, factor
from convtool.tone.rounding import Finish


@dataclass(frozen=True, eq=False, repr=False)
class Bank:
    """N filters of one size that slide together.

    ``weights`` is (N, C, kh, kw). With ``each`` it is (1, 1, kh, kw) and is used on every channel alike, giving as
    many output channels; otherwise channels are added up and every filter gives one. Where ``integers`` is not
    None, filter n is exactly ``integers[n] * scales[n] * shrink``.
    """

    weights: Floats
    integers: Integers | None
    scales: tuple[Fraction, ...]
    each: bool
    shrink: float = 1.0
    """A power of two that what samples are multiplied by is made smaller with; scales are made larger by as much."""

    @property
    def size(self) -> tuple[int, int]:
        """(rows, columns) of the window."""
        return self.weights.shape[2], self.weights.shape[3]

    @cached_property
    def multiplied(self) -> Floats:
        """What samples are multiplied by before the scale: the integers where there are any."""
        weights = self.weights if self.integers is None else self.integers.astype(np.float64)
        return weights * self.shrink

    def for_floats(self) -> Bank:
        """The same filters for samples of any size: no sum overflows before its scale unless it does after it.

        Weights are divided by a power of two, which rounds nothing, until their magnitudes add up to less than a
        sixteenth: the terms of a separable kernel may be some times as large as their sum.
        """
        size = float(np.abs(self.multiplied).sum(axis=(1, 2, 3)).max())
        power = int(np.frexp(size)[1]) + 4 if size else 0
        scales = tuple(scale * Fraction(2) ** power for scale in self.scales)
        return replace(self, scales=scales, shrink=self.shrink * 2.0**-power)

    def bound(self, peak: float) -> float:
        """The largest magnitude that any partial sum can reach, before the scale, for samples up to ``peak``."""
        return float(np.abs(self.multiplied).sum(axis=(1, 2, 3)).max()) * peak

    def reach(self, low: float, high: float) -> tuple[float, float]:
        """Smallest and largest sum, before the scale, that samples from ``low`` to ``high`` can give."""
        positive = self.multiplied.clip(min=0).sum(axis=(1, 2, 3))
        negative = self.multiplied.clip(max=0).sum(axis=(1, 2, 3))
        return float((positive * low + negative * high).min()), float((positive * high + negative * low).max())

    def one(self, n: int) -> Bank:
        """Filter n by itself."""
        integers = None if self.integers is None else self.integers[n : n + 1]
        return Bank(self.weights[n : n + 1], integers, self.scales[n : n + 1], self.each, self.shrink)

    def exact(self, peak: float, whole: bool) -> bool:
        """Whether sums of samples up to ``peak`` are whole numbers that float32 holds exactly."""
        return self.integers is not None and whole and self.bound(peak) < EXACT_LIMIT


def bank_of(kernel: Kernel, channels: int, *, summed: bool) -> Bank:
    """The bank of one kernel on an image of ``channels``; ``summed`` adds the channels of a kernel without depth."""
    weights, integers = kernel.weights, kernel.integers
    if kernel.depth is None:
        copies = channels if summed else 1
        weights = np.repeat(weights[None], copies, axis=0)
        integers = None if integers is None else np.repeat(integers[None], copies, axis=0)
    scales = (kernel.scale if kernel.scale is not None else Fraction(1),)
    each = kernel.depth is None and not summed
    return Bank(weights[None], None if integers is None else integers[None], scales, each)


def join_banks(banks: Sequence[Bank]) -> Bank:
    """Filters of one shape as one bank; none of them may be used on every channel by itself, unless there is one."""
    weights = np.concatenate([bank.weights for bank in banks])
    integers = [bank.integers for bank in banks if bank.integers is not None]
    if len(integers) < len(banks):
        return Bank(weights, None, (Fraction(1),) * len(weights), each=False)
    scales = tuple(scale * Fraction(bank.shrink) for bank in banks for scale in bank.scales)
    return Bank(weights, np.concatenate(integers), scales, each=False)


def bank_from_array(weight: Floats) -> Bank:
    """The bank of a weight array (N, C, kh, kw), each filter factored into integers and a scale where it can be."""
    found: list[tuple[Integers, Fraction]] = []
    for filter_weights in weight:
        pair = factor(filter_weights)
        if pair is None:  # one is enough
            return Bank(weight, None, (Fraction(1),) * len(weight), each=False)
        found.append(pair)
    return Bank(weight, np.stack([pair[0] for pair in found]), tuple(pair[1] for pair in found), each=False)


def scaling(scale: Fraction, exact: bool) -> Finish:
    """``sum * scale`` in float32. Exact sums are rounded once: a division is right to the last bit."""
    top, bottom = scale.numerator, scale.denominator
    short = top < EXACT_LIMIT and bottom < 2**60 and bottom & (bottom - 1) == 0  # exact in float32, so is the product
    if top == 1 and bottom < EXACT_LIMIT and not short:
        return Finish("single", divide=bottom)
    if exact and not short:
        return Finish("double", multiply=top, divide=bottom)
    return Finish("single", multiply=top / bottom)


def scale_into(out: NDArray[np.float32], sums: NDArray[Any], bank: Bank, exact: bool) -> None:
    """Multiply sums (..., M) by the scale of their filter, into ``out`` of the same shape."""
    if len(set(bank.scales)) == 1:
        np.copyto(out, scaling(bank.scales[0], exact).values(sums), casting="unsafe")
        return
    for n, scale in enumerate(bank.scales):
        np.copyto(out[..., n], scaling(scale, exact).values(sums[..., n]), casting="unsafe")


def scaled(sums: NDArray[Any], bank: Bank, exact: bool) -> NDArray[np.float32]:
    """``scale_into`` new memory, of sums that are kept."""
    out = np.empty(sums.shape, dtype=np.float32)
    scale_into(out, sums.copy(), bank, exact)
    return out
