"""The largest eigenvalues and eigenvectors of a symmetric matrix: dense, or known by its products.

Dense: Householder's reduction to a tridiagonal matrix, which gives all eigenvalues, and the
eigenvectors that are asked for. By products: block Lanczos from a random block, every block kept
orthogonal to all before it, and the Rayleigh-Ritz values of the space they span (Musco and Musco
2015, "Randomized block Krylov methods"; the start of Halko, Martinsson and Tropp 2011). It needs
fewer products than plain subspace iteration, and its residual tells how far off it may be.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

__all__ = ["Subspace", "largest_eigenpairs", "largest_eigenpairs_by_products"]


class Subspace(NamedTuple):
    """Leading eigenpairs of a symmetric (n, n) matrix, and what the rest of its spectrum is like.

    eigenvalues : float64 (k,), falling
    vectors     : float64 (n, k), of unit length
    rest        : float64 (any,), the other eigenvalues, or nodes that stand for them
    rest_weight : float64 (any,), how many eigenvalues each of `rest` stands for
    angle       : largest angle, as its sine, that `vectors` can have to the true subspace, by the
                  residual over the gap to the next eigenvalue; 0 for the dense way
    products    : products with the matrix that were taken
    """

    eigenvalues: np.ndarray
    vectors: np.ndarray
    rest: np.ndarray
    rest_weight: np.ndarray
    angle: float
    products: int


def largest_eigenpairs(matrix: np.ndarray, k: int) -> Subspace:
    """Eigenpairs of a dense symmetric matrix, float64 (n, n), by LAPACK.

    Only the lower triangle is read. Raises ValueError for k outside 1 .. n, or when the matrix
    holds a value that is not finite.
    """
    from scipy.linalg import eigh_tridiagonal, lapack  # noqa: PLC0415 - takes long, and placing people needs none

    n = len(matrix)
    if not 1 <= k <= n:
        raise ValueError(f"{k} components were asked for of a matrix of {n} x {n}")
    if not np.isfinite(matrix[np.tril_indices(n)]).all():
        raise ValueError("the relationship matrix holds a value that is not a number")
    if n == 1:
        return Subspace(matrix[0].copy(), np.ones((1, 1)), np.zeros(0), np.zeros(0), 0.0, 0)
    work = int(lapack.dsytrd_lwork(n, lower=1)[0])
    reduced, diagonal, off, tau, info = lapack.dsytrd(matrix, lower=1, lwork=work)
    if info:
        raise ValueError(f"LAPACK's dsytrd failed with {info}")
    values = eigh_tridiagonal(diagonal, off, eigvals_only=True)[::-1]
    top, vectors = eigh_tridiagonal(diagonal, off, select="i", select_range=(n - k, n - 1))
    _rotate_back(reduced, tau, vectors)
    return Subspace(
        top[::-1], np.ascontiguousarray(vectors[:, ::-1]), values[k:], np.ones(n - k), 0.0, 0
    )


def _rotate_back(reduced: np.ndarray, tau: np.ndarray, vectors: np.ndarray) -> None:
    """Take eigenvectors of the tridiagonal matrix to those of the one it came from, in place."""
    from scipy.linalg import lapack  # noqa: PLC0415 - takes long, and placing people needs none

    reflectors = np.asfortranarray(reduced[1:, :-1])
    block = np.asfortranarray(vectors[1:])
    work = lapack.dormqr("L", "N", reflectors, tau, block, -1)[1]
    turned, _, info = lapack.dormqr("L", "N", reflectors, tau, block, int(work[0]))
    if info:
        raise ValueError(f"LAPACK's dormqr failed with {info}")
    vectors[1:] = turned


def largest_eigenpairs_by_products(
    product: Callable[[np.ndarray], np.ndarray],
    n: int,
    k: int,
    *,
    rng: np.random.Generator,
    tolerance: float = 1e-4,
    extra: int = 10,
    max_products: int = 40,
) -> Subspace:
    """Eigenpairs of a symmetric positive matrix that is known by its products with blocks.

    product      : float64 (n, any) -> the matrix times it
    tolerance    : stop when the sine of the angle to the true subspace is below, see Subspace.angle
    extra        : columns of a block beyond k
    max_products : stop then, however large the angle
    """
    width = min(n, k + extra)
    if not 1 <= k <= n:
        raise ValueError(f"{k} components were asked for of a matrix of {n} x {n}")
    block = np.linalg.qr(rng.standard_normal((n, width)))[0]
    basis = np.zeros((n, 0))
    projected = np.zeros((0, 0))  # basis' x matrix x basis
    taken, next_look = 0, 3
    while True:
        basis = np.hstack([basis, block])
        image = product(block)
        if not np.isfinite(image).all():
            raise ValueError("a product with the relationship matrix is not a number")
        projected = _bordered(projected, basis.T @ image)
        taken += 1
        block, link = _next_block(basis, image)
        full = not link.size or basis.shape[1] + width > n
        if taken >= next_look or taken >= max_products or full:
            next_look = taken + max(1, taken // 4)  # a look costs more as the basis grows
            values, turn = (part[..., ::-1] for part in np.linalg.eigh(projected))
            angle = _largest_angle(values, turn, link, k)
            if angle <= tolerance or taken >= max_products or full:
                break
    weight = (turn[:width] ** 2).sum(axis=0) * (n / width)
    return Subspace(values[:k].copy(), basis @ turn[:, :k], values[k:], weight[k:], angle, taken)


def _largest_angle(values: np.ndarray, turn: np.ndarray, link: np.ndarray, k: int) -> float:
    """Residual of the k leading Ritz vectors over the gap behind them (Davis and Kahan 1970)."""
    if not link.size:
        return 0.0
    residual = float(np.linalg.norm(link @ turn[-link.shape[1] :, :k]))
    if residual <= 1e-13 * values[0]:
        return 0.0
    gap = values[k - 1] - values[k] if len(values) > k else values[k - 1]
    return min(1.0, residual / gap) if gap > 0 else 1.0


def _bordered(square: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """A symmetric matrix with further columns, and the rows that mirror them."""
    n, m = len(square), columns.shape[1]
    grown = np.zeros((n + m, n + m))
    grown[:n, :n] = square
    grown[:, n:] = columns
    grown[n:, :n] = columns[:n].T
    grown[n:, n:] = (columns[n:] + columns[n:].T) / 2
    return grown


def _next_block(basis: np.ndarray, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The part of an image outside the basis: orthonormal columns, and the image in them.

    Both are empty when nothing is left, which is when the basis holds an invariant subspace.
    """
    rest = image - basis @ (basis.T @ image)
    rest -= basis @ (basis.T @ rest)
    block, link = np.linalg.qr(rest)
    smallest = 1e-13 * max(float(np.abs(image).max()), 1e-300)
    if (np.abs(np.diag(link)) <= smallest).all():
        return np.zeros((len(basis), 0)), np.zeros((0, 0))
    if (np.abs(np.diag(link)) <= smallest).any():  # some of the columns are made of noise
        block, again = np.linalg.qr(block - basis @ (basis.T @ block))
        link = again @ link
    return block, link
