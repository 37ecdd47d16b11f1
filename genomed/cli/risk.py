"""`genomed risk`: options in, one step called, a summary out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genomed.cli.given import (
    command_line,
    one_of,
    print_json,
    print_timings,
    sample_names,
    start_inflating,
)
from genomed.cli.imports import no_collection
from genomed.cli.logs import configure_logging
from genomed.cli.options import (
    Codes,
    Cohort,
    CohortBuild,
    Covariates,
    GroupFile,
    Json,
    Library,
    LogFile,
    MaxMemory,
    Out,
    Quiet,
    RegionText,
    Samples,
    Threads,
    Timings,
    Verbose,
    available_threads,
)
from genomed.settings import RiskSettings

if TYPE_CHECKING:
    from genomed.steps.risk import RiskSummary

__all__ = ["risk"]

_DEFAULTS = RiskSettings()

FEW_PLACES_BYTES = 1 << 16  # models smaller than this hold some thousand variants at most


def risk(
    cohort: Cohort,
    out: Out = Path("genomed-risk"),
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="FILE|BUNDLE|NAME",
            help="Scoring file, bundle made by `genomed train`, or a model of the library; "
            "repeatable. Default: the bundled panel.",
        ),
    ] = None,
    covariates: Covariates = None,
    codes: Codes = None,
    incidence: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Rates by age (age, rate per person-year, and sex if they differ), to make "
            "absolute risks of a bundle's predictions.",
        ),
    ] = None,
    prevalence: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Of the disease among those who are scored: probabilities of a bundle of cases "
            "and controls are moved to it.",
            show_default="what the bundle was trained for",
        ),
    ] = None,
    groups: GroupFile = None,
    region: RegionText = None,
    samples: Samples = None,
    threads: Threads = available_threads(),
    max_memory: MaxMemory = None,
    min_weighted_coverage: Annotated[
        float,
        typer.Option(min=0, max=1, help="Give no score when less of the variance is covered."),
    ] = _DEFAULTS.min_weighted_coverage,
    ambiguous: Annotated[
        str,
        typer.Option(
            metavar="drop|keep|by-frequency", help="What to do with A/T and C/G variants."
        ),
    ] = _DEFAULTS.ambiguous,
    missing: Annotated[
        str,
        typer.Option(
            metavar="mean|reference-mean|drop|zero-dosage",
            help="What stands for a call that was not made.",
        ),
    ] = _DEFAULTS.missing,
    reference_frequencies: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Allele frequencies: plink .afreq or .frq, or a plain table."
        ),
    ] = None,
    assume_hom_ref: Annotated[
        bool,
        typer.Option("--assume-hom-ref", help="Count absent variants as 0/0 (needs --fasta)."),
    ] = _DEFAULTS.assume_hom_ref,
    reads: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SAMPLE=BAM",
            help="Alignments of a sample, to look up what has no record (needs --fasta); "
            "repeatable.",
        ),
    ] = None,
    min_reads_depth: Annotated[
        int, typer.Option(min=1, help="Least reads for --reads to prove hom-ref.")
    ] = _DEFAULTS.min_reads_depth,
    min_reads_quality: Annotated[
        int, typer.Option(min=0, help="Least quality of a genotype that --reads prove.")
    ] = _DEFAULTS.min_reads_quality,
    fasta: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Reference genome (FASTA), to read hom-ref blocks and --reads."
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="BUNDLE|NAME",
            help="Reference people, made by `genomed structure reference`, to adjust scores for "
            "ancestry.",
        ),
    ] = None,
    min_projection_coverage: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Place nobody in the reference on less of its loadings' variance."
        ),
    ] = _DEFAULTS.min_projection_coverage,
    build: CohortBuild = None,
    min_block_depth: Annotated[
        int, typer.Option(min=0, help="Least depth for a gVCF block to prove hom-ref.")
    ] = _DEFAULTS.min_block_depth,
    min_block_quality: Annotated[
        int, typer.Option(min=0, help="Least GQ for a gVCF block to prove hom-ref.")
    ] = _DEFAULTS.min_block_quality,
    dosage_field: Annotated[
        str, typer.Option(metavar="GT|DS|GP", help="Where dosages come from.")
    ] = _DEFAULTS.dosage_field,
    explain: Annotated[
        list[str] | None,
        typer.Option(
            metavar="1:12345:A:G",
            help="Say what happened to this variant, with --quiet nothing else; may be repeated.",
        ),
    ] = None,
    library: Library = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Exit with 4 when any sample has no score, not only a whole model."
        ),
    ] = False,
    json_output: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_file: LogFile = None,
    timings: Timings = False,
) -> None:
    """Score every person of a cohort for disease risk, with every variant accounted for."""
    settings = RiskSettings(
        min_weighted_coverage=min_weighted_coverage,
        ambiguous=one_of("--ambiguous", ambiguous, "drop", "keep", "by-frequency"),
        missing=one_of("--missing", missing, "mean", "reference-mean", "drop", "zero-dosage"),
        assume_hom_ref=assume_hom_ref,
        min_block_depth=min_block_depth,
        min_block_quality=min_block_quality,
        min_reads_depth=min_reads_depth,
        min_reads_quality=min_reads_quality,
        min_projection_coverage=min_projection_coverage,
        prevalence=prevalence,
        dosage_field=one_of("--dosage-field", dosage_field, "GT", "DS", "GP"),
    )
    configure_logging(verbose, quiet, log_file)
    few_places = reference is None and (region is not None or _few_places(model or []))
    stream = None if few_places and _has_index(cohort) else start_inflating(cohort)
    with no_collection():
        from genomed.cli.progress import reading
        from genomed.steps.risk import RiskInputs, run_risk

    inputs = RiskInputs(
        cohort=cohort,
        models=tuple(model or ()),
        library=library,
        region=region,
        samples=sample_names(samples),
        fasta=fasta,
        reference=reference,
        reference_frequencies=reference_frequencies,
        build=build,
        explain=tuple(explain or ()),
        covariates=covariates,
        codes=codes,
        groups=groups,
        incidence=incidence,
        reads=[_sample_and_path(text) for text in reads or ()],
    )
    with reading(cohort, quiet or json_output) as progress:
        summary = run_risk(
            inputs, out, settings, threads=threads, max_memory=max_memory, stream=stream,
            progress=progress, command=command_line(),
        )  # fmt: skip
    _report(summary, json_output, quiet, timings)
    n_null = int(summary.page.models["n_null"].sum())
    if summary.unusable or (strict and n_null):
        raise typer.Exit(4)


def _sample_and_path(text: str) -> tuple[str, Path]:
    """Read ``SAMPLE=BAM``."""
    sample, equals, path = text.partition("=")
    if not (sample and equals and path):
        raise typer.BadParameter(
            f"{text!r} does not name a sample and its file; write it as SAMPLE=FILE.bam",
            param_hint="--reads",
        )
    return sample, Path(path)


def _few_places(models: list[str]) -> bool:
    """Whether all models, or the bundled panel, ask for so little that an index is worth using."""
    paths = [Path(model) for model in models]
    return all(path.is_file() for path in paths) and (
        sum(path.stat().st_size for path in paths) < FEW_PLACES_BYTES
    )


def _has_index(cohort: str) -> bool:
    return any(Path(cohort + ending).is_file() for ending in (".csi", ".tbi"))


def _report(summary: RiskSummary, as_json: bool, quiet: bool, timings: bool) -> None:
    """Results go to stdout, remarks to stderr."""
    if as_json:
        page = summary.page
        facts = {
            "outputs": summary.outputs,
            "build": page.build,
            "n_samples": page.n_samples,
            "records": page.record_counts,
            "models": page.models.to_dicts(),
            "warnings": list(page.warnings),
            "explained": summary.explained,
        }
        print_json(facts)
    else:
        if not quiet:
            from rich.console import Console

            from genomed.report.summary import risk_summary

            risk_summary(Console(highlight=False), summary.page, summary.outputs)
        for paragraph in summary.explained:
            typer.echo(paragraph)
    if timings:
        print_timings(summary.timings)
