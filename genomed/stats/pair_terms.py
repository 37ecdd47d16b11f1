"""Accepted pairs as columns: which pairs speak for themselves, and what each person's value is.

A term is the product of two variants' centred ALT copies, less its regression on both variants'
additive and dominance codes in the people it was fitted to, scaled to unit variance there. So it is
a table of numbers, one for each pair of calls; new people get the same numbers. Who lacks either
call gets 0, the mean.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Self

import numpy as np
import polars as pl

from genomed.kernels.packed import standardise_rows
from genomed.kernels.pairs import cell_sums, pair_rows
from genomed.stats.pair_engine import standards
from genomed.stats.score_test import Cells, score_target

__all__ = [
    "PairTerms",
    "clump_pairs",
    "fit_pair_terms",
    "fit_products",
    "pair_columns",
    "weights_by_calls",
]

COPIES = np.array([0.0, 1.0, 2.0])
HETEROZYGOUS = np.array([0.0, 1.0, 0.0])
RELATED = 0.1  # correlation of products from which on one may be the shadow of the other
BATCH = 64  # clumps whose correlations are taken at once
PAIRS = 1 << 12
UNEXPLAINED = 1e-8  # of a product's variance: less is rounding


class PairTerms(NamedTuple):
    """Terms of pairs, k of them. ALT copies of both variants are g1, g2; het is 1 for g = 1.

    value = scale x ((g1 - m1)(g2 - m2) - c0 - c1 g1 - c2 g2 - c3 het1 - c4 het2); 0 where g1 or g2
    is not called.

    row1, row2   : int64 (k,), rows of the packed calls
    mean         : float64 (k, 2), m1 and m2
    coefficients : float64 (k, 5), c0 .. c4; c3 and c4 are 0 without dominance
    scale        : float64 (k,), 0 for a pair whose variants explain its product
    """

    row1: np.ndarray
    row2: np.ndarray
    mean: np.ndarray
    coefficients: np.ndarray
    scale: np.ndarray

    def table(self) -> np.ndarray:
        """Value by both calls, 3 standing for a missing one: float32 (k, 4, 4)."""
        first, second = COPIES[None, :, None], COPIES[None, None, :]
        m, c = self.mean[:, :, None, None], self.coefficients[:, :, None, None]
        fitted = c[:, 0] + c[:, 1] * first + c[:, 2] * second
        fitted = fitted + c[:, 3] * HETEROZYGOUS[None, :, None]
        fitted = fitted + c[:, 4] * HETEROZYGOUS[None, None, :]
        out = np.zeros((len(self.scale), 4, 4), np.float32)
        product = (first - m[:, 0]) * (second - m[:, 1])
        out[:, :3, :3] = self.scale[:, None, None] * (product - fitted)
        return out

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, from which `from_dict` makes the same terms, to the bit."""
        return {name: part.tolist() for name, part in zip(self._fields, self, strict=True)}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """Raises ValueError where shapes do not agree, or a number is not finite."""
        kinds = (np.int64, np.int64, np.float64, np.float64, np.float64)
        found = cls(*(np.array(content[n], k) for n, k in zip(cls._fields, kinds, strict=True)))
        k = len(found.row1)
        shapes = ((k,), (k,), (k, 2), (k, 5), (k,))
        if not k:
            return cls(*(p.reshape(s) for p, s in zip(found, shapes, strict=True)))
        if any(part.shape != s for part, s in zip(found, shapes, strict=True)):
            raise ValueError(f"pair terms of shapes {[part.shape for part in found]}")
        if not all(np.isfinite(part).all() for part in found):
            raise ValueError("a pair term holds a number that is not finite")
        return found


def fit_pair_terms(
    words: np.ndarray,
    n_samples: int,
    row1: np.ndarray,
    row2: np.ndarray,
    weight: np.ndarray,
    *,
    dominance: bool = True,
    threads: int = 1,
) -> PairTerms:
    """Make terms of pairs of rows.

    words, n_samples : uint64 (variants, words), as in genomed.schema.ARRAYS
    weight           : float64 (n,), of the people to fit means and regressions to; 0 for others
    dominance        : whether heterozygosity of either variant is partialled out too
    """
    row1, row2 = np.asarray(row1, np.int64), np.asarray(row2, np.int64)
    weights = weights_by_calls(words, n_samples, row1, row2, weight, threads)
    return fit_products(weights, dominance)._replace(row1=row1, row2=row2)


