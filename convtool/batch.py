"""A run: everything is checked and planned before any pixel is read, then inputs are worked off one by one.

A bad input is a value among the results, never the end of the run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from convtool.atomic import replacing
from convtool.decode import read_layout, read_picture
from convtool.encode import Encoding, frames_refusal
from convtool.errors import ConvtoolError, InputError, OutputError, UsageError
from convtool.extent import Extent
from convtool.filtering import FeatureMap, MapPlan, filter_map, plan_map
from convtool.formats import FORMATS, refusal
from convtool.framing import chosen_frames, light_for, write_maps
from convtool.kernel import KernelSet
from convtool.light import SRGB, Light
from convtool.limits import Limits
from convtool.maps import MapSpec, Settings, list_maps
from convtool.naming import MapName, Naming, Source, Target, check_collisions
from convtool.options import Range
from convtool.picture import Layout, Picture
from convtool.stdio import write_stdout


class Options(NamedTuple):
    """What a run does with files, apart from what is computed."""

    naming: Naming
    encoding: Encoding = Encoding()
    limits: Limits = Limits()
    force: bool = False
    skip_existing: bool = False
    measure: bool = False
    """Find the extent of every map."""
    verify: int = 0
    stdin: bytes | InputError = b""
    """What came in on standard input, or why it cannot be used."""


@dataclass(frozen=True)
class Work:
    """One map of one input and where it goes; ``skip`` if its output is there and stays."""

    source: Source
    spec: MapSpec
    index: int
    target: Target
    skip: bool = False


class Job(NamedTuple):
    """All maps of one input."""

    source: Source
    works: tuple[Work, ...]
    settings: Settings


class Written(NamedTuple):
    """A map that was written, or one frame of it, without its samples; ``difference`` is what ``--verify`` found."""

    work: Work
    plan: MapPlan
    extent: Extent
    clipped: int
    difference: float | None = None
    notes: tuple[str, ...] = ()
    frame: int = 0


class Skipped(NamedTuple):
    """A map whose output existed."""

    work: Work


class Failed(NamedTuple):
    """An input that could not be done, wholly or from some map on."""

    path: str
    reason: str


THREADS_FROM = 4_000_000
"""Samples of a picture from which its strips are shared out among threads."""

Result = Written | Skipped | Failed


def plan_run(sources: Sequence[Source], sets: Sequence[KernelSet], settings: Settings, options: Options) -> list[Job]:
    """Name and check every output of a run; raises before any pixel is read.

    UsageError and KernelError for options that do not fit together, OutputError for outputs that collide, exist or
    are inputs.
    """
    jobs = list(_jobs(sources, sets, settings, options.naming))
    works = [work for job in jobs for work in job.works]
    _check_counts(sources, jobs, options.naming)
    problems = check_collisions((work.source, work.target) for work in works)
    if problems:
        raise OutputError(_counted(problems))
    _check_inputs(sources, works)
    existing = {work.target.path for work in works if not work.target.stdout and os.path.lexists(work.target.path)}
    if existing and not (options.force or options.skip_existing):
        names = [work.target.path for work in works if work.target.path in existing]
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")
        exists, it = ("exists", "it") if len(names) == 1 else ("exist", "them")
        raise OutputError(f"{shown}: {exists}; --force replaces, --skip-existing leaves {it}")
    if options.skip_existing:
        jobs = [
            job._replace(works=tuple(replace(w, skip=w.target.path in existing) for w in job.works)) for job in jobs
        ]
    return jobs


def _jobs(sources: Sequence[Source], sets: Sequence[KernelSet], settings: Settings, naming: Naming) -> Iterator[Job]:
    variants: dict[Settings, list[MapSpec]] = {}
    plain = list_maps(sets, settings)
    names = [MapName(spec.label, spec.kernel, index) for index, spec in enumerate(plain)]
    for source in sources:
        targets = naming.targets(source, names)
        own = implied(settings, targets[0].format)
        if own not in variants:
            variants[own] = list_maps(sets, own)
        if own.dtype is not None and own.dtype not in FORMATS[targets[0].format].dtypes:
            layout = Layout(1, 1, 1, False, own.dtype)
            raise UsageError(refusal(targets[0].format, layout) or "")
        pairs = zip(variants[own], targets, strict=True)
        works = tuple(Work(source, spec, index, target) for index, (spec, target) in enumerate(pairs))
        yield Job(source, works, own)


def implied(settings: Settings, format_name: str) -> Settings:
    """``-f npy``, ``--range raw`` and ``--dtype float32`` each imply the others unless said."""
    raw_range = settings.range is not None and settings.range.how == "raw"
    if format_name != "npy" and not raw_range and settings.dtype != "float32":
        return settings
    return settings._replace(range=settings.range or Range("raw"), dtype=settings.dtype or "float32")


def _check_counts(sources: Sequence[Source], jobs: Sequence[Job], naming: Naming) -> None:
    if naming.kind not in ("file", "stdout"):
        return
    where = "stdout" if naming.kind == "stdout" else naming.output
    maps = max((len(job.works) for job in jobs), default=0)
    if maps > 1:
        raise UsageError(
            f"{where} takes one picture, and the kernels give {maps} maps; join them with --merge, name one kernel,"
            " or write to a folder (-o out/)"
        )
    if len(sources) > 1:
        raise UsageError(f"{where} takes one picture, and there are {len(sources)} inputs; write to a folder (-o out/)")


def _check_inputs(sources: Sequence[Source], works: Sequence[Work]) -> None:
    identities: dict[tuple[int, int], str] = {}
    for source in sources:
        if not source.stdin:
            try:
                status = Path(source.path).stat()
            except (OSError, ValueError):
                continue
            identities[status.st_dev, status.st_ino] = source.path
    for work in works:
        if work.target.stdout:
            continue
        try:
            status = Path(work.target.path).stat()
        except OSError:
            continue
        if hit := identities.get((status.st_dev, status.st_ino)):
            raise OutputError(f"{work.target.path}: is the input {hit}; convtool never writes over an input")


def _counted(messages: Sequence[str]) -> str:
    more = f" (and {len(messages) - 1} more like this)" if len(messages) > 1 else ""
    return messages[0] + more


def make_folders(jobs: Sequence[Job]) -> None:
    """Create the folders of all outputs; raises OutputError naming the one that cannot be written."""
    folders = {Path(w.target.path).parent for job in jobs for w in job.works if not (w.skip or w.target.stdout)}
    for folder in sorted(folders):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise OutputError(f"{folder}: exists and is no folder; name another with -o") from None
        except OSError as error:
            raise OutputError(f"{folder}: cannot be made a folder ({error.strerror or error})") from None
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
            raise OutputError(f"{folder}: cannot be written to")


def run_job(job: Job, options: Options) -> Iterator[Result]:
    """Read an input, filter it and write its maps, one result a map; a failure ends this input only."""
    todo = [work for work in job.works if not work.skip]
    yield from (Skipped(work) for work in job.works if work.skip)
    if not todo:
        return
    try:
        picture = read_picture(_origin(job.source, options), _limits(job, options))
        frames = chosen_frames(picture, {work.target.format for work in todo})
        light = light_for(picture, job.settings)
        plans = plan_maps(todo, [frame.layout for frame in frames], job.settings, light)
    except ConvtoolError as error:
        yield Failed(job.source.path, str(error))
        return
    for work, plan in zip(todo, plans, strict=True):
        try:
            yield from _write(work, plan, frames, options)
            picture.notes = ()  # said once
        except BrokenPipeError:
            raise
        except ConvtoolError as error:
            yield Failed(job.source.path, str(error))
            return
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            where = "to standard output" if work.target.stdout else work.target.path
            yield Failed(job.source.path, f"cannot write {where}: {reason}")
            return
        except MemoryError:
            yield Failed(job.source.path, "needs more memory than there is")
            return


def plan_maps(
    works: Sequence[Work], layouts: Sequence[Layout], settings: Settings, light: Light = SRGB
) -> list[list[MapPlan]]:
    """The plans of an input's maps, one a frame; raises GeometryError or InputError before any of them is computed."""
    plans = []
    for work in works:
        kinds = {layout: plan_map(work.spec, layout, settings, light) for layout in dict.fromkeys(layouts)}
        plans.append([kinds[layout] for layout in layouts])
    for work, found in zip(works, plans, strict=True):
        if len(found) == 1:
            reason = refusal(work.target.format, found[0].layout)
        else:
            reason = frames_refusal(work.target.format, [plan.layout for plan in found])
        if reason:
            raise InputError(reason)
    return plans


