"""An `evaluate` run -> the terminal: the measures, the gaps, and where the outputs are.

As in genomed.report.summary, names are put into `Text` objects, never into markup.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from genomed.report.evaluate_content import EvaluatePage, format_interval, format_measure, words
from genomed.report.markup import shortened
from genomed.report.tables import format_seconds
from genomed.stats.measures import MAIN

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

__all__ = ["evaluate_summary"]

N_WARNINGS = 10
SHOWN = (
    "auroc", "auprc", "brier", "ece", "calibration_slope", "calibration_intercept",
    "r2_liability", "r2", "r2_explained", "mae", "c_index", "integrated_brier",
    "integrated_calibration", "observed_expected", "coverage",
)  # fmt: skip


def evaluate_summary(
    console: Console, page: EvaluatePage, outputs: Mapping[str, Path], seconds: float
) -> None:
    """Print a run's results in short."""
    cases = "" if page.n_cases is None else f", {page.n_cases:,} cases"
    table = _table(f"{page.trait}: {page.n:,} people{cases}", ("Prediction", "", "", "95%"))
    table.columns[3].header = _text(f"{page.level:.0%} interval")
    for name in page.scales:
        rows = page.metrics.filter(
            pl.col("prediction") == name,
            pl.col("measure").is_in(SHOWN),
            pl.col("value").is_not_null(),
        )
        for place, row in enumerate(rows.iter_rows(named=True)):
            table.add_row(
                _text(name if not place else "", style="bold"),
                _text(words(row["measure"])),
                _text(format_measure(row["value"])),
                _text(format_interval(row)),
            )
    console.print(table)
    _print_pairs(console, page)
    for warning in page.warnings[:N_WARNINGS]:
        console.print(_text("warning: ", style="yellow") + _text(warning, 600), soft_wrap=True)
    console.print(_text(format_seconds(seconds), style="bold"))
    width = max((len(name) for name in outputs), default=0)
    for name, path in outputs.items():
        line = _text(f"  {name:<{width}}  ") + _text(path, 4096, "cyan")
        console.print(line, soft_wrap=True)


def _print_pairs(console: Console, page: EvaluatePage) -> None:
    """Gaps between groups, and the difference from the other prediction, of the main measure."""
    main = MAIN[page.kind]
    gaps = page.gaps.filter(pl.col("measure") == main)
    if len(gaps):
        columns = ("By", "Prediction", "Lowest", "Highest", "Gap", "Interval")
        table = _table(f"{words(main)} between groups", columns)
        for row in gaps.iter_rows(named=True):
            low = f"{row['lowest']} {format_measure(row['lowest_value'])}"
            high = f"{row['highest']} {format_measure(row['highest_value'])}"
            gap = format_measure(row["gap"])
            cells = (row["by"], row["prediction"], low, high, gap, format_interval(row))
            table.add_row(*(_text(cell) for cell in cells))
        console.print(table)
    if page.versus is None:
        return
    rows = page.comparison.filter(pl.col("measure") == main)
    table = _table(f"{words(main)} beside {page.versus}", ("Prediction", "Difference", "Interval"))
    for row in rows.iter_rows(named=True):
        told = (row["prediction"], format_measure(row["difference"]), format_interval(row))
        table.add_row(*(_text(cell) for cell in told))
    console.print(table)


def _text(value: object, limit: int = 60, style: str = "") -> Text:
    from rich.text import Text  # noqa: PLC0415 - rich is loaded only where something is printed

    return Text(shortened(str(value), limit), style=style)


def _table(title: str, columns: tuple[str, ...]) -> Table:
    from rich import box  # noqa: PLC0415 - as above
    from rich.table import Table  # noqa: PLC0415 - as above

    table = Table(
        title=_text(title, 120, "bold"), title_justify="left", box=box.SIMPLE, pad_edge=False
    )
    for heading in columns:
        table.add_column(heading, overflow="fold")
    return table
