"""Sums through the Fourier transform, tile by tile (overlap-save): for large kernels that are not separable.

Tiles lie on a grid of the output that starts at its first row and column, so no sum depends on how rows are shared out.
Float samples and whole-number weights go in double precision, other weights on whole samples in single.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.engine.bank import Bank
from convtool.engine.border import OUTSIDE, Rows
from convtool.engine.core import TapSums
from convtool.engine.geometry import Axis, Geometry
from convtool.engine.sliding import Columns, columns_of, fill_padded, runs_of
from convtool.engine.taps import direct
from convtool.engine.window import Indices, Window
from convtool.tone.rounding import Finish
from convtool.tuples import NamedTuple

Array = NDArray[Any]

SIZES = tuple(
    sorted(size for a in range(5, 13) for b in range(4) for c in range(3) if (size := 2**a * 3**b * 5**c) <= 4096)
)
"""Lengths that transform fast: products of 2, 3 and 5, and even."""

TOGETHER = 2
"""Channels that are transformed in one call: long calls, which threads do not wait for, and little memory."""


class Sizes(NamedTuple):
    """Height and width of a tile, and the rows and columns of output that it makes."""

    height: int
    width: int
    rows: int
    columns: int

    @classmethod
    def of(cls, geometry: Geometry) -> Sizes:
        """The tiles of a window that slides over an image."""
        rows, columns = geometry.rows, geometry.columns
        height, width = tile_side(rows), tile_side(columns)
        return cls(height, width, (height - rows.span) // rows.stride + 1, (width - columns.span) // columns.stride + 1)


def tile_side(axis: Axis) -> int:
    """Side of a tile along an axis: long against the window, but no longer than the image takes."""
    wanted = 288 if axis.span <= 31 else max(512, 2 * axis.span + 64)
    side = min(wanted, axis.padded)
    return next((size for size in SIZES if size >= side), side)


class Fft:
    """Sums of one bank by overlap-save, unscaled.

    ``whole`` says that samples are whole numbers; the sums of whole-number weights are then rounded to whole numbers.
    """

    def __init__(self, bank: Bank, window: Window, whole: bool) -> None:
        self.window, self._bank, self._whole = window, bank, whole
        self.rounded = whole and bank.integers is not None
        self.dtype = np.dtype(np.float32 if whole and not self.rounded else np.float64)
        self.height, self.width, self.rows, self.columns = Sizes.of(window.geometry)
        rows, columns = window.geometry.rows, window.geometry.columns
        spread = np.zeros((*bank.weights.shape[:2], self.height, self.width))
        spread[..., : rows.span : rows.dilation, : columns.span : columns.dilation] = bank.multiplied
        # NumPy transforms float32 in double where it has to scale by the Python number 1. norm="forward" on the way in
        # and the default on the way back avoid that; the factor that it leaves over goes into the spectrum.
        spectra = np.conj(np.fft.rfft2(spread)) * (self.height * self.width)
        self.spectra = spectra.astype(np.complex64 if self.dtype == np.float32 else np.complex128)

    def fill(self, image: Rows, first: int, last: int, finish: Finish, out: Array) -> int:
        """Finished sums of output rows first..last of an image into ``out``; returns how many were clipped."""
        lost = 0
        while first < last:  # one row of tiles after the other
            stop = min((first // self.rows + 1) * self.rows, last)
            part, out = out[: stop - first], out[stop - first :]
            if self._finite(image, first):
                for columns, sums in self.tiles(image, first, stop):
                    lost += finish.store(sums, part[:, columns])
            else:  # the transform would spread such samples beyond their windows
                lost += self._careful.fill(image, first, stop, finish, part)
            first = stop
        return lost

    @cached_property
    def _careful(self) -> TapSums:
        return TapSums(self.window, direct(self._bank, self.window, np.dtype(np.float32)))

    def _finite(self, image: Rows, row: int) -> bool:
        """Whether all samples are finite that the row of tiles with output row ``row`` sees."""
        if self._whole:
            return True
        samples, rows = self.window.source(image, *self._tile_rows(row))
        return all(np.isfinite(samples[at]).all() for at in np.unique(rows).tolist() if at != OUTSIDE)

    def tiles(self, image: Rows, first: int, last: int) -> Iterator[tuple[slice, Array]]:
        """The columns of each tile, and the sums (rows, columns, outputs) of output rows first..last in it.

        The rows have to lie in one row of tiles.
        """
        axis = self.window.geometry.columns
        top, bottom = self._tile_rows(first)
        source = self.window.source(image, top, bottom)
        room, runs = _Room(self), runs_of(source[1])
        for left, part in zip(range(0, axis.out, self.columns), self._parts, strict=True):
            columns = slice(left, min(left + self.columns, axis.out))
            out = room.out[: bottom - top, : columns.stop - left]
            self._tile(room, part, *source, runs, out)
            yield columns, out[first - top : last - top]

    @cached_property
    def _parts(self) -> list[Columns]:
        """The padded columns of each tile of a row."""
        axis = self.window.geometry.columns
        starts = [left * axis.stride for left in range(0, axis.out, self.columns)]
        return [columns_of(self.window, slice(start, start + self.width)) for start in starts]

    def _tile_rows(self, row: int) -> tuple[int, int]:
        """First and last output row, plus one, of the row of tiles with output row ``row``."""
        top = row // self.rows * self.rows
        return top, min(top + self.rows, self.window.geometry.rows.out)

    def _tile(
        self, room: _Room, part: Columns, samples: Array, row_of: Indices, runs: list[tuple[int, int, int]], out: Array
    ) -> None:
        """Sums of one tile into ``out`` (rows, columns, outputs)."""
        if (len(row_of), len(part.sources)) != room.tile.shape[1:]:
            room.tile[...] = 0
        room.sums[...] = 0
        for first in range(0, self.window.channels, TOGETHER):
            chosen = slice(first, min(first + TOGETHER, self.window.channels))
            tiles, spectra = (each[: chosen.stop - first] for each in (room.tile, room.spectrum))
            seen = tiles[:, : len(row_of), : len(part.sources)].transpose(1, 2, 0)
            fill_padded(seen, self.window, samples[..., chosen], row_of, runs, part)
            np.fft.rfft(tiles, axis=2, norm="forward", out=spectra)
            np.fft.fft(spectra, axis=1, norm="forward", out=spectra)
            if self.window.each:
                np.multiply(spectra, self.spectra[0], out=spectra)
                self._back(room, spectra, out[..., chosen])
            for total, weights in zip(room.sums, self.spectra, strict=not self.window.each):
                for spectrum, weight in zip(spectra, weights[chosen], strict=True):
                    np.multiply(spectrum, weight, out=room.product)
                    np.add(total, room.product, out=total)
        for n in range(len(room.sums)):
            self._back(room, room.sums[n : n + 1], out[..., n : n + 1])
        if self.rounded:
            np.rint(out, out=out)

    def _back(self, room: _Room, spectra: Array, out: Array) -> None:
        """Sums (rows, columns, n) out of their spectra (n, ...): rows that are not wanted are not transformed back."""
        rows, columns = self.window.geometry.rows.stride, self.window.geometry.columns.stride
        np.fft.ifft(spectra, axis=1, out=spectra)
        chosen = spectra[:, : len(out) * rows : rows]
        image = np.fft.irfft(chosen, n=self.width, axis=2, out=room.image[: len(chosen), : chosen.shape[1]])
        out[...] = image[..., : (out.shape[1] - 1) * columns + 1 : columns].transpose(1, 2, 0)


class _Room:
    """What the tiles of one row are made in; fresh memory for each would fault its pages in anew."""

    def __init__(self, fft: Fft) -> None:
        kind, count = fft.spectra.dtype, min(fft.window.channels, TOGETHER)
        size, half = (fft.height, fft.width), (fft.height, fft.width // 2 + 1)
        outputs = fft.window.channels if fft.window.each else len(fft.spectra)
        self.tile, self.image = (np.zeros((count, *size), dtype=fft.dtype) for _ in range(2))
        self.spectrum, self.product = np.empty((count, *half), dtype=kind), np.empty(half, dtype=kind)
        self.sums = np.empty((0 if fft.window.each else outputs, *half), dtype=kind)
        self.out = np.empty((fft.rows, fft.columns, outputs), dtype=fft.dtype)
