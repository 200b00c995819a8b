"""A run before its first pixel: which maps of which inputs go where, every name checked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from convtool.errors import InputError, OutputError, UsageError
from convtool.layers.maps import MapSpec
from convtool.layers.stack import Stack, stack_maps
from convtool.pictures.formats import FORMATS, Encoding, refusal
from convtool.pictures.limits import Limits
from convtool.pictures.picture import Layout
from convtool.runs.naming import MapName, Naming, Source, Target, check_collisions
from convtool.tone.extent import Extent
from convtool.tuples import NamedTuple


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
    sheet: bool = False
    """Also a contact sheet of every input."""
    threads: int = 1
    """Those that may work on one picture."""
    debug: bool = False
    """A fault of ours is raised rather than counted."""


class Work(NamedTuple):
    """One map of one input and where it goes; ``skip`` if its output is there and stays."""

    source: Source
    spec: MapSpec
    place: int
    target: Target
    skip: bool = False


class SheetWork(NamedTuple):
    """The contact sheet of one input and where it goes."""

    source: Source
    target: Target
    skip: bool = False


class Job(NamedTuple):
    """All maps of one input."""

    source: Source
    works: tuple[Work, ...]
    stack: Stack
    sheet: SheetWork | None = None

    @property
    def outputs(self) -> tuple[Work | SheetWork, ...]:
        """Everything that is written for this input."""
        return (*self.works, self.sheet) if self.sheet else self.works

    @property
    def last(self) -> Work | SheetWork:
        """The output with which the input is done: those that are skipped come first."""
        return next((each for each in reversed(self.outputs) if not each.skip), self.outputs[-1])


class Written(NamedTuple):
    """A map that was written, or one frame of it, without its samples."""

    work: Work
    source: Layout
    layout: Layout
    methods: str
    """How it was computed."""
    reasons: str
    """Why so."""
    extent: Extent
    clipped: int
    counted: int
    """Samples that could have been clipped."""
    difference: float | None = None
    """What ``--verify`` found."""
    notes: tuple[str, ...] = ()
    frame: int = 0


class Drawn(NamedTuple):
    """A contact sheet that was written, with so many maps."""

    work: SheetWork
    maps: int


class Skipped(NamedTuple):
    """A map or sheet whose output existed."""

    work: Work | SheetWork


class Failed(NamedTuple):
    """An input that could not be done, wholly or from some map on."""

    path: str
    reason: str


Result = Written | Drawn | Skipped | Failed


def plan_run(sources: Sequence[Source], stack: Stack, options: Options) -> list[Job]:
    """Name and check every output of a run; raises before any pixel is read.

    UsageError and KernelError for options that do not fit together, OutputError for outputs that collide, exist or
    are inputs.
    """
    jobs = list(_jobs(sources, stack, options))
    works = [work for job in jobs for work in job.outputs]
    _check_counts(sources, jobs, options.naming)
    problems = check_collisions((work.source, work.target) for work in works)
    if problems:
        raise OutputError(_counted(problems))
    existing = {work.target.path for work in works if not work.target.stdout and os.path.lexists(work.target.path)}
    if existing:
        _check_inputs(sources, existing)
    if existing and not (options.force or options.skip_existing):
        names = [work.target.path for work in works if work.target.path in existing]
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")
        exists, it = ("exists", "it") if len(names) == 1 else ("exist", "them")
        raise OutputError(f"{shown}: {exists}; --force replaces, --skip-existing leaves {it}")
    if options.skip_existing:
        jobs = [
            job._replace(
                works=tuple(w._replace(skip=True) if w.target.path in existing else w for w in job.works),
                sheet=job.sheet and job.sheet._replace(skip=job.sheet.target.path in existing),
            )
            for job in jobs
        ]
    return jobs


def _jobs(sources: Sequence[Source], stack: Stack, options: Options) -> Iterator[Job]:
    naming = options.naming
    variants: dict[str, Stack] = {}
    names = [MapName(spec.label, spec.kernel, index) for index, spec in enumerate(stack_maps(stack)[-1])]
    for source in sources:
        targets = naming.targets(source, names)
        format_name = targets[0].format
        own = variants.setdefault(format_name, implied(stack, format_name))
        dtype = own.settings.dtype
        if dtype is not None and dtype not in FORMATS[format_name].dtypes:
            layout = Layout(1, 1, 1, False, dtype)
            raise UsageError(refusal(format_name, layout) or "")
        pairs = zip(stack_maps(own)[-1], targets, strict=True)
        works = tuple(Work(source, spec, index, target) for index, (spec, target) in enumerate(pairs))
        sheet = None
        if options.sheet:
            sheet = SheetWork(source, naming.sheet_target(source, len(works)))
        yield Job(source, works, own, sheet)


def implied(stack: Stack, format_name: str) -> Stack:
    """The stack with what an output format implies."""
    settings = stack.settings.implied(format_name)
    return stack.with_run(range=settings.range, dtype=settings.dtype)


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


def _check_inputs(sources: Sequence[Source], outputs: Iterable[str]) -> None:
    identities: dict[tuple[int, int], str] = {}
    for source in sources:
        if not source.stdin:
            try:
                status = os.stat(source.path)  # noqa: PTH116 (a path object for each of many inputs takes long)
            except (OSError, ValueError):
                continue
            identities[status.st_dev, status.st_ino] = source.path
    for path in sorted(outputs):
        try:
            status = os.stat(path)  # noqa: PTH116
        except OSError:
            continue
        if hit := identities.get((status.st_dev, status.st_ino)):
            raise OutputError(f"{path}: is the input {hit}; convtool never writes over an input")


def _counted(messages: Sequence[str]) -> str:
    more = f" (and {len(messages) - 1} more like this)" if len(messages) > 1 else ""
    return messages[0] + more


def make_folders(jobs: Sequence[Job]) -> None:
    """Create the folders of all outputs; raises OutputError naming the one that cannot be written."""
    outputs = (each for job in jobs for each in job.outputs if not (each.skip or each.target.stdout))
    beside = {os.path.dirname(job.source.path) for job in jobs}
    for name in sorted({os.path.dirname(each.target.path) for each in outputs}):
        folder = Path(name)
        if name in beside and not folder.is_dir():
            continue  # of an input that is not there, which is reported later
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise OutputError(f"{folder}: exists and is no folder; name another with -o") from None
        except OSError as error:
            raise OutputError(f"{folder}: cannot be made a folder ({error.strerror or error})") from None
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
            raise OutputError(f"{folder}: cannot be written to")
