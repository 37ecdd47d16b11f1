"""`genomed qc`: options in, one step called, a summary out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genomed.cli.given import (
    command_line,
    print_json,
    print_timings,
    sample_names,
    start_inflating,
    words,
)
from genomed.cli.imports import no_collection
from genomed.cli.logs import configure_logging
from genomed.cli.options import (
    Cohort,
    CohortBuild,
    Json,
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
from genomed.settings import QcSettings

if TYPE_CHECKING:
    from genomed.steps.qc import QcSummary

__all__ = ["qc"]

_DEFAULTS = QcSettings()


def qc(
    cohort: Cohort,
    out: Out = Path("genomed-qc"),
    psam: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Sex, parents and phenotypes of the samples, by IID."),
    ] = None,
    fam: Annotated[Path | None, typer.Option(metavar="FILE", help="The same from a .fam.")] = None,
    pheno: Annotated[
        str | None,
        typer.Option(
            metavar="FILE[:COLUMN]|COLUMN",
            help="Cases (2) and controls (1): a table of samples, or a column of --psam.",
        ),
    ] = None,
    groups: Annotated[
        str | None,
        typer.Option(
            metavar="FILE[:COLUMN]|COLUMN",
            help="Ancestry groups, within which outliers and Hardy-Weinberg are judged.",
        ),
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option(metavar="PREFIX", help="Write what passes as a PGEN store, too."),
    ] = None,
    region: RegionText = None,
    samples: Samples = None,
    min_call_rate: Annotated[
        float, typer.Option(min=0, max=1, help="Variants called in fewer samples fail.")
    ] = _DEFAULTS.min_call_rate,
    min_sample_call_rate: Annotated[
        float, typer.Option(min=0, max=1, help="Samples with calls at fewer variants fail.")
    ] = _DEFAULTS.min_sample_call_rate,
    hwe_p: Annotated[
        float, typer.Option(min=0, max=1, help="Variants with a lower Hardy-Weinberg P fail.")
    ] = _DEFAULTS.hwe_p,
    min_maf: Annotated[
        float, typer.Option(min=0, max=0.5, help="Variants with a rarer minor allele fail.")
    ] = _DEFAULTS.min_maf,
    missing_p: Annotated[
        float,
        typer.Option(min=0, max=1, help="Fail where cases and controls miss calls unequally."),
    ] = _DEFAULTS.missing_p,
    max_variant_mendel: Annotated[
        float, typer.Option(min=0, max=1, help="Most Mendel errors of a variant, per trio.")
    ] = _DEFAULTS.max_variant_mendel,
    max_sample_mendel: Annotated[
        float, typer.Option(min=0, max=1, help="Most Mendel errors of a child, per variant.")
    ] = _DEFAULTS.max_sample_mendel,
    max_female_f: Annotated[
        float, typer.Option(help="F on X below which a sample is female.")
    ] = _DEFAULTS.max_female_f,
    min_male_f: Annotated[
        float, typer.Option(help="F on X above which a sample is male.")
    ] = _DEFAULTS.min_male_f,
    min_x_variants: Annotated[
        int, typer.Option(min=1, help="Genotypes on X without which its F says nothing.")
    ] = _DEFAULTS.min_x_variants,
    outlier_mads: Annotated[
        float,
        typer.Option(
            "--outlier",
            min=0,
            help="Most median absolute deviations from the group's median; 0: no outliers.",
        ),
    ] = _DEFAULTS.outlier_mads,
    outlier_columns: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN,...",
            help="Columns of the table of samples to judge by; f and titv, and within --groups "
            "het_hom_ratio.",
            show_default=False,
        ),
    ] = None,
    min_group: Annotated[
        int, typer.Option(min=2, help="Groups of fewer samples have no outliers.")
    ] = _DEFAULTS.min_group,
    build: CohortBuild = None,
    threads: Threads = available_threads(),
    max_memory: MaxMemory = None,
    json_output: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_file: LogFile = None,
    timings: Timings = False,
) -> None:
    """Measure every variant and every sample of a cohort, and say which pass."""
    if psam is not None and fam is not None:
        raise typer.BadParameter("give one of the two", param_hint="--psam and --fam")
    settings = QcSettings(
        build=build,
        min_call_rate=min_call_rate,
        min_sample_call_rate=min_sample_call_rate,
        hwe_p=hwe_p,
        min_maf=min_maf,
        missing_p=missing_p,
        max_variant_mendel=max_variant_mendel,
        max_sample_mendel=max_sample_mendel,
        max_female_f=max_female_f,
        min_male_f=min_male_f,
        min_x_variants=min_x_variants,
        outlier_mads=outlier_mads,
        outlier_columns=_columns(outlier_columns),
        min_group=min_group,
    )
    configure_logging(verbose, quiet, log_file)
    stream = None if region is not None else start_inflating(cohort)
    with no_collection():
        from genomed.cli.progress import reading
        from genomed.regions import Region
        from genomed.steps.qc import QcInputs, run_qc

    inputs = QcInputs(
        cohort=cohort,
        samples=sample_names(samples),
        region=None if region is None else Region.parse(region),
        people=psam or fam,
        pheno=pheno,
        groups=groups,
        write=write,
    )
    kernels = ("qc_counts.add_rows", "hwe.exact_rows")
    with reading(cohort, quiet or json_output, kernels) as progress:
        summary = run_qc(
            inputs, out, settings, threads=threads, max_memory=max_memory, stream=stream,
            progress=progress, command=command_line(),
        )  # fmt: skip
    _report(summary, json_output, quiet, timings)


def _columns(text: str | None) -> tuple[str, ...]:
    """Names of numeric columns of the table of samples."""
    from genomed.settings import OUTLIER_COLUMNS

    names = words(text)
    unknown = [name for name in names if name not in OUTLIER_COLUMNS]
    if unknown:
        raise typer.BadParameter(
            f"{unknown[0]!r} is not one of {', '.join(OUTLIER_COLUMNS)}",
            param_hint="--outlier-columns",
        )
    return names


def _report(summary: QcSummary, as_json: bool, quiet: bool, timings: bool) -> None:
    """Results go to stdout, remarks to stderr."""
    facts = summary.facts
    if as_json:
        failed = summary.samples.filter(~summary.samples["pass"])
        print_json(
            {
                "outputs": summary.outputs,
                "build": facts.build,
                "records": facts.records,
                "variants": facts.variants,
                "samples": facts.samples,
                "failed_samples": failed.to_dicts(),
                "warnings": facts.warnings,
            }
        )
    elif not quiet:
        from rich.console import Console

        from genomed.report.qc_summary import qc_summary

        qc_summary(
            Console(highlight=False), facts.variants, facts.samples, summary.samples,
            facts.warnings, summary.outputs, summary.seconds,
        )  # fmt: skip
    if timings:
        print_timings(summary.timings)
