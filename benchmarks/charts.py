"""Line charts as small SVG files, with logarithmic axes: enough for two pictures in the documentation."""

from __future__ import annotations

from math import log10
from pathlib import Path

Series = dict[str, list[tuple[float, float]]]
COLOURS = ("#1b6ca8", "#d1495b", "#3a7d44", "#8d5a97")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 360, 60, 150, 30, 45
LINE = 13
"""Height of a name."""


def line_chart(path: Path, title: str, across: str, up: str, series: Series) -> None:
    """Write one chart: each series a line of (x, y) points, its name at the end of it."""
    xs = sorted({x for points in series.values() for x, _ in points})
    ys = [y for points in series.values() for _, y in points]
    low, high = log10(min(ys) / 1.3), log10(max(ys) * 1.3)

    def place(x: float, y: float) -> tuple[float, float]:
        along = (log10(x) - log10(xs[0])) / (log10(xs[-1]) - log10(xs[0]))
        above = (log10(y) - low) / (high - low)
        return LEFT + along * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - above * (HEIGHT - TOP - BOTTOM)

    def text(x: float, y: float, words: str, anchor: str = "middle", colour: str = "#333") -> str:
        return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="{colour}">{words}</text>'

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        text(LEFT, 18, title, "start"),
        text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, across),
        text(LEFT - 8, TOP - 2, up, "end"),
    ]
    for x in xs:
        at, bottom = place(x, ys[0])[0], HEIGHT - BOTTOM
        parts.append(f'<path d="M{at:.1f} {TOP}V{bottom}" stroke="#eee"/>' + text(at, bottom + 16, f"{x:g}"))
    for power in range(-2, 5):
        for step in (1, 2, 5):
            y = step * 10.0**power
            if low <= log10(y) <= high:
                at = place(xs[0], y)[1]
                parts.append(f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="#eee"/>')
                parts.append(text(LEFT - 8, at + 4, f"{y:g}", "end"))
    taken: list[float] = []
    for colour, (name, points) in zip(COLOURS, series.items(), strict=False):
        places = [place(x, y) for x, y in points]
        path_data = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        parts.append(f'<path d="{path_data}" fill="none" stroke="{colour}" stroke-width="2"/>')
        height = places[-1][1] + 4
        while any(abs(height - other) < LINE for other in taken):  # two lines that end together
            height -= LINE
        taken.append(height)
        parts.append(text(places[-1][0] + 8, height, name, "start", colour))
    path.write_text("\n".join([*parts, "</svg>\n"]), encoding="utf-8")
