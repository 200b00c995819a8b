"""A run as an ImageMagick command: version 6 or 7 with 16-bit samples from 0 to full, as distributions build it.

Such samples cannot be negative, so a signed answer is put together from two that are not, and everything that needs
signs in between cannot be said. Sums are rounded to a 257th of an 8-bit sample before they are rounded to it.
"""

from __future__ import annotations

import shlex
from fractions import Fraction

from convtool.errors import UsageError
from convtool.tone.toner import FULL
from convtool.translate.recipe import Map, Part, Recipe, Run

VIRTUAL = {"zeros": "black", "constant": "background", "replicate": "edge", "reflect": "mirror",
           "symmetric": "mirror", "circular": "tile"}  # fmt: skip
LEVEL = 257
"""A step of 8 bits in 16."""


def to_imagemagick(run: Run) -> str:
    """One command a map; raises UsageError for what cannot be said."""
    _check(run)
    return "\n\n".join(_command(each, run) for each in run.maps)


def _check(run: Run) -> None:
    layout, recipe = run.layout, run.layers[0]
    if len(run.layers) > 1 or recipe.activation or recipe.pool or any(part.affine for part in recipe.parts):
        raise UsageError("ImageMagick's samples have no sign between layers; the nearest is --as numpy")
    if run.mode == "npy" or any(each.target.format == "npy" for each in recipe.maps):
        raise UsageError("ImageMagick knows no npy files; take png or tif")
    if layout.dtype == "float32" or recipe.maps[0].layout.dtype == "float32":
        raise UsageError(
            "ImageMagick's samples are whole and not negative; the nearest is --range shift --dtype uint16"
        )
    if run.mode not in ("L", "RGB", "RGBA", "LA", "I;16"):
        raise UsageError(f"ImageMagick reads {run.path} in another way than convtool; convert it to RGB first")
    for each in recipe.maps:
        how, part = each.range.how, each.parts[0]
        if each.alpha != "none":
            raise UsageError("ImageMagick weights what it filters by alpha in its own way; the nearest is --alpha drop")
        if part.deep or part.summed:
            raise UsageError("ImageMagick adds no channels up in a filter; the nearest is --channels luma or each")
        if part.luma or len(part.indices) != layout.colours:
            what = "luma" if part.luma else "one channel"
            raise UsageError(f"ImageMagick rounds {what} before it filters; filter a grey picture, or --channels each")
        if how in ("stretch", "symmetric"):
            raise UsageError(f"ImageMagick's samples have no sign, which {how} needs; the nearest is --range shift")
        if len({part.pad + part.size for part in each.parts}) > 1:
            raise UsageError("ImageMagick cannot merge kernels of several sizes in one command; run them one by one")
        if each.merge in ("mean", "sum") or (each.merge == "max" and how != "clip"):
            raise UsageError(f"ImageMagick cannot say --merge {each.merge} of signed maps; the nearest is magnitude")
        if each.merge == "magnitude" and (how not in ("clip", "abs") or any(part.bias for part in each.parts)):
            raise UsageError("ImageMagick says --merge magnitude with --range clip and without a bias only")
        if how == "abs" and any(part.bias for part in each.parts):
            raise UsageError("ImageMagick cannot take the absolute value of a sum with a bias; leave out --bias")
    if recipe.border[0] == "reflect":
        sizes = (layout.height, layout.width)
        pads = [
            (size, max(axis))
            for each in recipe.maps
            for p in each.parts
            for size, axis in zip(sizes, p.pad, strict=True)
        ]
        if any(pad >= size for size, pad in pads):
            raise UsageError(
                "ImageMagick cannot reflect a picture beyond its own size; the nearest is --border symmetric"
            )


def _command(each: Map, run: Run) -> str:
    recipe = run.layers[0]
    words = [shlex.quote(_plain(run.path))]
    if run.turned:
        words.append("-auto-orient")
    if recipe.layout.alpha:
        words.append("-alpha off")
    gain = each.range.gain
    answers = [_sum(part, recipe, gain * part.factor, gain * part.bias) for part in each.parts]
    if each.range.how == "shift":
        answers = [_sum(part, recipe, gain * part.factor, gain * part.bias + run.middle) for part in each.parts]
    if each.range.how == "abs" or each.merge == "magnitude":
        # The sum where it is positive, and its opposite where that is: one of them is 0 everywhere.
        opposite = [_sum(part, recipe, -gain * part.factor, Fraction(0)) for part in each.parts]
        pairs = zip(answers, opposite, strict=True)
        answers = [_several([plus, minus], "-compose plus -composite") for plus, minus in pairs]
    if each.merge == "max":
        lines = _several(answers, "-evaluate-sequence max")
    elif each.merge == "magnitude":
        squares = "+".join(f"u[{at}]*u[{at}]" for at in range(len(answers)))
        lines = _several(answers, f"-fx 'sqrt({squares})'")
    else:
        lines = answers[0]
    lines = [*_padded(each, recipe), *lines, *_cut(each, recipe)]
    depth = 8 if each.layout.dtype == "uint8" else 16
    ending = [f"-depth {depth}"]
    if depth == 8 and not (each.merge is None and _is_whole(each.parts[0], gain, run)):
        # Between two levels, its writers cut 16 bits down to 8; this rounds them. -posterize takes few colours only.
        ending.insert(0, "-fx 'floor(u*255+0.5)/255'")
    if each.target.format == "png":
        ending.append(f"-define png:color-type={0 if each.layout.colours == 1 else 2} -define png:bit-depth={depth}")
    if each.target.format in ("jpg", "webp"):
        ending.append(f"-quality {run.quality}")
    head = f"# {each.label}\nconvert {' '.join(words)}"
    return " \\\n  ".join([head, *lines, *ending, shlex.quote(_plain(each.target.path))])


