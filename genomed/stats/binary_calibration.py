"""Probabilities of a binary trait from linear predictors.

One curve for all, logistic (Platt 1999) or isotonic (Ayer 1955), whichever has the lower log loss
on people left out; the isotonic one must be better by more than its standard error. Groups with
enough cases move and stretch it, drawn to it by a prior. Where the disease is rarer or commoner
among those who are scored than among those learned from, log odds are moved by the difference
(King and Zeng 2001, doi:10.1093/oxfordjournals.pan.a004868).

The interval is of the curve: so many of them hold the share of cases among people of the same
predictor and group. It does not tell how sure the predictor itself is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import NormalDist
from typing import Any, NamedTuple, Self

import numpy as np

from genomed.kernels import evaluation
from genomed.settings import CalibrationSettings
from genomed.stats.bootstrap import draw_counts
from genomed.stats.calibrated import Calibrated, finite_array, members, number
from genomed.stats.logistic import expit, fit_logistic, logit

__all__ = ["BinaryCalibration", "GroupCurve", "fit_binary"]

_LIMIT = 20.0  # of a logit
_MOST_KNOTS = 200


class GroupCurve(NamedTuple):
    """How a group departs from the common curve: logit + intercept + slope x (logit - centre).

    v00, v01, v11 : covariance of intercept and slope
    share         : of cases among those learned from
    """

    intercept: float
    slope: float
    v00: float
    v01: float
    v11: float
    share: float
    n_cases: int
    n_controls: int

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """What _asdict has made; KeyError, TypeError or ValueError for anything else."""
        intercept, slope, v00, v01, v11, share = (number(facts, x) for x in cls._fields[:6])
        n_cases, n_controls = int(facts["n_cases"]), int(facts["n_controls"])
        return cls(intercept, slope, v00, v01, v11, share, n_cases, n_controls)


@dataclass(frozen=True)
class BinaryCalibration:
    """A curve from linear predictors to log odds.

    method    : "logistic" or "isotonic"
    knots     : float64 (k,), predictors, ascending; the logistic curve has two and goes on beyond
    log_odds  : float64 (k,), at the knots
    variance  : float64 (k,), of the log odds at the knots; (3,) of the logistic curve: of its
                intercept, of both, of its slope
    centre    : log odds about which groups are stretched
    share     : of cases among those learned from
    losses    : log loss of each method on people left out
    """

    method: str
    level: float
    knots: np.ndarray
    log_odds: np.ndarray
    variance: np.ndarray
    centre: float
    share: float
    n_cases: int
    n_controls: int
    losses: dict[str, float] = field(default_factory=dict)
    groups: dict[str, GroupCurve] = field(default_factory=dict)
    kind: str = "binary"

    def apply(
        self,
        eta: np.ndarray,
        group: Sequence[str | None] | None = None,
        *,
        prevalence: float | Mapping[str, float] | None = None,
    ) -> Calibrated:
        """Probabilities and their intervals.

        eta        : float64 (n,)
        group      : of each person; who is in none that is known has the common curve
        prevalence : among those who are scored, of all or by group; as learned by default. That of
                     all moves everybody alike, which is right where cases were sampled alike in
                     all groups; that of a group moves it from its own share of cases
        """
        eta = np.asarray(eta, np.float64)
        z, variance = self._common(eta)
        of_group = prevalence if isinstance(prevalence, Mapping) else {}
        of_all = None if isinstance(prevalence, Mapping) else prevalence
        moved = np.full(len(eta), _shift(self.share, of_all))
        for name, there in members(group):
            share = self.share
            if name in self.groups:
                one = self.groups[name]
                z[there], variance[there] = self._of_group(one, z[there], variance[there])
                share = one.share
            if name in of_group:
                moved[there] = _shift(share, of_group[name])
        reach = NormalDist().inv_cdf((1 + self.level) / 2) * np.sqrt(variance)
        z = z + moved
        return Calibrated(expit(z), expit(z - reach), expit(z + reach))

    def _common(self, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log odds of the common curve and their variance."""
        if self.method == "isotonic":
            z = np.interp(eta, self.knots, self.log_odds)
            return z, np.interp(eta, self.knots, self.variance)
        (x0, x1), (z0, z1) = self.knots, self.log_odds
        v00, v01, v11 = self.variance
        return z0 + (eta - x0) * (z1 - z0) / (x1 - x0), v00 + 2 * eta * v01 + eta * eta * v11

    def _of_group(
        self, one: GroupCurve, z: np.ndarray, variance: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        apart = z - self.centre
        own = one.v00 + 2 * apart * one.v01 + apart * apart * one.v11
        # A group's curve is nearly its own where it has many cases, and then its variance is too.
        return z + one.intercept + one.slope * apart, np.maximum(own, 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Everything as numbers, text, lists and dictionaries."""
        facts = asdict(self)
        for name in ("knots", "log_odds", "variance"):
            facts[name] = facts[name].tolist()
        facts["groups"] = {name: one._asdict() for name, one in self.groups.items()}
        return facts

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Self:
        """What to_dict has made; KeyError, TypeError or ValueError for anything else."""
        knots = finite_array(facts, "knots", ascending=True)
        log_odds, variance = finite_array(facts, "log_odds"), finite_array(facts, "variance")
        isotonic = facts["method"] == "isotonic"
        if facts["method"] not in ("isotonic", "logistic"):
            raise ValueError(f"no method {facts['method']!r}")
        if len(log_odds) != len(knots) or len(variance) != (len(knots) if isotonic else 3):
            raise ValueError("knots, log odds and variance of a calibration differ in length")
        groups = {str(name): GroupCurve.of(one) for name, one in facts["groups"].items()}
        return cls(
            facts["method"], number(facts, "level"), knots, log_odds, variance,
            number(facts, "centre"), number(facts, "share"), int(facts["n_cases"]),
            int(facts["n_controls"]), {k: number(facts["losses"], k) for k in facts["losses"]},
            groups,
        )  # fmt: skip


def _shift(share: float, prevalence: float | None) -> float:
    """What is added to log odds of people among whom that share was of cases."""
    if prevalence is None:
        return 0.0
    if not 0 < prevalence < 1:
        raise ValueError(f"a prevalence is between 0 and 1, not {prevalence}")
    return float(logit(np.array(prevalence)) - logit(np.array(share)))


def fit_binary(
    eta: np.ndarray,
    case: np.ndarray,
    group: Sequence[str | None] | None,
    settings: CalibrationSettings,
    seed: int,
) -> BinaryCalibration:
    """Learn a curve; a ValueError where there are no cases or no controls, or they separate.

    eta  : float64 (n,), finite
    case : float64 (n,), 1 or 0
    """
    if not np.isin(case, (0.0, 1.0)).all():
        raise ValueError("cases are 1 or 0")
    n_cases = int(case.sum())
    n_controls = len(case) - n_cases
    if not (n_cases and n_controls):
        raise ValueError(f"{n_cases} cases and {n_controls} controls: nothing to calibrate by")
    everybody = np.ones(len(eta), np.int32)
    losses = {"logistic": 0.0}
    method = "logistic"
    if min(n_cases, n_controls) >= settings.min_isotonic:
        losses, method = _compare(eta, case, settings.n_folds, seed)
    if method == "isotonic":
        knots, log_odds = _isotonic(eta, case, everybody)
        draws = [
            np.interp(knots, *_isotonic(eta, case, draw_counts(len(eta), seed, draw)))
            for draw in range(settings.n_draws)
        ]
        variance = np.var(draws, axis=0)
    else:
        knots, log_odds, variance = _logistic(eta, case)
    centre = float(np.interp(np.median(eta), knots, log_odds))
    made = BinaryCalibration(
        method, settings.level, knots, log_odds, variance, centre, n_cases / len(case), n_cases,
        n_controls, losses if len(losses) > 1 else {},
    )  # fmt: skip
    z = made._common(eta)[0]
    groups = {}
    for name, there in members(group):
        n = (int(case[there].sum()), int((1 - case[there]).sum()))
        if min(n) >= settings.min_group_cases:
            groups[name] = _group_curve(z[there], case[there], centre, settings)
    return BinaryCalibration(**{**vars(made), "groups": groups})


def _logistic(eta: np.ndarray, case: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two knots, log odds there, covariance of intercept and slope."""
    fit = fit_logistic(eta, case)
    slope = None
    if not math.isfinite(fit.slope):
        if eta.std() > 0:
            raise ValueError("the predictor separates cases from controls: it has seen the truth")
        slope = 0.0
    elif fit.slope < 0:
        slope = 0.0
    if slope is not None:
        fit = fit_logistic(eta, case, slope=slope)
    sums = np.zeros(6)
    everybody = np.ones(len(eta), np.int32)
    evaluation.sum_logistic(eta, case.astype(np.uint8), everybody, *fit, 0, sums)
    i00, i01, i11 = sums[2:5].tolist()
    if slope is not None:
        covariance = [1 / i00, 0.0, 0.0]
    else:
        size = i00 * i11 - i01 * i01
        covariance = [i11 / size, -i01 / size, i00 / size]
    knots = np.array([float(eta.min()), float(eta.max())])
    if slope is not None:
        knots[1] = knots[0] + 1
    return knots, fit.intercept + fit.slope * knots, np.array(covariance)


def _isotonic(
    eta: np.ndarray, case: np.ndarray, count: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Middles of the blocks of an ascending curve, and log odds there.

    Between the middles the curve is straight (as in Oron and Flournoy 2017,
    doi:10.1080/19466315.2017.1286256), so that no two predictors share a probability; a block's
    share is (cases + 1/2) / (people + 1), so that none is 0 or 1.
    """
    there = count > 0
    x, order = np.unique(eta[there], return_inverse=True)
    weight = np.bincount(order, count[there])
    value = np.bincount(order, count[there] * case[there]) / weight
    mass = weight.copy()
    first = np.zeros(len(x), np.int64)
    n = evaluation.pool_violators(value, weight, first)
    value, weight, first = value[:n], weight[:n], first[:n]
    middle = np.add.reduceat(x * mass, first) / weight
    share = (value * weight + 0.5) / (weight + 1)
    if n > _MOST_KNOTS:
        kept = np.unique(np.linspace(0, n - 1, _MOST_KNOTS).astype(np.int64))
        middle, share = middle[kept], share[kept]
    log_odds = np.maximum.accumulate(np.clip(logit(share), -_LIMIT, _LIMIT))
    return middle, log_odds


def _compare(
    eta: np.ndarray, case: np.ndarray, n_folds: int, seed: int
) -> tuple[dict[str, float], str]:
    """Log losses of both curves on people left out, and which is to be taken."""
    fold = np.random.default_rng((seed, 7)).permutation(len(eta)) % n_folds
    loss = np.zeros((2, len(eta)))
    for one in range(n_folds):
        out = fold == one
        learn, n = ~out, int((~out).sum())
        fit = fit_logistic(eta[learn], case[learn])
        knots, log_odds = _isotonic(eta[learn], case[learn], np.ones(n, np.int32))
        for row, z in enumerate(
            (fit.intercept + fit.slope * eta[out], np.interp(eta[out], knots, log_odds))
        ):
            loss[row, out] = np.logaddexp(0, np.where(case[out] > 0, -z, z))
    gain = loss[0] - loss[1]
    error = gain.std() / math.sqrt(len(gain))
    better = bool(gain.mean() > error)  # False where the logistic one is NaN
    if not np.isfinite(loss[0]).all():
        better = True
    losses = dict(zip(("logistic", "isotonic"), loss.mean(axis=1).tolist(), strict=True))
    return {k: v for k, v in losses.items() if math.isfinite(v)}, (
        "isotonic" if better else "logistic"
    )


def _group_curve(
    z: np.ndarray, case: np.ndarray, centre: float, settings: CalibrationSettings
) -> GroupCurve:
    """The likeliest departure of a group under a normal prior (Newton's steps).

    z    : float64 (n,), log odds of the common curve
    case : float64 (n,)
    """
    apart = np.ascontiguousarray(z - centre)
    status = case.astype(np.uint8)
    everybody = np.ones(len(z), np.int32)
    prior = np.array([settings.prior_intercept**-2, settings.prior_slope**-2])
    found, sums = np.zeros(2), np.zeros(6)
    for _ in range(50):
        evaluation.sum_logistic(apart, status, everybody, centre + found[0], 1 + found[1], 0, sums)
        information = np.array([[sums[2], sums[3]], [sums[3], sums[4]]]) + np.diag(prior)
        step = np.linalg.solve(information, sums[:2] - prior * found)
        found = found + np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-9:
            break
    v = np.linalg.inv(information)
    n_cases = int(case.sum())
    return GroupCurve(
        float(found[0]), float(found[1]), float(v[0, 0]), float(v[0, 1]), float(v[1, 1]),
        n_cases / len(case), n_cases, len(case) - n_cases,
    )  # fmt: skip
