"""The chapter on reads: how deep, how good, whose they are, and what was called from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from genomed.report.markup import Html, element, join, label
from genomed.report.run_grid import Cell, grid
from genomed.report.run_plots import Line, lines
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
from genomed.report.tables import (
    Column,
    format_count,
    format_fixed,
    format_share,
    html_table,
    is_number,
)

__all__ = ["IDENTITIES", "NEEDS", "chapter", "findings_of"]

MOST_FILES = 24  # with curves of their own
MOST_POINTS = 160  # of a curve
CONTAMINATION_OF_NOTE = 0.02  # GATK and verifyBamID reports commonly look at 2 to 3 %
COUNTS = (
    "snps", "indels", "heterozygous", "homozygous", "candidate_sites", "below_min_qual",
)  # fmt: skip
IDENTITIES = {  # verdict -> what it says
    "confirmed": Cell("own reads", "pill usable"),
    "swapped": Cell("another person's reads", "pill none"),
    "not_own": Cell("not the named person's", "pill none"),
    "other_name": Cell("name not in the store", "pill care"),
    "not_in_store": Cell("nobody's of the store", "pill told"),
    "not_told": Cell("too few sites to tell", "pill told"),
}


def _curves(table: pl.LazyFrame) -> pl.LazyFrame:
    return table.filter(pl.col("measure").is_in(("depth", "cycle_quality", "insert_size")))


NEEDS = (
    Need("reads qc", "files.parquet"),
    Need("reads qc", "identity.parquet"),
    Need("reads qc", "pairs.parquet", lambda t: t.filter(pl.col("verdict").is_in(
        ("same_person", "different_people")))),
    Need("reads qc", "distributions.parquet", _curves),
)  # fmt: skip


def chapter(data: ReportData) -> Part | None:
    """What the runs of `reads` found; None without one."""
    measured = [run for run in data.of("reads qc") if "files.parquet" in run.tables]
    called, scored = data.of("reads call"), data.of("reads score")
    if not measured and not called and not scored:
        return None
    body = join([
        *(_run(data, run) for run in measured),
        _calls(data, called), _scores(data, scored),
    ])  # fmt: skip
    findings = [finding for run in measured for finding in findings_of(run)]
    return Part("reads", "Reads", "Reads", body, findings)


def findings_of(run: RunRecord) -> list[Finding]:
    """How deep the files of a `reads qc` run are, and whose reads they hold."""
    files = run.tables["files.parquet"]
    depth = files["mean_depth"].drop_nulls().to_list()
    said = "1 file" if len(files) == 1 else f"{len(files):,} files"
    if depth:
        low, high = f"{min(depth):.1f}", f"{max(depth):.1f}"
        said += f", mean depth {low}" if low == high else f", mean depth {low} to {high}"
    shares = files["callable_share"].drop_nulls().to_list()
    if shares:
        said += f", {format_share(min(shares))} or more callable"
    found = [Finding("told", "measured", f"Reads of {run.name}", f"{said}.", place=run.place)]
    identity = run.tables.get("identity.parquet")
    if identity is None or not len(identity):
        return found
    return [*found, _identity_finding(run, identity)]


def _identity_finding(run: RunRecord, identity: pl.DataFrame) -> Finding:
    """Whose reads they are and how pure, of the files of which that could be told."""
    verdicts = identity["identity"].to_list() if "identity" in identity.columns else []
    told = [v for v in verdicts if v not in (None, "not_told")]
    wrong = sum(v in ("swapped", "not_own") for v in told)
    known = identity["contamination"].count()
    mixed = int((identity["contamination_low"] > CONTAMINATION_OF_NOTE).sum())
    said = []
    if told:
        said.append(f"Files with another person's reads: {wrong:,} of {len(told):,} compared.")
    if known:
        limit = f"{CONTAMINATION_OF_NOTE:.0%}"
        said.append(
            f"More than {limit} of the reads somebody else's: {mixed:,} of {known:,} files."
        )
    silent = len(identity) - known
    if silent:
        said.append(f"Too few sites to tell how pure: {silent:,} of {len(identity):,} files.")
    level, word = "usable", "nothing odd"
    if wrong:
        level, word = "none", "swapped"
    elif mixed:
        level, word = "care", "contaminated"
    elif silent:
        level, word = "told", "not told"
    return Finding(level, word, f"Identity of {run.name}", " ".join(said), place=run.place)


def _run(data: ReportData, run: RunRecord) -> Html:
    cards = [*_curve_cards(data, run), _identity_card(data, run), _pairs_card(data, run)]
    figures = element("div", [c for c in cards if c is not None], class_="figures")
    return element("div", run_heading(run), _files(data, run), figures, class_="run")


def _name(data: ReportData, row: Mapping[str, Any]) -> str:
    """What the page calls the reads of a file: its people, or the file where none is named."""
    sample = row.get("sample")
    if sample is None:
        return data.people.masked(str(row["file"]))
    return ", ".join(data.people.shown(one) for one in str(sample).split(","))


def _files(data: ReportData, run: RunRecord) -> Html:
    columns = [
        Column("Person"), Column("Reads", True), Column("Mapped", True),
        Column("Duplicates", True), Column("Depth", True, "mean"),
        Column("Callable", True, "share of bases whose depth is in the third class of --quantize"),
        Column("Insert", True, "median size, bases"), Column("Q30", True, "share of bases"),
        Column("Mismatches", True, "per mapped base"), Column("Sex", False, "by depth of X and Y"),
    ]  # fmt: skip
    files = run.tables["files.parquet"].iter_rows(named=True)
    rows = [_file(data, row) for row in files]
    table = grid(
        f"{run.identity}-files", f"Files of reads of {run.name}", columns,
        rows, page=15, rest=join(["All measures are in ", file_link(data, run, "files.tsv"), "."]),
    )  # fmt: skip
    origin = source(data, run, "files.tsv", "a row for each file")
    return card("Files", table, origin)


def _file(data: ReportData, row: Mapping[str, Any]) -> list[str | Cell | None]:
    return [
        _name(data, row), format_count(row["n_reads"]), format_share(row["mapped_share"]),
        format_share(row["duplicate_share"]), format_fixed(row["mean_depth"], 1),
        format_share(row["callable_share"]), format_fixed(row["insert_median"], 0),
        format_share(row["q30_share"]), format_share(row["mismatch_rate"], 2),
        row["sex"] or "not told",
    ]  # fmt: skip


def _curve_cards(data: ReportData, run: RunRecord) -> list[Html]:
    table = run.tables.get("distributions.parquet")
    if table is None or not len(table):
        return []
    files = run.tables["files.parquet"]
    shown = list(files.head(MOST_FILES).iter_rows(named=True))
    drawn = (
        ("depth", "Bases by depth", ("depth, at least", "% of the bases"), _cumulated),
        ("cycle_quality", "Base quality by cycle", ("cycle", "mean base quality"), _as_it_is),
        ("insert_size", "Sizes of inserts", ("insert, bases", "% of the pairs"), _smoothed),
    )
    cards = []
    for measure, heading, labels, made in drawn:
        own = table.filter(pl.col("measure") == measure)
        curves = [
            curve
            for row in shown
            for curve in made(
                _name(data, row), own.filter(pl.col("file").is_in((row["file"], row["prefix"])))
            )
        ]
        if not curves:
            continue
        figure = lines(heading, labels, curves, f"{run.identity}-{measure.replace('_', '-')}")
        more = len(files) - len(shown)
        told = f"The first {len(shown)} of {len(files):,} files." if more > 0 else ""
        note = element("p", told, class_="note") if told else None
        origin = source(data, run, "distributions.tsv", f"measure {measure}")
        cards.append(card(heading, figure, note, origin))
    return cards


def _arrays(table: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    rows = table.group_by("key").agg(pl.col("value").sum()).sort("key")
    return rows["key"].cast(pl.Float64).to_numpy(), rows["value"].fill_null(0.0).to_numpy()


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """About MOST_POINTS of the points, the last one among them."""
    if len(x) <= MOST_POINTS:
        return x, y
    kept = np.unique(np.append(np.linspace(0, len(x) - 1, MOST_POINTS).astype(int), len(x) - 1))
    return x[kept], y[kept]


def _cumulated(name: str, table: pl.DataFrame) -> list[Line]:
    """Share of bases at each depth or deeper, down to one in a thousand."""
    if not len(table):
        return []
    depth, bases = _arrays(table)
    deeper = 100 * np.cumsum(bases[::-1])[::-1] / bases.sum()
    kept = deeper >= 0.1
    return [Line(name, *_thinned(depth[kept], deeper[kept]))]


def _as_it_is(name: str, table: pl.DataFrame) -> list[Line]:
    curves = []
    groups = sorted(g for g in table["group"].unique().to_list() if g is not None)
    for group in groups:
        own = table.filter(pl.col("group") == group)
        title = f"{name}, mate {group}" if len(groups) > 1 else name
        curves.append(Line(title, *_thinned(*_arrays(own))))
    return curves


def _smoothed(name: str, table: pl.DataFrame) -> list[Line]:
    """Pairs by size in classes, up to the size that all but one in a hundred keep under."""
    if not len(table):
        return []
    size, pairs = _arrays(table)
    total = pairs.sum()
    last = float(size[np.searchsorted(np.cumsum(pairs), 0.99 * total)])
    width = max(1.0, math.ceil(last / 80))
    counts, edges = np.histogram(size, np.arange(0, last + width, width), weights=pairs)
    if len(counts) < 2:
        return []
    return [Line(name, (edges[:-1] + edges[1:]) / 2, 100 * counts / total)]


def _identity_card(data: ReportData, run: RunRecord) -> Html | None:
    table = run.tables.get("identity.parquet")
    if table is None or not len(table):
        return None
    columns = [
        Column("Person"), Column("Whose reads"), Column("Best match"),
        Column("Contamination", True, "share of the reads that are another person's"),
        Column("95% interval", True), Column("Contaminant"), Column("Sites", True),
    ]  # fmt: skip
    rows: list[list[str | Cell | None]] = []
    for row in table.iter_rows(named=True):
        verdict = row.get("identity")
        whose = IDENTITIES[verdict] if verdict else "not compared"
        low, high = row["contamination_low"], row["contamination_high"]
        interval = f"{low:.1%} to {high:.1%}" if is_number(low) and is_number(high) else None
        rows.append([
            _name(data, row), whose, _person(data, row.get("best_match")),
            format_share(row["contamination"], 2), interval, _person(data, row.get("contaminant")),
            format_count(row["n_sites"]),
        ])  # fmt: skip
    table_shown = grid(
        f"{run.identity}-identity", "Whose reads they are", columns, rows, page=15,
        rest=join(["All are in ", file_link(data, run, "identity.tsv"), "."]),
    )  # fmt: skip
    origin = source(data, run, "identity.tsv", "a row for each file")
    return card("Whose reads, and how pure", table_shown, origin, look="card wide")


def _person(data: ReportData, sample: str | None) -> str | None:
    return None if sample is None else data.people.shown(sample)


def _pairs_card(data: ReportData, run: RunRecord) -> Html | None:
    table = run.tables.get("pairs.parquet")
    if table is None or not len(table):
        return None
    said = {"same_person": "one person under two names",
            "different_people": "two people under one name"}  # fmt: skip
    columns = [Column("First"), Column("Second"), Column("Verdict"), Column("Kinship", True)]
    rows: list[list[object]] = [
        [_name(data, {"file": row["file1"], "sample": row["sample1"]}),
         _name(data, {"file": row["file2"], "sample": row["sample2"]}),
         said[row["verdict"]], format_fixed(row["king"], 3)]
        for row in table.iter_rows(named=True)
    ]  # fmt: skip
    origin = source(data, run, "pairs.tsv", "verdict same_person or different_people")
    heading = "Pairs of files that are not what their names say"
    return card(heading, html_table("Pairs of files", columns, rows), origin, look="card wide")


def _calls(data: ReportData, runs: Sequence[RunRecord]) -> Html | None:
    """What was called in each person; runs of a person's contigs are added up."""
    if not runs:
        return None
    columns = [
        Column("Person"), Column("SNPs", True), Column("Indels", True), Column("Het", True),
        Column("Hom ALT", True), Column("Het/hom", True), Column("Candidate sites", True),
        Column("Below --min-qual", True), Column("Runs", True),
    ]  # fmt: skip
    by_sample: dict[str, list[RunRecord]] = {}
    for run in runs:
        by_sample.setdefault(str(run.record["sample"]), []).append(run)
    rows: list[list[str | Cell | None]] = []
    for sample, own in by_sample.items():
        counts = {key: sum(int(run.record["counts"].get(key, 0)) for run in own) for key in COUNTS}
        het, hom = counts["heterozygous"], counts["homozygous"]
        ratio = f"{het / hom:.2f}" if hom else None
        numbers = [format_count(n) for n in counts.values()]
        rows.append([data.people.shown(sample), *numbers[:4], ratio, *numbers[4:], str(len(own))])
    callers = sorted({
        Path(str((run.record.get("model") or {}).get("bundle") or "none")).name for run in runs
    })  # fmt: skip
    told = f"Callers (--model): {', '.join(callers)}. Sums over the runs of each person."
    table = grid("reads-calls", "Calls from reads", columns, rows, page=15)
    more = f", and {len(runs) - 1:,} more like it" if len(runs) > 1 else ""
    origin = source(data, runs[0], "run.json", f"key counts{more}")
    body = element("div", element("p", told, class_="note"), table, origin, class_="card")
    return element("div", element("h3", "Calls from reads"), body, class_="run")


def _scores(data: ReportData, runs: Sequence[RunRecord]) -> Html | None:
    rows: list[list[object]] = []
    for run in runs:
        for kind, tranches in sorted((run.record.get("tranches") or {}).items()):
            total = sum(tranches.values())
            for tranche, count in sorted(tranches.items(), key=lambda item: (item[0] != "PASS",
                                                                             item[0])):  # fmt: skip
                number = figure_from(data, run, "run.json", f"tranches, {kind}, {tranche}",
                                     format_count(count))  # fmt: skip
                name = label(run.name, 60)
                link = file_link(data, run, "run.json")
                rows.append([name, kind, tranche, number, format_share(count / total), link])
    if not rows:
        return None
    columns = [Column("Run"), Column("Kind"), Column("Tranche", False, "FILTER of the records"),
               Column("Calls", True), Column("Share", True), Column("Record")]  # fmt: skip
    table = html_table("Calls by tranche", columns, rows)
    return element("div", element("h3", "Calls scored by reads"),
                   element("div", table, class_="card"), class_="run")  # fmt: skip
