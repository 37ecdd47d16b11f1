"""How well test people are predicted, and paired bootstrap intervals of differences.

Squared correlations keep the sign of the correlation, so that a prediction that points the wrong
way does not count for itself. Written here and not taken from genomed, whose figures it judges.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

ECE_BINS = 10


class Interval(NamedTuple):
    """An estimate and its 95% bootstrap interval."""

    value: float
    low: float
    high: float


def r2(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Squared correlation with its sign; 0 when the prediction is constant."""
    if np.ptp(prediction) == 0 or np.ptp(truth) == 0:
        return 0.0
    correlation = float(np.corrcoef(prediction, truth)[0, 1])
    return correlation * abs(correlation)


def auroc(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Share of pairs of a case and a control that are ordered rightly; NaN without both."""
    cases = truth == 1
    n_cases, n_controls = int(cases.sum()), int((~cases).sum())
    if not n_cases or not n_controls:
        return float("nan")
    ranks = rankdata(prediction)
    return float((ranks[cases].sum() - n_cases * (n_cases + 1) / 2) / (n_cases * n_controls))


def ece(probability: np.ndarray, truth: np.ndarray) -> float:
    """Expected calibration error over ten bins of as many people each."""
    order = np.argsort(probability, kind="stable")
    gaps = [
        len(part) * abs(float(probability[part].mean() - truth[part].mean()))
        for part in np.array_split(order, ECE_BINS)
        if len(part)
    ]
    return sum(gaps) / len(truth)


def coverage(low: np.ndarray, high: np.ndarray, truth: np.ndarray) -> float:
    """Share of people within their interval."""
    return float(np.mean((low <= truth) & (truth <= high)))


MEASURES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {"r2": r2, "auroc": auroc}


def worst(
    measure: Callable[[np.ndarray, np.ndarray], float],
    prediction: np.ndarray,
    truth: np.ndarray,
    group: np.ndarray,
) -> float:
    """The least of a measure over groups."""
    parts = (group == name for name in np.unique(group))
    return min(measure(prediction[part], truth[part]) for part in parts)


def paired_bootstrap(
    measure: Callable[[np.ndarray, np.ndarray], float],
    ours: Sequence[np.ndarray],
    theirs: Sequence[np.ndarray],
    truths: Sequence[np.ndarray],
    n: int,
    seed: int = 1,
) -> Interval:
    """Mean over runs of ours less theirs; people are drawn anew within each run.

    ours, theirs, truths : one array (people,) a run
    """
    rng = np.random.default_rng(seed)
    gains = np.empty((n, len(truths)))
    point = []
    for run, (a, b, truth) in enumerate(zip(ours, theirs, truths, strict=True)):
        point.append(measure(a, truth) - measure(b, truth))
        for i in range(n):
            drawn = rng.integers(len(truth), size=len(truth))
            gains[i, run] = measure(a[drawn], truth[drawn]) - measure(b[drawn], truth[drawn])
    low, high = np.nanquantile(gains.mean(axis=1), [0.025, 0.975])
    return Interval(float(np.mean(point)), float(low), float(high))
