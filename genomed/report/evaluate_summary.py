"""An `evaluate` run -> the terminal: the measures, the gaps, and where the outputs are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl
from rich.console import Console

from genomed.report.evaluate_content import EvaluatePage, format_interval, format_measure, words
from genomed.report.tables import format_seconds
from genomed.report.terminal import empty_table, print_outputs, print_warnings, safe_text
from genomed.stats.measures import MAIN

__all__ = ["evaluate_summary"]

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
    columns = ("Prediction", "", "", f"{page.level:.0%} interval")
    table = empty_table(f"{page.trait}: {page.n:,} people{cases}", columns)
    for name in page.scales:
        rows = page.metrics.filter(
            pl.col("prediction") == name,
            pl.col("measure").is_in(SHOWN),
            pl.col("value").is_not_null(),
        )
        for place, row in enumerate(rows.iter_rows(named=True)):
            table.add_row(
                safe_text(name if not place else "", style="bold"),
                safe_text(words(row["measure"])),
                safe_text(format_measure(row["value"])),
                safe_text(format_interval(row)),
            )
    console.print(table)
    _print_pairs(console, page)
    print_warnings(console, page.warnings)
    console.print(safe_text(format_seconds(seconds), style="bold"))
    print_outputs(console, outputs)


def _print_pairs(console: Console, page: EvaluatePage) -> None:
    """Gaps between groups, and the difference from the other prediction, of the main measure."""
    main = MAIN[page.kind]
    gaps = page.gaps.filter(pl.col("measure") == main)
    if len(gaps):
        headings = ("By", "Prediction", "Lowest", "Highest", "Gap", "Interval")
        table = empty_table(f"{words(main)} between groups", headings)
        for row in gaps.iter_rows(named=True):
            low = f"{row['lowest']} {format_measure(row['lowest_value'])}"
            high = f"{row['highest']} {format_measure(row['highest_value'])}"
            gap = format_measure(row["gap"])
            cells = (row["by"], row["prediction"], low, high, gap, format_interval(row))
            table.add_row(*(safe_text(cell) for cell in cells))
        console.print(table)
    if page.versus is None:
        return
    rows = page.comparison.filter(pl.col("measure") == main)
    table = empty_table(
        f"{words(main)} beside {page.versus}", ("Prediction", "Difference", "Interval")
    )
    for row in rows.iter_rows(named=True):
        told = (row["prediction"], format_measure(row["difference"]), format_interval(row))
        table.add_row(*(safe_text(cell) for cell in told))
    console.print(table)
