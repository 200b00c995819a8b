"""The file benchmark as Markdown: tables, what was aimed at, and where we lose."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL

from benchmarks.peers import Peer
from convtool.pictures.png.deflate import has_isal


class Found(NamedTuple):
    """Median seconds, peak bytes, bytes written, what is wrong with the output, and of how many timed runs."""

    seconds: float
    peak: int
    size: int
    wrong: str
    runs: int = 1


Results = dict[str, dict[str, Found]]
OURS = "convtool"
BASELINES = ("bare imports", "imports, decode")  # beginnings of names
MEMORY = (
    "",
    "The most that a command and all its workers held at one moment (shared pages once, looked at every 10 ms), or the"
    " most that any one of its processes held, whichever is more. Sharpen.",
)
COMMAND_LINE = ("vips", "gm convert", "gm mogrify", "ImageMagick")


class Aim(NamedTuple):
    """``slow`` (the fastest of several) needs at least, with ``most`` at most, ``factor`` times as long as ``fast``."""

    text: str
    row: str
    slow: tuple[str, ...]
    fast: str
    factor: float
    most: bool = False


AIMS = (
    Aim("fastest command-line peer", "photographs JPEG, sharpen", COMMAND_LINE, OURS, 4),
    Aim("fastest command-line peer", "photographs PNG, sharpen", COMMAND_LINE, OURS, 4),
    Aim("OpenCV script", "photographs JPEG, sharpen", ("OpenCV script",), OURS, 0.9),
    Aim("OpenCV script", "photographs PNG, sharpen", ("OpenCV script",), OURS, 1.5),
    Aim("pyvips script", "photographs PNG, sharpen", ("pyvips script",), OURS, 2),
    Aim("vips", "12 MP PNG, sharpen", ("vips",), OURS, 1.5),
    Aim("gm", "12 MP PNG, sharpen", ("gm convert", "gm mogrify"), OURS, 2.5),
    Aim("vips", "12 MP JPEG, sharpen", ("vips",), OURS, 1),
    Aim("convtool over bare imports", "512x512 PNG, sharpen", (OURS,), "bare imports", 1.25, most=True),
    Aim("one worker over two", "photographs JPEG, sharpen", ("convtool -j 1",), "convtool -j 2", 1.7),
    Aim("one worker over all", "icons PNG, sharpen", ("convtool -j 1",), OURS, 1),
)
MEMORY_AIMS = {"memory 24 MP PNG": 170, "memory 24 MP JPEG": 240}
# Beginning of rows' names, peer, why it is before us there. Printed where a measurement says so, and only then.
REASONS = (
    ("512x512", "script", "these scripts load fewer packages: neither click nor YAML nor kernel files"),
    ("512x512", "", "importing NumPy alone takes longer than their whole run; a folder pays it once"),
    (
        "photographs JPEG",
        "OpenCV|pyvips",
        "most of both is libjpeg's work; ours besides has start-up, checks of the header, metadata carried over, "
        "and files that appear under their name only when they are whole",
    ),
    ("12 MP JPEG", "", "libjpeg decodes on one core, and NumPy and the engine are loaded by the other meanwhile"),
    ("photographs PNG", "level 1", "deflate at its fastest, from file to file in C"),
    ("12 MP PNG", "level 1", "deflate at its fastest, from file to file in C"),
    (
        "icons",
        "",
        "an icon is all overhead, and ours has more of it: imports, a header checked, metadata carried over, a file"
        " renamed when it is whole",
    ),
    (
        "memory",
        "vips",
        "it never holds a whole picture, from decoder to encoder; Pillow decodes whole ones, at 4 bytes an RGB pixel,"
        " and the import of NumPy counts",
    ),
    ("memory photographs", "gm|ImageMagick", "they take one picture after another and hold no Python"),
    ("memory photographs", "script", "one process with threads holds the imports once, workers each"),
    ("memory 24 MP", "script", "a whole picture or two at 3 or 4 bytes a pixel as well, and fewer packages"),
)


def command() -> str:
    """The command that is running, but for where its report goes."""
    words = sys.argv[1:]
    if "--write" in words:
        del words[words.index("--write") : words.index("--write") + 2]
    return " ".join(["python -m benchmarks.files", *words])


def report(results: Results, peers: Sequence[Peer], counts: tuple[int, int], jobs: int, load: float) -> str:
    """The whole page.

    Args:
        results: by row and peer; both in the order of the tables.
        peers: all that could be there.
        counts: photographs and icons.
        jobs: workers, threads or processes that were allowed.
        load: load average before the first run.
    """
    there = [
        f"{peer.name} {peer.version}" for peer in peers if peer.version and peer.install and "level" not in peer.name
    ]
    missing = [f"{peer.name} ({peer.install})" for peer in peers if not peer.version]
    lines = [
        "# From file to file",
        "",
        f"Made by `{command()}`: whole commands, start-up included, medians of interleaved runs, after"
        " every peer's output was found to be the same picture.",
        "",
        f"{processor()}, {os.cpu_count()} cores, load {load:.2f} at the start; Python"
        f" {platform.python_version()}, NumPy {np.__version__}, Pillow {PIL.__version__}, deflate by"
        f" {'isal' if has_isal() else 'zlib'}; {', '.join(there)}.",
        "",
        f"Missing: {', '.join(missing) or 'nobody'}.",
        "",
        *conditions(counts, jobs),
    ]
    for title, begin in (
        (f"{counts[0]} photographs of 1.1 megapixels", "photographs"),
        ("One picture of 12 megapixels", "12 MP"),
        ("One picture of 512x512", "512x512"),
        (f"{counts[1]} icons of 64x64", "icons"),
    ):
        chosen = {name: found for name, found in results.items() if name.startswith(begin)}
        if chosen:
            lines += ["", f"## {title}", "", "In brackets: times what convtool needs.", "", *table(chosen, times)]
            lines += ["", "Megabytes written:", "", *table(chosen, sizes)]
    memory = {name.removeprefix("memory "): found for name, found in results.items() if name.startswith("memory")}
    if memory:
        lines += ["", "## Peak memory, megabytes", *MEMORY, "", *table(memory, peaks)]
    wrong = [
        f"- {row}, {name}: {found.wrong}."
        for row, column in results.items()
        for name, found in column.items()
        if found.wrong
    ]
    if wrong:
        lines += ["", "## Wrong pictures, not timed", "", *wrong]
    return "\n".join([*lines, "", *aims(results), "", *losses(results)])


def conditions(counts: tuple[int, int], jobs: int) -> list[str]:
    return [
        f"- Pictures: {counts[0]} different collages of scikit-image's photographs with grain, 1200x900 RGB, as JPEG of"
        f" quality 92 (4:2:0) and as PNG; 4000x3000 and 6000x4000 of the same kind; {counts[1]} drawn icons, RGB.",
        "- Same work: JPEG of quality 92 and 4:2:0 for all, checked in the files, with libjpeg's usual code tables (gm"
        " and ImageMagick would optimise theirs); PNG at everybody's default level, and for vips and gm at level 1 as"
        " well. PNG samples agree to 1 level, JPEG to 1 level in the mean. The outermost pixels of PNG are left out of"
        " that: convtool and OpenCV reflect the picture there, the others repeat or copy its edge.",
        "- `sobel-x`: values below zero are cut off, as vips, gm and ImageMagick do in one command (convtool:"
        " `--range clip`). `sobel`: both directions in absolute value, two files a picture, by those that can.",
        f"- Folders: `xargs -P{jobs}` for vips (`conv`, integer precision), gm and ImageMagick, one thread each;"
        f" `mogrify` takes a folder in {jobs * 4} portions. Scripts: one process with {jobs} threads, a picture each."
        " One picture: everybody's own threads.",
        "- convtool checks headers and limits before it decodes, carries metadata over and writes into a temporary file"
        " that is renamed when it is whole; the others do not, or in parts.",
    ]


def table(rows: Results, cell: Callable[[Found, dict[str, Found]], str]) -> list[str]:
    """Peers below each other, rows of the benchmark beside each other; the cell of a peer knows its column."""
    names = list(dict.fromkeys(name for column in rows.values() for name in column))
    lines = [f"| | {' | '.join(rows)} |", "|---|" + "--:|" * len(rows)]
    for name in names:
        cells = [
            "" if name not in column else "wrong picture" if column[name].wrong else cell(column[name], column)
            for column in rows.values()
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def times(found: Found, column: dict[str, Found]) -> str:
    """Seconds or milliseconds, the fastest in bold."""
    rivals = [one.seconds for name, one in column.items() if not one.wrong and not name.startswith(BASELINES)]
    bold = "**" if found.seconds == min(rivals) else ""
    shown = f"{found.seconds:.2f} s" if found.seconds >= 1 else f"{found.seconds * 1e3:.0f} ms"
    return f"{bold}{shown} ({found.seconds / column[OURS].seconds:.2f}){bold}"


def sizes(found: Found, column: dict[str, Found]) -> str:
    return f"{found.size / 1e6:.2f} ({found.size / column[OURS].size:.2f})" if found.size else ""


def peaks(found: Found, column: dict[str, Found]) -> str:
    bold = "**" if found.peak == min(one.peak for one in column.values() if not one.wrong) else ""
    return f"{bold}{found.peak / 1e6:.0f} ({found.peak / column[OURS].peak:.2f}){bold}"


def aims(results: Results) -> list[str]:
    lines = ["## What was aimed at", "", "| | | aim | measured | |", "|---|---|--:|--:|---|"]
    for aim in (aim for aim in AIMS if aim.row in results):
        column = {name: found for name, found in results[aim.row].items() if not found.wrong}
        slow = [column[name].seconds for name in aim.slow if name in column]
        if slow and aim.fast in column:
            ratio = min(slow) / column[aim.fast].seconds
            reached = ratio <= aim.factor if aim.most else ratio >= aim.factor
            sign = "at most" if aim.most else "at least"
            verdict = "met" if reached else "**missed**"
            lines.append(f"| {aim.row} | {aim.text} | {sign} {aim.factor:g} | {ratio:.2f} | {verdict} |")
        else:
            lines.append(f"| {aim.row} | {aim.text} | {aim.factor:g} | not measured | |")
    for row, most in MEMORY_AIMS.items():
        if row in results:
            peak = results[row][OURS].peak / 1e6
            met = "met" if peak <= most else "**missed**"
            lines.append(f"| {row} | peak, MB | at most {most} | {peak:.0f} | {met} |")
    return lines if len(lines) > 4 else [*lines[:2], "Nothing in these rows."]


def losses(results: Results) -> list[str]:
    """Who was before us, by how much, and the reason as far as it is known."""
    by_reason: dict[str, list[str]] = {}
    for row, column in results.items():
        measure = "peak" if row.startswith("memory") else "seconds"
        ahead: dict[str, list[str]] = {}
        for name, found in column.items():
            ratio = getattr(found, measure) / getattr(column[OURS], measure)
            if ratio < 1 and not found.wrong and not name.startswith((OURS, *BASELINES)):
                ahead.setdefault(reason(row, name), []).append(f"{name} {ratio:.2f}")
        for why, names in ahead.items():
            by_reason.setdefault(why, []).append(f"**{row}** ({', '.join(names)})")
    found_lines = [f"- {'; '.join(where)}: {why}." for why, where in by_reason.items()]
    return ["## Where we lose, and why", "", *(found_lines or ["Nowhere in this run."])]


def reason(row: str, name: str) -> str:
    for begin, pattern, why in REASONS:
        if row.startswith(begin) and re.search(pattern, name):
            return why
    return "not explained yet"


def processor() -> str:
    """What the system calls it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    found = re.search(r"model name\s*: (.*)", text)
    return found[1] if found else platform.machine()
