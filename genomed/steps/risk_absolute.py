"""`genomed risk --incidence`: absolute risk by age, from one bundle's predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl

from genomed.errors import InputError, UsageError
from genomed.io.incidence import SEXES, Incidence, read_incidence
from genomed.io.sample_table import read_store_table
from genomed.scores.absolute import RelativeRisk, baseline_hazards, cumulative_risk, is_age
from genomed.scores.deep import BundleScore, DeepSums
from genomed.scores.deep_outcome import Outcome
from genomed.steps.bundle_people import BundlePeople
from genomed.tables import TABLES

__all__ = ["AbsoluteRisk", "absolute_risk", "check_one_event", "check_prevalence"]


@dataclass(frozen=True)
class AbsoluteRisk:
    """The columns of TABLES["absolute_risk"], and what is to be said."""

    table: pl.DataFrame
    warnings: list[str] = field(default_factory=list)


def check_one_event(scores: Sequence[BundleScore]) -> BundleScore:
    """The one bundle of the run that predicts an event."""
    events = [score for score in scores if score.risk.kind != "quantitative"]
    if len(events) != 1:
        names = ", ".join(score.name for score in events) or "none"
        raise UsageError(
            f"--incidence is for one bundle that predicts an event; the run has {len(events)} "
            f"({names})"
        )
    return events[0]


def check_prevalence(scores: Sequence[BundleScore], prevalence: float) -> None:
    """Raise a UsageError unless one calibrated bundle of cases and controls can take it."""
    binary = [score for score in scores if score.risk.kind == "binary"]
    if not 0 < prevalence < 1:
        raise UsageError(f"--prevalence is a share between 0 and 1, not {prevalence:g}")
    if len(binary) != 1:
        names = ", ".join(score.name for score in binary) or "none"
        raise UsageError(
            f"--prevalence is for one bundle of cases and controls; the run has {len(binary)} "
            f"({names})"
        )
    if not binary[0].bundle.facts.get("calibration"):
        raise UsageError(
            f"--prevalence: {binary[0].name} is not calibrated, so the share of cases that it was "
            "learned from is not known; leave it away"
        )


def absolute_risk(
    path: Path,
    score: BundleScore,
    outcome: Outcome,
    sums: DeepSums,
    people: BundlePeople,
    samples: Sequence[str],
    told: np.ndarray,
    covariates: Path | None,
) -> AbsoluteRisk:
    """Absolute risks of everybody who has a prediction.

    outcome : what the bundle's predictor means; told : bool (samples,), who has a prediction
    """
    incidence = read_incidence(path)
    sex, warnings = _sexes(incidence, samples, covariates)
    design = people.design
    age = is_age(design.names)
    if age.any():
        names = ", ".join(name for name, told in zip(design.names, age, strict=True) if told)
        warnings.append(
            f"{score.name}: everybody is taken to be of average age in the relative risk ({names}),"
            " as the incidence tells what age does."
        )
    try:
        risk = RelativeRisk.of(outcome, score.bundle.facts["spread"])
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"{score.name}: does not say how its predictor is spread; train it again with this "
            "version for --incidence"
        ) from None
    ageless = replace(design, matrix=np.where(age, np.float32(0), design.matrix))
    eta = sums.predict(ageless, dated=people.sequences).full
    relative = np.where(told, risk.apply(eta), np.nan)
    frames = [
        _frame(score.name, samples, np.flatnonzero(sex == name), relative, rates, risk)
        for name, rates in incidence.items()
    ]
    table = pl.concat(frames).sort("place", "age").drop("place")
    return AbsoluteRisk(table.select(*TABLES["absolute_risk"]), warnings)


def _frame(
    name: str,
    samples: Sequence[str],
    people: np.ndarray,
    relative: np.ndarray,
    rates: Incidence,
    risk: RelativeRisk,
) -> pl.DataFrame:
    hazards = baseline_hazards(rates.edges, rates.rate, risk)
    found = cumulative_risk(relative[people], hazards)[:, 1:]
    population = -np.expm1(-np.cumsum(rates.rate * np.diff(rates.edges)))
    ages, n = rates.edges[1:], len(people)
    return pl.DataFrame(
        {
            "place": np.repeat(people, len(ages)),
            "sample": pl.Series([samples[i] for i in people.tolist() for _ in ages], dtype=pl.Utf8),
            "model": pl.Series([name] * (n * len(ages)), dtype=pl.Utf8),
            "age": np.tile(ages, n),
            "relative_risk": np.repeat(relative[people], len(ages)),
            "absolute_risk": found.reshape(-1),
            "population_risk": np.tile(population, n),
        }
    ).with_columns(pl.col(pl.Float64).fill_nan(None))


def _sexes(
    incidence: Mapping[str, Incidence], samples: Sequence[str], covariates: Path | None
) -> tuple[np.ndarray, list[str]]:
    """Which rates are each person's: text (samples,); "?" for nobody's."""
    if "" in incidence:
        return np.full(len(samples), ""), []
    found = np.full(len(samples), "?", "<U6")
    if covariates is not None and len(samples):
        frame = read_store_table(covariates, samples).frame
        column = next((c for c in frame.columns if c.lower() == "sex"), None)
        if column is not None:
            found = np.array([SEXES.get((x or "").lower(), "?") for x in frame[column]])
    unknown = int((~np.isin(found, list(incidence))).sum())
    said = f"{unknown} people have no absolute risk: their sex, or its incidence, is not known."
    return found, [said] if unknown else []
