"""A run window by window: frames of text in which the output fills up, and the keys that walk through them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from convtool import console
from convtool.console import Line, Piece
from convtool.engine import reference
from convtool.errors import UsageError
from convtool.explain.figures import Block, Figures, brief, filled, flow, heat_of, titled, wrapped
from convtool.explain.keys import pressed
from convtool.explain.model import Explanation
from convtool.explain.sums import Window
from convtool.explain.text import WIDTH, added, aligned, plain, sum_facts, written_facts
from convtool.explain.words import Words
from convtool.tuples import NamedTuple

SMALL = 12
"""Pictures with longer sides are cropped before they are walked through,"""
SIDE = 8
"""to this side."""
MOST = 600
"""Windows that are walked through or animated at most."""
PAUSE = 0.7
"""Seconds that a frame stays while playing."""

MARKS = {(False, False): " {} ", (True, False): "[{}]", (False, True): "({})", (True, True): "{{{}}}"}
"""How a cell is written: (inside the window, from the padding)."""


class At(NamedTuple):
    """One step: an output of one plane of one map."""

    map: int
    plane: int
    row: int
    column: int


def steps_of(explanation: Explanation, option: str) -> list[At]:
    """Every window, map by map, plane by plane, row by row; raises UsageError if there are too many."""
    sizes = [(len(one.plane_names), *one.size) for one in explanation.maps]
    total = sum(planes * rows * columns for planes, rows, columns in sizes)
    if total > MOST:
        raise UsageError(
            f"{option} would take {total} steps, and {MOST} are the most; take a part with --crop R,C,H,W, fewer"
            " kernels, one channel with --channels luma, or a larger --stride"
        )
    return [
        At(at, plane, i, j)
        for at, (planes, rows, columns) in enumerate(sizes)
        for plane in range(planes)
        for i in range(rows)
        for j in range(columns)
    ]


def start_of(steps: list[At], row: int, column: int) -> int:
    """The first step at an output position; the very first if there is none."""
    return next((n for n, at in enumerate(steps) if (at.row, at.column) == (row, column)), 0)


def frame(
    explanation: Explanation, steps: list[At], number: int, words: Words, *, short: bool = False
) -> Iterator[Line]:
    """What is seen at one step: the input with the window marked, the output so far, and the sum."""
    at = steps[number]
    one = explanation.maps[at.map]
    pixel = explanation.pixel(*at)
    place = words.place(one.label, one.plane_names, at.plane, at.row, at.column)
    yield plain(f"{words('step', number=number + 1, count=len(steps))}   {place}")
    figure = Figures()
    blocks = _inputs(explanation, at, words)
    blocks.append(titled(words("output", label=one.label), _output(explanation, at)))
    yield from flow(blocks, WIDTH, gap=2, indent=0)
    if short:
        yield plain(f"{words('raw')} {figure(pixel.raw)}   {words('written')} {figure(pixel.written)}")
        return
    facts = [fact for window in pixel.windows for fact in _sums(window, figure, words)]
    facts += written_facts(explanation, pixel, figure, words)
    yield from aligned(facts)
    yield plain(words("legend"))


def _sums(window: Window, figure: Figures, words: Words) -> list[tuple[str, str]]:
    """The facts of a sum, with its products where one plane is seen and a line holds them."""
    first, *rest = sum_facts(window, figure, words)[:-1]
    if len(window.slices) == 1:
        text = f"{products_of(window, figure)} = {figure(window.total)}"
        first = (first[0], text) if len(text) <= WIDTH - 12 else first
    return [first, *rest]


def products_of(window: Window, figure: Figures) -> str:
    """All products with a weight other than 0, plus and minus between them."""
    cells = [cell for part in window.slices for line in part.cells for cell in line if cell.weight]
    return added([figure(cell.product) for cell in cells] or ["0"])


def _inputs(explanation: Explanation, at: At, words: Words) -> list[Block]:
    """The planes that the map's filters see, padding around them, window cells marked."""
    one = explanation.maps[at.map]
    height, width = explanation.planes.shape[1:]
    geometries = [each.geometry for each in one.filters]
    rows = range(
        -max(g.rows.before for g in geometries),
        max(height, *(g.rows.padded - g.rows.before for g in geometries)),
    )
    across = range(
        -max(g.columns.before for g in geometries),
        max(width, *(g.columns.padded - g.columns.before for g in geometries)),
    )
    blocks = []
    for seen in dict.fromkeys(plane for each in one.filters for plane in each.inputs[at.plane]):
        within = {
            (row, column)
            for each in one.filters
            if seen in each.inputs[at.plane]
            for _, _, row, column in reference.window(each.geometry, at.row, at.column)
        }
        texts, marks = [], []
        for row in rows:
            values = [reference.sample(explanation.planes[seen], row, k, one.filters[0].border) for k in across]
            texts.append([brief(value) for value in values])
            marks.append([((row, k) in within, not (0 <= row < height and 0 <= k < width)) for k in across])
        digits = max(len(text) for line in texts for text in line)
        lines: Block = [
            tuple(
                Piece(MARKS[mark].format(text.rjust(digits)), 1.0 if mark[0] else None)
                for text, mark in zip(line, kinds, strict=True)
            )
            for line, kinds in zip(texts, marks, strict=True)
        ]
        blocks.append(titled(words("input", plane=words.plane(explanation.plane_names[seen])), lines))
    return blocks


