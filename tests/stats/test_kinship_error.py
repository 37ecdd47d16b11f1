"""The error of kinship, against the scatter of people who are known to be unrelated."""

import numpy as np
import pytest
from array_store import ArrayStore

from genomed.stats.kinship_error import kinship_error, least_kinship


def unrelated_people(n_variants: int, n_samples: int, copies: int, seed: int) -> np.ndarray:
    """Independent people; each variant stands `copies` times in a row, in full LD."""
    rng = np.random.default_rng(seed)
    frequency = rng.uniform(0.1, 0.9, (n_variants // copies, 1))
    calls = rng.binomial(2, frequency, (n_variants // copies, n_samples))
    return np.repeat(calls, copies, axis=0).astype(np.int8)


def scatter(calls: np.ndarray) -> float:
    """Standard deviation of the kinship of all pairs, by the definition."""
    kinship = []
    for i in range(calls.shape[1]):
        for j in range(i):
            a, b = calls[:, i], calls[:, j]
            opposite = ((a - b) ** 2 == 4).sum()
            least = min((a == 1).sum(), (b == 1).sum())
            one = ((a == 1) != (b == 1)).sum()
            kinship.append(0.5 - (4 * opposite + one) / (4 * least))
    return float(np.std(kinship))


@pytest.mark.parametrize("copies", [1, 10])
def test_the_error_is_the_scatter_of_unrelated_people(copies):
    calls = unrelated_people(4000, 60, copies, 21)
    error = kinship_error(ArrayStore(calls), np.arange(4000))
    assert error == pytest.approx(scatter(calls), rel=0.15)


def test_more_variants_than_are_looked_at_make_it_smaller():
    calls = unrelated_people(100_000, 12, 1, 22)
    store = ArrayStore(calls)
    some = kinship_error(store, np.arange(25_000))
    assert kinship_error(store, np.arange(100_000)) == pytest.approx(some / 2, rel=0.2)


def test_nobody_to_compare_gives_no_error_and_no_limit():
    one = ArrayStore(np.ones((100, 1), np.int8))
    none = ArrayStore(np.ones((0, 5), np.int8))
    missing = ArrayStore(np.full((100, 5), -9, np.int8))
    for store in (one, none, missing):
        assert np.isnan(kinship_error(store, np.arange(store.n_variants)))
    assert least_kinship(float("nan"), 10) == 0


def test_the_limit_rises_with_the_number_of_pairs():
    assert least_kinship(0.01, 2) == pytest.approx(0.01 * 1.645, rel=1e-3)
    assert 0.04 < least_kinship(0.01, 300) < least_kinship(0.01, 30_000) < 0.07
