"""Logits, and logistic regression on one variable, of people counted so often."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from genomed.kernels import evaluation

__all__ = ["SMALLEST", "Logistic", "Refit", "expit", "fit_logistic", "logit"]

SMALLEST = 1e-12  # distance of a probability from 0 and 1, in logarithms
_MOST_STEPS = 25
_SHORT = 0.03  # of a step, in logits
_LARGE = 20_000  # people
_SEPARATED = 50.0  # a slope per standard deviation beyond which cases and controls are separate


def logit(probability: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)), of probabilities kept away from 0 and 1: float64."""
    p = np.clip(np.asarray(probability, np.float64), SMALLEST, 1 - SMALLEST)
    return np.asarray(np.log(p) - np.log1p(-p))


def expit(eta: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-eta)): float64."""
    return np.asarray(1 / (1 + np.exp(-np.clip(eta, -evaluation.FAR, evaluation.FAR))))


class Logistic(NamedTuple):
    """A logistic regression on one variable; NaN where cases and controls are separate."""

    intercept: float
    slope: float


NOTHING = Logistic(math.nan, math.nan)


def fit_logistic(
    eta: np.ndarray,
    case: np.ndarray,
    count: np.ndarray | None = None,
    *,
    slope: float | None = None,
) -> Logistic:
    """Fit log odds = intercept + slope x eta by maximum likelihood (Newton's steps).

    eta   : float64 (n,), finite
    case  : bool (n,)
    count : int32 (n,), how often each counts
    slope : value to hold it at
    """
    case = np.ascontiguousarray(case, np.uint8)
    eta = np.ascontiguousarray(eta, np.float64)
    count = np.ones(len(eta), np.int32) if count is None else count
    n, n_cases = float(count.sum()), float(count[case > 0].sum())
    spread = float(eta.std()) if len(eta) else 0.0
    if not 0 < n_cases < n or (slope is None and spread == 0):
        return NOTHING
    share = math.log(n_cases / (n - n_cases))
    a, b = (share, 0.0) if slope is None else (share - slope * float(eta.mean()), slope)
    sums, before, step = np.zeros(6), -math.inf, (0.0, 0.0)
    for _ in range(_MOST_STEPS):
        evaluation.sum_logistic(eta, case, count, a, b, 1, sums)
        if sums[5] < before - 1e-9 * abs(before):  # too far: half the way back
            step = (step[0] / 2, step[1] / 2)
            a, b = a - step[0], b - step[1]
            continue
        before = float(sums[5])
        step = _step(sums, slope is None)
        a, b = a + step[0], b + step[1]
        if not math.isfinite(a) or (slope is None and abs(b) * spread > _SEPARATED):
            return NOTHING
        if abs(step[0]) + abs(step[1]) * spread < 1e-7:
            return Logistic(a, b)
    return NOTHING


class Refit:
    """The same regression for many draws of the same people.

    From the fit to the sample, one of Newton's steps needs no exponentials. In large samples, where
    it is short, what it misses is a hundredth of itself, and it is enough; else exact ones follow.

    eta, case, slope : as in fit_logistic
    """

    def __init__(self, eta: np.ndarray, case: np.ndarray, *, slope: float | None = None) -> None:
        self.eta = np.ascontiguousarray(eta, np.float64)
        self.case = np.ascontiguousarray(case, np.uint8)
        self.slope = slope
        self.whole = fit_logistic(self.eta, self.case, slope=slope)
        self.spread = float(self.eta.std()) if len(self.eta) else 0.0
        p = expit(self.whole.intercept + self.whole.slope * self.eta)
        self.residual, self.weight = self.case - p, p * (1 - p)

    def fit(self, count: np.ndarray) -> Logistic:
        """Of people counted so often: int32 (n,)."""
        sums = np.zeros(6)
        evaluation.sum_fitted(self.eta, self.residual, self.weight, count, sums)
        first = _step(sums, self.slope is None)
        a, b = self.whole.intercept + first[0], self.whole.slope + first[1]
        size = abs(first[0]) + abs(first[1]) * self.spread
        if size < _SHORT and len(self.eta) >= _LARGE:
            return Logistic(a, b)
        if not size < 0.5:  # few people, or NaN
            return fit_logistic(self.eta, self.case, count, slope=self.slope)
        for _ in range(_MOST_STEPS):
            evaluation.sum_logistic(self.eta, self.case, count, a, b, 0, sums)
            step = _step(sums, self.slope is None)
            a, b = a + step[0], b + step[1]
            size = abs(step[0]) + abs(step[1]) * self.spread
            if size < 1e-3:  # the next would be its square
                return Logistic(a, b)
            if not size < 1:
                break
        return fit_logistic(self.eta, self.case, count, slope=self.slope)


def _step(sums: np.ndarray, free: bool) -> tuple[float, float]:
    """Newton's step of the intercept, and of the slope where it is free."""
    s0, s1, i00, i01, i11 = sums[:5].tolist()
    if not free:
        return (s0 / i00 if i00 > 0 else math.nan), 0.0
    size = i00 * i11 - i01 * i01
    if not size > 1e-14 * i00 * i11:
        return math.nan, math.nan
    return (i11 * s0 - i01 * s1) / size, (i00 * s1 - i01 * s0) / size
