"""Every measure of every prediction, of everybody and of groups, on the same draws of people."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from genomed.settings import EvaluateSettings
from genomed.stats.binary_metrics import BinaryJudge
from genomed.stats.bootstrap import (
    Bootstrap,
    Estimate,
    bootstrap,
    estimate,
    interval,
    largest_difference,
)
from genomed.stats.curves import (
    Curve,
    calibration_curve,
    net_benefit_curve,
    precision_recall,
    roc,
    tenths,
)
from genomed.stats.interval_metrics import IntervalJudge
from genomed.stats.logistic import expit
from genomed.stats.measures import Judge
from genomed.stats.quantitative_metrics import QuantitativeJudge
from genomed.stats.reclassification import ReclassificationJudge
from genomed.stats.survival_metrics import SurvivalJudge
from genomed.steps.evaluate_data import Evaluated
from genomed.tables import TABLES

__all__ = ["ALL", "Measures", "curve_table", "curves", "measure"]

ALL = "all"
_TEXTS = ("prediction", "measure", "by", "group", "lowest", "highest", "versus", "curve", "reason")
_COUNTS = frozenset({"n", "n_cases"})


@dataclass(frozen=True)
class _Part:
    """A judge of some people, and where its measures stand among all.

    people : int64 (people of the judge,); None for everybody
    """

    prediction: str
    by: str
    group: str
    judge: Judge
    people: np.ndarray | None
    first: int
    n_cases: int | None
    compared: bool


@dataclass(frozen=True)
class Measures:
    """Tables of the columns of TABLES["evaluate_..."]; thresholds are those used."""

    metrics: pl.DataFrame
    groups: pl.DataFrame
    gaps: pl.DataFrame
    versus: pl.DataFrame
    thresholds: dict[str, float]
    by_chance: dict[str, float]


def measure(data: Evaluated, settings: EvaluateSettings, threads: int = 1) -> Measures:
    """Measure everything, with intervals from one set of draws."""
    whole = {name: _judge(data, name, None, settings, None) for name in data.values}
    thresholds = {name: j.threshold for name, j in whole.items() if isinstance(j, BinaryJudge)}
    parts = list(_parts(data, whole, thresholds, settings))

    def everything(count: np.ndarray) -> np.ndarray:
        return np.concatenate(
            [p.judge.measure(count if p.people is None else count[p.people]) for p in parts]
        )

    found = bootstrap(
        everything, len(data.samples), n_draws=settings.n_draws, seed=settings.seed,
        families=data.families, threads=threads, left_out=settings.n_draws > 0,
    )  # fmt: skip
    by_chance = {n: j.ece_by_chance() for n, j in whole.items() if isinstance(j, BinaryJudge)}
    in_groups = [part for part in parts if part.by not in (ALL, "versus")]
    return Measures(
        _table("evaluate_metrics", _rows([p for p in parts if p.by == ALL], found, settings)),
        _table("evaluate_groups", _rows(in_groups, found, settings)),
        _table("evaluate_gaps", _gaps(in_groups, found, settings)),
        _table("evaluate_versus", _versus(data, parts, found, settings)),
        thresholds,
        {name: value for name, value in by_chance.items() if math.isfinite(value)},
    )


def _judge(
    data: Evaluated,
    name: str,
    people: np.ndarray | None,
    settings: EvaluateSettings,
    threshold: float | None,
) -> Judge:
    """Of one prediction among everybody, or some."""
    there = slice(None) if people is None else people
    trait, value, scale = data.trait, data.values[name][there], data.scales[name]
    truth = trait.value[there]
    if trait.kind == "binary":
        return BinaryJudge(
            truth, value, scale=scale, n_bins=settings.n_bins, prevalence=settings.prevalence,
            threshold=settings.threshold if threshold is None else threshold,
        )  # fmt: skip
    if trait.kind == "quantitative":
        return QuantitativeJudge(truth, value, scale=scale)
    assert trait.time is not None
    survival, edges = None, None
    if data.survival is not None and name == next(iter(data.values)):
        survival, edges = data.survival[0][there], data.survival[1]
    entry = None if trait.entry is None else trait.entry[there]
    return SurvivalJudge(
        trait.time[there], truth > 0, value, entry=entry, survival=survival, edges=edges
    )


def _parts(
    data: Evaluated,
    whole: Mapping[str, Judge],
    thresholds: Mapping[str, float],
    settings: EvaluateSettings,
) -> Iterator[_Part]:
    """All judges: of everybody, of intervals, of groups, of changes."""
    first = 0

    def part(
        prediction: str, by: str, group: str, judge: Judge, people: np.ndarray | None
    ) -> _Part:
        nonlocal first
        there = slice(None) if people is None else people
        n_cases = None
        if data.trait.kind != "quantitative":
            n_cases = int((data.trait.value[there] == 1).sum())
        made = _Part(
            prediction, by, group, judge, people, first, n_cases,
            _large(judge.n, n_cases, data.trait.kind, settings),
        )  # fmt: skip
        first += len(judge.names)
        return made

    main = next(iter(data.values))
    judges_intervals = data.trait.kind == "quantitative" and data.low is not None
    places: list[tuple[str, str, np.ndarray | None]] = [(ALL, ALL, None)]
    for by, levels in data.groups.items():
        places += [(by, level, np.flatnonzero(there)) for level, there in levels.items()]
    for by, group, people in places:
        for name in data.values:
            judge = whole[name]
            if people is not None:
                judge = _judge(data, name, people, settings, thresholds.get(name))
            yield part(name, by, group, judge, people)
        if judges_intervals:
            there = slice(None) if people is None else people
            assert data.low is not None
            assert data.high is not None
            judge = IntervalJudge(data.trait.value[there], data.low[there], data.high[there])
            yield part(main, by, group, judge, people)
    for name, judge in _changes(data, thresholds):
        yield part(name, "versus", ALL, judge, None)


def _large(n: int, n_cases: int | None, kind: str, settings: EvaluateSettings) -> bool:
    if n < settings.min_group:
        return False
    if n_cases is None:
        return True
    fewer = min(n_cases, n - n_cases) if kind == "binary" else n_cases
    return fewer >= settings.min_group_cases


def _changes(data: Evaluated, thresholds: Mapping[str, float]) -> Iterator[tuple[str, Judge]]:
    """Reclassification, where both predictions are probabilities."""
    if data.versus is None or data.trait.kind != "binary":
        return
    old = _probability(data, data.versus)
    for name in data.values:
        new = _probability(data, name)
        if name == data.versus or new is None or old is None:
            continue
        threshold = thresholds[name]
        if data.scales[name] == "logit":
            threshold = float(expit(np.array(threshold)))
        yield name, ReclassificationJudge(data.trait.value, new, old, threshold=threshold)


def _probability(data: Evaluated, name: str) -> np.ndarray | None:
    scale, value = data.scales[name], data.values[name]
    if scale == "score":
        return None
    return value if scale == "probability" else expit(value)


def _rows(
    parts: Sequence[_Part], found: Bootstrap, settings: EvaluateSettings
) -> Iterator[dict[str, Any]]:
    """One row per measure."""
    for part in parts:
        stop = part.first + len(part.judge.names)
        why = part.judge.why(found.value[part.first : stop])
        for k, name in enumerate(part.judge.names):
            one = estimate(
                name, found, part.first + k, n=part.judge.n, level=settings.level,
                reason=why.get(name, ""),
            )  # fmt: skip
            yield one._asdict() | {
                "prediction": part.prediction, "by": part.by, "group": part.group,
                "measure": name, "n": part.judge.n, "n_cases": part.n_cases,
                "compared": part.compared,
            }  # fmt: skip


def _gaps(
    parts: Sequence[_Part], found: Bootstrap, settings: EvaluateSettings
) -> Iterator[dict[str, Any]]:
    """Between the groups with the highest and the lowest value of each measure."""
    columns: dict[tuple[str, str, str], list[tuple[float, str, int]]] = {}
    for part in parts:
        for k, name in enumerate(part.judge.names):
            value = float(found.value[part.first + k])
            if part.compared and math.isfinite(value):
                key = (part.by, part.prediction, name)
                columns.setdefault(key, []).append((value, part.group, part.first + k))
    for (by, prediction, name), values in columns.items():
        if len(values) < 2:
            continue
        (low_value, lowest, a), (high_value, highest, b) = min(values), max(values)
        if len(values) == 2:
            one = _difference(name, found, b, a, settings)
        else:
            low, high = largest_difference(found, [at for _, _, at in values], settings.level)
            one = Estimate(name, high_value - low_value, low, high)
        yield {
            "by": by, "prediction": prediction, "measure": name, "lowest": lowest,
            "lowest_value": low_value, "highest": highest, "highest_value": high_value,
            "gap": high_value - low_value, "low": one.low, "high": one.high,
        }  # fmt: skip


def _difference(
    name: str, found: Bootstrap, a: int, b: int, settings: EvaluateSettings
) -> Estimate:
    """One column less another, with its paired interval."""
    value = float(found.value[a] - found.value[b])
    draws = found.draws[:, a] - found.draws[:, b]
    left_out = found.left_out[:, a] - found.left_out[:, b] if len(found.left_out) else None
    low, high = interval(value, draws, left_out, level=settings.level)
    return Estimate(name, value, low, high)


def _versus(
    data: Evaluated, parts: Sequence[_Part], found: Bootstrap, settings: EvaluateSettings
) -> Iterator[dict[str, Any]]:
    """Each prediction less the one that it is compared with."""
    if data.versus is None:
        return
    whole = {p.prediction: p for p in parts if p.by == ALL and not _of_intervals(p)}
    other = whole[data.versus]
    for name, part in whole.items():
        if name == data.versus:
            continue
        told = {"prediction": name, "versus": data.versus}
        for k, measure_name in enumerate(part.judge.names):
            a, b = part.first + k, other.first + k
            one = _difference(measure_name, found, a, b, settings)
            reason = "" if math.isfinite(one.value) else "undefined for one of the two"
            yield told | {
                "measure": measure_name, "value": float(found.value[a]),
                "versus_value": float(found.value[b]), "difference": one.value,
                "low": one.low, "high": one.high, "reason": reason,
            }  # fmt: skip
        for change in (p for p in parts if p.by == "versus" and p.prediction == name):
            for k, measure_name in enumerate(change.judge.names):
                one = estimate(measure_name, found, change.first + k, level=settings.level)
                yield told | {
                    "measure": measure_name, "value": math.nan, "versus_value": math.nan,
                    "difference": one.value, "low": one.low, "high": one.high, "reason": "",
                }  # fmt: skip


def _of_intervals(part: _Part) -> bool:
    return isinstance(part.judge, IntervalJudge)


def curves(data: Evaluated, settings: EvaluateSettings) -> dict[str, dict[str, Curve]]:
    """Prediction -> name of a curve -> its points; none of times to an event."""
    trait = data.trait
    drawn: dict[str, dict[str, Curve]] = {}
    for name, value in data.values.items():
        own: dict[str, Curve] = {}
        if trait.kind == "binary":
            own |= {
                "roc": roc(trait.value, value),
                "precision_recall": precision_recall(trait.value, value),
            }
            probability = _probability(data, name)
            if probability is not None:
                own["calibration"] = calibration_curve(trait.value, probability, settings.n_bins)
                own["net_benefit"], own["treat_all"] = net_benefit_curve(
                    trait.value, probability, settings.prevalence
                )
        elif trait.kind == "quantitative" and data.scales[name] == "value":
            own["calibration"] = calibration_curve(trait.value, value, settings.n_bins)
        if trait.kind != "survival":
            own["tenths"] = tenths(trait.value, value)
        drawn[name] = own
    return drawn


def curve_table(drawn: Mapping[str, Mapping[str, Curve]]) -> pl.DataFrame:
    """All points: the columns of TABLES["evaluate_curves"]."""
    rows = (
        {
            "prediction": name,
            "curve": kind,
            "x": x,
            "y": y,
            "low": low,
            "high": high,
            "n": n or None,
        }
        for name, own in drawn.items()
        for kind, curve in own.items()
        for x, y, low, high, n in zip(*(part.tolist() for part in curve), strict=True)
    )
    return _table("evaluate_curves", rows)


def _table(name: str, rows: Iterator[dict[str, Any]]) -> pl.DataFrame:
    """Rows as a table; numbers that are not finite become null."""
    kinds: dict[str, Any] = dict.fromkeys(_TEXTS, pl.Utf8) | dict.fromkeys(_COUNTS, pl.Int64)
    kinds["compared"] = pl.Boolean
    schema = {column: kinds.get(column, pl.Float64) for column in TABLES[name]}
    table = pl.DataFrame(
        [{column: row.get(column) for column in schema} for row in rows], schema=schema
    )
    return table.with_columns(
        pl.when(pl.col(c).is_finite()).then(pl.col(c))
        for c, kind in schema.items()
        if kind == pl.Float64
    )
