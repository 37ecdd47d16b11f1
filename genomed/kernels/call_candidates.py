"""Where reads differ from the reference often enough, and which reads hold what there."""

import numpy as np

from genomed.kernels.bam_records import (
    CIGAR_DEL,
    CIGAR_EQUAL,
    CIGAR_INS,
    CIGAR_MATCH,
    CIGAR_SKIP,
    CIGAR_SOFT,
    CIGAR_UNEQUAL,
    base_at,
    cigar_offset,
    quality_offset,
    sequence_offset,
    u16,
    u32,
)
from genomed.kernels.native import inner, kernel
from genomed.kernels.pileup import (
    CLIP_LEFT,
    CLIP_RIGHT,
    DELETED,
    DELETION,
    INSERTION,
    MAPPING_QUALITY,
    OTHER_QUALITY,
    READS,
    REF_QUALITY,
    UNSURE,
    base_code,
)

__all__ = [
    "indel_reach",
    "inserted_letters",
    "list_snps",
    "pileup_windows",
    "repeat_facts",
    "snp_reads",
    "take_in_repeats",
]


@kernel
def list_snps(counts, ref, min_fraction, min_reads, single_depth, found):
    """List the bases other than the reference's that enough reads have.

    counts  : int32 (positions, N_COUNTS), of kernels.pileup
    ref     : uint8 (positions,), codes of the reference
    single_depth : reads, deletions included, among which one is enough
    found   : int64 (3 x positions, 3), filled: position, code, reads with it, by position and code
    returns : bases listed
    """
    n = 0
    for p in range(len(ref)):
        if ref[p] > 3:
            continue
        row = counts[p]
        reads = -1  # most positions have none, and need not know
        for code in range(4):
            with_it = row[code] + row[code + 5]
            if code == ref[p] or with_it == 0:
                continue
            if reads < 0:
                reads = row[DELETED] + row[DELETED + 1]
                for other in range(4):
                    reads += row[other] + row[other + 5]
            if with_it < min_reads and reads > single_depth:
                continue
            if with_it >= min_fraction * reads:
                found[n, 0] = p
                found[n, 1] = code
                found[n, 2] = with_it
                n += 1
    return n


