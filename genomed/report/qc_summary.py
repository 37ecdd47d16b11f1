"""A `qc` run -> the terminal: what passes, why the rest does not, and where the outputs are.

As in genomed.report.summary, names are put into `Text` objects, never into markup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genomed.ledger import QC_SAMPLES, QC_VARIANTS
from genomed.report.markup import shortened
from genomed.report.tables import format_count, format_seconds

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

__all__ = ["qc_summary"]

N_SAMPLES = 12  # of those that do not pass
N_WARNINGS = 10


def qc_summary(
    console: Console,
    variants: Mapping[str, Any],
    judged: Mapping[str, Any],
    samples: pl.DataFrame,
    warnings: Sequence[str],
    outputs: Mapping[str, Path],
    seconds: float,
) -> None:
    """Print a run's results in short.

    variants, judged : measured, kept and dropped by reason, of variants and of samples
    samples          : columns of TABLES["qc_samples"]
    """
    table = _table("Quality control", ("", "Measured", "Pass", "Fail"), {1, 2, 3})
    for name, ledger in (("variants", variants), ("samples", judged)):
        failed = ledger["measured"] - ledger["kept"]
        numbers = (ledger["measured"], ledger["kept"], failed)
        table.add_row(_text(name, style="bold"), *(_text(format_count(n)) for n in numbers))
    console.print(table)
    _print_reasons(console, variants["dropped"], judged["dropped"])
    _print_failing(console, samples)
    for warning in warnings[:N_WARNINGS]:
        console.print(_text("warning: ", style="yellow") + _text(warning, 600), soft_wrap=True)
    console.print(_text(format_seconds(seconds), style="bold"))
    width = max((len(name) for name in outputs), default=0)
    for name, path in outputs.items():
        line = _text(f"  {name:<{width}}  ") + _text(path, 4096, "cyan")
        console.print(line, soft_wrap=True)


def _text(value: object, limit: int = 60, style: str = "") -> Text:
    from rich.text import Text  # noqa: PLC0415 - rich is loaded only where something is printed

    return Text(shortened(str(value), limit), style=style)


def _table(title: str, columns: Sequence[str], right: set[int]) -> Table:
    from rich import box  # noqa: PLC0415 - as above
    from rich.table import Table  # noqa: PLC0415 - as above

    table = Table(
        title=_text(title, 120, "bold"), title_justify="left", box=box.SIMPLE, pad_edge=False
    )
    for i, heading in enumerate(columns):
        table.add_column(heading, justify="right" if i in right else "left", overflow="fold")
    return table


def _print_reasons(
    console: Console, variants: Mapping[str, int], samples: Mapping[str, int]
) -> None:
    rows = [("variants", code, n, QC_VARIANTS[code]) for code, n in variants.items()]
    rows += [("samples", code, n, QC_SAMPLES[code]) for code, n in samples.items()]
    if not rows:
        return
    table = _table("Why not (the first reason of each)", ("", "Reason", "N", "Meaning"), {2})
    for what, code, n, meaning in rows:
        cells = (_text(what), _text(code, style="yellow"), _text(format_count(n)))
        table.add_row(*cells, _text(meaning, 120))
    console.print(table)


def _print_failing(console: Console, samples: pl.DataFrame) -> None:
    failed = samples.filter(~samples["pass"])
    if not len(failed):
        return
    table = _table("Samples that do not pass", ("Sample", "Reason", "Details"), set())
    for row in failed.head(N_SAMPLES).iter_rows(named=True):
        reason = _text(row["reason"], style="yellow")
        table.add_row(_text(row["sample"], 40, "bold"), reason, _text(_details(row), 160))
    console.print(table)
    if len(failed) > N_SAMPLES:
        console.print(_text(f"and {len(failed) - N_SAMPLES:,} more in samples.tsv\n", 200))


def _details(row: Mapping[str, Any]) -> str:
    """The numbers behind the reasons of one sample."""
    said = []
    if "low_call_rate" in row["reason"]:
        said.append(f"call rate {row['call_rate']:.4f}")
    if "sex_mismatch" in row["reason"]:
        said.append(f"declared {row['declared_sex']}, calls say {row['sex']} (F {row['x_f']:.2f})")
    if "mendel" in row["reason"]:
        said.append(f"{row['mendel_rate']:.2%} Mendel errors")
    if row["outlier"]:
        said.append(row["outlier"])
    return ", ".join(said)
