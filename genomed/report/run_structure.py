"""The chapter on people's structure: ancestry, components, relatives, homozygosity, diversity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from genomed.report.content import floats
from genomed.report.markup import Html, element, join, label
from genomed.report.run_grid import Cell, grid
from genomed.report.run_plots import MOST_GROUPS, Bar, Cloud, bars, histogram, scatter
from genomed.report.run_records import (
    Finding,
    Need,
    Part,
    ReportData,
    RunRecord,
    card,
    file_link,
    present,
    run_heading,
    source,
)
from genomed.report.tables import (
    UNKNOWN,
    Column,
    format_count,
    format_fixed,
    format_share,
    html_table,
    is_number,
)

__all__ = ["NEEDS", "chapter"]

RELATIONS = ("duplicate", "parent_child", "siblings", "second_degree", "third_degree")
COMPONENTS = ("PC1", "PC2", "PC3", "PC4")
ANCESTRY = (
    "sample", "most_similar_population", "most_similar_superpopulation", "genetic_distance",
    "outside_reference",
)  # fmt: skip
NO_GROUP = ("no group", "outside the reference")  # of whom nothing else is known
MOST_PAIRS = 5000  # closest pairs shown
MOST_GROUPS_LISTED = 40
FEW_WITH_RUNS = 8  # people; of more a histogram is drawn
LONG_RUNS = 1 / 64  # inbreeding coefficient of a child of second cousins


def _closest(table: pl.LazyFrame) -> pl.LazyFrame:
    known = table.filter(pl.col("kinship").is_not_null())
    columns = ("sample1", "sample2", "kinship", "ibd0", "relation", "n_snps")
    order = ("kinship", "sample1", "sample2")
    return known.select(columns).sort(order, descending=[True, False, False]).head(MOST_PAIRS)


NEEDS = (
    Need("structure", "pcs.parquet", present("sample", *COMPONENTS)),
    Need("structure", "eigenvalues.parquet"),
    Need("structure", "groups.parquet"),
    Need("structure", "ancestry.parquet", present(*ANCESTRY)),
    Need("structure", "kinship.parquet", _closest),
    Need("structure", "pedigree.parquet", lambda t: t.filter(pl.col("verdict") != "agrees")),
    Need("structure", "roh_samples.parquet", lambda t: t.select("sample", "n_runs", "f_roh")),
    Need("structure", "diversity.parquet"),
    Need("structure", "fst.parquet"),
)


def chapter(data: ReportData) -> Part | None:
    """What each `structure` run found; None without one."""
    runs = data.of("structure")
    if not runs:
        return None
    findings = [finding for run in runs for finding in _findings(run)]
    note = (
        "Components and distances are continuous: a group's name says whom somebody is most like, "
        "not what somebody is."
    )
    body = join([element("p", note, class_="note"), *(_run(data, run) for run in runs)])
    return Part("structure", "Ancestry and relatives", "Ancestry", body, findings)


def _findings(run: RunRecord) -> list[Finding]:
    steps: Mapping[str, Any] = run.record.get("steps") or {}
    found = []
    kinship = steps.get("kinship")
    if kinship:
        pairs = kinship["pairs"]
        said = ", ".join(f"{k:,} {name.replace('_', ' ')}" for name, k in pairs.items() if k)
        unrelated = f"{kinship['unrelated']:,} of {run.record['samples']:,} people are unrelated"
        duplicates = int(pairs.get("duplicate") or 0)
        n_pairs = sum(int(k or 0) for k in pairs.values())
        word = f"{n_pairs:,} pairs" if n_pairs else "no relatives"
        if duplicates:
            word = f"{duplicates:,} duplicate{'s' if duplicates > 1 else ''}"
        level = "care" if duplicates else "usable"
        pairs_said = f"pairs: {said}" if said else "nobody is closely related"
        found.append(
            Finding(
                level,
                word,
                f"Relatives in {run.name}",
                f"{unrelated}; {pairs_said}.",
                place=run.place,
            )
        )
    found += _pedigree_finding(run)
    table = run.tables.get("ancestry.parquet")
    if table is not None and len(table):
        outside = int(table["outside_reference"].fill_null(False).sum())
        level = "care" if outside > 0.05 * len(table) else "usable"
        word = f"{format_share(1 - outside / len(table))} inside"
        said = f"{len(table) - outside:,} of {len(table):,} people lie inside the reference."
        found.append(Finding(level, word, f"Ancestry of {run.name}", said, place=run.place))
    return found


def _pedigree_finding(run: RunRecord) -> list[Finding]:
    table = run.tables.get("pedigree.parquet")
    if table is None:
        return []
    wrong = int((table["verdict"] == "disagrees").sum())
    undeclared = int((table["verdict"] == "undeclared").sum())
    said = (
        f"Pairs not related as declared: {wrong:,}; close pairs that are not declared: "
        f"{undeclared:,}."
    )
    level = "care" if wrong or undeclared else "usable"
    word = "disagrees" if wrong else "incomplete" if undeclared else "agrees"
    return [Finding(level, word, f"Pedigree of {run.name}", said, place=run.place)]


def _run(data: ReportData, run: RunRecord) -> Html:
    cards = [
        *_component_cards(data, run), *_ancestry_cards(data, run), *_kinship_cards(data, run),
        *_homozygosity_cards(data, run), *_diversity_cards(data, run),
    ]  # fmt: skip
    return element("div", run_heading(run), element("div", cards, class_="figures"), class_="run")


def _grouped(run: RunRecord, table: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """The table with a column `group`, and the file that the groups are from."""
    for key, column, nothing in (
        ("groups.parquet", "group", NO_GROUP[0]),
        ("ancestry.parquet", "most_similar_superpopulation", NO_GROUP[1]),
    ):
        other = run.tables.get(key)
        if other is not None:
            named = other.select("sample", group=pl.col(column).fill_null(nothing))
            joined = table.join(named, on="sample", how="left", maintain_order="left")
            return joined.with_columns(pl.col("group").fill_null(NO_GROUP[0])), key
    return table.with_columns(group=pl.lit("people")), ""


def _clouds(table: pl.DataFrame, x: str, y: str) -> list[Cloud]:
    """A cloud for each of the largest groups, by name; the others together."""
    sizes = table["group"].value_counts().sort(["count", "group"], descending=[True, False])
    kept = sorted(sizes["group"].head(MOST_GROUPS if len(sizes) <= MOST_GROUPS else 7).to_list())
    clouds = []
    for name in kept:
        part = table.filter(pl.col("group") == name)
        clouds.append(Cloud(name, floats(part, x), floats(part, y)))
    rest = table.filter(~pl.col("group").is_in(kept))
    if len(rest):
        clouds.append(Cloud(f"{len(sizes) - len(kept)} more", floats(rest, x), floats(rest, y)))
    return clouds


def _component_cards(data: ReportData, run: RunRecord) -> list[Html]:
    pcs = run.tables.get("pcs.parquet")
    if pcs is None or not len(pcs):
        return []
    table, key = _grouped(run, pcs)
    named = table["group"].n_unique() > 1
    files = "columns PC1 to PC4"
    if key:
        files += f"; groups of {key.replace('parquet', 'tsv')}"
    cards = []
    for x, y in (("PC1", "PC2"), ("PC3", "PC4")):
        if y not in table.columns:
            continue
        figure = scatter(
            f"{x} and {y} of the people of {run.name}",
            (_axis(run, x), _axis(run, y)),
            _clouds(table, x, y),
            f"{run.identity}-{x}",
            nameless=NO_GROUP if named and x == "PC1" else None,
        )
        heading = f"Ancestry map: {x} and {y}"
        cards.append(card(heading, figure, source(data, run, "pcs.tsv", files)))
    return cards


def _axis(run: RunRecord, component: str) -> str:
    """The name of an axis with its component's eigenvalue."""
    values = run.tables.get("eigenvalues.parquet")
    if values is None:
        return component
    own = values.filter(pl.col("component") == component)["eigenvalue"]
    return f"{component} (eigenvalue {own[0]:.3g})" if len(own) else component


