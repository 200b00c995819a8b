"""The segments of a JPEG file (ITU T.81, annex B), as far as they have to be told apart."""

from __future__ import annotations

import re
import struct

from convtool.tuples import NamedTuple

START, END = b"\xff\xd8", b"\xff\xd9"
FRAME, SCAN, TABLES, INTERVAL = b"\xff\xc0", b"\xff\xda", b"\xff\xdb", b"\xff\xdd"
"""Markers of a baseline frame, a scan, the first quantisation tables and the restart interval."""
RESTART = 0xD0
"""The first of eight."""
SEQUENTIAL = (0xC0, 0xC1)
OTHER_FRAMES = (0xC2, 0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
"""Second bytes of markers of frames (table B.1): Huffman coded samples in one go, and all others."""
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""Within coded samples, only a stuffed zero, a restart or another byte of ones may follow a byte of ones."""


class Frame(NamedTuple):
    """A file whose samples are coded in one scan, whole down to its end."""

    height: int
    width: int
    channels: int


def plain_frame(data: bytes) -> Frame | None:
    """What a file of 8-bit grey or colour holds; None for any other kind, and for one that is cut short or damaged.

    What libjpeg makes of the coded samples is not looked at, but they end where the file's end is marked, so that no
    reader runs out of them.
    """
    at, frame = len(START), None
    if not data.startswith(START):
        return None
    while (head := data[at : at + 4])[:1] == b"\xff" and len(head) == 4:
        kind, length = head[1], int.from_bytes(head[2:], "big")
        segment = data[at + 4 : at + 2 + length]
        if length < 2 or len(segment) != length - 2 or kind in OTHER_FRAMES or kind == 0xFF:
            return None
        at += 2 + length
        if kind in SEQUENTIAL:
            if frame is not None or len(segment) < 6 or segment[0] != 8 or segment[5] not in (1, 3):
                return None
            frame = Frame(*struct.unpack(">HHB", segment[1:6]))
        elif kind == SCAN[1]:
            end = _MARKER.search(data, at)
            whole = end is not None and end.group()[-1:] == END[1:]
            return frame if whole and frame is not None and min(frame) and segment[:1] == bytes((frame[2],)) else None
    return None


def parts(jpeg: bytes) -> tuple[bytes, bytes]:
    """What stands before the entropy-coded samples of a sound file, and these."""
    at = find(jpeg, SCAN)
    start = at + 2 + _length(jpeg, at)
    return jpeg[:start], jpeg[start : -len(END)]


def tables(header: bytes) -> bytes:
    """All that decides how samples are coded: tables and frame, without the picture's size and restarts."""
    found, at = b"", find(header, TABLES)
    while at < len(header):
        segment = header[at : at + 2 + _length(header, at)]
        if segment[:2] == FRAME:
            segment = segment[:5] + segment[9:]
        if segment[:2] != INTERVAL:
            found += segment
        at += 2 + _length(header, at)
    return found


def with_size(header: bytes, height: int, width: int) -> bytes:
    """A header for a picture of another size."""
    at = find(header, FRAME) + 5  # after marker, length and precision
    return header[:at] + struct.pack(">HH", height, width) + header[at + 4 :]


def find(jpeg: bytes, marker: bytes) -> int:
    """Where the first segment of a kind begins."""
    at = len(START)
    while jpeg[at : at + 2] != marker:
        at += 2 + _length(jpeg, at)
    return at


def _length(jpeg: bytes, at: int) -> int:
    return int.from_bytes(jpeg[at + 2 : at + 4], "big")
