"""Dominance scores against least squares written out, chance, and what was planted."""

import numpy as np
import pytest
from packed_cohorts import packed

from genomed.stats.dominance import dominance_z


def least_squares_t(columns: list[np.ndarray], y: np.ndarray) -> float:
    """t of the last column."""
    x = np.column_stack([np.ones(len(y)), *columns])
    coefficients = np.linalg.lstsq(x, y, rcond=None)[0]
    rest = y - x @ coefficients
    variance = rest @ rest / (len(y) - x.shape[1]) * np.linalg.inv(x.T @ x)[-1, -1]
    return float(coefficients[-1] / np.sqrt(variance))


def test_scores_are_those_of_least_squares_among_those_with_a_weight() -> None:
    rng = np.random.default_rng(1)
    n = 600
    counts = rng.binomial(2, rng.uniform(0.2, 0.8, (20, 1)), (20, n)).astype(np.int8)
    covariates = rng.standard_normal((n, 2))
    y = rng.standard_normal(n) + covariates[:, 1] + (counts[4] == 1) + 0.5 * counts[7]
    kept = rng.random(n) < 0.8
    found = dominance_z(packed(counts), n, np.where(kept, y, 99.0), kept * 1.0, covariates)
    for row, z in zip(counts[:, kept].astype(float), found, strict=True):
        columns = [*covariates[kept].T, row, (row == 1) * 1.0]
        assert z == pytest.approx(least_squares_t(columns, y[kept]), abs=1e-9)
    assert found.argmax() == 4


def test_additive_effects_give_no_dominance_outside_hardy_weinberg_proportions() -> None:
    rng = np.random.default_rng(2)
    n, m = 3000, 500
    counts = rng.choice(np.array([0, 1, 2], np.int8), (m, n), p=[0.5, 0.15, 0.35])
    y = counts[:50].sum(axis=0) * 0.3 + rng.standard_normal(n)
    z = dominance_z(packed(counts), n, y - y.mean(), np.ones(n))
    assert z.std() == pytest.approx(1, abs=0.15)
    assert np.abs(z).max() < 4.5


def test_a_disease_of_one_in_twenty_gives_no_more_than_chance() -> None:
    rng = np.random.default_rng(3)
    n, m = 6000, 1500
    counts = rng.binomial(2, rng.uniform(0.02, 0.98, (m, 1)), (m, n)).astype(np.int8)
    cases = (rng.random(n) < 0.05) * 1.0
    rate = cases.mean()
    z = dominance_z(packed(counts), n, cases - rate, np.full(n, rate * (1 - rate)))
    tested = z[~np.isnan(z)]
    assert 700 < len(tested) < 1450  # too few rare homozygotes in the others
    assert tested.std() == pytest.approx(1, abs=0.08)
    assert np.abs(tested).max() < 4.5


def test_variants_that_cannot_show_dominance_have_none() -> None:
    rng = np.random.default_rng(4)
    n = 200
    counts = np.zeros((5, n), np.int8)
    counts[1] = -9
    counts[2] = 2 * rng.integers(0, 2, n)  # no heterozygotes
    counts[3, :3] = 1
    counts[4] = rng.binomial(2, 0.5, n)
    z = dominance_z(packed(counts), n, rng.standard_normal(n), np.ones(n))
    assert np.isnan(z).tolist() == [True, True, True, True, False]


def test_threads_change_nothing() -> None:
    rng = np.random.default_rng(5)
    counts = rng.binomial(2, 0.3, (1200, 300)).astype(np.int8)
    one, three = (
        dominance_z(packed(counts), 300, rng2.standard_normal(300), np.ones(300), threads=threads)
        for threads, rng2 in ((1, np.random.default_rng(6)), (3, np.random.default_rng(6)))
    )
    np.testing.assert_array_equal(one, three)
