"""A `reads qc` run -> the terminal: a line per file, what is odd, and where the outputs are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console

from genomed.report.tables import UNKNOWN
from genomed.report.terminal import empty_table, print_warnings, safe_line, safe_text

__all__ = ["reads_qc_summary"]

N_FILES = 24
N_BESIDE = 3  # files that fit beside one another, a column each; of more, a line each, in short
_SHORT = ("Reads", "Mapped", "Dup.", "Depth", "Insert", "Mism.", "Sex")
_MEASURES = (
    ("Reads", "n_reads", "{:,}"),
    ("Mapped", "mapped_share", "{:.2%}"),
    ("Dup.", "duplicate_share", "{:.2%}"),
    ("Depth", "mean_depth", "{:.2f}x"),
    ("Callable", "callable_share", "{:.2%}"),
    ("Insert", "insert_median", "{:.0f}"),
    ("Q30", "q30_share", "{:.2%}"),
    ("Mism.", "mismatch_rate", "{:.3%}"),
    ("Sex", "sex", "{}"),
)


def reads_qc_summary(
    console: Console, files: pl.DataFrame, warnings: Sequence[str], outputs: Mapping[str, Path]
) -> None:
    """Print a run's results in short. files : columns of TABLES["reads_qc"]"""
    beside = len(files) <= N_BESIDE
    measures = [one for one in _MEASURES if beside or one[0] in _SHORT]
    rows = [["File", *(heading for heading, _, _ in measures)]]
    rows += [_cells(row, measures) for row in files.head(N_FILES).iter_rows(named=True)]
    if beside:
        rows = [list(column) for column in zip(*rows, strict=True)]
    numbers = range(1, len(rows[0]))
    table = empty_table("Alignments", rows[0], numbers, () if beside else numbers)
    for cells in rows[1:]:
        table.add_row(*(safe_text(cell) for cell in cells))
    console.print(table)
    if len(files) > N_FILES:
        console.print(safe_line(f"and {len(files) - N_FILES:,} more in files.tsv"))
    print_warnings(console, warnings)
    if outputs:
        folder = next(iter(outputs.values())).parent
        console.print(safe_line(f"{len(outputs)} files in ") + safe_line(folder, "cyan"))


def _cells(row: Mapping[str, Any], measures: Sequence[tuple[str, str, str]]) -> list[str]:
    shown = ((row[name], form) for _, name, form in measures)
    cells = (UNKNOWN if value is None else form.format(value) for value, form in shown)
    return [row["prefix"], *cells]
