"""RiskPage -> the terminal: highest samples, coverage, warnings, and where the outputs are.

Names are put into `Text` objects, never into markup, and what cannot be seen in them is shown, so
that no file can colour, move or clear the user's terminal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genomed.report.content import ModelDigest, RiskPage, digest_models
from genomed.report.markup import shortened
from genomed.report.tables import (
    format_count,
    format_percentile,
    format_score,
    format_seconds,
    format_share,
    format_signed,
    score_decimals,
)
from genomed.report.verdicts import Verdict, verdict

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

__all__ = ["risk_summary"]

N_ROWS = 12  # of highest samples
N_PER_MODEL = 3
N_MODELS = 20  # models whose coverage is listed
N_TRAIT = 18  # characters
N_WARNINGS = 10
COLOURS = {"usable": "green", "care": "yellow", "part": "yellow", "none": "red"}


def _text(value: object, limit: int = 40, style: str = "") -> Text:
    """Untrusted text for a terminal: visible characters only, shortened, without markup."""
    from rich.text import Text  # noqa: PLC0415 - rich is loaded only where something is printed

    return Text(shortened(str(value), limit), style=style)


def _table(title: str, columns: Sequence[tuple[str, bool]]) -> Table:
    """An empty table with its headings; numbers are on the right and never broken."""
    from rich import box  # noqa: PLC0415 - as above
    from rich.table import Table  # noqa: PLC0415 - as above

    table = Table(
        title=_text(title, 120, "bold"), title_justify="left", box=box.SIMPLE, pad_edge=False
    )
    for heading, numeric in columns:
        one_line = numeric or heading in ("Sample", "Verdict")
        table.add_column(
            heading,
            justify="right" if numeric else "left",
            no_wrap=one_line,
            overflow="fold",
        )
    return table


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
        console.print(_text(f"and {len(models) - N_MODELS:,} more models in the outputs\n", 200))
    _print_warnings(console, page.warnings)
    _print_outputs(console, page, outputs)


def _highest_table(models: Sequence[ModelDigest]) -> Table:
    columns = [("Model", False), ("Sample", False), ("Score", True), ("z", True)]
    columns += [("Centile", True), ("Coverage", True)]
    flagged = any(row["flags"] for model in models for row in model.highest[:N_PER_MODEL])
    columns += [("Flags", False)] if flagged else []
    table = _table("Highest scores in this cohort (not a diagnosis)", columns)
    scored = [model for model in models if model.highest]
    each = min(N_PER_MODEL, max(1, N_ROWS // max(1, len(scored))))
    for model in scored[: N_ROWS // each]:
        names = [_text(model.name, 24, "bold"), _text(_trait(model), N_TRAIT, "dim")]
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
    sample = _text(row["sample"], 24)
    if equals:
        sample.append(f" (+{equals:,} equal)", style="dim")
    flags = (row["flags"] or "").replace("_", " ").replace(";", ", ")
    return [
        sample,
        _text(format_score(row["score"], score_decimals(model.score))),
        _text(format_signed(row["cohort_z"])),
        _text(format_percentile(row["cohort_percentile"])),
        _text(format_share(row["weighted_coverage"]) if not equals else ""),
        _text(flags if not equals else "", 60, "yellow"),
    ]


def _trait(model: ModelDigest) -> str:
    """The trait, where it says more than the name; long ones end in an ellipsis."""
    trait = str(model.row["trait"] or "")
    trait = "" if trait == model.name else trait
    return trait if len(trait) <= N_TRAIT else f"{trait[: N_TRAIT - 1].rstrip()}…"


def _coverage_table(models: Sequence[ModelDigest], verdicts: Sequence[Verdict]) -> Table:
    columns = [("Model", False), ("Trait", False), ("Verdict", False), ("Scored", True)]
    columns += [("Variants", True), ("Weight", True)]
    table = _table("Coverage of each model", columns)
    for model, judged in zip(models, verdicts, strict=False):
        row = model.row
        table.add_row(
            _text(model.name, 24, "bold"),
            _text(_trait(model), N_TRAIT, "dim"),
            _text(judged.word, style=COLOURS[judged.status]),
            _text(f"{format_count(len(model.score))}/{format_count(model.n_rows)}"),
            _text(f"{format_count(row['n_matched'])}/{format_count(row['n_variants'])}"),
            _text(format_share(row["weighted_coverage"])),
        )
    return table


def _print_warnings(console: Console, warnings: Sequence[str]) -> None:
    for warning in warnings[:N_WARNINGS]:
        console.print(_text("warning: ", style="yellow") + _text(warning, 600), soft_wrap=True)
    if len(warnings) > N_WARNINGS:
        console.print(_text(f"and {len(warnings) - N_WARNINGS:,} more warnings in run.json", 200))


def _print_outputs(console: Console, page: RiskPage, outputs: Mapping[str, Path]) -> None:
    samples = "1 sample" if page.n_samples == 1 else f"{page.n_samples:,} samples"
    models = "1 model" if len(page.models) == 1 else f"{len(page.models):,} models"
    console.print(_text(f"{samples}, {models}, {format_seconds(page.seconds)}", 200, "bold"))
    width = max((len(shortened(name, 24)) for name in outputs), default=0)
    for name, path in outputs.items():
        line = _text(f"  {shortened(name, 24):<{width}}  ") + _text(path, 4096, "cyan")
        console.print(line, soft_wrap=True)
