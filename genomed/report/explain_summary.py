"""An `explain` run -> the terminal: what moves most, what acts together, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from genomed.report.explain_page import CHECKED, ExplainPage, format_part, format_size
from genomed.report.tables import format_signed
from genomed.report.terminal import empty_table, print_outputs, print_warnings, safe_text

__all__ = ["explain_summary"]

N_ROWS = 10


def explain_summary(console: Console, page: ExplainPage, outputs: Mapping[str, Path]) -> None:
    """Print a run's results in short."""
    title = (
        f"{page.name}: {page.n_people:,} people, {page.n_found:,} of {page.n_variants:,} variants"
    )
    rows = [
        (row["variant"], format_size(row["mean_abs_contribution"]), format_part(row["share"]),
         format_signed(row["effect_per_copy"], 3))
        for row in page.variants.head(N_ROWS).iter_rows(named=True)
    ]  # fmt: skip
    _print_table(console, title, ("Variant", "Mean contribution", "Share", "Per copy"), rows)
    if len(page.pairs):
        joint = [
            (f"{row['first']} x {row['second']}", format_size(row["mean_abs_contribution"]),
             format_part(row["share"]))
            for row in page.pairs.head(N_ROWS).iter_rows(named=True)
        ]  # fmt: skip
        _print_table(console, "Together", ("Product", "Mean contribution", "Share"), joint)
    for name, table in (("gene", page.genes), ("covariate", page.covariates)):
        if len(table):
            most = [
                (row[name], format_size(row["mean_abs_contribution"]), format_part(row["share"]))
                for row in table.head(N_ROWS).iter_rows(named=True)
            ]
            heading = name.capitalize()
            _print_table(console, f"{heading}s", (heading, "Mean contribution", "Share"), most)
    for check, value, _, passed in page.checks:
        told = f"{check.replace('_', ' ')}: {format_size(value)}  {CHECKED[passed]}"
        console.print(safe_text(told, 120), soft_wrap=True)
    print_warnings(console, page.warnings)
    print_outputs(console, outputs)


def _print_table(
    console: Console, title: str, columns: tuple[str, ...], rows: Sequence[tuple[object, ...]]
) -> None:
    table = empty_table(title, columns, right=range(1, len(columns)))
    for row in rows:
        table.add_row(*(safe_text(cell) for cell in row))
    console.print(table)
