"""The report's chapter on risk: every model, its spread over groups, and its calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from genomed.report.cards import (
    coverage_block,
    key_figures,
    matching_block,
    without_score,
)
from genomed.report.document import pill
from genomed.report.evaluate_figures import curve_figure
from genomed.report.group_figures import Group, ridges
from genomed.report.markup import Html, element, join, label, shortened
from genomed.report.page import COMPACT, compact_row
from genomed.report.run_evaluate import NEEDS as EVALUATE_NEEDS
from genomed.report.run_evaluate import evaluation_page, prediction_of
from genomed.report.run_records import Finding, Part, ReportData, figure_from, file_link, source
from genomed.report.run_scores import NEEDS as SCORE_NEEDS
from genomed.report.run_scores import (
    Grouping,
    ModelScores,
    axis_label,
    by_group,
    evaluations_of,
    grouping,
    scored_models,
    training_of,
    values_of,
)
from genomed.report.svg import figure_of
from genomed.report.tables import (
    definitions,
    html_table,
    score_decimals,
)
from genomed.report.verdicts import Verdict, verdict

__all__ = ["NEEDS", "chapter"]

NEEDS = (*SCORE_NEEDS, *EVALUATE_NEEDS)
MOST_CARDS = 12
MOST_IN_SUMMARY = 12
LEVELS = {"usable": "usable", "care": "care", "part": "care", "none": "none"}
TRANSFER = (
    "Scores transfer poorly between ancestries: a group's mean may shift for reasons that are not "
    "risk. Do not compare people of different ancestry by a score that is not adjusted."
)


def chapter(data: ReportData) -> Part | None:
    """Every model that was scored, the first dozen in full; None without any."""
    models = scored_models(data)
    if not models:
        return None
    groups = grouping(data)
    judged = [verdict(model.page, model.digest) for model in models]
    pairs = list(zip(models, judged, strict=True))
    cards = [_card(data, model, said, groups) for model, said in pairs[:MOST_CARDS]]
    body = join([element("p", TRANSFER, class_="note"), cards, _rest(data, pairs[MOST_CARDS:])])
    findings = [_finding(model, said) for model, said in pairs[:MOST_IN_SUMMARY]]
    return Part("risk", "Risk by model", "Risk", body, findings)


def _finding(model: ModelScores, said: Verdict) -> Finding:
    link, sentences = f"model{model.index}", " ".join(said.sentences)
    subject, place = label(model.name, 60), model.run.place
    return Finding(LEVELS[said.status], said.word, subject, sentences, link, place)


def _card(data: ReportData, model: ModelScores, said: Verdict, groups: Grouping | None) -> Html:
    name = f"model{model.index}"
    calibration = _calibration(data, model)
    sides = [_key_figures(data, model), calibration]
    row = f"rows whose model is {shortened(model.name, 60)}"
    return element(
        "article",
        element(
            "header",
            element("h3", label(model.name, 60), id=f"{name}-name"),
            element("p", label(model.told, 160)),
            pill(said.status, said.word),
        ),
        element("p", " ".join(said.sentences)),
        _spread(model, groups),
        source(data, model.run, "risk.tsv", f"column {values_of(model)[1]}, {row}"),
        _group_source(data, groups),
        element("div", sides, class_="half" if calibration else None),
        without_score(model.page, model.digest, "Person"),
        element(
            "details",
            element("summary", "Coverage: how its variants were matched, and which weigh most"),
            coverage_block(model.digest),
            matching_block(model.digest) if model.digest.fates else None,
            source(data, model.run, "ledger.tsv.gz", row),
        ),
        class_="card",
        id=name,
        aria_labelledby=f"{name}-name",
    )


def _spread(model: ModelScores, groups: Grouping | None) -> Html:
    """The figure of all people and of each group."""
    values, _ = values_of(model)
    known = values[np.isfinite(values)]
    if not len(known):
        return element("p", "Nobody has a score, so there is nothing to draw.", class_="muted")
    own = [Group(name, there) for name, there in by_group(model, groups)]
    unit = axis_label(model)
    plot = ridges(
        known,
        own,
        title=f"{shortened(model.name)}: {unit} by group",
        axis_label=unit,
        identity=f"model{model.index}-spread",
        decimals=score_decimals(known),
        probability=model.probability,
    )
    told = "Shapes: people. Thick rule: middle half; ring: median; thin rule: 5 to 95%."
    if model.probability:
        told += " Under 0.05% and over 99.95% are drawn at the ends."
    if groups and own:
        told += f" Groups: {groups.told}."
    elif not groups:
        told += (
            " Groups of ancestry are drawn where risk or structure had --reference, or structure "
            "or qc had --groups."
        )
    return figure_of(plot, told, broad=True)


def _group_source(data: ReportData, groups: Grouping | None) -> Html | None:
    if groups is None:
        return None
    return element("p", "Groups: ", file_link(data, groups.run, groups.file), class_="source")


def _key_figures(data: ReportData, model: ModelScores) -> Html:
    where = f"the row whose model is {shortened(model.name, 60)}"
    figures = key_figures(model.digest).items()
    linked = [(t, figure_from(data, model.run, "models.tsv", where, value)) for t, value in figures]
    return element("div", element("h4", "In figures"), definitions(linked, "facts keys"))


def _calibration(data: ReportData, model: ModelScores) -> Html | None:
    """What was predicted beside what happened, from an evaluation of this model."""
    for run in evaluations_of(data, model):
        page = evaluation_page(data, run)
        name = prediction_of(page, model.name) if page else None
        if page is None or name is None:
            continue
        own = replace(page, curves={name: page.curves.get(name, {})})
        figure = curve_figure(own, "calibration", f"model{model.index}")
        if figure is not None:
            return element("div", figure, source(data, run, "curves.tsv", "curve calibration"))
    trained = training_of(data, model)
    if trained is None:
        return element(
            "div",
            element("h4", "Calibration"),
            element(
                "p",
                "Nothing was measured: a score ranks people, and says nothing of how common the "
                "disease is among them. `genomed evaluate` measures it against the truth.",
                class_="muted",
            ),
        )
    return None


def _rest(data: ReportData, pairs: Sequence[tuple[ModelScores, Verdict]]) -> Html | None:
    """Models beyond the first dozen, a row each."""
    if not pairs:
        return None
    rows = [_compact(model, said) for model, said in pairs]
    table = html_table("Models beyond the first in full", COMPACT, rows)
    runs = {id(model.run): model.run for model, _ in pairs}
    return element(
        "div",
        element("h3", f"{len(pairs):,} more models"),
        table,
        [source(data, run, "models.tsv", "a row each") for run in runs.values()],
        class_="card",
    )


def _compact(model: ModelScores, said: Verdict) -> list[object]:
    name, *rest = compact_row(model.digest, said)
    return [element("span", name, id=f"model{model.index}"), *rest]
