"""`genomed evaluate`: options in, one step called, a summary out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genomed.cli.given import command_line, one_of, print_json, print_timings, words
from genomed.cli.imports import no_collection
from genomed.cli.logs import configure_logging
from genomed.cli.options import (
    GroupFile,
    Json,
    LogFile,
    Out,
    Quiet,
    Threads,
    Timings,
    Verbose,
    available_threads,
)
from genomed.settings import EvaluateSettings

if TYPE_CHECKING:
    from genomed.steps.evaluate import EvaluateSummary

__all__ = ["evaluate"]

_DEFAULTS = EvaluateSettings()
_SCALES = ("auto", "probability", "logit", "score", "value")


def evaluate(
    predictions: Annotated[
        Path,
        typer.Argument(
            metavar="PREDICTIONS",
            help="risk.tsv of `genomed risk`, or any table with a column of samples.",
            show_default=False,
        ),
    ],
    traits: Annotated[
        Path,
        typer.Option(metavar="FILE", help="The truth: a table of samples.", show_default=False),
    ],
    out: Out = Path("genomed-evaluate"),
    trait: Annotated[
        str | None, typer.Option(metavar="NAME", help="Column of the truth, if there are several.")
    ] = None,
    prediction: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Column, model, or MODEL:COLUMN; may be given several times. The usual one: "
            "probability, full, prediction, risk, score.",
        ),
    ] = None,
    versus: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE[:NAME]", help="Compare with this prediction, on the same people."
        ),
    ] = None,
    groups: GroupFile = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN,...",
            help="Group people by these columns of any table, as in ancestry,sex,age.",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="High risk from here on, in the unit of the prediction; the share of cases, or "
            "the highest tenth of a score."
        ),
    ] = None,
    prevalence: Annotated[
        float | None,
        typer.Option(help="Of the disease in the population, between 0 and 1; as in the sample."),
    ] = None,
    max_gap: Annotated[
        float | None,
        typer.Option(min=0, help="Exit with 9 where groups differ by more than this."),
    ] = None,
    gap_measure: Annotated[
        str | None,
        typer.Option(metavar="MEASURE", help="What --max-gap is of; auroc, r2 or c_index."),
    ] = None,
    scale: Annotated[
        str,
        typer.Option(metavar="|".join(_SCALES), help="Unit of the prediction."),
    ] = _DEFAULTS.scale,
    kind: Annotated[
        str | None,
        typer.Option(metavar="binary|quantitative", help="Of the trait, if its values deceive."),
    ] = None,
    time: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Time to the event, in the truth.")
    ] = None,
    event: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="1 for the event, 0 for none, beside it.")
    ] = None,
    entry: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="When observation began, if not at 0.")
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            "--set", metavar="NAME", help="Set of people to use; test, where there is one, or all."
        ),
    ] = None,
    relatives: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Pairs of relatives, who are drawn together."),
    ] = None,
    n_draws: Annotated[
        int, typer.Option("--bootstrap", min=0, help="Draws of people; 0 for no intervals.")
    ] = _DEFAULTS.n_draws,
    level: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="Share of intervals that hold the truth.")
    ] = _DEFAULTS.level,
    n_bins: Annotated[
        int, typer.Option("--bins", min=2, max=100, help="Bins of the calibration.")
    ] = _DEFAULTS.n_bins,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws.")] = _DEFAULTS.seed,
    threads: Threads = available_threads(),
    json_output: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_file: LogFile = None,
    timings: Timings = False,
) -> None:
    """Measure predictions against the truth, for everybody and group by group."""
    if (time is None) != (event is None) or (entry is not None and time is None):
        raise typer.BadParameter("a time needs its event", param_hint="--time and --event")
    if prevalence is not None and not 0 < prevalence < 1:
        raise typer.BadParameter(f"{prevalence} is not between 0 and 1", param_hint="--prevalence")
    if kind is not None:
        one_of("--kind", kind, "binary", "quantitative")
    settings = EvaluateSettings(
        n_draws=n_draws,
        seed=seed,
        level=level,
        scale=one_of("--scale", scale, *_SCALES),
        threshold=threshold,
        prevalence=prevalence,
        n_bins=n_bins,
        max_gap=max_gap,
        gap_measure=gap_measure,
    )
    configure_logging(verbose, quiet, log_file)
    with no_collection():
        from genomed.io.traits import SurvivalColumns
        from genomed.steps.evaluate import EvaluateInputs, run_evaluate

    inputs = EvaluateInputs(
        predictions=predictions,
        traits=traits,
        trait=trait,
        prediction=tuple(prediction or ()),
        versus=versus,
        groups=groups,
        by=words(by),
        relatives=relatives,
        survival=SurvivalColumns(time, event, entry) if time and event else None,
        kind=kind,
        only=only,
    )
    summary = run_evaluate(inputs, out, settings, threads=threads, command=command_line())
    _report(summary, json_output, quiet, timings)
    summary.check()


def _report(summary: EvaluateSummary, as_json: bool, quiet: bool, timings: bool) -> None:
    """Results go to stdout, remarks to stderr."""
    page = summary.page
    if as_json:
        facts = {
            "outputs": summary.outputs,
            "trait": page.trait,
            "kind": page.kind,
            "people": page.n,
            "cases": page.n_cases,
            "metrics": page.metrics.to_dicts(),
            "gaps": page.gaps.to_dicts(),
            "versus": page.comparison.to_dicts(),
            "gap": summary.gap,
            "warnings": list(page.warnings),
        }
        print_json(facts)
    elif not quiet:
        from rich.console import Console

        from genomed.report.evaluate_summary import evaluate_summary

        evaluate_summary(Console(highlight=False), page, summary.outputs, summary.seconds)
    if timings:
        print_timings(summary.timings)