def _ancestry_cards(data: ReportData, run: RunRecord) -> list[Html]:
    table = run.tables.get("ancestry.parquet")
    if table is None or not len(table):
        return []
    counts = (
        table.group_by("most_similar_population", "most_similar_superpopulation")
        .agg(n=pl.len(), distance=pl.col("genetic_distance").median())
        .sort(["n", "most_similar_population"], descending=[True, False])
    )
    rows: list[list[object]] = [
        [label(row["most_similar_population"] or "outside the reference"),
         label(row["most_similar_superpopulation"] or UNKNOWN), format_count(row["n"]),
         format_fixed(row["distance"], 2)]
        for row in counts.iter_rows(named=True)
    ]  # fmt: skip
    columns = [
        Column("Most similar population"), Column("Superpopulation"), Column("People", True),
        Column("Distance", True, "median genetic distance"),
    ]  # fmt: skip
    return [
        card("People by most similar population",
             html_table("People by most similar population", columns, rows),
             source(data, run, "ancestry.tsv", "column most_similar_population")),
        card("Distance from the nearest reference people",
             histogram("Genetic distance", floats(table, "genetic_distance"),
                       ("genetic distance", "people"), f"{run.identity}-distance"),
             source(data, run, "ancestry.tsv", "column genetic_distance")),
    ]  # fmt: skip


