"""Sums by calls, values by pairs of calls, and the search for large elements, against numpy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packed_cohorts import packed

from genomed.kernels.packed import keep_bits
from genomed.kernels.pairs import cell_sums, code_sums, find_large, pair_rows


def codes(alt_count: np.ndarray) -> np.ndarray:
    return np.where(alt_count < 0, 3, alt_count)


@given(st.integers(0, 2**32 - 1), st.integers(1, 70), st.integers(1, 4))
def test_sums_by_calls_are_those_of_the_definition(seed: int, n: int, q: int) -> None:
    rng = np.random.default_rng(seed)
    alt_count = rng.choice(np.array([0, 1, 2, -9], np.int8), (5, n), p=rng.dirichlet(np.ones(4)))
    words, keep = packed(alt_count), rng.random(n) < 0.8
    moments = np.zeros((32 * words.shape[1], q))
    moments[:n][keep] = rng.standard_normal((keep.sum(), q))
    total, common = moments.sum(axis=0), rng.integers(0, 4, 5)
    margins, cells = np.empty((5, 4, q)), np.empty((25, 16, q))
    code_sums(words, keep_bits(keep), common, moments, total, margins)
    first, second = (part.ravel() for part in np.mgrid[:5, :5])
    arguments = (words, keep_bits(keep), common, moments, margins, total, first, second)
    cell_sums(*arguments, cells)
    code = codes(alt_count)
    for v in range(5):
        expected = [moments[:n][code[v] == c].sum(axis=0) for c in range(4)]
        np.testing.assert_allclose(margins[v], expected, atol=1e-12)
    for p, (i, j) in enumerate(zip(first, second, strict=True)):
        cell = 4 * code[i] + code[j]
        expected = [moments[:n][cell == c].sum(axis=0) for c in range(16)]
        np.testing.assert_allclose(cells[p], expected, atol=1e-12)


def test_everybody_gets_the_value_of_both_calls() -> None:
    rng = np.random.default_rng(1)
    alt_count = rng.choice(np.array([0, 1, 2, -9], np.int8), (4, 45))
    value = rng.standard_normal((2, 4, 4)).astype(np.float32)
    out = np.empty((2, 45), np.float32)
    pair_rows(packed(alt_count), 45, np.array([0, 3]), np.array([2, 1]), value, out)
    code = codes(alt_count)
    np.testing.assert_array_equal(out[0], value[0, code[0], code[2]])
    np.testing.assert_array_equal(out[1], value[1, code[3], code[1]])


@pytest.mark.parametrize("diagonal", [-200, -3, 0, 40, 200])
@pytest.mark.parametrize("shape", [(1, 1), (7, 64), (30, 150), (0, 5)])
def test_large_elements_above_a_diagonal_are_found(shape: tuple[int, int], diagonal: int) -> None:
    tile = np.random.default_rng(2).standard_normal(shape).astype(np.float32)
    i, j = np.nonzero(np.abs(tile) >= np.float32(1.5))
    above = j - i > diagonal
    expected = np.stack([i[above], j[above]], axis=1)
    at, value = np.empty((len(expected), 2), np.int64), np.empty(len(expected), np.float32)
    limit = np.float32(1.5)
    given = (tile, tile.view(np.int32), limit, limit.view(np.int32), diagonal)
    assert find_large(*given, at, value) == len(expected)
    np.testing.assert_array_equal(at, expected)
    np.testing.assert_array_equal(value, tile[tuple(expected.T)])
    assert find_large(*given, at[:0], value[:0]) == len(expected)
