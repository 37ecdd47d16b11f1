"""A handful of columns beside a linear predictor that stays as it is: ridge regression by Newton.

The columns are those that screens propose; what they were chosen for makes their coefficients too
large, so they are always shrunk, by a penalty that people who were left out decide on.
"""

import numpy as np

from genomed.models.families import Family

__all__ = ["ridge_fits"]

MAX_STEPS = 25


def ridge_fits(
    columns: np.ndarray,
    family: Family,
    offset: np.ndarray,
    weight: np.ndarray,
    penalties: np.ndarray,
) -> np.ndarray:
    """Coefficients of columns beside an offset, for several penalties: float64 (penalties, k).

    Maximises weight @ log likelihood - penalty / 2 x information x sum(coefficient^2), with the
    information of a column of variance 1: the coefficient of a single column is divided by about
    1 + penalty. There is no intercept.

    columns   : float32 (k, n), of mean 0 and variance 1 about
    offset    : float64 (n,), linear predictor without the columns
    weight    : float64 (n,), 0 for people left out
    penalties : float64 (penalties,)
    """
    used = np.flatnonzero((weight > 0) & family.observed)
    x = columns[:, used].astype(np.float64)
    out = np.zeros((len(penalties), len(columns)))
    if not len(columns):
        return out
    for i, penalty in enumerate(penalties):
        coefficient = np.zeros(len(columns))
        for _ in range(MAX_STEPS):
            eta = offset.copy()
            eta[used] += coefficient @ x
            residual, information = (weight * part for part in family.working(eta))
            shrink = penalty * information[used].sum()
            gradient = x @ residual[used] - shrink * coefficient
            curvature = (x * information[used]) @ x.T
            curvature[np.diag_indices_from(curvature)] += shrink
            step = np.linalg.lstsq(curvature, gradient, rcond=None)[0]
            coefficient += step
            if family.constant_information or np.abs(step).max() < 1e-8:
                break
        out[i] = coefficient
    return out
