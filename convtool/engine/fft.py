"""Sums through the Fourier transform, tile by tile (overlap-save): for large kernels that are not separable.

All in single precision. NumPy runs a float32 transform in double where it has to scale by the Python number 1,
which ``norm="forward"`` on the way in and the default on the way back avoid; the factor that this leaves over goes
into the spectrum of the kernel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.border import Rows, Strips
from convtool.engine.bank import Bank
from convtool.engine.workspace import PerThread, Shape
from convtool.geometry import Geometry
from convtool.tuples import NamedTuple

Array = NDArray[Any]
FLOAT = np.dtype(np.float32)
COMPLEX = np.dtype(np.complex64)

ERROR_SUM, ERROR_NORM = 7e-7, 1.4e-6
"""Rounding error in units of max|x|: ERROR_SUM * sum|w| + ERROR_NORM * sqrt(sum w**2). Twice the worst that constant,
periodic, binary, random and single-point images gave for kernels of all kinds; tested."""

SIZES = tuple(
    sorted(size for a in range(5, 13) for b in range(4) for c in range(3) if (size := 2**a * 3**b * 5**c) <= 4096)
)
"""Lengths that transform fast: products of 2, 3 and 5, and even."""


MOST_PARTS = 40
"""Parts into which a kernel is split at most to keep the rounding error of each below a quarter."""

Weights = NDArray[np.float64]


def error(weights: Weights, peak: float) -> float:
    """Bound of the rounding error of the unscaled sums of filters (N, C, kh, kw), for samples up to ``peak``."""
    axes = tuple(range(1, weights.ndim))
    sizes, norms = np.abs(weights).sum(axis=axes), np.sqrt((weights**2).sum(axis=axes))
    return float((ERROR_SUM * sizes + ERROR_NORM * norms).max()) * peak


def split(bank: Bank, peak: float) -> list[Weights] | None:
    """Whole weights as a sum of parts whose own sums round to the right whole number; None if that takes too many.

    Tiles are transformed once whatever the number of parts, only the way back is gone for each.
    """
    weights = bank.multiplied
    least = int(error(weights, peak) / 0.25) + 1
    for count in range(least, MOST_PARTS + 1):
        parts = []
        for start in range(count):
            part = np.zeros_like(weights)
            part.reshape(len(part), -1)[:, start::count] = weights.reshape(len(weights), -1)[:, start::count]
            parts.append(part)
        if all(error(part, peak) < 0.25 for part in parts):
            return parts
    return None


def tile_side(span: int, out: int) -> int:
    """Side of a tile along an axis: long against the window, but no longer than the image takes."""
    wanted = 288 if span <= 31 else max(512, 2 * span + 64)
    enough = out + span - 1
    return next((size for size in SIZES if size >= min(wanted, enough)), min(wanted, enough))


class Fft:
    """Sums of one bank by overlap-save."""

    dtype = FLOAT

    def __init__(
        self,
        bank: Bank,
        geometry: Geometry,
        channels: int,
        strip_dtype: np.dtype[Any],
        parts: list[Weights] | None = None,
    ) -> None:
        """``strip_dtype`` holds the samples exactly.

        ``parts`` are whole weights that add up to those of the bank: the sums of each are rounded to whole numbers.
        """
        self.strip_dtype, self.rounded = strip_dtype, parts is not None
        self.geometry, self.channels, self.each = geometry, channels, bank.each
        self.outputs = channels if bank.each else len(bank.weights)
        self.height, self.width, _, self.tile_columns = self.layout(geometry)
        self.spectra = np.stack([self._spectra(part) for part in parts or [bank.multiplied]])
        self._bound: PerThread[_Bound] = PerThread()

    @staticmethod
    def layout(geometry: Geometry) -> tuple[int, int, int, int]:
        """Height and width of a tile, and the rows and columns of output that it makes."""
        rows, columns = geometry.rows, geometry.columns
        height = tile_side(rows.span, (rows.out - 1) * rows.stride + 1)
        width = tile_side(columns.span, (columns.out - 1) * columns.stride + 1)
        return height, width, (height - rows.span) // rows.stride + 1, (width - columns.span) // columns.stride + 1

    def _spectra(self, weights: Weights) -> Array:
        """Spectra (N, C, height, width//2 + 1) that turn the spectrum of a tile into that of its sums."""
        rows, columns = self.geometry.rows, self.geometry.columns
        spread = np.zeros((*weights.shape[:2], self.height, self.width))
        spread[..., : rows.span : rows.dilation, : columns.span : columns.dilation] = weights
        return (np.conj(np.fft.rfft2(spread)) * (self.height * self.width)).astype(np.complex64)

    def sums(self, strips: Strips, image: Rows, first: int, last: int, out: Array | None = None) -> Array:
        """Unscaled sums of output rows first..last, (rows, W', outputs), float32: a view, valid until the next.

        ``out`` is not used.
        """
        rows, most = last - first, self.layout(self.geometry)[2]
        if rows > most:
            parts = [(at, min(at + most, last)) for at in range(first, last, most)]
            return np.concatenate([self.sums(strips, image, *part).copy() for part in parts])
        bound = self._bound.get(rows, self._wanted, self._bind)
        axis = self.geometry.rows
        height = (rows - 1) * axis.stride + axis.span
        strips.fill(bound.strip[:height, : self.geometry.columns.padded], image, axis.start(first))
        bound.strip[height:] = 0
        bound.strip[:, self.geometry.columns.padded :] = 0
        for left in range(0, self.geometry.columns.out, self.tile_columns):
            self._tile(bound, left)
        return bound.total

    def _tile(self, bound: _Bound, first: int) -> None:
        """Sums of the output columns from ``first`` on that one tile makes."""
        axis = self.geometry.columns
        left, last = first * axis.stride, min(first + self.tile_columns, axis.out)
        out = bound.total[:, first:last]
        for c in range(self.channels):
            bound.tile[...] = bound.strip[:, left : left + self.width, c]
            np.fft.rfft(bound.tile, axis=1, norm="forward", out=bound.spectrum)
            np.fft.fft(bound.spectrum, axis=0, norm="forward", out=bound.spectrum)
            for part, spectra in enumerate(self.spectra):
                if self.each:
                    np.multiply(bound.spectrum, spectra[0, 0], out=bound.sums[0, 0])
                    self._back(bound.sums[0, 0], bound.tile, out[..., c], part > 0)
                    continue
                for n in range(self.outputs):
                    if c == 0:
                        np.multiply(bound.spectrum, spectra[n, c], out=bound.sums[part, n])
                    else:
                        np.multiply(bound.spectrum, spectra[n, c], out=bound.product)
                        np.add(bound.sums[part, n], bound.product, out=bound.sums[part, n])
        if not self.each:
            for part, sums in enumerate(bound.sums):
                for n in range(self.outputs):
                    self._back(sums[n], bound.tile, out[..., n], part > 0)

    def _back(self, spectrum: Array, tile: Array, out: Array, add: bool) -> None:
        """The sums of one filter out of their spectrum: rows that are not wanted are not transformed back."""
        rows, columns = self.geometry.rows.stride, self.geometry.columns.stride
        np.fft.ifft(spectrum, axis=0, out=spectrum)
        chosen = spectrum[: len(out) * rows : rows]
        image = tile[: len(chosen)]
        np.fft.irfft(chosen, n=self.width, axis=1, out=image)
        sums = image[: len(out), : (out.shape[1] - 1) * columns + 1 : columns]
        if self.rounded:
            np.rint(sums, out=sums)
        if add:
            np.add(out, sums, out=out)
        else:
            out[...] = sums

    def _wanted(self, rows: int) -> list[tuple[Shape, np.dtype[Any]]]:
        columns = self.geometry.columns
        tiles = -(-columns.out // self.tile_columns)
        width = max((tiles - 1) * self.tile_columns * columns.stride + self.width, columns.padded)
        half = (self.height, self.width // 2 + 1)
        kept = (1, 1) if self.each else self.spectra.shape[:2]
        return [
            ((self.height, width, self.channels), self.strip_dtype),
            (half, COMPLEX),
            (half, COMPLEX),
            ((*kept, *half), COMPLEX),
            ((self.height, self.width), FLOAT),
            ((rows, columns.out, self.outputs), FLOAT),
        ]

    def _bind(self, rows: int, arrays: list[Array]) -> _Bound:
        return _Bound(*arrays)


class _Bound(NamedTuple):
    """The buffers in one thread's memory for one strip height."""

    strip: Array
    spectrum: Array
    product: Array
    sums: Array
    tile: Array
    total: Array