def weights_by_calls(
    words: np.ndarray, n_samples: int, row1: np.ndarray, row2: np.ndarray, weight: np.ndarray,
    threads: int = 1,
) -> np.ndarray:  # fmt: skip
    """Weight of the people with each pair of calls, both called: float64 (pairs, 3, 3)."""
    rows, place = np.unique(np.concatenate([row1, row2]), return_inverse=True)
    first, second = place[: len(row1)], place[len(row1) :]
    target = score_target(np.zeros(n_samples), weight)._replace(basis=np.empty((n_samples, 0)))
    cells = Cells(words[rows], n_samples, target, threads=threads)
    out = np.empty((len(first), 3, 3))

    def one(some: slice) -> None:
        sums = np.empty((len(first[some]), 16, len(cells.total)))
        cell_sums(
            cells.words, cells.keep, cells.common, cells.moments, cells.margins, cells.total,
            first[some], second[some], sums,
        )  # fmt: skip
        out[some] = sums[:, :, 0].reshape(-1, 4, 4)[:, :3, :3]

    with ThreadPoolExecutor(max(1, threads)) as pool:
        list(pool.map(one, [slice(i, i + PAIRS) for i in range(0, len(first), PAIRS)]))
    # what is left of a total is 0 only up to rounding
    return np.where(out > 1e-12 * cells.total[0], out, 0.0)


def fit_products(weight: np.ndarray, dominance: bool = True) -> PairTerms:
    """Terms by least squares over the nine cells; their rows are -1.

    weight : float64 (k, 3, 3), as weights_by_calls gives it
    """
    k = len(weight)
    total = np.maximum(weight.sum(axis=(1, 2)), 1e-300)
    mean = np.stack([weight.sum(axis=2) @ COPIES, weight.sum(axis=1) @ COPIES], axis=1)
    mean /= total[:, None]
    first, second = (part.ravel() for part in np.meshgrid(COPIES, COPIES, indexing="ij"))
    het1, het2 = (first == 1) * 1.0, (second == 1) * 1.0
    design = np.stack([np.ones(9), first, second, het1, het2], axis=1)
    if not dominance:
        design = design[:, :3]
    product = (first - mean[:, :1]) * (second - mean[:, 1:])
    root = np.sqrt(weight.reshape(k, 9) / total[:, None])
    inverse = np.linalg.pinv(root[:, :, None] * design, rcond=1e-9)
    fitted = (inverse @ (root * product)[:, :, None])[:, :, 0]
    rest = root * (product - fitted @ design.T)
    variance, whole = (rest**2).sum(axis=1), ((root * product) ** 2).sum(axis=1)
    good = variance > UNEXPLAINED * np.maximum(whole, 1e-12)
    scale = np.where(good, 1 / np.sqrt(np.where(good, variance, 1.0)), 0.0)
    coefficients = np.zeros((k, 5))
    coefficients[:, : design.shape[1]] = fitted
    nowhere = np.full(k, -1)
    return PairTerms(nowhere, nowhere, mean, coefficients, scale)


