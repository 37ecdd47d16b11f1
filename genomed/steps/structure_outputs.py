"""What a `structure` run writes: tables, lists for other programs, MultiQC content and run.json."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from genomed.io.multiqc_structure import multiqc_structure
from genomed.io.outputs import OutputDirectory
from genomed.provenance import record
from genomed.settings import StructureSettings

__all__ = ["StructureResults", "write_structure"]

TOLD_AS_NAMES = {"variants": "variants.parquet"}  # too long to be read as text


@dataclass
class StructureResults:
    """Everything a run found.

    tables   : name -> frame; each is written as TSV and as Parquet
    lists    : file name -> names, one a line
    variants : fate -> variants of the store
    steps    : name of a step -> what it counted
    """

    cohort: str
    samples: list[str]
    build: str | None
    variants: dict[str, int]
    tables: dict[str, pl.DataFrame] = field(default_factory=dict)
    lists: dict[str, Iterable[str]] = field(default_factory=dict)
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, np.ndarray] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def group_of_each(self) -> pl.DataFrame:
        """Columns of TABLES["structure_groups"], a row for each sample in their order."""
        label = np.full(len(self.samples), None, object)
        for name, members in self.groups.items():
            label[members] = name
        schema = {"sample": pl.Utf8, "group": pl.Utf8}
        return pl.DataFrame([self.samples, label.tolist()], schema=schema)

    def per_sample(self) -> pl.DataFrame:
        """One row per sample, of what the tables say of single people."""
        table = pl.DataFrame({"sample": self.samples}, schema={"sample": pl.Utf8})
        if "kinship" in self.tables:
            table = table.join(
                _relatives(self.tables["kinship"]), on="sample", how="left", maintain_order="left"
            ).with_columns(pl.col("n_relatives").fill_null(0))
        if self.groups:
            table = table.with_columns(self.group_of_each()["group"])
        wanted = {
            "ancestry": ("most_similar_population", "genetic_distance"),
            "roh_samples": ("f_roh",),
            "pcs": ("PC1", "PC2"),
        }
        for name, columns in wanted.items():
            if name in self.tables:
                present = [c for c in columns if c in self.tables[name].columns]
                part = self.tables[name].select("sample", *present)
                table = table.join(part, on="sample", how="left", maintain_order="left")
        return table


def _relatives(pairs: pl.DataFrame) -> pl.DataFrame:
    """Number of relatives of each sample that has some, and a sample it is a duplicate of."""
    both = pl.concat(
        [
            pairs.select("sample1", "sample2", "relation"),
            pairs.select(
                pl.col("sample2").alias("sample1"), pl.col("sample1").alias("sample2"), "relation"
            ),
        ]
    )
    return both.group_by("sample1", maintain_order=True).agg(
        n_relatives=pl.len().cast(pl.Int64),
        duplicate_of=pl.col("sample2").filter(pl.col("relation") == "duplicate").first(),
    ).rename({"sample1": "sample"})  # fmt: skip


def write_structure(
    directory: OutputDirectory,
    results: StructureResults,
    settings: StructureSettings,
    fingerprints: Mapping[str, Mapping[str, Any]],
    command: str,
    started: str,
) -> None:
    """Write every file; run.json, the last, alone holds what differs between equal runs."""
    facts = record("structure", settings, fingerprints, seed=settings.seed)
    metadata = {"genomed": json.dumps(facts, sort_keys=True)}
    for name, names in results.lists.items():
        directory.write_text(name, "\n".join([*names, ""]))
    for name, table in results.tables.items():
        if name not in TOLD_AS_NAMES:
            directory.write_tsv(f"{name}.tsv", table)
        directory.write_parquet(f"{name}.parquet", table, metadata)
    texts = multiqc_structure(results.per_sample(), results.variants, results.cohort)
    for name, text in texts.items():
        directory.write_text(name, text)
    facts |= {
        "build": results.build,
        "samples": len(results.samples),
        "variants": {
            "read": sum(results.variants.values()),
            "kept": results.variants["kept"],
            "dropped": {k: n for k, n in results.variants.items() if n and k != "kept"},
        },
        "steps": results.steps,
        "notes": results.notes,
        "warnings": results.warnings,
        "run": {"command_line": command, "started": started},
    }
    text = json.dumps(facts, indent=2, sort_keys=True, ensure_ascii=False)
    directory.write_text("run.json", text + "\n")
