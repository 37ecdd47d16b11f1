"""Columns of a linear model: packed calls with a value for each code, and dense ones.

An additive and a dominance column of one variant share its calls, so a design with both takes no
more memory than the calls; a fold is a set of weights, never another copy.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from genomed.kernels.regression import add_columns, decode_columns, find_moments, weigh_codes

__all__ = [
    "Columns",
    "Products",
    "additive_columns",
    "dominance_columns",
    "from_slices",
    "join",
    "to_slices",
]

BLOCK_BYTES = 2 << 20  # decoded columns that are multiplied at once: they stay in the cache
N_SUMS = 16  # partial sums over columns; a fixed number, so that threads change no result


@dataclass(frozen=True)
class Columns:
    """Penalised columns of a design; c packed ones, then d dense ones.

    words   : uint64 (variants, n_words), see genomed.schema.ARRAYS
    row     : int64 (c,), the row of words of each packed column
    value   : float32 (c, 4), what 0, 1, 2 copies and a missing call stand for; 0 in a column that
              does not vary, which then gets no coefficient
    dense   : float32 (d, n), one row per column, standardised
    penalty : float64 (c + d,), relative penalties; all greater than 0, 1 by default
    """

    words: np.ndarray
    row: np.ndarray
    value: np.ndarray
    dense: np.ndarray
    penalty: np.ndarray

    def __post_init__(self) -> None:
        if self.words.shape[1] != -(-self.n_samples // 32):
            raise ValueError(f"{self.words.shape[1]} words do not hold {self.n_samples} samples")
        if len(self.row) and not 0 <= self.row.min() <= self.row.max() < len(self.words):
            raise ValueError(f"a column is of a row outside the {len(self.words)} given")
        if self.value.shape != (len(self.row), 4) or len(self.penalty) != self.n_columns:
            raise ValueError("values, rows and penalties are of different numbers of columns")
        if not (self.penalty > 0).all() or not np.isfinite(self.penalty).all():
            raise ValueError("a penalty is not positive; give such a column as a covariate")
        if not (np.isfinite(self.value).all() and np.isfinite(self.dense).all()):
            raise ValueError("a column has a value that is not finite")

    @property
    def n_samples(self) -> int:
        return int(self.dense.shape[1])

    @property
    def n_columns(self) -> int:
        return len(self.row) + len(self.dense)

    @cached_property
    def halves(self) -> np.ndarray:
        """The words as uint32 (variants, 2 n_words)."""
        return np.ascontiguousarray(self.words).view(np.uint32)

    @cached_property
    def slices(self) -> np.ndarray:
        """The dense columns as the kernels want them: float32 (d, 16, 2 n_words)."""
        n = self.halves.shape[1]
        return np.array([to_slices(x, n, np.float32) for x in self.dense], np.float32).reshape(
            -1, 16, n
        )

    def decode(self, first: int, last: int) -> np.ndarray:
        """Columns first .. last - 1 in slices: float32 (last - first, 32 n_words)."""
        c, n = len(self.row), self.halves.shape[1]
        out = np.empty((last - first, 16, n), np.float32)
        k = max(min(last, c) - first, 0)
        decode_columns(self.halves, self.row[first : first + k], self.value[first : first + k],
                       out[:k])  # fmt: skip
        out[k:] = self.slices[max(first - c, 0) : max(last - c, 0)]
        return out.reshape(last - first, 16 * n)

    def add(self, index: np.ndarray, coefficient: np.ndarray, eta: np.ndarray) -> None:
        """Add coefficient (m,) times the columns of index (m,) to eta, float64 (n,)."""
        n = self.halves.shape[1]
        out = np.zeros((16, n))
        add_columns(self.halves, self.row, self.value, self.slices, index,
                    np.ascontiguousarray(coefficient, np.float64), out)  # fmt: skip
        eta += from_slices(out, self.n_samples)

    def moments(
        self, index: np.ndarray, weighted_basis: np.ndarray, weight: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Of some columns x: Q'W x, and x'W x less the squares of these, the curvature.

        index          : int64 (m,)
        weighted_basis : float32 (q, 16, 2 n_words), W Q of an orthonormal basis, Q'WQ = 1
        weight         : float32 (16, 2 n_words)
        returns        : float64 (m, q), float64 (m,), 0 where nothing is left
        """
        along, curvature = np.empty((len(index), len(weighted_basis))), np.empty(len(index))
        find_moments(
            self.halves, self.row, self.value, self.slices, index, weighted_basis, weight,
            np.empty_like(weight), np.empty(weight.shape[1], np.float32), along, curvature,
        )  # fmt: skip
        left = curvature - (along**2).sum(axis=1)
        return along, np.where(left > 1e-5 * curvature, left, 0.0)


def to_slices(per_sample: np.ndarray, n_halves: int, dtype: type = np.float32) -> np.ndarray:
    """Lay out numbers (n,) as kernels.regression wants them: (16, n_halves), 0 where nobody is."""
    padded: np.ndarray = np.zeros(16 * n_halves, dtype)
    padded[: len(per_sample)] = per_sample
    return np.ascontiguousarray(padded.reshape(n_halves, 16).T)


def from_slices(slices: np.ndarray, n_samples: int) -> np.ndarray:
    """The inverse of to_slices: (n_samples,)."""
    return np.ascontiguousarray(slices.T).reshape(-1)[:n_samples]


def additive_columns(
    words: np.ndarray, n_samples: int, weight: np.ndarray, rows: np.ndarray | None = None
) -> Columns:
    """Copies of ALT, of mean 0 and variance 1 among weighted people; a missing call is the mean.

    weight : float64 (n_samples,), 0 for people who do not count
    rows   : int64, rows of words; None for all
    """
    rows = np.arange(len(words)) if rows is None else np.asarray(rows, np.int64)
    share = _code_shares(words, n_samples, weight, rows)
    copies = np.broadcast_to(np.arange(3.0), share.shape)
    return _coded(words, n_samples, rows, copies, share)


