"""Score tests of functions of calls, beside covariates: what their numbers rest on.

A working model gives every person a residual r = d loglik / d eta and an information w. A column x
is tested by what is left of it, x~, after regression on the covariates and on whatever else it
stands beside, under the weights w: its coefficient is sum(x~ r) / sum(w x~^2), with variance
dispersion / sum(w x~^2). People with w = 0 do not count. The dispersion is sum(r^2) / sum(w), which
is the residual variance of a quantitative trait (w = 1; z is then the t of least squares, to the
digit), and near 1 for a binary one whose probabilities are right.
"""

from concurrent.futures import ThreadPoolExecutor
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from genomed.kernels.packed import count_rows, keep_bits
from genomed.kernels.pairs import code_sums

__all__ = ["Cells", "Target", "bonferroni_z", "score_target"]

BLOCK = 512  # variants whose sums are taken at a time
DEPENDENT = 1e-10  # singular values below, relative to the largest, are rounding


class Target(NamedTuple):
    """What the tests explain, made orthogonal to the covariates.

    residual   : float64 (n,), 0 where not used
    weight     : float64 (n,), 0 or more
    basis      : float64 (n, k), spans the constant and the covariates, with
                 basis' diag(weight) basis = 1
    dispersion : (sum of squared residuals / sum of weights) n_used / (n_used - k)
    skewness   : of the residuals of those used
    n_used     : people with a weight
    """

    residual: np.ndarray
    weight: np.ndarray
    basis: np.ndarray
    dispersion: float
    skewness: float
    n_used: int


def score_target(
    residual: np.ndarray, weight: np.ndarray, covariates: np.ndarray | None = None
) -> Target:
    """Make a residual ready for tests.

    residual   : float64 (n,), d loglik / d eta, as Family.working gives it; y - mean for least
                 squares
    weight     : float64 (n,), information; 0 for people to leave out, whatever their residual
    covariates : float64 (n, any) to partial out, or None; the constant is always partialled out
    raises     : ValueError for lengths that differ, values that are not finite, or fewer people
                 than covariates
    """
    weight = np.asarray(weight, np.float64)
    used = weight > 0
    residual = np.where(used, residual, 0.0)
    columns = np.ones((len(weight), 1))
    if covariates is not None:
        columns = np.hstack([columns, np.asarray(covariates, np.float64)])
    finite = np.isfinite(residual).all() and np.isfinite(columns[used]).all()
    if not finite or not np.isfinite(weight).all() or (weight < 0).any():
        raise ValueError("residuals, weights or covariates are not finite, or a weight is negative")
    basis = _basis(columns, weight)
    n_used = int(used.sum())
    if n_used < basis.shape[1] + 3:
        raise ValueError(f"{n_used} people are too few for {basis.shape[1]} covariates")
    residual = residual - weight * (basis @ (basis.T @ residual))
    squares = float(residual @ residual)
    skewness = 0.0
    if squares > 0:
        skewness = float((residual**3).sum() / n_used / (squares / n_used) ** 1.5)
    dispersion = squares / weight.sum() * n_used / (n_used - basis.shape[1])
    return Target(residual, weight, basis, dispersion, skewness, n_used)


def _basis(columns: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Orthonormal columns under the weights that span the same: float64 (n, k)."""
    used = weight > 0
    root = np.sqrt(weight[used])[:, None]
    scaled = columns[used] * root
    length = np.linalg.norm(scaled, axis=0)
    scaled = scaled[:, length > 0] / length[length > 0]
    left, size, _ = np.linalg.svd(scaled, full_matrices=False)
    kept = size > DEPENDENT * size.max(initial=0.0)
    basis = np.zeros((len(weight), int(kept.sum())))
    basis[used] = left[:, kept] / root
    return basis


def bonferroni_z(n_tests: int, alpha: float = 0.05) -> float:
    """Size of z that chance alone exceeds anywhere in n tests with probability alpha."""
    return -NormalDist().inv_cdf(alpha / (2 * max(1, n_tests)))


class Cells:
    """Sums of a target's moments over people with the same call, for some variants.

    words   : uint64 (rows, words)
    keep    : uint64 (words,), the lower bit of everyone with a weight
    common  : int64 (rows,), commonest call among them
    moments : float64 (padded people, 2 + k + extra): weight, residual, weight x basis, any more
    total   : float64 (2 + k + extra,)
    margins : float64 (rows, 4, 2 + k + extra), sums by call
    counts  : int64 (rows, 4), people with each call
    """

    def __init__(
        self,
        words: np.ndarray,
        n_samples: int,
        target: Target,
        extra: np.ndarray | None = None,
        threads: int = 1,
    ) -> None:
        _check_words(words, n_samples, target)
        self.words = np.ascontiguousarray(words)
        self.keep = keep_bits(target.weight > 0)
        columns = [target.weight[:, None], target.residual[:, None]]
        columns.append(target.weight[:, None] * target.basis)
        columns += [] if extra is None else [extra]
        self.moments = np.zeros((32 * words.shape[1], sum(c.shape[1] for c in columns)))
        self.moments[:n_samples] = np.hstack(columns)
        self.moments[:n_samples][target.weight == 0] = 0.0
        self.total = self.moments.sum(axis=0)
        n = len(words)
        self.counts = np.empty((n, 4), np.int64)
        self.common = np.empty(n, np.int64)
        self.margins = np.empty((n, 4, len(self.total)))
        with ThreadPoolExecutor(max(1, threads)) as pool:
            list(pool.map(self._fill, [slice(i, i + BLOCK) for i in range(0, n, BLOCK)]))

    def _fill(self, rows: slice) -> None:
        words = self.words[rows]
        count_rows(words, self.keep, self.counts[rows])
        self.common[rows] = self.counts[rows].argmax(axis=1)
        code_sums(words, self.keep, self.common[rows], self.moments, self.total, self.margins[rows])

    def values(self) -> np.ndarray:
        """Additive and dominance code of every call: float64 (rows, 4, 2).

        Copies of ALT and heterozygosity, centred on the weighted mean of those called and scaled
        so that squares add up to the total weight; 0 where not called or where all are the same.
        """
        weight = self.margins[:, :, 0]
        called = weight[:, :3].sum(axis=1)
        out = np.zeros((len(weight), 4, 2))
        for f, code in enumerate(([0.0, 1.0, 2.0], [0.0, 1.0, 0.0])):
            with np.errstate(invalid="ignore", divide="ignore"):
                mean = weight[:, :3] @ code / called
                centred = np.array(code) - mean[:, None]
                squares = (weight[:, :3] * centred**2).sum(axis=1)
                scaled = centred * np.sqrt(self.total[0] / squares)[:, None]
            out[squares > 1e-12 * self.total[0], :3, f] = scaled[squares > 1e-12 * self.total[0]]
        return out

    def carriers(self) -> np.ndarray:
        """Share of those called who are not homozygous for the commoner allele: (rows,)."""
        called = np.maximum(1, self.counts[:, :3].sum(axis=1))
        alt_is_common = self.counts[:, 2] > self.counts[:, 0]
        home = np.where(alt_is_common, self.counts[:, 2], self.counts[:, 0])
        return 1.0 - home / called


def _check_words(words: np.ndarray, n_samples: int, target: Target) -> None:
    if words.dtype != np.uint64 or words.ndim != 2 or words.shape[1] != -(-n_samples // 32):
        raise ValueError(f"words of {words.shape} do not hold {n_samples} samples")
    if len(target.weight) != n_samples:
        raise ValueError(f"{len(target.weight)} residuals for {n_samples} samples")
