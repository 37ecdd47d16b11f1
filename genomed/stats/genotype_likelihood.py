"""Posterior probability of the genotypes of candidate sites, from likelihoods and what is usual."""

from __future__ import annotations

import numpy as np

from genomed.settings import CallSettings

__all__ = ["difference_rate", "genotype_log_prior", "genotype_posterior"]

HET_SHARE = 2 / 3  # of the sites where a genome differs from the reference
TRANSITIONS = 2 / 3  # of the bases that are exchanged
REPEAT_BP = 6  # from which indels are likelier
MOST_REPEAT_FACTOR = 40.0
TWO_ALTS_SNP = 1e-3  # share of sites with two different alternative alleles
TWO_ALTS_INDEL = 0.02


def difference_rate(
    is_snp: np.ndarray,
    repeat_length: np.ndarray,
    is_transition: np.ndarray,
    settings: CallSettings,
) -> np.ndarray:
    """Chance that a genome has a given alternative allele on one copy or both: float64 (alleles,).

    An indel is the likelier the longer the repeat that it lies in, as repeats slip; of exchanged
    bases two in three are transitions.

    is_snp, is_transition : bool (alleles,)
    repeat_length         : (alleles,), bases of the tandem repeat or homopolymer at the site
    """
    slips = np.exp(0.25 * np.maximum(np.asarray(repeat_length, np.float64) - REPEAT_BP, 0))
    indel_rate = settings.indel_rate * np.minimum(slips, MOST_REPEAT_FACTOR)
    share = np.where(np.asarray(is_transition, bool), TRANSITIONS, (1 - TRANSITIONS) / 2)
    return np.where(is_snp, settings.snp_rate * share, indel_rate)


def genotype_log_prior(
    length: np.ndarray,
    repeat_length: np.ndarray,
    is_transition: np.ndarray,
    settings: CallSettings,
) -> np.ndarray:
    """Natural log of how likely each genotype is before any read is seen.

    length        : int (sites, 2), bases that alt1, alt2 has more (or less) than ref; 0 for a SNP
    repeat_length : (sites,), bases of the tandem repeat or homopolymer at the site
    is_transition : bool (sites,), of alt1
    returns       : float64 (sites, 6), of 00 01 11 02 12 22; alt2 is as likely as alt1
    """
    is_snp = (length == 0).all(axis=1)
    rate = difference_rate(is_snp, repeat_length, is_transition, settings)
    het, hom = np.log(rate * HET_SHARE), np.log(rate * (1 - HET_SHARE))
    both = np.log(rate * np.where(is_snp, TWO_ALTS_SNP, TWO_ALTS_INDEL))
    return np.stack([np.log1p(-2 * rate), het, hom, het, both, hom], axis=1)


def genotype_posterior(loglik: np.ndarray, log_prior: np.ndarray) -> np.ndarray:
    """Probability of each genotype: float64 (sites, 6), from natural logs of the same shape."""
    total = loglik.astype(np.float64) + log_prior
    share = np.exp(total - total.max(axis=1, keepdims=True))
    return share / share.sum(axis=1, keepdims=True)
