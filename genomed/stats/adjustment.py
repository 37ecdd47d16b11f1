"""Polygenic scores that can be compared across ancestries, as pgsc_calc 2 defines them.

All models are learned from reference people and applied to everybody. Components are standardised,
x = (component - mean) / sd, and the score is centred, by the reference.

Z-norm1 (Khera et al. 2019, Circulation 139:1593): the score's mean depends on ancestry,
    score = a0 + a.x + e,   Z1 = e / sd(e), the sd over the reference with divisor n.
Z-norm2 (Khan et al. 2022, Nature Medicine 28:1412): its variance does, too,
    e has mean 0 and variance exp(b0 + b.x),   Z2 = e / sqrt(exp(b0 + b.x)).
a and b are fitted at once by maximum likelihood of the normal distribution. The older variant in
two steps keeps a and fits b to e^2 by a gamma regression whose slopes carry a ridge penalty of 1.
Definition: pgscatalog.calc, pgs_adjust (methods "empirical", "mean", "mean+var").
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

__all__ = [
    "Adjustment",
    "PopulationScores",
    "fit_adjustment",
    "percentile_among",
    "percentile_in_neighbourhood",
    "scores_in_population",
    "z_norm1",
    "z_norm2",
]

N_COMPONENTS = 4  # as in pgsc_calc
_MAX_STEPS = 200


@dataclass(frozen=True)
class Adjustment:
    """What reference people teach about a score; all numbers on its own scale.

    component_mean, component_sd : float64 (k,)
    score_mean          : of the reference
    mean_coefficients   : float64 (k + 1,), a of Z-norm1, the intercept first
    residual_sd         : of Z-norm1, divisor n
    two_step_log_variance : float64 (k + 1,), b of the two-step variant
    full_mean, full_log_variance : float64 (k + 1,), a and b of Z-norm2
    converged           : whether the likelihood was brought to its maximum
    """

    component_mean: np.ndarray
    component_sd: np.ndarray
    score_mean: float
    mean_coefficients: np.ndarray
    residual_sd: float
    two_step_log_variance: np.ndarray
    full_mean: np.ndarray
    full_log_variance: np.ndarray
    converged: bool

    def design(self, components: np.ndarray) -> np.ndarray:
        """A column of ones, and the standardised components: float64 (people, k + 1)."""
        columns = (components - self.component_mean) / self.component_sd
        return np.column_stack([np.ones(len(columns)), columns])


class PopulationScores(NamedTuple):
    """A score beside those of the most similar population.

    z          : float64 (people,), (score - mean) / sd of the population, divisor n
    percentile : float64 (people,), 0 to 100, see percentile_among
    """

    z: np.ndarray
    percentile: np.ndarray


def fit_adjustment(
    score: np.ndarray, components: np.ndarray, train: np.ndarray | None = None
) -> Adjustment:
    """Learn how a score depends on the components of reference people.

    score      : float64 (people,)
    components : float64 (people, k); pgsc_calc takes the first four
    train      : bool (people,), unrelated people to learn from; None for all
    Raises ValueError when a value is not a number, when there are too few people, or when the score
    does not vary among them.
    """
    if train is not None:
        score, components = score[train], components[train]
    n, k = components.shape
    if n < 2 * (k + 1):
        raise ValueError(f"{n} reference people are too few for {k} components")
    if not (np.isfinite(score).all() and np.isfinite(components).all()):
        raise ValueError("a score or a component of a reference person is not a number")
    mean, sd = components.mean(axis=0), components.std(axis=0)
    offset, spread = float(score.mean()), float(score.std())
    if spread <= 1e-12 * max(abs(offset), 1e-300) or not (sd > 0).all():
        raise ValueError("the score, or a component, does not vary among the reference people")
    x = np.column_stack([np.ones(n), (components - mean) / sd])
    y = (score - offset) / spread  # solved on a scale of 1, given back on the score's
    a = np.linalg.lstsq(x, y, rcond=None)[0]
    residual = y - x @ a
    residual_sd = float(residual.std())
    if residual_sd <= 1e-12:
        raise ValueError("the components determine the score of the reference people")
    b = _gamma_regression(x, (residual - residual.mean()) ** 2)
    full_a, full_b, converged = _maximum_likelihood(x, y, a, b)
    shift = np.zeros(k + 1)
    shift[0] = 2 * np.log(spread)
    return Adjustment(
        mean, sd, offset, a * spread, residual_sd * spread, b + shift, full_a * spread,
        full_b + shift, converged,
    )  # fmt: skip


def z_norm1(model: Adjustment, score: np.ndarray, components: np.ndarray) -> np.ndarray:
    """Score with its expected mean taken out, over the sd of that: float64 (people,)."""
    expected = model.design(components) @ model.mean_coefficients
    return np.asarray((score - model.score_mean - expected) / model.residual_sd)


def z_norm2(
    model: Adjustment, score: np.ndarray, components: np.ndarray, *, two_step: bool = False
) -> np.ndarray:
    """Score with its expected mean and variance taken out: float64 (people,)."""
    x = model.design(components)
    a = model.mean_coefficients if two_step else model.full_mean
    b = model.two_step_log_variance if two_step else model.full_log_variance
    return np.asarray((score - model.score_mean - x @ a) / np.exp(x @ b / 2))


def _gamma_regression(x: np.ndarray, y: np.ndarray, penalty: float = 1.0) -> np.ndarray:
    """Log-link gamma regression with a ridge on the slopes, by Newton's method: (k + 1,).

    Minimises mean(eta + y exp(-eta)) + penalty / 2 x sum(slope^2), eta = x b.
    """
    ridge = np.full(x.shape[1], penalty)
    ridge[0] = 0.0
    b = np.zeros(x.shape[1])
    b[0] = np.log(y.mean())

    def loss(b: np.ndarray) -> float:
        eta = x @ b
        return float((eta + y * np.exp(-eta)).mean() + (ridge * b * b).sum() / 2)

    for _ in range(_MAX_STEPS):
        ratio = y * np.exp(-(x @ b))
        gradient = x.T @ (1 - ratio) / len(y) + ridge * b
        curvature = (x * ratio[:, None]).T @ x / len(y) + np.diag(ridge)
        step = np.linalg.solve(curvature + 1e-9 * np.eye(len(b)), gradient)
        b = _descended(loss, b, step)
        if np.abs(gradient).max() < 1e-10:
            break
    return b


def _descended(loss: Callable[[np.ndarray], float], b: np.ndarray, step: np.ndarray) -> np.ndarray:
    """b - step, or a fraction of the step under which the loss does not rise."""
    before = loss(b)
    for _ in range(40):
        with np.errstate(over="ignore"):
            after = loss(b - step)
        if after <= before + 1e-12 * abs(before):
            return b - step
        step = step / 2
    return b


def _maximum_likelihood(
    x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Mean and log variance that depend on x, fitted together by Fisher scoring.

    Minimises sum(x b / 2 + (y - x a)^2 / (2 exp(x b))); the information of a and b is block
    diagonal, so each is stepped on its own.
    """
    n_slopes = len(a)

    def loss(theta: np.ndarray) -> float:
        eta = x @ theta[n_slopes:]
        return float((eta + (y - x @ theta[:n_slopes]) ** 2 * np.exp(-eta)).sum() / 2)

    theta = np.concatenate([a, b])
    half = x.T @ x / 2
    for _ in range(_MAX_STEPS):
        weight = np.exp(-(x @ theta[n_slopes:]))
        residual = y - x @ theta[:n_slopes]
        of_a = -x.T @ (residual * weight)
        of_b = x.T @ (1 - residual**2 * weight) / 2
        information = (x * weight[:, None]).T @ x
        step = np.concatenate([np.linalg.solve(information, of_a), np.linalg.solve(half, of_b)])
        if max(np.abs(of_a).max(), np.abs(of_b).max()) < 1e-8 * len(y):
            return theta[:n_slopes], theta[n_slopes:], True
        theta = _descended(loss, theta, step)
    return theta[:n_slopes], theta[n_slopes:], False


