"""One input worked off: read, filtered, its maps written. A bad input is a value among the results, never the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from convtool.atomic import replacing
from convtool.batch import Failed, Job, Options, Result, Skipped, Work, Written
from convtool.decode import read_layout, read_picture
from convtool.encode import frames_refusal
from convtool.errors import ConvtoolError, InputError
from convtool.filtering import FeatureMap, MapPlan, filter_map, plan_map
from convtool.formats import FORMATS, refusal
from convtool.framing import chosen_frames, light_for, write_maps, write_stream
from convtool.light import SRGB, Light
from convtool.limits import Limits
from convtool.maps import Settings
from convtool.naming import Source
from convtool.picture import Layout, Picture
from convtool.stdio import write_stdout
from convtool.streams import Stream

THREADS_FROM = 4_000_000
"""Samples of a picture from which threads pack its PNG; starting them would cost more."""
SHARED_FROM = 0.1
"""Seconds of sums from which threads share its strips: less is done while they pack what comes before."""


def run_job(job: Job, options: Options) -> Iterator[Result]:
    """Read an input, filter it and write its maps, one result a map; a failure ends this input only."""
    todo = [work for work in job.works if not work.skip]
    yield from (Skipped(work) for work in job.works if work.skip)
    if not todo:
        return
    try:
        yield from _run(job, todo, options)
    except BrokenPipeError:
        raise
    except ConvtoolError as error:
        yield Failed(job.source.path, str(error))
    except MemoryError:
        yield Failed(job.source.path, "needs more memory than there is")
    except Exception as error:  # a fault of ours; the other inputs may do better
        if options.debug:
            raise
        what = " ".join(f"{type(error).__name__}: {error}".split())
        yield Failed(job.source.path, f"{what}; this should not happen, --debug shows where it did")


def _run(job: Job, todo: Sequence[Work], options: Options) -> Iterator[Result]:
    picture = read_picture(_origin(job.source, options), _limits(job, options))
    frames = chosen_frames(picture, {work.target.format for work in todo})
    light = light_for(picture, job.settings)
    plans = plan_maps(todo, [frame.layout for frame in frames], job.settings, light)
    for work, plan in zip(todo, plans, strict=True):
        try:
            yield from _write(work, plan, frames, options)
        except BrokenPipeError:
            raise
        except (OSError, ValueError) as error:
            if isinstance(error, ConvtoolError):
                raise
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            where = "to standard output" if work.target.stdout else work.target.path
            raise InputError(f"cannot write {where}: {reason}") from None
        picture.notes = ()  # said once


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


def _write(work: Work, plans: Sequence[MapPlan], frames: Sequence[Picture], options: Options) -> list[Written]:
    """Filter and write one map of all frames."""
    height, width, channels = frames[0].rows.shape
    encoding = options.encoding._replace(threads=options.threads if height * width * channels >= THREADS_FROM else 1)
    seconds = sum(member.plan.seconds for member in plans[0].members)
    threads = options.threads if seconds >= SHARED_FROM else 1
    if len(frames) == 1 and not options.verify:
        stream = Stream(plans[0], frames[0], extent=options.measure, threads=threads)
        _put(work, lambda file: write_stream(stream, frames[0], work.target.format, encoding, file))
        return [_written(work, stream, notes=frames[0].notes)]
    maps: list[FeatureMap] = []
    results = []
    for index, (plan, picture) in enumerate(zip(plans, frames, strict=True)):
        found = filter_map(plan, picture, extent=options.measure, threads=threads)
        difference = None
        if options.verify:
            from convtool.verify import largest_difference

            difference = largest_difference(found, picture, options.verify)
        maps.append(found)
        notes = picture.notes if index == 0 else ()
        results.append(_written(work, found, index, difference, notes))
    _put(work, lambda file: write_maps(maps, frames[0], work.target.format, encoding, file))
    return results


def _put(work: Work, write: Callable[[IO[bytes]], None]) -> None:
    if work.target.stdout:
        write_stdout(write)
    else:
        with replacing(Path(work.target.path)) as file:
            write(file)


def _written(
    work: Work,
    found: FeatureMap | Stream,
    frame: int = 0,
    difference: float | None = None,
    notes: tuple[str, ...] = (),
) -> Written:
    plan = found.plan
    layout = plan.layout
    filtered = plan.members[0].selection.alpha == "channel"  # then alpha is clipped like a colour
    counted = layout.height * layout.width * (layout.channels if filtered else layout.colours)
    return Written(
        work,
        plan.source,
        layout,
        plan.methods,
        plan.reasons,
        found.extent,
        found.clipped,
        counted,
        difference,
        notes,
        frame,
    )
