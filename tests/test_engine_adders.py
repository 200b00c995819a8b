"""The programs of additions: they mean the kernel, and they are as short as its structure allows."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convtool.engine import adders
from convtool.engine.program import Program, Source


def places(shape: tuple[int, ...]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    c, u, v = np.indices(shape)
    return c, np.stack((u, v), axis=-1)


def program_of(weights: NDArray[Any]) -> Program:
    shaped = weights.reshape(-1, *weights.shape[-2:])
    return adders.whole(len(shaped), shaped.astype(np.int64), *places(shaped.shape))


def meaning(program: Program) -> Counter[Source]:
    """What a program adds up: the weight of every input plane at every shift."""
    planes: list[Counter[Source]] = [Counter({(plane, 0, 0): 1}) for plane in range(program.inputs)]

    def read(source: Source) -> Counter[Source]:
        plane, rows, columns = source
        return Counter({(p, r + rows, c + columns): n for (p, r, c), n in planes[plane].items()})

    for step in program.steps:
        total = Counter(read(step.left))
        if step.right is None:
            total = Counter({at: n * int(step.weight) for at, n in total.items()})
        else:
            for at, n in read(step.right).items():
                total[at] += -n if step.verb == "subtract" else n
        planes.append(total)
    return Counter({at: n for at, n in read(program.result).items() if n})


PASSES = {
    "1 2 1; 2 4 2; 1 2 1": 4,
    "-1 0 1; -2 0 2; -1 0 1": 3,
    "0 -1 0; -1 5 -1; 0 -1 0": 4,
    "0 1 0; 1 -4 1; 0 1 0": 4,
    "-1 -1 -1; -1 8 -1; -1 -1 -1": 7,
    "1 1 1 1 1; 1 1 1 1 1; 1 1 1 1 1; 1 1 1 1 1; 1 1 1 1 1": 6,
    "1 4 6 4 1; 4 16 24 16 4; 6 24 36 24 6; 4 16 24 16 4; 1 4 6 4 1": 8,
    "1": 0,
    "0 0 1": 0,
    "1 1 1 1 1 1 1 1": 3,
    "-2 -1 0; -1 1 1; 0 1 2": 7,
}


@pytest.mark.parametrize("text", PASSES)
def test_known_kernels_take_few_passes(text: str) -> None:
    kernel = np.array([[int(n) for n in row.split()] for row in text.split(";")])
    program = program_of(kernel)
    assert len(program.steps) <= PASSES[text]
    expected = {(0, int(u), int(v)): int(kernel[u, v]) for u, v in np.argwhere(kernel)}
    assert meaning(program) == expected


def test_programs_mean_their_kernels() -> None:
    rng = np.random.default_rng(0)
    for _ in range(600):
        shape = tuple(int(n) for n in rng.integers(1, [4, 6, 6]))
        top = int(rng.integers(1, 4))
        kernel = rng.integers(-top, top + 1, shape)
        if rng.random() < 0.3:
            column, row = rng.integers(-2, 3, shape[1]), rng.integers(0, 3, shape[2])
            kernel = np.broadcast_to(np.outer(column, row), shape) * rng.integers(1, 3, (shape[0], 1, 1))
        expected = {tuple(int(n) for n in at): int(kernel[tuple(at)]) for at in np.argwhere(kernel)}
        assert meaning(program_of(kernel)) == expected


def test_a_bound_of_the_rounding_holds_for_float_samples() -> None:
    kernel = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]])
    assert 0 < program_of(kernel).growth() < 16 * 20 * 2.0**-24
