"""A run as a short Python program: reading, sliding, toning and writing, the sliding by the tool that was asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from math import lcm

import numpy as np
from numpy.typing import NDArray

from convtool.errors import UsageError
from convtool.layers.activations import activated_program
from convtool.layers.merging import MERGES
from convtool.tone.ranges import Units
from convtool.translate.recipe import Map, Nested, Part, Recipe, Run
from convtool.translate.sliding import HEAD, NUMPY, OPENCV, SCIPY, TORCH, Sliding

TOOLS: dict[str, Sliding] = {"numpy": NUMPY, "scipy": SCIPY, "opencv": OPENCV, "torch": TORCH}

POOLING = (
    "def pool(y, size, stride):",
    "    windows = np.lib.stride_tricks.sliding_window_view(y, size, axis=(0, 1))",
    "    return windows[:: stride[0], :: stride[1]]  # rows, columns, channels, and the window",
)


def to_python(run: Run, tool: str) -> str:
    """The program; raises UsageError for what cannot be said with this tool."""
    sliding, pillow = TOOLS[tool], tool != "opencv"
    _check(run, tool)
    body = [*_reading(run, pillow=pillow), "", ""]
    several = len(run.layers) > 1
    functions: dict[str, list[str]] = {}
    calls = []
    for number, recipe in enumerate(run.layers, 1):
        lines = sliding.function(recipe)
        known = next((name for name, other in functions.items() if other == lines), None)
        calls.append(known or (f"correlate{number}" if functions else "correlate"))
        functions[calls[-1]] = lines
    for name, lines in functions.items():
        body += [*(line.replace(HEAD, HEAD.replace("correlate", name)) for line in lines), "", ""]
    if any(recipe.pool for recipe in run.layers):
        body += [*POOLING, "", ""]
    body += [*_saving(run, pillow=pillow), ""]
    for number, recipe in enumerate(run.layers, 1):
        last = number == len(run.layers)
        body += [] if last else ["", f"maps{number} = []"]
        for each in recipe.maps:
            mark = "" if last and not several else f"layer {number}: "
            end = f"save(y, {_quoted(each.target.path)})" if last else f"maps{number}.append(y)"
            body += ["", f"# {mark}{each.label}", *_map(each, recipe, run, calls[number - 1], number), end]
    imports = {"import numpy as np", *sliding.imports}
    if tool == "scipy":
        used = [name for name in ("ndimage", "signal") if any(f"{name}." in line for line in body)]
        imports.add(f"from scipy import {', '.join(used)}")
    if any("Image" in line for line in body):
        imports.add("from PIL import Image" + (", ImageOps" if any("ImageOps" in line for line in body) else ""))
    if any("Path(" in line for line in body):
        imports.add("from pathlib import Path")
    ordered = sorted(imports, key=lambda line: (line.startswith("from"), line))
    return "\n".join([f'"""{_plain(run.command)}"""', "", *ordered, "", *body])


def _plain(command: str) -> str:
    return command.replace("\\", "\\\\").replace('"""', "'''")


def _quoted(text: str) -> str:
    """A path as people write it in Python."""
    shown = repr(text)
    return f'"{text}"' if shown == f"'{text}'" and '"' not in text else shown


def _check(run: Run, tool: str) -> None:
    layout = run.layout
    if run.mode != "npy":
        if tool != "opencv" and layout.dtype == "uint16" and layout.channels > 1:
            raise UsageError("Pillow reads no 16-bit colour, so --as numpy, scipy and torch cannot; --as opencv can")
        if tool == "opencv" and (run.mode not in ("L", "RGB", "RGBA", "I;16", "F") or run.turned):
            raise UsageError(f"OpenCV reads {run.path} in another way than convtool; convert it to RGB, upright")
    for each in run.maps:
        colour = each.layout.channels > 1
        form = each.target.format
        if tool != "opencv" and form != "npy" and colour and each.layout.dtype != "uint8":
            raise UsageError(f"Pillow writes no {each.layout.dtype} colour, so --as {tool} cannot; write npy (-f npy)")
        if tool == "opencv" and form != "npy" and each.layout.channels == 2:
            raise UsageError("OpenCV writes no grey with alpha; the nearest is --alpha drop")
        if any(part.luma and each.alpha == "channel" for part in each.parts):
            raise UsageError(f"--as {tool} cannot say --channels luma with --alpha filter; the nearest is --alpha keep")


