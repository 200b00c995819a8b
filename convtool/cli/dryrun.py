"""``--dry-run``: the plan of a run, from headers alone."""

from __future__ import annotations

import json as json_module

from convtool import console
from convtool.errors import ConvtoolError
from convtool.layers.costs import stack_facts
from convtool.layers.memory import peak_bytes
from convtool.layers.plan import MapPlan
from convtool.layers.plan_table import plan_lines
from convtool.pictures.picture import Layout
from convtool.runs.batch import Job, Options
from convtool.runs.task import job_layout, plan_frames
from convtool.stdio import print_line


def dry_run(jobs: list[Job], unread: list[tuple[str, str]], options: Options, *, json: bool, verbose: bool) -> int:
    """Print the outputs, shapes, methods and memory of a run; exit code 1 if an input cannot be done.

    ``unread`` are folders that cannot be listed, and why; ``verbose`` adds why each method was chosen, and the table of
    ``convtool plan``, once for all inputs of one shape.
    """
    outputs, failures, peak = 0, len(unread), 0
    told: set[Layout] = set()
    for path, reason in unread:
        _fail(path, reason, json=json)
    for job in jobs:
        todo = [work for work in job.works if not work.skip]
        try:
            layout = job_layout(job, options)
            whole = plan_frames(job, [layout])[0]
            plans = [whole.maps[work.place] for work in todo]
        except ConvtoolError as error:
            failures += 1
            _fail(job.source.path, str(error), json=json)
            continue
        if not json:
            print_line(f"{console.shown(console.input_name(job.source.path))}  {layout}")
        for work in job.works:
            if work.skip and not json:
                print_line(f"  -- {console.shown(work.target.path)}  exists, skipped")
        for work, plan in zip(todo, plans, strict=True):
            outputs += 1
            peak = max(peak, peak_bytes(whole, plan, work.target.format))
            if json:
                print_line(json_module.dumps(_fields(job, work.target.path, work.place, plan)))
            else:
                print_line(f"  -> {console.shown(work.target.path)}  {plan.layout}  {plan.spec.range}  {plan.methods}")
                if verbose:
                    print_line(f"     because {plan.reasons}")
        if verbose and not json and layout not in told:
            told.add(layout)
            for line in plan_lines(stack_facts(whole)):
                print_line(f"     {console.shown(line)}".rstrip())
        if job.sheet is not None:
            from convtool.sheets.cells import held_bytes

            outputs += not job.sheet.skip
            peak = max([peak, *(peak_bytes(whole, plan, "png") + held_bytes(whole) for plan in plans)])
            _sheet(job, json=json)
    if not json:
        count = len(jobs) + len(unread)
        inputs = f"{count} input{'' if count == 1 else 's'}"
        print_line(
            f"{inputs}, {outputs} output{'' if outputs == 1 else 's'}, 0 collisions, peak about {peak // 10**6} MB"
        )
    return 1 if failures else 0


def _sheet(job: Job, *, json: bool) -> None:
    """The contact sheet of an input."""
    assert job.sheet is not None
    path = job.sheet.target.path
    if json:
        print_line(json_module.dumps({"input": job.source.path, "output": path, "sheet": True, "maps": len(job.works)}))
    elif job.sheet.skip:
        print_line(f"  -- {console.shown(path)}  exists, skipped")
    else:
        print_line(f"  -> {console.shown(path)}  contact sheet of {len(job.works)} maps")


def _fail(path: str, reason: str, *, json: bool) -> None:
    if json:
        print_line(json_module.dumps({"input": path, "error": reason}))
    console.say(f"{console.input_name(path)}: {reason}")


def _fields(job: Job, output: str, index: int, plan: MapPlan) -> dict[str, object]:
    layout = plan.layout
    return {
        "input": job.source.path,
        "output": output,
        "kernel": plan.spec.kernel,
        "map": plan.spec.label,
        "index": index,
        "frame": 0,
        "height": layout.height,
        "width": layout.width,
        "channels": layout.channels,
        "dtype": layout.dtype,
        "range": str(plan.spec.range),
        "method": plan.methods,
    }
