"""One input from start to end: read, filtered, its maps written. A bad input is one of the results, never the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from convtool.errors import ConvtoolError, InputError
from convtool.layers.filtering import FeatureMap, before_last, filter_maps, filter_stack, together
from convtool.layers.plan import StackPlan, plan_stack
from convtool.layers.streams import Stream
from convtool.pictures.formats import FORMATS, refusal
from convtool.pictures.limits import Limits
from convtool.pictures.picture import Layout, Picture
from convtool.pictures.reader import read_layout, read_picture
from convtool.pictures.writer import frames_refusal
from convtool.runs.atomic import replacing
from convtool.runs.batch import Drawn, Failed, Job, Options, Result, SheetWork, Skipped, Work, Written
from convtool.runs.frame_maps import chosen_frames, light_for, write_maps, write_stream
from convtool.runs.naming import Source
from convtool.stdio import write_stdout
from convtool.tone.light import SRGB, Light

THREADS_FROM = 4_000_000
"""Samples of a picture from which threads pack its PNG; starting them would cost more."""
SHARED_FROM = 0.01
"""Seconds of sums from which threads share its strips: less is done while they pack what comes before."""


def run_job(job: Job, options: Options) -> Iterator[Result]:
    """Read an input, filter it and write its maps, one result a map; a failure ends this input only."""
    todo = [work for work in job.works if not work.skip]
    yield from (Skipped(work) for work in job.outputs if work.skip)
    if all(work.skip for work in job.outputs):
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
        if "can't start new thread" in str(error):
            yield Failed(job.source.path, "the system allows no more threads; -j 1 does with one")
            return
        what = " ".join(f"{type(error).__name__}: {error}".split())
        yield Failed(job.source.path, f"{what}; this should not happen, --debug shows where it did")


def _run(job: Job, todo: Sequence[Work], options: Options) -> Iterator[Result]:
    picture = read_picture(_origin(job.source, options), _limits(job, options))
    frames = chosen_frames(picture, {work.target.format for work in todo or job.works})
    light = light_for(picture, job.stack.settings)
    plans = plan_frames(job, [frame.layout for frame in frames], light)
    height, width, channels = picture.rows.shape
    packing = options.threads if height * width * channels >= THREADS_FROM else 1
    options = options._replace(encoding=options.encoding._replace(threads=packing))
    single = len(frames) == 1 and not options.verify
    found = _streamed(todo, plans[0], picture, options) if single else _held(todo, plans, frames, options)
    clipped: dict[int, int] = {}
    for result in found:
        clipped.setdefault(result.work.place, result.clipped)
        yield result
    if job.sheet is not None and not job.sheet.skip:
        with _writing(job.sheet):
            yield _draw(job.sheet, frames[0], plans[0], clipped, options)


def _draw(work: SheetWork, picture: Picture, plan: StackPlan, clipped: dict[int, int], options: Options) -> Drawn:
    """Draw the contact sheet of an input."""
    from convtool.sheets.cells import cells
    from convtool.sheets.sheet import side_for, write_sheet

    name = "standard input" if work.source.stdin else Path(work.source.path).name
    side = side_for(len(plan.maps) + 1)
    threads = _threads(sum(each.seconds for layer in plan.layers for each in layer.maps), options)
    found = cells(name, picture, plan, clipped, side=side, threads=threads)
    with replacing(Path(work.target.path)) as file:
        write_sheet(found, file)
    return Drawn(work, len(plan.maps))


def plan_frames(job: Job, layouts: Sequence[Layout], light: Light = SRGB) -> list[StackPlan]:
    """The plans of an input's frames; raises GeometryError or InputError before any of them is computed."""
    plans = [plan_stack(job.stack, layout, light) for layout in layouts]
    for work in job.works:
        found = [plan.maps[work.place].layout for plan in plans]
        reason = refusal(work.target.format, found[0]) if len(found) == 1 else frames_refusal(work.target.format, found)
        if reason and not work.skip:
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


def _streamed(todo: Sequence[Work], plan: StackPlan, picture: Picture, options: Options) -> Iterator[Written]:
    """Filter and write the maps of one picture: strip by strip, or together where they are computed together."""
    before = sum(each.seconds for layer in plan.layers[:-1] for each in layer.maps)
    coming = before_last(plan, picture, _threads(before, options))
    left = [work.place for work in todo]
    ready: dict[int, FeatureMap] = {}
    for work in todo:
        place = left.pop(0)
        one = plan.maps[place]
        threads = _threads(one.seconds, options)
        found: FeatureMap | Stream
        with _writing(work):
            if one.joint is None:
                found = Stream(one, coming, extent=options.measure, threads=threads)
                _put_stream(work, found, picture, options)
            else:
                if place not in ready:
                    places = together(plan, place, left)
                    maps = filter_maps(plan, coming, places, extent=options.measure, threads=threads)
                    ready |= zip(places, maps, strict=True)
                    del maps
                found = ready.pop(place)
                _put_maps(work, [found], picture, options)
        yield _written(work, found, notes=picture.notes)
        picture.notes = ()  # said once
        del found


def _held(
    todo: Sequence[Work], plans: Sequence[StackPlan], frames: Sequence[Picture], options: Options
) -> Iterator[Written]:
    """Filter whole maps of all frames, recompute pixels of them if asked to, and write them."""
    wanted = [work.place for work in todo]
    streams = [
        filter_stack(
            plan,
            frame,
            wanted,
            extent=options.measure,
            threads=_threads(sum(each.seconds for layer in plan.layers for each in layer.maps), options),
        )
        for plan, frame in zip(plans, frames, strict=True)
    ]
    for work in todo:
        maps = [next(stream) for stream in streams]
        results = []
        for index, (found, picture) in enumerate(zip(maps, frames, strict=True)):
            difference = None
            if options.verify:
                from convtool.layers.verification import largest_difference

                difference = largest_difference(found, picture, options.verify, plans[index])
            results.append(_written(work, found, index, difference, picture.notes if index == 0 else ()))
        with _writing(work):
            _put_maps(work, maps, frames[0], options)
        del maps, found
        yield from results
        frames[0].notes = ()  # said once


def _threads(seconds: float, options: Options) -> int:
    return options.threads if seconds >= SHARED_FROM else 1


@contextmanager
def _writing(work: Work | SheetWork) -> Iterator[None]:
    """What goes wrong while a map is written is reported with its name."""
    try:
        yield
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        if isinstance(error, ConvtoolError):
            raise
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        where = "to standard output" if work.target.stdout else work.target.path
        raise InputError(f"cannot write {where}: {reason}") from None


def _put_stream(work: Work, stream: Stream, picture: Picture, options: Options) -> None:
    """Filter a map and write it."""
    _put(work, lambda file: write_stream(stream, picture, work.target.format, options.encoding, file))


def _put_maps(work: Work, maps: Sequence[FeatureMap], picture: Picture, options: Options) -> None:
    """Write one map of every frame."""
    _put(work, lambda file: write_maps(maps, picture, work.target.format, options.encoding, file))


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
