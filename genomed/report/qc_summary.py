"""A `qc` run -> the terminal: what passes, why the rest does not, and where the outputs are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console

from genomed.ledger import QC_SAMPLES, QC_VARIANTS
from genomed.report.tables import format_count, format_seconds
from genomed.report.terminal import empty_table, print_outputs, print_warnings, safe_text

__all__ = ["qc_summary"]

N_SAMPLES = 12  # of those that do not pass


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
    table = empty_table("Quality control", ("", "Measured", "Pass", "Fail"), {1, 2, 3})
    for name, ledger in (("variants", variants), ("samples", judged)):
        failed = ledger["measured"] - ledger["kept"]
        numbers = (ledger["measured"], ledger["kept"], failed)
        table.add_row(safe_text(name, style="bold"), *(safe_text(format_count(n)) for n in numbers))
    console.print(table)
    _print_reasons(console, variants["dropped"], judged["dropped"])
    _print_failing(console, samples)
    print_warnings(console, warnings)
    console.print(safe_text(format_seconds(seconds), style="bold"))
    print_outputs(console, outputs)


def _print_reasons(
    console: Console, variants: Mapping[str, int], samples: Mapping[str, int]
) -> None:
    rows = [("variants", code, n, QC_VARIANTS[code]) for code, n in variants.items()]
    rows += [("samples", code, n, QC_SAMPLES[code]) for code, n in samples.items()]
    if not rows:
        return
    table = empty_table("Why not (the first reason of each)", ("", "Reason", "N", "Meaning"), {2})
    for what, code, n, meaning in rows:
        cells = (safe_text(what), safe_text(code, style="yellow"), safe_text(format_count(n)))
        table.add_row(*cells, safe_text(meaning, 120))
    console.print(table)


def _print_failing(console: Console, samples: pl.DataFrame) -> None:
    failed = samples.filter(~samples["pass"])
    if not len(failed):
        return
    table = empty_table("Samples that do not pass", ("Sample", "Reason", "Details"))
    for row in failed.head(N_SAMPLES).iter_rows(named=True):
        reason = safe_text(row["reason"], style="yellow")
        table.add_row(safe_text(row["sample"], 40, "bold"), reason, safe_text(_details(row), 160))
    console.print(table)
    if len(failed) > N_SAMPLES:
        console.print(safe_text(f"and {len(failed) - N_SAMPLES:,} more in samples.tsv", 200))


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
