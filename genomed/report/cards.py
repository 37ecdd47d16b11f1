"""One model in full: its distribution, its coverage, how it was matched, and what moves it most."""

from __future__ import annotations

import math
from typing import Any

from genomed.ledger import REASONS, USED
from genomed.report.content import N_HIGHEST, ModelDigest, RiskPage
from genomed.report.document import pill
from genomed.report.figures import Segment, distribution, share_bar, small_bar
from genomed.report.markup import Html, cited, element, join, label, shortened
from genomed.report.svg import figure_of
from genomed.report.tables import (
    UNKNOWN,
    Column,
    definitions,
    format_count,
    format_frequency,
    format_percentile,
    format_score,
    format_share,
    format_signed,
    html_table,
    is_number,
    score_decimals,
)
from genomed.report.verdicts import flag_words, no_score_reason, score_unit, verdict, whole

__all__ = [
    "chips",
    "coverage_block",
    "highest_block",
    "key_figures",
    "matching_block",
    "model_card",
    "without_score",
]

N_MARKED = 3  # samples pointed out in the figure
TRANSFER = (
    "Scores transfer poorly between ancestries: away from the ancestry of discovery a score "
    "predicts less, and its mean shifts for reasons that are not risk. Do not compare people of "
    "different ancestry by it."
)
FACTS = {  # key of a header -> what a reader calls it; the first key of each name that is there
    "ancestry_discovery": "Discovery ancestry",
    "licence": "Licence",
    "license": "Licence",
    "pgs_id": "PGS Catalog ID",
    "pgs_name": "Name in the paper",
    "weight_type": "Weights given as",
}
KEY = (
    ("found", "found as a variant"),
    ("proved", "absent, proved hom-ref"),
    ("filled", "assumed or filled in"),
    ("lost", "lost"),
)


def chips(flags: str | None) -> Html | None:
    """Semicolon-separated flags, each in a box."""
    words = flag_words(flags)[:12]
    return join([element("span", shortened(word), class_="chip") for word in words]) or None


def model_card(page: RiskPage, model: ModelDigest) -> Html:
    """Everything about one model, as an article whose id is m1, m2 ..."""
    judged = verdict(page, model)
    return element(
        "article",
        element(
            "header",
            element("h3", label(model.name, 60), id=f"m{model.index}-name"),
            element("p", label(model.row["trait"], 120)),
            pill(judged.status, judged.word),
        ),
        element(
            "div",
            _figure(model),
            definitions(key_figures(model).items(), "facts keys"),
            class_="two",
        ),
        coverage_block(model),
        matching_block(model),
        element("div", element("h4", "About this model"), _about(model), class_="block"),
        class_="card",
        id=f"m{model.index}",
        aria_labelledby=f"m{model.index}-name",
    )


def _figure(model: ModelDigest) -> Html:
    if not len(model.score):
        return element("p", "No sample has a score, so there is no distribution.", class_="muted")
    marked = [(str(row["sample"]), row["score"]) for row in model.highest[:N_MARKED]]
    plot, caption = distribution(
        model.score,
        marked,
        title=f"Distribution of {shortened(model.name)} in the cohort",
        axis_label=f"score ({score_unit(model.facts)})",
        identity=f"m{model.index}-plot",
        decimals=score_decimals(model.score),
    )
    return figure_of(plot, caption)


def key_figures(model: ModelDigest) -> dict[str, str]:
    """The figures of a model: what each is -> text."""
    row, score, decimals = model.row, model.score, score_decimals(model.score)
    ends = [format_score(x, decimals) for x in (score.min(), score.max())] if len(score) else []
    variants = f"{format_count(row['n_matched'])} of {format_count(row['n_variants'])}"
    return {
        "Scored": f"{format_count(len(score))} of {format_count(model.n_rows)}",
        "Score, mean": _or_dash(row["score_mean"], decimals),
        "Score, SD (n−1)": _or_dash(row["score_sd"], decimals),
        "Score, range": " to ".join(ends) or UNKNOWN,
        "Variants found": variants,
        "Weight covered": format_share(whole(row["weighted_coverage"])),
        "Filled in, mean": format_share(model.imputed),
    }


def _or_dash(x: float | None, decimals: int) -> str:
    return format_score(x, decimals) if is_number(x) else UNKNOWN


def matching_block(model: ModelDigest) -> Html:
    """How a model's variants were matched, and which of them move its score most."""
    return element("div", _matched_how(model), _top_variants(model), class_="half")


