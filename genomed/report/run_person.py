"""The page of one person: every model in turn, what it rests on, and what moved it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from genomed.report.content import floats
from genomed.report.curves import Plot, Series, draw, key
from genomed.report.document import pill
from genomed.report.group_figures import Group, Push, pushes, ridges, scale_bar
from genomed.report.markup import Html, element, join, label, shortened
from genomed.report.run_people_table import format_prediction
from genomed.report.run_person_data import DATA_NEEDS, data_part
from genomed.report.run_records import Need, Part, ReportData, RunRecord, source
from genomed.report.run_scores import NEEDS as SCORE_NEEDS
from genomed.report.run_scores import (
    Grouping,
    ModelScores,
    axis_label,
    by_group,
    grouping,
    parse_moved,
    scored_models,
    values_of,
)
from genomed.report.svg import figure_of
from genomed.report.tables import (
    definitions,
    format_count,
    format_percentile,
    format_score,
    format_share,
    format_signed,
    is_number,
    score_decimals,
)
from genomed.report.verdicts import flag_words, no_score_reason, whole
from genomed.stats.curves import Curve

__all__ = ["NEEDS", "person_parts"]

NEEDS = (
    *SCORE_NEEDS,
    *DATA_NEEDS,
    Need("risk", "absolute_risk.parquet", None, "by_age"),
    Need("explain", "person_terms.parquet", None, "terms"),
)
MOST_TERMS = 10
CSS = """
.place .plot{max-width:460px;min-width:0}.place h4{margin-top:1.2rem}
.says{font-size:1.06rem;max-width:70ch}
@media print{.card{break-inside:auto}figure{break-inside:avoid}}
"""
READ = (
    "A percentile says how many people of this cohort have a lower score. It is no probability, "
    "says nothing about the population, and moves when the cohort does.",
    "An interval says what the model does not know, not what else may happen: events, habits and "
    "variants that it does not read are not in it.",
    "What moved a prediction need not cause the disease: a variant may stand for others that are "
    "inherited with it. A high prediction is no diagnosis, and a low one rules nothing out.",
)


def person_parts(data: ReportData, sample: str) -> list[Part]:
    """Chapters about one person; none where no risk run has a row of them.

    sample : as in the tables
    """
    shown = data.people.shown(sample)
    rows = [(model, row) for model in scored_models(data) if (row := _row(model, shown))]
    if not rows:
        return []
    groups = grouping(data)
    cards = [_card(data, model, row, sample, groups) for model, row in rows]
    lines = element("ul", [_line(model, row) for model, row in rows], class_="verdicts")
    how = element("ul", [element("li", text) for text in READ], class_="note")
    first = Part("person", "In short", "In short", join([lines, how]), css=CSS)
    second = Part("risk", "Model by model", "Models", join(cards))
    third = data_part(data, sample)
    return [part for part in (first, second, third) if part is not None]


def _row(model: ModelScores, shown: str) -> Mapping[str, Any] | None:
    found = model.frame.filter(pl.col("sample") == shown)
    return found.row(0, named=True) if len(found) else None


def _line(model: ModelScores, row: Mapping[str, Any]) -> Html:
    """One line of the page's start: how high, and on how much."""
    known = is_number(row["score"])
    word, look = ("scored", "usable") if known else ("no score", "none")
    return element(
        "li",
        element("span", pill(look, word)),
        element(
            "span",
            element("a", label(model.title, 60), href=f"#model{model.index}", class_="who"),
            element("span", label(model.trait, 90)) if model.trait != model.name else None,
        ),
        element("p", _sentence(model, row)),
    )


