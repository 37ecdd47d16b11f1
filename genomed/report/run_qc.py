"""The chapter on quality: who and what passes, why the rest does not, and how the data look."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from genomed.ledger import QC_SAMPLES, QC_VARIANTS
from genomed.report.content import floats
from genomed.report.figures import Tick
from genomed.report.markup import Html, element, join
from genomed.report.run_grid import Cell, grid
from genomed.report.run_plots import Bar, Cloud, Line, bars, histogram, lines, scatter
from genomed.report.run_records import (
    Finding,
    Need,
    Part,
    ReportData,
    RunRecord,
    card,
    figure_from,
    file_link,
    run_heading,
    source,
)
from genomed.report.tables import Column, format_count, format_fixed, format_share, html_table
from genomed.report.verdicts import flag_words

__all__ = ["NEEDS", "chapter"]

SAMPLE_COLUMNS = (
    "sample", "group", "call_rate", "f", "titv", "het_hom_ratio", "n_singleton", "x_f",
    "y_call_rate", "declared_sex", "sex", "sex_status", "pass", "reason",
)  # fmt: skip
CALL_RATES = (1.0, 0.999, 0.995, 0.99, 0.98, 0.95, 0.9)  # lower bounds of the classes
FREQUENCIES = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5)  # upper bounds of the classes
P_STEP = 0.05  # of -log10 P, in which variants are counted
MOST_PEOPLE = 20_000  # listed; a page of more would be slow to open
SHARE_OF_NOTE = 0.2  # of variants dropped


def _by_call_rate(table: pl.LazyFrame) -> pl.LazyFrame:
    place = pl.sum_horizontal([pl.col("call_rate") < low for low in CALL_RATES])
    known = table.filter(pl.col("call_rate").is_not_null())
    return known.group_by(place.alias("place")).agg(n=pl.len())


def _by_frequency(table: pl.LazyFrame) -> pl.LazyFrame:
    copies = pl.min_horizontal("alt_count", pl.col("allele_number") - pl.col("alt_count"))
    share = copies / pl.col("allele_number")
    place = pl.sum_horizontal([share >= high for high in FREQUENCIES])
    known = table.filter(pl.col("allele_number") > 0)
    return known.group_by(
        place=pl.when(copies == 0).then(-2).when(copies == 1).then(-1).otherwise(place)
    ).agg(n=pl.len())


def _by_hwe(table: pl.LazyFrame) -> pl.LazyFrame:
    p = pl.coalesce("hwe_group_p", "hwe_p")
    size = -p.clip(lower_bound=1e-300).log10()
    return (
        table.filter(p.is_not_null())
        .group_by(place=(size / P_STEP).floor().cast(pl.Int32))
        .agg(n=pl.len(), grouped=pl.col("hwe_group_p").is_not_null().any())
    )


NEEDS = (
    Need("qc", "samples.parquet", lambda t: t.select(SAMPLE_COLUMNS)),
    Need("qc", "variants.parquet", _by_call_rate, "call rates"),
    Need("qc", "variants.parquet", _by_frequency, "frequencies"),
    Need("qc", "variants.parquet", _by_hwe, "equilibrium"),
)


def chapter(data: ReportData) -> Part | None:
    """What each `qc` run measured; None without one."""
    runs = data.of("qc")
    if not runs:
        return None
    findings = [finding for run in runs for finding in _findings(run)]
    note = (
        "Nobody and nothing is deleted here: what does not pass is named with its reason, and left "
        "out of what follows only where the lists of those that pass are used."
    )
    body = join([element("p", note, class_="note"), *(_run(data, run) for run in runs)])
    return Part("qc", "Quality of samples and variants", "Quality", body, findings)


def _findings(run: RunRecord) -> list[Finding]:
    found = []
    for what in ("samples", "variants"):
        counts = run.record[what]
        measured, kept = counts["measured"], counts["kept"]
        lost = measured - kept
        said = f"{kept:,} of {measured:,} {what} pass."
        if lost:
            reasons = ", ".join(f"{code.replace('_', ' ')} {k:,}" for code, k in _ordered(counts))
            said += f" Left out, by the first reason: {reasons}."
        share = lost / measured if measured else 1.0
        level = "usable" if share <= SHARE_OF_NOTE else "care"
        if not kept:
            level = "none"
        word = (
            "all pass" if not lost else f"{format_share(kept / measured if measured else 0)} pass"
        )
        subject = f"{what.capitalize()} of {run.name}"
        found.append(Finding(level, word, subject, said, place=run.place))
    return found


def _ordered(counts: Mapping[str, Any]) -> list[tuple[str, int]]:
    return sorted(counts["dropped"].items(), key=lambda item: (-item[1], item[0]))


def _run(data: ReportData, run: RunRecord) -> Html:
    cards = [
        _reasons(data, run, "samples", QC_SAMPLES), _reasons(data, run, "variants", QC_VARIANTS),
        *_sample_figures(data, run), *_variant_figures(data, run),
    ]  # fmt: skip
    figures = element("div", cards, class_="figures")
    return element("div", run_heading(run), figures, _people(data, run), class_="run")


def _reasons(data: ReportData, run: RunRecord, what: str, meanings: Mapping[str, str]) -> Html:
    counts = run.record[what]
    rows: list[list[object]] = [
        ["pass", figure_from(data, run, "run.json", f"{what}, kept", format_count(counts["kept"])),
         "no filter stops them"]
    ]  # fmt: skip
    for code, number in _ordered(counts):
        row = f"rows whose reason begins with {code}"
        file = f"{what}.tsv" if what == "samples" else "variants.tsv.gz"
        shown = figure_from(data, run, file, row, format_count(number))
        rows.append([code.replace("_", " "), shown, meanings.get(code, "")])
    columns = [Column(what.capitalize()), Column("N", True), Column("Meaning")]
    table = html_table(f"{what.capitalize()} of {run.name} by reason", columns, rows)
    heading = f"{format_count(counts['measured'])} {what}, by the first reason"
    return card(heading, table, source(data, run, "run.json", f"key {what}"))


def _sample_figures(data: ReportData, run: RunRecord) -> list[Html]:
    table = run.tables.get("samples.parquet")
    if table is None or not len(table):
        return []
    cards = [_call_card(data, run, table)]
    if table["x_f"].count():
        columns = "columns x_f, y_call_rate, declared_sex, sex_status"
        cards.append(card("Sex", _sex(table, run), source(data, run, "samples.tsv", columns)))
    return cards


def _call_card(data: ReportData, run: RunRecord, table: pl.DataFrame) -> Html:
    """Call rate and F of each sample; where all are called alike, F alone."""
    if table["call_rate"].n_unique() == 1:
        labels = ("F, inbreeding coefficient", "samples")
        figure = histogram(labels[0], floats(table, "f"), labels, f"{run.identity}-f")
        origin = source(data, run, "samples.tsv", "column f")
        rate = format_share(table["call_rate"][0], 2)
        return card(f"Heterozygosity; every sample has {rate} of its calls", figure, origin)
    identity = run.identity
    passed, failed = table.filter("pass"), table.filter(~pl.col("pass"))
    settings = run.record["settings"]
    clouds = [
        Cloud(name, 100 * floats(part, "call_rate"), floats(part, "f"))
        for name, part in (("pass", passed), ("do not pass", failed))
    ]
    limit = 100 * float(settings["min_sample_call_rate"])
    low = min((float(c.x.min()) for c in clouds if len(c.x)), default=limit)
    calls = scatter(
        "Call rate and inbreeding coefficient of each sample",
        ("call rate, %", "F, inbreeding coefficient"),
        clouds,
        f"{identity}-calls",
        limits=([limit] if low < limit + 1 else [], []),
        odd=1,
    )
    origin = source(data, run, "samples.tsv", "columns call_rate, f, pass")
    return card("Call rate and heterozygosity", calls, origin)


def _sex(table: pl.DataFrame, run: RunRecord) -> Html:
    """F on X beside the share called on Y; without Y, a row for each declared sex."""
    settings = run.record["settings"]
    limits = [float(settings["max_female_f"]), float(settings["min_male_f"])]
    odd = pl.col("sex_status").is_in(["mismatch", "ambiguous"])
    plain = table.filter(~odd.fill_null(False))
    with_y = table["y_call_rate"].count() > 0
    parts = [
        ("declared female", plain.filter(pl.col("declared_sex") == "female")),
        ("mismatch or ambiguous", table.filter(odd)),
        ("declared male", plain.filter(pl.col("declared_sex") == "male")),
        ("undeclared", plain.filter(pl.col("declared_sex").is_null())),
    ]
    rows = {"female": 1.0, "male": 0.0}
    clouds = []
    for name, part in parts:
        if not len(part):
            continue
        if with_y:
            up = floats(part, "y_call_rate")
        else:  # spread evenly about the row of the declared sex, so that all are seen
            row = [rows.get(sex, 0.5) for sex in part["declared_sex"].to_list()]
            up = np.array(row) + 0.3 * (np.arange(len(part)) * 0.618034 % 1 - 0.5)
        clouds.append(Cloud(name, floats(part, "x_f"), up))
    names = [name for name, part in parts if len(part)]
    odd_place = names.index("mismatch or ambiguous") if "mismatch or ambiguous" in names else None
    y_label = "share called on Y" if with_y else "declared sex"
    y_ticks = None if with_y else [Tick(height, sex) for sex, height in rows.items()]
    return scatter(
        "Sex by the calls on X and Y", ("F on X", y_label), clouds, f"{run.identity}-sex",
        limits=(limits, ()), odd=odd_place, y_ticks=y_ticks,
    )  # fmt: skip


def _variant_figures(data: ReportData, run: RunRecord) -> list[Html]:
    if "call rates" not in run.tables:
        return []
    file = "variants.tsv.gz"
    cards = [
        card("Variants by call rate", _call_rates(run), source(data, run, file,
             "column call_rate")),
        card("Variants by frequency of the rarer allele", _frequencies(run),
             source(data, run, file, "columns alt_count, allele_number")),
    ]  # fmt: skip
    places = run.record["variants"].get("kinds")
    if places:
        origin = source(data, run, "run.json", "variants, kinds and places")
        cards.append(card("Variants by kind and place", _kinds(data, run), origin))
    if len(run.tables["equilibrium"]):
        cards.append(_equilibrium_card(data, run))
    return cards


def _counts(table: pl.DataFrame) -> dict[int, int]:
    return {int(place): int(count) for place, count in table.select("place", "n").iter_rows()}


def _call_rates(run: RunRecord) -> Html:
    counts, limit = (
        _counts(run.tables["call rates"]),
        float(run.record["settings"]["min_call_rate"]),
    )
    rows = []
    for place in range(len(CALL_RATES) + 1):
        low = CALL_RATES[place] if place < len(CALL_RATES) else 0.0
        high = CALL_RATES[place - 1] if place else 1.0
        name = "all called" if not place else f"{100 * low:g} to {100 * high:g}%"
        if place == len(CALL_RATES):
            name = f"under {100 * high:g}%"
        rows.append(Bar(name, counts.get(place, 0), bad=high <= limit and place > 0))
    return bars("Variants by call rate", rows, f"{run.identity}-rate", "variants")


def _frequencies(run: RunRecord) -> Html:
    counts = _counts(run.tables["frequencies"])
    rows = [Bar("does not vary", counts.get(-2, 0)), Bar("one copy", counts.get(-1, 0))]
    for place, high in enumerate(FREQUENCIES):
        low = FREQUENCIES[place - 1] if place else 0.0
        name = f"under {100 * high:g}%" if not place else f"{100 * low:g} to {100 * high:g}%"
        number = counts.get(place, 0)
        if place == len(FREQUENCIES) - 1:
            number += counts.get(place + 1, 0)
        rows.append(Bar(name, number))
    return bars("Variants by frequency", rows, f"{run.identity}-maf", "variants")


def _equilibrium_card(data: ReportData, run: RunRecord) -> Html:
    grouped = bool(run.tables["equilibrium"]["grouped"].any())
    note = (
        "Of the groups' P the smallest, which chance makes smaller than a single one. "
        if grouped
        else ""
    )
    note += "Dashed: what chance gives. Dots on the upper edge lie beyond it."
    column = "column hwe_group_p" if grouped else "column hwe_p"
    return card("Hardy-Weinberg equilibrium: observed and expected P",
                join([_equilibrium(run), element("p", note, class_="note")]),
                source(data, run, "variants.tsv.gz", column))  # fmt: skip


def _equilibrium(run: RunRecord) -> Html:
    """A QQ plot from counts in classes of P: at each class, the P that chance would give."""
    table = run.tables["equilibrium"].sort("place", descending=True)
    place, count = table["place"].to_numpy(), table["n"].to_numpy()
    below = np.cumsum(count)  # variants of a P at most that of the class
    expected = -np.log10(below / below[-1])
    observed = place * P_STEP
    limit = -math.log10(float(run.record["settings"]["hwe_p"]))
    curve = Line("variants", expected[::-1], observed[::-1].astype(float))
    most = max(1.0, float(expected.max()) * 1.05)
    top = max(most, min(float(observed.max()), 4 * limit) * 1.05)
    return lines(
        "Hardy-Weinberg equilibrium", ("expected −log10 P", "observed −log10 P"), [curve],
        f"{run.identity}-hwe", x_range=(0.0, most), y_range=(0.0, top), diagonal=True, points=True,
    )  # fmt: skip


def _kinds(data: ReportData, run: RunRecord) -> Html:
    counts = run.record["variants"]
    rows: list[list[object]] = []
    for key, heading in (("kinds", "kind"), ("places", "place")):
        for name, number in sorted(counts[key].items(), key=lambda item: -item[1]):
            shown = figure_from(data, run, "run.json", f"variants, {key}, {name}",
                                format_count(number))  # fmt: skip
            rows.append([name.replace("_", " "), heading, shown])
    kinds = counts["kinds"]
    if kinds.get("transversion"):
        ratio = kinds.get("transition", 0) / kinds["transversion"]
        rows.append(["transitions per transversion", "kind", f"{ratio:.3f}"])
    columns = [Column("Variants"), Column("By"), Column("N", True)]
    return html_table("Variants by kind and place", columns, rows)


def _people(data: ReportData, run: RunRecord) -> Html | None:
    table = run.tables.get("samples.parquet")
    if table is None or not len(table):
        return None
    columns = [
        Column("Person"), Column("Group"), Column("Call rate", True, "share of variants called"),
        Column("F", True, "inbreeding coefficient"), Column("Het/hom", True, "heterozygous over "
        "homozygous ALT calls"), Column("Ti/Tv", True), Column("Singletons", True, "ALTs that "
        "nobody else has"), Column("Sex", False, "as the calls have it"), Column("Verdict"),
    ]  # fmt: skip
    if not table["group"].count():
        del columns[1]
    shown = table.with_columns(
        shown=pl.Series([data.people.shown(s) for s in table["sample"].to_list()], dtype=pl.Utf8)
    ).sort("pass", "shown")
    listed = shown.head(MOST_PEOPLE).iter_rows(named=True)
    rows = [_person(row, grouped=len(columns) == 9) for row in listed]
    more = len(shown) - len(rows)
    heading = "All samples, those that do not pass first"
    if more:
        heading = f"{len(rows):,} samples, those that do not pass first; {more:,} more pass"
    listed_all = join(["All are in ", file_link(data, run, "samples.tsv"), "."])
    table_shown = grid(
        f"{run.identity}-people", f"Samples of {run.name}", columns, rows, page=12, rest=listed_all
    )
    return card(heading, table_shown, source(data, run, "samples.tsv", "a row for each sample"))


def _person(row: Mapping[str, Any], *, grouped: bool) -> list[str | Cell | None]:
    verdict: str | Cell = "passes"
    if not row["pass"]:
        verdict = Cell(", ".join(flag_words(row["reason"])), "pill care")
    sex = row["sex"] or "not told"
    if row["sex_status"] in ("mismatch", "ambiguous"):
        sex = f"{sex}, declared {row['declared_sex'] or 'nothing'}"
    decimals = {"call_rate": 4, "f": 3, "het_hom_ratio": 2, "titv": 2, "n_singleton": 0}
    numbers = [format_fixed(row[name], n) for name, n in decimals.items()]
    group = [row["group"]] if grouped else []
    return [row["shown"], *group, *numbers, sex, verdict]
