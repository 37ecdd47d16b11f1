"""`genomed reads qc`: options in, one step called, a summary out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genomed.cli.given import command_line, one_of, print_json, print_timings
from genomed.cli.imports import no_collection
from genomed.cli.logs import configure_logging
from genomed.cli.options import (
    Json,
    LogFile,
    Out,
    Quiet,
    Threads,
    Timings,
    Verbose,
    available_threads,
)
from genomed.cli.progress import announce_compiling
from genomed.settings import ReadsQcSettings

if TYPE_CHECKING:
    from genomed.io.bgzf import TextStream
    from genomed.steps.reads_qc import ReadsQcSummary

__all__ = ["reads_qc"]

_DEFAULTS = ReadsQcSettings()


def _numbers(option: str, text: str, separator: str) -> tuple[int, ...]:
    """Rising whole numbers, as in 1,10,20 or 0:1:5:150:."""
    words = [word.strip() for word in text.strip(separator + " ").split(separator) if word.strip()]
    numbers = tuple(int(word) for word in words if word.isdigit())
    if len(numbers) != len(words) or list(numbers) != sorted(set(numbers)):
        raise typer.BadParameter(
            f"{text!r} is not a list of rising whole numbers", param_hint=option
        )
    return numbers


def reads_qc(
    alignments: Annotated[
        list[Path],
        typer.Argument(
            metavar="BAM...", help="Coordinate-sorted BAM, CRAM or SAM.", show_default=False
        ),
    ],
    out: Out = Path("genomed-reads-qc"),
    reference: Annotated[
        Path | None,
        typer.Option(metavar="FASTA", help="Reference: needed for CRAM, and for GC bias."),
    ] = None,
    sites: Annotated[
        Path | None,
        typer.Option(metavar="VCF", help="Panel of sites, for contamination and identity."),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(metavar="STORE", help="Cohort to look for the same people in, at --sites."),
    ] = None,
    targets: Annotated[
        Path | None,
        typer.Option(metavar="BED", help="Regions to measure; default: windows of --window."),
    ] = None,
    window: Annotated[
        int, typer.Option(min=1, metavar="BP", help="Length of windows, without --targets.")
    ] = _DEFAULTS.window_bp,
    thresholds: Annotated[
        str, typer.Option(metavar="N,N,...", help="Depths whose reach is told of each region.")
    ] = ",".join(map(str, _DEFAULTS.thresholds)),
    quantize: Annotated[
        str,
        typer.Option(metavar="N:N:...", help="Borders of none, low, callable and high depth."),
    ] = ":".join(map(str, _DEFAULTS.quantize)) + ":",
    per_base: Annotated[
        bool, typer.Option("--per-base", help="Write the depth of every base, too.")
    ] = False,
    min_mapq: Annotated[
        int, typer.Option(min=0, max=255, help="Depth is of alignments of at least this MAPQ.")
    ] = _DEFAULTS.min_mapq,
    exclude_flags: Annotated[
        int,
        typer.Option("--exclude-flags", "-F", min=0, help="Depth leaves out any of these flags."),
    ] = _DEFAULTS.exclude_flags,
    include_flags: Annotated[
        int,
        typer.Option("--include-flags", "-i", min=0, help="Depth needs one of these; 0: no limit."),
    ] = _DEFAULTS.include_flags,
    overlaps: Annotated[
        str,
        typer.Option(
            metavar="once|both",
            help="Where mates overlap count one of them (mosdepth), or both (samtools depth).",
        ),
    ] = _DEFAULTS.overlaps,
    sample: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|all", help="In files of several samples: read this one's groups only."
        ),
    ] = None,
    threads: Threads = available_threads(),
    json_output: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_file: LogFile = None,
    timings: Timings = False,
) -> None:
    """Measure depth, coverage, mapping and sequencing quality of alignments."""
    settings = ReadsQcSettings(
        window_bp=window,
        thresholds=_numbers("--thresholds", thresholds, ","),
        quantize=_numbers("--quantize", quantize, ":"),
        per_base=per_base,
        min_mapq=min_mapq,
        exclude_flags=exclude_flags,
        include_flags=include_flags,
        overlaps=one_of("--overlaps", overlaps, "once", "both"),
        sample=sample,
    )
    configure_logging(verbose, quiet, log_file)
    stream = _start_inflating(alignments[0])
    with no_collection():
        from genomed.steps.reads_qc import ReadsQcInputs, run_reads_qc

    inputs = ReadsQcInputs(tuple(alignments), reference, targets, sites, store)
    announce_compiling(quiet or json_output, "read_counts.count_alignments")
    summary = run_reads_qc(
        inputs, out, settings, threads=threads, stream=stream, command=command_line()
    )
    _report(summary, json_output, quiet, timings)


def _start_inflating(path: Path) -> TextStream | None:
    """Open a BAM and inflate in the background while Python still imports polars."""
    from genomed.io.bgzf import RECORD_ROOM, TextStream

    if not path.is_file():
        return None
    stream = TextStream(path, room=RECORD_ROOM)
    if stream.kind != "bgzf" or stream.peek(4) != b"BAM\1":
        stream.close()
        return None
    stream.prefetch()
    return stream


def _report(summary: ReadsQcSummary, as_json: bool, quiet: bool, timings: bool) -> None:
    """Results go to stdout, remarks to stderr."""
    if as_json:
        facts = {
            "outputs": summary.outputs,
            "files": summary.files.to_dicts(),
            "identity": summary.identity and summary.identity.files.to_dicts(),
            "pairs": summary.identity and summary.identity.pairs.to_dicts(),
            "warnings": summary.warnings,
        }
        print_json(facts)
    elif not quiet:
        from rich.console import Console

        from genomed.report.reads_qc_summary import reads_qc_summary

        reads_qc_summary(Console(highlight=False), summary.files, summary.warnings, summary.outputs)
    if timings:
        print_timings(summary.timings)
