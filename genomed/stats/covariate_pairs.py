"""Genotype x covariate: whether a variant's effect depends on a covariate.

The product of a variant's code and a covariate is tested beside the constant, all covariates and
the variant. A trait whose spread depends on the covariate inflates that test whatever the
genotype, so what passes is tested again with the variance that the residuals themselves show
(White 1980, doi:10.2307/1912934), and counts with the smaller |z|.
"""

from typing import NamedTuple

import numpy as np
import polars as pl

from genomed.kernels.packed import standardise_rows
from genomed.stats.pair_engine import standards
from genomed.stats.pairs import inflation, needed_carriers
from genomed.stats.score_test import Cells, Target, score_target

__all__ = ["CovariateHits", "covariate_pairs"]

BLOCK = 2048


class CovariateHits(NamedTuple):
    """Products over a threshold, the largest |z| first.

    pairs     : row Int64 · covariate Int64 (column) · z Float64 · beta Float64 (of the product of
                the standardised code and covariate) · z_robust Float64
    n_tests   : products that could be tested
    inflation : median z^2 over that of chance
    """

    pairs: pl.DataFrame
    n_tests: int
    inflation: float


def covariate_pairs(
    words: np.ndarray,
    n_samples: int,
    residual: np.ndarray,
    weight: np.ndarray,
    covariates: np.ndarray,
    *,
    tested: np.ndarray | None = None,
    threshold_z: float = 4.0,
    min_carriers: float = 10,
    threads: int = 1,
) -> CovariateHits:
    """Test every variant against covariates.

    words, n_samples : uint64 (variants, words), as in genomed.schema.ARRAYS
    residual, weight : see genomed.stats.score_test.score_target
    covariates       : float64 (n, c), all of them partialled out
    tested           : int64, the columns to test; None for all
    min_carriers     : variants with fewer carriers of the rarer allele than this times 1 + the
                       squared skewness of the residuals are not tested
    returns          : those with |z| and |z_robust| of the threshold or more
    """
    target = score_target(residual, weight, covariates)
    covariates = np.asarray(covariates, np.float64)
    tested = np.arange(covariates.shape[1]) if tested is None else np.asarray(tested, np.int64)
    columns = _standardised(covariates[:, tested], target.weight)
    parts, n_tests, squares = [], 0, [np.empty(0)]
    for start in range(0, len(words), BLOCK):
        some = words[start : start + BLOCK]
        cells = Cells(some, n_samples, target, _extra(columns, target), threads)
        enough = cells.carriers() * target.n_used >= needed_carriers(target, min_carriers)
        for c in np.flatnonzero(columns.any(axis=0)):
            z, beta = _test(cells, target, int(c))
            good = enough & np.isfinite(z)
            n_tests += int(good.sum())
            squares.append(z[good] ** 2)
            large = np.flatnonzero(good & (np.abs(z) >= threshold_z))
            robust = _robust_z(cells, large, n_samples, target, columns[:, c])
            parts.append(
                pl.DataFrame(
                    {
                        "row": large + start,
                        "covariate": np.full(len(large), tested[c], np.int64),
                        "z": z[large],
                        "beta": beta[large],
                        "z_robust": robust,
                    }
                )
            )
    table = pl.concat([_NONE, *parts]).filter(pl.col("z_robust").abs() >= threshold_z)
    table = table.sort(pl.col("z").abs(), "row", "covariate", descending=[True, False, False])
    return CovariateHits(table, n_tests, inflation(np.concatenate(squares)))


_NONE = pl.DataFrame(
    schema={
        "row": pl.Int64, "covariate": pl.Int64, "z": pl.Float64, "beta": pl.Float64,
        "z_robust": pl.Float64,
    }
)  # fmt: skip


def _standardised(columns: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted mean 0 and variance 1; 0 for people left out, and for a constant."""
    total = weight.sum()
    columns = np.where(weight[:, None] > 0, columns, 0.0)
    columns = columns - (weight @ columns) / total
    spread = np.sqrt((weight @ columns**2) / total)
    scaled = np.divide(columns, spread, out=np.zeros_like(columns), where=spread > 1e-12)
    return np.where(weight[:, None] > 0, scaled, 0.0)


def _extra(columns: np.ndarray, target: Target) -> np.ndarray:
    """For each covariate c: residual x c, weight x c^2, weight x c, and weight x c x basis."""
    w = target.weight[:, None]
    parts = []
    for c in columns.T:
        c = c[:, None]
        parts += [target.residual[:, None] * c, w * c * c, w * c, w * c * target.basis]
    return np.hstack(parts)


def _test(
    cells: Cells, target: Target, c: int
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """z and coefficient of (additive code) x covariate c for every variant; NaN where there is
    nothing to test."""
    k = target.basis.shape[1]
    value = cells.values()[:, :, 0]
    sums = np.einsum("vc,vcq->vq", value, cells.margins)
    squares = np.einsum("vc,vcq->vq", value**2, cells.margins)
    at = 2 + k + c * (3 + k)
    own = sums[:, 2 : 2 + k]
    product = sums[:, at + 3 : at + 3 + k]
    parent = squares[:, 0] - (own**2).sum(axis=1)
    cross = squares[:, at + 2] - (own * product).sum(axis=1)
    whole = squares[:, at + 1] - (product**2).sum(axis=1)
    freedom = target.n_used - k
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = cross / parent
        information = whole - slope * cross
        score = sums[:, at] - slope * sums[:, 1]
        beta = score / information
        rest = target.dispersion * freedom - sums[:, 1] ** 2 / parent - score * beta
        z = beta / np.sqrt(rest / (freedom - 2) / information)
    good = (parent > 1e-9 * cells.total[0]) & (information > 1e-9 * cells.total[0])
    return np.where(good, z, np.nan), np.where(good, beta, np.nan)


def _robust_z(
    cells: Cells, places: np.ndarray, n_samples: int, target: Target, column: np.ndarray
) -> np.ndarray:
    """z of the products of some variants with a covariate, by White's variance: float64."""
    centre, scale = standards(cells)
    out = np.empty(len(places))
    row = np.empty((1, n_samples), np.float32)
    w, basis = target.weight, target.basis
    for i, place in enumerate(places):
        one = slice(place, place + 1)
        standardise_rows(cells.words[one], centre[one], scale[one], row)
        beside = np.column_stack([basis, row[0]])
        gram = beside.T @ (w[:, None] * beside)
        x = row[0] * column
        x = x - beside @ np.linalg.solve(gram, beside.T @ (w * x))
        fitted = np.linalg.solve(gram, beside.T @ target.residual)
        rest = target.residual - w * (beside @ fitted)
        score = x @ rest
        rest = rest - w * x * (score / (x @ (w * x)))
        out[i] = score / np.sqrt(((x * rest) ** 2).sum())
    return out