def job_layout(job: Job, options: Options) -> Layout:
    """The layout of an input from its header; raises InputError."""
    return read_layout(_origin(job.source, options), _limits(job, options))


def _limits(job: Job, options: Options) -> Limits:
    """All frames are read where the outputs can hold them."""
    return options.limits._replace(frames=all(FORMATS[work.target.format].frames for work in job.works))


def _origin(source: Source, options: Options) -> Path | bytes:
    if not source.stdin:
        return Path(source.path)
    if isinstance(options.stdin, InputError):
        raise options.stdin
    return options.stdin


def _threads(plan: MapPlan) -> int:
    """Threads for one map: all cores for a large picture, one where starting them would cost more."""
    layout = plan.source
    if layout.height * layout.width * layout.channels < THREADS_FROM:
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _write(work: Work, plans: Sequence[MapPlan], frames: Sequence[Picture], options: Options) -> list[Written]:
    """Filter and write one map of all frames."""
    maps: list[FeatureMap] = []
    results = []
    for index, (plan, picture) in enumerate(zip(plans, frames, strict=True)):
        found = filter_map(plan, picture, extent=options.measure, threads=_threads(plan))
        difference = None
        if options.verify:
            from convtool.verify import largest_difference

            difference = largest_difference(found, picture, options.verify)
        maps.append(found)
        notes = picture.notes if index == 0 else ()
        results.append(Written(work, plan, found.extent, found.clipped, difference, notes, index))
    if work.target.stdout:
        write_stdout(lambda file: write_maps(maps, frames[0], work.target.format, options.encoding, file))
    else:
        with replacing(Path(work.target.path)) as file:
            write_maps(maps, frames[0], work.target.format, options.encoding, file)
    return results
