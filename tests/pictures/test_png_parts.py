"""What PNG files are made of, piece by piece: row filters, checksums, and life without isal."""

from __future__ import annotations

import importlib.util
import sys
import zlib

import numpy as np
import pytest

import convtool.pictures.png.deflate
from convtool.pictures.png.filters import SMALLEST, filtered


def guessed(kind: int, left: int, above: int, corner: int) -> int:
    """What a filter subtracts, in the words of the PNG specification."""
    if kind < 4:
        return (0, left, above, (left + above) // 2)[kind]
    estimate = left + above - corner
    return min((abs(estimate - value), order, value) for order, value in enumerate((left, above, corner)))[2]


@pytest.mark.parametrize("kind", range(5))
@pytest.mark.parametrize("values", [(0, 256), (0, 4), (254, 256), (126, 131)])
def test_filters_by_definition(kind: int, values: tuple[int, int]) -> None:
    block = np.random.default_rng(kind).integers(*values, (40, 3 + 60), dtype=np.uint8)
    block[:5] = np.random.default_rng(9).choice(np.array([0, 127, 128, 255], np.uint8), (5, 63))
    rows = filtered(block, 3, kind)
    assert (rows[:, 0] == kind).all()
    values_of = block.tolist()
    for row in range(1, 40):
        for column in range(3, 63):
            neighbours = values_of[row][column - 3], values_of[row - 1][column], values_of[row - 1][column - 3]
            expected = (values_of[row][column] - guessed(kind, *neighbours)) % 256
            assert rows[row - 1, column - 2] == expected


def test_smallest_takes_the_best_filter_of_each_row() -> None:
    block = np.zeros((33, 3 + 90), np.uint8)
    block[1:, 3:] = np.random.default_rng(4).normal(90, 30, (32, 90)).cumsum(axis=1) % 256
    rows = filtered(block, 3, SMALLEST)
    for row in range(32):
        each = [filtered(block, 3, kind)[row] for kind in range(5)]
        costs = [int(np.minimum(line[1:], 256 - line[1:].astype(int)).sum()) for line in each]
        np.testing.assert_array_equal(rows[row], each[costs.index(min(costs))])


def test_adler32_joined() -> None:
    rng = np.random.default_rng(3)
    for first, second in ((0, 0), (1, 0), (0, 5), (70_000, 1), (3, 70_000), (65_521, 65_521), (300_000, 524_288)):
        for high in (2, 256):
            a, b = (rng.integers(high - 2, high, size, dtype=np.uint8).tobytes() for size in (first, second))
            joined = convtool.pictures.png.deflate.adler32_joined(zlib.adler32(a), zlib.adler32(b), len(b))
            assert joined == zlib.adler32(a + b)


def test_without_isal_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "isal", None)
    spec = importlib.util.spec_from_file_location("deflate_without_isal", convtool.pictures.png.deflate.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert not module.has_isal()
    assert zlib.decompress(module.quick(b"strip" * 99), -15) == b"strip" * 99
    assert module.crc32(b"ab", module.crc32(b"x")) == zlib.crc32(b"xab")
