"""What a caller eats: candidate sites with their pileup, their reads summed up, and likelihoods.

Calling, training and re-scoring use the same sites, made here from alignments and a reference.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

__all__ = [
    "DIPLOTYPES",
    "EVIDENCE_NAMES",
    "IMPOSSIBLE",
    "N_EVIDENCE",
    "PILEUP_CENTRE",
    "PILEUP_CHANNELS",
    "PILEUP_NAMES",
    "PILEUP_WIDTH",
    "SITES_SCHEMA",
    "CallSites",
]

PILEUP_WIDTH = 33
PILEUP_CENTRE = PILEUP_WIDTH // 2
PILEUP_NAMES = (
    "a_forward", "c_forward", "g_forward", "t_forward",  # reads with this base here
    "a_reverse", "c_reverse", "g_reverse", "t_reverse",
    "insertion_forward", "insertion_reverse",  # insertions between this base and the next
    "deletion_forward", "deletion_reverse",  # deletions that begin with the next base
    "deleted_forward", "deleted_reverse",  # reads in which this base is deleted
    "best_insertion", "best_deletion",  # reads of the most frequent one that begins here
    "clip_left", "clip_right",  # reads whose soft clip ends before, begins behind this base
    "ref_quality", "alt_quality",  # mean base quality of the reference's base, and of all others
    "mapping_quality",  # mean over all reads here
    "unsure",  # reads here of a mapping quality below 20
    "ref_a", "ref_c", "ref_g", "ref_t",  # 1 where the reference has this base
)  # fmt: skip
PILEUP_CHANNELS = len(PILEUP_NAMES)

_OF_ALLELE = (
    "reads",  # fragments that fit this allele at least e^2 times better than the others
    "forward",  # fraction of them on the forward strand
    "odds",  # mean of ln(likelihood / likelihood of the next best allele), 20 at most
    "base_quality",  # mean over the bases at the site
    "mapping_quality",
    "edge",  # mean distance to the nearer end of the read's aligned part, in bases, 50 at most
    "mismatches",  # mean number of mismatches and indels elsewhere in the read
    "clipped",  # fraction of reads with a soft clip
)
EVIDENCE_NAMES = (
    *(f"{name}_{allele}" for allele in range(3) for name in _OF_ALLELE),
    "depth",  # fragments that overlap the site
    "ambiguous",  # fraction of them that fit no allele better than the others
    "unsure",  # fraction of them of a mapping quality below 20
    "local_depth",  # mean depth of the 201 bases around
    "is_snp",  # 1 or 0
    "length_1", "length_2",  # bases that alt1, alt2 has more (or less) than ref
    "homopolymer",  # bases of the run of one base at the site (behind the anchor of an indel)
    "repeat_period",  # bases of the unit of the tandem repeat there, 1 to 6; 0 for none
    "repeat_length",  # bases that the tandem repeat takes
    "gc",  # fraction of G and C in the 101 bases around
    "neighbours",  # other candidate sites within 16 bases
    "cpg",  # 1 where ref is the C or the G of a CG, else 0
    "transition",  # 1 where alt1 is a transition, else 0
)  # fmt: skip
N_EVIDENCE = len(EVIDENCE_NAMES)

DIPLOTYPES = ((0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2))  # in the order of VCF's PL
IMPOSSIBLE = -1e4

SITES_SCHEMA = {
    "contig": pl.Utf8,
    "position": pl.Int32,
    "ref": pl.Utf8,
    "alt1": pl.Utf8,
    "alt2": pl.Utf8,
}


class CallSites(NamedTuple):
    """Candidate sites of one stretch of a contig, in order of position.

    table    : SITES_SCHEMA, one row per site: contig, 1-based position, ref, alt1, alt2 ("" where
               there is one only). All share one ref, are normalised (left-aligned, parsimonious)
               and in order of support. A SNP and an indel at one position are two sites
    pileup   : int16 (sites, 33, PILEUP_CHANNELS), see PILEUP_NAMES; counts above 32767 are 32767.
               Row 16 is the site's position (the SNP, or an indel's anchor: the base before it).
               0 where the contig does not reach
    evidence : float32 (sites, N_EVIDENCE), see EVIDENCE_NAMES; 0 where no read tells (no NaN)
    loglik   : float32 (sites, 6), natural log of the likelihood of all reads for DIPLOTYPES,
               relative to the best; IMPOSSIBLE for those with an alt2 that there is not
    """

    table: pl.DataFrame
    pileup: np.ndarray
    evidence: np.ndarray
    loglik: np.ndarray
