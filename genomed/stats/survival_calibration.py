"""Probabilities of an event by a time from linear predictors.

The logit of the hazard of an interval is its level plus slope x predictor, all fitted at once to
people whom the predictor was not fitted to (a logistic regression on persons and intervals:
Singer and Willett 1993, doi:10.3102/10769986018002155). Groups with enough events move and stretch
the predictor, drawn to it by a prior. The interval is of the curve, by the delta method on the
logit of the probability.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import NormalDist
from typing import Any, NamedTuple, Self

import numpy as np

from genomed.settings import CalibrationSettings
from genomed.stats.calibrated import Calibrated, finite_array, members, number
from genomed.stats.logistic import expit, logit

__all__ = ["GroupHazard", "Observed", "SurvivalCalibration", "fit_survival"]

_MOST_STEPS = 100
_SEPARATED = 1e-8  # information of the slope, per person, below which all is told without fail
_PEOPLE = 1 << 14  # worked on at once


class Observed(NamedTuple):
    """When people were watched, in intervals of time.

    n_before  : int64 (n,), intervals that were over before
    n_at_risk : int64 (n,), the interval after the last at risk, as of genomed.models.families
    event     : bool (n,), whether the last brought the event
    """

    n_before: np.ndarray
    n_at_risk: np.ndarray
    event: np.ndarray

    def of(self, people: np.ndarray | slice) -> Observed:
        """Of some."""
        return Observed(*(x[people] for x in self))

    def at_risk(self, n_intervals: int) -> np.ndarray:
        """bool (n, intervals)."""
        interval = np.arange(n_intervals)
        return (interval >= self.n_before[:, None]) & (interval < self.n_at_risk[:, None])


class GroupHazard(NamedTuple):
    """How a group departs: the logit of its hazards + intercept + slope x (predictor - centre).

    v00, v01, v11 : covariance of intercept and slope
    """

    intercept: float
    slope: float
    v00: float
    v01: float
    v11: float
    n: int
    n_events: int

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """What _asdict has made; KeyError, TypeError or ValueError for anything else."""
        intercept, slope, v00, v01, v11 = (number(facts, name) for name in cls._fields[:5])
        return cls(intercept, slope, v00, v01, v11, int(facts["n"]), int(facts["n_events"]))


@dataclass(frozen=True)
class SurvivalCalibration:
    """Levels of hazards, and what a predictor adds to them.

    baseline   : float64 (t,), logits of the hazards at the predictor 0
    slope      : of the predictor
    covariance : float64 (t + 1, t + 1), of the baseline and the slope
    centre     : slope x predictor about which groups are stretched
    """

    level: float
    baseline: np.ndarray
    slope: float
    covariance: np.ndarray
    centre: float
    n: int
    n_events: int
    groups: dict[str, GroupHazard] = field(default_factory=dict)
    kind: str = "survival"

    def log_hazard(self, eta: np.ndarray, group: Sequence[str | None] | None = None) -> np.ndarray:
        """What is added to the baseline: float64 (n,)."""
        z = self.slope * np.asarray(eta, np.float64)
        for name, there in members(group):
            if name in self.groups:
                one = self.groups[name]
                z[there] += one.intercept + one.slope * (z[there] - self.centre)
        return z

    def survival(self, eta: np.ndarray, group: Sequence[str | None] | None = None) -> np.ndarray:
        """Probability of no event until the end of each interval: float64 (n, t)."""
        z = self.log_hazard(eta, group)
        return np.cumprod(1 - expit(self.baseline + z[:, None]), axis=1)

    def apply(self, eta: np.ndarray, group: Sequence[str | None] | None = None) -> Calibrated:
        """Probability of the event by the end of the last interval, and its interval.

        eta   : float64 (n,)
        group : of each person; who is in none that is known has the common curve
        """
        eta = np.asarray(eta, np.float64)
        z = self.log_hazard(eta, group)
        hazard = expit(self.baseline + z[:, None])  # (n, t)
        risk = -np.expm1(np.log1p(-hazard).sum(axis=1))
        # The logit of the risk rises by hazard / risk with the level of an interval.
        gradient = hazard / np.maximum(risk, 1e-300)[:, None]
        total = gradient.sum(axis=1)
        common = np.concatenate([gradient, (total * eta)[:, None]], axis=1)
        variance = np.einsum("ni,ij,nj->n", common, self.covariance, common)
        for name, there in members(group):
            if name in self.groups:
                one, apart = self.groups[name], self.slope * eta[there] - self.centre
                own = one.v00 + 2 * apart * one.v01 + apart * apart * one.v11
                variance[there] = np.maximum(own, 0.0) * total[there] ** 2
        reach = NormalDist().inv_cdf((1 + self.level) / 2) * np.sqrt(variance)
        middle = logit(risk)
        return Calibrated(risk, expit(middle - reach), expit(middle + reach))

    def to_dict(self) -> dict[str, Any]:
        """Everything as numbers, text, lists and dictionaries."""
        facts = asdict(self)
        facts["baseline"] = self.baseline.tolist()
        facts["covariance"] = self.covariance.ravel().tolist()
        facts["groups"] = {name: one._asdict() for name, one in self.groups.items()}
        return facts

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Self:
        """What to_dict has made; KeyError, TypeError or ValueError for anything else."""
        baseline, covariance = finite_array(facts, "baseline"), finite_array(facts, "covariance")
        n = len(baseline) + 1
        if len(covariance) != n * n:
            raise ValueError("the covariance of a calibration does not fit its baseline")
        groups = {str(name): GroupHazard.of(one) for name, one in facts["groups"].items()}
        return cls(
            number(facts, "level"), baseline, number(facts, "slope"), covariance.reshape(n, n),
            number(facts, "centre"), int(facts["n"]), int(facts["n_events"]), groups,
        )  # fmt: skip


def fit_survival(
    eta: np.ndarray,
    observed: Observed,
    n_intervals: int,
    group: Sequence[str | None] | None = None,
    settings: CalibrationSettings | None = None,
) -> SurvivalCalibration:
    """Learn a calibration from people whom the predictor was not fitted to.

    eta : float64 (n,), finite; observed : of the same people
    Raises ValueError without any event, or where the predictor tells it without fail.
    """
    settings = settings or CalibrationSettings()
    eta = np.asarray(eta, np.float64)
    n_events = int(observed.event.sum())
    if not n_events:
        raise ValueError("no event: nothing to calibrate by")
    baseline, slope, covariance = _fit(eta, observed, n_intervals)
    if slope < 0:
        baseline, slope, covariance = _fit(np.zeros(len(eta)), observed, n_intervals)
    z = slope * eta
    centre = float(np.median(z)) if len(z) else 0.0
    groups = {}
    for name, there in members(group):
        mine = observed.of(there)
        if min(mine.event.sum(), (~mine.event).sum()) >= settings.min_group_cases:
            groups[name] = _group(z[there], mine, baseline, centre, settings)
    return SurvivalCalibration(
        settings.level, baseline, slope, covariance, centre, len(eta), n_events, groups
    )


def _fit(
    eta: np.ndarray, observed: Observed, n_intervals: int
) -> tuple[np.ndarray, float, np.ndarray]:
    """Levels and slope of largest likelihood, and their covariance.

    An interval without an event takes half an event, as it could not be estimated otherwise; so
    does one in which all had it. One in which nobody is at risk has the level of that before it.
    """
    n = observed.at_risk(n_intervals).sum(axis=0)
    known = np.flatnonzero(n > 0)
    n_events = np.bincount(observed.n_at_risk[observed.event] - 1, minlength=n_intervals)
    target = np.clip(n_events, 0.5, np.maximum(n - 0.5, 0.5))[known]
    mean, spread = float(eta.mean()), float(eta.std())
    if not spread > 1e-12 * max(abs(mean), 1e-300):
        spread = 0.0
    x = (eta - mean) / spread if spread else np.zeros(len(eta))
    with_event = float(x[observed.event].sum())
    level, slope = np.zeros(n_intervals), 0.0
    level[known] = logit(target / n[known])
    for _ in range(_MOST_STEPS):
        hazards, weights, by_x, by_square = (
            s[..., known] for s in _sums(x, observed, level, slope)
        )
        weights = np.maximum(weights, 1e-9)
        across = max(float(by_square.sum() - (by_x**2 / weights).sum()), 1e-9)
        gap, rest = target - hazards[0], with_event - float(hazards[1].sum())
        step = float(np.clip((rest - (by_x / weights) @ gap) / across, -1, 1)) if spread else 0.0
        moved = np.clip((gap - by_x * step) / weights, -2, 2)
        level[known] += moved
        slope += step
        if spread and across < _SEPARATED * len(eta):
            raise ValueError("the predictor separates who has the event: it has seen the truth")
        if max(abs(step), float(np.abs(moved).max())) < 1e-9:
            break
    covariance = _covariance(weights, by_x, across, spread > 0)
    # From standard deviations of the predictor to its own units.
    scale = 1 / spread if spread else 0.0
    turn = np.eye(len(known) + 1)
    turn[:-1, -1], turn[-1, -1] = -mean * scale, scale
    covariance = turn @ covariance @ turn.T
    place = np.maximum(np.searchsorted(known, np.arange(n_intervals), "right") - 1, 0)
    rows = np.append(place, len(known))
    baseline = level[known][place] - slope * scale * mean
    return baseline, slope * scale, covariance[np.ix_(rows, rows)]


def _covariance(weights: np.ndarray, by_x: np.ndarray, across: float, varies: bool) -> np.ndarray:
    """Inverse of the information, which is diagonal but for the slope: float64 (t + 1, t + 1)."""
    t = len(weights)
    out = np.zeros((t + 1, t + 1))
    out[:t, :t] = np.diag(1 / weights)
    if varies:
        tilt = by_x / weights
        out[:t, :t] += np.outer(tilt, tilt) / across
        out[:t, t] = out[t, :t] = -tilt / across
        out[t, t] = 1 / across
    return out


def _sums(
    x: np.ndarray, observed: Observed, level: np.ndarray, slope: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sums over people at risk, interval by interval: of hazards and hazards times x (2, t), of
    information (t,), of information times x (t,), of information times x squared (t,)."""
    hazards, information = np.zeros((2, len(level))), np.zeros((3, len(level)))
    for first in range(0, len(x), _PEOPLE):
        some = slice(first, first + _PEOPLE)
        mine = x[some]
        hazard = expit(level + (slope * mine)[:, None])
        hazard *= observed.of(some).at_risk(len(level))
        each = hazard * (1 - hazard)
        hazards += np.stack([hazard.sum(axis=0), mine @ hazard])
        information += np.stack([each.sum(axis=0), mine @ each, (mine * mine) @ each])
    return hazards, information[0], information[1], information[2]


