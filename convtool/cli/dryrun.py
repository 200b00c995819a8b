"""``--dry-run``: the plan of a run, from headers alone."""

from __future__ import annotations

import json as json_module

import click

from convtool import console
from convtool.batch import Job, Options, job_layout, plan_maps
from convtool.errors import ConvtoolError
from convtool.filtering import MapPlan
from convtool.memory import peak_bytes


def dry_run(jobs: list[Job], options: Options, *, json: bool) -> int:
    """Print the outputs, shapes, methods and memory of a run; exit code 1 if an input cannot be done."""
    outputs, failures, peak = 0, 0, 0
    for job in jobs:
        todo = [work for work in job.works if not work.skip]
        try:
            layout = job_layout(job, options)
            plans = plan_maps(todo, layout, job.settings)
        except ConvtoolError as error:
            failures += 1
            if json:
                click.echo(json_module.dumps({"input": job.source.path, "error": str(error)}))
            console.say(f"{job.source.path}: {error}")
            continue
        if not json:
            click.echo(f"{console.shown(job.source.path)}  {layout}")
        for work in job.works:
            if work.skip and not json:
                click.echo(f"  -- {console.shown(work.target.path)}  exists, skipped")
        for work, plan in zip(todo, plans, strict=True):
            outputs += 1
            peak = max(peak, peak_bytes(plan))
            if json:
                click.echo(json_module.dumps(_fields(job, work.target.path, work.index, plan)))
            else:
                click.echo(f"  -> {console.shown(work.target.path)}  {plan.layout}  {plan.spec.range}  {plan.methods}")
    if not json:
        inputs = f"{len(jobs)} input{'' if len(jobs) == 1 else 's'}"
        click.echo(
            f"{inputs}, {outputs} output{'' if outputs == 1 else 's'}, 0 collisions, peak about {peak // 10**6} MB"
        )
    return 1 if failures else 0


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
