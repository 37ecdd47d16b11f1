"""`genomed plan`: options in, one step called, a table out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genomed.cli.options import Json, Quiet, available_threads, parse_memory
from genomed.errors import UnfitError, UsageError
from genomed.settings import PlanSettings

if TYPE_CHECKING:
    from genomed.steps.plan import Place, Plan

__all__ = ["plan"]


def plan(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="CONFIG|INPUT",
            help="Configuration of the workflow, or a cohort, BAM or CRAM.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE",
            help="Resources for the workflow, of a configuration: plan.yaml.", show_default=False,
        ),
    ] = None,
    people: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Predict for a cohort of so many people.")
    ] = PlanSettings.people,
    variants: Annotated[
        int | None, typer.Option(min=1, metavar="M", help="And of so many variants.")
    ] = PlanSettings.variants,
    parts: Annotated[
        int,
        typer.Option(min=1, help="Jobs a cohort is converted in; a configuration has its own."),
    ] = PlanSettings.parts,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads", "-t", min=1, help="Of a job; a configuration has its own.",
            show_default=False,
        ),
    ] = None,
    nodes: Annotated[int, typer.Option(min=1, metavar="K", help="Machines that jobs run on.")] = 1,
    cores: Annotated[
        int | None,
        typer.Option(min=1, help="Processors of each; of this one.", show_default=False),
    ] = None,
    memory: Annotated[
        int | None,
        typer.Option(
            metavar="SIZE", parser=parse_memory, help="Memory of each, as in 64G; of this one.",
            show_default=False,
        ),
    ] = None,
    disk: Annotated[
        int | None,
        typer.Option(
            metavar="SIZE", parser=parse_memory, help="Room for results; what is free here.",
            show_default=False,
        ),
    ] = None,
    gpu_memory: Annotated[
        int | None,
        typer.Option(
            metavar="SIZE", parser=parse_memory, help="Memory of a GPU; of the one here.",
            show_default=False,
        ),
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(
            min=0.05, max=50,
            help="Of their processors, beside the one the costs were measured on; tried here.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:  # fmt: skip
    """Predict memory, time and disc of every job from headers and indexes, before anything runs.

    Ends with exit code 7 when something will not fit; the plan is written nevertheless.
    """
    from genomed.steps.plan import run_plan, this_place, write_plan

    settings = PlanSettings(people=people, variants=variants, parts=parts)
    given = {"cores": cores, "memory_mb": memory, "disk_mb": disk, "gpu_mb": gpu_memory}
    place = _place(this_place(speed=speed), given, nodes)
    made = run_plan(source, settings, place, threads=threads or available_threads())
    if out is not None and not made.is_workflow:
        raise UsageError("--out takes resources for the workflow; give its configuration")
    if made.is_workflow:
        out = out or Path("plan.yaml")
        write_plan(made, out)
    if as_json:
        _print_json(made)
    elif not quiet:
        _print_table(made, out if made.is_workflow else None)
    if made.misfits:
        raise UnfitError("this will not fit: " + "; ".join(made.misfits))


def _place(here: Place, given: dict[str, Any], nodes: int) -> Place:
    """This machine, but for what was said of the ones that jobs will run on."""
    from dataclasses import replace

    said = {
        name: value / (1 << 20) if name.endswith("_mb") else value
        for name, value in given.items()
        if value is not None
    }
    return replace(here, nodes=nodes, **said)


def _print_json(made: Plan) -> None:
    import json
    from dataclasses import asdict

    facts = {
        "source": made.source,
        "place": asdict(made.place),
        "jobs": [
            {
                "rule": one.job.rule,
                "name": one.job.name,
                "count": one.job.count,
                "sizes": dict(one.job.sizes),
                "estimated": one.job.estimated,
                "predicted": {
                    "cpu_s": round(one.cost.cpu_s / made.place.speed, 1),
                    "wall_s": round(one.wall_s, 1),
                    "memory_mb": round(one.cost.memory_mb),
                    "disk_mb": round(one.cost.disk_mb),
                    "gpu_mb": round(one.cost.gpu_mb) if one.job.gpu else 0,
                },
                "asked": {
                    "mem_mb": one.mem_mb, "runtime_minutes": one.runtime_minutes,
                    "disk_mb": one.disk_mb, "gpu_mb": one.gpu_mb,
                },
            }
            for one in made.jobs
        ],
        "wall_s": round(made.wall_s, 1),
        "cpu_s": round(made.cpu_s, 1),
        "disk_mb": round(made.disk_mb),
        "misfits": made.misfits,
    }  # fmt: skip
    typer.echo(json.dumps(facts, indent=1))


_HEADINGS = ("rule", "job", "people", "variants", "time", "memory", "disc", "GPU")


def _print_table(made: Plan, out: Path | None) -> None:
    from genomed.report.tables import format_memory, format_seconds

    rows = [_row(one) for one in made.jobs]
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table

        table = Table(box=None, pad_edge=False)
        for i, heading in enumerate(_HEADINGS):
            table.add_column(heading, justify="left" if i < 2 else "right")
        for row in rows:
            table.add_row(*row)
        Console().print(table)
    else:
        for row in (_HEADINGS, *rows):
            typer.echo("\t".join(row))
    place = made.place
    where = f"{place.nodes} machines" if place.nodes > 1 else "this machine"
    n_jobs = sum(one.job.count for one in made.jobs)
    typer.echo(
        f"{n_jobs} jobs: {format_seconds(made.cpu_s)} of a processor, "
        f"{format_seconds(made.wall_s)} by the clock on {where} of {place.cores} processors, "
        f"{format_memory(made.disk_mb)} of disc",
        err=True,
    )
    if guessed := made.estimated:
        typer.echo(f"estimated, not told by headers: {', '.join(guessed)}", err=True)
    if out is not None:
        typer.echo(f"resources for the workflow: {out}", err=True)


def _row(one: Any) -> tuple[str, ...]:
    from genomed.report.tables import format_memory, format_seconds

    sizes = one.job.sizes
    people = f"{sizes['samples']:,.0f}" if sizes.get("samples") else ""
    variants = f"{sizes['variants']:,.0f}" if sizes.get("variants") else ""
    gpu = format_memory(one.cost.gpu_mb) if one.job.gpu else ""
    name = one.job.name if one.job.count == 1 else f"{one.job.name} x {one.job.count}"
    return (
        one.job.rule, name, people, variants, format_seconds(one.wall_s),
        format_memory(one.cost.memory_mb), format_memory(one.cost.disk_mb), gpu,
    )  # fmt: skip