def coverage_block(model: ModelDigest) -> Html:
    """How much of a model the cohort covers, by weight and by number."""
    number, weight, fates = _by_number(model), _by_weight(model), model.grouped_fates()
    n_lost = sum(fates.lost.values())
    rows: list[Html] = []
    if weight:
        bar = share_bar("Model weight by fate, mean per sample", weight, f"m{model.index}-w")
        rows += _bar_row("By weight", bar, f"{format_share(model.called)} called")
    if number:
        bar = share_bar("Model variants by fate", number, f"m{model.index}-n")
        used = f"{format_count(fates.n_used)} of {format_count(fates.n_used + n_lost)}"
        rows += _bar_row("By number", bar, f"{used} used")
    sizes = (fates.found, fates.proved, fates.filled, n_lost)
    key = [
        element("li", _swatch(kind), f"{meaning}: {format_count(n)}")
        for (kind, meaning), n in zip(KEY, sizes, strict=True)
    ]
    return element(
        "div",
        element("h4", "Coverage"),
        element("div", rows, class_="bars"),
        element("ul", key, class_="key"),
        class_="block",
    )


def _bar_row(name: str, bar: Html, total: str) -> list[Html]:
    return [element("span", name), bar, element("span", total, class_="note")]


def _swatch(kind: str) -> Html:
    square = element("rect", width="12", height="12", class_=kind)
    return element("svg", square, width="12", height="12", aria_hidden="true")


def _by_number(model: ModelDigest) -> list[Segment]:
    """Segments of the bar that counts variants; each reason of loss is one."""
    fates = model.grouped_fates()
    total = fates.n_used + sum(fates.lost.values())
    if not total:
        return []
    groups = [
        Segment(kind, getattr(fates, kind) / total, f"{meaning}: {getattr(fates, kind):,}")
        for kind, meaning in KEY[:3]
    ]
    lost = [
        Segment("lost", n / total, f"lost, {REASONS.get(reason, reason)}: {n:,}")
        for reason, n in fates.lost.items()
    ]
    return groups + lost


def _by_weight(model: ModelDigest) -> list[Segment]:
    """Segments of the bar of weight: called, filled in per call, and the rest."""
    if not math.isfinite(model.called):
        return []
    imputed = model.imputed if math.isfinite(model.imputed) else 0.0
    rest = max(0.0, 1.0 - model.called - imputed)
    return [
        Segment("found", model.called, f"called: {format_share(model.called)}"),
        Segment("filled", imputed, f"filled in: {format_share(imputed)}"),
        Segment("lost", rest if rest > 1e-9 else 0.0, f"not covered: {format_share(rest)}"),
    ]


def _matched_how(model: ModelDigest) -> Html:
    total = sum(model.fates.values())
    columns = [Column("Fate"), Column("Variants", True), Column("Share", True)]
    if model.shares:
        columns.append(Column("Weight", True, "share of the model's weight"))
    rows = []
    for reason, n in sorted(model.fates.items(), key=lambda item: item[0] not in USED):
        what = REASONS.get(reason, "")
        title = shortened(reason).replace("_", " ")
        name = [element("b", title), element("br"), element("span", what, class_="note")]
        cells: list[object] = [join(name), format_count(n), format_share(n / total if total else 0)]
        if model.shares:
            cells.append(format_share(model.shares.get(reason)))
        rows.append(cells)
    caption = f"How the variants of {shortened(model.name)} were matched"
    heading = element("h4", "How its variants were matched")
    if not rows:
        return element("div", heading, element("p", "The model has no variants.", class_="muted"))
    return element("div", heading, html_table(caption, columns, rows))


def _top_variants(model: ModelDigest) -> Html:
    heading = element("h4", "Variants that move the score most")
    if not model.top_variants:
        return element("div", heading, element("p", "None contributes to it.", class_="muted"))
    columns = [
        Column("Variant"),
        Column("Allele", meaning="effect allele: the one the weight counts"),
        Column("Weight", True, "per copy of the effect allele"),
        Column("Freq.", True, "of the effect allele among called genotypes of the cohort"),
        Column("Share", True, "share of the model's sum of weight² × 2p(1−p)"),
        Column("Matched"),
    ]
    caption = f"Variants of {shortened(model.name)} with the largest share of its weight"
    largest = max((r["share"] for r in model.top_variants if is_number(r["share"])), default=0) or 1
    rows = [_variant_cells(row, largest) for row in model.top_variants]
    foot = "Share is of Σβ²·2p(1−p): the variance of the score if variants were independent."
    note = element("p", foot, class_="note")
    return element("div", heading, html_table(caption, columns, rows), note)


def _variant_cells(row: dict[str, Any], largest: float) -> list[object]:
    """One variant; its bar is drawn relative to the `largest` share."""
    name, record = row["variant_id"], row["record"]
    where = element("span", label(record, 36), class_="note") if record else None
    variant = [label(name, 28), element("br"), where] if name and where else label(name or record)
    share = row["share"]
    bar = small_bar(share / largest) if is_number(share) else None
    return [
        join(variant),
        label(row["effect_allele"], 12),
        format_signed(row["effect_weight"], 4),
        format_frequency(row["effect_allele_frequency"]),
        join([format_share(share), bar]),
        shortened(str(row["reason"] or UNKNOWN)).replace("_", " "),
    ]


