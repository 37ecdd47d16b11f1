"""Corrected tails of pair scores against draws of the distribution itself."""

from statistics import NormalDist

import numpy as np
import pytest
from packed_cohorts import packed

from genomed.stats.pair_tails import is_normal, saddlepoint_z, tail_z
from genomed.stats.pairs import all_pairs
from genomed.stats.score_test import score_target


def test_tails_of_a_rare_disease_are_those_of_cases_drawn_at_random() -> None:
    rng = np.random.default_rng(1)
    people = np.array([3000, 700, 250, 40, 10])
    value = np.array([-0.2, 0.1, 0.5, 3.0, 8.0])
    n, n_cases = people.sum(), 200
    value = value - (people * value).sum() / n
    value /= np.sqrt((people * value**2).sum() / n)
    drawn = rng.multivariate_hypergeometric(people, n_cases, 400_000) @ value
    rate = n_cases / n
    score = drawn / np.sqrt(n * rate * (1 - rate))
    residual = np.repeat([1 - rate, -rate], [n_cases, n - n_cases])
    for z in (2.0, 3.0, 4.0, -1.5, -2.0):
        (told,) = saddlepoint_z(value[None], people[None] * 1.0, np.array([z]), residual)
        share = (score >= z).mean() if z > 0 else (score <= z).mean()
        assert NormalDist().cdf(-abs(told)) == pytest.approx(share, rel=0.25)
    assert told < -2.3  # the left tail is the shorter one


def test_normal_residuals_leave_z_as_it_is() -> None:
    rng = np.random.default_rng(2)
    z = np.array([-8.0, -3.0, np.nan, 0.5, 4.0, 12.0])
    value = rng.standard_normal((6, 9))
    value -= value.mean(axis=1, keepdims=True)
    value /= np.sqrt((value**2).mean(axis=1, keepdims=True))
    residual = np.array([NormalDist().inv_cdf((i + 0.5) / 20000) for i in range(20000)])
    told = saddlepoint_z(value, np.full((6, 9), 2000.0), z, residual)
    np.testing.assert_allclose(told, z, rtol=0.01)
    target = score_target(residual, np.ones(20000))
    assert is_normal(target)
    words = packed(rng.binomial(2, 0.5, (2, 20000)).astype(np.int8))
    same = tail_z(words, 20000, np.zeros(6, int), np.ones(6, int), z, target)
    np.testing.assert_array_equal(same, z)


def test_large_scores_stay_large_and_in_order() -> None:
    residual = np.repeat([0.95, -0.05], [400, 7600])
    value = np.array([[-0.4, 0.5, 4.0]])
    people = np.array([[5200.0, 2500.0, 300.0]])
    value -= (people * value).sum() / people.sum()
    value /= np.sqrt((people * value**2).sum() / people.sum())
    z = np.array([1.5, 3.0, 6.0, 12.0, 20.0, 60.0])
    told = saddlepoint_z(np.repeat(value, 6, 0), np.repeat(people, 6, 0), z, residual)
    assert (np.diff(told) > 0).all()
    assert (told <= z).all()
    assert told[3] > 9


def test_a_disease_of_one_in_twenty_has_as_many_large_scores_as_chance_gives() -> None:
    rng = np.random.default_rng(3)
    n, m = 5000, 1500
    words = packed(rng.binomial(2, rng.uniform(0.05, 0.95, (m, 1)), (m, n)).astype(np.int8))
    n_large, expected = 0, 0.0
    for _ in range(3):
        cases = (rng.random(n) < 0.05) * 1.0
        rate = cases.mean()
        hits = all_pairs(
            words, n, cases - rate, np.full(n, rate * (1 - rate)), threshold_z=3.7, threads=2
        )
        n_large += int((hits.pairs["z"].abs() >= 4).sum())
        expected += hits.n_tests * 2 * NormalDist().cdf(-4)
        inflation = hits.inflation
    assert expected > 150
    assert abs(n_large - expected) < 4 * np.sqrt(expected)
    assert inflation == pytest.approx(1, abs=0.03)
