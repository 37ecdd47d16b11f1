"""How often errors that many reads share strike a site: on one strand, or as misplaced reads."""

from __future__ import annotations

import numpy as np

from genomed.settings import CallSettings

__all__ = ["ALL_RATES", "STRAND_RATES", "all_log_share", "strand_log_share"]

STRAND_RATES = np.array([0.1, 0.2, 0.35, 0.5, 0.8])  # of wrong bases, on the strand that is struck
_STRAND_WEIGHTS = np.array([0.3, 0.3, 0.25, 0.12, 0.03])
ALL_RATES = np.array([0.03, 0.06, 0.1, 0.15, 0.2])  # of wrong alleles in all reads
_COINCIDENCE = 1e-4
_INDELS = 0.1  # errors of a strand that are one given indel, beside those that are one given base
_PLACE_WEIGHTS = np.full(5, 0.2)
_MOST_MISPLACED = 0.1
_TOGETHER = 0.01  # of misplaced reads, those that come with others from the same place
_NEVER = 1e-12


def strand_log_share(
    is_indel: np.ndarray, linked: np.ndarray, settings: CallSettings
) -> np.ndarray:
    """Log of the share of sites at which errors of each of STRAND_RATES strike one given strand,
    and feign one given allele.

    is_indel : bool (sites,); such errors are rarer
    linked   : int (sites,), other differences that come with the allele; each is a coincidence
    returns  : float64 (sites, rates)
    """
    share = np.log(settings.artefact_rate / 2 / 3 * _STRAND_WEIGHTS)
    rarer = np.where(is_indel, np.log(_INDELS), 0) + linked * np.log(_COINCIDENCE)
    return share + rarer[:, None]


def all_log_share(alt_mapq: np.ndarray) -> np.ndarray:
    """Log of the share of sites at which errors of each of ALL_RATES strike all reads.

    Reads that belong elsewhere come together, as often as their mapping quality says.

    alt_mapq : (sites,), mean mapping quality of reads with alt1; 0 where there is none
    returns  : float64 (sites, rates)
    """
    misplaced = np.where(alt_mapq > 0, 10 ** (-np.asarray(alt_mapq, np.float64) / 10), 0)
    share = np.minimum(_TOGETHER * misplaced, _MOST_MISPLACED)
    return np.log(np.maximum(share[:, None] * _PLACE_WEIGHTS, _NEVER))
