"""What the building blocks of the methods cost: the one table that the plan chooses by.

Measured by ``benchmarks/constants.py`` (one thread, AMD Zen 4, NumPy 2.4, OpenBLAS 0.3.31), nanoseconds. Only the
ratios matter; they differ less between processors than the figures do. Without AVX-512 the products cost twice
as much, which moves the border between ``gemm`` and ``fft`` from about 17 taps a side to 13.
"""

from __future__ import annotations

from convtool.tuples import NamedTuple


class Costs(NamedTuple):
    """Nanoseconds a sample, unless said."""

    pass_int16: float = 0.055
    pass_int32: float = 0.13
    pass_float32: float = 0.12
    fill: float = 0.10
    deal: float = 0.5
    """One sample of a strip dealt out with a stride."""
    shift: float = 0.09
    """One shifted copy of a row."""
    product: float = 0.021
    """One multiplication and addition inside a matrix product."""
    block: float = 0.10
    """One sample of a matrix product written, whatever its length."""
    transform: float = 6.6
    """One sample of a tile, there and back."""
    call: float = 1500.0
    """One NumPy call on one strip, and what surrounds it in Python."""

    def taps(self, dtype: str) -> float:
        """One pass over one sample."""
        return {"int16": self.pass_int16, "int32": self.pass_int32}.get(dtype, self.pass_float32)


COSTS = Costs()
