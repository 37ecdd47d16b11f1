"""Percentiles among reference people, against their definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomed.scores.adjustment import (
    Neighbourhood,
    adjust,
    percentile_among,
    weighted_percentile,
)

small = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=8)


def naive(known: list[float], weight: list[float], score: float) -> float:
    """Weighted share below, ties counted half."""
    below = sum(w for x, w in zip(known, weight, strict=True) if x < score)
    equal = sum(w for x, w in zip(known, weight, strict=True) if x == score)
    return 100 * (below + equal / 2) / sum(weight)


@given(small, small)
def test_percentiles_count_ties_half(known, scores):
    expected = [naive(known, [1.0] * len(known), s) for s in scores]
    found = percentile_among(np.array(known), np.array(scores))
    np.testing.assert_allclose(found, expected)


@given(small, st.integers(-3, 3), st.randoms(use_true_random=False))
def test_weighted_percentiles_count_each_by_its_weight(known, score, random):
    weight = [random.uniform(0.1, 1) for _ in known]
    found = weighted_percentile(np.array([known]), np.array([weight]), np.array([float(score)]))
    np.testing.assert_allclose(found, [naive(known, weight, float(score))])


def test_scores_that_differ_by_the_rounding_of_a_sum_are_equal():
    assert percentile_among(np.array([0.1 + 0.2, 1.0]), np.array([0.3])).tolist() == [25.0]


def test_a_score_that_is_not_known_has_no_percentile():
    found = percentile_among(np.array([1.0, 2.0]), np.array([np.nan, 1.5]))
    assert np.isnan(found[0])
    assert found[1] == 50


def test_the_nearest_count_most_and_the_far_not_at_all():
    people = np.arange(100.0)[:, None]
    (near,) = Neighbourhood.all_of(people, np.array([[0.0], [50.2]]))
    assert near.people[0].tolist()[:20] == list(range(20))
    assert set(near.people[1].tolist()[:20]) == set(range(41, 61))
    assert near.weight[0, 0] == 1
    assert (np.diff(near.weight[0]) <= 0).all()
    assert near.weight[:, -1].tolist() == [0, 0]


def test_people_in_one_place_count_alike():
    (near,) = Neighbourhood.all_of(np.zeros((30, 2)), np.zeros((1, 2)))
    assert (near.weight == 1).all()


def test_nobody_outside_or_without_a_score_is_adjusted():
    rng = np.random.default_rng(1)
    reference_pcs, pcs = rng.normal(size=(60, 2)), rng.normal(size=(5, 2))
    reference = rng.normal(size=(2, 60))
    scores = rng.normal(size=(2, 5))
    scores[1, 2] = np.nan
    population = np.array([0, -1, 0, 0, 0])
    found = adjust(reference, reference_pcs, np.zeros(60, int), scores, pcs, population, 2)
    known = [np.isfinite(np.stack([*vars(a).values()])).all(axis=0).tolist() for a in found]
    none = [np.isnan(np.stack([*vars(a).values()])).all(axis=0).tolist() for a in found]
    assert known == [[True, False, True, True, True], [True, False, False, True, True]]
    assert none == [[not x for x in row] for row in known]


def test_a_score_that_is_the_same_for_all_reference_people_adjusts_nothing():
    rng = np.random.default_rng(2)
    pcs = rng.normal(size=(60, 2))
    (found,) = adjust(
        np.ones((1, 60)), pcs, np.zeros(60, int), np.ones((1, 3)), pcs[:3], np.zeros(3, int), 2
    )
    assert np.isnan(found.z_norm1).all()


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e9])
def test_the_unit_of_a_score_changes_nothing(unit):
    rng = np.random.default_rng(3)
    pcs, ours = rng.normal(size=(200, 2)), rng.normal(size=(20, 2))
    reference, score = rng.normal(size=(1, 200)) + pcs[:, 0], rng.normal(size=(1, 20)) + ours[:, 0]
    group, own = (pcs[:, 0] > 0).astype(int), (ours[:, 0] > 0).astype(int)
    (one,) = adjust(reference, pcs, group, score, ours, own, 2)
    (other,) = adjust(unit * reference, pcs, group, unit * score, ours, own, 2)
    for name, values in vars(one).items():
        np.testing.assert_allclose(getattr(other, name), values, rtol=1e-9, atol=1e-9)
