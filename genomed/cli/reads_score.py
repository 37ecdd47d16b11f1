"""`genomed reads score`: options in, one step called, a summary out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genomed.cli.given import command_line, print_json, print_timings, print_warnings
from genomed.cli.imports import no_collection
from genomed.cli.logs import configure_logging
from genomed.cli.options import (
    Calls,
    CallsReference,
    IndexedAlignments,
    Json,
    LogFile,
    Out,
    Quiet,
    ReadGroupSample,
    Threads,
    Timings,
    Verbose,
    available_threads,
)
from genomed.cli.progress import announce_compiling
from genomed.settings import ReadsScoreSettings

if TYPE_CHECKING:
    from genomed.steps.reads_score import ReadsScoreSummary

__all__ = ["reads_score"]

_DEFAULTS = ReadsScoreSettings()


def _percents(option: str, text: str) -> tuple[float, ...]:
    """Rising percentages, as in 99.9,99.95."""
    try:
        numbers = tuple(float(word) for word in text.split(","))
    except ValueError:
        numbers = ()
    good = all(0 < number <= 100 for number in numbers) and list(numbers) == sorted(set(numbers))
    if not numbers or not good:
        raise typer.BadParameter(f"{text!r} is not a list of rising percentages", param_hint=option)
    return numbers


def reads_score(
    calls: Calls,
    alignments: IndexedAlignments,
    reference: CallsReference,
    out: Out = Path("genomed-reads-score"),
    known: Annotated[
        Path | None,
        typer.Option(
            metavar="VCF",
            help="Variants known to be true, to tell tranches by.",
            show_default="by probability",
        ),
    ] = None,
    snp_tranches: Annotated[
        str,
        typer.Option(metavar="%,%,...", help="Percent of the true SNPs that each tranche holds."),
    ] = ",".join(map(str, _DEFAULTS.snp_tranches)),
    indel_tranches: Annotated[
        str, typer.Option(metavar="%,%,...", help="The same of insertions and deletions.")
    ] = ",".join(map(str, _DEFAULTS.indel_tranches)),
    model: Annotated[
        str,
        typer.Option(metavar="shipped|none|DIR", help="Caller to score with; none: likelihoods."),
    ] = "shipped",
    sample: ReadGroupSample = None,
    threads: Threads = available_threads(),
    json_output: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_file: LogFile = None,
    timings: Timings = False,
) -> None:
    """Score the calls of any program anew, by their reads: CNN_LOD, and FILTER with tranche."""
    settings = ReadsScoreSettings(
        snp_tranches=_percents("--snp-tranches", snp_tranches),
        indel_tranches=_percents("--indel-tranches", indel_tranches),
        sample=sample,
    )
    configure_logging(verbose, quiet, log_file)
    with no_collection():
        from genomed.steps.reads_score import ReadsScoreInputs, run_reads_score

    inputs = ReadsScoreInputs(calls, alignments, reference, known, model)
    announce_compiling(quiet or json_output, "haplotype_fit.fit_reads")
    summary = run_reads_score(inputs, out, settings, threads=threads, command=command_line())
    _report(summary, json_output, quiet, timings)


def _report(summary: ReadsScoreSummary, as_json: bool, quiet: bool, timings: bool) -> None:
    """Results go to stdout, remarks to stderr."""
    if as_json:
        facts = {
            "outputs": summary.outputs,
            "records": summary.records,
            "unscored": summary.unscored,
            "tranches": summary.tranches,
            "thresholds": summary.thresholds,
            "warnings": summary.warnings,
        }
        print_json(facts)
    elif not quiet:
        print_warnings(summary.warnings)
        typer.echo(f"{summary.records:,} records, {summary.unscored:,} of them not scored")
        for kind, counts in summary.tranches.items():
            told = ", ".join(f"{name} {n:,}" for name, n in counts.items())
            typer.echo(f"{kind}: {told or 'none'}")
        for path in summary.outputs.values():
            typer.echo(f"wrote {path}")
    if timings:
        print_timings(summary.timings)
