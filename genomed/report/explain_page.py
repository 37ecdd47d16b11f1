"""An explanation -> explain.html: one self-contained page, the same bytes for the same content.

It reads in the order of the questions asked of it: what moves predictions, which variants act
together, how sure is that, and how was this made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from genomed.report.document import document, head, section, warning_list
from genomed.report.markup import Html, element, label, shortened
from genomed.report.stylesheet import CSS
from genomed.report.tables import (
    UNKNOWN,
    Column,
    definitions,
    format_count,
    format_frequency,
    format_share,
    format_signed,
    html_table,
    is_number,
)

__all__ = [
    "CHECKED",
    "PART_WORDS",
    "ExplainPage",
    "format_part",
    "format_size",
    "render_explain_page",
]

MOST_ROWS = 50
MOST_WARNINGS = 50
FOOT = (
    "For research. What moves a prediction need not cause the disease: a variant may stand for "
    "others that are inherited with it. This page loads nothing from the network and runs no "
    "scripts. All numbers: variants.tsv, pairs.tsv, covariates.tsv, codes.tsv, genes.tsv, "
    "people.tsv, person_terms.tsv, run.json."
)
CHECKED = {None: "", True: "as it should be", False: "be careful"}
PART_WORDS = {
    "linear": "alone",
    "ancestry": "in an ancestry group",
    "pairs": "in pairs",
    "covariates": "with covariates",
    "net": "in the net",
}


@dataclass(frozen=True)
class ExplainPage:
    """What the page is made of; tables have the columns of TABLES["explain_..."].

    n_found : variants of the bundle that the store holds
    base    : what contributions start from
    checks  : name, value, meaning, and whether it is as it should be (None where there is no limit)
    """

    name: str
    trait: str
    verdict: str
    n_people: int
    n_variants: int
    n_found: int
    base: float
    variants: pl.DataFrame
    pairs: pl.DataFrame
    covariates: pl.DataFrame
    genes: pl.DataFrame
    codes: pl.DataFrame
    checks: Sequence[tuple[str, float, str, bool | None]]
    warnings: Sequence[str] = ()
    version: str = ""
    command: str = ""


def format_size(x: float | None) -> str:
    """The size of a contribution: three digits."""
    return f"{x:.3g}" if is_number(x) else UNKNOWN


def format_part(x: float | None) -> str:
    """A share as a percentage; a small one below 0 is not shown as 0."""
    return ">-0.1%" if is_number(x) and -0.0005 < x < 0 else format_share(x)  # type: ignore[operator]


def render_explain_page(content: ExplainPage) -> str:
    """Render the page as one HTML document; nothing is read, nothing is changed."""
    main = element(
        "main",
        warning_list(content.warnings, MOST_WARNINGS),
        _variants(content),
        _pairs(content),
        _genes(content),
        _covariates(content),
        _codes(content),
        _checks(content),
        _provenance(content),
        id="main",
    )
    body = element(
        "body",
        element("a", "Skip to the variants", href="#variants", class_="skip"),
        _head(content),
        main,
        element("footer", element("p", FOOT), class_="foot"),
    )
    title = f"{shortened(content.name, 80)}: what moves its predictions"
    return document(title, body, CSS, content.version)


def _head(content: ExplainPage) -> Html:
    told = (
        f"{content.n_people:,} people; {content.n_found:,} of the model's {content.n_variants:,} "
        "variants are in the store."
    )
    verdict = element("p", label(content.verdict, 600))
    return head("genomed explain", content.name, told, verdict)


def _variants(content: ExplainPage) -> Html:
    parts = [p for p in PART_WORDS if content.variants[p].sum() > 0]
    columns = [
        Column("Variant"), Column("Place"), Column("ALT frequency", True, "in training"),
        Column("Mean contribution", True, "mean over people of its size"),
        Column("Share", True, "of the predictor's variance"),
        Column("Per copy", True, "of ALT, in units of the predictor"),
        *(Column(PART_WORDS[part], True, "mean size") for part in parts),
    ]  # fmt: skip
    rows = [
        [
            label(row["variant"]),
            element(
                "span",
                label(f"{row['contig']}:{row['position']} {row['ref']}>{row['alt']}", 44),
                class_="whole",
            ),
            format_frequency(row["alt_allele_frequency"]),
            format_size(row["mean_abs_contribution"]),
            format_part(row["share"]),
            format_signed(row["effect_per_copy"], 3),
            *(format_size(row[part]) for part in parts),
        ]
        for row in content.variants.head(MOST_ROWS).iter_rows(named=True)
    ]
    note = (
        f"Contributions start from a predictor of {content.base:.4g}, that of the mean of those "
        "learned from, and are in its units (log odds of a binary trait). A product belongs half "
        f"to each of its members. {_shown(len(content.variants))}"
    )
    return _table_section("variants", "What moves predictions?", note, columns, rows)


def _pairs(content: ExplainPage) -> Html | None:
    if not len(content.pairs):
        return None
    columns = [Column("First"), Column("Second"), Column("Kind"), Column("Mean contribution", True),
               Column("Share", True)]  # fmt: skip
    rows = [
        [label(row["first"]), label(row["second"]), row["kind"], *_sizes(row)]
        for row in content.pairs.head(MOST_ROWS).iter_rows(named=True)
    ]
    note = (
        "What two do together beyond what each does alone; the members' contributions above hold "
        f"it already. {_shown(len(content.pairs))}"
    )
    return _table_section("pairs", "What acts together?", note, columns, rows)


def _genes(content: ExplainPage) -> Html | None:
    if not len(content.genes):
        return None
    columns = [Column("Gene"), Column("Variants", True), Column("Mean contribution", True),
               Column("Share", True), Column("Moves most")]  # fmt: skip
    rows = [
        [label(row["gene"]), format_count(row["n_variants"]), *_sizes(row),
         label(row["top_variant"])]
        for row in content.genes.head(MOST_ROWS).iter_rows(named=True)
    ]  # fmt: skip
    note = (
        "Sums of variants' contributions, person by person; a variant in two genes counts in "
        f"both. {_shown(len(content.genes))}"
    )
    return _table_section("genes", "Genes", note, columns, rows)


def _covariates(content: ExplainPage) -> Html | None:
    if not len(content.covariates):
        return None
    columns = [Column("Covariate"), Column("Mean contribution", True), Column("Share", True)]
    rows = [
        [label(row["covariate"]), *_sizes(row)]
        for row in content.covariates.head(MOST_ROWS).iter_rows(named=True)
    ]
    note = _shown(len(content.covariates))
    return _table_section("covariates", "Covariates", note, columns, rows)


def _codes(content: ExplainPage) -> Html | None:
    if not len(content.codes):
        return None
    columns = [
        Column("Dated code"), Column("People", True), Column("Moves them by", True),
        Column("Mean contribution", True), Column("Share", True),
    ]  # fmt: skip
    rows = [
        [label(row["code"]), f"{row['n_people']:,}", format_signed(row["mean_contribution"], 3),
         *_sizes(row)]
        for row in content.codes.head(MOST_ROWS).iter_rows(named=True)
    ]  # fmt: skip
    note = f"Together they are one of the covariates. {_shown(len(content.codes))}".strip()
    return _table_section("codes", "Dated codes", note, columns, rows)


def _checks(content: ExplainPage) -> Html:
    columns = [Column("Check"), Column("Value", True), Column("Verdict"), Column("What it says")]
    rows = [
        [name.replace("_", " "), format_size(value), CHECKED[passed], told]
        for name, value, told, passed in content.checks
    ]
    return _table_section("checks", "How sure is that?", "", columns, rows)


def _provenance(content: ExplainPage) -> Html:
    pairs: list[tuple[str, object]] = [
        ("Trait", label(content.trait, 200)),
        ("Method", "Linear parts, pairs and products with covariates: exact terms. Net: integrated "
         "gradients (Sundararajan 2017, arXiv:1703.01365), the mean over its members."),
        ("Made by", f"genomed {shortened(content.version)}"),
        ("Command", element("code", shortened(content.command, 2000), class_="command")),
    ]  # fmt: skip
    return section("provenance", "Provenance", definitions(pairs, "facts wide"))


def _table_section(
    identity: str, heading: str, note: str, columns: list[Column], rows: Sequence[Sequence[object]]
) -> Html:
    told = element("p", note, class_="note") if note else None
    return section(identity, heading, told, html_table(heading, columns, rows, narrow=True))


def _sizes(row: Mapping[str, float | None]) -> tuple[str, str]:
    return format_size(row["mean_abs_contribution"]), format_part(row["share"])


def _shown(n: int) -> str:
    return f"The first {MOST_ROWS} of {n:,} are shown." if n > MOST_ROWS else ""
