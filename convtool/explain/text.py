"""One output pixel as lines of text: the window, the kernel, the products, and every step to the written sample.

Lines are at most 80 columns wide where the numbers allow it, and say in words what colour says as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from convtool.console import Line, Piece
from convtool.engine.geometry import Axis
from convtool.explain.figures import Figures, filled, flow, grid, heat_of, titled, width_of
from convtool.explain.model import Explanation, Filter, Pixel
from convtool.explain.sums import Slice, Window
from convtool.explain.toning import Step
from convtool.explain.words import Words
from convtool.tone.ranges import Number
from convtool.tone.toner import FULL

WIDTH = 80
TALLEST = 15
"""Of kernels with more rows, the largest products are shown."""
LARGEST_PRODUCTS = 8
TYPED = ("units", "coded", "round", "clip")
"""Steps that belong to the type of the samples, not to the range."""


def plain(text: str = "") -> Line:
    """A line without heat."""
    return (Piece(text),) if text else ()


def describe_run(explanation: Explanation, words: Words) -> Iterator[Line]:
    """The command, the picture, the settings in force and the size formula with the run's numbers."""
    source, settings = explanation.source, explanation.settings
    height, width = explanation.planes.shape[1:]
    names = " ".join(map(words.plane, explanation.plane_names))
    yield plain(explanation.command)
    facts = [(words("picture"), f"{source.name}  {height}x{width}  {names}  {explanation.dtype}")]
    if source.crop is not None:
        crop = source.crop
        ends = {"top": crop.row, "bottom": crop.row + crop.height - 1}
        ends |= {"left": crop.column, "right": crop.column + crop.width - 1}
        facts.append((words("crop"), words("crop_note", **ends, height=source.size[0], width=source.size[1])))
    facts.append((words("stride"), f"{settings.stride[0]}x{settings.stride[1]}"))
    facts.append((words("dilation"), f"{settings.dilation[0]}x{settings.dilation[1]}"))
    shapes: dict[tuple[int, int], Filter] = {}
    for each in explanation.filters:
        shapes.setdefault(each.member.kernel.size, each)
    for one in shapes.values():
        figure = Figures()
        border = one.border.mode + (f"={figure(one.border.value)}" if one.border.mode == "constant" else "")
        rows, across = one.geometry.rows, one.geometry.columns
        sides = {"top": rows.before, "bottom": rows.after, "left": across.before, "right": across.after}
        facts.append((words("padding"), words("padding_value", **sides, border=border)))
        name = words("size") if len(shapes) == 1 else words("size_of", label=one.label)
        facts.append((name, f"{words('rows')} {_formula(rows)}"))
        facts.append(("", f"{words('columns')} {_formula(across)}"))
    yield from aligned(facts)


def _formula(axis: Axis) -> str:
    inner = f"{axis.size} + {axis.before} + {axis.after} - {axis.dilation}*({axis.kernel} - 1) - 1"
    return f"floor(({inner}) / {axis.stride}) + 1 = {axis.out}"


def aligned(facts: list[tuple[str, str]]) -> Iterator[Line]:
    """Names and what they stand for, in two columns."""
    width = max(width_of([plain(name)]) for name, _ in facts if name) + 2
    yield from (plain(f"  {filled(name, width)}{value}") for name, value in facts)


def describe_pixel(explanation: Explanation, pixel: Pixel, words: Words, *, strongest: bool = False) -> Iterator[Line]:
    """All that leads to one written sample."""
    one = explanation.maps[pixel.map]
    yield plain(words.place(one.label, one.plane_names, pixel.plane, pixel.row, pixel.column))
    if strongest:
        yield plain(words("strongest"))
    figure = Figures()
    for window in pixel.windows:
        yield plain()
        if len(pixel.windows) > 1:
            yield plain(f"  {words('filter', label=explanation.filters[window.filter].label)}")
        for part in window.slices:
            yield from _slice(explanation, window, part, figure, words)
            if window.cover is None and any(cell.alpha != 1 for line in part.cells for cell in line):
                rows, across = explanation.filters[window.filter].geometry
                at = {"row": rows.anchor(pixel.row), "column": across.anchor(pixel.column)}
                yield plain(f"    {words('mixed', **at)}")
            yield plain()
        facts = sum_facts(window, figure, words)
        if len(pixel.windows) == 1:
            facts += written_facts(explanation, pixel, figure, words)
        yield from aligned(facts)
    if len(pixel.windows) > 1:
        yield plain()
        yield from aligned(written_facts(explanation, pixel, figure, words))
    if figure.rounded:
        yield plain(f"  {words('rounded')}")


def _slice(explanation: Explanation, window: Window, part: Slice, figure: Figures, words: Words) -> Iterator[Line]:
    one = explanation.filters[window.filter]
    name = words.plane(explanation.plane_names[part.plane])
    first, last = part.cells[0][0], part.cells[-1][-1]
    ends = {"top": first.row, "bottom": last.row, "left": first.column, "right": last.column}
    steps = one.geometry.rows.dilation, one.geometry.columns.dilation
    apart = words("dilated", rows=steps[0], columns=steps[1]) if steps != (1, 1) else ""
    yield plain(f"  {words('channel', plane=name, **ends)}{apart}")
    padding = [cell for line in part.cells for cell in line if cell.from_padding]
    values = [[_bracketed(figure(cell.value), cell.from_padding) for cell in line] for line in part.cells]
    weights = [[cell.weight for cell in line] for line in part.cells]
    products = [[cell.product for cell in line] for line in part.cells]
    blocks = [titled(words("window"), grid(values))]
    hidden = any(cell.alpha != 1 for line in part.cells for cell in line)
    if hidden:
        blocks.append(titled(words("alpha"), grid([[figure(cell.alpha) for cell in line] for line in part.cells])))
    blocks += [
        titled(words("kernel"), grid([[figure(v) for v in row] for row in weights], heat_of(weights))),
        titled(words("products"), grid([[figure(v) for v in row] for row in products], heat_of(products))),
    ]
    if len(part.cells) > TALLEST or max(map(width_of, blocks)) > WIDTH - 4:
        yield from _largest(part, figure, words)
    else:
        yield from flow(blocks, WIDTH, gap=4, indent=4)
        if padding:
            yield plain(f"    {words('padding_cells', number=figure(padding[0].value), border=one.border.mode)}")
    yield plain(f"    {words('subtotal', plane=name, value=figure(part.subtotal))}")


