"""Percentiles among reference people, against their definition."""

import numpy as np
import pytest

from genomed.scores.adjustment import Adjusted, adjust, nearby


def adjusted(reference, reference_pcs, group, scores, pcs, own, k) -> list[Adjusted]:
    near = nearby(reference_pcs, pcs).place
    return adjust(reference, reference_pcs, group, scores, pcs, own, near, k)


def test_scores_that_differ_by_the_rounding_of_a_sum_are_equal():
    rng = np.random.default_rng(4)
    pcs = rng.normal(size=(200, 2))
    reference = rng.integers(0, 3, (1, 200)) * 0.1 + 0.2
    score = reference[:, :5] + 1e-16
    (found,) = adjusted(reference, pcs, np.zeros(200, int), score, pcs[:5], np.zeros(5, int), 2)
    below, equal = reference < score.T - 1e-9, np.abs(reference - score.T) < 1e-9
    rank = below.sum(axis=1) + (equal.sum(axis=1) + 1) / 2  # the mean rank of those that equal it
    np.testing.assert_allclose(found.population_percentile, rank / 2)


def test_neighbours_are_those_nearest_in_components():
    pcs = np.arange(100.0)[:, None]
    reference = np.arange(100.0)[None] ** 2
    (found,) = adjusted(
        reference,
        pcs,
        np.zeros(100, int),
        np.array([[9.5]]),
        np.array([[3.1]]),
        np.zeros(1, int),
        1,
    )
    assert found.neighbourhood_percentile.tolist() == [100 * 4 / 20]
    assert found.population_percentile.tolist() == [4]


def test_nobody_outside_or_without_a_score_is_adjusted():
    rng = np.random.default_rng(1)
    reference_pcs, pcs = rng.normal(size=(60, 2)), rng.normal(size=(5, 2))
    reference = rng.normal(size=(2, 60))
    scores = rng.normal(size=(2, 5))
    scores[1, 2] = np.nan
    population = np.array([0, -1, 0, 0, 0])
    found = adjusted(reference, reference_pcs, np.zeros(60, int), scores, pcs, population, 2)
    known = [np.isfinite(np.stack([*vars(a).values()])).all(axis=0).tolist() for a in found]
    none = [np.isnan(np.stack([*vars(a).values()])).all(axis=0).tolist() for a in found]
    assert known == [[True, False, True, True, True], [True, False, False, True, True]]
    assert none == [[not x for x in row] for row in known]


def test_a_score_that_is_the_same_for_all_reference_people_adjusts_nothing():
    rng = np.random.default_rng(2)
    pcs = rng.normal(size=(60, 2))
    (found,) = adjusted(
        np.ones((1, 60)), pcs, np.zeros(60, int), np.ones((1, 3)), pcs[:3], np.zeros(3, int), 2
    )
    assert np.isnan(found.z_norm1).all()


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e9])
def test_the_unit_of_a_score_changes_nothing(unit):
    rng = np.random.default_rng(3)
    pcs, ours = rng.normal(size=(200, 2)), rng.normal(size=(20, 2))
    reference, score = rng.normal(size=(1, 200)) + pcs[:, 0], rng.normal(size=(1, 20)) + ours[:, 0]
    group, own = (pcs[:, 0] > 0).astype(int), (ours[:, 0] > 0).astype(int)
    (one,) = adjusted(reference, pcs, group, score, ours, own, 2)
    (other,) = adjusted(unit * reference, pcs, group, unit * score, ours, own, 2)
    for name, values in vars(one).items():
        np.testing.assert_allclose(getattr(other, name), values, rtol=1e-9, atol=1e-9)
