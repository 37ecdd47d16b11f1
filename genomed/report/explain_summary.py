"""An `explain` run -> the terminal: what moves most, what acts together, and how sure that is.

As in genomed.report.summary, names are put into `Text` objects, never into markup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from genomed.report.explain_page import ExplainPage, format_part, format_size
from genomed.report.markup import shortened
from genomed.report.tables import format_signed

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["explain_summary"]

N_ROWS = 10
N_WARNINGS = 10


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
        mark = {None: "", True: "as it should be", False: "be careful"}[passed]
        told = f"{check.replace('_', ' ')}: {format_size(value)}  {mark}"
        console.print(_text(told, 120), soft_wrap=True)
    for warning in page.warnings[:N_WARNINGS]:
        console.print(_text("warning: ", style="yellow") + _text(warning, 600), soft_wrap=True)
    width = max((len(name) for name in outputs), default=0)
    for name, path in outputs.items():
        line = _text(f"  {name:<{width}}  ") + _text(path, 4096, "cyan")
        console.print(line, soft_wrap=True)


def _print_table(
    console: Console, title: str, columns: tuple[str, ...], rows: Sequence[tuple[object, ...]]
) -> None:
    from rich import box  # noqa: PLC0415 - rich is loaded only where something is printed
    from rich.table import Table  # noqa: PLC0415 - as above

    table = Table(
        title=_text(title, 120, "bold"), title_justify="left", box=box.SIMPLE, pad_edge=False
    )
    for place, heading in enumerate(columns):
        table.add_column(heading, overflow="fold", justify="right" if place else "left")
    for row in rows:
        table.add_row(*(_text(cell) for cell in row))
    console.print(table)


def _text(value: object, limit: int = 60, style: str = "") -> Text:
    from rich.text import Text  # noqa: PLC0415 - as above

    return Text(shortened(str(value), limit), style=style)