def _group(
    z: np.ndarray,
    observed: Observed,
    baseline: np.ndarray,
    centre: float,
    settings: CalibrationSettings,
) -> GroupHazard:
    """The likeliest departure of a group under a normal prior (Newton's steps).

    z : float64 (n,), slope x predictor
    """
    at_risk, apart = observed.at_risk(len(baseline)), z - centre
    prior = np.array([settings.prior_intercept**-2, settings.prior_slope**-2])
    found = np.zeros(2)
    for _ in range(50):
        move = found[0] + found[1] * apart
        hazard = expit(baseline + (z + move)[:, None]) * at_risk
        residual = observed.event - hazard.sum(axis=1)
        each = (hazard * (1 - hazard)).sum(axis=1)
        cross = float(each @ apart)
        information = np.array([[each.sum(), cross], [cross, each @ apart**2]]) + np.diag(prior)
        gradient = np.array([residual.sum(), residual @ apart]) - prior * found
        step = np.clip(np.linalg.solve(information, gradient), -1, 1)
        found = found + step
        if np.abs(step).max() < 1e-9:
            break
    v = np.linalg.inv(information)
    return GroupHazard(
        float(found[0]), float(found[1]), float(v[0, 0]), float(v[0, 1]), float(v[1, 1]), len(z),
        int(observed.event.sum()),
    )  # fmt: skip
