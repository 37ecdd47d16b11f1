"""`genomed convert`: options in, one step called, a summary out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genomed.cli.given import (
    command_line,
    one_of,
    print_json,
    print_timings,
    print_warnings,
    sample_names,
    start_inflating,
    words,
)
from genomed.cli.imports import no_collection
from genomed.cli.logs import configure_logging
from genomed.cli.options import (
    Json,
    LogFile,
    Quiet,
    RegionText,
    Samples,
    Threads,
    Timings,
    Verbose,
    available_threads,
)
from genomed.settings import ConvertSettings

if TYPE_CHECKING:
    from genomed.steps.convert import ConvertSummary

__all__ = ["convert"]

_DEFAULTS = ConvertSettings()


def convert(
    cohorts: Annotated[
        list[str],
        typer.Argument(
            metavar="COHORT...",
            help="VCF, VCF.gz, BCF, gVCF, PGEN, BED or BGEN, for example one per chromosome; "
            "- reads VCF from standard input.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="PREFIX",
            help="Prefix of .pgen, .pvar and .psam.",
            show_default=False,
        ),
    ],
    reference: Annotated[
        Path | None,
        typer.Option(metavar="FASTA", help="Check REF against it, and move indels to the left."),
    ] = None,
    ref_mismatch: Annotated[
        str,
        typer.Option(
            metavar="error|warn|drop|swap",
            help="Where REF is not what the FASTA has: stop, keep, drop, or exchange it with ALT.",
        ),
    ] = _DEFAULTS.ref_mismatch,
    phase: Annotated[bool, typer.Option("--phase", help="Keep phase.")] = _DEFAULTS.phase,
    dosage: Annotated[
        str | None, typer.Option(metavar="DS|GP", help="Keep dosages from this FORMAT field.")
    ] = _DEFAULTS.dosage,
    filters: Annotated[
        str | None,
        typer.Option(
            "--filter", metavar="PASS,...", help="Keep records whose FILTER holds only these words."
        ),
    ] = None,
    info: Annotated[
        str | None, typer.Option(metavar="FIELD,...|all", help="INFO fields to keep.")
    ] = None,
    region: RegionText = None,
    samples: Samples = None,
    variants: Annotated[
        Path | None,
        typer.Option(metavar="LIST", help="Keep these: IDs or contig:position, one a line."),
    ] = None,
    min_gq: Annotated[
        int, typer.Option(min=0, help="A call of lower GQ is not called.")
    ] = _DEFAULTS.min_gq,
    min_dp: Annotated[
        int, typer.Option(min=0, help="A call of lower DP is not called.")
    ] = _DEFAULTS.min_dp,
    half_calls: Annotated[
        str, typer.Option(metavar="missing|error", help="What a call like ./1 is.")
    ] = _DEFAULTS.half_calls,
    bgen_ref: Annotated[
        str, typer.Option(metavar="first|last", help="Which allele of a BGEN is REF.")
    ] = _DEFAULTS.bgen_ref,
    gvcf: Annotated[
        bool,
        typer.Option(
            "--gvcf", help="The inputs are gVCFs of different people: store the union of variants."
        ),
    ] = _DEFAULTS.gvcf,
    min_block_depth: Annotated[
        int, typer.Option(min=0, help="With --gvcf: least depth for a block to prove hom-ref.")
    ] = _DEFAULTS.min_block_depth,
    min_block_quality: Annotated[
        int, typer.Option(min=0, help="With --gvcf: least GQ for a block to prove hom-ref.")
    ] = _DEFAULTS.min_block_quality,
    max_missing: Annotated[
        float,
        typer.Option(min=0, max=1, help="Drop variants where a larger share is not called."),
    ] = _DEFAULTS.max_missing,
    min_ac: Annotated[
        int, typer.Option(min=0, help="Drop variants with fewer copies of ALT.")
    ] = _DEFAULTS.min_ac,
    max_alleles: Annotated[
        int, typer.Option(min=0, help="Drop records of more alleles, REF included; 0: no limit.")
    ] = _DEFAULTS.max_alleles,
    psam: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Sex, parents and phenotypes, by IID; repeatable."),
    ] = None,
    fam: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="The same from a .fam.")
    ] = None,
    sex: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="IID and SEX (1, 2, M or F).")
    ] = None,
    zst: Annotated[
        bool, typer.Option("--zst", help="Compress the .pvar (regenie cannot read it then).")
    ] = _DEFAULTS.zst,
    allow_no_variants: Annotated[
        bool,
        typer.Option(
            "--allow-no-variants",
            help="Make an empty store where no variants are left, as of a part to be gathered.",
        ),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a run that was stopped has left off.")
    ] = False,
    explain: Annotated[
        list[str] | None,
        typer.Option(
            metavar="1:12345:A:G",
            help="Say what happened to this variant, with --quiet nothing else; may be repeated.",
        ),
    ] = None,
    threads: Threads = available_threads(),
    json_output: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_file: LogFile = None,
    timings: Timings = False,
) -> None:
    """Turn cohorts of any format into one PGEN store, with every record accounted for."""
    settings = ConvertSettings(
        filters=words(filters),
        info=words(info),
        min_gq=min_gq,
        min_dp=min_dp,
        half_calls=one_of("--half-calls", half_calls, "missing", "error"),
        max_missing=max_missing,
        min_ac=min_ac,
        max_alleles=max_alleles,
        ref_mismatch=one_of("--ref-mismatch", ref_mismatch, "error", "warn", "drop", "swap"),
        phase=phase,
        dosage=one_of("--dosage", dosage, "DS", "GP") if dosage else None,
        bgen_ref=one_of("--bgen-ref", bgen_ref, "first", "last"),
        gvcf=gvcf,
        min_block_depth=min_block_depth,
        min_block_quality=min_block_quality,
        zst=zst,
    )
    configure_logging(verbose, quiet, log_file)
    seeking = region is not None or variants is not None or gvcf
    stream = None if seeking or len(cohorts) > 1 else start_inflating(cohorts[0])
    with no_collection():
        from genomed.cli.progress import reading
        from genomed.steps.convert import ConvertInputs, run_convert

    inputs = ConvertInputs(
        paths=tuple(cohorts),
        samples=sample_names(samples),
        region=region,
        variants=variants,
        reference=reference,
        people=(*(psam or ()), *(fam or ()), *(sex or ())),
        explain=tuple(explain or ()),
    )
    with reading(cohorts[0], quiet or json_output, ("pgen_encode.encode_rows",)) as progress:
        summary = run_convert(
            inputs, out, settings, threads=threads, resume=resume, stream=stream,
            allow_no_variants=allow_no_variants, progress=progress, command=command_line(),
        )  # fmt: skip
    _report(summary, json_output, quiet, timings)


def _report(summary: ConvertSummary, as_json: bool, quiet: bool, timings: bool) -> None:
    """Results go to stdout, remarks to stderr."""
    if as_json:
        from dataclasses import asdict

        facts = asdict(summary)
        del facts["timings"]
        print_json(facts)
    else:
        if not quiet:
            _say(summary)
        for paragraph in summary.explained:
            typer.echo(paragraph)
    if timings:
        print_timings(summary.timings)


def _say(summary: ConvertSummary) -> None:
    typer.echo(f"{summary.n_samples:,} samples x {summary.n_variants:,} variants")
    for one in summary.accounts:
        lost = {**one.refused, **one.dropped}
        parts = [f"{one.records:,} records"]
        if one.passed_over:
            parts.append(f"{one.passed_over:,} not asked for")
        parts.append(f"{one.rows:,} rows, one per ALT")
        parts += [f"{n:,} {fate}" for fate, n in (lost | one.changed).items()]
        typer.echo(f"  {one.input}: {', '.join(parts)}; {one.stored:,} stored")
    for path in summary.outputs.values():
        typer.echo(f"  {path}")
    print_warnings(summary.warnings)
