"""Principal components of standardised genotypes, as plink2 --pca defines them.

A call g of a variant with ALT frequency p becomes z = (g - 2p) / sqrt(2p(1-p)), 0 where it is
missing (Patterson, Price and Reich 2006; Yang 2011). The relationship matrix is Z'Z over the number
of variants called in both samples ("pairwise", as plink2 --pca) or over all variants ("mean", as
plink2 --pca meanimpute and --pca approx). Components are its leading eigenvectors.

All sums run block by block over packed calls: memory depends on the samples, not on the variants
(beside the loadings, and up to 256 MiB of packed calls that are kept between passes). Products are
float32 within a block of at most 2,048 variants and are added up in float64: relationships are
within 2e-6 of float64 ones. The result is the same for any number of threads.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module

import numpy as np
from threadpoolctl import threadpool_limits

from genomed.kernels.packed import count_rows, keep_bits, standardise_rows
from genomed.kernels.pca import count_missing_pairs
from genomed.schema import Packed, Pca
from genomed.stats.pca_engine import TILE, Engine, Genotypes
from genomed.stats.subspace import Subspace, largest_eigenpairs, largest_eigenpairs_by_products

__all__ = ["Pca", "pca", "shrinkage_factors"]

EXACT_SAMPLES = 5000  # up to here "auto" is exact
DENSE_SAMPLES = 1000  # up to here LAPACK finds the eigenvectors of a relationship matrix


def pca(
    store: Packed,
    rows: np.ndarray,
    used: np.ndarray | None = None,
    k: int = 10,
    *,
    founders: np.ndarray | None = None,
    method: str = "auto",
    missing: str | None = None,
    seed: int = 1,
    threads: int = 1,
    device: str = "cpu",
    tolerance: float = 1e-3,
) -> Pca:
    """Principal components of some samples of a store.

    rows      : int64, rows of the store to use (see genomed.stats.kinship.autosomal_rows)
    used      : bool (samples,), samples to use; None for all
    k         : components
    founders  : bool (samples,), samples whose frequencies standardise; None for all that are used
    method    : "exact" builds the relationship matrix; "randomised" does not, and is for many
                samples; "auto" is exact up to 5,000 samples
    missing   : "pairwise" or "mean", see above; None is pairwise where exact, mean where randomised
    device    : "cpu"; "cuda", "cuda:1" decode and multiply on that device; "torch" on the CPU
    tolerance : of the randomised way, see Subspace.angle; it stops after 40 passes at the latest
    Raises ValueError for k outside 1 .. samples or variants, or when no variant varies.
    """
    used = np.ones(len(store.samples), np.bool_) if used is None else np.asarray(used, np.bool_)
    method, missing = _choose(method, missing, int(used.sum()))
    source = Genotypes(store, np.asarray(rows, np.int64), used, threads)
    if not 1 <= k <= min(source.n_samples, source.n_variants):
        raise ValueError(
            f"{k} components cannot be had of {source.n_samples} samples and "
            f"{source.n_variants} variants"
        )
    if method == "exact":
        import_module("scipy.linalg")  # its BLAS can be limited only once it is there
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        centre, scale = source.standards(used if founders is None else founders)
        if not scale.any():
            raise ValueError("no variant varies among the samples that standardise")
        engine = _engine(device, source, centre, scale, pool)
        if method == "exact":
            found = _exact(engine, source, k, missing, seed, pool)
        else:
            found = largest_eigenpairs_by_products(
                engine.product, source.n_samples, k,
                rng=np.random.default_rng(seed), tolerance=tolerance,
            )  # fmt: skip
        return _finished(found, engine, source, centre, scale, method)


def _choose(method: str, missing: str | None, n_samples: int) -> tuple[str, str]:
    if method == "auto":
        method = "exact" if n_samples <= EXACT_SAMPLES else "randomised"
    missing = missing or ("pairwise" if method == "exact" else "mean")
    if method not in ("exact", "randomised") or missing not in ("pairwise", "mean"):
        raise ValueError(f"there is no PCA of {method=} and {missing=}")
    if method == "randomised" and missing == "pairwise":
        raise ValueError("pairwise counts need the relationship matrix: use the exact method")
    return method, missing


def _finished(
    found: Subspace, engine: "Engine", source: "Genotypes", centre: np.ndarray, scale: np.ndarray,
    method: str,
) -> Pca:  # fmt: skip
    """Fix the signs, and find the loadings."""
    positive = np.take_along_axis(
        found.vectors, np.abs(found.vectors).argmax(axis=0)[None], axis=0
    )  # fmt: skip
    vectors = found.vectors * np.where(positive < 0, -1.0, 1.0)
    values = np.maximum(found.eigenvalues, 0.0)
    loadings = engine.loadings(vectors)
    length = np.linalg.norm(loadings, axis=0)
    return Pca(
        eigenvalues=values,
        scores=vectors * np.sqrt(values),
        loadings=loadings / np.where(length > 0, length, 1.0),
        centre=centre,
        scale=scale,
        shrinkage=shrinkage_factors(found),
        n_variants=source.n_variants,
        method=method,
        angle=found.angle,
    )


def shrinkage_factors(found: Subspace) -> np.ndarray:
    """How much nearer to 0 new people fall than they would, had they been in the PCA: (k,).

    A sample helps to turn the components towards its own noise; one that is projected did not.
    In a generalised spiked population model the ratio tends to a function of the other
    eigenvalues (Lee, Zou and Wright 2010; Dey and Lee 2019). Taking one sample out of the
    relationship matrix, by Schur's complement, gives it as
    1 / mean over the other eigenvalues m of (l / (l - m)), l the component's own.
    """
    n = found.rest_weight.sum()
    values = found.eigenvalues[:, None]
    if not n:
        return np.ones(len(found.eigenvalues))
    floor = np.maximum(values, 1e-300) * n ** (-2 / 3)  # nearer eigenvalues are not told apart
    apart = np.maximum(values - np.maximum(found.rest, 0.0), floor)
    ratio = (found.rest_weight * np.maximum(values, 0.0) / apart).sum(axis=1) / n
    return np.clip(1.0 / np.maximum(ratio, 1.0), 1e-3, 1.0)


def _engine(
    device: str, source: Genotypes, centre: np.ndarray, scale: np.ndarray, pool: ThreadPoolExecutor
) -> Engine:
    if device == "cpu":
        return Engine(source, centre, scale, pool)
    from genomed.stats.pca_device import DeviceEngine  # noqa: PLC0415 - torch takes seconds

    return DeviceEngine(source, centre, scale, pool, device)


def _exact(
    engine: Engine, source: Genotypes, k: int, missing: str, seed: int, pool: ThreadPoolExecutor
) -> Subspace:
    matrix = engine.relationship()
    n = len(matrix)
    if missing == "pairwise":
        with np.errstate(invalid="ignore", divide="ignore"):
            matrix /= _called_pairs(source, pool)
        matrix[~np.isfinite(matrix)] = 0.0  # two samples that share no called variant
    else:
        matrix /= source.n_variants
    if n <= DENSE_SAMPLES or k > n // 10:
        return largest_eigenpairs(matrix, k)
    _mirror(matrix)
    found = largest_eigenpairs_by_products(
        partial(_dense_product, matrix, pool), n, k,
        rng=np.random.default_rng(seed), tolerance=1e-7, max_products=60,
    )  # fmt: skip
    return found if found.angle <= 1e-6 else largest_eigenpairs(matrix, k)


def _mirror(matrix: np.ndarray) -> None:
    """Copy the lower triangle to the upper one."""
    for i in range(0, len(matrix), TILE):
        rows = slice(i, i + TILE)
        matrix[:i, rows] = matrix[rows, :i].T
        corner = matrix[rows, rows]
        matrix[rows, rows] = np.tril(corner) + np.tril(corner, -1).T


def _dense_product(matrix: np.ndarray, pool: ThreadPoolExecutor, block: np.ndarray) -> np.ndarray:
    out = np.empty_like(block)

    def one(i: int) -> None:
        np.matmul(matrix[i : i + TILE], block, out=out[i : i + TILE])

    list(pool.map(one, range(0, len(matrix), TILE)))
    return out


def _called_pairs(source: Genotypes, pool: ThreadPoolExecutor) -> np.ndarray:
    """How many variants are called in both of two samples: float64 (n, n), lower triangle."""
    n = source.n_samples
    missing = np.zeros((n, n), np.int32)
    for part in _missing_pairs(source, pool):
        missing += part
    own = np.diag(missing).astype(np.float64)
    return (source.n_variants - own)[:, None] - own + missing.T


def _missing_pairs(source: Genotypes, pool: ThreadPoolExecutor) -> Iterator[np.ndarray]:
    """Counts of variants missing in both of two samples, in parts: int32 (n, n), upper triangle."""
    n = source.n_samples
    keep = keep_bits(np.ones(n, np.bool_))
    sparse = np.zeros((n, n), np.int32)
    scratch = np.empty(n, np.int64)
    for _, words in source.blocks():
        counts = np.empty((len(words), 4), np.int64)
        count_rows(words, keep, counts)
        if (counts[:, 3].astype(np.float64) ** 2).sum() < len(words) * n * n / 100:
            count_missing_pairs(words, n, scratch, sparse)
        else:
            yield _dense_missing(words, n, pool)
    yield sparse


def _dense_missing(words: np.ndarray, n: int, pool: ThreadPoolExecutor) -> np.ndarray:
    """The same by a product of 0/1 matrices, which float32 holds exactly up to 2^24 rows."""
    ones = np.ones(len(words), np.float32)
    called = np.empty((len(words), n), np.float32)
    standardise_rows(words, ones * -1, ones, called)  # copies + 1, and 0 where missing
    absent = (called == 0).astype(np.float32)
    out = np.zeros((n, n), np.int32)

    def one(i: int) -> None:
        out[i : i + TILE] = absent[:, i : i + TILE].T @ absent

    list(pool.map(one, range(0, n, TILE)))
    return out
