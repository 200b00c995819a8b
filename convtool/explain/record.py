"""An explanation as one JSON document, for the page."""

from __future__ import annotations

import base64
import json
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convtool.engine.geometry import Axis
from convtool.explain.model import ExplainedMap, Explanation, Filter
from convtool.tone.toner import FULL, MIDDLE

PACKED_TYPES = ("uint8", "int8", "int16", "uint16", "int32")
"""What whole numbers are packed as: the first that holds them all."""


def to_json(explanation: Explanation, *, values: bool = True) -> str:
    """The run as JSON text: ASCII, no NaN, safe inside ``<script>`` (``<``, ``>`` and ``&`` are escapes).

    ``values=False`` leaves the engine's raw planes out (``values`` is null), for a page that computes them itself.

    Everything is in sample units, rows before columns, indices from 0::

        {
          "version": 1,
          "command": "convtool apply img.png -k sobel-x --pad 1",
          "demo": null | "8x8" | "rgb",
          "notes": ["..."],                   what was said about reading the file
          "source": {"name": "img.png", "size": [H, W],
                     "crop": null | [row, column, height, width], "automatic": false},
                                              a crop is run as a picture of its own: at its edges the border mode
                                              stands for the samples around it; add row, column for file positions
          "settings": {"stride": [1, 1], "padding": "same" | [[top, bottom], [left, right]],
                       "border": {"mode": "reflect", "value": 0}, "dilation": [1, 1], "channels": null | "each" ...,
                       "flip": false, "bias": null | 5, "merge": null | "magnitude" ..., "alpha": "weighted"},
                                              flip and bias are already in the filters' weights and bias
          "type": {"name": "uint8", "full": 255, "middle": 128},      of the input: F or M, and Z
          "planes": [{"name": "R", "samples": ARRAY (H*W)}, ...],     what the filters see; size is [height, width]
          "size": [height, width],            of the planes
          "filters": [{
              "label": "sobel-x", "summary": "...",
              "kernel": [kh, kw],
              "weights": [[[-1, 0, 1], ...], ...],      (C, kh, kw)
              "scale": 1, "scale_text": "1",            raw = sum(weights * samples) * scale + bias
              "scale_parts": [1, 1],                    numerator and denominator, exact
              "bias": 0,
              "rows": AXIS, "columns": AXIS, "border": {"mode": "zeros", "value": 0},
              "inputs": [[0], [1], [2]],      for each output plane, the planes that weights[0], weights[1] ... meet;
                                              [[0], [1], [2]] is a kernel without depth on RGB (one (1, kh, kw) set of
                                              weights, shared), [[0, 1, 2]] adds three channels up
              "names": ["R", "G", "B"],       of the output planes; "sum" if several were added up
              "values": [ARRAY (H'*W'), ...] | null     raw planes, bias included
          }, ...],
          "maps": [{
              "label": "sobel-x", "file": "img_sobel-x.png",          what apply would write
              "filters": [0],                 indices; several are joined by "merge"
              "merge": null | "magnitude" | "max" | "mean" | "sum",
              "range": {"how": "abs", "text": "abs:4/15", "gain": 0.26666, "gain_parts": [4, 15]},
              "type": {"name": "uint8", "full": 255, "middle": 128},  of the written samples
              "size": [H', W'], "names": ["R", "G", "B"],
              "low": -320, "high": 320,       smallest and largest raw value, over all planes (for stretch, symmetric)
              "clipped": 12,                  samples that clipping changed, of size * names
              "values": null | [ARRAY, ...],  merged raw planes; null where "merge" is: they are the filter's
              "written": [ARRAY (H'*W'), ...],          a plane for each name, saved samples
              "alpha": null | ARRAY           saved alpha, a copy of the input's, where there is any
          }, ...]
        }

    AXIS is ``{"size", "kernel", "stride", "dilation", "before", "after", "out"}``: output index ``i`` has its taps at
    ``i*stride - before + tap*dilation``; ``before`` and ``after`` are the resolved padding.

    ARRAY is ``{"type": T, "times": a, "over": b, "plus": c, "data": base64}``: little-endian numbers of type T (uint8,
    int8, int16, uint16, int32 or float32), row by row, each meaning ``number * a / b + c`` rounded to float32. Where
    values are not finite, ``"gaps": {"index": "inf" | "-inf" | "nan"}`` says so and the number there is 0.
    In JavaScript::

        const kinds = {uint8: Uint8Array, int8: Int8Array, int16: Int16Array, uint16: Uint16Array,
                       int32: Int32Array, float32: Float32Array};
        function unpack(a) {
          const bytes = Uint8Array.from(atob(a.data), (ch) => ch.charCodeAt(0));
          return Float32Array.from(new kinds[a.type](bytes.buffer), (n) => n * a.times / a.over + a.plus);
        }
    """
    text = json.dumps(as_record(explanation, values=values), separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def as_record(explanation: Explanation, *, values: bool = True) -> dict[str, Any]:
    """What ``to_json`` writes, as plain Python values."""
    source, settings = explanation.source, explanation.settings
    mode, constant = settings.edge
    padding = settings.padding
    return {
        "version": 1,
        "command": explanation.command,
        "demo": explanation.demo,
        "notes": list(explanation.notes),
        "source": {
            "name": source.name,
            "size": list(source.size),
            "crop": None if source.crop is None else list(source.crop),
            "automatic": source.automatic,
        },
        "settings": {
            "stride": list(settings.stride),
            "padding": padding if isinstance(padding, str) else [list(side) for side in padding],
            "border": {"mode": mode, "value": _number(constant)},
            "dilation": list(settings.dilation),
            "channels": settings.channels,
            "flip": settings.flip,
            "bias": None if settings.bias is None else _number(settings.bias),
            "merge": settings.merge,
            "alpha": settings.alpha,
        },
        "type": _type(explanation.dtype),
        "size": list(explanation.planes.shape[1:]),
        "planes": [
            {"name": name, "samples": pack(plane)}
            for name, plane in zip(explanation.plane_names, explanation.planes, strict=True)
        ],
        "filters": [_filter(each, values) for each in explanation.filters],
        "maps": [_map(each, values) for each in explanation.maps],
    }


def _filter(one: Filter, values: bool) -> dict[str, Any]:
    return {
        "label": one.label,
        "summary": one.summary,
        "kernel": list(one.weights.shape[1:]),
        "weights": [[[_number(float(v)) for v in row] for row in plane] for plane in one.weights],
        "scale": _number(float(one.scale)),
        "scale_text": str(one.scale),
        "scale_parts": [one.scale.numerator, one.scale.denominator],
        "bias": _number(one.bias),
        "rows": _axis(one.geometry.rows),
        "columns": _axis(one.geometry.columns),
        "border": {"mode": one.border.mode, "value": _number(one.border.value)},
        "inputs": [list(planes) for planes in one.inputs],
        "names": list(one.plane_names),
        "values": [pack(plane, one.scale, one.bias) for plane in one.values] if values else None,
    }


def _map(one: ExplainedMap, values: bool) -> dict[str, Any]:
    count = len(one.plane_names)
    alpha = one.written.shape[2] > count
    return {
        "label": one.label,
        "file": one.target,
        "filters": list(one.members),
        "merge": one.merge,
        "range": {
            "how": one.range.how,
            "text": str(one.range),
            "gain": _number(float(one.range.gain)),
            "gain_parts": [one.range.gain.numerator, one.range.gain.denominator],
        },
        "type": _type(one.dtype),
        "size": list(one.size),
        "names": list(one.plane_names),
        "low": _number(one.extent.low),
        "high": _number(one.extent.high),
        "clipped": one.clipped,
        "values": [pack(plane) for plane in one.values] if values and one.merge else None,
        "written": [pack(one.written[..., plane]) for plane in range(count)],
        "alpha": pack(one.written[..., -1]) if alpha else None,
    }


def _axis(axis: Axis) -> dict[str, int]:
    return {**axis._asdict(), "out": axis.out}


def _type(name: str) -> dict[str, Any]:
    return {"name": name, "full": _number(float(FULL[name])), "middle": _number(float(MIDDLE[name]))}


def _number(value: float) -> int | float:
    """A number as JSON writes it shortest."""
    return int(value) if value == int(value) and abs(value) < 2**53 else value


def pack(plane: NDArray[Any], scale: Fraction = Fraction(1), bias: float = 0.0) -> dict[str, Any]:
    """A plane of numbers as text: whole numbers times a scale plus a bias where they are, else float32."""
    finite = np.isfinite(plane)
    gaps = {str(at): str(plane.flat[at]) for at in np.flatnonzero(~finite).tolist()}
    values = np.where(finite, plane, 0)
    packed = _whole(values, scale, bias)
    if packed is None:
        packed = {"type": "float32", "times": 1, "over": 1, "plus": 0, "data": _text(values.astype("<f4"))}
    return {**packed, "gaps": gaps} if gaps else packed


def _whole(values: NDArray[Any], scale: Fraction, bias: float) -> dict[str, Any] | None:
    top, bottom = scale.numerator, scale.denominator
    if max(abs(top), bottom) >= 2**24:
        return None
    numbers = np.rint((values.astype(np.float64) - bias) * bottom / top)
    if not (np.float32(numbers * top / bottom + bias) == values).all():
        return None
    low, high = numbers.min(initial=0), numbers.max(initial=0)
    for name in PACKED_TYPES:
        info = np.iinfo(name)
        if info.min <= low and high <= info.max:
            data = _text(numbers.astype(np.dtype(name).newbyteorder("<")))
            return {"type": name, "times": top, "over": bottom, "plus": _number(bias), "data": data}
    return None


def _text(values: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")


def unpack(packed: dict[str, Any]) -> NDArray[np.float32]:
    """The flat numbers of a packed plane, as the page has them."""
    data = np.frombuffer(base64.b64decode(packed["data"]), dtype=np.dtype(packed["type"]).newbyteorder("<"))
    exact: NDArray[np.float64] = data.astype(np.float64) * packed["times"] / packed["over"] + packed["plus"]
    values = exact.astype(np.float32)
    for at, word in packed.get("gaps", {}).items():
        values[int(at)] = float(word)
    return values
