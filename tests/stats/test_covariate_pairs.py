"""Genotype x covariate against least squares written out, chance, and what was planted."""

import numpy as np
import pytest
from packed_cohorts import packed

from genomed.stats.covariate_pairs import covariate_pairs
from genomed.stats.score_test import bonferroni_z


def fit(columns: list[np.ndarray], y: np.ndarray) -> tuple[float, float]:
    """t of the last column, and z by White's variance."""
    x = np.column_stack([np.ones(len(y)), *columns])
    inverse = np.linalg.inv(x.T @ x)
    coefficients = inverse @ x.T @ y
    rest = y - x @ coefficients
    variance = rest @ rest / (len(y) - x.shape[1]) * inverse[-1, -1]
    white = (inverse @ (x.T * rest**2) @ x @ inverse)[-1, -1]
    return coefficients[-1] / np.sqrt(variance), coefficients[-1] / np.sqrt(white)


def test_scores_are_those_of_least_squares() -> None:
    rng = np.random.default_rng(1)
    n, m = 500, 15
    counts = rng.binomial(2, rng.uniform(0.2, 0.8, (m, 1)), (m, n)).astype(np.int8)
    covariates = rng.standard_normal((n, 3)) * [1, 3, 0.1] + [0, 40, 0]
    y = rng.standard_normal(n) + covariates[:, 1] + 0.3 * counts[2] * (covariates[:, 1] - 40)
    kept = rng.random(n) < 0.9
    found = covariate_pairs(
        packed(counts), n, y, kept * 1.0, covariates, tested=np.array([1, 2]), threshold_z=0
    )
    assert found.n_tests == len(found.pairs) == 2 * m
    assert found.pairs["row"][0] == 2
    assert found.pairs["covariate"][0] == 1
    for row, covariate, z, _, robust in found.pairs.iter_rows():
        g, c = counts[row, kept].astype(float), covariates[kept]
        expected, white = fit([*c.T, g, g * c[:, covariate]], y[kept])
        assert z == pytest.approx(expected, abs=1e-6)
        assert robust == pytest.approx(white, abs=1e-4)  # calls are decoded as float32


def test_spread_that_depends_on_the_covariate_passes_for_no_effect() -> None:
    rng = np.random.default_rng(2)
    n, m = 3000, 800
    counts = rng.binomial(2, 0.3, (m, n)).astype(np.int8)
    age = rng.standard_normal((n, 1))
    y = rng.standard_normal(n) * np.exp(0.5 * age[:, 0])
    found = covariate_pairs(packed(counts), n, y - y.mean(), np.ones(n), age, threshold_z=2.5)
    assert found.inflation > 1.3
    assert len(found.pairs) < 0.0124 * m + 4 * np.sqrt(0.0124 * m)


def test_a_planted_product_with_a_disease_leads() -> None:
    rng = np.random.default_rng(3)
    n, m = 6000, 300
    counts = rng.binomial(2, rng.uniform(0.2, 0.8, (m, 1)), (m, n)).astype(np.int8)
    sex = rng.integers(0, 2, n)
    centred = counts[33] - counts[33].mean()
    probability = 1 / (1 + np.exp(2.6 - 0.8 * centred * (sex - 0.5) * 2))
    cases = (rng.random(n) < probability) * 1.0
    rate = cases.mean()
    found = covariate_pairs(
        packed(counts), n, cases - rate, np.full(n, rate * (1 - rate)), sex[:, None]
    )
    assert found.pairs["row"][0] == 33
    line = bonferroni_z(found.n_tests)
    assert (found.pairs["z"].abs() >= line).sum() == 1


def test_constant_covariates_and_variants_are_not_tested() -> None:
    rng = np.random.default_rng(4)
    counts = np.zeros((3, 100), np.int8)
    counts[1] = rng.binomial(2, 0.5, 100)
    covariates = np.column_stack([np.ones(100), rng.standard_normal(100)])
    found = covariate_pairs(
        packed(counts), 100, rng.standard_normal(100), np.ones(100), covariates, threshold_z=0
    )
    assert found.pairs["row", "covariate"].rows() == [(1, 1)]
    assert found.n_tests == 1
