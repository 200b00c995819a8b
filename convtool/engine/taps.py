"""Sums tap by tap on flat strips: exact in int16 or int32 where the bound allows, else in float32.

A padded strip lies in one contiguous buffer. Tap (u, v) of every window at once is then one long slice of it, so
each pass is one long array operation, whatever the number of channels. What is computed over the side pads is
garbage that is never read. With a stride, the strip is dealt out into one plane for each phase of rows and
columns, in which the windows lie side by side again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.border import Rows, Strips
from convtool.engine import adders
from convtool.engine.bank import Bank
from convtool.engine.program import Program, Source
from convtool.engine.workspace import PerThread, Shape, as_strided
from convtool.geometry import Geometry

Array = NDArray[Any]
Call = tuple[Callable[..., Any], tuple[Any, ...], Array]

VERBS: dict[str, Callable[..., Any]] = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply}

GROWTH = 1.5e-6
"""Largest rounding error, relative to sum|w|*max|x|, at which structure is used in float32: below the 2e-6 of the
contract by the rounding of the weights."""


def choose_dtype(bank: Bank, peak: float, whole: bool) -> np.dtype[Any]:
    """The narrowest sample type that cannot overflow: samples up to ``peak``, ``whole`` if they are integers."""
    if bank.integers is not None and whole:
        bound = max(bank.bound(max(peak, 1.0)), peak)  # a kernel of zeros: the samples have to fit all the same
        if bound < 2**15:
            return np.dtype(np.int16)
        if bound < 2**31:
            return np.dtype(np.int32)
    return np.dtype(np.float32)


class Taps:
    """Sums of one bank by additions of shifted planes."""

    def __init__(
        self, bank: Bank, geometry: Geometry, channels: int, dtype: np.dtype[Any], *, plain: bool = False
    ) -> None:
        """``plain``: only tap after tap, so that a NaN or an infinity stays within its windows."""
        self.geometry, self.dtype = geometry, dtype
        rows, columns = geometry.rows, geometry.columns
        self.depth, self.channels = (1, channels) if bank.each else (channels, 1)
        self.outputs = channels if bank.each else len(bank.weights)
        self.planes = self.depth * min(rows.stride, rows.span) * min(columns.stride, columns.span)
        self.pitch = -(-columns.padded // columns.stride) * self.channels
        self.programs = [self._program(bank, n, plain) for n in range(len(bank.weights))]
        self.dealt = self.planes > self.depth or rows.stride > 1 or columns.stride > 1
        self._bound: PerThread[_Bound] = PerThread()

    @property
    def passes(self) -> float:
        """Passes over the strip, filling it not counted."""
        return sum(program.cost for program in self.programs)

    def _program(self, bank: Bank, n: int, plain: bool) -> Program:
        weights = bank.multiplied[n]
        planes, shifts = self._places(weights.shape)
        if bank.integers is not None and not plain:
            program = adders.whole(self.planes, bank.integers[n], planes, shifts)
            limit = GROWTH * float(np.abs(weights).sum())
            if self.dtype != np.float32 or program.growth() <= limit:
                return program
        return adders.real(self.planes, weights, planes, shifts)

    def _places(self, shape: Shape) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The plane that each tap (C, kh, kw) reads, and the shift (rows, columns) at which it reads it."""
        c, u, v = np.indices(shape)
        rows, columns = self.geometry.rows, self.geometry.columns
        down, row_phase = np.divmod(u * rows.dilation, rows.stride)
        across, column_phase = np.divmod(v * columns.dilation, columns.stride)
        row_phases, column_phases = min(rows.stride, rows.span), min(columns.stride, columns.span)
        planes = (c * row_phases + row_phase) * column_phases + column_phase
        return planes, np.stack((down, across), axis=-1)

    def sums(self, strips: Strips, image: Rows, first: int, last: int, out: Array | None = None) -> Array:
        """Unscaled sums of output rows first..last, (rows, W', outputs): a view, valid until this thread's next.

        ``out`` is not used: the sums lie where the last pass leaves them.
        """
        bound = self._bound.get(last - first, self._wanted, self._bind)
        strips.fill(bound.strip, image, self.geometry.rows.start(first))
        for target, source in bound.deals:
            target[...] = source
        for verb, operands, target in bound.calls:
            verb(*operands, out=target)
        return bound.result

    def _strip_shape(self, rows: int) -> Shape:
        axis = self.geometry.rows
        return (rows - 1) * axis.stride + axis.span, self.geometry.columns.padded

    def _plane_rows(self, rows: int) -> int:
        return -(-self._strip_shape(rows)[0] // self.geometry.rows.stride)

    def _registers(self) -> int:
        return max(_allocate(program, self.planes, self._keeps_inputs)[1] for program in self.programs)

    @property
    def _keeps_inputs(self) -> bool:
        return len(self.programs) > 1

    def _wanted(self, rows: int) -> list[tuple[Shape, np.dtype[Any]]]:
        plane = self._plane_rows(rows) * self.pitch
        # Planes are kept a cache line and a bit apart, so that they do not all fall on the same lines.
        wanted: list[tuple[Shape, np.dtype[Any]]] = [((plane,), self.dtype)] * (self.planes + self._registers())
        if self.dealt:
            wanted.append(((*self._strip_shape(rows), self.depth * self.channels), self.dtype))
        elif self.depth > 1:
            wanted[: self.planes] = [((self.planes, plane), self.dtype)]
        if self._keeps_inputs:
            wanted.append(((self.outputs, rows, self.geometry.columns.out), self.dtype))
        return wanted

    def _bind(self, rows: int, arrays: list[Array]) -> _Bound:
        bound = _Bound()
        if self._keeps_inputs:
            bound.result = arrays.pop().transpose(1, 2, 0)
        if self.dealt:
            bound.strip = arrays.pop()
            planes, registers = arrays[: self.planes], arrays[self.planes :]
            self._bind_deals(bound, planes)
        elif self.depth > 1:
            planes, registers = list(arrays[0]), arrays[1:]
            shape = (self.depth, *self._strip_shape(rows))
            bound.strip = arrays[0].reshape(shape).transpose(1, 2, 0)
        else:
            planes, registers = arrays[:1], arrays[1:]
            bound.strip = planes[0].reshape(*self._strip_shape(rows), self.channels)
        for n, program in enumerate(self.programs):
            result = self._bind_program(bound, program, planes, registers, rows)
            if self._keeps_inputs:
                bound.calls.append((np.positive, (result[..., 0],), bound.result[..., n]))
            else:
                bound.result = result
        return bound

    def _bind_deals(self, bound: _Bound, planes: list[Array]) -> None:
        """Copies that deal the strip out into its phases."""
        rows, columns = self.geometry.rows, self.geometry.columns
        row_phases, column_phases = min(rows.stride, rows.span), min(columns.stride, columns.span)
        for index, plane in enumerate(planes):
            rest, column_phase = divmod(index, column_phases)
            c, row_phase = divmod(rest, row_phases)
            grid = plane.reshape(-1, self.pitch // self.channels, self.channels)
            dealt = bound.strip[row_phase :: rows.stride, column_phase :: columns.stride]
            height, width = dealt.shape[:2]
            for channel in range(self.channels):
                bound.deals.append((grid[:height, :width, channel], dealt[..., c + channel]))

    def _bind_program(
        self, bound: _Bound, program: Program, planes: list[Array], registers: list[Array], rows: int
    ) -> Array:
        slots, _ = _allocate(program, self.planes, self._keeps_inputs)
        stores = [*planes, *registers]
        reach = self._reach(program, rows)

        def read(source: Source, length: int) -> Array:
            start = source[1] * self.pitch + source[2] * self.channels
            return stores[slots[source[0]]][start : start + length]

        for index, step in enumerate(program.steps):
            plane = self.planes + index
            length = reach[plane]
            target = stores[slots[plane]][:length]
            right = self.dtype.type(step.weight) if step.right is None else read(step.right, length)
            bound.calls.append((VERBS[step.verb], (read(step.left, length), right), target))
        plane, down, across = program.result
        start = down * self.pitch + across * self.channels
        shape = (rows, self.geometry.columns.out, self.channels)
        return as_strided(stores[slots[plane]][start:], shape, (self.pitch, self.channels, 1))

    def _reach(self, program: Program, rows: int) -> list[int]:
        """Samples of each plane that are read by what comes after it."""
        reach = [0] * (self.planes + len(program.steps))

        def read(source: Source, length: int) -> None:
            start = source[1] * self.pitch + source[2] * self.channels
            reach[source[0]] = max(reach[source[0]], start + length)

        read(program.result, (rows - 1) * self.pitch + self.geometry.columns.out * self.channels)
        for index in range(len(program.steps) - 1, -1, -1):
            step = program.steps[index]
            read(step.left, reach[self.planes + index])
            if step.right is not None:
                read(step.right, reach[self.planes + index])
        return reach


class _Bound:
    """A program bound to one thread's memory and one strip height."""

    strip: Array
    result: Array

    def __init__(self) -> None:
        self.deals: list[tuple[Array, Array]] = []
        self.calls: list[Call] = []


def _allocate(program: Program, planes: int, keep: bool) -> tuple[list[int], int]:
    """The store of every plane of a program, and how many it takes beyond its inputs.

    A step writes in place where the plane it reads is not read again and is read unshifted; the input planes are
    overwritten too, unless ``keep``.
    """
    last_use = {program.result[0]: len(program.steps)}
    for index in range(len(program.steps) - 1, -1, -1):
        step = program.steps[index]
        for source in (step.left, step.right):
            if source is not None:
                last_use.setdefault(source[0], index)
    slots = list(range(planes))
    free: list[int] = []
    count = planes
    for index, step in enumerate(program.steps):
        reads = [source for source in (step.left, step.right) if source is not None]
        dying = {s[0] for s in reads if last_use[s[0]] == index and (s[0] >= planes or not keep)}
        shifted = {s[0] for s in reads if s[1:] != (0, 0)}
        reusable = sorted(dying - shifted)
        if reusable:
            slot = slots[reusable[0]]
            dying.discard(reusable[0])
        elif free:
            slot = free.pop()
        else:
            slot = count
            count += 1
        slots.append(slot)
        free += [slots[plane] for plane in sorted(dying)]
    return slots, count - planes