def _is_whole(part: Part, gain: Fraction, run: Run) -> bool:
    """Whether all answers are levels already."""
    factor, offset = gain * part.factor, gain * part.bias
    rows = (weight for row in part.weights for weight in row)
    levels = Fraction(run.middle).denominator == 1 and offset.denominator == 1 and factor.denominator == 1
    return levels and all(isinstance(weight, int) or float(weight).is_integer() for weight in rows)


def _plain(path: str) -> str:
    """A path that is not taken for an option or another format."""
    return f"./{path}" if path.startswith(("-", "@")) or ":" in path.split("/")[0] else path


def _several(ways: list[list[str]], join: str) -> list[str]:
    """Several answers to one picture, joined."""
    lines = []
    for way in ways:
        lines += ["\\( -clone 0", *(f"  {line}" for line in way), "\\)"]
    return [*lines, f"-delete 0 {join}"]


def _sum(part: Part, recipe: Recipe, factor: Fraction, offset: Fraction) -> list[str]:
    """Slide one kernel over the padded picture. Scale and bias are said even if they are 1 and 0: settings stay on."""
    step = 1 if recipe.layout.dtype == "uint16" else LEVEL
    return [
        f"-define convolve:scale={_number(factor)} -define convolve:bias={_number(offset * step)}",
        f"-morphology Correlate {shlex.quote(_kernel(part, recipe))}",
    ]


def _spans(part: Part, recipe: Recipe) -> tuple[int, int]:
    """Rows and columns from the first to the last weight."""
    rows, columns = (d * (k - 1) + 1 for d, k in zip(recipe.dilation, part.size, strict=True))
    return rows, columns


def _cut(each: Map, recipe: Recipe) -> list[str]:
    """Cut out the windows inside the padded picture and take every so many-th."""
    rows, columns = _spans(each.parts[0], recipe)
    high, wide = each.layout.height * recipe.stride[0], each.layout.width * recipe.stride[1]
    lines = [f"-crop {wide}x{high}+{(columns - 1) // 2}+{(rows - 1) // 2} +repage"]
    if recipe.stride != (1, 1):
        lines.append(f"-define sample:offset=0.5 -sample '{each.layout.width}x{each.layout.height}!'")
    return lines


def _number(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.17g}"


def _padded(each: Map, recipe: Recipe) -> list[str]:
    """The picture with its border, and as much more as the cutting needs."""
    part = each.parts[0]
    rows, columns = _spans(part, recipe)
    height = each.layout.height * recipe.stride[0] + rows
    width = each.layout.width * recipe.stride[1] + columns
    mode, value = recipe.border
    virtual = f"-virtual-pixel {VIRTUAL[mode]}"
    if mode == "constant":
        virtual += f" -background 'gray({float(Fraction(value) * 100 / FULL[recipe.layout.dtype]):.10g}%)'"
    (top, _), (left, _) = part.pad
    reflect = mode == "reflect"
    # mirror repeats the outermost samples, which reflect does not: they are cut out again.
    up, over = top + (reflect and top > 0), left + (reflect and left > 0)
    height, width = height + 2 * reflect, width + 2 * reflect
    lines = [
        f"{virtual} -set option:distort:viewport {width}x{height}-{over}-{up} -filter point -distort SRT 0 +repage"
    ]
    if reflect:
        if up or over:
            lines.append(f"-chop {int(over > 0)}x{int(up > 0)}+{left}+{top} +repage")
        lines.append(f"-chop 1x1+{left + recipe.layout.width}+{top + recipe.layout.height} +repage")
    return lines


def _kernel(part: Part, recipe: Recipe) -> str:
    """Weights as ImageMagick writes them, with zeros for dilation; the cell that answers is named."""
    high, wide = recipe.dilation
    kh, kw = part.size
    grid = [[0.0] * (wide * (kw - 1) + 1) for _ in range(high * (kh - 1) + 1)]
    for u, row in enumerate(part.weights):
        for v, weight in enumerate(row):
            grid[u * high][v * wide] = weight
    size = f"{len(grid[0])}x{len(grid)}+{(len(grid[0]) - 1) // 2}+{(len(grid) - 1) // 2}"
    return f"{size}: " + " ".join(",".join(f"{weight:.17g}" for weight in row) for row in grid)
