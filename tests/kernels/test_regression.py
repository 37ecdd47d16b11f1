"""Kernels of packed regression against loops in numpy."""

import numpy as np
import pytest
from linear_cases import Problem, problem

from genomed.kernels.regression import (
    adapt,
    add_columns,
    decode_columns,
    descend,
    weigh_codes,
)
from genomed.models.columns import from_slices, to_slices


@pytest.fixture(scope="module", params=[70, 256])
def case(request: pytest.FixtureRequest) -> Problem:
    """Of 70 people, in the middle of a word, and of 256."""
    return problem(1, n=request.param, p=40, missing=0.1)


def test_slices_hold_everybody_once() -> None:
    values = np.arange(1.0, 71)
    slices = to_slices(values, 6, np.float64)
    assert slices[3, 2] == values[16 * 2 + 3]
    assert slices.sum() == values.sum()
    np.testing.assert_array_equal(from_slices(slices, 70), values)


def test_decoded_columns_are_the_values_of_the_codes(case: Problem) -> None:
    columns = case.columns
    out = np.empty((40, 16, columns.halves.shape[1]), np.float32)
    decode_columns(columns.halves, columns.row, columns.value, out)
    for j in range(40):
        np.testing.assert_array_equal(
            from_slices(out[j], columns.n_samples), case.dense[:, j].astype(np.float32)
        )


def test_codes_are_weighed_exactly(case: Problem) -> None:
    columns, n = case.columns, case.columns.n_samples
    weight = np.random.default_rng(2).integers(0, 5, n).astype(np.float64)
    halves = columns.halves
    out = np.empty((40, 4))
    scratch = np.empty((3, halves.shape[1]))
    weigh_codes(halves, to_slices(weight, halves.shape[1], np.float64), scratch, out)
    for code, count in enumerate((0, 1, 2, -9)):
        np.testing.assert_array_equal(out[:, code], (case.alt_count == count) @ weight)


def test_columns_are_added_in_double_precision(case: Problem) -> None:
    columns, n = case.columns, case.columns.n_samples
    rng = np.random.default_rng(3)
    extra = rng.normal(size=(2, n)).astype(np.float32)
    m = columns.halves.shape[1]
    dense = np.stack([to_slices(x, m) for x in extra])
    out = np.zeros((16, m))
    index, coefficient = np.array([3, 17, 41]), rng.normal(size=3)
    add_columns(columns.halves, columns.row, columns.value, dense, index, coefficient, out)
    expected = np.stack([case.dense[:, 3], case.dense[:, 17], extra[1]], 1) @ coefficient
    np.testing.assert_allclose(from_slices(out, n), expected, rtol=1e-12, atol=1e-12)


def test_a_cycle_is_that_of_the_plain_definition(case: Problem) -> None:
    """One cycle of weighted coordinate descent with a covariate eliminated, written with loops."""
    columns, n, m = case.columns, case.columns.n_samples, case.columns.halves.shape[1]
    rng = np.random.default_rng(4)
    w, y = rng.uniform(0.5, 2, n), rng.normal(size=n)
    q = np.ones(n) / np.sqrt(w.sum())
    x = case.dense
    along = (x * w[:, None]).T @ q
    curvature = (x**2).T @ w - along**2
    l1, l2 = np.full(40, 3.0), np.full(40, 5.0)
    expected, u, g = np.zeros(40), w * y, q @ (w * y)
    for j in range(40):
        z = x[:, j] @ u - along[j] * g
        expected[j] = np.sign(z) * max(abs(z) - 3.0, 0) / (curvature[j] + 5.0)
        u = u - w * x[:, j] * expected[j]
        g = q @ u
    beta, start = np.zeros(40), np.array([q @ (w * y)])
    packed_u = to_slices(w * y, m)
    dense = np.empty((0, 16, m), np.float32)
    descend(
        columns.halves, columns.row, columns.value, dense, np.arange(40), along[:, None],
        curvature, l1, l2, beta, packed_u, to_slices(w, m), start, np.empty(m, np.float32), 0.0, 1,
    )  # fmt: skip
    np.testing.assert_allclose(beta, expected, atol=1e-5)
    np.testing.assert_allclose(from_slices(packed_u, n), u, atol=1e-4)
    assert np.count_nonzero(expected) > 3


def test_a_cycle_of_the_mixture_is_that_of_the_plain_definition(case: Problem) -> None:
    """Posterior means column by column, from the densities of the marginal estimates."""
    columns, n, m = case.columns, case.columns.n_samples, case.columns.halves.shape[1]
    rng = np.random.default_rng(5)
    w, noise = rng.uniform(0.5, 2, n), 1.7
    y, x = case.eta + rng.normal(size=n), case.dense
    chance, spread = np.array([0.6, 0.3, 0.1]), np.array([0.0, 0.01, 0.2])
    factor = rng.uniform(0.5, 2, 40)
    curvature = (x**2).T @ w
    expected, shares, slack = np.zeros(40), np.zeros(3), 0.0
    for j in range(40):
        estimate = x[:, j] @ (w * (y - x @ expected)) / curvature[j]
        variance = noise * (spread * factor[j] + 1 / curvature[j])  # of the estimate
        density = chance * np.exp(-(estimate**2) / (2 * variance)) / np.sqrt(variance)
        posterior = density / density.sum()
        expected[j] = posterior @ (estimate * noise * spread * factor[j] / variance)
        shares += posterior
        slack += curvature[j] * (estimate - expected[j]) * expected[j]
    beta, counts, u = np.zeros(40), np.zeros(3), to_slices(w * y, m)
    found, largest = adapt(
        columns.halves, columns.row, columns.value, np.empty((0, 16, m), np.float32),
        np.empty((40, 0)), curvature, chance, spread, factor, noise, beta, u, to_slices(w, m),
        np.empty(0), np.empty(m, np.float32), np.empty(3), counts,
    )  # fmt: skip
    np.testing.assert_allclose(beta, expected, atol=1e-5)
    np.testing.assert_allclose(counts, shares, rtol=1e-4)
    assert found == pytest.approx(slack, rel=1e-4)
    assert largest == pytest.approx((curvature * expected**2).max(), rel=1e-4)
    np.testing.assert_allclose(from_slices(u, n), w * (y - x @ expected), atol=1e-4)
