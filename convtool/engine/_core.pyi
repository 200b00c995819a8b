"""What the compiled core offers (core.c)."""

from typing import Any

from numpy.typing import NDArray

WIDTHS: tuple[str, ...]

def filter(
    width: int,
    image: NDArray[Any],
    rows: NDArray[Any],
    columns: NDArray[Any],
    parts: NDArray[Any],
    steps: NDArray[Any],
    taps: NDArray[Any],
    weights: NDArray[Any],
    numbers: NDArray[Any],
    reals: NDArray[Any],
    out: NDArray[Any],
    /,
) -> int: ...
