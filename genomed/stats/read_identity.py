"""Whose reads these are: what genotypes they show, and how two people, so known, are related.

Two measures, which fail in different places. KING-robust kinship (Manichaikul et al. 2010,
doi:10.1093/bioinformatics/btq559, equation 11) needs genotypes that are certain, but no
frequencies. The likelihood of sharing 0, 1 and 2 alleles by descent needs frequencies, but sums
over genotypes, so that few reads are enough (Korneliussen & Moltke 2015,
doi:10.1093/bioinformatics/btv509). Counts of one pair are named as somalier names them (Pedersen et
al. 2020, doi:10.1186/s13073-020-00761-2).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from genomed.kernels.read_identity import (
    expected_sharing,
    genotype_log_likelihoods,
    store_log_odds,
)
from genomed.schema import MISSING
from genomed.stats.contamination import (
    MIN_QUALITY,
    hardy_weinberg,
    kinds_and_errors,
    other_genotypes,
)
from genomed.stats.site_reads import SiteReads

__all__ = [
    "Genotypes",
    "Kinship",
    "calls_of",
    "certain_genotypes",
    "kinship",
    "log_odds_of_store",
    "nearby_frequency",
    "read_genotypes",
]

LEAST_DEPTH = 7  # reads for a genotype to be called (somalier's)
LEAST_PROBABILITY = 0.95
LEAST_CALLED = 200  # sites called in both, and
LEAST_HETS = 20  # heterozygous ones in either, for a KING kinship
LEAST_SITES = 30  # with reads of both, for any kinship
STEPS = 200  # of expectation and maximisation, at most
N_NEAR, PRIOR_PEOPLE = 30, 5  # people like somebody, and how many the common frequency weighs
ERROR = 0.005  # of genotypes of a store


class Genotypes(NamedTuple):
    """What is known of one person's genotypes.

    log_likelihood : float64 (sites, 3), of 0, 1 and 2 copies of ALT, less the largest
    call           : int8 (sites,), copies of ALT, -9 where not certain
    depth          : int32 (sites, 2), reads of REF and of ALT
    """

    log_likelihood: np.ndarray
    call: np.ndarray
    depth: np.ndarray


class Kinship(NamedTuple):
    """How two people are related.

    n_sites     : sites at which something is known of both
    n_called    : of these, called in both; the counts that follow are of these
    ibs0, ibs2  : opposite homozygotes; equal genotypes
    n_het1, n_het2, n_het_shared : heterozygous in one, the other, both
    king        : KING-robust kinship; NaN with few calls
    kinship     : from sharing by descent, k1 / 4 + k2 / 2; NaN with few sites
    k0, k1, k2  : probabilities of sharing 0, 1, 2 alleles by descent
    """

    n_sites: int
    n_called: int
    ibs0: int
    ibs2: int
    n_het1: int
    n_het2: int
    n_het_shared: int
    king: float
    kinship: float
    k0: float
    k1: float
    k2: float

    @property
    def best(self) -> float:
        """KING's kinship where it is known, else the other."""
        return self.kinship if np.isnan(self.king) else self.king


def read_genotypes(
    reads: SiteReads,
    ref: np.ndarray,
    alt: np.ndarray,
    frequency: np.ndarray,
    *,
    other_share: float = 0.0,
    min_quality: int = MIN_QUALITY,
) -> Genotypes:
    """Genotypes at sites of two alleles as reads show them.

    ref, alt    : uint8 (sites,), 0 to 3; frequency : float64 (sites,), of ALT, NaN unknown
    other_share : of the reads that are somebody else's, whose alleles make no heterozygotes then
    """
    kind, error = kinds_and_errors(reads, ref, alt)
    n = reads.n_sites
    likelihood, depth = np.empty((n, 3)), np.empty((n, 2), np.int32)
    genotype_log_likelihoods(
        reads.offset, kind, reads.quality, error, min_quality, likelihood, depth
    )
    if other_share > 0:  # each of the two is the other one's other
        likelihood = other_genotypes(
            reads, ref, alt, frequency, 1 - other_share, min_quality=min_quality
        )
    weight = np.exp(likelihood) * hardy_weinberg(np.where(np.isnan(frequency), 0.5, frequency))
    best = weight.argmax(axis=1)
    sure = weight.max(axis=1) >= LEAST_PROBABILITY * weight.sum(axis=1)
    sure &= depth.sum(axis=1) >= LEAST_DEPTH
    return Genotypes(likelihood, np.where(sure, best, MISSING).astype(np.int8), depth)


def certain_genotypes(alt_count: np.ndarray) -> Genotypes:
    """Genotypes that were called elsewhere: int8 (sites,), copies of ALT, -9 not called.

    A call is wrong, one way or the other, with a probability of 0.5 %.
    """
    called = alt_count >= 0
    likelihood = np.zeros((len(alt_count), 3))
    for copies in range(3):
        likelihood[called & (alt_count != copies), copies] = np.log(ERROR / 2)
    return Genotypes(
        likelihood, np.where(called, alt_count, MISSING).astype(np.int8),
        np.zeros((len(alt_count), 2), np.int32),
    )  # fmt: skip


