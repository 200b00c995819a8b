"""How each Python tool slides weights over a picture: the one function of a translated program that differs."""

from __future__ import annotations

from collections.abc import Callable

from convtool.translate.recipe import Recipe
from convtool.tuples import NamedTuple

NUMPY_MODES = {"replicate": "edge", "reflect": "reflect", "symmetric": "symmetric", "circular": "wrap"}
SCIPY_MODES = {"zeros": "constant", "constant": "constant", "replicate": "nearest", "reflect": "mirror",
               "symmetric": "reflect", "circular": "wrap"}  # fmt: skip
OPENCV_BORDERS = {"zeros": "CONSTANT", "constant": "CONSTANT", "replicate": "REPLICATE", "reflect": "REFLECT_101",
                  "symmetric": "REFLECT", "circular": "WRAP"}  # fmt: skip
TORCH_MODES = {"zeros": "constant", "constant": "constant", "replicate": "replicate", "reflect": "reflect",
               "circular": "circular"}  # fmt: skip
HEAD = "def correlate(x, weights, pad):"


class Sliding(NamedTuple):
    """Imports and the function ``correlate(x, weights, pad)``: x (H, W, C) to (H', W', C), or (H', W', 1) if deep."""

    imports: tuple[str, ...]
    function: Callable[[Recipe], list[str]]


def _deep(recipe: Recipe) -> tuple[bool, bool]:
    """Whether some kernels span the depth, and whether some do not."""
    kinds = {part.deep for each in recipe.maps for part in each.parts}
    return True in kinds, False in kinds


def _padded(recipe: Recipe) -> list[str]:
    """Padding by NumPy; nothing where nothing is padded."""
    if all(part.pad == ((0, 0), (0, 0)) for each in recipe.maps for part in each.parts):
        return []
    mode, value = recipe.border
    if mode in NUMPY_MODES:
        return [f'    x = np.pad(x, (*pad, (0, 0)), mode="{NUMPY_MODES[mode]}")']
    extra = f", constant_values={value:g}" if mode == "constant" and value else ""
    return [f"    x = np.pad(x, (*pad, (0, 0)){extra})"]


def _step(stride: tuple[int, int]) -> str:
    rows, columns = (f"::{step}" if step > 1 else ":" for step in stride)
    return "" if stride == (1, 1) else f"[{rows}, {columns}]"


def _numpy(recipe: Recipe) -> list[str]:
    deep, flat = _deep(recipe)
    rows, columns = recipe.dilation
    span = "weights.shape[-2:]"
    lines = [HEAD, "    weights = np.array(weights)", *_padded(recipe)]
    if recipe.dilation != (1, 1):
        lines.append("    kh, kw = weights.shape[-2:]")
        span = f"(({rows} * (kh - 1) + 1), ({columns} * (kw - 1) + 1))"
        span = span.replace("((", "(").replace(" + 1), (", " + 1, ").replace(" + 1))", " + 1)")
    lines.append(
        f"    windows = np.lib.stride_tricks.sliding_window_view(x, {span}, axis=(0, 1)){_step(recipe.stride)}"
    )
    if recipe.dilation != (1, 1):
        lines.append(f"    windows = windows[..., ::{rows}, ::{columns}]")
    both = [
        *(['    y = np.einsum("ijcuv,cuv->ij", windows, weights)[..., None]'] if deep else []),
        *(['    y = np.einsum("ijcuv,uv->ijc", windows, weights)'] if flat else []),
    ]
    return [*lines, *_either(both), "    return y"]


def _either(lines: list[str]) -> list[str]:
    """A line for weights with depth and one for those without, or the one that is needed."""
    if len(lines) == 1:
        return lines
    return ["    if weights.ndim == 3:", "    " + lines[0], "    else:", "    " + lines[1]]


def _spread(recipe: Recipe) -> list[str]:
    """Zeros between the weights: these tools know no dilation."""
    rows, columns = recipe.dilation
    if recipe.dilation == (1, 1):
        return []
    return [
        "    *depth, kh, kw = weights.shape",
        f"    spread = np.zeros((*depth, {rows} * (kh - 1) + 1, {columns} * (kw - 1) + 1))  # dilation",
        f"    spread[..., ::{rows}, ::{columns}] = weights",
        "    weights = spread",
    ]


