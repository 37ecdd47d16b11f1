"""What a trained model says of people, calibrated, and how good that is on those of the test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from genomed.io.traits import Trait
from genomed.models.families import Family, Survival
from genomed.settings import CalibrationSettings
from genomed.stats.binary_metrics import BinaryJudge
from genomed.stats.bootstrap import difference, estimates
from genomed.stats.calibrated import Calibrated
from genomed.stats.calibration import Calibration, Observed, fit_calibration, fit_survival
from genomed.stats.measures import MAIN, Judge, share_interval
from genomed.stats.quantitative_metrics import QuantitativeJudge
from genomed.stats.survival_metrics import SurvivalJudge

__all__ = ["Said", "by_group", "compare_on_test", "measure_on_test", "say"]

METRICS = {
    "set": pl.Utf8, "group": pl.Utf8, "model": pl.Utf8, "measure": pl.Utf8, "n": pl.Int64,
    "value": pl.Float64, "low": pl.Float64, "high": pl.Float64,
}  # fmt: skip
FEWEST = 50  # people of a group, below which it is not measured
DRAWS = 500
EVERYBODY = "all"


@dataclass(frozen=True)
class Said:
    """What a model says of everybody.

    eta         : float64 (n,), linear predictor; of those learned from out of fold
    calibrated  : value, or probability (of the event until the last time at which one was seen),
                  with the interval
    survival    : float64 (n, times), probability of no event until each edge of the family's
                  intervals, of a time to an event
    """

    trait: Trait
    family: Family
    eta: np.ndarray
    calibrated: Calibrated
    calibration: Calibration
    survival: np.ndarray | None = None

    def judge(self, used: np.ndarray) -> Judge | None:
        """Of the people used; None where there are too few, or nothing to tell apart."""
        value = self.trait.value[used]
        if len(value) < FEWEST or (value == value[0]).all():
            return None
        prediction = self.calibrated.prediction[used]
        if self.trait.kind == "quantitative":
            return QuantitativeJudge(value, prediction)
        if self.trait.kind == "binary":
            return BinaryJudge(value, prediction)
        assert isinstance(self.family, Survival)
        assert self.trait.time is not None
        entry = self.trait.entry
        return SurvivalJudge(
            self.trait.time[used], value, prediction,
            entry=None if entry is None else entry[used],
            survival=None if self.survival is None else self.survival[used],
            edges=self.family.edges[1:],
        )  # fmt: skip

    def coverage(self, used: np.ndarray) -> float:
        """Share of the people used whose value lies in its interval; NaN but for numbers."""
        if self.trait.kind != "quantitative" or not used.any():
            return float("nan")
        value = self.trait.value[used]
        low, high = self.calibrated.low[used], self.calibrated.high[used]
        return float(((value >= low) & (value <= high)).mean())


def say(
    trait: Trait,
    family: Family,
    eta: np.ndarray,
    develop: np.ndarray,
    groups: Sequence[str | None],
    *,
    level: float,
    seed: int,
) -> Said:
    """Calibrate a predictor on the people learned from, out of fold, and apply it to everybody.

    Probabilities are at the share of cases learned from, whatever --prevalence is: that is for
    others, and these people are those that the model is judged by.
    """
    if isinstance(family, Survival):
        return _say_times(trait, family, eta, develop, groups, CalibrationSettings(level=level))
    truth = np.where(develop, trait.value, np.nan)
    calibration = fit_calibration(
        trait.kind, eta, truth, groups, settings=CalibrationSettings(level=level), seed=seed
    )
    return Said(trait, family, eta, calibration.apply(eta, groups), calibration)


def _say_times(
    trait: Trait,
    family: Survival,
    eta: np.ndarray,
    develop: np.ndarray,
    groups: Sequence[str | None],
    settings: CalibrationSettings,
) -> Said:
    """The same of a time to an event."""
    used = np.flatnonzero(develop & family.observed & np.isfinite(eta))
    before = np.zeros_like(family.n_at_risk) if family.n_before is None else family.n_before
    found = fit_survival(
        eta[used], Observed(before, family.n_at_risk, family.event).of(used), len(family.baseline),
        [groups[i] for i in used.tolist()], settings,
    )  # fmt: skip
    return Said(trait, family, eta, found.apply(eta, groups), found, found.survival(eta, groups))


def measure_on_test(
    models: dict[str, Said],
    test: np.ndarray,
    groups: dict[str, np.ndarray],
    *,
    seed: int,
    threads: int = 1,
) -> pl.DataFrame:
    """Every measure of every model, for everybody and each group: TABLES["train_metrics"].

    models : name -> what it says; test : bool (n,); groups : name -> bool (n,)
    """
    rows = []
    for name, people in ({EVERYBODY: np.ones_like(test)} | groups).items():
        for model, said in models.items():
            used = test & people & said.trait.observed
            judge = said.judge(used)
            if judge is None:
                continue
            for one in estimates(judge, n_draws=DRAWS, seed=seed, threads=threads):
                numbers = (_known(x) for x in (one.value, one.low, one.high))
                rows.append(("test", name, model, one.name, judge.n, *numbers))
            if said.trait.kind == "quantitative":
                share = said.coverage(used)
                low, high = share_interval(share, judge.n)
                bounds = share, float(low), float(high)
                rows.append(("test", name, model, "coverage", judge.n, *bounds))
    return pl.DataFrame(rows, schema=METRICS, orient="row")


def compare_on_test(
    full: Said, linear: Said, test: np.ndarray, *, seed: int, threads: int = 1
) -> dict[str, Any] | None:
    """The main measure of the full model less that of its linear part, on the same draws of people.

    returns : measure, full, linear, difference, low, high; None without a test
    """
    used = test & full.trait.observed
    first, second = full.judge(used), linear.judge(used)
    if first is None or second is None:
        return None
    main = MAIN[full.trait.kind]
    found = difference(first, second, n_draws=DRAWS, seed=seed, threads=threads)
    at = first.names.index(main)
    values = [float(j.measure(np.ones(j.n, np.int32))[at]) for j in (first, second)]
    return {
        "measure": main, "full": values[0], "linear": values[1],
        "difference": found[at].value, "low": found[at].low, "high": found[at].high,
    }  # fmt: skip


def _known(number: float) -> float | None:
    return number if np.isfinite(number) else None


def by_group(group: np.ndarray, names: list[str]) -> dict[str, np.ndarray]:
    """Each group with its people: bool (n,)."""
    return {name: group == place for place, name in enumerate(names)}
