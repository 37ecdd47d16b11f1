"""Tails of a pair's score when residuals are not normal, as those of a rare disease.

Under chance the residuals belong to the people in any order, so a score is a sum of draws from the
residuals, times the product's value in the cell (pair of calls) that a person is in. Its
distribution has the cumulant generating function sum over cells of n_c K(t x_c), where K is that of
one residual, and the saddlepoint gives its tails to relative accuracy (Lugannani and Rice 1980;
for genetic association, Dey et al. 2017, doi:10.1016/j.ajhg.2017.05.014). They are told as the z of
a normal variable with the same tail (Barndorff-Nielsen 1986: r*).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from genomed.stats.pair_terms import fit_products, weights_by_calls
from genomed.stats.score_test import Target

if TYPE_CHECKING:
    from scipy.interpolate import CubicHermiteSpline

__all__ = ["is_normal", "saddlepoint_z", "tail_z"]

SKEWED, HEAVY = 0.1, 0.3  # skewness and excess kurtosis that do no harm
N_BINS = 512
REACH, STEP = 20.0, 0.02  # of the argument of K
STEPS = 60
LEAST = 1.0  # below, z is what it is


def is_normal(target: Target) -> bool:
    """Whether skewness and kurtosis of the residuals are small, or within three standard errors of
    those of normal ones."""
    used = target.residual[target.weight > 0]
    variance = (used**2).mean()
    if variance <= 0:
        return True
    kurtosis = (used**4).mean() / variance**2 - 3
    skewness_limit = max(SKEWED, 3 * np.sqrt(6 / len(used)))
    kurtosis_limit = max(HEAVY, 3 * np.sqrt(24 / len(used)))
    return bool(abs(target.skewness) <= skewness_limit and abs(kurtosis) <= kurtosis_limit)


def tail_z(
    words: np.ndarray,
    n_samples: int,
    first: np.ndarray,
    second: np.ndarray,
    z: np.ndarray,
    target: Target,
    *,
    dominance: bool = True,
    threads: int = 1,
) -> np.ndarray:
    """z of the normal tail that each pair's score has: float64 (pairs,).

    words .. second : as in genomed.stats.pairs.exact_pairs
    z               : float64 (pairs,), score over its standard deviation; NaN stays NaN
    dominance       : whether the product is what is left after dominance codes too
    """
    if is_normal(target) or not len(z):
        return z
    weight = weights_by_calls(words, n_samples, first, second, target.weight, threads)
    terms = fit_products(weight, dominance)
    value = terms.table()[:, :3, :3].reshape(-1, 9).astype(np.float64)
    people = weight.reshape(-1, 9) / target.weight.sum() * target.n_used
    used = target.residual[target.weight > 0]
    return saddlepoint_z(value, people, z, used)


def saddlepoint_z(
    value: np.ndarray, people: np.ndarray, z: np.ndarray, residual: np.ndarray
) -> np.ndarray:
    """z of the normal tail that z has when it is a sum of draws from residuals.

    value    : float64 (pairs, cells), of mean 0 and variance 1 over the people
    people   : float64 (pairs, cells)
    z        : float64 (pairs,), NaN stays
    residual : float64 (n,), mean 0
    """
    generating = _generating_function(residual)
    slope, curvature = generating.derivative(), generating.derivative(2)
    out = z.copy()
    some = np.flatnonzero(np.abs(z) >= LEAST)
    n, aim = people[some], np.abs(z[some])
    x = value[some] * np.sign(z[some])[:, None] / np.sqrt(np.maximum(1, n.sum(1)))[:, None]
    low = np.zeros(len(some))
    high = top = REACH / np.maximum(np.abs(x).max(axis=1, initial=0), 1e-12)
    t = np.minimum(aim, top)
    for _ in range(STEPS):
        u = t[:, None] * x
        reached = (n * x * slope(u)).sum(axis=1)
        low, high = np.where(reached < aim, t, low), np.where(reached < aim, high, t)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = t - (reached - aim) / (n * x * x * curvature(u)).sum(axis=1)
        inside = (step > low) & (step < high)
        t = np.where(inside, step, (low + high) / 2)
    u = t[:, None] * x
    depth = np.sqrt(2 * np.maximum(t * aim - (n * generating(u)).sum(axis=1), 0))
    width = t * np.sqrt(np.maximum((n * x * x * curvature(u)).sum(axis=1), 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        told = depth + np.log(width / depth) / depth
    good = np.isfinite(told) & (depth > 0) & (t < top * (1 - 1e-9))
    out[some] = np.sign(z[some]) * np.where(good, told, np.minimum(depth, aim))
    return out


def _generating_function(residual: np.ndarray) -> CubicHermiteSpline:
    """Logarithm of the mean of exp(u r), r scaled to variance 1, by u."""
    from scipy.interpolate import CubicHermiteSpline  # noqa: PLC0415 - prediction does without

    scaled = residual - residual.mean()
    scaled = scaled / np.sqrt(np.maximum((scaled**2).mean(), 1e-300))
    edges = np.linspace(scaled.min(), scaled.max(), N_BINS + 1)
    place = np.clip(np.searchsorted(edges, scaled, "right") - 1, 0, N_BINS - 1)
    counts = np.bincount(place, minlength=N_BINS)
    middle = np.bincount(place, scaled, minlength=N_BINS)[counts > 0] / counts[counts > 0]
    share = counts[counts > 0] / len(scaled)
    middle = middle / np.sqrt((share * middle**2).sum())
    u = np.arange(-REACH, REACH + STEP / 2, STEP)
    power = u[:, None] * middle
    largest = power.max(axis=1)
    tilted = share * np.exp(power - largest[:, None])
    total = tilted.sum(axis=1)
    return CubicHermiteSpline(u, np.log(total) + largest, tilted @ middle / total)
