"""`genomed run`: the whole chain, by Snakemake."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genomed.cli.options import Quiet, Verbose
from genomed.settings import RunSettings

if TYPE_CHECKING:
    from genomed.steps.run_workflow import RunSummary

__all__ = ["run"]


def run(
    context: typer.Context,
    config: Annotated[
        Path,
        typer.Argument(metavar="CONFIG", help="Configuration of the workflow.", show_default=False),
    ],
    cores: Annotated[
        int, typer.Option("--cores", "-c", min=0, help="Most processors of all jobs; 0: all.")
    ] = RunSettings.cores,
    profile: Annotated[
        str,
        typer.Option(
            metavar="NAME|DIR", help="Of Snakemake, or the name of one that comes along: slurm."
        ),
    ] = RunSettings.profile,
    until: Annotated[
        list[str] | None, typer.Option(metavar="STEP", help="Stop after this rule; repeatable.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Say what would run, and stop.")
    ] = RunSettings.dry_run,
    plan: Annotated[
        bool, typer.Option("--plan/--no-plan", help="Predict the resources of every job first.")
    ] = RunSettings.plan,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Run the whole chain of a configuration: what is there already is not made again.

    Any other option is handed to Snakemake, such as --keep-going, --forcerun STEP or --unlock. The
    working directory is where results and Snakemake's records are written. The exit code of a
    command that fails here is that of the run; 1 if several differ, or on a cluster.
    """
    from genomed.cli.run_progress import following
    from genomed.steps.run_workflow import run_workflow

    settings = RunSettings(
        cores=cores, profile=profile, until=tuple(until or ()), dry_run=dry_run, plan=plan
    )
    with following(quiet or dry_run) as (progress, tell):
        summary = run_workflow(config, settings, context.args, progress=progress, tell=tell)
    if dry_run:
        _say_what_would_run(summary, verbose)
    elif not quiet and summary.has_started:
        typer.echo(_summary(summary))


def _say_what_would_run(summary: "RunSummary", verbose: int) -> None:
    for job in summary.jobs:
        needs = [f"{job.memory_mb} MB"] if job.memory_mb else []
        needs += [f"{job.runtime_minutes} min"] if job.runtime_minutes else []
        typer.echo("\t".join([job.name, ", ".join(needs)]))
        if verbose:
            typer.echo("  " + " ".join(job.command.split()))
    typer.echo(f"{len(summary.jobs)} jobs would run" if summary.jobs else "nothing to do")


def _summary(summary: "RunSummary") -> str:
    if not summary.jobs:
        return f"nothing to do: everything is in {summary.results}"
    text = (
        f"{summary.n_done} jobs done in {summary.seconds:.0f} s; results are in {summary.results}"
    )
    if summary.failed_attempts:
        text += f"\nfailed at first: {'; '.join(summary.failed_attempts)}"
    return text
