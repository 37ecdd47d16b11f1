"""What is drawn of predictions: ROC, precision and recall, calibration, tenths, net benefit."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from genomed.stats.binary_metrics import calibration_bins
from genomed.stats.measures import share_interval

__all__ = ["Curve", "calibration_curve", "net_benefit_curve", "precision_recall", "roc", "tenths"]

MOST_POINTS = 240


class Curve(NamedTuple):
    """Points of a curve.

    x, y      : float64 (points,)
    low, high : float64 (points,), ends of the intervals of y; NaN without
    n         : int64 (points,), people of a point; 0 where it is not of some people only
    """

    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: np.ndarray


def _line(x: np.ndarray, y: np.ndarray) -> Curve:
    nothing = np.full(len(x), np.nan)
    return Curve(x, y, nothing, nothing, np.zeros(len(x), np.int64))


def _ranked(case: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cases and controls at or above each distinct prediction, highest first; from 0 on."""
    order = np.argsort(-prediction, kind="stable")
    last = np.append(np.diff(prediction[order]) != 0, True)
    true = np.cumsum(case[order])[last]
    all_above = np.flatnonzero(last) + 1
    return np.append(0.0, true), np.append(0.0, all_above - true)


def _thinned(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Places of the points that are kept: even steps along the curve, both ends among them."""
    if len(x) <= MOST_POINTS:
        return np.arange(len(x))
    along = np.append(0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
    steps = np.linspace(0, along[-1], MOST_POINTS)
    return np.unique(np.append(np.searchsorted(along, steps), [0, len(x) - 1]).clip(0, len(x) - 1))


def roc(case: np.ndarray, prediction: np.ndarray) -> Curve:
    """Share of controls (x) and of cases (y) at or above each prediction.

    case : float64 (n,), 1 or 0, both there
    """
    true, false = _ranked(case, prediction)
    x, y = false / false[-1], true / true[-1]
    kept = _thinned(x, y)
    return _line(x[kept], y[kept])


def precision_recall(case: np.ndarray, prediction: np.ndarray) -> Curve:
    """Share of the cases found (x) and of cases among those found (y)."""
    true, false = (part[1:] for part in _ranked(case, prediction))
    x, y = true / true[-1], true / (true + false)
    kept = _thinned(x, y)
    return _line(x[kept], y[kept])


def calibration_curve(truth: np.ndarray, prediction: np.ndarray, n_bins: int) -> Curve:
    """Mean prediction (x) and mean truth (y) of bins of equal size, with intervals of 95%.

    truth : float64 (n,), 1 or 0, or numbers; intervals are Wilson's (1927) or normal ones
    """
    bins = calibration_bins(prediction, n_bins)
    n = np.bincount(bins)
    x, y = np.bincount(bins, prediction) / n, np.bincount(bins, truth) / n
    low, high = _intervals(truth, bins, n, y)
    return Curve(x, y, low, high, n.astype(np.int64))


def tenths(truth: np.ndarray, prediction: np.ndarray) -> Curve:
    """Mean truth (y) of each tenth (x, from 1) of the prediction, with intervals of 95%."""
    found = calibration_curve(truth, prediction, 10)
    return found._replace(x=np.arange(1.0, len(found.y) + 1))


def _intervals(
    truth: np.ndarray, bins: np.ndarray, n: np.ndarray, mean: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    if np.isin(truth, (0.0, 1.0)).all():
        return share_interval(mean, n)
    z = NormalDist().inv_cdf(0.975)
    squares = np.bincount(bins, (truth - mean[bins]) ** 2)
    error = np.sqrt(squares / np.maximum(n - 1, 1) / n)
    error[n < 2] = math.nan
    return mean - z * error, mean + z * error


def net_benefit_curve(
    case: np.ndarray, probability: np.ndarray, prevalence: float | None = None
) -> tuple[Curve, Curve]:
    """Net benefit (y) of treating those above each threshold (x), and of treating all.

    prevalence : in the population; the share of cases by default
    source     : Vickers and Elkin 2006, doi:10.1177/0272989X06295361
    """
    share = float(case.mean()) if prevalence is None else prevalence
    most = min(0.99, max(0.02, float(np.quantile(probability, 0.99)) * 1.2))
    x = np.linspace(0.0, most, 101)
    cases, controls = np.sort(probability[case == 1]), np.sort(probability[case == 0])
    recall = 1 - np.searchsorted(cases, x, "left") / len(cases)
    fallout = 1 - np.searchsorted(controls, x, "left") / len(controls)
    odds = x / (1 - x)
    model = recall * share - fallout * (1 - share) * odds
    return _line(x, model), _line(x, share - (1 - share) * odds)
