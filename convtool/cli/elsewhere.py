"""``--as``: the run of the first input, printed for another tool."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from convtool import console
from convtool.errors import InputError
from convtool.pictures.modes import stored_as
from convtool.runs.batch import Job, Options
from convtool.runs.task import job_layout, plan_frames
from convtool.stdio import print_line
from convtool.translate import to_python
from convtool.translate.recipe import run_of


def print_translated(jobs: list[Job], unread: list[tuple[str, str]], options: Options, tool: str) -> int:
    """Print the program; raises what planning raises, and UsageError for what cannot be said there."""
    if not jobs:
        raise InputError(f"{unread[0][0]}: {unread[0][1]}")
    job = jobs[0]
    path = job.source.path
    try:
        layout = job_layout(job, options)
        plan = plan_frames(job, [layout])[0]
        stored = stored_as(Path(path)) if not job.source.stdin else ("", False)
    except InputError as error:
        raise InputError(f"{console.input_name(path)}: {error}") from None
    command = shlex.join(["convtool", *_without_as(sys.argv[1:])])
    run = run_of(command, path, stored, plan, [work.target for work in job.works], options.encoding.quality)
    print_line(to_python(run, tool))
    if len(jobs) > 1:
        console.say(f"this is the run for {path}, the first of {len(jobs):,} inputs")
    return 0


def _without_as(words: list[str]) -> list[str]:
    kept, skip = [], False
    for word in words:
        if not (skip or word == "--as" or word.startswith("--as=")):
            kept.append(word)
        skip = word == "--as"
    return kept
