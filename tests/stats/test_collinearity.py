"""Dependent columns: as many as the rank says, the later ones."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import qr

from genomed.stats.collinearity import dependent_columns


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(0, 4))
def test_as_many_columns_stay_as_a_pivoted_qr_finds(seed, n_free, n_made):
    rng = np.random.default_rng(seed)
    free = rng.normal(size=(50, n_free))
    made = free @ rng.integers(-2, 3, (n_free, n_made)) + 5.0
    matrix = np.concatenate([free, made], axis=1)[:, rng.permutation(n_free + n_made)]
    matrix = matrix[:, matrix.std(axis=0) > 0]
    found = dependent_columns(matrix, 1e-6)
    centred = matrix - matrix.mean(axis=0)
    diagonal = np.abs(np.diag(qr(centred, mode="r", pivoting=True)[0]))
    rank = int((diagonal > 1e-8 * diagonal[0]).sum())
    assert matrix.shape[1] - len(found) == rank
    kept = [c for c in range(matrix.shape[1]) if c not in found]
    for column, origins in found.items():
        assert set(origins) <= set(kept)
        assert all(origin < column for origin in origins)


def test_more_columns_than_rows_leave_what_fits():
    matrix = np.random.default_rng(1).normal(size=(4, 9))
    assert sorted(dependent_columns(matrix, 1e-6)) == [3, 4, 5, 6, 7, 8]


def test_nearly_dependent_columns_are_judged_by_the_tolerance():
    rng = np.random.default_rng(2)
    x = rng.normal(size=100)
    matrix = np.stack([x, x + 1e-4 * rng.normal(size=100)], axis=1)
    assert dependent_columns(matrix, 1e-3) == {1: [0]}
    assert dependent_columns(matrix, 1e-5) == {}
