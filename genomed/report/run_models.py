"""The report's chapter on trained models: the linear one beside the one that was kept.

Both are measured on the same people, who were set aside before anything was learned; what did not
win there is no part of the model, and the chapter says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from genomed.report.curves import Estimated, forest
from genomed.report.document import pill
from genomed.report.evaluate_content import words
from genomed.report.evaluate_page import estimated, measure_cell
from genomed.report.group_figures import Gain, gains
from genomed.report.markup import Html, element, join, label, shortened
from genomed.report.run_evaluate import evaluation_page
from genomed.report.run_records import Finding, Need, Part, ReportData, RunRecord, source
from genomed.report.svg import figure_of
from genomed.report.tables import (
    UNKNOWN,
    Column,
    definitions,
    format_count,
    format_share,
    html_table,
    is_number,
)
from genomed.stats.measures import MAIN, MEASURES

__all__ = ["NEEDS", "chapter"]

NEEDS: tuple[Need, ...] = (Need("evaluate", "versus.parquet", None, "versus"),)
DRAWN = ("auroc", "auprc", "r2", "c_index")  # measures that share a scale of 0 to 1
LISTED = (
    *DRAWN, "r2_liability", "r2_explained", "brier", "log_loss", "ece", "calibration_slope",
    "calibration_intercept", "mae", "rmse", "coverage", "integrated_brier",
    "integrated_calibration", "observed_expected",
)  # fmt: skip
STAGES = {
    "linear": "linear: covariates and an additive score",
    "dominance": "dominance",
    "ancestry": "linear parts of ancestry groups",
    "pairs": "pairs of variants",
    "covariates": "products with covariates",
    "net": "a neural net",
}
MOST_GROUPS = 12


def chapter(data: ReportData) -> Part | None:
    """Every trait of every training run; None without any."""
    cards, findings = [], []
    for run in data.of("train"):
        for place, trait in enumerate(run.record.get("traits") or ()):
            identity = f"{run.identity}-t{place}"
            cards.append(_card(data, run, trait, identity))
            findings.append(_finding(trait, identity, run.place))
    if not cards:
        return None
    note = (
        "The linear model and the full one are fitted to the same people and measured on the same "
        "others. A stage beyond the linear model is kept only where it tells people better that it "
        "was not fitted to; otherwise risk is that of the linear model."
    )
    body = join([element("p", note, class_="note"), cards])
    return Part("models", "Models that were trained", "Models", body, findings)


def _finding(trait: Mapping[str, Any], identity: str, place: str) -> Finding:
    kept = _kept(trait)
    subject = join(["Model of ", label(str(trait.get("trait")), 60)])
    tested = bool(_rows(trait))
    word = "linear" if not kept else f"{len(kept) + 1} parts"
    level = "usable" if tested else "care"
    said = str(trait.get("verdict") or "")
    if not tested:
        said += " No test people were set aside: there is no figure to trust it by."
    return Finding(level, word, subject, said, identity, place)


def _kept(trait: Mapping[str, Any]) -> list[str]:
    """Stages beyond the linear one that are part of the model."""
    stages = trait.get("stages") or ()
    return [s["stage"] for s in stages if s.get("accepted") and s["stage"] != "linear"]


def _rows(trait: Mapping[str, Any], group: str = "all") -> list[Mapping[str, Any]]:
    return [row for row in trait.get("metrics") or () if row.get("group") == group]


def _card(data: ReportData, run: RunRecord, trait: Mapping[str, Any], identity: str) -> Html:
    kept, rows = _kept(trait), _rows(trait)
    main = MAIN.get(str(trait.get("kind")), "")
    name, files = str(trait.get("trait") or ""), str(trait.get("files") or "")
    word = "the linear model" if not kept else "linear and " + ", ".join(kept)
    return element(
        "article",
        element(
            "header",
            element("h3", label(name, 80), id=f"{identity}-name"),
            element("p", f"{trait.get('kind')} trait, ", label(run.place, 60)),
            pill("usable", word),
        ),
        element("p", label(str(trait.get("verdict") or ""), 500)),
        _side_by_side(rows, kept, f"{identity}-m"),
        _measures(data, run, name, rows),
        source(data, run, f"{files}metrics.tsv", "group all"),
        element("h4", "What was tried beyond the linear model"),
        _stages(trait, f"{identity}-s"),
        source(data, run, f"{files}stages.tsv"),
        _by_group(trait, main, f"{identity}-g"),
        _learned(data, run, trait),
        class_="card",
        id=identity,
        aria_labelledby=f"{identity}-name",
    )


def _side_by_side(rows: Sequence[Mapping[str, Any]], kept: Sequence[str], identity: str) -> Html:
    """The measures from 0 to 1, a line for the linear model and one for the full one."""
    drawn = []
    for measure in DRAWN:
        for model, name in (("linear", "linear"), ("full", "full")):
            row = _of(rows, model, measure)
            if row is not None and is_number(row["value"]):
                drawn.append(_estimated(f"{words(measure)}, {name}", row))
    if not drawn:
        text = "No test people were set aside, so nothing can be said of how good it is."
        return element("p", text, class_="muted")
    told = "Points: test people; lines: 95% intervals by bootstrap."
    if not kept:
        told += " Nothing was kept beyond the linear model, so both are the same."
    return figure_of(
        forest("Linear and full model on the test people", drawn, float("nan"), identity),
        told,
        broad=True,
    )


def _of(rows: Sequence[Mapping[str, Any]], model: str, measure: str) -> Mapping[str, Any] | None:
    return next((r for r in rows if r["model"] == model and r["measure"] == measure), None)


def _estimated(name: str, row: Mapping[str, Any]) -> Estimated:
    return estimated(name, row, f"n {format_count(row['n'])}", int(row["model"] != "full"))


def _measures(
    data: ReportData, run: RunRecord, trait: str, rows: Sequence[Mapping[str, Any]]
) -> Html | None:
    """Every measure of both models, and the paired difference where it was evaluated."""
    present = [m for m in LISTED if any(row["measure"] == m for row in rows)]
    if not present:
        return None
    paired = _paired(data, run, trait)
    columns = [Column("Measure"), Column("Linear model", True), Column("Full model", True)]
    if paired:
        columns.append(Column("Full less linear", True, "paired: on the same draws of people"))
    shown = []
    for measure in present:
        cells: list[object] = [
            element("span", words(measure), title=MEASURES.get(measure)),
            measure_cell(_of(rows, "linear", measure)),
            measure_cell(_of(rows, "full", measure)),
        ]
        if paired:
            cells.append(_difference(paired.get(measure)))
        shown.append(cells)
    return html_table(f"Measures of {trait} on the test people", columns, shown, narrow=True)


def _paired(data: ReportData, run: RunRecord, trait: str) -> dict[str, Mapping[str, Any]]:
    """Differences to the linear model, from an evaluation of this run's predictions."""
    folder = run.place.rpartition("/")[2]
    for one in data.of("evaluate"):
        page = evaluation_page(data, one)
        read = one.record.get("inputs") or {}
        from_here = any(path.rpartition("/")[0].rpartition("/")[2] == folder for path in read)
        if page is None or not from_here or page.trait != trait:
            continue
        rows = page.comparison.iter_rows(named=True)
        return {
            row["measure"]: row
            for row in rows
            if row["prediction"] == "prediction" and row["versus"] == "linear_prediction"
        }
    return {}


