"""The weights of one planned sum, and what is known exactly about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.kernel import EXACT_LIMIT, Floats, Integers, Kernel, factor


@dataclass(frozen=True, eq=False, repr=False)
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

    def reach(self, low: float, high: float) -> tuple[float, float]:
        """Smallest and largest sum, before the scale, that samples from ``low`` to ``high`` can give."""
        positive = self.multiplied.clip(min=0).sum(axis=(1, 2, 3))
        negative = self.multiplied.clip(max=0).sum(axis=(1, 2, 3))
        return float((positive * low + negative * high).min()), float((positive * high + negative * low).max())

    def one(self, n: int) -> Bank:
        """Filter n by itself."""
        integers = None if self.integers is None else self.integers[n : n + 1]
        return Bank(self.weights[n : n + 1], integers, self.scales[n : n + 1], self.each)

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
    return Bank(weights, np.concatenate(integers), tuple(s for bank in banks for s in bank.scales), each=False)


def bank_from_array(weight: Floats) -> Bank:
    """The bank of a weight array (N, C, kh, kw), each filter factored into integers and a scale where it can be."""
    found: list[tuple[Integers, Fraction]] = []
    for filter_weights in weight:
        pair = factor(filter_weights)
        if pair is None:  # one is enough
            return Bank(weight, None, (Fraction(1),) * len(weight), each=False)
        found.append(pair)
    return Bank(weight, np.stack([pair[0] for pair in found]), tuple(pair[1] for pair in found), each=False)


def scaled(sums: NDArray[Any], bank: Bank, exact: bool) -> NDArray[np.float32]:
    """Multiply sums (..., M) by the scale of their filter, rounding once: float32 of the same shape, in new memory."""
    out = np.empty(sums.shape, dtype=np.float32)
    scale_into(out, sums, bank, exact)
    return out


def scale_into(out: NDArray[np.float32], sums: NDArray[Any], bank: Bank, exact: bool) -> None:
    """``scaled`` into given memory; ``out`` may be ``sums`` itself."""
    if len(set(bank.scales)) == 1:
        _scale_into(out, sums, bank.scales[0], exact)
        return
    for n, scale in enumerate(bank.scales):
        _scale_into(out[..., n], sums[..., n], scale, exact)


def _scale_into(out: NDArray[np.float32], sums: NDArray[Any], scale: Fraction, exact: bool) -> None:
    """``sums * scale`` in float32. Exact sums are rounded once: a division is right to the last bit."""
    top, bottom = scale.numerator, scale.denominator
    short = top < EXACT_LIMIT and bottom < 2**60 and bottom & (bottom - 1) == 0  # exact in float32, so is the product
    if exact and not short and not (top == 1 and bottom < EXACT_LIMIT):
        out[...] = sums.astype(np.float64) * top / bottom
        return
    verb, factor = (
        (np.divide, bottom) if top == 1 and bottom < EXACT_LIMIT and not short else (np.multiply, top / bottom)
    )
    if sums.dtype != np.float32:  # ufuncs of mixed types go through a buffer, which costs more than a pass
        np.copyto(out, sums, casting="unsafe")
        sums = out
    if scale != 1:
        verb(sums, np.float32(factor), out=out)
    elif sums.ctypes.data != out.ctypes.data:
        out[...] = sums
