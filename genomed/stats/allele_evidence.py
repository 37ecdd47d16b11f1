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
from typing import NamedTuple

import numpy as np

from genomed.kernels import haplotype_align, haplotype_fit, site_reads
from genomed.schema import AlignmentBlock
from genomed.settings import EvidenceSettings

__all__ = [
    "AlleleEvidence",
    "Alleles",
    "allele_evidence",
    "check_alleles",
    "flat_alleles",
    "genotype_loglik",
]

_CODES = np.full(256, haplotype_align.ANY, np.uint8)  # 4-bit codes of letters, as in BAM
_CODES[np.frombuffer(b"ACGTacgt", np.uint8)] = [1, 2, 4, 8, 1, 2, 4, 8]
GAP_EXTEND = 0.1  # probability that a gap goes on for one more base


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
    from_start   : int16 (pairs,), bases between the site and that end of the aligned part (without
                   soft clips) which was sequenced first
    from_end     : int16 (pairs,), the same to its other end
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
    """Alleles given per site as text, REF first."""
    flat = [one for site in alleles for one in site]
    offset = np.zeros(len(flat) + 1, np.int64)
    np.cumsum([len(one) for one in flat], out=offset[1:])
    first = np.zeros(len(alleles) + 1, np.int64)
    np.cumsum([len(site) for site in alleles], out=first[1:])
    return Alleles(np.frombuffer("".join(flat).encode(), np.uint8), offset, first)


def allele_evidence(
    blocks: Sequence[AlignmentBlock],
    site_start: np.ndarray,
    alleles: Alleles,
    reference: np.ndarray,
    reference_start: int = 0,
    settings: EvidenceSettings | None = None,
) -> AlleleEvidence:
    """Compare every read with every allele of the sites that it covers.

    blocks          : alignments of the contig of the sites: all that overlap them, each once
    site_start      : int64 (sites,), 0-based place of the first base of REF, sorted
    reference       : uint8, letters of the stretch of the contig that holds the sites, and beside
                      them 200 bases on each side, or as far as the contig goes
    reference_start : 0-based place of its first base
    raises          : ValueError when sites are not sorted or lie outside the stretch, or a site
                      has no allele
    """
    settings = settings or EvidenceSettings()
    site_start = np.ascontiguousarray(site_start, np.int64)
    _check(site_start, alleles, reference, reference_start)
    alleles = alleles._replace(bases=_CODES[alleles.bases])
    reference = _CODES[reference]
    n_sites, n_most = len(site_start), int(np.diff(alleles.first).max(initial=1))
    reach, is_plain = np.empty((n_sites, 2), np.int64), np.empty(n_sites, bool)
    longest = site_reads.measure_sites(
        site_start, *alleles, reference, reference_start, reach, is_plain
    )
    reads = _Reads.of(blocks, settings)
    around = reads.start, reads.end, reads.span
    where = site_start, longest, reach, is_plain
    depth = np.zeros(n_sites, np.int32)
    site_reads.count_pairs(*around, *where, depth)
    room = np.where(depth > settings.max_reads, 2 * settings.max_reads, depth)
    first = np.concatenate([[0], np.cumsum(room)])
    read, filled = np.empty(first[-1], np.int32), np.zeros(n_sites, np.int32)
    site_reads.list_pairs(
        *around, reads.fragment, *where, depth, settings.max_reads, first, filled, read
    )
    read, first = _close_gaps(read, first, filled)
    facts = _fit(reads, site_start, alleles, reach, is_plain, reference, reference_start, first,
                 read, n_most, settings)  # fmt: skip
    evidence = AlleleEvidence(
        first=first,
        site=np.repeat(np.arange(n_sites, dtype=np.int32), np.diff(first)),
        read=read,
        counts=np.ones(len(read), bool),
        strand=((reads.flag[read] >> 4) & 1).astype(np.uint8),
        mapq=reads.mapq[read],
        clipped=reads.clipped[read],
        flag=reads.flag[read],
        fragment=reads.fragment[read],
        depth=depth,
        **facts,
    )
    _merge_mates(evidence)
    return evidence


