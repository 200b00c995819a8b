"""A checked run carried out: workers, messages, progress, exit code."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from convtool import console
from convtool.engine.core import name
from convtool.errors import Terminated
from convtool.machine import cores
from convtool.runs.batch import Failed, Job, Options, Result, Written, make_folders
from convtool.runs.report import Report, json_line
from convtool.runs.signals import recording, release
from convtool.stdio import forsake_stdout, print_line
from convtool.tuples import NamedTuple

if TYPE_CHECKING:
    from convtool.runs.inputs import Found

ALONE = 0.06
"""Seconds of work that one process does sooner than workers are started (measured: two take 25 ms)."""
SECONDS_PER_BYTE, SECONDS_PER_FILE = 25e-9, 0.5e-3
"""What reading, filtering and writing take of a photograph by its bytes, and of any file (measured)."""

Events = Iterator[tuple[Job, Result | None]]


class Shown(NamedTuple):
    """What of a run is printed."""

    quiet: bool = False
    verbose: bool = False
    json: bool = False
    """One line per map on stdout."""


def execute(jobs: Sequence[Job], found: Found, options: Options, workers: int | None, shown: Shown) -> int:
    """Carry out all jobs and say what became of them; the exit code. ``workers`` is None for one on each core."""
    make_folders(jobs)
    report = Report(len(jobs) + len(found.failures))
    teller = _Teller(report, shown)
    for path, reason in found.failures:
        report.add(Failed(path, reason))
        teller.tell(Failed(path, reason))
    with console.Progress(len(jobs), enabled=not shown.quiet) as progress:
        try:
            stopped = _carry_out(jobs, options, workers or cores(), teller, progress)
        except (KeyboardInterrupt, Terminated) as stop:  # while workers are started or ended
            stopped = stop
    if stopped is not None:
        on = "; --skip-existing does the rest" if report.inputs > 1 and not options.force else ""
        console.say(f"interrupted: {report.done} of {report.inputs} done{on}")
        return stopped.exit_code if isinstance(stopped, Terminated) else 130
    _summarise(report, found, shown)
    return report.exit_code


def _carry_out(
    jobs: Sequence[Job], options: Options, count: int, teller: _Teller, progress: console.Progress
) -> BaseException | None:
    """Report every result as it comes; the interruption that ended it, if one did."""
    workers = min(count, len(jobs)) if _is_much(jobs) else 0
    # What is left of the workers asked for goes to the strips of one picture.
    options = options._replace(threads=max(1, count // max(workers, 1)))
    with contextlib.ExitStack() as stack:
        stack.enter_context(recording())
        events: Events
        if workers:
            from convtool.runs.workers import Workers

            pool = stack.enter_context(Workers(jobs, options, workers, progress.tick))
            events, rest = pool.results(), pool.interrupted
        else:
            events, rest = _alone(jobs, options), _nothing
        try:
            teller.follow(events, progress)
        except (KeyboardInterrupt, Terminated) as stop:
            teller.hurried = True
            teller.catch_up()
            teller.follow(rest(), progress)
            forsake_stdout()
            return stop
    return None


def _is_much(jobs: Sequence[Job]) -> bool:
    """Whether starting workers is worth it, by the sizes of the files."""
    if len(jobs) < 2:
        return False
    seconds = 0.0
    for job in jobs:
        if not all(work.skip for work in job.outputs):
            with contextlib.suppress(OSError, ValueError):
                seconds += SECONDS_PER_FILE + Path(job.source.path).stat().st_size * SECONDS_PER_BYTE * len(job.works)
        if seconds > ALONE:
            return True
    return False


def _alone(jobs: Sequence[Job], options: Options) -> Events:
    from convtool.runs.heap import keep_freed_memory
    from convtool.runs.task import run_job

    keep_freed_memory()
    for job in jobs:
        yield from ((job, result) for result in run_job(job, options))
        yield job, None


def _nothing() -> Events:
    yield from ()


class _Teller:
    """Says what becomes of inputs, and counts it."""

    def __init__(self, report: Report, shown: Shown) -> None:
        self.report = report
        self.hurried = False
        """The run was stopped: nobody waits for a reader that does not read."""
        self._untold: Result | None = None
        self._shown = shown

    def follow(self, events: Events, progress: console.Progress) -> None:
        """Report results as they come."""
        pixels, failed = 0, False
        for job, result in events:
            if result is None:
                progress.advance(pixels, failed=failed)
                pixels, failed = 0, False
                continue
            failed |= isinstance(result, Failed)
            if isinstance(result, Written) and result.work is next(work for work in job.works if not work.skip):
                pixels += result.source.height * result.source.width
            self.report.add(result, last=_is_last(result, job))
            self._untold = result
            release()
            self.catch_up()

    def catch_up(self) -> None:
        """Report the result that is on record, if an interruption came before it was reported."""
        if self._untold is not None:
            self.tell(self._untold)
            self._untold = None

    def tell(self, result: Result) -> None:
        """Report one result."""
        if self._shown.json:
            if self.hurried:
                forsake_stdout()
            line = json_line(result)
            self._untold = None  # what is in the buffer is not lost
            print_line(line)
        if isinstance(result, Failed):
            console.say(f"{console.input_name(result.path)}: {result.reason}")
        elif isinstance(result, Written) and not self._shown.quiet:
            source, target = result.work.source.path, result.work.target.path
            for note in result.notes:
                console.say(f"{console.input_name(source)}: {note}")
            if self._shown.verbose and result.frame == 0:
                console.say(f"{source} -> {target}  {result.layout}  {result.methods}")
                console.say(f"  because {result.reasons}")


def _is_last(result: Result, job: Job) -> bool:
    """Whether this result ends an input of which nothing failed."""
    return (
        not isinstance(result, Failed)
        and result.work is job.last
        and not (isinstance(result, Written) and result.frame)
    )


def _summarise(report: Report, found: Found, shown: Shown) -> None:
    """The summary: on a terminal or when asked for, and always if something failed."""
    several = report.failed and report.inputs > 1
    if shown.quiet or not (several or shown.verbose or report.verified or console.is_terminal()):
        return
    for line in report.summary():
        console.say(line)
    if found.others:
        console.say(f"{found.others:,} other file{'' if found.others == 1 else 's'} passed over{_some(found)}")
    if shown.verbose:
        console.say(f"engine: {name()}")


def _some(found: Found) -> str:
    names = ", ".join(map(console.input_name, found.examples))
    return f": {names}{' and so on' if found.others > len(found.examples) else ''}"
