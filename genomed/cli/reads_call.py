"""`genomed reads call`: options in, one step called, a summary out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genomed.cli.given import command_line, print_json, print_timings, print_warnings
from genomed.cli.imports import no_collection
from genomed.cli.logs import configure_logging
from genomed.cli.options import (
    Json,
    LogFile,
    Out,
    Quiet,
    RegionText,
    Threads,
    Timings,
    Verbose,
    available_threads,
)
from genomed.cli.progress import announce_compiling
from genomed.settings import CallSettings

if TYPE_CHECKING:
    from genomed.steps.reads_call import ReadsCallSummary

__all__ = ["reads_call"]

_DEFAULTS = CallSettings()


def reads_call(
    alignments: Annotated[
        Path,
        typer.Argument(
            metavar="BAM", help="Coordinate-sorted BAM, CRAM or SAM.", show_default=False
        ),
    ],
    reference: Annotated[
        Path,
        typer.Option(metavar="FASTA", help="What the reads are aligned to.", show_default=False),
    ],
    out: Out = Path("genomed-calls"),
    region: RegionText = None,
    sites: Annotated[
        Path | None,
        typer.Option(metavar="VCF", help="Call these alleles, whatever the reads show, only."),
    ] = None,
    gvcf: Annotated[
        bool, typer.Option("--gvcf", help="Write blocks that are like the reference, too.")
    ] = False,
    model: Annotated[
        str,
        typer.Option(
            metavar="shipped|none|DIR",
            help="Trained caller; none: likelihoods of the reads and what is usual alone.",
        ),
    ] = "shipped",
    sample: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="In a file of several samples: call this one."),
    ] = None,
    min_mapq: Annotated[
        int, typer.Option(min=0, max=255, help="Pass over reads of lower mapping quality.")
    ] = _DEFAULTS.min_mapq,
    min_base_quality: Annotated[
        int, typer.Option(min=0, max=93, help="Bases of lower quality make no candidate.")
    ] = _DEFAULTS.min_base_quality,
    min_snp_fraction: Annotated[
        float, typer.Option(min=0, max=1, help="Share of reads that makes a base a candidate.")
    ] = _DEFAULTS.min_snp_fraction,
    min_indel_fraction: Annotated[
        float, typer.Option(min=0, max=1, help="Share of reads that makes an indel a candidate.")
    ] = _DEFAULTS.min_indel_fraction,
    min_reads: Annotated[
        int, typer.Option(min=1, help="Reads that make a base a candidate.")
    ] = _DEFAULTS.min_reads,
    single_read_depth: Annotated[
        int, typer.Option(min=0, help="Among so few reads, one makes a base a candidate.")
    ] = _DEFAULTS.single_read_depth,
    min_qual: Annotated[
        float, typer.Option(min=0, help="Calls of lower QUAL are not written.")
    ] = _DEFAULTS.min_qual,
    threads: Threads = available_threads(),
    json_output: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_file: LogFile = None,
    timings: Timings = False,
) -> None:
    """Call SNPs and indels of one sample from its alignments."""
    settings = CallSettings(
        min_mapq=min_mapq,
        min_base_quality=min_base_quality,
        min_snp_fraction=min_snp_fraction,
        min_indel_fraction=min_indel_fraction,
        min_reads=min_reads,
        single_read_depth=single_read_depth,
        min_qual=min_qual,
    )
    configure_logging(verbose, quiet, log_file)
    with no_collection():
        from genomed.regions import Region
        from genomed.steps.reads_call import ReadsCallInputs, run_reads_call

    inputs = ReadsCallInputs(
        alignments, reference, sample=sample, sites=sites, model=model, gvcf=gvcf,
        regions=None if region is None else (Region.parse(region),),
    )  # fmt: skip
    announce_compiling(quiet or json_output, "haplotype_fit.fit_reads")
    summary = run_reads_call(inputs, out, settings, threads=threads, command=command_line())
    _report(summary, json_output, quiet, timings)


def _report(summary: ReadsCallSummary, as_json: bool, quiet: bool, timings: bool) -> None:
    """Results go to stdout, remarks to stderr."""
    if as_json:
        facts = {
            "outputs": summary.outputs,
            "sample": summary.sample,
            "counts": summary.counts,
            "warnings": summary.warnings,
        }
        print_json(facts)
    elif not quiet:
        print_warnings(summary.warnings)
        counts = summary.counts
        typer.echo(
            f"{summary.sample}: {counts.get('snps', 0):,} SNPs and {counts.get('indels', 0):,} "
            f"indels at {counts.get('candidate_sites', 0):,} candidate sites"
        )
        typer.echo(next(str(p) for name, p in summary.outputs.items() if name.endswith(".vcf.gz")))
    if timings:
        print_timings(summary.timings)