def genotype_loglik(evidence: AlleleEvidence, alleles: Alleles) -> np.ndarray:
    """Natural-log likelihood of the diplotypes 00 01 11 02 12 22 ... (VCF's order), best is 0.

    The sum over reads that count of log((L_a + L_b) / 2), which is equation 2 of Li 2011
    (doi:10.1093/bioinformatics/btr509) for two copies. Diplotypes with an allele that a site does
    not have are -1e4.

    returns : float32 (sites, diplotypes)
    raises  : ValueError when the evidence is not of these alleles
    """
    check_alleles(evidence, alleles)
    n_most = evidence.loglik.shape[1]
    total = np.empty((len(evidence.depth), n_most * (n_most + 1) // 2))
    haplotype_fit.add_genotypes(
        evidence.first, evidence.loglik, evidence.counts, np.diff(alleles.first), total
    )
    return total.astype(np.float32)


def check_alleles(evidence: AlleleEvidence, alleles: Alleles) -> None:
    """Raise ValueError unless evidence has as many sites and alleles as there are."""
    n_alleles = np.diff(alleles.first)
    n_most = int(n_alleles.max(initial=1))
    if len(n_alleles) != len(evidence.depth) or evidence.loglik.shape[1] < n_most:
        raise ValueError("the evidence is not of these alleles")


class _Reads(NamedTuple):
    """All reads of some blocks, and what they reach over; see kernels.site_reads."""

    data: np.ndarray
    place: np.ndarray
    start: np.ndarray
    end: np.ndarray
    flag: np.ndarray
    mapq: np.ndarray
    span: np.ndarray
    clipped: np.ndarray
    fragment: np.ndarray

    @classmethod
    def of(cls, blocks: Sequence[AlignmentBlock], settings: EvidenceSettings) -> _Reads:
        blocks = [block for block in blocks if len(block.place)]
        if len(blocks) == 1:
            one = blocks[0]
            data, place = one.data, one.place
        else:
            sizes = [0, *(len(block.data) for block in blocks)]
            shift = np.cumsum(sizes)
            data = _joined([block.data for block in blocks], np.uint8)
            place = _joined([b.place + s for b, s in zip(blocks, shift, strict=False)], np.int64)
        place = np.ascontiguousarray(place)
        start = _joined([block.start for block in blocks], np.int32)
        end = _joined([block.end for block in blocks], np.int32)
        flag = _joined([block.flag for block in blocks], np.uint16)
        mapq = _joined([block.mapq for block in blocks], np.uint8)
        n = len(place)
        span, clipped = np.empty((n, 2), np.int64), np.empty(n, np.int16)
        fragment = np.zeros(n, np.uint64)
        site_reads.measure_reads(
            data, place, start, end, flag, mapq, settings.exclude_flags, settings.min_mapq, span,
            clipped, fragment,
        )  # fmt: skip
        return cls(data, place, start, end, flag, mapq, span, clipped, fragment)


def _joined(parts: list[np.ndarray], kind: type) -> np.ndarray:
    if len(parts) == 1:
        return np.ascontiguousarray(parts[0], kind)
    return np.concatenate(parts) if parts else np.empty(0, kind)


def _check(
    site_start: np.ndarray, alleles: Alleles, reference: np.ndarray, reference_start: int
) -> None:
    """The kernels trust what they get."""
    n_alleles = np.diff(alleles.first)
    if len(n_alleles) != len(site_start) or (len(n_alleles) and n_alleles.min() < 1):
        raise ValueError("each site needs alleles, REF first")
    if len(alleles.offset) != alleles.first[-1] + 1 or alleles.offset[-1] != len(alleles.bases):
        raise ValueError("offsets of alleles do not fit their bases")
    if not len(site_start):
        return
    if (np.diff(site_start) < 0).any():
        raise ValueError("sites are not sorted by their start")
    length = np.diff(alleles.offset)
    if length.min() < 1:
        raise ValueError("an allele has no bases")
    end = site_start + length[alleles.first[:-1]]
    if site_start[0] < reference_start or end.max() > reference_start + len(reference):
        raise ValueError("a site lies outside the stretch of reference given")


def _close_gaps(
    read: np.ndarray, first: np.ndarray, filled: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rows without those that were left empty, and where each site's begin."""
    if first[-1] == filled.sum():
        return read, first
    used = np.arange(len(read)) - np.repeat(first[:-1], np.diff(first))
    used = used < np.repeat(filled, np.diff(first))
    return read[used], np.concatenate([[0], np.cumsum(filled, dtype=np.int64)])


def _fit(
    reads: _Reads, site_start: np.ndarray, alleles: Alleles, reach: np.ndarray,
    is_plain: np.ndarray, reference: np.ndarray, reference_start: int, first: np.ndarray,
    read: np.ndarray, n_most: int, settings: EvidenceSettings,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Run the kernel: name of each filled array of AlleleEvidence -> the array."""
    n = len(read)
    found = {
        "loglik": np.empty((n, n_most), np.float32),
        "fit": np.empty(n, np.float32),
        "spans": np.empty(n, bool),
        "realigned": np.empty(n, bool),
        "base_quality": np.empty(n, np.uint8),
        "from_start": np.empty(n, np.int16),
        "from_end": np.empty(n, np.int16),
        "mismatches": np.empty(n, np.uint8),
        "gaps": np.empty(n, np.uint8),
    }
    if not n:
        return found
    size, width = _room(site_start, alleles, reach, settings)
    haplotype, opening = np.empty((n_most, size), np.uint8), np.empty((2, n_most, size))
    haplotype_fit.fit_reads(
        reads.data, reads.place, reads.start, reads.end, reads.mapq, site_start, *alleles, reach,
        is_plain, reference, reference_start, first, read, *_base_errors(settings),
        _gap_open(settings), GAP_EXTEND, _mapq_error(settings), settings.flank_bp,
        settings.band_bp, settings.min_mismatch_quality, haplotype, np.empty(n_most, np.int64),
        opening, np.empty((n_most, n_most)), np.empty(n_most), np.empty((3, width + 1)),
        *found.values(),
    )  # fmt: skip
    return found


def _room(
    site_start: np.ndarray, alleles: Alleles, reach: np.ndarray, settings: EvidenceSettings
) -> tuple[int, int]:
    """Bases of the longest haplotype, and diagonals of the widest band."""
    length = np.diff(alleles.offset)
    n_alleles = np.diff(alleles.first)
    ref_length = length[alleles.first[:-1]]
    differ = length - np.repeat(ref_length, n_alleles)
    longer = np.maximum.reduceat(differ, alleles.first[:-1])
    spread = longer - np.minimum.reduceat(differ, alleles.first[:-1])
    window = np.maximum(reach[:, 1], site_start + ref_length) - np.minimum(reach[:, 0], site_start)
    size = window + 2 * (settings.flank_bp + settings.band_bp + spread) + longer
    width = 2 * (spread.max() + settings.band_bp + haplotype_fit.MAX_NET) + 1
    return int(size.max()), int(width)


def _base_errors(settings: EvidenceSettings) -> tuple[np.ndarray, np.ndarray]:
    """Probability of the right base and of one wrong one by quality byte; and their logarithms."""
    quality = np.arange(256.0)
    quality[255] = settings.no_base_quality
    quality = quality.clip(settings.min_base_quality, settings.max_base_quality)
    error = 10 ** (-quality / 10)
    right, wrong = 1 - error, error / 3
    return np.array([right, np.log(right)]), np.array([wrong, np.log(wrong)])


def _mapq_error(settings: EvidenceSettings) -> np.ndarray:
    mapq = np.arange(256.0)
    mapq[255] = settings.no_mapq
    return 10 ** (-mapq.clip(0, settings.max_mapq) / 10)


def _gap_open(settings: EvidenceSettings) -> np.ndarray:
    """Probability, and its log, that sequencing puts a gap somewhere, by units of the repeat."""
    units = np.arange(25.0)
    phred = settings.gap_open_phred - settings.gap_open_per_unit * (units - 4).clip(0)
    probability = 10 ** (-phred.clip(settings.min_gap_open_phred) / 10)
    return np.array([probability, np.log(probability)])


def _merge_mates(evidence: AlleleEvidence) -> None:
    """Count fragments, not reads; changes loglik, counts and base_quality."""
    most = int(np.diff(evidence.first).max(initial=0))
    slots = 1 << max(4, (2 * most).bit_length())
    site_reads.merge_mates(
        evidence.first, evidence.fragment, evidence.base_quality, np.full(slots, -1, np.int64),
        np.zeros(slots, np.int64), evidence.loglik, evidence.counts,
    )  # fmt: skip