def _kinship_cards(data: ReportData, run: RunRecord) -> list[Html]:
    facts = (run.record.get("steps") or {}).get("kinship")
    if not facts:
        return []
    names = [*RELATIONS, *(k for k in facts["pairs"] if k not in RELATIONS)]
    rows = [Bar(name.replace("_", " "), int(facts["pairs"].get(name) or 0),
                bad=name == "duplicate") for name in names]  # fmt: skip
    error = facts.get("error")
    told = (
        f"By {facts['variants']:,} variants; kinship is known to {error:.3f}."
        if is_number(error)
        else f"By {facts['variants']:,} variants."
    )
    cards = [
        card("Pairs of relatives", element("p", told, class_="note"),
             bars("Pairs of relatives", rows, f"{run.identity}-pairs", "pairs", shares=False),
             source(data, run, "run.json", "steps, kinship, pairs"))
    ]  # fmt: skip
    pairs = run.tables.get("kinship.parquet")
    if pairs is not None and len(pairs):
        cards += [_pair_figure(data, run, pairs), _pair_table(data, run, pairs)]
    pedigree = run.tables.get("pedigree.parquet")
    if pedigree is not None and len(pedigree):
        cards.append(_pedigree(data, run, pedigree))
    return cards


def _pair_figure(data: ReportData, run: RunRecord, pairs: pl.DataFrame) -> Html:
    clouds = []
    for name in (*RELATIONS, "unrelated"):
        part = pairs.filter(pl.col("relation") == name)
        if len(part):
            clouds.append(
                Cloud(name.replace("_", " "), floats(part, "ibd0"), floats(part, "kinship"))
            )
    figure = scatter(
        "Kinship and the share of no allele by descent",
        ("IBD0, opposite homozygotes over their expectation", "kinship"), clouds,
        f"{run.identity}-kinship", limits=((), (0.354, 0.177, 0.0884, 0.0442)),
        within=((0.0, 1.0), (0.0, 0.5)),
    )  # fmt: skip
    note = "Dashed: where KING's classes of relation part (0.354, 0.177, 0.0884, 0.0442)."
    return card("Kinship of related pairs", figure, element("p", note, class_="note"),
                source(data, run, "kinship.tsv", "columns ibd0, kinship"))  # fmt: skip


def _pair_table(data: ReportData, run: RunRecord, pairs: pl.DataFrame) -> Html:
    columns = [Column("Person"), Column("Relative"), Column("Relation"), Column("Kinship", True),
               Column("IBD0", True), Column("Variants", True, "called in both")]  # fmt: skip
    rows: list[list[str | Cell | None]] = []
    for row in pairs.iter_rows(named=True):
        ends = sorted(data.people.shown(row[name]) for name in ("sample1", "sample2"))
        relation = str(row["relation"] or "").replace("_", " ")
        shown = Cell(relation, "pill care") if relation == "duplicate" else relation
        rows.append([*ends, shown, format_fixed(row["kinship"], 4),
                     format_fixed(row["ibd0"], 3), format_count(row["n_snps"])])  # fmt: skip
    rest = join(["All are in ", file_link(data, run, "kinship.tsv"), "."])
    return card("Closest pairs",
                grid(f"{run.identity}-closest", f"Closest pairs of {run.name}", columns, rows,
                     page=10, rest=rest),
                source(data, run, "kinship.tsv", "a row for each pair"),
                look="card wide")  # fmt: skip


def _pedigree(data: ReportData, run: RunRecord, pedigree: pl.DataFrame) -> Html:
    columns = [Column("Person"), Column("Relative"), Column("Declared"), Column("Found"),
               Column("Kinship", True), Column("Verdict")]  # fmt: skip
    rows: list[list[str | Cell | None]] = [
        [*(data.people.shown(row[name]) for name in ("sample1", "sample2")),
         *(str(row[name] or "none").replace("_", " ") for name in ("declared", "found")),
         format_fixed(row["found_kinship"], 4), Cell(row["verdict"], "pill care")]
        for row in pedigree.iter_rows(named=True)
    ]  # fmt: skip
    return card("Where the pedigree and the genotypes differ",
                grid(f"{run.identity}-pedigree", f"Pedigree of {run.name}", columns, rows,
                     page=10, rest=join(["All are in ", file_link(data, run, "pedigree.tsv")])),
                source(data, run, "pedigree.tsv", "verdict is not agrees"),
                look="card wide")  # fmt: skip


