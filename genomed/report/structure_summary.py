"""What `genomed structure` found, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.text import Text

from genomed.ledger import STRUCTURE
from genomed.report.terminal import print_warnings, safe_line

__all__ = ["structure_summary"]

N_PAIRS = 12  # closest pairs that are listed
N_GROUPS = 12


def structure_summary(
    console: Console,
    n_samples: int,
    variants: Mapping[str, int],
    steps: Mapping[str, Mapping[str, Any]],
    tables: Mapping[str, pl.DataFrame],
    warnings: Sequence[str],
    outputs: Mapping[str, Path],
) -> None:
    """Print a line for each step, the closest pairs, warnings, and where the tables are.

    variants : fate -> variants, see genomed.ledger.STRUCTURE
    steps    : step -> what it counted
    tables   : name -> frame, see genomed.schema.TABLES
    """
    console.print(safe_line(f"{n_samples:,} samples, {sum(variants.values()):,} variants", "bold"))
    for fate, n in variants.items():
        if n:
            meaning = STRUCTURE[fate].partition(":")[0]
            console.print(safe_line(f"  {n:>12,}  {meaning}"), soft_wrap=True)
    for line in (*_relations(steps, tables), *_others(steps, tables)):
        console.print(line, soft_wrap=True)
    print_warnings(console, warnings)
    if outputs:
        folder = next(iter(outputs.values())).parent
        names = ", ".join(name for name in outputs if not name.endswith(".parquet"))
        console.print(safe_line(f"{folder}: ", "cyan") + safe_line(names), soft_wrap=True)


def _relations(
    steps: Mapping[str, Mapping[str, Any]], tables: Mapping[str, pl.DataFrame]
) -> Iterator[Text]:
    if "kinship" not in steps:
        return
    facts, pairs = steps["kinship"], tables["kinship"].sort("kinship", descending=True)
    counts = [f"{n:,} {name.replace('_', ' ')}" for name, n in facts["pairs"].items()]
    yield safe_line(
        f"Kinship on {facts['variants']:,} variants: {', '.join(counts) or 'nobody is related'}; "
        f"{facts['unrelated']:,} people are unrelated"
    )
    for row in pairs.head(N_PAIRS).iter_rows(named=True):
        yield safe_line(
            f"    {row['sample1']}  {row['sample2']}  {row['kinship']:.4f}  "
            f"{row['relation'].replace('_', ' ')}"
        )
    if pairs.height > N_PAIRS:
        yield safe_line(f"    and {pairs.height - N_PAIRS:,} more pairs in kinship.tsv")


def _others(
    steps: Mapping[str, Mapping[str, Any]], tables: Mapping[str, pl.DataFrame]
) -> Iterator[Text]:
    if "prune" in steps:
        facts = steps["prune"]
        yield safe_line(f"LD pruning keeps {facts['kept']:,} of {facts['variants']:,} variants")
    if "pca" in steps:
        facts, table = steps["pca"], tables["eigenvalues"]
        values = ", ".join(f"{value:.3g}" for value in table["eigenvalue"].head(10))
        yield safe_line(
            f"Components of {facts['samples']:,} people ({facts['method']}), "
            f"{facts['projected']:,} projected; eigenvalues {values}"
        )
    if "ancestry" in tables:
        counts = tables["ancestry"]["most_similar_population"].value_counts(sort=True)
        said = [f"{name or 'outside the reference'} {n:,}" for name, n in counts.iter_rows()]
        yield safe_line(f"Most similar population: {', '.join(said[:N_GROUPS])}")
    if "roh" in steps:
        [share] = tables["roh_samples"].select(pl.col("f_roh").mean()).row(0)
        mean = "" if share is None else f"; mean F_ROH {share:.4f}"
        yield safe_line(f"Runs of homozygosity: {steps['roh']['runs']:,}{mean}")
    if "diversity" in tables:
        for row in tables["diversity"].head(N_GROUPS).iter_rows(named=True):
            if row["heterozygosity_observed"] is not None:
                yield safe_line(
                    f"    {row['group']}: {row['n_samples']:,} people, heterozygosity "
                    f"{row['heterozygosity_observed']:.4f} (expected "
                    f"{row['heterozygosity_expected']:.4f}), pi {row['pi']:.3g}"
                )
