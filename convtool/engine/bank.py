"""The weights of one planned sum, and what is known exactly about them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from convtool.kernel import EXACT_LIMIT, Floats, Integers, Kernel, factor


@dataclass(frozen=True, eq=False)
class Bank:
    """N filters of one size that slide together.

    ``weights`` is (N, C, kh, kw). With ``each`` it is (1, 1, kh, kw) and is used on every channel alike, giving as
    many output channels; otherwise channels are added up and every filter gives one. Where ``integers`` is not
    None, filter n is exactly ``integers[n] * scales[n]``.
    """

    weights: Floats
    integers: Integers | None
    scales: tuple[Fraction, ...]
    each: bool

    @property
    def size(self) -> tuple[int, int]:
        """(rows, columns) of the window."""
        return self.weights.shape[2], self.weights.shape[3]

    @cached_property
    def multiplied(self) -> Floats:
        """What samples are multiplied by before the scale: the integers where there are any."""
        return self.weights if self.integers is None else self.integers.astype(np.float64)

    def bound(self, peak: float) -> float:
        """The largest magnitude that any partial sum can reach, before the scale, for samples up to ``peak``."""
        return float(np.abs(self.multiplied).sum(axis=(1, 2, 3)).max()) * peak

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


def bank_from_array(weight: Floats) -> Bank:
    """The bank of a weight array (N, C, kh, kw), each filter factored into integers and a scale where it can be."""
    factored = [factor(filter_weights) for filter_weights in weight]
    found = [pair for pair in factored if pair is not None]
    if len(found) < len(factored):
        return Bank(weight, None, (Fraction(1),) * len(weight), each=False)
    return Bank(weight, np.stack([pair[0] for pair in found]), tuple(pair[1] for pair in found), each=False)


def scaled(sums: NDArray[np.generic], bank: Bank, exact: bool) -> NDArray[np.float32]:
    """Multiply sums (..., M) by the scale of their filter, rounding once: float32 of the same shape."""
    if len(set(bank.scales)) == 1:
        return scale_by(sums, bank.scales[0], exact)
    parts = [scale_by(sums[..., n], scale, exact) for n, scale in enumerate(bank.scales)]
    return np.stack(parts, axis=-1)


def scale_by(sums: NDArray[np.generic], scale: Fraction, exact: bool) -> NDArray[np.float32]:
    """``sums * scale`` in float32. Exact sums are rounded once: a division is right to the last bit."""
    top, bottom = scale.numerator, scale.denominator
    single = sums.astype(np.float32, copy=False)
    if scale == 1:
        return single
    if top == 1 and bottom < EXACT_LIMIT:
        return single / np.float32(bottom)
    if bottom == 1 and top < EXACT_LIMIT:
        return single * np.float32(top)
    if exact:
        return (sums.astype(np.float64) * top / bottom).astype(np.float32)
    return single * np.float32(top / bottom)
