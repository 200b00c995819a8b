"""Numbers and blocks of numbers as text of known width."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from math import isfinite
from numbers import Rational

from convtool.console import Line, Piece
from convtool.tone.ranges import Number

DECIMALS = 4
"""Shown of a number that is not whole; of one below 0.001 as many digits."""


class Figures:
    """Numbers as text, without thousands separators; remembers whether any was rounded."""

    def __init__(self) -> None:
        self.rounded = False

    def __call__(self, value: Number) -> str:
        """The number, whole or to four decimals."""
        if not isfinite(value):
            return str(float(value))
        if value == int(value):
            return str(int(value))
        small = abs(float(value)) < 10.0 ** (1 - DECIMALS)
        text = f"{float(value):.{DECIMALS}g}" if small else f"{float(value):.{DECIMALS}f}".rstrip("0").rstrip(".")
        self.rounded = self.rounded or float(text) != float(value)
        return text

    def fraction(self, value: Number) -> str:
        """A factor as it was written, if it is a short fraction: 4/15."""
        text = str(value)
        return text if isinstance(value, Rational) and len(text) <= 12 else self(value)


def brief(value: float) -> str:
    """A number for a cell: whole, or to four digits."""
    return str(int(value)) if isfinite(value) and value == int(value) else f"{value:.4g}"


def columns(text: str) -> int:
    """Columns of a terminal that a text takes: two for each Chinese character."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def filled(text: str, width: int) -> str:
    """The text followed by blanks, ``width`` columns in all."""
    return text + " " * (width - columns(text))


def wrapped(text: str, width: int, indent: str = "  ") -> Iterator[str]:
    """The text in lines of at most ``width`` columns, broken at blanks and after Chinese punctuation."""
    line = ""
    for part in re.findall(r"[^ ，；：。]*[，；：。]|[^ ，；：。]+ ?| ", text):
        if line.strip() and columns(line + part.rstrip()) > width:
            yield line.rstrip()
            line = indent + part.lstrip()
        else:
            line += part
    yield line.rstrip()


Block = list[Line]
"""Lines that stand beside those of other blocks."""


def grid(rows: Sequence[Sequence[str]], heat: Sequence[Sequence[float | None]] | None = None) -> Block:
    """Texts in columns of equal width, flush right."""
    width = max(len(text) for row in rows for text in row)
    block: Block = []
    for r, row in enumerate(rows):
        pieces = []
        for c, text in enumerate(row):
            pieces.append(Piece(" " * (width - len(text) + (1 if c else 0))))
            pieces.append(Piece(text, heat[r][c] if heat else None))
        block.append(tuple(pieces))
    return block


def titled(title: str, block: Block) -> Block:
    """A block under its title."""
    return [(Piece(title),), *block]


def width_of(block: Block) -> int:
    """Columns of the widest line."""
    return max(sum(columns(piece.text) for piece in line) for line in block)


def flow(blocks: Sequence[Block], width: int, *, gap: int = 3, indent: int = 2) -> Iterator[Line]:
    """Blocks side by side, in as many rows as it takes to stay within ``width`` columns."""
    row: list[Block] = []
    used = indent
    for block in blocks:
        needed = width_of(block) + (gap if row else 0)
        if row and used + needed > width:
            yield from _beside(row, gap, indent)
            row, used, needed = [], indent, width_of(block)
        row.append(block)
        used += needed
    yield from _beside(row, gap, indent)


def _beside(blocks: Sequence[Block], gap: int, indent: int) -> Iterator[Line]:
    widths = [width_of(block) for block in blocks]
    for at in range(max(map(len, blocks))):
        pieces = [Piece(" " * indent)]
        for number, (block, width) in enumerate(zip(blocks, widths, strict=True)):
            line = block[at] if at < len(block) else ()
            pieces += line
            if number + 1 < len(blocks):
                pieces.append(Piece(" " * (width - sum(columns(piece.text) for piece in line) + gap)))
        yield tuple(pieces)


def heat_of(values: Sequence[Sequence[float]], peak: float | None = None) -> list[list[float | None]]:
    """Values as heat: the largest magnitude is 1."""
    largest = peak or max((abs(v) for row in values for v in row if isfinite(v)), default=0.0) or 1.0
    return [[max(-1.0, min(v / largest, 1.0)) if isfinite(v) else None for v in row] for row in values]
