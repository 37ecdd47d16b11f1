"""Effects that depend on a covariate: of the whole score, and of single variants.

The products of the genetic part of the linear predictor with each covariate are offered first; then
those together with products of single variants, more and more of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from genomed.models.columns import additive_columns
from genomed.models.families import Family
from genomed.models.few_terms import ridge_fits
from genomed.models.training_set import Proposal, TrainingSet
from genomed.settings import TrainSettings
from genomed.stats.covariate_pairs import covariate_pairs

__all__ = ["CovariatePart", "GeneticScore", "propose_covariates"]

EXPECTED_FALSE = (0.0, 0.05, 1.0, 10.0)  # 0: only the score
PENALTIES = np.array([0.03, 0.1, 0.3, 1.0])
SCREEN_Z = 3.5


@dataclass(frozen=True)
class GeneticScore:
    """The linear predictor less its regression on the covariates, standardised.

    coefficients : float64 (1 + k,), intercept first
    scale        : one over the standard deviation of what is left
    """

    coefficients: np.ndarray
    scale: float

    @classmethod
    def fit(cls, eta: np.ndarray, covariates: np.ndarray, people: np.ndarray) -> GeneticScore:
        """Regress on those learned from; the score is 0 where nothing is left."""
        design = np.column_stack([np.ones(len(eta)), covariates])[people]
        coefficients = np.linalg.lstsq(design, eta[people], rcond=None)[0]
        spread = float((eta[people] - design @ coefficients).std())
        return cls(coefficients, 1 / spread if spread > 1e-9 else 0.0)

    def of(self, eta: np.ndarray, covariates: np.ndarray) -> np.ndarray:
        """The score of people: float64 (n,)."""
        rest = eta - self.coefficients[0] - covariates @ self.coefficients[1:]
        return np.asarray(rest * self.scale)


@dataclass(frozen=True)
class CovariatePart:
    """Products with covariates in a model.

    score        : what is multiplied with each covariate
    by_score     : float64 (k,), coefficient of score x covariate
    row          : int64 (m,), rows of the training set; covariate : int64 (m,), columns
    value        : float32 (m, 4), standardised additive code of each call, 0 for a missing one
    coefficients : float64 (m,)
    table        : row · covariate · z · expected · beta
    """

    score: GeneticScore
    by_score: np.ndarray
    row: np.ndarray
    covariate: np.ndarray
    value: np.ndarray
    coefficients: np.ndarray
    table: pl.DataFrame

    def predictor(
        self, calls: np.ndarray, linear: np.ndarray, covariates: np.ndarray
    ) -> np.ndarray:
        """What the products add to the linear predictor: float64 (n,).

        calls  : int8 (m, n), copies of ALT at `row`, 3 where not called
        linear : float64 (n,), linear predictor of the model's linear part
        """
        total = self.score.of(linear, covariates) * (covariates @ self.by_score)
        for i, one in enumerate(calls):
            product = self.value[i][one] * covariates[:, self.covariate[i]]
            total = total + self.coefficients[i] * product
        return np.asarray(total)


def propose_covariates(
    data: TrainingSet,
    family: Family,
    linear: tuple[np.ndarray, np.ndarray],
    out_of_fold: np.ndarray,
    whole: np.ndarray,
    settings: TrainSettings,
    *,
    threads: int = 1,
) -> Proposal | str:
    """Choose products with covariates; a sentence where there is nothing to choose.

    linear : out of fold and whole predictor of the linear part alone, whose score is multiplied
    """
    if not data.covariates.shape[1]:
        return "no covariates"
    score = GeneticScore.fit(linear[0], data.covariates, data.develop)
    scores = score.of(linear[0], data.covariates) * data.covariates.T  # (k, n)
    if not score.scale:
        scores = scores[:0]
    residual, weight = data.residual(family, out_of_fold)
    eta = np.repeat(out_of_fold[None], len(EXPECTED_FALSE) * len(PENALTIES), axis=0)
    for f in range(data.n_folds):
        here = data.weight(without=f)
        table = _screen(data, residual * here, weight * here, threads)
        columns = np.concatenate([scores, _columns(data, table, here)[0]])
        inside = data.fold == f
        for i, limit in enumerate(EXPECTED_FALSE):
            k = len(scores) + int((table["expected"] <= limit).sum())
            fits = ridge_fits(columns[:k], family, out_of_fold, here, PENALTIES)
            for j, coefficients in enumerate(fits):
                eta[i * len(PENALTIES) + j, inside] += coefficients @ columns[:k, inside]
    loss = np.array([family.deviance(one)[data.develop].mean() for one in eta])
    best = int(loss.argmin())
    limit, penalty = EXPECTED_FALSE[best // len(PENALTIES)], PENALTIES[best % len(PENALTIES)]
    table = _screen(data, residual, weight, threads)
    table = table.filter(pl.col("expected") <= limit)
    products, value = _columns(data, table, data.weight())
    columns = np.concatenate([scores, products])
    if not len(columns):
        return "no product with a covariate stands out"
    (fit,) = ridge_fits(columns, family, out_of_fold, data.weight(), np.array([penalty]))
    by_score = np.zeros(data.covariates.shape[1])
    by_score[: len(scores)] = fit[: len(scores)]
    part = CovariatePart(
        score, by_score, table["row"].to_numpy(), table["covariate"].to_numpy(), value,
        fit[len(scores) :], table.with_columns(pl.Series("beta", fit[len(scores) :])),
    )  # fmt: skip
    after = score.of(linear[1], data.covariates) * (data.covariates @ by_score)
    after = after + part.coefficients @ products
    what = f"the score and {len(table)} variants by covariate"
    return Proposal(eta[best], whole + after, part, what)


def _screen(
    data: TrainingSet, residual: np.ndarray, weight: np.ndarray, threads: int
) -> pl.DataFrame:
    """row · covariate · z · expected, the surest first."""
    from scipy.special import ndtr  # noqa: PLC0415 - prediction does without

    hits = covariate_pairs(
        data.words, data.n_samples, residual, weight, data.covariates, threshold_z=SCREEN_Z,
        threads=threads,
    )  # fmt: skip
    z = hits.pairs.select(pl.min_horizontal(pl.col("z", "z_robust").abs())).to_series().to_numpy()
    expected = pl.Series("expected", 2 * hits.n_tests * ndtr(-z))
    table = hits.pairs.select("row", "covariate", "z").with_columns(expected)
    return table.filter(pl.col("expected") <= EXPECTED_FALSE[-1]).sort(
        "expected", "row", "covariate"
    )


def _columns(
    data: TrainingSet, table: pl.DataFrame, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Products float64 (m, n), and the code's values float32 (m, 4)."""
    row, covariate = table["row"].to_numpy(), table["covariate"].to_numpy()
    coded = additive_columns(data.words, data.n_samples, weight, row)
    dense = np.zeros((len(row), data.n_samples))
    one = np.zeros(1)
    for i in range(len(row)):
        one[0] = 1.0
        coded.add(np.array([i]), one, dense[i])
    return dense * data.covariates[:, covariate].T, coded.value
