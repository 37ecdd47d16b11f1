"""`genomed reads features`: options in, one step called, a summary out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genomed.cli.given import command_line, print_json, print_timings
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
from genomed.settings import EvidenceSettings, ReadsFeaturesSettings

if TYPE_CHECKING:
    from genomed.steps.reads_features import ReadsFeaturesSummary

__all__ = ["reads_features"]

_DEFAULTS = ReadsFeaturesSettings()


def reads_features(
    calls: Calls,
    alignments: IndexedAlignments,
    reference: CallsReference,
    out: Out = Path("genomed-reads-features"),
    min_mapq: Annotated[
        int, typer.Option(min=0, max=255, help="Pass over reads of a lower mapping quality.")
    ] = _DEFAULTS.evidence.min_mapq,
    exclude_flags: Annotated[
        int,
        typer.Option("--exclude-flags", "-F", min=0, help="Pass over reads with any of these."),
    ] = _DEFAULTS.evidence.exclude_flags,
    max_reads: Annotated[
        int, typer.Option(min=1, help="Reads of a site beyond which they are thinned, evenly.")
    ] = _DEFAULTS.evidence.max_reads,
    max_allele: Annotated[
        int, typer.Option(min=1, metavar="BP", help="Longer alleles have no features.")
    ] = _DEFAULTS.max_allele_bp,
    sample: ReadGroupSample = None,
    threads: Threads = available_threads(),
    json_output: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_file: LogFile = None,
    timings: Timings = False,
) -> None:
    """Tell what the reads say of each call: as a table, and as INFO of the VCF."""
    settings = ReadsFeaturesSettings(
        EvidenceSettings(min_mapq=min_mapq, exclude_flags=exclude_flags, max_reads=max_reads),
        max_allele_bp=max_allele,
        sample=sample,
    )
    configure_logging(verbose, quiet, log_file)
    with no_collection():
        from genomed.steps.reads_features import ReadsFeaturesInputs, run_reads_features

    announce_compiling(quiet or json_output, "haplotype_fit.fit_reads")
    summary = run_reads_features(
        ReadsFeaturesInputs(calls, alignments, reference), out, settings, threads=threads,
        command=command_line(),
    )  # fmt: skip
    _report(summary, json_output, quiet, timings)


def _report(summary: ReadsFeaturesSummary, as_json: bool, quiet: bool, timings: bool) -> None:
    """Results go to stdout, remarks to stderr."""
    if as_json:
        facts = {
            "outputs": summary.outputs,
            "records": summary.records,
            "alleles": summary.alleles,
            "alleles_passed_over": summary.without,
        }
        print_json(facts)
    elif not quiet:
        typer.echo(f"{summary.records:,} records, features of {summary.alleles:,} alleles")
        if summary.without:
            typer.echo(f"{summary.without:,} alleles passed over: symbolic, or too long")
        for path in summary.outputs.values():
            typer.echo(f"wrote {path}")
    if timings:
        print_timings(summary.timings)
