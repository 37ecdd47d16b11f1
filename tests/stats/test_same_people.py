"""People in both of two sets are found by their genotypes, and relatives are not taken for them."""

import numpy as np
import pytest

from genomed.stats.same_people import informative_loci, same_people


@pytest.fixture(scope="module")
def reference() -> np.ndarray:
    rng = np.random.default_rng(71)
    return rng.binomial(2, rng.uniform(0.1, 0.9, (1024, 1)), (1024, 600)).astype(np.int8)


def test_those_in_both_are_found_and_nobody_else(reference: np.ndarray) -> None:
    rng = np.random.default_rng(72)
    both = reference[:, 100:300].copy()
    wrong = rng.random(both.shape)
    both[wrong < 0.01] = 1
    both[wrong > 0.95] = -9
    others = rng.binomial(2, 0.5, (1024, 300)).astype(np.int8)
    found = same_people(np.hstack([others, both]), reference)
    assert found.tolist() == [-1] * 300 + list(range(100, 300))


def test_parents_children_and_siblings_are_others(reference: np.ndarray) -> None:
    rng = np.random.default_rng(73)
    half = reference / 2

    def child(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (rng.binomial(1, a) + rng.binomial(1, b)).astype(np.int8)

    mothers, fathers = half[:, :300], half[:, 300:]
    first, second = child(mothers, fathers), child(mothers, fathers)
    assert (same_people(first, reference) == -1).all()
    assert (same_people(second, first) == -1).sum() >= 298


def test_of_few_loci_names_and_calls_decide_together(reference: np.ndarray) -> None:
    few = reference[:64]
    names = [f"p{i}" for i in range(600)]
    assert (same_people(few, few) == -1).all()
    assert same_people(few, few, names, names).tolist() == list(range(600))
    assert (same_people(few, few, names, names[::-1]) == -1).sum() >= 590


def test_informative_loci_are_common_and_spread() -> None:
    frequency = np.tile([0.5, 0.05, 0.95, np.nan, 0.12], 2000)
    chosen = informative_loci(frequency)
    assert len(np.unique(chosen)) == 1024
    assert set((chosen % 5).tolist()) == {0, 4}
    assert chosen[0] == 0
    assert chosen[-1] == 9999
    assert informative_loci(frequency[:10]).tolist() == [0, 4, 5, 9]


def test_nobody_is_in_an_empty_set(reference: np.ndarray) -> None:
    assert same_people(reference[:, :0], reference).tolist() == []
    assert same_people(reference[:, :3], reference[:, :0]).tolist() == [-1] * 3
