"""Results turned into counts, JSON lines, a summary and the exit code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from convtool.runs.batch import Drawn, Failed, Result, Skipped, Written


class Report:
    """What became of a run so far."""

    def __init__(self, inputs: int) -> None:
        self.inputs = inputs
        self.written = 0
        self.sheets = 0
        self.skipped = 0
        self.failed = 0
        """Inputs of which something failed."""
        self.done = 0
        """Inputs of which every map is there."""
        self._clipped: dict[str, list[int]] = {}
        self._differences: list[float] = []

    @property
    def exit_code(self) -> int:
        """0 if every map was written or skipped, 1 if an input failed."""
        return 1 if self.failed else 0

    @property
    def verified(self) -> bool:
        """Whether pixels were recomputed."""
        return bool(self._differences)

    def add(self, result: Result, *, last: bool = False) -> None:
        """Count one result, the ``last`` of an input that is done with it."""
        self.done += last
        if isinstance(result, Failed):
            self.failed += 1
            return
        if isinstance(result, Skipped):
            self.skipped += 1
            return
        if isinstance(result, Drawn):
            self.sheets += 1
            return
        self.written += result.frame == 0
        counts = self._clipped.setdefault(result.work.spec.label, [0, 0])
        counts[0] += result.clipped
        counts[1] += result.counted
        if result.difference is not None:
            self._differences.append(result.difference)

    def summary(self) -> Iterator[str]:
        """The lines that end a run."""
        parts = [_count(self.written, "map") + " written"]
        if self.sheets:
            parts.append(_count(self.sheets, "sheet"))
        if self.skipped:
            parts.append(f"{_count(self.skipped, 'map')} skipped")
        if self.failed:
            parts.append(f"{self.failed:,} of {_count(self.inputs, 'input')} failed")
        yield ", ".join(parts)
        for label, (clipped, samples) in self._clipped.items():
            if clipped:
                yield f"{label}: {_percent(clipped, samples)} of samples clipped ({clipped:,})"
        if self._differences:
            yield f"largest difference from the definition: {max(self._differences):g}"


def json_line(result: Result) -> str:
    """One result as a line of ASCII JSON; the same for the same run, whenever it is run."""
    import json

    return json.dumps(_fields(result), allow_nan=False)


def _fields(result: Result) -> dict[str, Any]:
    if isinstance(result, Failed):
        return {"input": result.path, "error": result.reason}
    if isinstance(result, Skipped):
        return {"input": result.work.source.path, "output": result.work.target.path, "skipped": True}
    if isinstance(result, Drawn):
        return {"input": result.work.source.path, "output": result.work.target.path, "sheet": True, "maps": result.maps}
    return _map_fields(result)


def _map_fields(result: Written) -> dict[str, Any]:
    work, layout = result.work, result.layout
    fields: dict[str, Any] = {
        "input": work.source.path,
        "output": work.target.path,
        "kernel": work.spec.kernel,
        "map": work.spec.label,
        "index": work.place,
        "frame": result.frame,
        "height": layout.height,
        "width": layout.width,
        "channels": layout.channels,
        "dtype": layout.dtype,
        "range": str(work.spec.range),
        "min": _finite(result.extent.low),
        "max": _finite(result.extent.high),
        "clipped": result.clipped,
    }
    if result.difference is not None:
        fields["verified"] = _finite(result.difference)
    return fields


def _finite(value: float) -> float | None:
    """JSON has no word for infinity."""
    return value if abs(value) < float("inf") else None


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _percent(part: int, whole: int) -> str:
    share = 100 * part / whole
    return f"{share:.1f} %" if share >= 0.1 else "less than 0.1 %"
