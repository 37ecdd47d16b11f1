"""Regression on all columns whose effects come from a mixture of normals of unknown shares.

All effects have at least a floor of variance, which the caller gives, and some are larger: what
share has which size is found from the data (empirical Bayes). With a floor of 0 a fit is like the
lasso, but shrinks large effects less; with a floor like that of ridge regression it finds the large
effects within a polygenic trait. The posterior is approximated column by column (Loh 2015, for two
normals; Kim 2024, "mr.ash"). It underrates small effects in linkage disequilibrium, which is why
the floor is better chosen by prediction than by the evidence.

Families that are not Gaussian take their quadratic approximation at the fit without columns, whose
noise is known to be 1 in the units of the information.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from genomed.kernels.regression import adapt
from genomed.models.columns import Columns, to_slices
from genomed.models.elastic_net import Metric
from genomed.models.families import Family, fit_unpenalised

__all__ = ["MixtureFit", "mixture_fits"]

# Variances of effects beside that of the noise, of columns of variance 1, above any floor.
SPREADS = 4.0 ** np.arange(-8, -1)


class MixtureFit(NamedTuple):
    """Posterior means, and what they were shrunk by.

    coefficients : float64 (k,), of the covariates
    beta         : float64 (columns,)
    genetic      : float64 (n,), the columns' part of everybody's linear predictor
    chance       : float64 (spreads,), shares of the sizes of effects
    family       : with its own parameters fitted
    n_cycles     : over all columns
    """

    coefficients: np.ndarray
    beta: np.ndarray
    genetic: np.ndarray
    chance: np.ndarray
    family: Family
    n_cycles: int


def mixture_fits(
    columns: Columns,
    design: np.ndarray,
    family: Family,
    weight: np.ndarray,
    offset: np.ndarray,
    floors: Sequence[float],
    *,
    tolerance: float = 1e-6,
    max_cycles: int = 100,
) -> list[MixtureFit]:
    """Fits to weighted people for several floors, each begun with the effects of the one before.

    floors : least variances of an effect beside that of the noise; 1/(W lambda) is that of ridge
             regression with the penalty lambda, W being the weight of all people
    """
    used = weight * family.observed
    null = fit_unpenalised(family, design, used, offset)
    residual, information = null.family.working(offset + design @ null.coefficients)
    metric = Metric(columns, design, used * information)
    problem = _Problem(columns, metric, used * residual, used * information, family)
    beta = np.zeros(columns.n_columns)
    fits = []
    for floor in floors:
        beta, chance, cycles = problem.ascend(beta.copy(), floor, tolerance, max_cycles)
        genetic = problem.genetic(beta)
        rest = metric.basis.T @ (used * residual - used * information * genetic)
        coefficients = null.coefficients + metric.transform @ rest
        fits.append(MixtureFit(coefficients, beta, genetic, chance, null.family, cycles))
    return fits


class _Problem:
    """A weighted sum of squares: its columns, and score and information of each person."""

    def __init__(
        self, columns: Columns, metric: Metric, score: np.ndarray, weight: np.ndarray,
        family: Family,
    ) -> None:  # fmt: skip
        self.columns, self.metric, self.score, self.weight = columns, metric, score, weight
        self.along, self.curvature = metric.of(np.arange(columns.n_columns))
        self.n_varying = max(int((self.curvature > 0).sum()), 1)
        self.freedom = max(float((weight > 0).sum()) - metric.basis.shape[1], 1.0)
        self.known_noise = not family.constant_information
        squares = np.divide(score**2, weight, out=np.zeros_like(score), where=weight > 0).sum()
        self.noise = 1.0 if self.known_noise else max(float(squares) / self.freedom, 1e-300)
        self.size = self.noise * self.freedom

    def genetic(self, beta: np.ndarray) -> np.ndarray:
        """The columns' part of the linear predictor: float64 (n,)."""
        out = np.zeros(len(self.score))
        used = np.flatnonzero(beta)
        self.columns.add(used, beta[used], out)
        return out

    def ascend(
        self, beta: np.ndarray, floor: float, tolerance: float, max_cycles: int
    ) -> tuple[np.ndarray, np.ndarray, int]:
        """Raise the bound on the evidence until effects rest: beta, chances and cycles."""
        columns, metric = self.columns, self.metric
        response = self.score - self.weight * self.genetic(beta)
        n_halves = columns.halves.shape[1]
        u, g = to_slices(response, n_halves), metric.basis.T @ response
        spread = np.concatenate([[floor], SPREADS[2 * floor < SPREADS]])
        chance = np.full(len(spread), 1 / len(spread))
        sums, odds = np.empty(n_halves, np.float32), np.empty_like(spread)
        noise, n_cycles, largest = self.noise, 0, np.inf
        while n_cycles < max_cycles and largest > tolerance * self.size:
            n_cycles += 1
            counts = np.zeros_like(spread)
            slack, largest = adapt(
                columns.halves, columns.row, columns.value, columns.slices, self.along,
                self.curvature, np.maximum(chance, 1e-12), spread, 1 / columns.penalty, noise,
                beta, u, metric.weight, g, sums, odds, counts,
            )  # fmt: skip
            chance = counts / self.n_varying
            n_effects = self.n_varying * (1 - (chance[0] if floor == 0 else 0.0))
            if not self.known_noise:
                noise = (_squares(u, metric, g) + slack + noise * n_effects) / (
                    self.freedom + n_effects
                )
        return beta, chance, n_cycles


def _squares(u: np.ndarray, metric: Metric, g: np.ndarray) -> float:
    """Weighted squares of residuals; u holds them before covariates, which take away g'g."""
    weight = metric.weight.astype(np.float64)
    each = np.divide(u.astype(np.float64) ** 2, weight, out=np.zeros_like(weight), where=weight > 0)
    return max(float(each.sum() - g @ g), 0.0)
