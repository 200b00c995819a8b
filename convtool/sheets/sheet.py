"""Contact sheets: small pictures in rows, each with its label, as one PNG."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from math import ceil, sqrt
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from convtool.console import shown
from convtool.pictures.png.rows import PngWriter
from convtool.sheets.cells import Cell

SIDES = ((4, 360), (9, 280), (25, 220), (1 << 30, 176))
"""About how many pixels a side a small picture has, by how many there are at most."""

GAP = 14
LABEL = 170
"""Least width of a cell, for the sake of its text."""
SIZES = (14, 12)
"""Height of the letters of label and facts, in pixels."""
LINES = (17, 15)
INK, GREY_INK, PAPER = (20, 20, 20), (95, 95, 95), (255, 255, 255)
SHAPE = 1.5
"""How wide a sheet is for its height, about."""


def side_for(count: int) -> int:
    """About how large each of so many small pictures is."""
    return next(side for most, side in SIDES if count <= most)


def write_sheet(found: Iterable[Cell], file: IO[bytes]) -> None:
    """Write cells, the input first, to a binary file."""
    sheet = _drawn(list(found))
    with PngWriter(file, sheet.shape[0], sheet.shape[1], 3, 8) as png:
        png.write(sheet)


def _drawn(found: Sequence[Cell]) -> NDArray[np.uint8]:
    """All cells on one sheet, uint8 (H, W, 3)."""
    height = max(cell.picture.shape[0] for cell in found)
    width = max(*(cell.picture.shape[1] for cell in found), LABEL)
    across, down = width + GAP, height + sum(LINES) + 4 + GAP
    columns = min(len(found), max(1, round(sqrt(SHAPE * len(found) * down / across))))
    if len(found) <= 3 and across < 2 * down:
        columns = len(found)
    rows = ceil(len(found) / columns)
    columns = ceil(len(found) / rows)
    image = Image.new("RGB", (GAP + columns * across, GAP + rows * down), PAPER)
    draw = ImageDraw.Draw(image)
    for at, cell in enumerate(found):
        x, y = GAP + at % columns * across, GAP + at // columns * down
        top, left = y + height - cell.picture.shape[0], x + (width - cell.picture.shape[1]) // 2
        image.paste(Image.fromarray(cell.picture), (left, top))
        edge = (left - 1, top - 1, left + cell.picture.shape[1], top + cell.picture.shape[0])
        draw.rectangle(edge, outline=(200, 200, 200))
        text_y = y + height + 4
        for text, size, line, ink in zip((cell.label, cell.facts), SIZES, LINES, (INK, GREY_INK), strict=True):
            draw.text((x, text_y), fitting(drawable(shown(text)), size, width), font=_font(size), fill=ink)
            text_y += line
    return np.asarray(image)


@cache
def _font(size: int) -> Any:
    return ImageFont.load_default(size)


@cache
def _has_glyph(letter: str) -> bool:
    """Whether the font draws a letter, and not the box that stands for all it lacks."""
    font = _font(SIZES[0])
    return letter.isspace() or bytes(font.getmask(letter)) != bytes(font.getmask("\U0010fffd"))


def drawable(text: str) -> str:
    """Text with escapes for what the font lacks: 锐化 becomes ``\\u9510\\u5316``."""
    return "".join(
        letter if letter.isascii() or _has_glyph(letter) else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def fitting(text: str, size: int, width: int) -> str:
    """Text that is at most ``width`` pixels long, its middle left out where it is longer: ends tell maps apart."""
    font = _font(size)
    if font.getlength(text) <= width:
        return text
    keep = len(text) - 1
    while keep > 2:
        head = keep // 2
        short = f"{text[:head]}…{text[len(text) - (keep - head) :]}" if _has_glyph("…") else text[:keep]
        if font.getlength(short) <= width:
            return short
        keep -= 1
    return text[:2]
