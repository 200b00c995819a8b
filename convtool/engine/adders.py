"""A kernel as a short list of additions of shifted planes.

Multiplying and adding tap by tap costs two passes over memory a tap. Written-out structure costs far less:
``1 2 1`` is two additions of neighbours, a box of 2k is a box of k added to itself, equal weights are added
before they are multiplied, and a kernel of rank 1 is a column and then a row. This module searches for the
cheapest of a few such forms and returns it as a ``Program``; ``taps`` runs it.

Integer programs work modulo 2**16 or 2**32: whatever the intermediate values do, the result is right if it fits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import gcd

import numpy as np
from numpy.typing import NDArray

from convtool.engine.program import Program, Source, Step, Term

Shift = tuple[int, int]

LEAF = 8
"""Float terms added in a row before their sum joins the cascade, which keeps rounding at LEAF + log2(terms/LEAF)."""

MOST_PAIRED = 24
"""Taps of a group up to which pairs are looked for, which takes the cube of their number."""

ODD_BOX = -1
"""A box of odd length: the even one before it, and one tap more."""


def whole(inputs: int, weights: NDArray[np.int64], planes: NDArray[np.intp], shifts: NDArray[np.intp]) -> Program:
    """The cheapest program for integer weights, (C, kh, kw), on ``inputs`` planes.

    ``planes`` (C, kh, kw) says which plane each tap reads and ``shifts`` (C, kh, kw, 2) where.
    """
    tries = [_direct]
    if np.count_nonzero(weights) > 2:
        tries += [_depthwise, _rank_one, _rank_one_and_tap]
    best: Program | None = None
    for attempt in tries:
        program = Program(inputs)
        result = attempt(program, weights, planes, shifts)
        if result is None:
            continue
        program.result = result
        if best is None or program.cost < best.cost:
            best = program
    assert best is not None
    return best


def real(inputs: int, weights: NDArray[np.float64], planes: NDArray[np.intp], shifts: NDArray[np.intp]) -> Program:
    """A program for float weights: equal magnitudes grouped, each sum a cascade."""
    program = Program(inputs)
    groups: dict[float, list[tuple[float, Source]]] = {}
    for tap in np.argwhere(weights):
        at = tuple(tap)
        weight = float(np.float32(weights[at]))
        source = (int(planes[at]), int(shifts[at][0]), int(shifts[at][1]))
        groups.setdefault(abs(weight), []).append((np.sign(weight), source))
    parts = [program.times(_cascade(program, group), weight) for weight, group in groups.items()]
    program.result = _cascade(program, [(1.0, part) for part in parts]) if parts else program.times((0, 0, 0), 0.0)
    return program


def _cascade(program: Program, terms: Sequence[Term]) -> Source:
    """Terms of weight 1 or -1, added in leaves of a few and then two by two; may come out negated in no case."""
    if len(terms) > LEAF:
        leaves = [_cascade(program, terms[at : at + LEAF]) for at in range(0, len(terms), LEAF)]
        while len(leaves) > 1:
            pairs = [program.join(leaves[at], leaves[at + 1]) for at in range(0, len(leaves) - 1, 2)]
            leaves = pairs + leaves[len(pairs) * 2 :]
        return leaves[0]
    ordered = sorted(terms, key=lambda term: term[0] < 0)  # positive first: a sum can start from a plane as it is
    sign, total = ordered[0]
    if sign < 0:
        total = program.times(total, -1.0)
    for sign, source in ordered[1:]:
        total = program.join(total, source, sign < 0)
    return total


def _direct(
    program: Program, weights: NDArray[np.int64], planes: NDArray[np.intp], shifts: NDArray[np.intp]
) -> Source | None:
    """Taps of equal magnitude are added first and multiplied once."""
    terms: list[tuple[int, Source]] = []
    for tap in np.argwhere(weights):
        at = tuple(tap)
        terms.append((int(weights[at]), (int(planes[at]), int(shifts[at][0]), int(shifts[at][1]))))
    return _sum(program, terms)


def _sum(program: Program, terms: Iterable[tuple[int, Source]]) -> Source:
    """A weighted sum of planes at shifts."""
    groups: dict[int, dict[Source, int]] = {}
    for weight, source in terms:
        if weight:
            groups.setdefault(abs(weight), {})[source] = 1 if weight > 0 else -1
    if not groups:
        return program.times((0, 0, 0), 0)
    parts: list[tuple[int, Source]] = []
    for magnitude, group in groups.items():
        sign = 1 if 1 in group.values() else -1
        total = _group(program, {source: member * sign for source, member in group.items()})
        parts.append((sign, program.times(total, magnitude)))
    return _cascade(program, [(float(sign), part) for sign, part in parts])


def _group(program: Program, group: dict[Source, int]) -> Source:
    """Taps of weight 1 or -1, in pairs at one and the same distance where all of them pair up.

    A cross is two such additions: its upper and left arm, and that sum again for the right and lower one.
    """
    if 2 < len(group) <= MOST_PAIRED and len(group) % 2 == 0 and len({source[0] for source in group}) == 1:
        first = min(group)
        for partner in sorted(group):
            if partner != first and (half := _paired(group, first, partner)):
                distance = (partner[1] - first[1], partner[2] - first[2])
                rows, columns = max(-distance[0], 0), max(-distance[1], 0)
                near, far = (first[0], rows, columns), (first[0], rows + distance[0], columns + distance[1])
                if any(at[1] < rows or at[2] < columns for at in half):
                    continue
                plane = program.join(near, far, group[first] != group[partner])[0]
                return _group(program, {(plane, at[1] - rows, at[2] - columns): sign for at, sign in half.items()})
    return _cascade(program, [(float(sign), source) for source, sign in group.items()])


def _paired(group: dict[Source, int], first: Source, partner: Source) -> dict[Source, int] | None:
    """The near taps of a group that falls into pairs as far apart as first and partner; None if it does not."""
    rows, columns = partner[1] - first[1], partner[2] - first[2]
    relation = group[first] * group[partner]
    left, half = dict(group), {}
    while left:
        near = min(left)
        sign = left.pop(near)
        far = (near[0], near[1] + rows, near[2] + columns)
        if left.pop(far, None) != relation * sign:
            return None
        half[near] = sign
    return half


def _line(program: Program, coefficients: tuple[int, ...], source: Source, step: Shift) -> Source:
    """``sum of coefficients[i] * source[t + i*step]``: the coefficients read as a polynomial and factored."""

    def read(at: int) -> Source:
        return source[0], source[1] + at * step[0], source[2] + at * step[1]

    lead = next((at for at, weight in enumerate(coefficients) if weight), 0)
    polynomial = tuple(int(weight) for weight in np.trim_zeros(np.array(coefficients)))
    distance = _cheapest(polynomial)[1]
    if distance > 0:
        rest = _divided(polynomial, distance)
        assert rest is not None
        return _line(program, rest, program.join(read(lead), read(lead + distance)), step)
    if distance < 0:
        even = _line(program, (1,) * (len(polynomial) - 1), read(lead), step)
        return program.times(program.join(even, read(lead + len(polynomial) - 1)), polynomial[0])
    return _sum(program, [(weight, read(lead + at)) for at, weight in enumerate(polynomial)])


@lru_cache(maxsize=4096)
def _cheapest(polynomial: tuple[int, ...]) -> tuple[float, int]:
    """Passes for a polynomial and how to get them: a distance d (divide by 1 + x**d), 0 (tap by tap) or ODD_BOX."""
    used = [abs(weight) for weight in polynomial if weight]
    best = 0.9 * len({weight for weight in used if weight != 1}) + len(used) - 1, 0
    if len(set(polynomial)) == 1 and len(polynomial) > 3 and len(polynomial) % 2:
        best = min(best, (1 + _cheapest(polynomial[1:])[0], ODD_BOX))
    for distance in range(1, len(polynomial) // 2 + 1):
        rest = _divided(polynomial, distance)
        if rest is not None and len(used) > 2:
            best = min(best, (1 + _cheapest(rest)[0], distance))
    return best


def _divided(polynomial: tuple[int, ...], distance: int) -> tuple[int, ...] | None:
    """The polynomial divided by 1 + x**distance, None if that leaves a remainder."""
    rest = list(polynomial)
    for at in range(distance, len(rest)):
        rest[at] -= rest[at - distance]
    keep = len(rest) - distance
    return tuple(rest[:keep]) if not any(rest[keep:]) else None


def _depthwise(
    program: Program, weights: NDArray[np.int64], planes: NDArray[np.intp], shifts: NDArray[np.intp]
) -> Source | None:
    """The same kernel, times a number, on every channel: the channels are added first."""
    depth = weights.shape[0]
    if depth == 1 or len(np.unique(planes)) != depth:
        return None
    factors = _outer(weights.reshape(depth, -1))
    if factors is None:
        return None
    mixed = _sum(program, [(int(weight), (int(planes[c, 0, 0]), 0, 0)) for c, weight in enumerate(factors[0])])
    kernel = factors[1].reshape(1, *weights.shape[1:])
    inner = whole(1, kernel, np.zeros_like(planes[:1]), shifts[:1])
    names: list[Source] = [mixed]
    for step in inner.steps:
        left = _moved(names, step.left)
        right = None if step.right is None else _moved(names, step.right)
        names.append(program.emit(Step(step.verb, left, right, step.weight)))
    return _moved(names, inner.result)


def _moved(names: list[Source], source: Source) -> Source:
    plane = names[source[0]]
    return plane[0], plane[1] + source[1], plane[2] + source[2]


def _rank_one(
    program: Program, weights: NDArray[np.int64], planes: NDArray[np.intp], shifts: NDArray[np.intp]
) -> Source | None:
    """A column of weights, then a row of weights."""
    if weights.shape[0] > 1:
        return None
    factors = _outer(weights[0])
    if factors is None:
        return None
    column, row = factors
    planes, shifts = planes[0], shifts[0]
    sums: dict[int, Source] = {}
    for v in np.flatnonzero(row):
        # Every tap of this column of the kernel, read at the column shift of its plane.
        key = int(planes[0, v])
        if key not in sums:
            sums[key] = _column(program, column, planes[:, v], shifts[:, v, 0])
    if len(set(planes[0].tolist())) == 1:
        start = sums[int(planes[0, 0])]
        step = (0, int(shifts[0, 1, 1] - shifts[0, 0, 1])) if len(row) > 1 else (0, 1)
        return _line(program, tuple(row.tolist()), (start[0], start[1], start[2] + int(shifts[0, 0, 1])), step)
    terms = []
    for v in np.flatnonzero(row):
        start = sums[int(planes[0, v])]
        terms.append((int(row[v]), (start[0], start[1], start[2] + int(shifts[0, v, 1]))))
    return _sum(program, terms)


def _column(program: Program, column: NDArray[np.int64], planes: NDArray[np.intp], shifts: NDArray[np.intp]) -> Source:
    used = np.flatnonzero(column)
    if len(set(planes.tolist())) == 1:
        step = (int(shifts[1] - shifts[0]), 0) if len(column) > 1 else (1, 0)
        return _line(program, tuple(column.tolist()), (int(planes[0]), int(shifts[0]), 0), step)
    return _sum(program, [(int(column[u]), (int(planes[u]), int(shifts[u]), 0)) for u in used])


def _rank_one_and_tap(
    program: Program, weights: NDArray[np.int64], planes: NDArray[np.intp], shifts: NDArray[np.intp]
) -> Source | None:
    """A kernel of rank 1 but for its middle: 3x3 ones minus nine times the middle, for example."""
    _, rows, columns = weights.shape
    if weights.shape[0] > 1 or min(rows, columns) < 3:
        return None
    u, v = rows // 2, columns // 2
    if not weights[0, 0, 0] or (weights[0, u, 0] * weights[0, 0, v]) % weights[0, 0, 0]:
        return None
    expected = weights[0, u, 0] * weights[0, 0, v] // weights[0, 0, 0]
    smooth = weights.copy()
    smooth[0, u, v] = expected
    result = _rank_one(program, smooth, planes, shifts)
    if result is None or expected == weights[0, u, v]:
        return None
    middle: Source = (int(planes[0, u, v]), int(shifts[0, u, v, 0]), int(shifts[0, u, v, 1]))
    extra = int(weights[0, u, v] - expected)
    return program.join(result, program.times(middle, abs(extra)), extra < 0)


def _outer(matrix: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Integer vectors whose outer product is ``matrix``; None if there are none."""
    filled = np.flatnonzero(matrix.any(axis=1))
    if not filled.size:
        return None
    first = matrix[filled[0]]
    row = first // gcd(*(int(weight) for weight in first))
    pivot = int(np.flatnonzero(row)[0])
    column = matrix[:, pivot] // row[pivot]
    return (column, row) if np.array_equal(np.outer(column, row), matrix) else None
