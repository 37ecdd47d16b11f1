"""A `reads qc` run -> the terminal: a line per file, what is odd, and where the outputs are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console

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
    from rich import box  # noqa: PLC0415 - rich is loaded only where something is printed
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    beside = len(files) <= N_BESIDE
    measures = [one for one in _MEASURES if beside or one[0] in _SHORT]
    rows = [["File", *(heading for heading, _, _ in measures)]]
    rows += [_cells(row, measures) for row in files.head(N_FILES).iter_rows(named=True)]
    if beside:
        rows = [list(column) for column in zip(*rows, strict=True)]
    table = Table(title=Text("Alignments", "bold"), title_justify="left", box=box.SIMPLE,
                  pad_edge=False)  # fmt: skip
    for i, heading in enumerate(rows[0]):
        justify: Literal["left", "right"] = "left" if i == 0 else "right"
        numeric = i > 0 and not beside
        table.add_column(Text(heading), justify=justify, overflow="fold", no_wrap=numeric)
    for cells in rows[1:]:
        table.add_row(*(Text(cell) for cell in cells))
    console.print(table)
    if len(files) > N_FILES:
        console.print(f"and {len(files) - N_FILES} more in files.tsv")
    for warning in warnings:
        console.print(Text("warning: ", style="yellow") + Text(warning), soft_wrap=True)
    if outputs:
        folder = next(iter(outputs.values())).parent
        console.print(Text(f"{len(outputs)} files in ") + Text(str(folder), style="cyan"))


def _cells(row: Mapping[str, Any], measures: Sequence[tuple[str, str, str]]) -> list[str]:
    shown = ((row[name], form) for _, name, form in measures)
    return [row["prefix"], *("" if value is None else form.format(value) for value, form in shown)]
