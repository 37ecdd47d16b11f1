"""A `reads qc` run -> the terminal: a line per file, what is odd, and where the outputs are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genomed.report.tables import format_count

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console

__all__ = ["reads_qc_summary"]

N_FILES = 24
_COLUMNS = (
    "file", "reads", "mapped", "dup.", "depth", "callable", "insert", "Q30", "mismatch", "sex",
)  # fmt: skip


def reads_qc_summary(
    console: Console, files: pl.DataFrame, warnings: Sequence[str], outputs: Mapping[str, Path]
) -> None:
    """Print a run's results in short. files : columns of TABLES["reads_qc"]"""
    from rich.table import Table  # noqa: PLC0415 - rich is loaded only where something is printed
    from rich.text import Text  # noqa: PLC0415

    table = Table(title="Alignments", title_justify="left")
    for i, name in enumerate(_COLUMNS):
        table.add_column(name, justify="left" if i == 0 else "right")
    for row in files.head(N_FILES).iter_rows(named=True):
        table.add_row(*(Text(cell) for cell in _cells(row)))
    console.print(table)
    if len(files) > N_FILES:
        console.print(f"and {len(files) - N_FILES} more in files.tsv")
    for warning in warnings:
        console.print(Text("warning: ", style="yellow") + Text(warning), soft_wrap=True)
    if outputs:
        folder = next(iter(outputs.values())).parent
        console.print(Text(f"{len(outputs)} files in ") + Text(str(folder), style="cyan"))


def _cells(row: Mapping[str, Any]) -> list[str]:
    return [
        row["prefix"],
        format_count(row["n_reads"]),
        _shown(row["mapped_share"], "{:.2%}"),
        _shown(row["duplicate_share"], "{:.2%}"),
        _shown(row["mean_depth"], "{:.2f}x"),
        _shown(row["callable_share"], "{:.2%}"),
        _shown(row["insert_median"], "{:.0f}"),
        _shown(row["q30_share"], "{:.2%}"),
        _shown(row["mismatch_rate"], "{:.3%}"),
        row["sex"] or "",
    ]


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
