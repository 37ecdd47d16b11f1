"""Combine predictors with weights that are not negative (Breiman 1996), beside free covariates."""

from itertools import combinations
from typing import NamedTuple

import numpy as np

from genomed.models.families import Family, orthonormal

__all__ = ["Stack", "non_negative", "stack"]


class Stack(NamedTuple):
    """Maximum likelihood of covariates and candidates.

    coefficients : float64 (k,), of the covariates
    shares       : float64 (m,), of the candidates, none negative
    family       : with its own parameters fitted
    """

    coefficients: np.ndarray
    shares: np.ndarray
    family: Family


def stack(
    family: Family,
    design: np.ndarray,
    candidates: np.ndarray,
    weight: np.ndarray,
    offset: np.ndarray,
    *,
    max_iterations: int = 30,
) -> Stack:
    """Fit candidates (n, m) and a design (n, k) with its intercept to weighted people."""
    weight = weight * family.observed
    family = family.fitted(offset, weight)
    both = np.concatenate([design, candidates], axis=1)
    both = np.where((weight > 0)[:, None], both, 0.0)
    k = design.shape[1]
    found = np.zeros(both.shape[1])
    loss = float(weight @ family.deviance(offset))
    for _ in range(max_iterations):
        step = _quadratic(family, both, k, weight, offset + both @ found, found) - found
        before = loss
        for _ in range(20):
            loss = float(weight @ family.deviance(offset + both @ (found + step)))
            if np.isfinite(loss) and loss <= before * (1 + 1e-12) + 1e-12:
                break
            step = step / 2
        found = found + step
        family = family.fitted(offset + both @ found, weight)
        loss = float(weight @ family.deviance(offset + both @ found))
        if before - loss <= 1e-10 * (abs(loss) + 1e-6):
            break
    return Stack(found[:k], np.maximum(found[k:], 0.0), family)


def _quadratic(
    family: Family, both: np.ndarray, k: int, weight: np.ndarray, eta: np.ndarray, found: np.ndarray
) -> np.ndarray:
    """Where the quadratic approximation at eta has its minimum: float64 (k + m,)."""
    residual, information = family.working(eta)
    w = weight * information
    gradient = both.T @ (weight * residual) + both.T @ (
        w * (both @ found)
    )  # of w z, z the response
    transform = orthonormal(both[:, :k], w)
    cross = transform.T @ (both[:, :k].T @ (both[:, k:] * w[:, None]))
    along = transform.T @ gradient[:k]
    moments = (both[:, k:] * w[:, None]).T @ both[:, k:] - cross.T @ cross
    shares = non_negative(moments, gradient[k:] - cross.T @ along)
    return np.concatenate([transform @ (along - cross @ shares), shares])


def non_negative(moments: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The x >= 0 that minimises x' moments x / 2 - target' x, by trying all sets of columns."""
    m = len(target)
    scale = np.trace(moments) / m if m else 0.0
    best, least = np.zeros(m), 0.0
    for size in range(1, m + 1):
        for chosen in map(list, combinations(range(m), size)):
            some = moments[np.ix_(chosen, chosen)] + 1e-9 * scale * np.eye(size)
            if not np.diag(some).all():
                continue
            x = np.linalg.solve(some, target[chosen])
            value = x @ some @ x / 2 - target[chosen] @ x
            if (x >= 0).all() and value < least:
                best, least = np.zeros(m), float(value)
                best[chosen] = x
    return best