def kinship(one: Genotypes, other: Genotypes, frequency: np.ndarray) -> Kinship:
    """How two people are related, at sites that are not in LD.

    frequency : float64 (sites,), of ALT; NaN leaves a site out of the likelihood
    """
    a, b = one.call, other.call
    both = (a >= 0) & (b >= 0)
    het1, het2 = (a == 1) & both, (b == 1) & both
    apart = np.abs(np.where(both, a - b, 0)).astype(int)
    n_het1, n_het2 = int(het1.sum()), int(het2.sum())
    fewest = min(n_het1, n_het2)
    king = np.nan
    if both.sum() >= LEAST_CALLED and fewest >= LEAST_HETS:
        king = 0.5 - float((apart**2).sum()) / (4 * fewest)
    known = _known(one) & _known(other) & ~np.isnan(frequency)
    k0, k1, k2 = _sharing(one, other, np.where(known, frequency, np.nan), int(known.sum()))
    return Kinship(
        n_sites=int((_known(one) & _known(other)).sum()),
        n_called=int(both.sum()),
        ibs0=int((apart == 2).sum()),
        ibs2=int((both & (apart == 0)).sum()),
        n_het1=n_het1,
        n_het2=n_het2,
        n_het_shared=int((het1 & het2).sum()),
        king=king,
        kinship=k1 / 4 + k2 / 2,
        k0=k0,
        k1=k1,
        k2=k2,
    )


def _known(person: Genotypes) -> np.ndarray:
    return np.asarray((person.log_likelihood < 0).any(axis=1))


def _sharing(
    one: Genotypes, other: Genotypes, frequency: np.ndarray, n_sites: int
) -> tuple[float, float, float]:
    """k0, k1, k2 by expectation and maximisation, accelerated by squares of steps."""
    if n_sites < LEAST_SITES:
        return np.nan, np.nan, np.nan
    likelihoods = np.exp(one.log_likelihood), np.exp(other.log_likelihood)
    p = np.where(
        np.isnan(frequency), np.nan, np.clip(np.nan_to_num(frequency, nan=0.5), 0.001, 0.999)
    )
    share = np.empty(4)

    def step(k: np.ndarray) -> np.ndarray:
        expected_sharing(*likelihoods, p, k[0], k[1], k[2], share)
        return np.asarray(share[:3] / share[:3].sum())

    k = np.array([0.5, 0.3, 0.2])
    for _ in range(STEPS):
        first = step(k)
        second = step(first)
        r, v = first - k, (second - first) - (first - k)
        scale = max(1.0, float(np.sqrt((r @ r) / max(v @ v, 1e-300))))
        leap = np.clip(k + 2 * scale * r + scale**2 * v, 1e-9, 1.0)  # Varadhan 2008, SQUAREM
        leap = step(leap / leap.sum())
        if np.abs(leap - k).max() < 1e-6:
            k = leap
            break
        k = leap
    return float(k[0]), float(k[1]), float(k[2])


def log_odds_of_store(
    person: Genotypes, words: np.ndarray, frequency: np.ndarray, n_samples: int
) -> tuple[np.ndarray, np.ndarray]:
    """Log odds that the reads are those of each person of a store, and not of a stranger.

    words     : uint64 (sites, words), see genomed.schema.ARRAYS["words"]
    frequency : float64 (sites,), of ALT; NaN leaves a site out
    returns   : float64 (samples,), natural logs; int64 (samples,), called sites with reads
    """
    known = _known(person) & ~np.isnan(frequency)
    prior = hardy_weinberg(frequency[known])
    likelihood = np.exp(person.log_likelihood[known])
    stranger = (likelihood * prior).sum(axis=1)
    # the call of the store may be wrong
    mixed = (1 - 1.5 * ERROR) * likelihood + ERROR / 2 * likelihood.sum(axis=1, keepdims=True)
    gain = np.log(mixed / stranger[:, None])
    log_odds, n_called = np.zeros(n_samples), np.zeros(n_samples, np.int64)
    store_log_odds(
        np.ascontiguousarray(words[known]), np.ascontiguousarray(gain), n_samples, log_odds,
        n_called,
    )  # fmt: skip
    return log_odds, n_called


def calls_of(words: np.ndarray, sample: int) -> np.ndarray:
    """One person's packed calls: int8 (sites,), -9 not called."""
    call = (words[:, sample // 32] >> np.uint64(2 * (sample % 32))) & np.uint64(3)
    return np.where(call == 3, MISSING, call.astype(np.int8)).astype(np.int8)


def nearby_frequency(log_odds: np.ndarray, words: np.ndarray, frequency: np.ndarray) -> np.ndarray:
    """Frequency of ALT among the people of a store who are most like somebody: float64 (sites,).

    log_odds  : float64 (samples,), as log_odds_of_store gives them for somebody's reads
    words     : uint64 (sites, words); frequency : float64 (sites,), of ALT in everybody, which
                counts as some people's calls
    """
    copies = 2 * PRIOR_PEOPLE * frequency
    alleles = np.full(len(words), 2.0 * PRIOR_PEOPLE)
    for sample in np.argsort(-log_odds, kind="stable")[:N_NEAR].tolist():
        call = calls_of(words, sample)
        copies = copies + np.maximum(call, 0)
        alleles += 2.0 * (call >= 0)
    return np.asarray(copies / alleles)