@inner
def _lower_bound(values, n, wanted):
    """First place in sorted values[:n] whose value is not below `wanted`."""
    low, high = 0, n
    while low < high:
        middle = (low + high) >> 1
        if values[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def snp_reads(data, place, start, end, position, code, min_base_quality, pairs):
    """List which reads hold which of some bases.

    position : int64 (snps,), sorted; code : int64 (snps,), the base
    pairs    : int64 (pairs, 2) or None to count; filled: snp, read
    returns  : pairs
    """
    n = 0
    n_snps = len(position)
    for r in range(len(place)):
        s = _lower_bound(position, n_snps, start[r])
        if s == n_snps or position[s] >= end[r]:
            continue
        record = place[r]
        cigar, bases, qualities = (
            cigar_offset(data, record), sequence_offset(data, record), quality_offset(data, record),
        )  # fmt: skip
        at = np.int64(start[r])
        i = 0
        for k in range(u16(data, record + 12)):
            word = u32(data, cigar + 4 * k)
            operation, length = word & 15, word >> 4
            if operation in (CIGAR_MATCH, CIGAR_EQUAL, CIGAR_UNEQUAL):
                while s < n_snps and position[s] < at:
                    s += 1
                while s < n_snps and position[s] < at + length:
                    j = i + position[s] - at
                    is_it = base_code(base_at(data, bases, j)) == code[s]
                    if is_it and data[qualities + j] >= min_base_quality:
                        if pairs is not None:
                            pairs[n, 0] = s
                            pairs[n, 1] = r
                        n += 1
                    s += 1
                at += length
                i += length
            elif operation in (CIGAR_DEL, CIGAR_SKIP):
                at += length
            elif operation in (CIGAR_INS, CIGAR_SOFT):
                i += length
    return n


@inner
def _capped(count):
    return min(count, 32767)


@kernel
def pileup_windows(counts, ref, best, site, width, windows):
    """Cut the windows of the pileup net out of the counts.

    counts  : int32 (positions, N_COUNTS); ref : uint8 (positions,)
    best    : int32 (positions, 2), reads of the most frequent insertion and deletion behind each
    site    : int64 (sites,), the positions in the middle
    windows : int16 (sites, width, 26), filled, see genomed.features.call_sites.PILEUP_NAMES
    """
    n_positions = len(counts)
    for s in range(len(site)):
        for w in range(width):
            p = site[s] + w - width // 2
            row = windows[s, w]
            if p < 0 or p >= n_positions:
                row[:] = 0
                continue
            count = counts[p]
            bases = 0
            same = 0
            for code in range(5):
                both = count[code] + count[code + 5]
                bases += both
                if code < 4:
                    row[code] = _capped(count[code])
                    row[code + 4] = _capped(count[code + 5])
                if code == ref[p]:
                    same = both
            row[8] = _capped(count[INSERTION])
            row[9] = _capped(count[INSERTION + 1])
            row[10] = _capped(count[DELETION])
            row[11] = _capped(count[DELETION + 1])
            row[12] = _capped(count[DELETED])
            row[13] = _capped(count[DELETED + 1])
            row[14] = _capped(best[p, 0])
            row[15] = _capped(best[p, 1])
            row[16] = _capped(count[CLIP_LEFT])
            row[17] = _capped(count[CLIP_RIGHT])
            row[18] = count[REF_QUALITY] // max(same, 1)
            row[19] = count[OTHER_QUALITY] // max(bases - same, 1)
            row[20] = count[MAPPING_QUALITY] // max(count[READS], 1)
            row[21] = _capped(count[UNSURE])
            for code in range(4):
                row[22 + code] = 1 if ref[p] == code else 0


@kernel
def repeat_facts(ref, site, is_snp, facts):
    """Measure the repeats that sites lie in.

    ref   : uint8 (positions,), codes; site : int64 (sites,), the SNP or the base before an indel
    facts : float32 (sites, 5), filled: bases of the homopolymer, bases of the unit of the tandem
            repeat (0 for none), bases that it takes, share of G and C within 50 bases, and
            whether the site is a C or G of a CG. A repeat has at least 3 units and 6 bases
    """
    n = len(ref)
    for s in range(len(site)):
        p = site[s]
        q = p if is_snp[s] else min(p + 1, n - 1)
        facts[s, 0] = _period_run(ref, n, q, 1)
        facts[s, 1] = 0
        facts[s, 2] = 0
        for period in range(1, 7):
            run = _period_run(ref, n, q, period)
            if run >= 3 * period and run >= 6 and run > facts[s, 2]:
                facts[s, 1] = period
                facts[s, 2] = run
        gc = 0
        known = 0
        for i in range(max(0, p - 50), min(n, p + 51)):
            known += ref[i] < 4
            gc += ref[i] == 1 or ref[i] == 2
        facts[s, 3] = gc / max(known, 1)
        is_cpg = (ref[p] == 1 and p + 1 < n and ref[p + 1] == 2) or (
            ref[p] == 2 and p > 0 and ref[p - 1] == 1
        )
        facts[s, 4] = 1 if is_cpg else 0


@inner
def _period_run(ref, n, q, period):
    """Bases of the longest stretch around q in which each base equals the one a period before."""
    low = q
    while low - period >= 0 and q - low < 200 and ref[low] < 4 and ref[low] == ref[low - period]:
        low -= 1
    high = q
    while (
        high + period < n and high - q < 200 and ref[high] < 4 and (ref[high] == ref[high + period])
    ):
        high += 1
    if low == q and high == q:
        return 1 if period == 1 else 0
    return high - low + period if high > q else q - low + period


@kernel
def indel_reach(ref, anchor, length, letters, offset, reach):
    """How many bases each indel may be moved to the right without changing the haplotype.

    ref     : uint8, codes; anchor : int64 (indels,), the base before each, as a place in `ref`
    length  : int64 (indels,), bases more (or less); 0 for a base that is exchanged, which stays
    letters : uint8, codes of inserted bases; indel i has letters[offset[i]:offset[i + 1]]
    reach   : int64 (indels,), filled
    """
    for i in range(len(anchor)):
        at = anchor[i] + 1
        k = 0
        if length[i] < 0:
            while (
                at + k - length[i] < len(ref) and k < 200 and ref[at + k] == ref[at + k - length[i]]
            ):
                k += 1
        elif length[i] > 0:
            while (
                at + k < len(ref) and k < 200 and ref[at + k] == letters[offset[i] + k % length[i]]
            ):
                k += 1
        reach[i] = k


@kernel
def inserted_letters(data, place, read, before, turned, length, offset, letters):
    """Fill letters (uint8, codes) with the bases of insertions, as list_indels moved them.

    read, before, turned, length : int64 (insertions,), as in list_indels' events
    offset : int64 (insertions + 1,), where the letters of each go
    """
    for n in range(len(read)):
        bases = sequence_offset(data, place[read[n]])
        for j in range(length[n]):
            at = before[n] + (j + length[n] - turned[n]) % length[n]
            letters[offset[n] + j] = base_code(base_at(data, bases, at))


@kernel
def take_in_repeats(ref, wanted, spans):
    """Widen stretches by the tandem repeats that they touch.

    ref    : uint8 (positions,), codes; wanted : bool (stretches,), which to widen
    spans  : int64 (stretches, 2), start and end as places in `ref`, changed. A repeat has units of
             1 to 6 bases, at least 3 of them and 6 bases; a stretch grows by 100 bases at most, and
             then keeps the base before the repeat
    """
    n = len(ref)
    for s in range(len(wanted)):
        if not wanted[s]:
            continue
        start, end = spans[s, 0], spans[s, 1]
        low, high = start, end
        for period in range(1, 7):
            q = min(end, n - 1)  # the first base behind
            left = q
            while (
                left - period >= 0
                and start - left < 100
                and ref[left] < 4
                and (ref[left] == ref[left - period])
            ):
                left -= 1
            right = q
            while (
                right + period < n
                and right - end < 100
                and ref[right] < 4
                and (ref[right] == ref[right + period])
            ):
                right += 1
            if right - q + period >= max(3 * period, 6):
                high = max(high, right + period)
            if q - left + period >= max(3 * period, 6):
                low = min(low, left - period)
            q = max(start, 0)
            left = q
            while (
                left - period >= 0
                and start - left < 100
                and ref[left] < 4
                and (ref[left] == ref[left - period])
            ):
                left -= 1
            if q - left + period >= max(3 * period, 6):
                low = min(low, left - period)
        spans[s, 0] = max(0, min(start, low - 1))
        spans[s, 1] = min(n, max(end, high))
