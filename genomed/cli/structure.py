"""`genomed structure`: options in, one step called, a summary out; and its `reference` command."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genomed.cli.command import Command, Group
from genomed.cli.given import (
    command_line,
    one_of,
    print_json,
    print_timings,
    print_warnings,
    sample_names,
    some_of,
)
from genomed.cli.imports import no_collection
from genomed.cli.logs import configure_logging
from genomed.cli.options import (
    Device,
    Json,
    Library,
    LogFile,
    Out,
    Quiet,
    Samples,
    Store,
    Threads,
    Timings,
    Verbose,
    available_threads,
)
from genomed.cli.progress import announce_compiling
from genomed.settings import RohSettings, StructureSettings

if TYPE_CHECKING:
    from genomed.steps.structure import StructureSummary

__all__ = ["structure_app"]

_DEFAULTS = StructureSettings()
_ROH = RohSettings()
_WINDOW = re.compile(r"(\d+(?:\.\d+)?)\s*(kb)?", re.IGNORECASE)
_STORE = "store"
_KERNELS = {"prune": "ld.prune_windows", "kinship": "kinship.select_pairs"}  # those that take long


class _StoreOrCommand(Group):
    """A first word that names no command is the store of the command that needs no name."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or args[0] not in self.commands:
            args = [_STORE, *(args or ["--help"])]
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return (None if name == _STORE else name), command, rest


structure_app = typer.Typer(
    name="structure",
    cls=_StoreOrCommand,
    help="Relatives, ancestry, components, homozygosity and diversity of a cohort.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Build = Annotated[
    str | None,
    typer.Option(
        metavar="BUILD",
        help="GRCh37 or GRCh38, for the regions of long-range LD.",
        show_default="as the store's contig lengths tell",
    ),
]
MinMaf = Annotated[
    float,
    typer.Option(min=0, max=0.5, help="Least minor allele frequency, for all but diversity."),
]
MinCallRate = Annotated[
    float, typer.Option(min=0, max=1, help="Leave out variants called in fewer samples.")
]
LongRangeLd = Annotated[
    bool, typer.Option("--leave-long-range-ld/--keep-long-range-ld", help="Before LD pruning.")
]
PruneWindow = Annotated[
    str, typer.Option(metavar="N|Nkb", help="Window of LD pruning: variants, or kilobases.")
]
PruneStep = Annotated[int, typer.Option(min=1, help="Variants the window moves on at a time.")]
PruneR2 = Annotated[
    float, typer.Option("--prune-r2", min=0, max=1, help="Of two variants above it one goes.")
]
MaxKinship = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=0.5,
        help="Of two people above it one is projected on the components of the others.",
        show_default="0.0884, or what chance gives",
    ),
]
Components = Annotated[int, typer.Option("--components", "-k", min=1, help="Components to find.")]
PcaMethod = Annotated[str, typer.Option(metavar="auto|exact|randomised", help="How.")]
Seed = Annotated[int, typer.Option(help="Of the randomised method.")]


def _window(text: str) -> tuple[float, bool]:
    """A window in kilobases (True) or variants."""
    found = _WINDOW.fullmatch(text.strip())
    size = float(found[1]) if found else 0.0
    if not found or size <= 0 or (not found[2] and not size.is_integer()):
        raise typer.BadParameter(
            f"{text!r} is neither a number of variants nor of kilobases; write it as 50 or 500kb",
            param_hint="--prune-window",
        )
    return size, found[2] is not None


def _spelt(size: float, is_kb: bool) -> str:
    return f"{size:g}kb" if is_kb else f"{size:g}"


# Settings that are options of both commands, by the same name.
_SHARED = (
    "build", "min_maf", "min_call_rate", "leave_long_range_ld", "prune_step", "prune_r2",
    "max_kinship", "n_components", "seed",
)  # fmt: skip


def _settings(given: Mapping[str, Any], **more: Any) -> StructureSettings:
    """Settings of a command: its arguments by name, and what only it has."""
    window, is_kb = _window(given["prune_window"])
    return StructureSettings(
        prune_window=window,
        prune_kb=is_kb,
        pca_method=one_of("--pca-method", given["pca_method"], "auto", "exact", "randomised"),
        **{name: given[name] for name in _SHARED},
        **more,
    )


