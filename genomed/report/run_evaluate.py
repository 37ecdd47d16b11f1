"""The report's chapter on predictions and truth: each evaluation, as its own page shows it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import polars as pl

from genomed.report.content import floats
from genomed.report.curves import MOST_SERIES
from genomed.report.evaluate_content import (
    EvaluatePage,
    find,
    format_interval,
    format_measure,
    words,
)
from genomed.report.evaluate_figures import curve_figures
from genomed.report.evaluate_page import (
    calibration,
    comparison_cards,
    group_cards,
    measure_table,
    verdict_lines,
)
from genomed.report.markup import Html, element, join, label
from genomed.report.run_records import Finding, Need, Part, ReportData, RunRecord, source
from genomed.report.tables import is_number
from genomed.stats.curves import Curve
from genomed.stats.measures import MAIN
from genomed.tables import TABLES

__all__ = ["NEEDS", "chapter", "evaluation_page", "prediction_of"]

FILES = ("metrics", "groups", "gaps", "versus", "curves")
NEEDS = tuple(Need("evaluate", f"{name}.parquet", None, name) for name in FILES)


def chapter(data: ReportData) -> Part | None:
    """Every evaluation; None without any."""
    pages = [(run, evaluation_page(data, run)) for run in data.of("evaluate")]
    known = [(run, page) for run, page in pages if page is not None]
    if not known:
        return None
    blocks = [_block(data, run, page) for run, page in known]
    findings = [finding for run, page in known for finding in _findings(run, page)]
    note = (
        "How well a prediction does here says how well it does in people like these, and no more."
    )
    body = join([element("p", note, class_="note"), blocks])
    return Part("evaluate", "Predictions and truth", "Evaluation", body, findings)


def _block(data: ReportData, run: RunRecord, page: EvaluatePage) -> Html:
    identity = run.identity
    figures = curve_figures(page, identity)
    more = len(page.curves) - MOST_SERIES
    groups = group_cards(page, f"{identity}-g") if len(page.groups) else []
    versus = comparison_cards(page) if page.versus is not None and len(page.comparison) else []
    return element(
        "div",
        element("h3", label(page.trait, 80),
                element("small", page.people, ", ", label(run.place, 60))),
        verdict_lines(page),
        source(data, run, "metrics.tsv"),
        [
            element("div", figures, class_="card"),
            element("p", f"{more} more predictions are in the file.", class_="note")
            if more > 0 else None,
            source(data, run, "curves.tsv"),
        ] if figures else None,
        element("details", element("summary", "Every measure"), *measure_table(page),
                source(data, run, "metrics.tsv")),
        [groups, source(data, run, "groups.tsv")] if groups else None,
        [versus, source(data, run, "versus.tsv")] if versus else None,
        class_="run",
        id=identity,
    )  # fmt: skip


def _findings(run: RunRecord, page: EvaluatePage) -> list[Finding]:
    """The first prediction of an evaluation, by its main measure."""
    name = next(iter(page.scales))
    main = MAIN[page.kind]
    row = find(page.metrics, prediction=name, measure=main)
    if row is None or not is_number(row["value"]):
        return []
    said = f"{words(main)} {format_measure(row['value'])}"  # type: ignore[arg-type]
    said += f" ({format_interval(row)}) on {page.n:,} people."
    slope = find(page.metrics, prediction=name, measure="calibration_slope")
    word, level = calibration(page, name)
    if slope is not None and is_number(slope["low"]):
        value = float(slope["value"])  # type: ignore[arg-type]
        said += f" Calibration slope {value:.2f} ({format_interval(slope)}), where 1 is best."
    gap = run.record.get("gap")
    if gap:
        level, word, said = "care", "unequal", f"{said} Groups differ by more than was allowed."
    subject = join(["Evaluation of ", label(page.trait, 60)])
    return [Finding(level, word, subject, said, run.identity, run.place)]


def prediction_of(page: EvaluatePage, model: str) -> str | None:
    """The prediction of a page that is a model's: named after it, or that of its training."""
    named = [name for name in page.scales if name.partition(":")[0] == model]
    usual = [name for name in page.scales if name == "prediction" or name.startswith("risk_by_")]
    return next(iter([*named, *usual, *page.scales]), None)


def evaluation_page(data: ReportData, run: RunRecord) -> EvaluatePage | None:
    """What evaluate.html was made of, from the files of the run; None where they are not there."""
    record, trait = run.record, run.record.get("trait") or {}
    metrics, scales = run.tables.get("metrics"), record.get("scales") or {}
    kind = trait.get("kind")
    if metrics is None or not len(metrics) or kind not in MAIN or not scales:
        return None
    settings = record.get("settings") or {}
    comparison = run.tables.get("versus", _empty("evaluate_versus"))
    measured = metrics["prediction"].unique(maintain_order=True).to_list()
    return EvaluatePage(
        trait=str(trait.get("name") or ""),
        kind=kind,
        coding=str(trait.get("coding") or ""),
        n=int(trait.get("people") or 0),
        n_cases=trait.get("cases"),
        scales={name: scales[name] for name in measured if name in scales},
        versus=comparison["versus"][0] if len(comparison) else None,
        metrics=metrics,
        groups=run.tables.get("groups", _empty("evaluate_groups")),
        gaps=run.tables.get("gaps", _empty("evaluate_gaps")),
        comparison=comparison,
        thresholds=record.get("thresholds") or {},
        by_chance=record.get("by_chance") or {},
        curves=_curves(run.tables.get("curves"), measured),
        level=float(settings.get("level") or math.nan),
        n_draws=int(settings.get("n_draws") or 0),
        seed=int(record.get("seed") or 0),
        prevalence=settings.get("prevalence"),
        max_gap=settings.get("max_gap"),
        version=data.version,
    )


def _empty(table: str) -> pl.DataFrame:
    return pl.DataFrame(schema=dict.fromkeys(TABLES[table], pl.String))


def _curves(table: pl.DataFrame | None, names: Sequence[str]) -> Mapping[str, dict[str, Curve]]:
    """Curves of each prediction, in the order of the metrics."""
    found: dict[str, dict[str, Curve]] = {name: {} for name in names}
    if table is None:
        return found
    for (name, kind), part in table.group_by("prediction", "curve", maintain_order=True):
        x, y, low, high = (floats(part, c) for c in ("x", "y", "low", "high"))
        n = part["n"].cast(pl.Int64).fill_null(0).to_numpy()
        found.setdefault(str(name), {})[str(kind)] = Curve(x, y, low, high, n)
    return found
