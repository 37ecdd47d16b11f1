"""Contributions of many people, a few at a time -> how much each input moves, and which way."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

__all__ = ["ContributionSums", "mean_agreement", "rank_agreement"]


class ContributionSums:
    """Sums over people of what `n_rows` inputs add to a predictor.

    All inputs of a predictor together have a share of 1: the share of one is the covariance of what
    it adds with the predictor, over the predictor's variance. It is below 0 where an input moves
    people against the others.
    """

    def __init__(self, n_rows: int) -> None:
        self.n = 0
        self.absolute, self.total, self.product = (np.zeros(n_rows) for _ in range(3))
        self.eta = self.eta_square = 0.0
        self.called = np.zeros((4, n_rows))  # people, copies, squares of copies, contributions
        self.by_copies = np.zeros(n_rows)

    def add(self, value: np.ndarray, eta: np.ndarray, codes: np.ndarray | None = None) -> None:
        """Add people.

        value : float64 (rows, n); eta : float64 (n,), their predictors less the base value
        codes : uint8 (rows, n), copies of ALT, 3 not called; None where inputs are no variants
        """
        self.n += value.shape[1]
        self.absolute += np.abs(value).sum(axis=1)
        self.total += value.sum(axis=1)
        self.product += value @ eta
        self.eta += float(eta.sum())
        self.eta_square += float(eta @ eta)
        if codes is None:
            return
        called = codes < 3
        copies = np.where(called, codes, 0).astype(np.float64)
        self.called += np.stack(
            [called.sum(axis=1), copies.sum(axis=1), (copies**2).sum(axis=1),
             np.where(called, value, 0.0).sum(axis=1)]
        )  # fmt: skip
        self.by_copies += (value * copies).sum(axis=1)

    @property
    def mean_absolute(self) -> np.ndarray:
        """Mean over people of the size of a contribution: float64 (rows,)."""
        return np.asarray(self.absolute / max(self.n, 1))

    @property
    def share(self) -> np.ndarray:
        """Share of the predictor's variance: float64 (rows,), NaN where it does not vary."""
        variance = self.eta_square - self.eta**2 / max(self.n, 1)
        covariance = self.product - self.total * self.eta / max(self.n, 1)
        if not variance > 1e-12 * max(self.eta_square, 1e-300):
            return np.full(len(self.total), np.nan)
        return np.asarray(covariance / variance)

    @property
    def slope(self) -> np.ndarray:
        """Contribution by copies of ALT among those called, a straight line: float64 (rows,), NaN
        where the calls do not vary."""
        n, copies, squares, value = self.called
        with np.errstate(invalid="ignore", divide="ignore"):
            spread = squares - copies**2 / n
            slope = (self.by_copies - copies * value / n) / spread
        return np.where(spread > 1e-9, slope, np.nan)


def rank_agreement(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's correlation of two lists of numbers; NaN where one does not vary."""
    a, b = (rankdata(np.ravel(one)) for one in (first, second))
    a, b = a - a.mean(), b - b.mean()
    size = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / size) if size > 0 else float("nan")


def mean_agreement(members: np.ndarray) -> float:
    """Mean of Spearman's correlations of all pairs of members: (members, ...); NaN for one."""
    k = len(members)
    found = [rank_agreement(members[i], members[j]) for i in range(k) for j in range(i)]
    known = [one for one in found if np.isfinite(one)]
    return float(np.mean(known)) if known else float("nan")
