"""RiskPage -> risk.html: one self-contained page, the same bytes for the same content.

The page loads nothing and runs nothing: a content security policy forbids every source but its own
stylesheet, named by digest. It reads from top to bottom in the order of the questions asked of it:
can these scores be used, what do they look like, who is highest, what happened to the records, and
how was it all made.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from genomed.ledger import LENIENCIES, REASONS
from genomed.report.cards import highest_block, model_card
from genomed.report.content import ModelDigest, RiskPage, digest_models
from genomed.report.document import document, head, navigation, pill, section, warning_list
from genomed.report.figures import PATTERNS
from genomed.report.markup import Html, cited, element, join, label, shortened
from genomed.report.stylesheet import CSS
from genomed.report.tables import (
    UNKNOWN,
    Column,
    definitions,
    format_count,
    format_score,
    format_seconds,
    format_share,
    html_table,
    is_number,
    score_decimals,
)
from genomed.report.verdicts import Verdict, verdict, whole

__all__ = ["COMPACT", "RiskPage", "compact_row", "render_risk_page"]

N_IN_FULL = 30  # models shown as cards; the rest share a table
N_LISTED = 200  # warnings, settings and codes listed before "and more"
AS_COUNTED = {
    "usable": "usable",
    "care": "to use with care",
    "part": "scored in part",
    "none": "without a score",
}
TRANSFER_PAPER = (
    "On transfer between ancestries: Martin AR et al. Clinical use of current polygenic risk "
    "scores may exacerbate health disparities. Nat Genet 51, 584-591 (2019). "
    "doi:10.1038/s41588-019-0379-x"
)
CATALOG_PAPER = (
    "PGS Catalog: Lambert SA et al. The Polygenic Score Catalog as an open database for "
    "reproducibility and systematic evaluation. Nat Genet 53, 420-425 (2021). "
    "doi:10.1038/s41588-021-00783-5"
)


def render_risk_page(content: RiskPage) -> str:
    """Render the page as one HTML document; nothing is read, nothing is changed."""
    models = digest_models(content)
    verdicts = [verdict(content, model) for model in models]
    full = models[:N_IN_FULL]
    main = element(
        "main",
        warning_list(content.warnings, N_LISTED),
        _verdict_section(models, verdicts),
        _model_section(content, full, models[N_IN_FULL:], verdicts),
        _highest_section(content, full),
        _bundles(content),
        _ancestry(content),
        _record_section(content),
        _provenance_section(content, models),
        id="main",
    )
    body = element(
        "body",
        element("a", "Skip to the verdict", href="#verdict", class_="skip"),
        PATTERNS,
        _head(content, verdicts),
        _navigation(content),
        main,
        _foot(content),
    )
    return document(shortened(content.title, 120), body, CSS, content.version)


def _head(content: RiskPage, verdicts: Sequence[Verdict]) -> Html:
    words = Counter(AS_COUNTED[judged.status] for judged in verdicts)
    counts = ", ".join(f"{n:,} {word}" for word, n in words.items()) or "none"
    samples = "1 sample" if content.n_samples == 1 else f"{content.n_samples:,} samples"
    models = "1 model" if len(verdicts) == 1 else f"{len(verdicts):,} models"
    build = f", {shortened(content.build)}" if content.build else ""
    return head("genomed risk", content.title, f"{models} on {samples}{build}: {counts}.")


def _ancestry(content: RiskPage) -> Html | None:
    if content.ancestry is None:
        return None
    from genomed.report.ancestry import ancestry_section  # noqa: PLC0415 - few runs need it

    return ancestry_section(content.ancestry)


def _bundles(content: RiskPage) -> Html | None:
    if content.bundles is None:
        return None
    from genomed.report.bundles import bundles_section  # noqa: PLC0415 - few runs need it

    return bundles_section(content.bundles)


def _navigation(content: RiskPage) -> Html:
    places = {
        "verdict": "Verdict",
        "models": "Models",
        "highest": "Highest samples",
        "bundles": "Predictions" if content.bundles else "",
        "ancestry": "Ancestry" if content.ancestry else "",
        "records": "Records",
        "provenance": "Provenance and citing",
    }
    return navigation({key: text for key, text in places.items() if text})


def _verdict_section(models: Sequence[ModelDigest], verdicts: Sequence[Verdict]) -> Html:
    lines = [
        element(
            "li",
            element("span", pill(judged.status, judged.word)),
            element(
                "span",
                element("a", label(model.name, 60), href=f"#m{model.index}", class_="who"),
                element("span", label(model.row["trait"], 90)),
            ),
            element("p", " ".join(judged.sentences)),
        )
        for model, judged in zip(models[:N_IN_FULL], verdicts, strict=False)
    ]
    more = len(models) - len(lines)
    rest = f"The other {more:,} models are judged in the table at the end of section 2."
    return section(
        "verdict",
        "1. Can these scores be used?",
        element(
            "p",
            "Judged by how much of each model this cohort holds, and not by how well the model "
            "fits these people. A model's weight is Σβ²·2p(1−p) over its variants: effect size "
            "squared times the variance of the genotype.",
            class_="note",
        ),
        element("ul", lines, class_="verdicts") if lines else _nothing("No models were run."),
        element("p", rest, class_="note") if more else None,
    )


def _nothing(text: str) -> Html:
    return element("p", text, class_="muted")


def _model_section(
    content: RiskPage,
    full: Sequence[ModelDigest],
    rest: Sequence[ModelDigest],
    verdicts: Sequence[Verdict],
) -> Html:
    cards = [model_card(content, model) for model in full]
    table = None
    if rest:
        judged = verdicts[len(full) :]
        rows = [compact_row(model, each) for model, each in zip(rest, judged, strict=True)]
        table = element(
            "div",
            element("h3", f"{len(rest):,} more models"),
            html_table("Models beyond the first in full", COMPACT, rows),
            class_="card",
            id="more",
        )
    return section("models", "2. The models", join(cards), table)


COMPACT = [
    Column("Model"),
    Column("Trait"),
    Column("Verdict"),
    Column("Scored", True),
    Column("Found", True, "variants found, of those in the model"),
    Column("Weight", True, "share of the model's weight carried by the variants found"),
    Column("Mean", True),
    Column("SD", True),
    Column("Highest sample"),
    Column("Score", True, "of the highest sample"),
]


def compact_row(model: ModelDigest, judged: Verdict) -> list[object]:
    """A model in a row, in the columns of COMPACT."""
    row, decimals = model.row, score_decimals(model.score)
    top = model.highest[0] if model.highest else None
    mean, sd = row["score_mean"], row["score_sd"]
    return [
        label(model.name, 24),
        label(row["trait"], 36),
        pill(judged.status, judged.word),
        format_count(len(model.score)),
        f"{format_count(row['n_matched'])} of {format_count(row['n_variants'])}",
        format_share(whole(row["weighted_coverage"])),
        format_score(mean, decimals) if is_number(mean) else UNKNOWN,
        format_score(sd, decimals) if is_number(sd) else UNKNOWN,
        label(top["sample"], 24) if top else UNKNOWN,
        format_score(top["score"] if top else None, decimals),
    ]


def _highest_section(content: RiskPage, full: Sequence[ModelDigest]) -> Html:
    note = (
        "Percentiles and z-scores compare a sample with this cohort alone: they say nothing about "
        "the population, and move when the cohort does. A high score is no diagnosis, and a low "
        "one rules nothing out. risk.tsv holds every sample."
    )
    columns = (
        "Coverage is the share of a model's weight that rests on genotypes called in the sample; "
        "filled in is the share that the --missing rule supplied. Equals share a rank (=)."
    )
    blocks = [highest_block(content, model) for model in full]
    return section(
        "highest",
        "3. Highest samples",
        element("p", note, class_="note"),
        element("p", columns, class_="note"),
        blocks,
    )


def _record_section(content: RiskPage) -> Html:
    counts = content.record_counts
    refused = dict(counts.get("refused") or {})
    n = {key: int(counts.get(key) or 0) for key in ("n_records", "n_passed_over", "n_emitted")}
    n_refused = sum(refused.values())
    rows: list[list[object]] = [
        ["Read", format_count(n["n_records"]), "records in the cohort, or in the part looked at"],
        ["Passed over", format_count(n["n_passed_over"]), "at no place any model asks for"],
        ["Used", format_count(n["n_emitted"]), "decoded and offered to the models"],
        ["Refused", format_count(n_refused), "for the reasons below" if n_refused else "none"],
    ]
    columns = [Column("Records"), Column("Number", True), Column("Meaning")]
    lost = n["n_records"] - n["n_passed_over"] - n["n_emitted"] - n_refused
    wrong = (
        f"These numbers do not add up: {format_count(abs(lost))} records are "
        f"{'unaccounted for' if lost > 0 else 'counted twice'}. This is a fault in genomed; "
        "do not use the scores, and report it."
    )
    notes = dict(counts.get("notes") or {})
    return section(
        "records",
        "4. What happened to the records",
        element("p", "Every record of the cohort has exactly one fate.", class_="note"),
        element("ul", element("li", wrong), class_="warn") if lost else None,
        html_table("Fate of the cohort's records", columns, rows, narrow=True),
        _code_table("Refused", "Records refused, by reason", "Records", refused, REASONS),
        _code_table("Accepted leniently", "Leniencies taken, by kind", "Times", notes, LENIENCIES),
        element(
            "p",
            "ledger.tsv.gz has one row for every variant of every model, with its reason.",
            class_="note",
        ),
    )


def _code_table(
    heading: str, caption: str, unit: str, n: dict[str, int], meanings: dict[str, str]
) -> Html | None:
    """Codes, how often each was met, and what it means; nothing where none was met."""
    if not n:
        return None
    columns = [Column("Code"), Column(unit, True), Column("Meaning")]
    ordered = sorted(n.items(), key=lambda item: (-item[1], item[0]))[:N_LISTED]
    rows = [
        [shortened(str(code)).replace("_", " "), format_count(times), meanings.get(code, UNKNOWN)]
        for code, times in ordered
    ]
    table = html_table(caption, columns, rows, narrow=True)
    return element("div", element("h4", heading), table, class_="block")


def _provenance_section(content: RiskPage, models: Sequence[ModelDigest]) -> Html:
    build = shortened(content.build) if content.build else "not known"
    pairs: list[tuple[str, object]] = [
        ("Cohort", label(content.cohort, 300)),
        ("Samples", format_count(content.n_samples)),
        ("Build", [element("b", build), " ", label(content.build_evidence, 400)]),
        ("Made by", f"genomed {shortened(content.version)}"),
        ("Started", shortened(content.started)),
        ("Took", format_seconds(content.seconds)),
        ("Command", element("code", shortened(content.command, 2000), class_="command")),
    ]
    columns = [Column("Setting"), Column("Value")]
    settings = list(content.settings.items())[:N_LISTED]
    rows = [
        [shortened(str(key)).replace("_", " "), label(_value(value), 200)]
        for key, value in settings
    ]
    return section(
        "provenance",
        "5. Provenance and citing",
        definitions(pairs, "facts wide"),
        element(
            "div",
            element("h4", "Settings"),
            html_table("Settings", columns, rows, narrow=True),
            class_="block",
        )
        if rows
        else None,
        element("div", element("h4", "How to cite"), _citations(content, models), class_="block"),
    )


def _value(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) or "empty"


def _citations(content: RiskPage, models: Sequence[ModelDigest]) -> Html:
    """The software, every model's paper once, the catalogue where it was used, and on transfer."""
    papers: dict[str, list[str]] = {}
    for model in models:
        citation = model.facts.get("citation")
        if citation:
            papers.setdefault(citation, []).append(model.name)
    lines = [element("li", f"Software: genomed {shortened(content.version)}.")]
    for citation, names in list(papers.items())[:N_IN_FULL]:
        more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
        lines.append(element("li", _comma(names[:3]), f"{more}: ", cited(citation)))
    if len(papers) > N_IN_FULL:
        lines.append(element("li", f"and {len(papers) - N_IN_FULL} more papers; see models.tsv"))
    if any(re.fullmatch(r"PGS\d{6}", m.name) or m.facts.get("pgs_id") for m in models):
        lines.append(element("li", cited(CATALOG_PAPER)))
    lines.append(element("li", cited(TRANSFER_PAPER)))
    return element("ul", lines)


def _comma(names: Sequence[str]) -> list[object]:
    parts: list[object] = []
    for name in names:
        parts += [label(name), ", "]
    return parts[:-1]


def _foot(content: RiskPage) -> Html:
    return element(
        "footer",
        element(
            "p",
            "For research. These scores are no diagnosis, and no basis for one on their own. "
            "This page loads nothing from the network and runs no scripts. "
            "Full results: risk.tsv, risk.parquet, models.tsv, ledger.tsv.gz, run.json.",
        ),
        class_="foot",
    )