def _reading(run: Run, *, pillow: bool) -> list[str]:
    path, layout = _quoted(run.path), run.layout
    shape = f"# rows, columns, channels: {layout.height}, {layout.width}, {layout.channels}"
    if run.mode == "npy":
        return [f"x = np.load({path}).astype(float).reshape({layout.height}, {layout.width}, -1)  {shape}"]
    if not pillow:
        lines = [f"x = cv2.imread({path}, cv2.IMREAD_UNCHANGED)"]
        if layout.colours == 3:
            code = "BGRA2RGBA" if layout.alpha else "BGR2RGB"
            lines.append(f"x = cv2.cvtColor(x, cv2.COLOR_{code})")
        return [*lines, f"x = x.astype(float).reshape({layout.height}, {layout.width}, -1)  {shape}"]
    image = f"Image.open({path})"
    if run.turned:
        image = f"ImageOps.exif_transpose({image})"
    mode = {(1, False): "L", (1, True): "LA", (3, False): "RGB", (3, True): "RGBA"}[layout.colours, layout.alpha]
    if layout.dtype == "uint8" and run.mode != mode:
        image += f'.convert("{mode}")'
    return [f"x = np.asarray({image}).astype(float).reshape({layout.height}, {layout.width}, -1)  {shape}"]


def _saving(run: Run, *, pillow: bool) -> list[str]:
    layouts = {each.layout.dtype for each in run.maps}
    dtype = layouts.pop()
    formats = {each.target.format for each in run.maps}
    lines = ["def save(y, path):"]
    if any(os.path.dirname(each.target.path) for each in run.maps):
        lines += ["    Path(path).parent.mkdir(parents=True, exist_ok=True)"]
    if dtype == "float32":
        lines += ["    y = y.astype(np.float32)"]
    else:
        full = {"uint8": 255, "uint16": 65535}[dtype]
        lines += [f"    y = np.clip(np.rint(y), 0, {full}).astype(np.{dtype})  # rint: half to even"]
    lines += ["    y = y[..., 0] if y.shape[2] == 1 else y"]
    form = formats.pop()
    if form == "npy":
        return [*lines, "    np.save(path, y)"]
    if pillow:
        quality = f", quality={run.quality}" if form in ("jpg", "webp") else ""
        return [*lines, f"    Image.fromarray(y).save(path{quality})"]
    if run.maps[0].layout.colours == 3:
        code = "RGBA2BGRA" if run.maps[0].layout.alpha else "RGB2BGR"
        lines += [f"    y = cv2.cvtColor(y, cv2.COLOR_{code}) if y.ndim == 3 else y"]
    quality = ""
    if form in ("jpg", "webp"):
        quality = f", [cv2.IMWRITE_{'JPEG' if form == 'jpg' else 'WEBP'}_QUALITY, {run.quality}]"
    return [*lines, f"    cv2.imwrite(path, y{quality})"]


def _map(each: Map, recipe: Recipe, run: Run, function: str, number: int) -> list[str]:
    """One map in ``y``; ``function`` slides the kernels of its layer, whose number is ``number``."""
    lines: list[str] = []
    gain = each.range.gain
    if each.merge is None and not (recipe.activation or recipe.pool):
        lines += _part(each.parts[0], "y", function, number)
        factor, offset = each.parts[0].factor * gain, each.parts[0].bias * gain
    else:
        names = [f"y{at}" for at in range(1, len(each.parts) + 1)] if each.merge else ["y"]
        for name, part in zip(names, each.parts, strict=True):
            lines += _part(part, name, function, number)
            lines += _affine(name, part.factor, part.bias)
            if recipe.activation:
                lines.append(f"{name} = {activated_program(name, recipe.activation)}")
            if recipe.pool:
                how = "mean" if recipe.pool.how == "avg" else "max"
                lines.append(f"{name} = pool({name}, {recipe.pool.size}, {recipe.pool.stride}).{how}(axis=(3, 4))")
        if each.merge:
            lines.append(f"y = {MERGES[each.merge].program(names)}  # {each.merge}")
        factor, offset = gain, Fraction(0)
    to_output = each.to_output
    if each.range.fitted:
        lines += _affine("y", factor, offset)
        lines += _fitted(each.range.how, run, to_output, alpha=each.alpha == "channel")
    else:
        line = each.range._replace(gain=Fraction(1)).line(Units(run.full, run.middle))  # the gain is in the factor
        lines += _affine("y", factor * to_output, (offset + line.shift) * to_output)
        if line.absolute:
            lines.append("y = np.abs(y)")
    if each.alpha == "anchor":
        rows, columns = (_anchors(at, each, recipe) for at in (0, 1))
        full = to_output * run.scale
        scale = f" * {full}" if full.denominator == 1 and full != 1 else ""
        scale = f" / {full.denominator}" if full.numerator == 1 and full != 1 else scale
        lines.append(f"y = np.concatenate([y, x[{rows}][:, {columns}, -1:]{scale}], axis=2)  # its own alpha")
    return lines