def _centred(recipe: Recipe) -> bool:
    """Whether every output pixel has its window around it, so that a filter that keeps the size can do it."""
    return all(
        axis == (span // 2 - (1 - span % 2), span // 2)
        for each in recipe.maps
        for part in each.parts
        for axis, span in zip(
            part.pad,
            (d * (k - 1) + 1 for d, k in zip(recipe.dilation, part.size, strict=True)),
            strict=True,
        )
    )


def _scipy(recipe: Recipe) -> list[str]:
    deep, flat = _deep(recipe)
    lines = [HEAD, "    weights = np.array(weights, dtype=float)", *_spread(recipe)]
    mode, value = recipe.border
    if _centred(recipe):
        cval = f", cval={value:g}" if mode == "constant" and value else ""
        even = any(
            d * (k - 1) % 2 for m in recipe.maps for p in m.parts for d, k in zip(recipe.dilation, p.size, strict=True)
        )
        if even:
            lines.append("    origin = [k % 2 - 1 for k in weights.shape[-2:]]  # of two middles the first")
        origin = ", origin=origin" if even else ""
        call = f'ndimage.correlate(x[..., c], {{w}}, mode="{SCIPY_MODES[mode]}"{cval}{origin})'
    else:
        lines += _padded(recipe)
        call = 'signal.correlate2d(x[..., c], {w}, mode="valid")'
    planes = "for c in range(x.shape[2])"
    both = []
    if deep:
        both.append(f"    y = sum({call.format(w='weights[c]')} {planes})[..., None]")
    if flat:
        both.append(f"    y = np.stack([{call.format(w='weights')} {planes}], axis=2)")
    return [*lines, *_either(both), f"    return y{_step(recipe.stride)}"]


def _opencv(recipe: Recipe) -> list[str]:
    deep, flat = _deep(recipe)
    lines = [HEAD, "    weights = np.array(weights, dtype=float)", *_spread(recipe)]
    mode, value = recipe.border
    kind = f"cv2.BORDER_{OPENCV_BORDERS[mode]}"
    lines += [
        "    kh, kw = weights.shape[-2:]",
        "    (top, bottom), (left, right) = pad",
        f"    planes = [cv2.copyMakeBorder(x[..., c].copy(), top, bottom, left, right, {kind}"
        + (f", value={value:g}" if mode == "constant" and value else "")
        + ") for c in range(x.shape[2])]",
    ]
    call = "cv2.filter2D(plane, cv2.CV_64F, {w}, anchor=(0, 0))"
    both = []
    if deep:
        zipped = "for plane, w in zip(planes, weights)"
        both.append(f"    y = sum({call.format(w='w')} {zipped})[..., None]")
    if flat:
        both.append(f"    y = np.stack([{call.format(w='weights')} for plane in planes], axis=2)")
    rows, columns = (f" : {step}" if step > 1 else "" for step in recipe.stride)
    end = f"    return y[: y.shape[0] - kh + 1{rows}, : y.shape[1] - kw + 1{columns}]"
    return [*lines, *_either(both), end]


def _torch(recipe: Recipe) -> list[str]:
    deep, flat = _deep(recipe)
    mode, value = recipe.border
    sizes = (recipe.layout.height, recipe.layout.width)
    pads = [
        (size, max(axis))
        for each in recipe.maps
        for part in each.parts
        for size, axis in zip(sizes, part.pad, strict=True)
    ]
    reach = {"reflect": 1, "circular": 0}
    able = mode in TORCH_MODES and all(pad <= size - reach[mode] for size, pad in pads if mode in reach)
    lines = [HEAD, "    weights = torch.tensor(weights, dtype=torch.float64)"]
    padded = any(pad for _, pad in pads)
    if padded and not able:
        lines += [f"    # torch pads no {mode} border here, NumPy does", *_padded(recipe)]
    lines.append("    x = torch.from_numpy(x).permute(2, 0, 1)[None]  # N, C, H, W")
    if padded and able:
        extra = f", value={value:g}" if mode == "constant" and value else ""
        lines += [
            "    (top, bottom), (left, right) = pad",
            f'    x = F.pad(x, (left, right, top, bottom), mode="{TORCH_MODES[mode]}"{extra})',
        ]
    options = ""
    if recipe.stride != (1, 1):
        options += f", stride={recipe.stride}"
    if recipe.dilation != (1, 1):
        options += f", dilation={recipe.dilation}"
    both = []
    if deep:
        both.append(f"    y = F.conv2d(x, weights[None]{options})")
    if flat:
        both.append(f"    y = F.conv2d(x, weights.expand(x.shape[1], 1, -1, -1){options}, groups=x.shape[1])")
    return [*lines, *_either(both), "    return y[0].permute(1, 2, 0).numpy()"]


NUMPY = Sliding((), _numpy)
SCIPY = Sliding((), _scipy)
OPENCV = Sliding(("import cv2",), _opencv)
TORCH = Sliding(("import torch", "import torch.nn.functional as F"), _torch)
