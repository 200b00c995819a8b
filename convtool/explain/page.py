"""An explanation as one HTML page that needs nothing else: no network, no server, no build."""

from __future__ import annotations

import json
from dataclasses import replace
from html import escape
from importlib.resources import files

import numpy as np

from convtool.engine.geometry import Axis
from convtool.explain.model import Explanation
from convtool.explain.record import as_record
from convtool.tone.light import SRGB, Light

LANGUAGES = ("en", "zh")
SCRIPTS = ("conv", "data", "grid", "sum", "maps", "pictures", "controls", "explorer", "app")
"""The page's scripts in the order in which they need each other."""

CURVE = 1025
"""Points of a tone curve from a profile."""

LARGEST = 400_000
"""Bytes above which the page computes the raw maps itself instead of carrying the engine's."""


def render(explanation: Explanation, lang: str = "en") -> str:
    """The page as text, to be saved in UTF-8; ``lang`` is ``en`` or ``zh``.

    All names and numbers of the run are escaped: a file may be called anything.
    """
    words = json.loads(_asset(f"words.{lang}.json"))
    if lang != "en":  # what our own kernels are for; a summary of somebody else's stays as it was written
        known = json.loads(_asset(f"summaries.{lang}.json"))
        filters = (replace(each, summary=known.get(each.summary, each.summary)) for each in explanation.filters)
        explanation = replace(explanation, filters=tuple(filters))
    page = _filled(explanation, words, lang, _run(explanation, values=True))
    if len(page.encode()) > LARGEST:
        page = _filled(explanation, words, lang, _run(explanation, values=False))
    return page


def _run(explanation: Explanation, *, values: bool) -> str:
    """The record of the run as JSON that may stand in a script, and how the planes of its maps are coded again."""
    record = as_record(explanation, values=values)
    for each, told in zip(explanation.maps, record["maps"], strict=True):
        light = each.filters[0].member.selection.light
        lit = each.result.plan.lit
        told["lights"] = [_curve(light) if light and plane < lit else None for plane in range(len(each.plane_names))]
    text = json.dumps(record, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _curve(light: Light) -> str | list[float]:
    """A tone curve for the page: sRGB's by name, a profile's at the squares of evenly spaced numbers."""
    if light is SRGB:
        return "sRGB"
    values = light.encoded(np.linspace(0, 1, CURVE) ** 2, 1)
    return [round(float(value), 6) for value in values]


def _filled(explanation: Explanation, words: dict[str, str], lang: str, run: str) -> str:
    label = ", ".join(dict.fromkeys(each.label for each in explanation.maps[:4]))
    if len(explanation.maps) > 4:
        label += " …"
    name = explanation.source.name
    several = len(explanation.maps) > 1
    title = words["mapsTitle"] if several else words["mapsTitleOne"]
    values = {
        "lang": {"en": "en", "zh": "zh-CN"}[lang],
        "title": escape(words["title"].format(label=label, name=name)),
        "heading": escape(words["heading"].format(label=label)),
        "mapstitle": title.format(kernels=len(explanation.filters), maps=len(explanation.maps)),
        "command": escape(explanation.command),
        "settings": "".join(
            f"<div><dt>{escape(key)}</dt><dd>{escape(value)}</dd></div>" for key, value in _settings(explanation, words)
        ),
        "notes": "".join(f'<p class="notes">{escape(note)}</p>' for note in explanation.notes),
        "css": _asset("page.css"),
        "js": '(() => {\n"use strict";\n' + "\n".join(_asset(f"{each}.js") for each in SCRIPTS) + "})();",
        "run": run,
        "words": json.dumps(words, ensure_ascii=False).replace("<", "\\u003c"),
    }
    # Split rather than replaced one after the other: what is filled in is never searched again.
    first, *parts = _asset("page.html").split("{{")
    page = [first]
    for part in parts:
        key, _, rest = part.partition("}}")
        page += [escape(words[key[2:]]) if key.startswith("w:") else values[key], rest]
    return "".join(page)


def _settings(explanation: Explanation, words: dict[str, str]) -> list[tuple[str, str]]:
    """The settings in force, all defaults resolved, as (name, value)."""
    source, settings = explanation.source, explanation.settings
    first = explanation.filters[0]
    channels, height, width = explanation.planes.shape
    rows = [("set_picture", f"{source.name}, {source.size[0]}×{source.size[1]}")]
    if source.crop is not None:
        row, column, down, across = source.crop
        crop = words["cropValue"].format(top=row, bottom=row + down - 1, left=column, right=column + across - 1)
        rows.append(("set_crop", words["cropAutomatic"].format(crop=crop) if source.automatic else crop))
    together = any(len(each) > 1 for each in first.inputs)
    rows += [
        ("set_type", f"{height}×{width}×{channels} {explanation.dtype}"),
        ("set_stride", _pair(settings.stride)),
        ("set_padding", _padding(settings.padding, first.geometry.rows, first.geometry.columns)),
        ("set_border", _border(first.border.mode, first.border.value)),
        ("set_dilation", _pair(settings.dilation)),
        ("set_channels", words["channels_sum" if together else "channels_each"]),
        ("set_flip", words["turned" if settings.flip else "asWritten"]),
        ("set_range", ", ".join(dict.fromkeys(str(each.range) for each in explanation.maps))),
    ]
    if settings.merge:
        rows.append(("set_merge", words[f"merge_{settings.merge}"]))
    outputs = dict.fromkeys(f"{each.size[0]}×{each.size[1]} {each.dtype}" for each in explanation.maps)
    rows.append(("set_output", ", ".join(outputs)))
    return [(words[key], value) for key, value in rows]


def _pair(pair: tuple[int, int]) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}×{pair[1]}"


def _border(mode: str, value: float) -> str:
    return f"{mode}={value:g}" if mode == "constant" else mode


def _padding(asked: object, rows: Axis, columns: Axis) -> str:
    sides = (rows.before, columns.after, rows.after, columns.before)
    numbers = str(sides[0]) if len(set(sides)) == 1 else ", ".join(map(str, sides))
    return f"{asked} ({numbers})" if isinstance(asked, str) else numbers


def _asset(name: str) -> str:
    return (files("convtool.explain") / "web" / name).read_text(encoding="utf-8")
