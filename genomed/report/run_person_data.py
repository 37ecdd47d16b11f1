"""What quality control, structure and reads say of one person: the end of that person's page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from genomed.report.markup import Html, element, join, label
from genomed.report.run_reads import IDENTITIES
from genomed.report.run_records import Need, Part, ReportData, RunRecord, card, source
from genomed.report.tables import (
    UNKNOWN,
    Column,
    definitions,
    format_count,
    format_fixed,
    format_score,
    format_share,
    html_table,
)
from genomed.report.verdicts import flag_words

__all__ = ["DATA_NEEDS", "data_part"]

DATA_NEEDS = (
    Need("risk", "ancestry.parquet", None, "placed"),
    Need("qc", "samples.parquet", None, "quality"),
    Need("structure", "kinship.parquet", None, "kinship"),
    Need("structure", "ancestry.parquet", None, "placed"),
    Need("reads qc", "files.parquet", None, "reads"),
    Need("reads qc", "identity.parquet", None, "identity"),
)
QUALITY = {
    "call_rate": "Call rate",
    "het_hom_ratio": "Heterozygous over homozygous ALT",
    "titv": "Transitions over transversions",
    "f": "Inbreeding, F",
    "declared_sex": "Sex as declared",
    "sex": "Sex by genotypes",
    "sex_status": "Do they agree",
}


def data_part(data: ReportData, sample: str) -> Part | None:
    """What qc, structure and reads say of the person's data; None where they say nothing."""
    parts = [
        *(_quality(data, run, sample) for run in data.of("qc")),
        *(_placed(data, run, sample) for run in data.of("structure", "risk")),
        *(_relatives(data, run, sample) for run in data.of("structure")),
        *(card for run in data.of("reads qc") for card in _reads(data, run, sample)),
    ]
    known = [part for part in parts if part is not None]
    if not known:
        return None
    told = element("h3", "Genotypes, ancestry, relatives and reads", class_="unseen")
    body = join([told, element("div", known, class_="figures")])
    return Part("calls", "The data behind it", "Data", body)


def _own(run: RunRecord, table: str, sample: str) -> Mapping[str, Any] | None:
    frame = run.tables.get(table)
    if frame is None or "sample" not in frame.columns:
        return None
    found = frame.filter(pl.col("sample").cast(pl.String) == sample)
    return found.row(0, named=True) if len(found) else None


def _box(heading: str, pairs: list[tuple[str, object]], last: Html) -> Html:
    return card(heading, definitions(pairs, "facts keys"), last)


def _plain(value: object) -> str:
    if value is None or value == "":
        return UNKNOWN
    return format_score(float(value), 3) if isinstance(value, float) else str(value)


def _quality(data: ReportData, run: RunRecord, sample: str) -> Html | None:
    row = _own(run, "quality", sample)
    if row is None:
        return None
    reasons = ", ".join(flag_words(row.get("reason"))) or "no reason given"
    passed = "passes" if row.get("pass") else f"left out: {reasons}"
    pairs: list[tuple[str, object]] = [("Quality control", label(passed, 80))]
    for column, told in QUALITY.items():
        if row.get(column) is not None:
            value = format_share(row[column]) if column == "call_rate" else _plain(row[column])
            pairs.append((told, label(value, 60)))
    return _box("Genotypes", pairs, source(data, run, "samples.tsv", "the row of this person"))


def _placed(data: ReportData, run: RunRecord, sample: str) -> Html | None:
    row = _own(run, "placed", sample)
    if row is None:
        return None
    outside = row.get("outside_reference")
    pairs: list[tuple[str, object]] = [
        ("Most similar population", label(str(row["most_similar_population"] or "none"), 60)),
        ("Its probability", format_share(row["population_probability"])),
        ("Genetic distance", _plain(row["genetic_distance"])),
        ("Inside the reference", "no: nothing is adjusted" if outside else "yes"),
    ]
    return _box("Ancestry", pairs, source(data, run, "ancestry.tsv", "the row of this person"))


def _relatives(data: ReportData, run: RunRecord, sample: str) -> Html | None:
    table = run.tables.get("kinship")
    if table is None or not len(table):
        return None
    own = table.filter((pl.col("sample1") == sample) | (pl.col("sample2") == sample))
    rows = [
        [
            label(data.people.shown(r["sample2"] if r["sample1"] == sample else r["sample1"]), 40),
            str(r["relation"] or UNKNOWN),
            f"{r['kinship']:.3f}",
        ]
        for r in own.sort("kinship", descending=True).head(10).iter_rows(named=True)
    ]
    columns = [Column("Person"), Column("Relation"), Column("Kinship", True)]
    found = html_table("Relatives in the cohort", columns, rows) if rows else element(
        "p", "Nobody in the cohort is a close relative.", class_="muted"
    )  # fmt: skip
    return card("Relatives in the cohort", found, source(data, run, "kinship.tsv"))


def _reads(data: ReportData, run: RunRecord, sample: str) -> list[Html]:
    """A card for each file of the person's reads."""
    files, identity = run.tables.get("reads"), run.tables.get("identity")
    if files is None:
        return []
    whose: dict[str, str] = {}
    if identity is not None and "identity" in identity.columns:
        whose = dict(identity.select("file", "identity").drop_nulls().iter_rows())
    origin = source(data, run, "files.tsv", "the row of this file")
    cards = []
    for row in files.filter(pl.col("sample").cast(pl.String) == sample).iter_rows(named=True):
        pairs: list[tuple[str, object]] = [
            ("Reads", format_count(row["n_reads"])),
            ("Mapped", format_share(row["mapped_share"])),
            ("Mean depth", format_fixed(row["mean_depth"], 1)),
            ("Callable", format_share(row["callable_share"])),
            ("Sex by depth", row["sex"] or UNKNOWN),
        ]
        if row["file"] in whose:
            said = IDENTITIES[whose[row["file"]]]
            pairs.append(("Whose reads", element("span", said.text, class_=said.look)))
        cards.append(_box("Reads", pairs, origin))
    return cards