def percentile_among(
    score: np.ndarray, reference: np.ndarray, own: np.ndarray | None = None
) -> np.ndarray:
    """Share of reference scores at or below each score, 0 to 100: float64 (people,).

    own : float64 (people,), the one among the reference scores that is the same person's, which is
          left out; NaN for people who are not in the reference. None for nobody in it
    Scores that equal it count by their mean rank, as in pgsc_calc (scipy's percentileofscore). NaN
    where the score is NaN or there is no reference score.
    """
    known = np.sort(reference[np.isfinite(reference)])
    if not len(known):
        return np.full(len(score), np.nan)
    below = np.searchsorted(known, score, side="left")
    up_to = np.searchsorted(known, score, side="right")
    n = np.full(len(score), len(known))
    if own is not None:
        below, up_to = below - (own < score), up_to - (own <= score)
        n -= np.isfinite(own)
    rank = (below + up_to + (below < up_to)) / 2
    return np.where(np.isfinite(score) & (n > 0), 100.0 * rank / np.maximum(n, 1), np.nan)


def scores_in_population(
    score: np.ndarray,
    population: np.ndarray,
    reference: np.ndarray,
    reference_population: np.ndarray,
    same: np.ndarray | None = None,
) -> PopulationScores:
    """Compare people with the reference people of their most similar population.

    score, reference                 : float64 (people,), (reference people,)
    population, reference_population : labels of them
    same : int64 (people,), place among the reference people of those who are in it, else -1; nobody
           is ranked among themselves. The mean and sd of z are of all
    NaN for labels without reference people, and for a z where these do not vary.
    """
    z, percentile = np.full(len(score), np.nan), np.full(len(score), np.nan)
    for name in np.unique(reference_population):
        own = population == name
        those = reference[reference_population == name]
        themselves = None
        if same is not None:
            there = (same >= 0) & (reference_population[same] == name)
            themselves = np.where(there, reference[same], np.nan)[own]
        percentile[own] = percentile_among(score[own], those, themselves)
        sd = those.std()
        if sd > 0:
            z[own] = (score[own] - those.mean()) / sd
    return PopulationScores(z, percentile)


def percentile_in_neighbourhood(
    score: np.ndarray, neighbours: np.ndarray, reference: np.ndarray
) -> np.ndarray:
    """Percentile among the nearest reference people, as percentile_among: float64 (people,).

    neighbours : int64 (people, any), places in `reference`, from neighbours.nearest_people
    """
    those = reference[neighbours]
    below, up_to = (those < score[:, None]).sum(axis=1), (those <= score[:, None]).sum(axis=1)
    rank = (below + up_to + (below < up_to)) / 2
    return np.where(np.isfinite(score), 100.0 * rank / neighbours.shape[1], np.nan)