def _homozygosity_cards(data: ReportData, run: RunRecord) -> list[Html]:
    table = run.tables.get("roh_samples.parquet")
    if table is None or not len(table):
        return []
    share = floats(table, "f_roh")
    some = share[share > 0]
    many = int((share >= LONG_RUNS).sum())
    if not len(some):
        told = "No runs of homozygosity were found."
        return [card("Runs of homozygosity", element("p", told, class_="muted"),
                     source(data, run, "roh_samples.tsv", "column n_runs"))]  # fmt: skip
    said = (
        f"{len(some):,} of {len(share):,} people have a run; in {many:,} runs take {LONG_RUNS:.1%} "
        "of the autosomes or more, as they do on average in children of second cousins."
    )
    if len(some) <= FEW_WITH_RUNS:
        figure: Html = _with_runs(data, run, table)
    else:
        figure = histogram("Share of the autosomes in runs of homozygosity", 100 * some,
                           ("% of the autosomes in runs", "people with a run"),
                           f"{run.identity}-roh")  # fmt: skip
    return [
        card("Runs of homozygosity", element("p", said, class_="note"), figure,
             source(data, run, "roh_samples.tsv", "column f_roh"))
    ]  # fmt: skip


def _with_runs(data: ReportData, run: RunRecord, table: pl.DataFrame) -> Html:
    columns = [Column("Person"), Column("Runs", True), Column("Share of the autosomes", True)]
    shown = table.filter(pl.col("n_runs") > 0).sort(["f_roh", "sample"], descending=[True, False])
    rows: list[list[object]] = [
        [data.people.shown(row["sample"]), format_count(row["n_runs"]),
         format_share(row["f_roh"], 2)]
        for row in shown.iter_rows(named=True)
    ]  # fmt: skip
    return html_table("People with runs of homozygosity", columns, rows)


def _diversity_cards(data: ReportData, run: RunRecord) -> list[Html]:
    cards = []
    table = run.tables.get("diversity.parquet")
    if table is not None and len(table):
        columns = [
            Column("Group"), Column("People", True, "unrelated"), Column("Het. observed", True),
            Column("expected", True),
            Column("F", True, "1 - observed over expected heterozygosity"),
            Column("π × 10⁻⁶", True, "pairwise differences per base of the windows"),
            Column("Tajima's D", True), Column("Private", True, "alleles of one group"),
        ]  # fmt: skip
        rows: list[list[object]] = [
            [label(row["group"]), format_count(row["n_samples"]),
             format_fixed(row["heterozygosity_observed"], 4),
             format_fixed(row["heterozygosity_expected"], 4), format_fixed(row["f_is"], 4),
             format_fixed(None if row["pi"] is None else 1e6 * row["pi"], 2),
             format_fixed(row["tajima_d"], 2), format_count(row["n_private"])]
            for row in table.head(MOST_GROUPS_LISTED).iter_rows(named=True)
        ]  # fmt: skip
        shown = html_table("Diversity by group", columns, rows)
        origin = source(data, run, "diversity.tsv", "a row for each group")
        cards.append(card("Diversity by group", shown, origin, look="card wide"))
    fst = run.tables.get("fst.parquet")
    if fst is not None and len(fst):
        cards.append(_fst(data, run, fst))
    return cards


def _fst(data: ReportData, run: RunRecord, fst: pl.DataFrame) -> Html:
    columns = [Column("Groups"), Column("F_ST", True, "Hudson"),
               Column("± s.e.", True, "jackknife over windows"),
               Column("Weir and Cockerham", True), Column("Variants", True)]  # fmt: skip
    rows: list[list[object]] = [
        [label("all groups" if row["group2"] == "*" else f"{row['group1']} and {row['group2']}"),
         format_fixed(row["hudson"], 4), format_fixed(row["hudson_se"], 4),
         format_fixed(row["weir_cockerham"], 4), format_count(row["n_variants"])]
        for row in fst.head(MOST_GROUPS_LISTED).iter_rows(named=True)
    ]  # fmt: skip
    return card("Distance between groups", html_table("F_ST between groups", columns, rows),
                source(data, run, "fst.tsv", "a row for each pair of groups"))  # fmt: skip
