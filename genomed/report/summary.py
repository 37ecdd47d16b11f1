"""RiskPage -> the terminal: highest samples, coverage, warnings, and where the outputs are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from genomed.report.content import ModelDigest, RiskPage, digest_models
from genomed.report.tables import (
    format_count,
    format_percentile,
    format_score,
    format_seconds,
    format_share,
    format_signed,
    score_decimals,
)
from genomed.report.terminal import empty_table, print_outputs, print_warnings, safe_text
from genomed.report.verdicts import Verdict, flag_words, verdict

__all__ = ["risk_summary"]

N_ROWS = 12  # of highest samples
N_PER_MODEL = 3
N_MODELS = 20  # models whose coverage is listed
N_TRAIT = 18  # characters
COLOURS = {"usable": "green", "care": "yellow", "part": "yellow", "none": "red"}


def risk_summary(console: Console, page: RiskPage, outputs: Mapping[str, Path]) -> None:
    """Print the run's results in short: at most N_ROWS samples, N_MODELS models.

    outputs : what it is -> where it is, in the order to print
    """
    models = digest_models(page)
    verdicts = [verdict(page, model) for model in models]
    highest = _highest_table(models)
    if highest.row_count:
        console.print(highest)
    console.print(_coverage_table(models[:N_MODELS], verdicts))
    if len(models) > N_MODELS:
        console.print(safe_text(f"and {len(models) - N_MODELS:,} more models in the outputs", 200))
    print_warnings(console, page.warnings)
    samples = "1 sample" if page.n_samples == 1 else f"{page.n_samples:,} samples"
    n_models = "1 model" if len(page.models) == 1 else f"{len(page.models):,} models"
    told = f"{samples}, {n_models}, {format_seconds(page.seconds)}"
    console.print(safe_text(told, 200, "bold"))
    print_outputs(console, outputs)


def _highest_table(models: Sequence[ModelDigest]) -> Table:
    columns = ["Model", "Sample", "Score", "z", "Centile", "Coverage"]
    flagged = any(row["flags"] for model in models for row in model.highest[:N_PER_MODEL])
    columns += ["Flags"] if flagged else []
    title = "Highest scores in this cohort (not a diagnosis)"
    table = empty_table(title, columns, range(2, 6), range(1, 6))
    scored = [model for model in models if model.highest]
    each = min(N_PER_MODEL, max(1, N_ROWS // max(1, len(scored))))
    for model in scored[: N_ROWS // each]:
        names = [safe_text(model.name, 24, "bold"), safe_text(_trait(model), N_TRAIT, "dim")]
        for line, row in enumerate(_distinct(model)[:each]):
            name = names[line] if line < len(names) else ""
            table.add_row(name, *_sample_cells(model, row)[: len(columns) - 1])
    return table


def _distinct(model: ModelDigest) -> list[Mapping[str, Any]]:
    """The first of `highest` of each score; its equals are counted, not listed."""
    first: dict[float, Mapping[str, Any]] = {}
    for row in model.highest:
        first.setdefault(row["score"], row)
    return list(first.values())


def _sample_cells(model: ModelDigest, row: Mapping[str, Any]) -> list[Text]:
    equals = int((model.score == row["score"]).sum()) - 1
    sample = safe_text(row["sample"], 24)
    if equals:
        sample.append(f" (+{equals:,} equal)", style="dim")
    flags = ", ".join(flag_words(row["flags"]))
    return [
        sample,
        safe_text(format_score(row["score"], score_decimals(model.score))),
        safe_text(format_signed(row["cohort_z"])),
        safe_text(format_percentile(row["cohort_percentile"])),
        safe_text(format_share(row["weighted_coverage"]) if not equals else ""),
        safe_text(flags if not equals else "", 60, "yellow"),
    ]


def _trait(model: ModelDigest) -> str:
    """The trait, where it says more than the name; long ones end in an ellipsis."""
    trait = str(model.row["trait"] or "")
    trait = "" if trait == model.name else trait
    return trait if len(trait) <= N_TRAIT else f"{trait[: N_TRAIT - 1].rstrip()}…"


def _coverage_table(models: Sequence[ModelDigest], verdicts: Sequence[Verdict]) -> Table:
    columns = ("Model", "Trait", "Verdict", "Scored", "Variants", "Weight")
    table = empty_table("Coverage of each model", columns, range(3, 6), range(2, 6))
    for model, judged in zip(models, verdicts, strict=False):
        row = model.row
        table.add_row(
            safe_text(model.name, 24, "bold"),
            safe_text(_trait(model), N_TRAIT, "dim"),
            safe_text(judged.word, style=COLOURS[judged.status]),
            safe_text(f"{format_count(len(model.score))}/{format_count(model.n_rows)}"),
            safe_text(f"{format_count(row['n_matched'])}/{format_count(row['n_variants'])}"),
            safe_text(format_share(row["weighted_coverage"])),
        )
    return table
