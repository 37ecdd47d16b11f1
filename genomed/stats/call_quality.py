"""From probabilities of genotypes to what a VCF says: the genotype, GQ, QUAL and PL."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["GenotypeCalls", "call_genotypes", "phred"]

MOST_GQ = 99
MOST_QUAL = 3000.0
MOST_PL = 9999
FIRST_ALLELE = np.array([0, 0, 1, 0, 1, 2], np.int8)  # of 00 01 11 02 12 22
SECOND_ALLELE = np.array([0, 1, 1, 2, 2, 2], np.int8)


class GenotypeCalls(NamedTuple):
    """The likeliest genotype of each site.

    genotype : int8 (sites, 2), alleles in order; gq : int16 (sites,), phred that it is wrong
    qual     : float32 (sites,), phred that the site is like the reference
    pl       : int32 (sites, 6), phred-scaled likelihoods, the best is 0 (VCFv4.3, section 1.6.2)
    """

    genotype: np.ndarray
    gq: np.ndarray
    qual: np.ndarray
    pl: np.ndarray


def call_genotypes(posterior: np.ndarray, loglik: np.ndarray) -> GenotypeCalls:
    """Choose genotypes.

    posterior : float64 (sites, 6), probabilities of 00 01 11 02 12 22
    loglik    : float32 (sites, 6), natural-log likelihoods of the same
    """
    best = posterior.argmax(axis=1)
    sites = np.arange(len(best))
    others = posterior.copy()
    others[sites, best] = 0
    gq = np.minimum(phred(others.sum(axis=1)), MOST_GQ)
    qual = np.minimum(phred(posterior[:, 0]), MOST_QUAL)
    pl = np.rint((loglik.max(axis=1, keepdims=True) - loglik) * (10 / np.log(10)))
    return GenotypeCalls(
        np.stack([FIRST_ALLELE[best], SECOND_ALLELE[best]], axis=1),
        np.rint(gq).astype(np.int16), qual.astype(np.float32),
        np.minimum(pl, MOST_PL).astype(np.int32),
    )  # fmt: skip


def phred(probability: np.ndarray) -> np.ndarray:
    """-10 log10 of probabilities, 0 or more; of 0 a very large number."""
    return np.maximum(-10 * np.log10(np.maximum(probability, 1e-300)), 0.0) + 0.0  # never -0
