"""Sums that respect alpha: hidden colour never reaches a visible pixel, and a matte makes no false edge.

With a in 0..1, out-of-image samples opaque under zeros and constant:

- weights all >= 0 (blurs): colour = conv(w, a*x)/conv(w, a)*sum(w), alpha = conv(w, a)/sum(w); colour 0 where
  conv(w, a) is 0
- any other kernel: a hidden neighbour counts as the window's anchor pixel: colour = conv(w, a*x)
  + x_anchor*(sum(w) - conv(w, a)), alpha = the anchor's

Alpha enters as it is stored (0..255), so that sums of 8-bit pictures stay whole numbers.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.engine.bank import Bank
from convtool.engine.border import Border, Rows
from convtool.engine.geometry import Geometry
from convtool.engine.plan import Plan, make_plan
from convtool.kernels.kernel import Kernel
from convtool.layers.channels import anchor_rows

Array = NDArray[Any]
METHOD = "taps"
"""Rounding has to be small against the local sum, which is divided by: so no FFT."""

HALF = 16
"""Bits of the lower half of a product of 16-bit colour and alpha."""


class Premultiplied:
    """Rows of colour times alpha, made when they are read; ``half`` picks the ``low`` or ``high`` bits of them."""

    def __init__(self, colour: Rows, alpha: Array, half: str = "") -> None:
        self._colour = colour
        self._alpha = alpha
        self._half = half
        self._dtype: Any = np.int64 if alpha.dtype.kind == "u" else np.float64
        self.shape = colour.shape

    def __getitem__(self, rows: slice) -> Array:
        colour, alpha = self._colour[rows], self._alpha[rows].astype(self._dtype)
        if colour.dtype.kind == "f":  # what is hidden may be infinite or NaN, and 0 times that is not 0
            colour = np.where(alpha == 0, 0, colour)
        product: Array = colour * alpha
        return _halved(product, self._half) if self._half else product


def _halved(product: Array, half: str) -> Array:
    return product & ((1 << HALF) - 1) if half == "low" else product >> HALF


class WeightedSum:
    """One kernel on a picture with transparency; ``full`` is the stored alpha of an opaque pixel."""

    def __init__(
        self, kernel: Kernel, bank: Bank, geometry: Geometry, border: Border, *, peak: float, whole: bool, full: float
    ) -> None:
        self._bias = kernel.bias
        self._geometry = geometry
        self._full = full
        self._scale = bank.scales[0]
        self._weight = bank.multiplied[0]  # (C or 1, kh, kw)
        self._blur = bool((bank.weights >= 0).all() and self._weight.sum() > 0)
        opaque = Border("constant", full) if border.is_constant else border
        outside = Border("constant", border.value * full) if border.mode == "constant" else border
        self._colour = _colour_sums(bank, geometry, outside, peak * full, whole)
        # Blurs divide by the alpha under all weights; others need it under the weights of each channel.
        parts = self._weight.sum(axis=0, keepdims=True)[None] if self._blur else self._weight[:, None]
        whole_parts = parts.astype(np.int64) if whole and bank.integers is not None else None
        alpha_bank = Bank(parts, whole_parts, (Fraction(1),) * len(parts), each=False)
        self._alpha = Sums(alpha_bank, geometry, opaque, full, whole)
        self._channels = bank.weights.shape[1]

    def values(self, colour: Rows, alpha: Array, first: int, last: int) -> tuple[NDArray[np.float32], Array]:
        """Values (rows, W', M) in sample units with bias, and alpha (rows, W', 1) as stored, of output rows."""
        weighted = self._weighted(colour, alpha, first, last)
        under = self._alpha.of(alpha, first, last)
        total = self._weight.sum(axis=(1, 2))
        if self._blur:
            y = np.divide(weighted, under, out=np.zeros_like(weighted), where=under > 0) * total.sum()
            opacity = under / total.sum()
        else:
            anchors = anchor_rows(colour, self._geometry, first, last).astype(np.float64)
            hidden = anchors * (total * self._full - under)
            if self._channels > 1:
                hidden = hidden.sum(axis=-1, keepdims=True)
            y = (weighted + hidden) / self._full
            opacity = anchor_rows(alpha, self._geometry, first, last)
        y = y * self._scale.numerator / self._scale.denominator + self._bias
        return y.astype(np.float32), opacity

    def _weighted(self, colour: Rows, alpha: Array, first: int, last: int) -> NDArray[np.float64]:
        """Sums of colour times alpha."""
        total: NDArray[np.float64] | None = None
        for half, sums in self._colour.items():
            part = sums.of(Premultiplied(colour, alpha, half), first, last)
            part *= 1 << HALF if half == "high" else 1
            total = part if total is None else total + part
        assert total is not None
        return total


def _colour_sums(bank: Bank, geometry: Geometry, outside: Border, peak: float, whole: bool) -> dict[str, Sums]:
    """How colour times alpha is summed: in one go, or exactly in two where products of 16 bits need it."""
    below = float(1 << HALF)
    if not (whole and bank.integers is not None and bank.bound(peak) >= 2**31 > bank.bound(below)):
        return {"": Sums(bank, geometry, outside, peak, whole)}
    if outside.value != np.rint(outside.value) or abs(outside.value) > peak:
        return {"": Sums(bank, geometry, outside, peak, whole)}
    value = np.array(int(outside.value))
    borders = {half: Border(outside.mode, float(_halved(value, half))) for half in ("low", "high")}
    return {half: Sums(bank, geometry, border, below, whole) for half, border in borders.items()}


class Sums:
    """A sum whose plan is made for the channel count it meets."""

    def __init__(self, bank: Bank, geometry: Geometry, border: Border, peak: float, whole: bool) -> None:
        self._arguments = bank, geometry, border
        self._facts = peak, whole
        self._plans: dict[int, Plan] = {}

    def of(self, image: Rows, first: int, last: int) -> NDArray[np.float64]:
        """Sums of output rows first..last with the weights that samples are multiplied by, unscaled."""
        plan = self._plan(image.shape[2])
        sums = plan.sums(image, first, last).astype(np.float64)
        grown = plan.bank.scales[0] / self._arguments[0].scales[0]
        return sums if grown == 1 else sums * float(grown)

    def _plan(self, channels: int) -> Plan:
        """The plan for images of ``channels``."""
        if channels not in self._plans:
            peak, whole = self._facts
            self._plans[channels] = make_plan(*self._arguments, channels, peak=peak, whole=whole, method=METHOD)
        return self._plans[channels]
