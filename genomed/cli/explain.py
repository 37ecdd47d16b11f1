"""`genomed explain`: options in, one step called, a summary out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genomed.cli.given import command_line, print_json, print_timings, sample_names
from genomed.cli.imports import no_collection
from genomed.cli.logs import configure_logging
from genomed.cli.options import (
    Codes,
    Covariates,
    Groups,
    Json,
    LogFile,
    Out,
    Quiet,
    Relatives,
    Samples,
    Store,
    StoreBuild,
    Threads,
    Timings,
    Verbose,
    available_threads,
)
from genomed.cli.progress import working
from genomed.settings import ExplainSettings

if TYPE_CHECKING:
    from genomed.steps.explain import ExplainSummary

__all__ = ["explain"]

_DEFAULTS = ExplainSettings()


def explain(
    bundle: Annotated[
        str,
        typer.Argument(
            metavar="BUNDLE",
            help="What `genomed train` made: a directory, a .zip, or a name in the library.",
            show_default=False,
        ),
    ],
    store: Store,
    out: Out = Path("genomed-explain"),
    covariates: Covariates = None,
    codes: Codes = None,
    groups: Groups = None,
    genes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="GFF3, GTF, BED, or a table of variants and genes: sums by gene."
        ),
    ] = None,
    person: Annotated[
        list[str] | None,
        typer.Option(metavar="SAMPLE", help="Tell every term of this person; repeatable."),
    ] = None,
    top: Annotated[
        int, typer.Option(min=0, help="Terms to tell of everybody else.")
    ] = _DEFAULTS.top,
    traits: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The trait: train on permuted labels too, and explain that."
        ),
    ] = None,
    shuffle: Annotated[
        int, typer.Option(min=0, help="Trainings on permuted labels, with --traits.")
    ] = _DEFAULTS.n_shuffles,
    relatives: Relatives = None,
    steps: Annotated[
        int, typer.Option(min=2, max=1024, help="Points of the integral over the net's gradients.")
    ] = _DEFAULTS.n_steps,
    samples: Samples = None,
    build: StoreBuild = None,
    seed: Annotated[int, typer.Option(min=0, help="Of permutations.")] = _DEFAULTS.seed,
    threads: Threads = available_threads(),
    json_output: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_file: LogFile = None,
    timings: Timings = False,
) -> None:
    """Say what moves a model's predictions: variants, pairs, genes and covariates, by person."""
    settings = ExplainSettings(
        build=build, top=top, n_steps=steps, n_shuffles=shuffle if traits else 0, seed=seed
    )
    configure_logging(verbose, quiet, log_file)
    with no_collection():
        from genomed.steps.explain import ExplainInputs, run_explain

    inputs = ExplainInputs(
        bundle=bundle,
        store=store,
        covariates=covariates,
        codes=codes,
        groups=groups,
        genes=genes,
        traits=traits,
        relatives=relatives,
        samples=tuple(sample_names(samples) or ()) or None,
        persons=tuple(person or ()),
    )
    with working(quiet or json_output) as progress:
        summary = run_explain(
            inputs, out, settings, threads=threads, progress=progress, command=command_line()
        )
    _report(summary, json_output, quiet, timings)


def _report(summary: ExplainSummary, as_json: bool, quiet: bool, timings: bool) -> None:
    """Results go to stdout."""
    page = summary.page
    if as_json:
        facts = {
            "outputs": summary.outputs,
            "base_value": page.base,
            "people": page.n_people,
            "variants": {"in_the_bundle": page.n_variants, "found": page.n_found},
            "top_variants": page.variants.head(20).to_dicts(),
            "top_pairs": page.pairs.head(20).to_dicts(),
            "checks": [
                {"name": name, "value": None if math.isnan(value) else value, "passed": passed}
                for name, value, _, passed in page.checks
            ],
            "warnings": list(page.warnings),
        }
        print_json(facts)
    elif not quiet:
        from rich.console import Console

        from genomed.report.explain_summary import explain_summary

        explain_summary(Console(highlight=False), page, summary.outputs)
    if timings:
        print_timings(summary.timings)