def _bracketed(text: str, padding: bool) -> str:
    return f"({text})" if padding else f" {text} "


def _largest(part: Slice, figure: Figures, words: Words) -> Iterator[Line]:
    """A window that is too large to be drawn: the products that count most, and what the others add up to."""
    cells = [cell for line in part.cells for cell in line]
    yield plain(f"    {words('largest', count=len(cells))}")
    ordered = sorted(cells, key=lambda cell: -abs(cell.product))
    for cell in ordered[:LARGEST_PRODUCTS]:
        numbers = {name: figure(getattr(cell, name)) for name in ("value", "weight", "product")}
        text = words("tap", row=cell.row, column=cell.column, **numbers)
        yield plain(f"      {text}{words('from_padding') if cell.from_padding else ''}")
    others = ordered[LARGEST_PRODUCTS:]
    total = sum(cell.product for cell in others)
    yield plain(f"      {words('others', count=len(others), value=figure(total))}")


def sum_facts(window: Window, figure: Figures, words: Words) -> list[tuple[str, str]]:
    """From subtotals to the raw value of one filter."""
    facts = []
    subtotals = [figure(part.subtotal) for part in window.slices]
    text = added(subtotals)
    facts.append((words("sum"), text if len(subtotals) == 1 else f"{text} = {figure(window.total)}"))
    if (cover := window.cover) is not None and cover.visible != cover.whole:
        parts = {"total": window.total, "visible": cover.visible, "whole": cover.whole, "value": window.weighted}
        facts.append((words("cover"), words("cover_note", **{name: figure(each) for name, each in parts.items()})))
    value: Number = window.weighted
    if window.scale != 1:
        value = Fraction(value) * window.scale if value == value and abs(value) != float("inf") else value
        facts.append((words("scale"), f"{figure(window.weighted)} * {figure.fraction(window.scale)} = {figure(value)}"))
    facts.append((words("bias"), f"{added([figure(value), figure(window.bias)])} = {figure(window.raw)}"))
    facts.append((words("raw"), figure(window.raw)))
    return facts


def added(texts: list[str]) -> str:
    """Numbers with plus and minus between them."""
    return texts[0] + "".join(f" - {text[1:]}" if text.startswith("-") else f" + {text}" for text in texts[1:])


def written_facts(explanation: Explanation, pixel: Pixel, figure: Figures, words: Words) -> list[tuple[str, str]]:
    """From the raw value to the written sample: merging, range, type."""
    one = explanation.maps[pixel.map]
    facts = []
    if one.merge:
        facts.append(
            (words("merge"), _merging(one.merge, [figure(each.raw) for each in pixel.windows], figure(pixel.raw)))
        )
    y = pixel.raw
    ranged: list[str] = []
    typed: list[str] = []
    for step in pixel.steps:
        (typed if step.name in TYPED else ranged).append(_step(step, y, one.dtype, figure, words))
        y = step.value
    before = [pixel.raw, *(step.value for step in pixel.steps if step.name not in TYPED)][-1]
    if one.range.how not in (step.name for step in pixel.steps) or one.range.how == "clip":
        key = {"clip": "step_clip_range", "stretch": "step_flat"}.get(one.range.how, "step_raw")
        ranged.append(words(key, y=figure(before)))
    if not typed:
        typed.append(words("step_fits", dtype=one.dtype, y=figure(before)))
    facts += [(words("range") if not at else "", text) for at, text in enumerate(ranged)]
    facts += [(words("dtype") if not at else "", text) for at, text in enumerate(typed)]
    facts.append((words("written"), figure(pixel.written)))
    if one.written.shape[2] > len(one.plane_names):
        rows, across = one.filters[0].geometry
        at = {"row": rows.anchor(pixel.row), "column": across.anchor(pixel.column)}
        value = figure(float(one.written[pixel.row, pixel.column, -1]))
        text = words("alpha_note", **at, value=value)
        if (cover := pixel.windows[0].cover) is not None and len(pixel.windows) == 1:
            told = {"visible": figure(cover.visible), "whole": figure(cover.whole)}
            text = words("alpha_of_blur", **told, full=figure(FULL[one.dtype]), value=value)
        elif len(pixel.windows) > 1:
            text = value
        facts.append((words("alpha"), text))
    return facts


def _merging(how: str, values: list[str], result: str) -> str:
    if how == "magnitude":
        return f"sqrt({' + '.join(f'({v})^2' if v.startswith('-') else f'{v}^2' for v in values)}) = {result}"
    if how == "max":
        return f"max({', '.join(values)}) = {result}"
    return f"({added(values)}) / {len(values)} = {result}" if how == "mean" else f"{added(values)} = {result}"


def _step(step: Step, y: Number, dtype: str, figure: Figures, words: Words) -> str:
    operands = [figure.fraction(each) if step.name in ("gain", "units") else figure(each) for each in step.operands]
    return words(f"step_{step.name}", *operands, y=figure(y), value=figure(step.value), dtype=dtype)
