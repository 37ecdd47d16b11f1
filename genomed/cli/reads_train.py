"""`genomed reads train`: options in, one step called, a summary out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from genomed.cli.given import command_line, print_json, print_timings
from genomed.cli.logs import configure_logging
from genomed.cli.options import (
    Json,
    LogFile,
    Quiet,
    Timings,
    Verbose,
)
from genomed.cli.train_progress import told
from genomed.settings import CallTrainSettings

if TYPE_CHECKING:
    from genomed.steps.reads_train import ReadsTrainSummary

__all__ = ["reads_train"]

T = TypeVar("T")
_DEFAULTS = CallTrainSettings()
_DEPTHS = ",".join(f"{depth:g}" for depth in _DEFAULTS.depths)


def reads_train(
    reads: Annotated[
        list[Path],
        typer.Argument(metavar="BAM...", help="Alignments of people whose genotypes are known."),
    ],
    reference: Annotated[
        list[Path],
        typer.Option(metavar="FASTA", help="Their reference; one for all, or one for each BAM."),
    ],
    truth: Annotated[
        list[Path],
        typer.Option(metavar="VCF", help="Their true genotypes; one for all, or one for each."),
    ],
    confident: Annotated[
        list[Path],
        typer.Option(metavar="BED", help="Where the truth is whole; one for all, or one for each."),
    ],
    enriched: Annotated[
        list[float] | None,
        typer.Option(
            min=1,
            metavar="TIMES",
            help="How many times as many differences as people's simulated reads have; one for "
            "all, or one for each BAM.",
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="BUNDLE", help="Directory or .zip of the caller."),
    ] = Path("genomed-caller"),
    name: Annotated[
        str, typer.Option(metavar="NAME", help="What the caller is called.")
    ] = "short reads",
    depths: Annotated[
        str,
        typer.Option(metavar="DEPTH,...|none", help="Depths that reads are thinned to as well."),
    ] = _DEPTHS,
    epochs: Annotated[
        int, typer.Option(min=1, help="Passes of the pileup net, at most.")
    ] = _DEFAULTS.n_epochs,
    matrices: Annotated[
        bool, typer.Option("--matrices/--no-matrices", help="Try the net over reads as well.")
    ] = True,
    judge_by: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="BAM",
            help="Judge the nets by this one of the BAMs, a library that nothing is then learned "
            "from; repeatable. Else by pieces of the genome of all.",
        ),
    ] = None,
    accept_z: Annotated[
        float, typer.Option(min=0, help="Standard errors by which a net must gain to be kept.")
    ] = _DEFAULTS.accept_z,
    seed: Annotated[int, typer.Option(help="Of the nets and of the split.")] = _DEFAULTS.seed,
    threads: Annotated[
        int,
        typer.Option("--threads", "-t", min=1, help="Threads; the same bytes every time with 1."),
    ] = 1,
    json_output: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_file: LogFile = None,
    timings: Timings = False,
) -> None:
    """Train a caller, and say whether its nets beat the likelihood of the reads."""
    settings = replace(
        _DEFAULTS, depths=_depths(depths), n_epochs=epochs, accept_z=accept_z, seed=seed,
        max_matrices=_DEFAULTS.max_matrices if matrices else 0,
    )  # fmt: skip
    configure_logging(verbose, quiet, log_file)
    from genomed.steps.reads_train import TrainingReads, run_reads_train

    references = _each("--reference", reference, len(reads))
    truths = _each("--truth", truth, len(reads))
    confidents = _each("--confident", confident, len(reads))
    times = _each("--enriched", enriched or [1.0], len(reads))
    inputs = [
        TrainingReads(*given)
        for given in zip(reads, references, truths, confidents, times, strict=True)
    ]
    with told(quiet or json_output) as progress:
        summary = run_reads_train(
            inputs, out, settings, name=name, threads=threads, progress=progress,
            judge_by=_known(judge_by or [], reads), command=command_line(),
        )  # fmt: skip
    _report(summary, json_output, quiet, timings)


def _known(judge_by: list[Path], reads: list[Path]) -> list[Path]:
    """BAMs to judge by, which are some of the given ones."""
    for path in judge_by:
        if path not in reads:
            raise typer.BadParameter(
                f"{path} is none of the BAMs; name one of these", param_hint="--judge-by"
            )
    if judge_by and len(set(judge_by)) == len(set(reads)):
        raise typer.BadParameter("leave a BAM to learn from", param_hint="--judge-by")
    return judge_by


def _each(option: str, given: list[T], n: int) -> list[T]:
    """One for each BAM."""
    if len(given) not in (1, n):
        raise typer.BadParameter(
            f"{len(given)} for {n} BAMs; give one for all, or one for each", param_hint=option
        )
    return given * n if len(given) == 1 else given


def _depths(text: str) -> tuple[float, ...]:
    try:
        found = tuple(float(word) for word in text.split(",") if word.strip() not in ("", "none"))
    except ValueError:
        found = (0.0,)
    if not all(0.5 <= depth < 10_000 for depth in found):
        raise typer.BadParameter(
            f"{text!r}: write depths as 5,10,20, or none", param_hint="--depths"
        )
    return found


def _report(summary: ReadsTrainSummary, as_json: bool, quiet: bool, timings: bool) -> None:
    if as_json:
        print_json({"output": summary.out, **summary.facts})
    elif not quiet:
        from rich.console import Console

        from genomed.report.call_card import caller_summary

        caller_summary(Console(highlight=False), summary.facts, summary.out)
    if timings:
        print_timings(summary.timings)