def _anchors(axis: int, each: Map, recipe: Recipe) -> str:
    """The rows or columns that outputs belong to, as an index."""
    size = (recipe.layout.height, recipe.layout.width)[axis]
    out, stride = (each.layout.height, each.layout.width)[axis], recipe.stride[axis]
    first = each.anchors[axis]
    last = first + (out - 1) * stride
    if first >= 0 and last < size:
        return f"{first}:{last + 1}:{stride}" if stride > 1 or first or last + 1 < size else ":"
    steps = f"np.arange({out})" + (f" * {stride}" if stride > 1 else "") + (f" + {first}" if first else "")
    return f"np.clip({steps}, 0, {size - 1})"


def _part(part: Part, name: str, function: str, number: int) -> Iterator[str]:
    (top, bottom), (left, right) = part.pad
    yield f"weights = {_numbers(part.weights)}"
    call = f"{function}({_seen(part, number)}, weights, pad=(({top}, {bottom}), ({left}, {right})))"
    yield f"{name} = {call}" + (".sum(axis=2, keepdims=True)" if part.summed else "")


def _seen(part: Part, number: int) -> str:
    """What a kernel sees: channels of the picture, or of maps of the layer before."""
    seen = "x"
    if part.inputs:
        seen = f"maps{number - 1}[{part.inputs[0]}]"
    if len(part.inputs) > 1:
        seen = f"np.concatenate(maps{number - 1}, axis=2)"
    if part.indices != tuple(range(part.channels)):
        plain = part.indices == tuple(range(len(part.indices)))
        seen += f"[..., :{len(part.indices)}]" if plain else f"[..., {list(part.indices)}]"
    if part.affine is not None:
        gains, offsets = part.affine
        if len(set(gains)) == len(set(offsets)) == 1:
            seen += f" * {float(gains[0])!r}" + (f" + {float(offsets[0])!r}" if offsets[0] else "")
        else:
            seen += f" * np.array({[float(g) for g in gains]}) + np.array({[float(o) for o in offsets]})"
    if part.luma:
        seen = f"({seen})" if part.affine is not None else seen
        seen += " @ np.array([[0.299], [0.587], [0.114]])"
    return seen


def _numbers(weights: Nested) -> str:
    """Weights as they are written, a row a line where one line would be long; a column times a row where they are."""
    text = repr(weights)
    if len(text) <= 90:
        return text
    if (vectors := _vectors(np.array(weights))) is not None:
        return f"np.outer(\n    {vectors[0].tolist()},\n    {vectors[1].tolist()},\n)"
    if isinstance(weights[0][0], list):
        planes = ",\n    ".join("[" + ",\n     ".join(repr(row) for row in plane) + "]" for plane in weights)
        return f"[\n    {planes},\n]"
    return "[\n    " + ",\n    ".join(repr(row) for row in weights) + ",\n]"


def _vectors(weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """The column and row that weights are the products of, such as a Gaussian's; None if they are not."""
    total = weights.sum() if weights.ndim == 2 and weights.dtype.kind == "f" else 0
    if not total:
        return None
    column, row = weights.sum(axis=1), weights.sum(axis=0) / total
    error = np.abs(np.outer(column, row) - weights).max()
    return (column, row) if error <= 1e-15 * np.abs(weights).max() else None


def _affine(name: str, factor: Fraction, offset: Fraction) -> list[str]:
    """``name * factor + offset`` as one quotient, which is right to the last bit."""
    if factor == 1 and not offset:
        return []
    bottom = lcm(factor.denominator, offset.denominator)
    top, added = int(factor * bottom), int(offset * bottom)
    if max(abs(top), abs(added), bottom) >= 2**53:
        return [f"{name} = {name} * {float(factor)!r} + {float(offset)!r}"]
    text = name if top == 1 else f"{name} * {top}"
    if added:
        text += f" {'-' if added < 0 else '+'} {abs(added)}"
    if bottom != 1:
        text = f"({text}) / {bottom}" if added else f"{text} / {bottom}"
    return [f"{name} = {text}"]


def _fitted(how: str, run: Run, to_output: Fraction, *, alpha: bool) -> list[str]:
    """stretch and symmetric: the two that look at the whole map."""
    colours = "y[..., :-1]" if alpha else "y"
    full = run.full * to_output
    middle = run.middle * to_output
    if how == "stretch":
        return [
            f"low, high = {colours}.min(), {colours}.max()",
            f"y = (y - low) * {_number(full)} / (high - low) if high > low else y"
            + (f" * {_number(to_output)}" if to_output != 1 else ""),
        ]
    return [
        f"peak = np.abs({colours}).max()",
        f"y = y * {_number(full - middle)} / (peak or 1) + {_number(middle)}",
    ]


def _number(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else repr(float(value))
