"""Folds: families stay whole, parts are alike, and the order of the samples changes nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomed.stats.splits import (
    TEST,
    UNUSED,
    AcrossSets,
    across_sets,
    components,
    folds,
    pairs_of_groups,
    strata,
)


@st.composite
def cohorts(draw):
    """Names, strata, and pairs of relatives."""
    n = draw(st.integers(8, 60))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    pairs = rng.integers(0, n, (draw(st.integers(0, 12)), 2))
    return [f"s{i}" for i in range(n)], rng.integers(0, 3, n), pairs


def naive_components(n, pairs):
    label = list(range(n))
    for _ in range(n):
        for one, other in pairs:
            label[one] = label[other] = min(label[one], label[other])
    return label


@given(cohorts())
def test_components_match_the_definition(cohort):
    names, _, pairs = cohort
    assert components(len(names), pairs).tolist() == naive_components(len(names), pairs.tolist())


@given(cohorts(), st.integers(2, 5), st.sampled_from([0.0, 0.2, 0.5]))
def test_nobody_is_lost_and_families_stay_whole(cohort, n_folds, test_fraction):
    names, label, pairs = cohort
    fold = folds(names, n_folds=n_folds, test_fraction=test_fraction, strata=label, relatives=pairs)
    assert ((fold >= TEST) & (fold < n_folds)).all()
    assert (fold[pairs[:, 0]] == fold[pairs[:, 1]]).all()
    assert (fold == TEST).any() <= (test_fraction > 0)


@settings(max_examples=50)
@given(cohorts(), st.integers(0, 99))
def test_the_order_of_the_samples_changes_nothing(cohort, seed):
    names, label, pairs = cohort
    order = np.random.default_rng(seed).permutation(len(names))
    place = np.argsort(order)
    fold = folds(names, seed=seed, strata=label, relatives=pairs)
    mixed = [names[i] for i in order]
    shuffled = folds(mixed, seed=seed, strata=label[order], relatives=place[pairs][::-1, ::-1])
    assert shuffled.tolist() == fold[order].tolist()


@given(cohorts())
def test_without_relatives_every_stratum_is_divided_to_within_one_person(cohort):
    names, label, _ = cohort
    fold = folds(names, n_folds=4, test_fraction=0.2, strata=label)
    for stratum in range(3):
        n = int((label == stratum).sum())
        for part in range(TEST, 4):
            assert abs(((fold == part) & (label == stratum)).sum() - 0.2 * n) < 1 + 1e-9
    sizes = np.bincount(fold + 1, minlength=5)
    assert np.abs(sizes - 0.2 * len(names)).max() <= 2


def test_cases_of_each_ancestry_are_spread_though_families_stay_whole():
    rng = np.random.default_rng(4)
    n = 6000
    names = [f"p{i:05d}" for i in range(n)]
    group = np.array(["EUR"] * 4800 + ["AFR"] * 600 + ["EAS"] * 600)
    status = (rng.random(n) < 0.1).astype(float)
    relatives = pairs_of_groups([f"f{i // 4}" if i % 3 else None for i in range(n)])
    label = strata(status, groups=group.tolist())
    fold = folds(names, strata=label, relatives=relatives, test_fraction=0.2)
    for ancestry in ("EUR", "AFR", "EAS"):
        here = group == ancestry
        for part in range(TEST, 5):
            share = 0.2 if part == TEST else 0.16
            assert abs((fold[here] == part).mean() - share) < 0.004
            cases = status[here & (fold == part)].sum()
            assert abs(cases - share * status[here].sum()) <= 2


def test_another_seed_gives_another_split_and_the_same_seed_the_same():
    names = [f"p{i}" for i in range(200)]
    one, again, other = (folds(names, seed=seed) for seed in (1, 1, 2))
    assert one.tolist() == again.tolist()
    assert (one != other).mean() > 0.5


def test_a_given_test_set_is_kept_and_the_rest_is_divided():
    names = [f"p{i}" for i in range(100)]
    test = np.arange(100) < 30
    used = np.arange(100) != 99
    fold = folds(names, test=test, used=used, n_folds=5)
    assert (fold[:30] == TEST).all()
    assert fold[99] == UNUSED
    assert sorted(np.bincount(fold[30:99])) == [13, 14, 14, 14, 14]


def test_relatives_on_both_sides_of_a_given_split_are_counted():
    fold = np.array([TEST, TEST, 0, 1, UNUSED], np.int8)
    relatives = np.array([[0, 2], [0, 3], [0, 1], [1, 4], [2, 3]])
    assert across_sets(fold, relatives) == AcrossSets(n_pairs=2, n_people=1)


def test_numbers_are_divided_by_fifths():
    value = np.array([5.0, 1, 2, 3, 4, np.nan])
    label = strata(value, is_number=True)
    assert len(set(label.tolist())) == 6
    assert label.tolist() == strata(value, is_number=True, groups=[None] * 6).tolist()


def test_a_family_as_large_as_half_the_cohort_is_in_one_part():
    names = [f"p{i}" for i in range(40)]
    relatives = pairs_of_groups(["big"] * 20 + [None] * 20)
    fold = folds(names, relatives=relatives, n_folds=4, test_fraction=0.2)
    assert len(set(fold[:20].tolist())) == 1
    assert set(fold.tolist()) == {-1, 0, 1, 2, 3}


@pytest.mark.parametrize(
    ("names", "options"),
    [
        (["a", "a", "b"], {"n_folds": 2}),
        (["a", "b"], {"n_folds": 2}),
        (["a", "b", "c"], {"n_folds": 1}),
        (["a", "b", "c"], {"test_fraction": 1.0}),
        (["a", "b", "c"], {"n_folds": 2, "relatives": [[0, 3]]}),
    ],
)
def test_what_makes_no_sense_is_refused(names, options):
    with pytest.raises(ValueError, match=r"must|few"):
        folds(names, **options)