def dominance_columns(
    words: np.ndarray, n_samples: int, weight: np.ndarray, rows: np.ndarray | None = None
) -> Columns:
    """Deviations from additivity, uncorrelated with the copies of ALT, standardised likewise.

    With shares p0, p1, p2 of the genotypes: -p1 p2, 2 p0 p2, -p0 p1, up to a factor (Vitezica
    2017; under Hardy-Weinberg proportions these are the codes of Vitezica 2013).
    """
    rows = np.arange(len(words)) if rows is None else np.asarray(rows, np.int64)
    share = _code_shares(words, n_samples, weight, rows)
    p0, p1, p2 = share.T
    return _coded(words, n_samples, rows, np.stack([-p1 * p2, 2 * p0 * p2, -p0 * p1], 1), share)


def join(*columns: Columns) -> Columns:
    """One design of several over the same calls, packed columns first, in the order given."""
    first = columns[0]
    if any(other.words is not first.words for other in columns):
        raise ValueError("only columns of the same words can be joined")
    packed = [len(one.row) for one in columns]
    penalties = [np.split(one.penalty, [n]) for one, n in zip(columns, packed, strict=True)]
    return replace(
        first,
        row=np.concatenate([one.row for one in columns]),
        value=np.concatenate([one.value for one in columns]),
        dense=np.concatenate([one.dense for one in columns]),
        penalty=np.concatenate([p for p, _ in penalties] + [d for _, d in penalties]),
    )


def _code_shares(
    words: np.ndarray, n_samples: int, weight: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """Shares of 0, 1 and 2 copies among weighted, called people: float64 (rows, 3), or 0."""
    halves = np.ascontiguousarray(words).view(np.uint32)
    n = halves.shape[1]
    slices = to_slices(np.asarray(weight, np.float64)[:n_samples], n, np.float64)
    totals = np.empty((len(rows), 4))
    scratch = np.empty((3, n))
    for first in range(0, len(rows), 4096):
        some = rows[first : first + 4096]
        weigh_codes(halves[some], slices, scratch, totals[first : first + 4096])
    called = np.maximum(totals[:, :3], 0.0)
    sums = called.sum(axis=1, keepdims=True)
    return np.divide(called, sums, out=np.zeros_like(called), where=sums > 0)


def _coded(
    words: np.ndarray, n_samples: int, rows: np.ndarray, code: np.ndarray, share: np.ndarray
) -> Columns:
    """Standardise codes (rows, 3) by the shares of the genotypes."""
    mean = (code * share).sum(axis=1, keepdims=True)
    centred = code - mean
    variance = (centred**2 * share).sum(axis=1, keepdims=True)
    varies = variance > 1e-10 * (code**2 * share).sum(axis=1, keepdims=True)
    value = np.zeros((len(rows), 4), np.float32)
    value[:, :3] = np.where(varies, centred / np.sqrt(np.where(varies, variance, 1.0)), 0.0)
    return Columns(
        words=words,
        row=np.ascontiguousarray(rows, np.int64),
        value=value,
        dense=np.empty((0, n_samples), np.float32),
        penalty=np.ones(len(rows)),
    )


class Products:
    """Products of all columns with several vectors at once; vectors are in slices, float32.

    A block of columns is decoded once for all vectors. Blocks and the order of sums are fixed by
    the sizes, so threads change no result. BLAS must be kept to one thread by the caller.
    """

    def __init__(self, columns: Columns, pool: ThreadPoolExecutor) -> None:
        self.columns = columns
        self.n_slices = 16 * columns.halves.shape[1]
        self._map: Callable[..., Iterable] = pool.map
        step = max(8, min(1024, BLOCK_BYTES // (4 * max(self.n_slices, 1))))
        self._blocks = [
            (first, min(first + step, columns.n_columns))
            for first in range(0, columns.n_columns, step)
        ]
        bounds = np.linspace(0, len(self._blocks), N_SUMS + 1).astype(int)
        self._runs = [self._blocks[a:b] for a, b in pairwise(bounds) if b > a]

    def with_columns(self, vectors: np.ndarray) -> np.ndarray:
        """Sum over people of columns times vectors: float32 (columns, k), of (n_slices, k)."""
        out = np.empty((self.columns.n_columns, vectors.shape[1]), np.float32)

        def one(run: list[tuple[int, int]]) -> None:
            for first, last in run:
                np.matmul(self.columns.decode(first, last), vectors, out=out[first:last])

        list(self._map(one, self._runs))
        return out

    def of_people(self, coefficient: np.ndarray) -> np.ndarray:
        """Sum over columns of coefficient (columns, k) times columns: float64 (n_slices, k)."""
        return self._over_runs(
            lambda block, first, last: block.T @ coefficient[first:last], coefficient.shape[1]
        )

    def relate(self, vectors: np.ndarray) -> np.ndarray:
        """X diag(1 / penalty) X' vectors: float64 (n_slices, k), of float32 (n_slices, k)."""
        shrink = (1 / self.columns.penalty).astype(np.float32)[:, None]
        return self._over_runs(
            lambda block, first, last: block.T @ ((block @ vectors) * shrink[first:last]),
            vectors.shape[1],
        )

    def _over_runs(self, product: Callable, k: int) -> np.ndarray:
        def one(run: list[tuple[int, int]]) -> np.ndarray:
            total = np.zeros((self.n_slices, k))
            for first, last in run:
                total += product(self.columns.decode(first, last), first, last)
            return total

        whole = np.zeros((self.n_slices, k))
        for part in self._map(one, self._runs):
            whole += part
        return whole
