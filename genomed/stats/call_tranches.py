"""Tranches of calls: scores above which a given share of the true calls lies.

Which calls are true is told by a set of known variants, or, without one, by the probabilities
themselves: the calls above a score hold so many true ones as their probabilities add up to.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

__all__ = ["tranche_labels", "tranche_thresholds"]


def tranche_thresholds(
    score: np.ndarray, weight: np.ndarray, percents: Sequence[float]
) -> list[float]:
    """Least score of each tranche.

    score    : float64 (calls,), higher is better; NaN is left out
    weight   : float64 (calls,), whether a call is known to be true (0 or 1), or its probability
    percents : shares of the true calls, 0 to 100, that the tranche and those above it hold
    returns  : a score per percentage: at least that share of the weight has it or a higher one;
               -inf where no call has weight
    raises   : ValueError for a percentage outside 0 to 100
    """
    if any(not 0 < percent <= 100 for percent in percents):
        raise ValueError(f"{list(percents)} are not percentages above 0, up to 100")
    known = ~np.isnan(score) & (weight > 0)
    order = np.argsort(-score[known], kind="stable")
    ranked = score[known][order]
    total = np.cumsum(weight[known][order])
    if not len(total):
        return [-np.inf] * len(percents)
    needed = np.array(percents) / 100 * total[-1] * (1 - 1e-12)
    return [float(one) for one in ranked[np.searchsorted(total, needed)]]


def tranche_labels(
    score: np.ndarray, thresholds: Sequence[float], percents: Sequence[float], kind: str
) -> list[str]:
    """FILTER of each call: PASS in the first tranche, "" for NaN, else CNN_KIND_FROM_TO.

    percents : rising, with their thresholds; calls below the last are in the tranche up to 100
    """
    names = ["PASS"]
    bounds = [*percents, 100.0]
    names += [f"CNN_{kind}_{low:.2f}_{high:.2f}" for low, high in itertools.pairwise(bounds)]
    falling = -np.array(thresholds, np.float64)
    place = np.searchsorted(falling, -np.nan_to_num(score), side="left")
    return ["" if lacking else names[k] for k, lacking in zip(place, np.isnan(score), strict=True)]