_PRUNE_WINDOW = _spelt(_DEFAULTS.prune_window, _DEFAULTS.prune_kb)


@structure_app.command(_STORE, cls=Command, hidden=True)
def structure(
    store: Store,
    out: Out = Path("genomed-structure"),
    steps: Annotated[
        str,
        typer.Option(metavar="STEP,STEP,...", help="What to do."),
    ] = ",".join(_DEFAULTS.steps),
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="BUNDLE",
            help="Tell ancestry by this reference; made by `genomed structure reference`.",
        ),
    ] = None,
    groups: Annotated[
        str | None,
        typer.Option(
            metavar="FILE[:COLUMN]|COLUMN",
            help="Groups whose diversity to measure: a table of samples, or a column of the "
            ".psam. Default: the populations of --reference.",
        ),
    ] = None,
    library: Library = None,
    min_projection_coverage: Annotated[
        float, typer.Option(min=0, max=1, help="Place nobody by less of the reference's weight.")
    ] = _DEFAULTS.min_projection_coverage,
    samples: Samples = None,
    build: Build = None,
    min_maf: MinMaf = _DEFAULTS.min_maf,
    min_call_rate: MinCallRate = _DEFAULTS.min_call_rate,
    leave_long_range_ld: LongRangeLd = _DEFAULTS.leave_long_range_ld,
    prune_window: PruneWindow = _PRUNE_WINDOW,
    prune_step: PruneStep = _DEFAULTS.prune_step,
    prune_r2: PruneR2 = _DEFAULTS.prune_r2,
    min_kinship: Annotated[
        float | None,
        typer.Option(
            max=0.5,
            help="Least kinship of the pairs to list.",
            show_default="0.0442, or what chance gives",
        ),
    ] = _DEFAULTS.min_kinship,
    max_kinship: MaxKinship = _DEFAULTS.max_kinship,
    n_components: Components = _DEFAULTS.n_components,
    pca_method: PcaMethod = _DEFAULTS.pca_method,
    seed: Seed = _DEFAULTS.seed,
    device: Device = "cpu",
    diversity_window: Annotated[
        float, typer.Option(min=0.001, metavar="KB", help="Windows of pi, Tajima's D and F_ST.")
    ] = _DEFAULTS.diversity_kb,
    roh_snp: Annotated[int, typer.Option(min=1, help="Least variants of a run.")] = _ROH.snp,
    roh_kb: Annotated[float, typer.Option(min=0, help="Least kilobases of a run.")] = _ROH.kb,
    roh_density: Annotated[
        float, typer.Option(min=0, help="Most kilobases per variant of a run.")
    ] = _ROH.density,
    roh_gap: Annotated[
        float, typer.Option(min=0, help="Kilobases between variants that break a run.")
    ] = _ROH.gap,
    roh_het: Annotated[
        int | None, typer.Option(min=0, help="Most heterozygous calls of a run.")
    ] = _ROH.het,
    roh_window_snp: Annotated[
        int, typer.Option(min=1, help="Variants in the sliding window.")
    ] = _ROH.window_snp,
    roh_window_het: Annotated[
        int, typer.Option(min=0, help="Most heterozygous calls in a good window.")
    ] = _ROH.window_het,
    roh_window_missing: Annotated[
        int, typer.Option(min=0, help="Most missing calls in a good window.")
    ] = _ROH.window_missing,
    roh_window_threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the windows over a variant to be good.")
    ] = _ROH.window_threshold,
    threads: Threads = available_threads(),
    json_output: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_file: LogFile = None,
    timings: Timings = False,
) -> None:
    """Find relatives, components, ancestry, runs of homozygosity and diversity.

    `genomed structure reference --help` tells how a reference for --reference is made.
    """
    settings = _settings(
        locals(),
        steps=some_of("--steps", steps, _DEFAULTS.steps),
        min_kinship=min_kinship,
        min_projection_coverage=min_projection_coverage,
        diversity_kb=diversity_window,
        roh=RohSettings(
            roh_snp, roh_kb, roh_density, roh_gap, roh_het, roh_window_snp, roh_window_het,
            roh_window_missing, roh_window_threshold,
        ),
    )  # fmt: skip
    configure_logging(verbose, quiet, log_file)
    needed = [_KERNELS[step] for step in settings.steps if step in _KERNELS]
    announce_compiling(quiet or json_output or device != "cpu", *needed)
    with no_collection():
        from genomed.steps.structure import StructureInputs, run_structure

    inputs = StructureInputs(store, sample_names(samples), reference, groups, library)
    summary = run_structure(
        inputs, out, settings, threads=threads, device=device, command=command_line()
    )
    _report(summary, json_output, quiet, timings)