def pair_columns(words: np.ndarray, n_samples: int, terms: PairTerms) -> np.ndarray:
    """Everybody's value of each term: float32 (k, n).

    words : uint64 (variants, words), rows as the terms name them, ALT as when they were fitted
    """
    out = np.empty((len(terms.row1), n_samples), np.float32)
    rows = np.concatenate([terms.row1, terms.row2])
    if len(rows) and not (rows.min() >= 0 and rows.max() < len(words)):
        raise ValueError(f"pair terms name rows outside 0 .. {len(words) - 1}")
    if words.shape[1] != -(-n_samples // 32):
        raise ValueError(f"words of {words.shape} do not hold {n_samples} samples")
    pair_rows(np.ascontiguousarray(words), n_samples, terms.row1, terms.row2, terms.table(), out)
    return out


def clump_pairs(
    pairs: pl.DataFrame,
    words: np.ndarray,
    n_samples: int,
    weight: np.ndarray | None = None,
    *,
    r2: float = 0.2,
    conditional_z: float = 4.0,
    max_pairs: int | None = None,
) -> pl.DataFrame:
    """Of pairs whose variants stand for each other, leave the one with the largest |z|.

    A pair goes when each of its variants has r2 of the limit or more with a variant of a better
    pair that stays, one with one and the other with the other. It also goes when it is the shadow
    of one: the products correlate by about c = r r' + r* r*', of the four correlations between
    their variants, and beside the better pair, of score s', (s - c s') / sqrt(1 - c^2) is left of
    its own score s = z / sqrt(1 + z^2 / n), in units of what the better pair leaves.

    pairs         : row1 · row2 · z and any other columns
    weight        : float64 (n,), of the people to measure correlations in; None for all
    conditional_z : a pair whose product correlates with that of a better one by 0.1 or more goes
                    when less than this is left of |z|; 0 to ask for r2 alone
    max_pairs     : stop when so many stay
    returns       : the pairs that stay, the largest |z| first, with n_clumped Int64, the pairs that
                    each stands for, itself included
    """
    pairs = pairs.sort(pl.col("z").abs(), "row1", "row2", descending=[True, False, False])
    row1, row2, z = (pairs[name].to_numpy() for name in ("row1", "row2", "z"))
    rows, place = np.unique(np.concatenate([row1, row2]), return_inverse=True)
    first, second = place[: len(row1)], place[len(row1) :]
    calls = _standardised(words[rows], n_samples, weight)
    n_used = n_samples if weight is None else np.count_nonzero(weight)
    share = z / np.sqrt(n_used + z**2)  # partial correlation with the trait
    index = np.full(len(pairs), -1)
    kept: list[int] = []
    r: dict[int, np.ndarray] = {}
    for p in range(len(pairs)):
        if index[p] >= 0:
            continue
        if max_pairs is not None and len(kept) == max_pairs:
            break
        if first[p] not in r or second[p] not in r:
            coming = p + np.flatnonzero(index[p:] < 0)[:BATCH]
            r = _correlations(calls, np.union1d(first[coming], second[coming]))
        one, two = r[first[p]], r[second[p]]
        straight, crossed = (one[first], two[second]), (one[second], two[first])
        goes = _both_near(straight, r2) | _both_near(crossed, r2)
        goes |= _is_shadow(straight, crossed, share, share[p], conditional_z / np.sqrt(n_used))
        goes[p] = True
        index[goes & (index < 0)] = p
        kept.append(p)
    counts = np.bincount(index[index >= 0], minlength=len(pairs))[kept]
    return pairs[kept].with_columns(n_clumped=pl.Series(counts, dtype=pl.Int64))


def _both_near(r: tuple[np.ndarray, np.ndarray], r2: float) -> np.ndarray:
    return np.minimum(r[0] ** 2, r[1] ** 2) >= r2


def _is_shadow(
    straight: tuple[np.ndarray, np.ndarray],
    crossed: tuple[np.ndarray, np.ndarray],
    share: np.ndarray,
    better: float,
    least: float,
) -> np.ndarray:
    """Pairs of whose correlation with the trait less than the least is left beside a better pair:
    bool (pairs,)."""
    c = np.clip(straight[0] * straight[1] + crossed[0] * crossed[1], -0.999, 0.999)
    left = np.abs(share - c * better) / np.sqrt((1 - c * c) * (1 - better**2))
    return np.asarray((np.abs(c) >= RELATED) & (left < least))


def _standardised(words: np.ndarray, n_samples: int, weight: np.ndarray | None) -> np.ndarray:
    """Rows whose inner products are correlations: float32 (rows, n)."""
    weight = np.ones(n_samples) if weight is None else np.asarray(weight, np.float64)
    cells = Cells(words, n_samples, score_target(np.zeros(n_samples), weight))
    out = np.empty((len(words), n_samples), np.float32)
    standardise_rows(cells.words, *standards(cells), out)
    out *= np.sqrt(weight / weight.sum()).astype(np.float32)
    return out


def _correlations(calls: np.ndarray, chosen: np.ndarray) -> dict[int, np.ndarray]:
    """Of each chosen variant with every one: float32 (rows,)."""
    r = calls[chosen] @ calls.T
    r[np.arange(len(chosen)), chosen] = 1
    return dict(zip(chosen.tolist(), r, strict=True))
