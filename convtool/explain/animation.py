"""The sliding window as an animation: one frame for each window, the output filling up.

Numbers, letters and names only, no sentences: the font that Pillow carries has Latin letters, and slides bring their
own words.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache, lru_cache
from math import isfinite

from PIL import Image, ImageDraw, ImageFont

from convtool.engine import reference
from convtool.errors import InputError
from convtool.explain.figures import Figures, brief
from convtool.explain.model import Explanation, Filter, Pixel
from convtool.explain.stepping import At, products_of
from convtool.explain.sums import Window
from convtool.explain.text import added
from convtool.tone.toner import FULL

Colour = tuple[int, int, int]

PAPER, INK, FAINT, EDGE = (255, 255, 255), (20, 24, 32), (100, 106, 118), (205, 209, 216)
OUTSIDE = (238, 240, 243)
MARK = (230, 120, 0)
"""The window: an orange that stands out from greys, blues and reds, and by its thickness without colour."""
BLUE, RED = (33, 102, 172), (178, 24, 43)
"""Strongest negative and positive; zero is white."""
TINTS = {"R": (255, 64, 64), "G": (64, 220, 64), "B": (80, 120, 255)}

STACKED = 3
"""So many maps of one plane each are drawn below each other."""

LARGEST_CELL, SMALLEST_CELL = 40, 14
BOARD = 460
"""Pixels that one plane may be wide."""
MARGIN, GAP = 16, 24
SIZES = (15, 13, 11, 9, 7)
"""Of letters, in pixels."""
SECONDS = 24.0
"""A whole turn takes about so long."""
SHORTEST, LONGEST = 0.12, 0.9
"""Seconds that a frame stays."""
LAST = 2.0
"""Seconds more for the last."""

Box = tuple[int, int]


def animation(explanation: Explanation, steps: Sequence[At], *, gif: bool) -> bytes:
    """A GIF or APNG with one frame for each step; read back and counted before it is handed out.

    Raises InputError if the encoder did not write every frame.
    """
    board = _Board(explanation)
    frames = [board.frame(at) for at in steps]
    pause = round(100 * max(SHORTEST, min(SECONDS / len(frames), LONGEST))) * 10
    durations = [pause] * len(frames)
    durations[-1] += round(LAST * 1000)
    if gif:  # one palette for all, so that nothing flickers
        palette = _palette(frames)
        frames = [each.quantize(palette=palette, dither=Image.Dither.NONE) for each in frames]
    file = io.BytesIO()
    rest = frames[1:]
    if gif:
        frames[0].save(file, "GIF", save_all=True, append_images=rest, duration=durations, loop=0, disposal=1)
    else:
        frames[0].save(file, "PNG", save_all=True, append_images=rest, duration=durations, loop=0)
    data = file.getvalue()
    with Image.open(io.BytesIO(data)) as written:
        found = getattr(written, "n_frames", 1)
    if found != len(steps):
        raise InputError(f"the animation has {found} frames instead of {len(steps)}; this should not happen")
    return data


def _palette(frames: Sequence[Image.Image]) -> Image.Image:
    """The colours of the first, the middle and the last frame."""
    chosen = [frames[0], frames[len(frames) // 2], frames[-1]]
    wide = Image.new("RGB", (frames[0].width, frames[0].height * len(chosen)))
    for number, each in enumerate(chosen):
        wide.paste(each, (0, number * each.height))
    return wide.quantize(255)


class _Board:
    """Where things are drawn; the same for every frame."""

    def __init__(self, explanation: Explanation) -> None:
        self.explanation = explanation
        self.figure = Figures()
        geometries = [each.geometry for each in explanation.filters]
        height, width = explanation.planes.shape[1:]
        self.top = -max(g.rows.before for g in geometries)
        self.left = -max(g.columns.before for g in geometries)
        self.bottom = max(height, *(g.rows.padded - g.rows.before for g in geometries))
        self.right = max(width, *(g.columns.padded - g.columns.before for g in geometries))
        across = max(self.right - self.left, max(one.size[1] for one in explanation.maps))
        self.seen = max(len(_seen(explanation, at, 0)) for at in range(len(explanation.maps)))
        room = BOARD if self.seen == 1 else BOARD // 2
        self.cell = max(SMALLEST_CELL, min(LARGEST_CELL, room // across))
        self.numbers = self.cell >= 24
        self.text = _font(SIZES[0])
        self._still: dict[tuple[int, int], Image.Image] = {}
        kh, kw = (max(each.weights.shape[axis] for each in explanation.filters) for axis in (1, 2))
        self.kernel = kh, kw
        plane = max(self.right - self.left, kw) * self.cell
        out = max(one.size[1] for one in explanation.maps) * self.cell
        members = max(len(one.members) for one in explanation.maps)
        self.step = plane + GAP
        self.below = MARGIN + 24 + (self.bottom - self.top) * self.cell + 30
        single = all(len(one.plane_names) == 1 for one in explanation.maps)
        self.stacked = single and len(explanation.maps) <= STACKED
        heights = [one.size[0] * self.cell + 44 for one in explanation.maps]
        column = sum(heights) if self.stacked else max(heights)
        foot = max(self.below + members * (kh * self.cell + 28), MARGIN + column)
        self.output = MARGIN + self.seen * self.step + GAP
        labels = max(self.text.getlength(f"{one.label} {one.plane_names[0]}") for one in explanation.maps)
        self.size = (max(self.output + max(out, round(labels)) + MARGIN, 420), foot + 30)

    def frame(self, at: At) -> Image.Image:
        """The picture of one step."""
        if at[:2] not in self._still:
            self._still[at[:2]] = self._background(at)
        image = self._still[at[:2]].copy()
        draw = ImageDraw.Draw(image)
        for number, plane in enumerate(_seen(self.explanation, at.map, at.plane)):
            for member in self.explanation.maps[at.map].filters:
                if plane in member.inputs[at.plane]:
                    self._mark(draw, MARGIN + number * self.step, member, at)
        y = MARGIN
        for number, one in enumerate(self.explanation.maps):
            if self.stacked or number == at.map:
                self._output(draw, y, number, at)
                y += one.size[0] * self.cell + 44
        self._sum(draw, self.explanation.pixel(*at))
        return image

    def _background(self, at: At) -> Image.Image:
        """What stays while one map is filled: the planes and the kernels."""
        image = Image.new("RGB", self.size, PAPER)
        draw = ImageDraw.Draw(image)
        for number, plane in enumerate(_seen(self.explanation, at.map, at.plane)):
            x = MARGIN + number * self.step
            self._input(draw, x, plane, at)
            y = self.below
            for member in self.explanation.maps[at.map].filters:
                if plane in member.inputs[at.plane]:
                    self._kernel(draw, (x, y), member, member.inputs[at.plane].index(plane))
                    y += self.kernel[0] * self.cell + 28
        return image

    def _input(self, draw: ImageDraw.ImageDraw, x: int, plane: int, at: At) -> None:
        explanation, one = self.explanation, self.explanation.maps[at.map]
        values, name = explanation.planes[plane], explanation.plane_names[plane]
        height, width = values.shape
        draw.text((x, MARGIN - 4), name, INK, self.text)
        full = float(FULL[explanation.dtype])
        peak = float(abs(values).max()) if isfinite(float(abs(values).max())) else full
        full = full if peak > full / 8 else peak or full  # very dark pictures are drawn brighter; numbers stay
        for row in range(self.top, self.bottom):
            for column in range(self.left, self.right):
                value = reference.sample(values, row, column, one.filters[0].border)
                inside = 0 <= row < height and 0 <= column < width
                colour = _shade(value / full if isfinite(value) else 0.0, TINTS.get(name, (255, 255, 255)))
                place = (x + (column - self.left) * self.cell, MARGIN + 20 + (row - self.top) * self.cell)
                self._cell(draw, place, colour if inside else OUTSIDE, brief(value), padding=not inside)

    def _mark(self, draw: ImageDraw.ImageDraw, x: int, member: Filter, at: At) -> None:
        """A frame around the window; with dilation, around each of its cells."""
        cells = [(row, column) for _, _, row, column in reference.window(member.geometry, at.row, at.column)]
        boxes = [(cells[0], cells[-1])]
        if (member.geometry.rows.dilation, member.geometry.columns.dilation) != (1, 1):
            boxes = [(cell, cell) for cell in cells]
        for (top, left), (bottom, right) in boxes:
            corner = x + (left - self.left) * self.cell, MARGIN + 20 + (top - self.top) * self.cell
            far = x + (right + 1 - self.left) * self.cell, MARGIN + 20 + (bottom + 1 - self.top) * self.cell
            draw.rectangle((*corner, *far), outline=MARK, width=3)

    def _kernel(self, draw: ImageDraw.ImageDraw, at: Box, member: Filter, part: int) -> None:
        weights = member.weights[part]
        peak = float(abs(member.weights).max()) or 1.0
        scale = "" if member.scale == 1 else f"  x {member.scale}"
        draw.text((at[0], at[1] - 20), member.label + scale, FAINT, self.text)
        for r, row in enumerate(weights):
            for c, weight in enumerate(row):
                place = at[0] + c * self.cell, at[1] + r * self.cell
                self._cell(draw, place, _signed(float(weight) / peak), brief(float(weight)))

    def _output(self, draw: ImageDraw.ImageDraw, y: int, number: int, at: At) -> None:
        """The raw values of a map so far: all of the maps before, none of those after."""
        one = self.explanation.maps[number]
        values, name = one.values[at.plane], one.plane_names[at.plane]
        draw.text((self.output, y - 4), one.label + (f" {name}" if len(one.plane_names) > 1 else ""), INK, self.text)
        peak = max((abs(float(v)) for v in values.flat if isfinite(float(v))), default=0.0) or 1.0
        done = at.row * one.size[1] + at.column if number == at.map else values.size if number < at.map else -1
        for position, value in enumerate(float(v) for v in values.flat):
            i, j = divmod(position, one.size[1])
            known = position <= done
            colour = _signed(value / peak) if known and isfinite(value) else PAPER
            place = self.output + j * self.cell, y + 20 + i * self.cell
            self._cell(draw, place, colour, brief(value) if known else "")
        if number == at.map:
            corner = self.output + at.column * self.cell, y + 20 + at.row * self.cell
            draw.rectangle((*corner, corner[0] + self.cell, corner[1] + self.cell), outline=MARK, width=3)

    def _sum(self, draw: ImageDraw.ImageDraw, pixel: Pixel) -> None:
        """The sum with as many of its parts as there is room for."""
        for lines in (self._products(pixel), self._subtotals(pixel), [self.figure(pixel.raw)]):
            line = f"({pixel.row}, {pixel.column})   {'   '.join(lines)}   >   {self.figure(pixel.written)}"
            if self.text.getlength(line) <= self.size[0] - 2 * MARGIN:
                break
        draw.text((MARGIN, self.size[1] - 28), line, INK, self.text)

    def _products(self, pixel: Pixel) -> list[str]:
        return [self._told(window, products_of(window, self.figure), window.total) for window in pixel.windows]

    def _subtotals(self, pixel: Pixel) -> list[str]:
        return [
            self._told(window, added([self.figure(part.subtotal) for part in window.slices]), window.total)
            for window in pixel.windows
        ]

    def _told(self, window: Window, text: str, total: float) -> str:
        """A sum from its parts: scale, bias, raw value."""
        raw = self.figure(window.raw)
        if window.scale != 1:
            text = f"{text} x {window.scale}" if text == self.figure(total) else f"({text}) x {window.scale}"
        text = added([text, self.figure(window.bias)]) if window.bias else text
        return text if text == raw else f"{text} = {raw}"

    def _cell(self, draw: ImageDraw.ImageDraw, at: Box, colour: Colour, text: str, *, padding: bool = False) -> None:
        box = (*at, at[0] + self.cell, at[1] + self.cell)
        draw.rectangle(box, fill=colour, outline=EDGE)
        if padding:  # a corner stroke: it can be told from a white sample without colour
            draw.line((at[0] + 1, at[1] + 7, at[0] + 7, at[1] + 1), fill=FAINT)
        if not self.numbers or not text:
            return
        font = _fitting(text, self.cell - 4)
        ink = FAINT if padding else _ink(colour)
        draw.text((at[0] + self.cell / 2, at[1] + self.cell / 2), text, ink, font, anchor="mm")


@lru_cache(maxsize=1024)
def _fitting(text: str, width: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The largest size in which a text is at most so wide; small ones where none is."""
    return next((_font(size) for size in SIZES if _font(size).getlength(text) <= width), _font(SIZES[-1]))


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


def _seen(explanation: Explanation, map_: int, plane: int) -> list[int]:
    """Input planes that a map's filters see for one output plane."""
    return list(dict.fromkeys(at for each in explanation.maps[map_].filters for at in each.inputs[plane]))


def _shade(share: float, tint: Colour) -> Colour:
    level = max(0.0, min(share, 1.0))
    return (round(tint[0] * level), round(tint[1] * level), round(tint[2] * level))


def _signed(share: float) -> Colour:
    """Blue for negative, white for zero, red for positive."""
    end, depth = (BLUE if share < 0 else RED), min(abs(share), 1.0)
    return tuple(round(255 + (part - 255) * depth) for part in end)  # type: ignore[return-value]


def _ink(colour: Colour) -> Colour:
    """Dark or light, whichever can be read on a colour."""
    return INK if 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 140 else PAPER
