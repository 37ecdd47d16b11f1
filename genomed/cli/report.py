"""`genomed report`: options in, one step called, a summary out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genomed.cli.given import command_line, print_json, print_timings
from genomed.cli.imports import no_collection
from genomed.cli.logs import configure_logging
from genomed.cli.options import Json, LogFile, Quiet, Timings, Verbose

if TYPE_CHECKING:
    from genomed.steps.report import ReportSummary

__all__ = ["report"]


def report(
    directory: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="Directory with results; every run below it is shown.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="The page; DIR/report.html.", show_default=False),
    ] = None,
    person: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="One person's page instead: a sample, or what the report calls it.",
            show_default=False,
        ),
    ] = None,
    names: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Table with the columns sample and name: show names, not pseudonyms.",
            show_default=False,
        ),
    ] = None,
    title: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Heading of the page; the directory's name.",
                     show_default=False),
    ] = None,
    json_output: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_file: LogFile = None,
    timings: Timings = False,
) -> None:  # fmt: skip
    """Show every run below a directory in one page that can be sent to others."""
    configure_logging(verbose, quiet, log_file)
    with no_collection():
        from genomed.steps.report import run_report

    summary = run_report(
        directory, out, title=title, person=person, names=names, command=command_line()
    )
    _report(summary, json_output, quiet, timings)


def _report(summary: ReportSummary, as_json: bool, quiet: bool, timings: bool) -> None:
    """Results go to stdout, remarks to stderr."""
    if as_json:
        facts = {
            "outputs": summary.outputs,
            "runs": summary.runs,
            "findings": [
                {"chapter": chapter, **finding._asdict()} for chapter, finding in summary.findings
            ],
            "warnings": list(summary.warnings),
        }
        print_json(facts)
    elif not quiet:
        from rich.console import Console

        from genomed.report.report_summary import report_summary

        report_summary(
            Console(highlight=False), summary.findings, summary.warnings, summary.outputs
        )
    if timings:
        print_timings(summary.timings)