def _output(explanation: Explanation, at: At) -> Block:
    """The raw values so far; a dot for each that is still to come."""
    one = explanation.maps[at.map]
    values = one.values[at.plane]
    heat = heat_of(values.tolist())
    done = at.row * one.size[1] + at.column
    texts = [[brief(float(v)) for v in row] for row in values]
    digits = max(len(text) for row in texts for text in row)
    lines: Block = []
    for i, row in enumerate(texts):
        pieces = []
        for j, text in enumerate(row):
            position = i * one.size[1] + j
            mark = "[{}]" if position == done else " {} "
            shown = text if position <= done else "."
            pieces.append(Piece(mark.format(shown.rjust(digits)), heat[i][j] if position <= done else None))
        lines.append(tuple(pieces))
    return lines


def tell(explanation: Explanation, steps: list[At], words: Words) -> Iterator[Line]:
    """Every step as a sentence, for where there is no terminal to draw on."""
    figure = Figures()
    for number, at in enumerate(steps):
        one, pixel = explanation.maps[at.map], explanation.pixel(*at)
        plane = words("of_plane", plane=words.plane(one.plane_names[at.plane])) if len(one.plane_names) > 1 else ""
        sums = []
        for window in pixel.windows:
            text = products_of(window, figure)
            if window.scale != 1:
                text = f"({text}) * {figure.fraction(window.scale)}"
            sums.append(f"{text} + {words('bias')} {figure(window.bias)} = {figure(window.raw)}")
        sentence = words(
            "line", step=words("step", number=number + 1, count=len(steps)), map=one.label, plane=plane, row=at.row,
            column=at.column, sum="; ".join(sums), raw=figure(pixel.raw), written=figure(pixel.written),
        )  # fmt: skip
        yield from map(plain, wrapped(sentence, WIDTH))


def walk(explanation: Explanation, steps: list[At], words: Words, start: int) -> None:
    """Walk through the steps with keys on a terminal: next, back, play, quit."""
    number, playing = start, False
    with ExitStack() as stack:
        screen = stack.enter_context(console.full_screen())
        read = stack.enter_context(pressed())
        while True:
            rows = screen.rows - 1
            lines = list(frame(explanation, steps, number, words))
            if len(lines) > rows - 1:
                lines = list(frame(explanation, steps, number, words, short=True))
            keys = filled(words("keys"), 1) + (f"   {words('playing')}" if playing else "")
            screen.show([*lines[: rows - 1], plain(keys)])
            key = read(PAUSE if playing else None)
            if key == "quit":
                return
            playing = (not playing) if key == "play" else playing and key == ""
            if key == "next" or (playing and key == ""):
                number = min(number + 1, len(steps) - 1)
            number = {"back": max(number - 1, 0), "first": 0, "last": len(steps) - 1}.get(key, number)
            if playing and number == len(steps) - 1 and key == "":
                playing = False