def _sentence(model: ModelScores, row: Mapping[str, Any]) -> str:
    if not is_number(row["score"]):
        return f"Nothing is said: {no_score_reason(model.page, row)}."
    n = format_count(len(model.digest.score))
    said = [f"Percentile {format_percentile(row['cohort_percentile'])} among {n} people here."]
    decimals = score_decimals(values_of(model)[0])
    if is_number(row.get("prediction")):
        value = format_prediction(row["prediction"], model.kind, decimals)
        text = f"{model.unit.capitalize()} {value}"
        if is_number(row.get("prediction_low")):
            low = format_prediction(row["prediction_low"], model.kind, decimals)
            high = format_prediction(row["prediction_high"], model.kind, decimals)
            text += f", interval {low} to {high}"
        said.append(f"{text}.")
    else:
        said.append(f"Score {format_score(row['score'], decimals)}.")
    covered = format_share(whole(row["weighted_coverage"]))
    said.append(f"It rests on calls that make up {covered} of the model's weight.")
    if row.get("accuracy_note"):
        said.append(f"Ancestry: {row['accuracy_note']}.")
    return " ".join(said)


def _card(
    data: ReportData,
    model: ModelScores,
    row: Mapping[str, Any],
    sample: str,
    groups: Grouping | None,
) -> Html:
    shown = row["sample"]
    name = f"model{model.index}"
    where = f"the row whose sample is {shown} here, and whose model is {shortened(model.name, 60)}"
    return element(
        "article",
        element(
            "header",
            element("h3", label(model.name, 60), id=f"{name}-name"),
            element("p", label(model.told, 160)),
        ),
        element("p", _sentence(model, row), class_="says"),
        _place(model, row, groups) if is_number(row["score"]) else None,
        source(data, model.run, "risk.tsv", where),
        element("h4", "What it rests on"),
        _rests(row),
        _moved(data, model, row, sample) if is_number(row["score"]) else None,
        _by_age(data, model, sample),
        class_="card",
        id=name,
        aria_labelledby=f"{name}-name",
    )


def _place(model: ModelScores, row: Mapping[str, Any], groups: Grouping | None) -> Html:
    """The person among everybody, and among their group."""
    shown = row["sample"]
    values, column = values_of(model)
    known = values[np.isfinite(values)]
    mine = groups.group.get(shown) if groups else None
    own = [Group(f"{name} (own)", there) for name, there in by_group(model, groups)
           if name == mine]  # fmt: skip
    scale = None
    if is_number(row["cohort_percentile"]):
        title = f"Percentile of {shown} in {shortened(model.name)}"
        scale = element("div", element("h4", "Percentile among everybody here"),
                        scale_bar(row["cohort_percentile"], title, f"model{model.index}-scale"),
                        class_="place")  # fmt: skip
    if not is_number(row.get(column)):
        return join([scale])
    plot = ridges(
        known,
        own,
        title=f"{shown} in the distribution of {shortened(model.name)}",
        axis_label=axis_label(model),
        identity=f"model{model.index}-spread",
        decimals=score_decimals(known),
        probability=model.probability,
        mark=(shown, float(row[column])),
    )
    told = "Shapes: people. Thick rule: middle half; ring: median; thin rule: 5 to 95%."
    figure = figure_of(plot, told, broad=True)
    return join([figure, scale])


def _rests(row: Mapping[str, Any]) -> Html:
    variants = f"{format_count(row['n_matched'])} found, {format_count(row['n_missing_calls'])} of "
    pairs: list[tuple[str, object]] = [
        ("Weight covered", format_share(whole(row["weighted_coverage"]))),
        ("Filled in", format_share(whole(row["imputed_share"]))),
        ("Variants", variants + "these without a call"),
        ("z among everybody", format_signed(row["cohort_z"])),
    ]
    if row.get("expected_accuracy_share") is not None:
        share = format_share(whole(row["expected_accuracy_share"]))
        pairs.append(("Expected accuracy", f"{share} of what the model can do"))
    if row.get("most_similar_population"):
        pairs.append(("Most similar population", label(row["most_similar_population"], 60)))
    for column, told in (
        ("population_percentile", "Percentile in that population"),
        ("neighbourhood_percentile", "Percentile among nearest reference people"),
    ):
        if is_number(row.get(column)):
            pairs.append((told, format_percentile(row[column])))
    if is_number(row.get("z_norm2")):
        pairs.append(("z, adjusted for ancestry", format_signed(row["z_norm2"])))
    if row["flags"]:
        pairs.append(("Remarks", ", ".join(flag_words(row["flags"]))))
    return definitions(pairs, "facts wide")