def _about(model: ModelDigest) -> Html:
    facts, row = model.facts, model.row
    pairs: list[tuple[str, object]] = []
    citation = facts.get("citation")
    pairs.append(("Paper", cited(citation) if citation else "not named by the model file"))
    ancestry = facts.get("ancestry_discovery")
    known = label(ancestry, 200) if ancestry else "not stated by the model file"
    pairs.append(("Discovery ancestry", [known, element("small", TRANSFER)]))
    named = {"Discovery ancestry"}
    for key, name in FACTS.items():
        if facts.get(key) and name not in named:
            named.add(name)
            pairs.append((name, label(facts[key], 300)))
    if "Licence" not in named:
        pairs.append(("Licence", "not stated; ask the authors before you pass scores on"))
    source = facts.get("source") or row["source"]
    pairs.append(("Source", label(source, 200) if source else UNKNOWN))
    matched_by = f"position, on {row['build']}" if row["build"] else "variant ID"
    pairs.append(("Matched by", matched_by))
    flags = chips(row["flags"])
    if flags:
        pairs.append(("Flags", flags))
    return definitions(pairs, "facts wide")


def highest_block(page: RiskPage, model: ModelDigest) -> Html:
    """The highest samples of one model, and some of those without a score."""
    columns = [
        Column("#", True),
        Column("Sample"),
        Column("Score", True),
        Column("z", True, "score minus cohort mean, over the cohort's standard deviation"),
        Column("Percentile", True, "share of this cohort with a lower score, ties counted half"),
        Column("Coverage", True, "share of the model's weight that rests on called genotypes"),
        Column("Filled in", True, "share of the model's weight filled in by the --missing rule"),
        Column("Not called", True, "matched variants without a call in this sample"),
    ]
    flagged = any(row["flags"] for row in model.highest)
    columns += [Column("Flags")] if flagged else []
    caption = f"Highest samples by {shortened(model.name)}"
    decimals = score_decimals(model.score)
    rows = [
        _sample_cells(rank, row, decimals)[: len(columns)]
        for rank, row in zip(model.ranks(), model.highest, strict=True)
    ]
    table = html_table(caption, columns, rows) if rows else None
    return element(
        "div",
        element("h3", label(model.name, 60)),
        element("p", label(model.row["trait"], 120), class_="note"),
        table,
        _tied(model, decimals),
        without_score(page, model),
        class_="block",
    )


def _sample_cells(rank: str, row: dict[str, Any], decimals: int) -> list[object]:
    coverage = row["weighted_coverage"]
    bar = small_bar(coverage) if is_number(coverage) else None
    missing = f"{format_count(row['n_missing_calls'])} of {format_count(row['n_matched'])}"
    return [
        rank,
        label(row["sample"], 40),
        format_score(row["score"], decimals),
        format_signed(row["cohort_z"]),
        format_percentile(row["cohort_percentile"]),
        join([format_share(coverage), bar]),
        format_share(row["imputed_share"]),
        missing,
        chips(row["flags"]),
    ]


def _tied(model: ModelDigest, decimals: int) -> Html | None:
    """Say how many samples are left out although they equal the last one, or belong to a crowd."""
    rest = len(model.score) - len(model.highest)
    if model.n_tied:
        score = format_score(model.highest[-1]["score"], decimals)
        text = (
            f"{format_count(model.n_tied)} more samples share the score {score} of the last one "
            "here; among equals, the order is that of the cohort."
        )
    elif rest and len(model.highest) < N_HIGHEST:
        text = f"The other {format_count(rest)} scored samples are at or under the cohort's mean."
    else:
        return None
    return element("p", text, class_="note")


def without_score(page: RiskPage, model: ModelDigest, who: str = "Sample") -> Html | None:
    """Some of those without a score, and why; who : what the page calls them."""
    if not model.n_unscored:
        return None
    columns = [Column(who), Column("Coverage", True), Column("Reason")]
    rows = [
        [
            label(row["sample"], 40),
            format_share(row["weighted_coverage"]),
            no_score_reason(page, row),
        ]
        for row in model.unscored
    ]
    shown = f"the {len(rows)} with the least coverage" if model.n_unscored > len(rows) else "all"
    text = f"{format_count(model.n_unscored)} without a score ({shown} shown)"
    caption = f"Without a score by {shortened(model.name)}"
    return element(
        "div",
        element("h4", text),
        html_table(caption, columns, rows, narrow=True),
        class_="block",
    )
