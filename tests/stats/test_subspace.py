"""Leading eigenpairs against numpy's full decomposition."""

import numpy as np
import pytest

from genomed.stats.subspace import largest_eigenpairs, largest_eigenpairs_by_products


def spiked(n: int, spikes: list[float], seed: int = 1) -> np.ndarray:
    """A positive matrix: a Wishart bulk between 0.1 and 2.2, and some far larger eigenvalues."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((4 * n, n))
    directions = np.linalg.qr(rng.standard_normal((n, len(spikes))))[0]
    return noise.T @ noise / (4 * n) + (directions * spikes) @ directions.T


def test_the_dense_way_equals_numpy() -> None:
    matrix = spiked(60, [9.0, 5.0, 4.0])
    found = largest_eigenpairs(matrix, 7)
    values = np.linalg.eigvalsh(matrix)[::-1]
    np.testing.assert_allclose(found.eigenvalues, values[:7], rtol=1e-12)
    np.testing.assert_allclose(found.rest, values[7:], rtol=1e-12)
    np.testing.assert_allclose(
        matrix @ found.vectors, found.vectors * found.eigenvalues, atol=1e-12
    )
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(7), atol=1e-12)


def test_the_dense_way_reads_the_lower_triangle_only() -> None:
    matrix = spiked(20, [9.0])
    broken = np.tril(matrix) + np.triu(np.full_like(matrix, 1e6), 1)
    np.testing.assert_allclose(
        largest_eigenpairs(broken, 3).eigenvalues, largest_eigenpairs(matrix, 3).eigenvalues
    )


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_smallest_matrices_have_all_their_eigenvalues(n: int) -> None:
    matrix = spiked(n, [3.0])
    for found in (
        largest_eigenpairs(matrix, n),
        largest_eigenpairs_by_products(
            lambda block: matrix @ block, n, n, rng=np.random.default_rng(1)
        ),
    ):
        np.testing.assert_allclose(found.eigenvalues, np.linalg.eigvalsh(matrix)[::-1])


def test_products_find_the_subspace_within_the_angle_that_they_state() -> None:
    matrix = spiked(500, [30.0, 20.0, 9.0, 5.0, 4.0])
    exact = largest_eigenpairs(matrix, 5)
    for tolerance in (1e-1, 1e-3, 1e-6):
        found = largest_eigenpairs_by_products(
            lambda block: matrix @ block, 500, 5, rng=np.random.default_rng(3), tolerance=tolerance
        )
        cosine = np.linalg.svd(exact.vectors.T @ found.vectors, compute_uv=False).min()
        assert np.sqrt(max(0.0, 1 - cosine**2)) <= max(found.angle, 1e-7) <= max(tolerance, 1e-7)


def test_a_matrix_of_low_rank_ends_the_search() -> None:
    direction = np.linalg.qr(np.random.default_rng(2).standard_normal((300, 2)))[0]
    matrix = (direction * [4.0, 2.0]) @ direction.T
    found = largest_eigenpairs_by_products(
        lambda block: matrix @ block, 300, 2, rng=np.random.default_rng(3)
    )
    np.testing.assert_allclose(found.eigenvalues, [4.0, 2.0], rtol=1e-10)


def test_nodes_stand_for_the_rest_of_the_spectrum() -> None:
    matrix = spiked(800, [30.0, 20.0])
    exact = largest_eigenpairs(matrix, 2)
    found = largest_eigenpairs_by_products(
        lambda block: matrix @ block, 800, 2, rng=np.random.default_rng(3)
    )
    for function in (lambda x: x, lambda x: x**2, lambda x: 1 / (5 - x)):
        expected = function(exact.rest).sum()
        assert np.isclose((found.rest_weight * function(found.rest)).sum(), expected, rtol=0.05)


@pytest.mark.parametrize("k", [0, 11])
def test_a_number_of_components_that_cannot_be_is_refused(k: int) -> None:
    matrix = spiked(10, [3.0])
    with pytest.raises(ValueError, match="components were asked for"):
        largest_eigenpairs(matrix, k)
    with pytest.raises(ValueError, match="components were asked for"):
        largest_eigenpairs_by_products(lambda b: matrix @ b, 10, k, rng=np.random.default_rng(1))


def test_values_that_are_no_numbers_are_refused() -> None:
    matrix = spiked(10, [3.0])
    matrix[4, 2] = np.nan
    with pytest.raises(ValueError, match="not a number"):
        largest_eigenpairs(matrix, 2)
    with pytest.raises(ValueError, match="not a number"):
        largest_eigenpairs_by_products(lambda b: matrix @ b, 10, 2, rng=np.random.default_rng(1))
