"""Columns of packed calls: their codes, and their products against the design written out."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from linear_cases import Problem, problem, written_out
from packed_cohorts import packed

from genomed.models.columns import (
    Columns,
    Products,
    additive_columns,
    dominance_columns,
    from_slices,
    join,
    to_slices,
)

N = 90


@pytest.fixture(scope="module")
def case() -> Problem:
    return problem(1, n=N, p=50, missing=0.1)


@pytest.fixture(scope="module")
def weight() -> np.ndarray:
    weight = np.random.default_rng(2).uniform(0.5, 2, N)
    weight[::4] = 0
    return weight


def moments(columns: Columns, called: np.ndarray, weight: np.ndarray) -> tuple:
    """Weighted mean and variance of each column among called people."""
    x, w = written_out(columns), called.T * weight[:, None]
    mean = (x * w).sum(axis=0) / w.sum(axis=0)
    return mean, ((x - mean) ** 2 * w).sum(axis=0) / w.sum(axis=0)


@pytest.mark.parametrize("make", [additive_columns, dominance_columns])
def test_columns_are_standardised_among_weighted_called_people(
    case: Problem, weight: np.ndarray, make: object
) -> None:
    columns = make(case.columns.words, N, weight)  # type: ignore[operator]
    mean, variance = moments(columns, case.alt_count >= 0, weight)
    np.testing.assert_allclose(mean, 0, atol=1e-6)
    varies = columns.value.any(axis=1)
    np.testing.assert_allclose(variance[varies], 1, atol=1e-5)
    assert varies.sum() > 40
    assert not written_out(columns)[(case.alt_count < 0).T].any()


def test_dominance_is_uncorrelated_with_the_copies(case: Problem, weight: np.ndarray) -> None:
    x = written_out(additive_columns(case.columns.words, N, weight))
    z = written_out(dominance_columns(case.columns.words, N, weight))
    np.testing.assert_allclose((x * z * weight[:, None]).sum(axis=0), 0, atol=1e-3)


def test_under_hardy_weinberg_dominance_has_the_codes_of_vitezica() -> None:
    """-2 q^2, 2 p q, -2 p^2 over 2 p q for 0, 1 and 2 copies of an allele of frequency q = 0.2."""
    alt_count = np.repeat([0, 1, 2], [64, 32, 4])[None].astype(np.int8)
    value = dominance_columns(packed(alt_count), 100, np.ones(100)).value[0, :3]
    np.testing.assert_allclose(value, np.array([-0.08, 0.32, -1.28]) / 0.32, atol=1e-6)


def test_a_variant_that_does_not_vary_is_zero_throughout() -> None:
    alt_count = np.array([[0] * 8, [2] * 8, [-9] * 8, [1, -9] * 4, [0, 1] * 4], np.int8)
    for make in (additive_columns, dominance_columns):
        columns = make(packed(alt_count), 8, np.ones(8))
        assert not columns.value[:4].any()
    assert additive_columns(packed(alt_count), 8, np.ones(8)).value[4].any()


def with_dense(case: Problem) -> tuple[Columns, np.ndarray]:
    """Additive and dominance columns, three dense ones, and penalties."""
    rng = np.random.default_rng(3)
    dense = rng.normal(size=(3, N)).astype(np.float32)
    both = join(
        replace(case.columns, dense=dense, penalty=rng.uniform(0.5, 2, 53)),
        dominance_columns(case.columns.words, N, np.ones(N), np.arange(0, 50, 3)),
    )
    return both, written_out(both)


def test_joined_columns_keep_their_penalties(case: Problem) -> None:
    both, x = with_dense(case)
    assert x.shape == (N, 50 + 17 + 3)
    assert (both.penalty[50:67] == 1).all()
    assert (both.penalty[67:] != 1).all()
    other = problem(2, n=N, p=12).columns
    with pytest.raises(ValueError, match="same words"):
        join(both, other)


@pytest.mark.parametrize("block_bytes", [1, 2 << 20])
def test_products_are_those_of_the_design_written_out(
    case: Problem, block_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genomed.models.columns.BLOCK_BYTES", block_bytes)
    columns, x = with_dense(case)
    rng = np.random.default_rng(4)
    vectors, m = rng.normal(size=(N, 3)), columns.halves.shape[1]
    slices = np.stack([to_slices(v, m).ravel() for v in vectors.T], axis=1)
    with ThreadPoolExecutor(2) as pool:
        products = Products(columns, pool)
        np.testing.assert_allclose(products.with_columns(slices), x.T @ vectors, atol=1e-4)
        related = products.relate(slices)
        index = np.array([0, 9, 55, 66, 67, 69])
        w = rng.uniform(0.5, 1.5, N)
        q = np.ones(N) / np.sqrt(w.sum())
        along, curvature = columns.moments(index, to_slices(w * q, m)[None], to_slices(w, m))
    expected = (x / columns.penalty) @ (x.T @ vectors)
    for k in range(3):
        one = from_slices(related[:, k].reshape(16, -1), N)
        np.testing.assert_allclose(one, expected[:, k], atol=1e-3)
    np.testing.assert_allclose(along[:, 0], x[:, index].T @ (w * q), atol=1e-4)
    left = (x[:, index] ** 2).T @ w - (x[:, index].T @ (w * q)) ** 2
    np.testing.assert_allclose(curvature, left, rtol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"penalty": np.zeros(50)}, "not positive"),
        ({"penalty": np.ones(49)}, "different numbers"),
        ({"row": np.full(50, 50)}, "outside"),
        ({"dense": np.empty((0, 500), np.float32)}, "do not hold 500"),
        ({"value": np.full((50, 4), np.nan, np.float32)}, "not finite"),
    ],
)
def test_columns_that_cannot_be_are_refused(case: Problem, change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(case.columns, **change)
