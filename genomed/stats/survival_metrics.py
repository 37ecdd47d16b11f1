"""Measures of predicted times to an event; genomed.stats.measures says what they are."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from genomed.kernels import evaluation
from genomed.stats.measures import ratio

__all__ = ["SurvivalJudge", "censoring_curve"]

_LEAST = 0.01  # share still observed; weights of later times would decide alone
_BINS = 10  # of people, by their predicted risk
_SMALLEST = 1e-12  # probability of survival


def censoring_curve(time: np.ndarray, event: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Kaplan-Meier curve of staying observed, where an event at the same time comes first.

    time    : float64 (n,)
    event   : bool (n,)
    returns : the distinct times, ascending, and the share observed beyond each: float64 each
    """
    order = np.argsort(time, kind="stable")
    times, first = np.unique(time[order], return_index=True)
    last = np.append(first[1:], len(time))
    ended = np.concatenate([[0], np.cumsum(~event[order])])
    happened = np.concatenate([[0], np.cumsum(event[order])])
    n_censored = ended[last] - ended[first]
    at_risk = len(time) - first - (happened[last] - happened[first])
    staying = 1 - np.divide(n_censored, at_risk, out=np.zeros(len(times)), where=at_risk > 0)
    return times, np.cumprod(staying)


class SurvivalJudge:
    """Predictions of who has an event early.

    time       : float64 (n,), of the event or the end of observation
    event      : bool (n,)
    prediction : float64 (n,), finite; higher is earlier
    entry      : float64 (n,), when observation began, below `time`; None where it was at 0
    survival   : float64 (n, t), predicted probability of no event until each time of `edges`
    edges      : float64 (t,), ascending; those after nearly nobody is observed are left out
    """

    names = ("c_index", "integrated_brier", "integrated_calibration", "observed_expected")

    def __init__(
        self,
        time: np.ndarray,
        event: np.ndarray,
        prediction: np.ndarray,
        *,
        entry: np.ndarray | None = None,
        survival: np.ndarray | None = None,
        edges: np.ndarray | None = None,
    ) -> None:
        time = np.ascontiguousarray(time, np.float64)
        happened = np.asarray(event, np.float64)
        prediction = np.asarray(prediction, np.float64)
        if not (time.shape == happened.shape == prediction.shape) or time.ndim != 1:
            raise ValueError("time, event and prediction must be of the same people")
        if not (np.isfinite(time).all() and np.isfinite(prediction).all()):
            raise ValueError("times and predictions must be finite")
        if not np.isin(happened, (0.0, 1.0)).all():
            raise ValueError("an event is 1 or 0")
        self.n = len(time)
        self.event = happened.astype(np.uint8)
        self.time = time
        self.entry = np.zeros(0) if entry is None else np.ascontiguousarray(entry, np.float64)
        # the latest first; at one time, those without the event come first
        self._by_time = np.lexsort((self.event, -time)).astype(np.int32)
        self._by_entry = np.argsort(-self.entry, kind="stable").astype(np.int32)
        distinct, rank = np.unique(prediction, return_inverse=True)
        self._rank, self._n_ranks = rank.astype(np.int32), len(distinct)
        self._losses: np.ndarray | None = None
        self._bins: _Bins | None = None
        self._within: tuple[np.ndarray, np.ndarray] | None = None
        self._why_no_loss = self._why_no_ratio = "no probabilities of survival were given"
        if survival is not None and edges is not None:
            survival, edges = np.asarray(survival), np.asarray(edges, np.float64)
            self._losses = self._integrate(survival, edges)
            self._within = self._count_events(survival, edges)
            self._why_no_ratio = "no event is expected"

    def _integrate(self, survival: np.ndarray, edges: np.ndarray) -> np.ndarray | None:
        """Each person's part of the integrated Brier score: float64 (n,)."""
        if survival.shape != (self.n, len(edges)):
            raise ValueError(f"survival {survival.shape} is not of {self.n} people x {len(edges)}")
        if len(self.entry) and (self.entry > 0).any():
            self._why_no_loss = "not defined here where people enter later than at 0"
            return None
        times, observed = censoring_curve(self.time, self.event > 0)
        if not self.n:
            return None
        observed = np.append(1.0, observed)  # at place p: beyond the first p distinct times
        place = np.searchsorted(times, edges, "right")
        kept = (observed[place] >= _LEAST) & (edges <= self.time.max())
        if kept.sum() < 2:
            self._why_no_loss = "fewer than two times at which people are still observed"
            return None
        edges, survival = edges[kept], survival[:, kept]
        beyond = observed[place[kept]]
        before = observed[np.searchsorted(times, self.time, "left")]  # just before one's own time
        gap = np.diff(edges)
        share = np.concatenate([gap[:1], gap[:-1] + gap[1:], gap[-1:]]) / (2 * gap.sum())
        loss = np.zeros(self.n)
        happened = self.event > 0
        for k, edge in enumerate(edges.tolist()):
            gone, there = happened & (self.time <= edge), self.time > edge
            loss[gone] += share[k] * survival[gone, k] ** 2 / before[gone]
            loss[there] += share[k] * (1 - survival[there, k]) ** 2 / beyond[k]
        gone = happened[:, None] & (self.time[:, None] <= edges)
        there = self.time[:, None] > edges
        weight = gone / before[:, None] + there / beyond
        self._bins = _Bins.of(1 - survival, gone / before[:, None], weight, share)
        return loss

    def _count_events(
        self, survival: np.ndarray, edges: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Events until the last edge, and how many were expected of each: float64 (n,) each.

        The hazard is taken to be constant between edges.
        """
        hazard = -np.log(np.clip(survival, _SMALLEST, 1.0))  # integrated, (n, t)
        hazard = np.concatenate([np.zeros((self.n, 1)), hazard], axis=1)
        ends = np.concatenate([[0.0], edges])

        def until(time: np.ndarray) -> np.ndarray:
            at = np.clip(np.searchsorted(ends, time, "right") - 1, 0, len(ends) - 2)
            rest = np.clip((time - ends[at]) / (ends[at + 1] - ends[at]), 0.0, 1.0)
            rows = np.arange(self.n)
            return np.asarray(hazard[rows, at] + rest * (hazard[rows, at + 1] - hazard[rows, at]))

        expected = until(self.time)
        if len(self.entry):
            expected = expected - until(self.entry)
        return (self.event > 0) & (self.time <= ends[-1]), expected

    def measure(self, count: np.ndarray) -> np.ndarray:
        """The measures of people counted so often: int32 (n,) -> float64 (names,)."""
        count = np.ascontiguousarray(count, np.int32)
        tree, out = np.zeros(self._n_ranks + 1), np.zeros(3)
        evaluation.count_concordant(
            self._by_time, self._by_entry, self.time, self.entry, self.event, self._rank, count,
            tree, out,
        )  # fmt: skip
        pairs, concordant, tied = out.tolist()
        brier = math.nan
        if self._losses is not None:
            brier = ratio(float(count @ self._losses), float(count.sum()))
        miss = math.nan if self._bins is None else self._bins.error(count)
        held = math.nan
        if self._within is not None:
            happened, expected = self._within
            held = ratio(float(count @ happened), float(count @ expected))
        return np.array([ratio(concordant + tied / 2, pairs), brier, miss, held])

    def why(self, values: np.ndarray) -> dict[str, str]:
        """Why measures are undefined, of those that are."""
        told = {}
        if not np.isfinite(values[0]):
            told["c_index"] = "no two people of whom it is known who had the event first"
        if not np.isfinite(values[1]):
            told["integrated_brier"] = self._why_no_loss if self.n else "there is nobody"
        if not np.isfinite(values[2]):
            told["integrated_calibration"] = self._why_no_loss if self.n else "there is nobody"
        if not np.isfinite(values[3]):
            told["observed_expected"] = self._why_no_ratio if self.n else "there is nobody"
        return told


class _Bins(NamedTuple):
    """People in order of their risk until the last time, in bins of equal size.

    order : int64 (n,); cuts : ends of bins in it
    sums  : float64 (n, 3 x times), predicted risk, weight of having had the event, of being known
    share : float64 (times,), of the average over time
    """

    order: np.ndarray
    cuts: list[tuple[int, int]]
    sums: np.ndarray
    share: np.ndarray

    @classmethod
    def of(
        cls, risk: np.ndarray, happened: np.ndarray, known: np.ndarray, share: np.ndarray
    ) -> _Bins:
        """risk, happened, known : float64 (n, times)"""
        order = np.argsort(risk[:, -1], kind="stable")
        ends = np.linspace(0, len(order), min(_BINS, len(order)) + 1).astype(int).tolist()
        sums = np.concatenate([risk, happened, known], axis=1)[order]
        return cls(order, list(pairwise(ends)), sums, share)

    def error(self, count: np.ndarray) -> float:
        """Mean over time and people of |mean predicted risk - share with the event|."""
        times = count[self.order].astype(np.float64)
        total, error = 0.0, np.zeros(len(self.share))
        for first, end in self.cuts:
            n = float(times[first:end].sum())
            if n:
                risk, happened, known = np.split(times[first:end] @ self.sums[first:end], 3)
                seen = np.divide(happened, known, out=risk / n, where=known > 0)
                error += n * np.abs(risk / n - seen)
                total += n
        return ratio(float(self.share @ error), total)
