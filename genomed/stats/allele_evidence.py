"""How well each read fits each allele of a site: likelihoods of realigned reads, and their facts.

A read is compared with one haplotype per allele, which is the reference around the site with the
allele in place of REF. Where alleles have one length and the read lies there without gaps, only
the bases of the alleles differ. Elsewhere the read's part near the site is aligned anew to every
haplotype, within a band, and the best alignment counts (a pair hidden Markov model, Durbin 1998,
ISBN 0-521-62041-4, with gaps likelier in longer repeats, as in Albers 2011,
doi:10.1101/gr.112326.110).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from genomed.kernels import haplotype_fit as kernels
from genomed.settings import EvidenceSettings

__all__ = [
    "AlleleEvidence",
    "Alleles",
    "ReadBlock",
    "allele_evidence",
    "flat_alleles",
    "genotype_loglik",
]

NO_ALLELE = np.float32(-1e4)  # log-likelihood under an allele that a site does not have


class ReadBlock(Protocol):
    """Alignments of one contig, sorted by start: what genomed.io.alignments hands out."""

    data: np.ndarray
    place: np.ndarray
    start: np.ndarray
    end: np.ndarray
    flag: np.ndarray
    mapq: np.ndarray


class Alleles(NamedTuple):
    """Alleles of many sites, REF first, as flat arrays.

    bases  : uint8, letters ACGTN of all alleles, one behind the other
    offset : int64 (alleles + 1,), where each allele begins in `bases`
    first  : int64 (sites + 1,), which allele is the REF of each site
    """

    bases: np.ndarray
    offset: np.ndarray
    first: np.ndarray


class AlleleEvidence(NamedTuple):
    """One row for each read at each site ("pairs"), by site, then in the order of the file.

    first        : int64 (sites + 1,), rows of each site
    site         : int32 (pairs,)
    read         : int32 (pairs,), which read of the blocks, counted through all of them
    loglik       : float32 (pairs, alleles), natural log of the likelihood of the read's bases
                   under each allele, above that of the best one (which is 0); never below what
                   the mapping quality allows; -1e4 under alleles that the site does not have.
                   All 0 where the read tells nothing, and for the mate that does not count
    fit          : float32 (pairs,), log-likelihood under the best allele, beside that of a read
                   without errors: near 0 for a good read
    counts       : bool (pairs,), False for one of two mates that both cover the site: what they
                   say together is in the other's row
    spans        : bool (pairs,), the read is aligned on both sides of the alleles, and of the
                   repeat in which they may be shifted
    realigned    : bool (pairs,), the read was aligned anew
    strand       : uint8 (pairs,), 1 for the reverse strand
    mapq         : uint8 (pairs,)
    base_quality : uint8 (pairs,), phred, least of the bases where alleles differ (at indels the
                   bases beside them); 0 when the read has none there
    from_start   : int16 (pairs,), bases between the site and the 5' end of the read as sequenced
    from_end     : int16 (pairs,), bases between the site and its 3' end
    mismatches   : uint8 (pairs,), bases near the site, but not at it, that differ from the
                   reference with at least EvidenceSettings.min_mismatch_quality
    gaps         : uint8 (pairs,), insertions and deletions near the site in the file's alignment
    clipped      : int16 (pairs,), soft-clipped bases of the read
    flag         : uint16 (pairs,)
    fragment     : uint64 (pairs,), hash of the read's name; mates share it
    depth        : int32 (sites,), reads over each site before they were thinned
    """

    first: np.ndarray
    site: np.ndarray
    read: np.ndarray
    loglik: np.ndarray
    fit: np.ndarray
    counts: np.ndarray
    spans: np.ndarray
    realigned: np.ndarray
    strand: np.ndarray
    mapq: np.ndarray
    base_quality: np.ndarray
    from_start: np.ndarray
    from_end: np.ndarray
    mismatches: np.ndarray
    gaps: np.ndarray
    clipped: np.ndarray
    flag: np.ndarray
    fragment: np.ndarray
    depth: np.ndarray


def flat_alleles(alleles: Sequence[Sequence[str]]) -> Alleles:
    """Alleles given per site as text, REF first: for few sites."""
    raise NotImplementedError


def allele_evidence(
    blocks: Sequence[ReadBlock],
    site_start: np.ndarray,
    alleles: Alleles,
    reference: np.ndarray,
    reference_start: int = 0,
    settings: EvidenceSettings | None = None,
) -> AlleleEvidence:
    """Compare every read with every allele of the sites that it covers.

    blocks          : alignments of the contig of the sites: all that overlap them
    site_start      : int64 (sites,), 0-based place of the first base of REF, in any order
    reference       : uint8, letters of either case of the stretch of the contig that holds the
                      sites and a margin of 200 bases on each side (or as far as the contig goes)
    reference_start : 0-based place of its first base
    raises          : ValueError when a site lies outside the stretch
    """
    raise NotImplementedError


def genotype_loglik(evidence: AlleleEvidence, n_alleles: int) -> np.ndarray:
    """Natural-log likelihood of the diplotypes 00 01 11 02 12 22 ... (VCF's order), best is 0.

    The sum over reads that count of log((L_a + L_b) / 2): Li 2011, doi:10.1093/bioinformatics/btr509,
    equation 2, with ploidy 2. Diplotypes with an allele that a site does not have are -1e4.

    returns : float32 (sites, diplotypes)
    """
    raise NotImplementedError
