"""Dominance: whether heterozygotes lie off the line between the homozygotes.

The heterozygotes' deviation is tested beside the constant, the covariates and the copies of ALT of
the same variant, so that an additive effect gives no score, whether calls are in Hardy-Weinberg
proportions or not. In these proportions this is the coding of Vitezica, Varona and Legarra 2013
(doi:10.1534/genetics.113.155176).
"""

import numpy as np

from genomed.stats.score_test import Cells, score_target

__all__ = ["dominance_z"]


def dominance_z(
    words: np.ndarray,
    n_samples: int,
    residual: np.ndarray,
    weight: np.ndarray,
    covariates: np.ndarray | None = None,
    *,
    min_carriers: float = 10,
    threads: int = 1,
) -> np.ndarray:
    """Score of the dominance deviation of each variant: float64 (variants,), positive where
    heterozygotes are above the line.

    words        : uint64 (variants, words), see genomed.schema.ARRAYS; a missing call counts as
                   the mean
    residual, weight, covariates : see genomed.stats.score_test.score_target
    min_carriers : NaN for variants with fewer expected homozygotes of the rarer allele, or observed
                   heterozygotes, than this times 1 + the squared skewness of the residuals
    """
    target = score_target(residual, weight, covariates)
    cells = Cells(words, n_samples, target, threads=threads)
    value = cells.values()
    weights, score = cells.margins[:, :, 0], cells.margins[:, :, 1]
    basis = cells.margins[:, :, 2:]
    inside = np.einsum("vcf,vck->vfk", value, basis)
    gram = np.einsum("vcf,vcg,vc->vfg", value, value, weights) - inside @ inside.mT
    told = np.einsum("vcf,vc->vf", value, score)
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = gram[:, 0, 1] / gram[:, 0, 0]
        information = gram[:, 1, 1] - slope * gram[:, 0, 1]
        left = told[:, 1] - slope * told[:, 0]
        explained = told[:, 0] ** 2 / gram[:, 0, 0] + left**2 / information
        freedom = target.n_used - target.basis.shape[1]
        rest = target.dispersion * freedom - explained
        z = left / np.sqrt(information * rest / (freedom - 2))
    good = (information > 1e-9 * cells.total[0]) & (gram[:, 0, 0] > 1e-9 * cells.total[0])
    needed = min_carriers * (1 + target.skewness**2)
    good &= _rarest_calls(cells.counts) >= needed
    return np.where(good, z, np.nan)


def _rarest_calls(counts: np.ndarray) -> np.ndarray:
    """Smaller of the observed heterozygotes and the expected rarer homozygotes: (variants,)."""
    called = np.maximum(1, counts[:, :3].sum(axis=1))
    frequency = (counts[:, 1] + 2 * counts[:, 2]) / (2 * called)
    rarer = np.minimum(frequency, 1 - frequency)
    return np.minimum(counts[:, 1], called * rarer**2)