def _moved(
    data: ReportData, model: ModelScores, row: Mapping[str, Any], sample: str
) -> Html | None:
    """Terms of the predictor: those of an explanation of this model, else those in risk.tsv."""
    run, terms = _terms(data, model, sample)
    if run is None:
        moved = [Push(*_held(term), size) for term, size in parse_moved(row.get("moved_most"))]
        file, run = "risk.tsv", model.run
    else:
        moved, file = terms, "person_terms.tsv"
    if not moved:
        return None
    told = (
        "Against the mean of those learned from, in units of the predictor (log odds of a binary "
        "trait)."
    )
    plot = pushes(moved, "What moved the prediction", f"model{model.index}-moved")
    return join(
        [
            element("h4", "What moved it most"),
            figure_of(plot, told, broad=True),
            source(data, run, file, "rows of this person"),
        ]
    )


def _held(term: str) -> tuple[str, str]:
    """A term of `moved_most` and what the person holds of it: "rs1=2" -> rs1, 2 copies."""
    name, _, held = term.rpartition("=")
    return (name, _copies(held)) if name and held in ("0", "1", "2") else (term, "")


def _copies(held: str) -> str:
    return "1 copy" if held == "1" else f"{held} copies"


def _terms(
    data: ReportData, model: ModelScores, sample: str
) -> tuple[RunRecord | None, list[Push]]:
    """An explanation's largest terms of a person, of the bundle that this model is."""
    for run in data.of("explain"):
        bundle = run.record.get("bundle") or {}
        table = run.tables.get("terms")
        if table is None or bundle.get("name") != model.name:
            continue
        own = table.filter(
            pl.col("sample") == sample, pl.col("kind").is_in(("variant", "covariate"))
        ).sort("rank")
        found = [
            Push(row["term"], _call(row["kind"], row["call"]), row["contribution"])
            for row in own.head(MOST_TERMS).iter_rows(named=True)
        ]
        if found:
            return run, found
    return None, []


def _call(kind: str, call: object) -> str:
    if kind != "variant":
        return ""
    return "not called" if call is None else _copies(str(call))


def _by_age(data: ReportData, model: ModelScores, sample: str) -> Html | None:
    """Absolute risk by age beside everybody's."""
    table = model.run.tables.get("by_age")
    if table is None:
        return None
    own = table.filter(pl.col("sample") == sample, pl.col("model") == model.name).sort("age")
    own = own.filter(pl.col("absolute_risk").is_not_null())
    if len(own) < 2:
        return None
    age = floats(own, "age")
    nothing, zero = np.full(len(age), math.nan), np.zeros(len(age), np.int64)
    curves = {
        "this person": own["absolute_risk"].to_numpy(),
        "everybody, from the incidence": own["population_risk"].to_numpy(),
    }
    series = [Series(n, Curve(age, y, nothing, nothing, zero)) for n, y in curves.items()]
    top = max(float(np.nanmax(y)) for y in curves.values()) or 0.01
    last = own.row(-1, named=True)
    told = (
        f"By age {last['age']:g}: {format_share(last['absolute_risk'])}; everybody "
        f"{format_share(last['population_risk'])}, if nothing else takes the person away."
    )
    plot = Plot("Risk by age", told, "age (years)", "probability of the event",
                (float(age[0]), float(age[-1])), (0.0, 1.08 * top))  # fmt: skip
    return join(
        [
            element("h4", "Risk by age"),
            element("div", draw(plot, series, f"model{model.index}-age"), class_="place sheet"),
            key(list(curves)),
            element("p", told, class_="note"),
            source(data, model.run, "absolute_risk.tsv", "rows of this person"),
        ]
    )
