"""The numbers of a plan as lines of text of at most 80 columns, and as plain values for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from convtool.engine.geometry import Axis
from convtool.layers.costs import LayerFacts, StackFacts, Windows

WIDTH = 80
INDENT = 18
MOST_WINDOWS = 3
"""Ways of sliding that are spelt out; layers of many kernel sizes name the number of the others."""


def plan_lines(facts: StackFacts) -> Iterator[str]:
    """The table of all layers, then each of them with its sums written out."""
    if len(facts.layers) > 1:
        yield from _table(facts.layers)
        yield ""
    for number, layer in enumerate(facts.layers, 1):
        head = f"layer {number}: {layer.name}" if len(facts.layers) > 1 else layer.name
        yield head if len(head) <= WIDTH else head[: WIDTH - 3] + "..."
        for label, text in _rows(layer):
            yield from _wrapped(label, text)
        if number < len(facts.layers):
            yield ""
    yield ""
    if len(facts.layers) > 1:
        weights = sum(layer.weights + layer.biases for layer in facts.layers)
        sums = sum(layer.multiply_adds for layer in facts.layers)
        yield f"together {weights:,} parameters, {sums:,} multiply-adds"
    seconds = sum(layer.seconds for layer in facts.layers)
    yield f"filtering takes about {_time(seconds)} on one thread; peak about {facts.peak // 10**6} MB"


def plan_values(facts: StackFacts) -> Iterator[dict[str, Any]]:
    """One mapping a layer."""
    for number, layer in enumerate(facts.layers, 1):
        yield {
            "layer": number,
            "name": layer.name,
            "input": layer.source,
            "sums": layer.sums,
            "output": layer.target,
            "windows": [_window_values(found) for found in layer.windows],
            "weights": layer.weights,
            "biases": layer.biases,
            "fully_connected": {"inputs": layer.dense[0], "outputs": layer.dense[1], "weights": layer.dense_weights},
            "multiply_adds": layer.multiply_adds,
            "receptive_field": layer.field,
            "jump": layer.jump,
            "after": layer.after,
            "methods": layer.methods,
            "bytes": layer.bytes_out,
            "seconds": float(f"{layer.seconds:.3g}"),
        }


def _window_values(found: Windows) -> dict[str, Any]:
    rows, columns = found.geometry.rows, found.geometry.columns
    return {
        "size": (rows.kernel, columns.kernel),
        "stride": (rows.stride, columns.stride),
        "dilation": (rows.dilation, columns.dilation),
        "pad": ((rows.before, rows.after), (columns.before, columns.after)),
        "border": found.border,
        "shared": {"beside": found.shared[0], "below": found.shared[1]},
    }


def _table(layers: Sequence[LayerFacts]) -> Iterator[str]:
    head = ("layer", "input", "output", "parameters", "multiply-adds", "field", "jump")
    rows = [
        (
            str(number),
            _size(layer.source),
            _size(layer.target),
            f"{layer.weights + layer.biases:,}",
            f"{layer.multiply_adds:,}",
            _size(layer.field),
            _size(layer.jump),
        )
        for number, layer in enumerate(layers, 1)
    ]
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    for row in (head, *rows):
        yield "  ".join(f"{text:>{width}}" for text, width in zip(row, widths, strict=True)).rstrip()


def _rows(layer: LayerFacts) -> Iterator[tuple[str, str]]:
    yield "input", _size(layer.source)
    for found in layer.windows[:MOST_WINDOWS]:
        yield from _sliding(found)
    if len(layer.windows) > MOST_WINDOWS:
        yield "", f"and {len(layer.windows) - MOST_WINDOWS} other window sizes"
    if layer.after:
        yield "after the sum", ", ".join((_size(layer.sums), *layer.after))
    yield "output", _size(layer.target)
    biases = f" and {layer.biases:,} bias{'' if layer.biases == 1 else 'es'}" if layer.biases else ""
    yield "parameters", f"{layer.weights:,} weight{'' if layer.weights == 1 else 's'}{biases}, shared by all windows"
    inputs, outputs = layer.dense
    times = layer.dense_weights / layer.weights
    yield (
        "fully connected",
        f"{inputs:,} x {outputs:,} = {layer.dense_weights:,} weights ({times:,.0f} times as many)",
    )
    yield "multiply-adds", f"{layer.multiply_adds:,}"
    yield "receptive field", f"{_size(layer.field)} of the picture, jump {_size(layer.jump)}"
    yield "method", "; ".join(layer.methods[:MOST_WINDOWS]) + f", about {_time(layer.seconds)}"
    yield "memory", f"{_bytes(layer.bytes_out)} of maps"


def _sliding(found: Windows) -> Iterator[tuple[str, str]]:
    rows, columns = found.geometry.rows, found.geometry.columns
    text = f"{rows.kernel}x{columns.kernel}, stride {_size((rows.stride, columns.stride), short=True)}"
    if (rows.dilation, columns.dilation) != (1, 1):
        text += f", dilation {_size((rows.dilation, columns.dilation), short=True)}"
    yield "window", text + f", {_padding(found)}"
    if (down := _formula(rows)) == (across := _formula(columns)):
        yield "rows, columns", down
    else:
        yield "rows", down
        yield "columns", across
    beside, below = found.shared
    if not (beside or below):
        yield "neighbours", f"share none of {found.taps} sample{'' if found.taps == 1 else 's'}"
    elif beside == below:
        yield "neighbours", f"share {beside} of {found.taps} samples"
    else:
        shares = " and ".join(
            f"{_none(n)} of {found.taps} {where}" for n, where in ((beside, "beside"), (below, "below"))
        )
        yield "neighbours", f"share {shares}"


def _none(number: int) -> str:
    return str(number) if number else "none"


def _padding(found: Windows) -> str:
    rows, columns = found.geometry.rows, found.geometry.columns
    sides = (rows.before, columns.after, rows.after, columns.before)
    if not any(sides):
        return "no padding"
    text = str(sides[0]) if len(set(sides)) == 1 else ",".join(map(str, sides))
    return f"padding {text} ({found.border})"


def _formula(axis: Axis) -> str:
    """The size formula with numbers in it."""
    return (
        f"floor(({axis.size} + {axis.before} + {axis.after} - {axis.dilation}*({axis.kernel}-1) - 1)/{axis.stride}) + 1"
        f" = {axis.out}"
    )


def _size(shape: Sequence[int], *, short: bool = False) -> str:
    if short and len(set(shape)) == 1:
        return str(shape[0])
    return "x".join(map(str, shape))


def _wrapped(label: str, text: str) -> Iterator[str]:
    """A label and its text, broken between words where it would be longer than a line."""
    room = WIDTH - INDENT
    line = ""
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > room:
            yield f"  {label:<{INDENT - 2}}{line}".rstrip()
            label, line = "", word
        else:
            line = f"{line} {word}" if line else word
    yield f"  {label:<{INDENT - 2}}{line}".rstrip()


def _time(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{max(1, round(seconds * 1e6))} µs".replace("µ", "u")
    return f"{seconds * 1e3:.2g} ms" if seconds < 0.1 else f"{seconds:.2g} s"


def _bytes(count: int) -> str:
    if count < 10_000:
        return f"{count:,} bytes"
    return f"{count / 1e3:.0f} kB" if count < 1e6 else f"{count / 1e6:.3g} MB"