def _difference(row: Mapping[str, Any] | None) -> object:
    if row is None or not is_number(row["difference"]):
        return UNKNOWN
    text = f"{row['difference']:+.3f}"
    if not is_number(row["low"]):
        return text
    apart = row["low"] > 0 or row["high"] < 0
    ends = element("span", f" ({row['low']:+.3f} to {row['high']:+.3f})", class_="muted")
    return join([element("b", text) if apart else text, ends])


def _stages(trait: Mapping[str, Any], identity: str) -> Html:
    """Gains of all stages as a figure, and why each was kept or left out."""
    stages = list(trait.get("stages") or ())
    tried = [s for s in stages if s.get("share_error") or s.get("accepted")]
    beyond = [
        Gain(s["stage"], bool(s["accepted"]), float(s["share"]), float(s["share_error"]))
        for s in tried
        if s["stage"] != "linear"
    ]
    figure = None
    if beyond:
        title = "What each stage beyond the linear model added"
        axis = "share of the deviance explained in addition, out of fold"
        plot = gains(beyond, title, axis, identity)
        told = "Lines: two standard errors to both sides. Kept is what clears --accept-z of them."
        figure = figure_of(plot, told, broad=True)
    rows = [
        [
            STAGES.get(s["stage"], s["stage"]),
            element("span", "kept" if s["accepted"] else "left out", class_="whole"),
            f"{s['share']:+.4f}" if s["share_error"] else UNKNOWN,
            label(str(s.get("reason") or ""), 600),
        ]
        for s in stages
    ]
    columns = [Column("Stage"), Column("Verdict"), Column("Gain", True, "share of the deviance"),
               Column("Why")]  # fmt: skip
    table = html_table("Stages of training", columns, rows)
    return join([figure, element("div", table, class_="stages")])


def _by_group(trait: Mapping[str, Any], main: str, identity: str) -> Html | None:
    """The main measure in each group that was told of, linear and full."""
    groups = list(dict.fromkeys(r["group"] for r in trait.get("metrics") or ()))
    drawn = []
    for group in [g for g in groups if g != "all"][:MOST_GROUPS]:
        rows = _rows(trait, group)
        for model in ("linear", "full"):
            row = _of(rows, model, main)
            if row is not None and is_number(row["value"]):
                drawn.append(_estimated(f"{shortened(group, 18)}, {model}", row))
    if not drawn:
        return None
    whole = _of(_rows(trait), "full", main)
    value = float(whole["value"]) if whole and is_number(whole["value"]) else float("nan")
    title = f"{words(main)} by group, on the test people"
    return join(
        [
            element("h4", title),
            figure_of(forest(title, drawn, value, identity),
                      "Dashed: the full model in everybody.", broad=True),
        ]
    )  # fmt: skip


def _learned(data: ReportData, run: RunRecord, trait: Mapping[str, Any]) -> Html:
    """From whom and what it was learned, and what it is not meant for."""
    people, variants = run.record.get("people") or {}, run.record.get("variants") or {}
    settings = run.record.get("settings") or {}
    left = sum(n for key, n in variants.items() if key != "kept" and is_number(n))
    offered = f"{format_count(variants.get('kept'))} offered, {format_count(left)} left out"
    pairs: list[tuple[str, object]] = [
        ("Learned from", f"{format_count(people.get('develop'))} people"),
        ("Set aside as test", f"{format_count(people.get('test'))} people"),
        ("Variants", offered),
        ("Intervals", f"made to hold {format_share(settings.get('interval'), 0)} of people"),
        ("Seed", str(run.record.get("seed"))),
        ("Meant for", "research on people like those it was learned from. In other ancestries its "
         "figures do not hold; it is not a medical device."),
    ]  # fmt: skip
    warnings = [data.people.masked(str(w)) for w in run.record.get("warnings") or ()]
    pairs += [("Mind", label(text, 400)) for text in warnings[:10]]
    return element(
        "details",
        element("summary", "What it was learned from, and what it is meant for"),
        definitions(pairs, "facts wide"),
        source(data, run, "run.json"),
    )
