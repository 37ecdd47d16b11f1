"""The report's chapter on what moves predictions: variants, pairs, genes, covariates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from genomed.report.explain_page import CHECKED, PART_WORDS, format_part, format_size
from genomed.report.group_figures import Push, pushes
from genomed.report.markup import Html, element, join, label, shortened
from genomed.report.run_grid import Cell, grid
from genomed.report.run_records import Finding, Need, Part, ReportData, RunRecord, card, source
from genomed.report.svg import figure_of
from genomed.report.tables import (
    UNKNOWN,
    Column,
    format_count,
    format_frequency,
    format_signed,
    html_table,
    is_number,
)

__all__ = ["NEEDS", "chapter"]

MOST_VARIANTS = 500  # in the table; the file has all
MOST_DRAWN = 12
MOST_ROWS = 20  # pairs, genes, covariates


def _head(table: pl.LazyFrame) -> pl.LazyFrame:
    return table.filter(pl.col("mean_abs_contribution") > 0).head(MOST_VARIANTS)


def _count(table: pl.LazyFrame) -> pl.LazyFrame:
    return table.select(
        pl.len().alias("n"),
        (pl.col("mean_abs_contribution") > 0).sum().alias("n_moving"),
        pl.col("share").fill_nan(None).sum(),
        pl.col(*PART_WORDS).sum(),
    )


NEEDS = (
    Need("explain", "variants.parquet", _head, "variants"),
    Need("explain", "variants.parquet", _count, "totals"),
    *(Need("explain", f"{name}.parquet", None, name)
      for name in ("pairs", "covariates", "genes", "codes", "shuffles")),
)  # fmt: skip


def chapter(data: ReportData) -> Part | None:
    """Every explanation; None without any."""
    runs = [run for run in data.of("explain") if "variants" in run.tables]
    if not runs:
        return None
    note = (
        "Contributions are in units of the predictor (log odds of a binary trait), against the "
        "mean of those learned from. What moves a prediction need not cause the disease: a variant "
        "may stand for others that are inherited with it."
    )
    body = join([element("p", note, class_="note"), [_block(data, run) for run in runs]])
    findings = [_finding(run) for run in runs]
    return Part("explain", "What moves predictions", "Attributions", body, findings)


def _bundle(run: RunRecord) -> Mapping[str, Any]:
    return run.record.get("bundle") or {}


def _finding(run: RunRecord) -> Finding:
    checks = run.record.get("checks") or ()
    bad = [c for c in checks if c.get("passed") is False]
    variants = run.tables["variants"]
    subject = join(["What moves ", label(str(_bundle(run).get("name") or run.name), 60)])
    said = "No variant moves it."
    if len(variants):
        top = variants.row(0, named=True)
        said = (
            f"{shortened(top['variant'], 40)} moves it most: {format_part(top['share'])} of the "
            "predictor's variance."
        )
    if bad:
        names = ", ".join(str(c["name"]).replace("_", " ") for c in bad)
        said += f" A check failed: {names}."
        return Finding("care", "be careful", subject, said, run.identity, run.place)
    return Finding("usable", "adds up", subject, said, run.identity, run.place)


def _block(data: ReportData, run: RunRecord) -> Html:
    bundle, variants = _bundle(run), run.tables["variants"]
    name = str(bundle.get("name") or run.name)
    people = format_count(run.record.get("people"))
    return element(
        "div",
        element("h3", label(name, 80),
                element("small", f"{people} people, ", label(run.place, 60))),
        element(
            "div",
            card("Variants that move most, per copy", _figure(variants, run.identity),
                 look="card wide"),
            card("Parts of the model", _parts(run)),
            _checks(run),
            class_="figures",
        ),
        card(
            "All variants" if len(variants) < MOST_VARIANTS else "Variants",
            _variants(run),
            source(data, run, "variants.tsv", "a row each"),
        ),
        _sums(data, run, "genes", "Genes", "gene", "sums of their variants, person by person"),
        _sums(data, run, "covariates", "Covariates", "covariate", ""),
        _sums(data, run, "codes", "Dated codes", "code", "within the covariates already"),
        _pairs(data, run),
        _shuffles(data, run),
        class_="run",
        id=run.identity,
    )  # fmt: skip


def _figure(variants: pl.DataFrame, identity: str) -> Html:
    rows = [
        Push(
            row["variant"],
            f"share {format_part(row['share'])}",
            row["effect_per_copy"] if is_number(row["effect_per_copy"]) else math.nan,
        )
        for row in variants.head(MOST_DRAWN).iter_rows(named=True)
    ]
    told = "What one more copy of ALT adds; share: of the predictor's variance."
    plot = pushes(rows, "Variants that move predictions most", f"{identity}-push")
    return figure_of(plot, told, broad=True)


def _parts(run: RunRecord) -> Html:
    """How much of the movement each part of the model makes."""
    totals = run.tables["totals"].row(0, named=True)
    whole = sum(totals[p] or 0.0 for p in PART_WORDS)
    rows = [
        [f"variants {words}", f"{100 * totals[part] / whole:.1f}%"]
        for part, words in PART_WORDS.items()
        if whole and totals[part]
    ]
    columns = [Column("Part"), Column("Share", True, "of the variants' mean movement")]
    table = html_table("Parts of the model", columns, rows) if rows else None
    n = f"{format_count(totals['n_moving'])} of {format_count(totals['n'])} variants move it."
    return join([table, element("p", n, class_="note")])


def _checks(run: RunRecord) -> Html | None:
    checks = run.record.get("checks") or ()
    if not checks:
        return None
    marks = {None: "", True: "✓ ", False: "! "}
    rows = [
        [
            element("span", str(c["name"]).replace("_", " "), title=str(c.get("told") or "")),
            format_size(c.get("value")),
            marks[c.get("passed")] + CHECKED[c.get("passed")],
        ]
        for c in checks
    ]
    columns = [Column("Check"), Column("Value", True), Column("Verdict")]
    return card("How sure is that?", html_table("Checks", columns, rows))


def _variants(run: RunRecord) -> Html:
    variants = run.tables["variants"]
    totals = run.tables["totals"].row(0, named=True)
    parts = [p for p in PART_WORDS if is_number(totals[p]) and totals[p] > 0]
    columns = [
        Column("Variant"), Column("Place"), Column("ALT freq.", True, "in training"),
        Column("Moves by", True, "mean over people of the size of its contribution"),
        Column("Share", True, "of the predictor's variance"),
        Column("Per copy", True, "of ALT, in units of the predictor"),
    ]  # fmt: skip
    if len(parts) > 1:
        columns += [Column(PART_WORDS[p], True, "mean size") for p in parts]
    if variants["net_sd"].count():
        columns.append(Column("Net ±", True, "SD over the net's members"))
    rows = [_variant(row, parts, columns) for row in variants.iter_rows(named=True)]
    return grid(
        f"{run.identity}-variants", "Variants that move predictions", columns, rows, page=15,
        rest=f"{format_count(totals['n_moving'])} variants are in variants.tsv.",
    )  # fmt: skip


def _variant(
    row: Mapping[str, Any], parts: list[str], columns: list[Column]
) -> list[str | Cell | None]:
    place = f"{row['contig']}:{row['position']} {row['ref']}>{row['alt']}"
    cells: list[str | Cell | None] = [
        shortened(row["variant"], 36),
        shortened(place, 44),
        format_frequency(row["alt_allele_frequency"]),
        format_size(row["mean_abs_contribution"]),
        format_part(row["share"]),
        format_signed(row["effect_per_copy"], 3),
    ]
    if len(parts) > 1:
        cells += [format_size(row[p]) for p in parts]
    if columns[-1].heading == "Net ±":
        cells.append(format_size(row["net_sd"]))
    return cells


def _sums(
    data: ReportData, run: RunRecord, table: str, heading: str, column: str, told: str
) -> Html | None:
    frame = run.tables.get(table)
    if frame is None or not len(frame):
        return None
    rows = [
        [label(row[column], 60), format_size(row["mean_abs_contribution"]),
         format_part(row["share"])]
        for row in frame.head(MOST_ROWS).iter_rows(named=True)
    ]  # fmt: skip
    columns = [Column(heading), Column("Moves by", True), Column("Share", True)]
    more = f"The first {MOST_ROWS} of {len(frame):,}. " if len(frame) > MOST_ROWS else ""
    return card(
        heading,
        element("p", more + told, class_="note") if more or told else None,
        html_table(heading, columns, rows, narrow=True),
        source(data, run, f"{table}.tsv", "a row each"),
    )


def _pairs(data: ReportData, run: RunRecord) -> Html | None:
    pairs = run.tables.get("pairs")
    if pairs is None or not len(pairs):
        return None
    columns = [Column("First"), Column("Second"), Column("Kind"), Column("Moves by", True),
               Column("Share", True)]  # fmt: skip
    rows = [
        [label(row["first"]), label(row["second"]), row["kind"],
         format_size(row["mean_abs_contribution"]), format_part(row["share"])]
        for row in pairs.head(MOST_ROWS).iter_rows(named=True)
    ]  # fmt: skip
    more = f"The first {MOST_ROWS} of {len(pairs):,}. " if len(pairs) > MOST_ROWS else ""
    note = "What two do together beyond what each does alone; their own contributions hold it."
    return card(
        "What acts together",
        element("p", more + note, class_="note"),
        html_table("What acts together", columns, rows, narrow=True),
        source(data, run, "pairs.tsv", "a row each"),
    )


def _shuffles(data: ReportData, run: RunRecord) -> Html | None:
    """The bundle beside trainings on permuted labels: what chance alone gives."""
    table = run.tables.get("shuffles")
    if table is None or not len(table):
        return None
    columns = [Column("Labels"), Column("Stages kept"), Column("Variants", True),
               Column("Gain", True, "share of the deviance saved out of fold"),
               Column("Largest variant", True, "mean size of what it adds")]  # fmt: skip
    rows = [
        [
            "as they are" if row["run"] == 0 else f"permuted, {row['run']}",
            label(row["stages"] or UNKNOWN, 60),
            format_count(row["n_variants"]),
            format_signed(row["gain"], 4),
            format_size(row["largest_variant"]),
        ]
        for row in table.iter_rows(named=True)
    ]
    return card(
        "Beside permuted labels",
        element("p", "Attributions as large as these from labels that mean nothing are chance.",
                class_="note"),
        html_table("The bundle beside permuted labels", columns, rows, narrow=True),
        source(data, run, "shuffles.tsv"),
    )  # fmt: skip
