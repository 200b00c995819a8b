"""Programs of shifted additions: what ``adders`` writes and ``taps`` runs."""

from __future__ import annotations

from functools import cached_property

from convtool.tuples import NamedTuple

Source = tuple[int, int, int]
"""A plane and the shift (rows, columns) at which it is read."""
Term = tuple[float, Source]

ROUNDING = 2.0**-24
"""Relative rounding error of one float32 operation."""


class Step(NamedTuple):
    """``target[t] = left[t + left shift] (add|subtract) right[t + right shift]``, or ``left * weight``."""

    verb: str
    left: Source
    right: Source | None = None
    weight: float = 1.0


class Program:
    """Steps in order; planes 0..inputs-1 are given and step i makes plane inputs+i. ``result`` is the sum."""

    def __init__(self, inputs: int) -> None:
        self.inputs = inputs
        self.steps: list[Step] = []
        self.result: Source = (0, 0, 0)
        self._known: dict[Step, int] = {}

    def emit(self, step: Step) -> Source:
        """Append a step, or find the same one made before; the new plane unshifted."""
        if step not in self._known:
            self.steps.append(step)
            self._known[step] = self.inputs + len(self.steps) - 1
        return self._known[step], 0, 0

    def join(self, left: Source, right: Source, negative: bool = False) -> Source:
        """The sum or difference of two planes; what both shifts share is put off to whoever reads the result."""
        rows, columns = min(left[1], right[1]), min(left[2], right[2])
        near = (left[0], left[1] - rows, left[2] - columns)
        far = (right[0], right[1] - rows, right[2] - columns)
        plane = self.emit(Step("subtract" if negative else "add", near, far))[0]
        return plane, rows, columns

    def times(self, source: Source, weight: float) -> Source:
        """A plane multiplied by a number."""
        if weight == 1:
            return source
        plane = self.emit(Step("multiply", (source[0], 0, 0), weight=weight))[0]
        return plane, source[1], source[2]

    @cached_property
    def cost(self) -> float:
        """Passes over the strip; a multiplication by a number reads less than an addition."""
        return sum(0.9 if step.verb == "multiply" else 1.0 for step in self.steps)

    def growth(self) -> float:
        """Bound of the rounding error in float32, for samples up to 1 and weights exact in float32."""
        size, error = [1.0] * self.inputs, [0.0] * self.inputs
        for step in self.steps:
            left = step.left[0]
            if step.right is None:
                size.append(size[left] * abs(step.weight))
                error.append(error[left] * abs(step.weight) + 2 * ROUNDING * size[-1])
            else:
                right = step.right[0]
                size.append(size[left] + size[right])
                error.append(error[left] + error[right] + ROUNDING * size[-1])
        return error[self.result[0]]