@structure_app.command("reference", cls=Command)
def reference_(
    store: Store,
    labels: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="Table with a header: sample, population and perhaps superpopulation.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="BUNDLE", help="New directory, or .zip.", show_default=False
        ),
    ],
    name: Annotated[
        str | None, typer.Option(help="Name of the reference.", show_default="that of --out")
    ] = None,
    samples: Samples = None,
    build: Build = None,
    min_maf: MinMaf = _DEFAULTS.min_maf,
    min_call_rate: MinCallRate = _DEFAULTS.min_call_rate,
    leave_long_range_ld: LongRangeLd = _DEFAULTS.leave_long_range_ld,
    prune_window: PruneWindow = _PRUNE_WINDOW,
    prune_step: PruneStep = _DEFAULTS.prune_step,
    prune_r2: PruneR2 = _DEFAULTS.prune_r2,
    max_kinship: MaxKinship = _DEFAULTS.max_kinship,
    n_components: Components = _DEFAULTS.n_components,
    pca_method: PcaMethod = _DEFAULTS.pca_method,
    seed: Seed = _DEFAULTS.seed,
    device: Device = "cpu",
    threads: Threads = available_threads(),
    json_output: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_file: LogFile = None,
) -> None:
    """Make a reference of labelled people, for `structure` and `risk --reference`."""
    settings = _settings(locals())
    configure_logging(verbose, quiet, log_file)
    announce_compiling(quiet or json_output or device != "cpu", *_KERNELS.values())
    with no_collection():
        from genomed.steps.structure_reference import build_reference

    made = build_reference(
        store, labels, out, settings, name=name, samples=sample_names(samples), threads=threads,
        device=device,
    )  # fmt: skip
    check = made.check
    if json_output:
        facts = {
            "path": str(made.path),
            "name": made.name,
            "build": made.build,
            "people": made.n_people,
            "unrelated": made.n_unrelated,
            "variants": made.n_variants,
            "variants_telling_populations": made.n_telling,
            "populations": made.populations,
            "population_accuracy": check.population_accuracy,
            "superpopulation_accuracy": check.superpopulation_accuracy,
            "confusion": check.confusion.rows(),
            "warnings": made.warnings,
        }
        print_json(facts)
    elif not quiet:
        print_warnings(made.warnings)
        typer.echo(
            f"{made.path}: {made.n_people:,} people ({made.n_unrelated:,} of them unrelated) of "
            f"{len(made.populations):,} populations; components of {made.n_variants:,} variants, "
            f"populations by {made.n_telling:,}, on {made.build}"
        )
        typer.echo(
            f"Held back from learning, {check.population_accuracy:.1%} of people are put into "
            f"their population, {check.superpopulation_accuracy:.1%} into their superpopulation"
        )


def _report(summary: StructureSummary, as_json: bool, quiet: bool, timings: bool) -> None:
    """Results go to stdout, remarks to stderr."""
    results = summary.results
    if as_json:
        facts = {
            "outputs": summary.outputs,
            "build": results.build,
            "samples": len(results.samples),
            "variants": results.variants,
            "steps": results.steps,
            "warnings": results.warnings,
        }
        print_json(facts)
    elif not quiet:
        from rich.console import Console

        from genomed.report.structure_summary import structure_summary

        structure_summary(
            Console(highlight=False), len(results.samples), results.variants, results.steps,
            results.tables, results.warnings, summary.outputs,
        )  # fmt: skip
    if timings:
        print_timings(summary.timings)
