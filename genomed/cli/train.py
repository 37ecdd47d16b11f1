"""`genomed train`: options in, one step called, a summary out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genomed.cli.config import config_text, read_config, with_settings
from genomed.cli.given import command_line, print_json, print_timings, sample_names, some_of, words
from genomed.cli.imports import no_collection
from genomed.cli.logs import configure_logging
from genomed.cli.options import (
    Codes,
    Covariates,
    Device,
    Groups,
    Json,
    LogFile,
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
from genomed.cli.train_progress import told
from genomed.settings import SplitSettings, TrainSettings

if TYPE_CHECKING:
    from genomed.io.traits import SurvivalColumns
    from genomed.steps.train import TrainSummary

__all__ = ["train"]

_DEFAULTS, _SPLIT = TrainSettings(), SplitSettings()
_OPTIONS = {  # settings that have an option
    name: name.replace("_", "-")
    for name in (
        "build", "min_maf", "min_call_rate", "stages", "accept_z", "prevalence", "interval",
        "net_epochs", "seed", "genome_net", "adversary", "invariance",
    )
} | {
    "private_epsilon": "private", "private_delta": "private", "split.n_folds": "folds",
    "split.test_fraction": "test-fraction",
}  # fmt: skip


def train(
    context: typer.Context,
    store: Store,
    traits: Annotated[
        Path, typer.Option(metavar="FILE", help="Table of traits, one line per sample.")
    ],
    trait: Annotated[
        list[str],
        typer.Option(
            "--trait",
            "-p",
            metavar="NAME",
            help="Column to learn; repeatable. T stands for columns T_time and T_event too.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="BUNDLE",
            help="Directory or .zip of the model; of several traits the directory of theirs.",
        ),
    ] = Path("genomed-model"),
    kind: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TRAIT=KIND",
            help="quantitative, binary or survival, where the values should not decide.",
        ),
    ] = None,
    survival: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TRAIT=TIME,EVENT[,ENTRY]", help="Columns of a time to an event; repeatable."
        ),
    ] = None,
    covariates: Covariates = None,
    covariate: Annotated[
        list[str] | None,
        typer.Option("--covariate", metavar="NAME", help="Covariate to use; repeatable. All."),
    ] = None,
    categorical: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A covariate whose numbers are codes; repeatable."),
    ] = None,
    codes: Codes = None,
    split: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Who is to `develop` and who to `test`: sample, set."),
    ] = None,
    groups: Groups = None,
    relatives: Relatives = None,
    samples: Samples = None,
    build: StoreBuild = None,
    min_maf: Annotated[
        float, typer.Option(min=0, max=0.5, help="Least minor allele frequency.")
    ] = _DEFAULTS.min_maf,
    min_call_rate: Annotated[
        float, typer.Option(min=0, max=1, help="Leave out variants called in fewer samples.")
    ] = _DEFAULTS.min_call_rate,
    stages: Annotated[
        str,
        typer.Option(metavar="STAGE,...|none", help="What to try beyond the linear model."),
    ] = ",".join(_DEFAULTS.stages),
    accept_z: Annotated[
        float,
        typer.Option(min=0, help="Standard errors by which a stage must gain to be kept."),
    ] = _DEFAULTS.accept_z,
    folds: Annotated[
        int, typer.Option(min=2, max=20, help="Folds of cross-validation.")
    ] = _SPLIT.n_folds,
    test_fraction: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of people set aside without --split.")
    ] = _SPLIT.test_fraction,
    prevalence: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Of a binary trait in those to be scored; the run is judged at its own.",
            show_default="that of the cohort",
        ),
    ] = None,
    interval: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="Share of people that intervals hold.")
    ] = _DEFAULTS.interval,
    net_epochs: Annotated[
        int, typer.Option(min=1, help="Epochs of the net, at most.")
    ] = _DEFAULTS.net_epochs,
    genome_net: Annotated[
        str,
        typer.Option(
            metavar="NET,...|none",
            help="Nets over windows of all variants: some of local, convolution, recurrent.",
        ),
    ] = ",".join(_DEFAULTS.genome_net) or "none",
    genes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="GFF3, GTF, BED or a table variant, gene: a window of the net for each gene.",
        ),
    ] = None,
    adversary: Annotated[
        float, typer.Option(min=0, help="Weight of hiding the ancestry group from the net.")
    ] = _DEFAULTS.adversary,
    invariance: Annotated[
        float,
        typer.Option(min=0, help="Weight of the penalty on what holds in some groups only (IRM)."),
    ] = _DEFAULTS.invariance,
    private: Annotated[
        str | None,
        typer.Option(
            metavar="EPSILON[,DELTA]",
            help="Differential privacy of the net's weights, which costs accuracy. "
            f"DELTA is {_DEFAULTS.private_delta:g} by default.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of folds and of the net.")] = _DEFAULTS.seed,
    time_budget: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Begin no stage and no epoch beyond this: 90s, 30m, 4h."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was stopped, if there is one.")
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="TOML of options, and [settings]; the command line wins. See OUT.training.",
            is_eager=True,
            callback=read_config,
        ),
    ] = None,
    device: Device = "cpu",
    threads: Threads = available_threads(),
    json_output: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_file: LogFile = None,
    timings: Timings = False,
) -> None:
    """Train a disease-risk model, and say whether anything beats the linear one."""
    epsilon, delta = _privacy(private)
    settings = TrainSettings(
        build=build,
        min_maf=min_maf,
        min_call_rate=min_call_rate,
        stages=some_of("--stages", stages, _DEFAULTS.stages, or_none=True),
        accept_z=accept_z,
        prevalence=prevalence,
        interval=interval,
        net_epochs=net_epochs,
        seed=seed,
        genome_net=tuple(net for net in dict.fromkeys(words(genome_net)) if net != "none"),
        adversary=adversary,
        invariance=invariance,
        private_epsilon=epsilon,
        private_delta=delta,
        split=SplitSettings(n_folds=folds, test_fraction=test_fraction),
    )
    settings = with_settings(context, settings, _OPTIONS)
    budget = _seconds(time_budget)
    configure_logging(verbose, quiet, log_file)
    with no_collection():
        from genomed.steps.train_data import TrainInputs

    inputs = TrainInputs(
        store=store,
        traits=traits,
        names=tuple(trait),
        kinds=dict(_pair("--kind", text) for text in kind or ()),
        survival={name: _columns(value) for name, value in
                  (_pair("--survival", text) for text in survival or ())},
        covariates=covariates,
        covariate_names=tuple(covariate or ()),
        covariate_kinds=dict.fromkeys(categorical or (), "categorical"),
        split=split,
        groups=groups,
        relatives=relatives,
        samples=tuple(sample_names(samples) or ()) or None,
        codes=codes,
        genes=genes,
    )  # fmt: skip
    inputs.check()
    with no_collection():
        from genomed.steps.train import run_train

    with told(quiet or json_output) as progress:
        summary = run_train(
            inputs, out, settings, threads=threads, device=device, time_budget=budget,
            resume=resume, progress=progress, command=command_line(),
            config=config_text(context, settings, _OPTIONS),
        )  # fmt: skip
    if summary.outputs:  # of several processes the first speaks
        _report(summary, json_output, quiet, timings)


def _privacy(text: str | None) -> tuple[float | None, float]:
    """Epsilon and delta."""
    if text is None:
        return None, _DEFAULTS.private_delta
    try:
        epsilon, delta = (
            float(word) for word in f"{text},{_DEFAULTS.private_delta}".split(",")[:2]
        )
    except ValueError:
        epsilon = delta = 0.0
    if text.count(",") > 1 or not (0 < epsilon < float("inf") and 0 < delta < 1):
        raise typer.BadParameter(
            f"{text!r}: write it as EPSILON or EPSILON,DELTA, as in 8,1e-5", param_hint="--private"
        )
    return epsilon, delta


def _pair(option: str, text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (name and sign and value):
        raise typer.BadParameter(f"{text!r}: write it as TRAIT=...", param_hint=option)
    return name, value


def _columns(text: str) -> SurvivalColumns:
    from genomed.io.traits import SurvivalColumns

    names = [name.strip() for name in text.split(",")]
    if not 2 <= len(names) <= 3 or not all(names):
        raise typer.BadParameter(
            f"{text!r}: write it as TRAIT=TIME,EVENT or TRAIT=TIME,EVENT,ENTRY",
            param_hint="--survival",
        )
    return SurvivalColumns(*names)


def _seconds(text: str | None) -> float | None:
    """A time as 90s, 30m or 4h; a bare number is in seconds."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    if not found or not float(found[1]):
        raise typer.BadParameter(
            f"{text!r} is not a time; write it as 90s, 30m or 4h", param_hint="--time-budget"
        )
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def _report(summary: TrainSummary, as_json: bool, quiet: bool, timings: bool) -> None:
    if as_json:
        facts = {
            "outputs": summary.outputs,
            "traits": [trained.facts() for trained in summary.traits],
            "warnings": summary.warnings,
        }
        print_json(facts)
    elif not quiet:
        from rich.console import Console

        from genomed.report.train_summary import train_summary

        train_summary(Console(highlight=False), summary.traits, summary.outputs, summary.warnings)
    if timings:
        print_timings(summary.timings)
