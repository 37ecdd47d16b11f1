"""What reads prove where nobody called a genotype: the reference, something else, or nothing.

That a site has two copies of the reference is proved by enough reads, with enough confidence in
their likelihoods alone. Anything else must also be likely enough to overcome how rare it is: a
caller has looked at these reads before, and has written no record.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from genomed.kernels.site_counts import best_genotypes
from genomed.stats.contamination import stated_error
from genomed.stats.site_reads import SiteReads

__all__ = [
    "FEW_READS",
    "FOUND",
    "HOM_REF",
    "UNCLEAR",
    "VERDICTS",
    "BaseCalls",
    "call_bases",
    "judge",
]

HOM_REF, FOUND, FEW_READS, UNCLEAR = range(4)
VERDICTS = ("hom_ref", "alternative", "no_coverage", "unclear")

PRIOR_PHRED = 30.0  # one site in a thousand differs from the reference
MOST_OTHER = 0.2  # share of deletions and unknown bases above which bases are not believed


class BaseCalls(NamedTuple):
    """Genotypes of single bases.

    genotype : int8 (sites, 2), 0 to 3 for A C G T, the lower first; -1 without reads
    depth    : int32 (sites, 5), reads of A, C, G, T, and of anything else
    quality  : float64 (sites,), phred: of the genotype against the next best, where it is two
               copies of the reference without, else with what is usual
    verdict  : int8 (sites,), index into VERDICTS
    """

    genotype: np.ndarray
    depth: np.ndarray
    quality: np.ndarray
    verdict: np.ndarray


def call_bases(
    reads: SiteReads,
    ref: np.ndarray,
    ploidy: np.ndarray,
    *,
    min_depth: int,
    min_quality: int,
    min_base_quality: int,
) -> BaseCalls:
    """Call each site among all pairs of bases.

    ref    : uint8 (sites,), 0 to 3; ploidy : int8 (sites,), 1 or 2
    min_depth, min_quality : reads and phred that prove two copies of the reference; the quality is
             asked of other genotypes, too
    """
    n = reads.n_sites
    error = stated_error()
    logs = np.log(np.stack([1 - error, error / 3, 0.5 - error / 3], axis=1))
    genotype, depth = np.empty((n, 2), np.int8), np.empty((n, 5), np.int32)
    phred = np.empty(n)
    best_genotypes(
        reads.offset, reads.code, reads.quality, logs, min_base_quality, ref,
        PRIOR_PHRED * np.log(10) / 10, ploidy, np.empty((4, 3)), genotype, phred, depth,
    )  # fmt: skip
    is_ref = (genotype == ref[:, None]).all(axis=1)
    quality = np.where(is_ref, phred - PRIOR_PHRED, phred).clip(0)
    n_ref = depth[np.arange(n), ref]
    odd = depth[:, 4] > MOST_OTHER * depth.sum(axis=1)
    verdict = judge(is_ref, n_ref, depth.sum(axis=1), quality, odd, min_depth, min_quality)
    return BaseCalls(genotype, depth, quality, verdict)


def judge(
    is_ref: np.ndarray,
    n_ref: np.ndarray,
    n_reads: np.ndarray,
    quality: np.ndarray,
    odd: np.ndarray,
    min_depth: int,
    min_quality: int,
) -> np.ndarray:
    """What the reads of each site are worth: int8 (sites,), index into VERDICTS.

    is_ref : two copies of the reference are the best; n_ref : reads that show it; odd : sites whose
             reads show too much else
    """
    sure = (quality >= min_quality) & ~odd
    proved = is_ref & sure & (n_ref >= min_depth)
    few = (n_reads < min_depth) & ~(~is_ref & sure & (n_reads > 0))
    return np.select(
        [proved, ~is_ref & sure & (n_reads > 0), few], [HOM_REF, FOUND, FEW_READS], UNCLEAR
    ).astype(np.int8)
