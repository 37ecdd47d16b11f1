"""Which reads lie at which sites: what sites and reads reach over, and lists of their pairs."""

import numpy as np

from genomed.kernels.bam_records import CIGAR_HARD, CIGAR_SOFT, cigar_offset, i32, u16, u32
from genomed.kernels.native import inner, kernel

__all__ = [
    "clip_lengths",
    "count_pairs",
    "list_pairs",
    "measure_reads",
    "measure_sites",
    "merge_mates",
]

FNV_OFFSET, FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
MAX_SHIFT = 150  # bases that an indel is followed through its repeat, on each side


@inner
def _shift_right(reference, at, sequence, s0, n, is_insertion):
    """Bases that an indel of n bases before reference[at] can be moved to the right."""
    shift = 0
    while shift < MAX_SHIFT:
        new = at + shift + (0 if is_insertion else n)
        if new >= len(reference):
            break
        if is_insertion:
            old = sequence[s0 + shift] if shift < n else reference[at + shift - n]
        else:
            old = reference[at + shift]
        if reference[new] != old:
            break
        shift += 1
    return shift


@inner
def _shift_left(reference, at, sequence, s0, n, is_insertion):
    """Bases that an indel of n bases before reference[at] can be moved to the left."""
    shift = 0
    while shift < MAX_SHIFT and at - 1 - shift >= 0:
        new = reference[at - 1 - shift]
        if is_insertion and shift < n:
            old = sequence[s0 + n - 1 - shift]
        elif is_insertion:
            old = reference[at - 1 - shift + n]
        else:
            old = reference[at + n - 1 - shift]
        if new != old:
            break
        shift += 1
    return shift


@kernel
def measure_sites(site_start, bases, offset, first, reference, reference_start, reach, is_plain):
    """Where the alleles of each site differ, wherever in a repeat they are written down.

    site_start : int64 (sites,), 0-based; offset, first : see stats.allele_evidence.Alleles
    bases, reference : uint8, codes of bases; the reference from reference_start on
    reach      : int64 (sites, 2), filled: start and end of what differs, 0-based
    is_plain   : bool (sites,), filled: all alleles are as long as REF
    returns    : longest distance between site_start and either of `reach`
    """
    longest = 0
    for v in range(len(site_start)):
        r0, r1 = offset[first[v]], offset[first[v] + 1]
        at = site_start[v] - reference_start
        low, high = np.int64(1) << 62, np.int64(-1)
        plain = True
        for a in range(first[v] + 1, first[v + 1]):
            a0, a1 = offset[a], offset[a + 1]
            p, q = r0, r1
            if a1 - a0 != r1 - r0:
                plain = False
            while q > p and a1 > a0 and bases[q - 1] == bases[a1 - 1]:
                q -= 1
                a1 -= 1
            while q > p and a1 > a0 and bases[p] == bases[a0]:
                p += 1
                a0 += 1
            s = at + p - r0
            left, right = s, s + q - p
            if q == p and a1 > a0:
                left = s - _shift_left(reference, s, bases, a0, a1 - a0, True)
                right = s + _shift_right(reference, s, bases, a0, a1 - a0, True)
            elif a1 == a0 and q > p:
                left = s - _shift_left(reference, s, bases, p, q - p, False)
                right += _shift_right(reference, s, bases, p, q - p, False)
            low, high = min(low, left), max(high, right)
        if high < 0:
            low, high = at, at + r1 - r0
        reach[v, 0] = low + reference_start
        reach[v, 1] = high + reference_start
        is_plain[v] = plain
        longest = max(longest, abs(reach[v, 0] - site_start[v]), reach[v, 1] - site_start[v])
    return longest


@inner
def clip_lengths(data, at):
    """Soft-clipped bases before and behind the aligned part of the record at `at`."""
    n_cigar = u16(data, at + 12)
    cigar = cigar_offset(data, at)
    first, last = 0, n_cigar - 1
    if last > 0 and u32(data, cigar) & 15 == CIGAR_HARD:
        first = 1
    if last > first and u32(data, cigar + 4 * last) & 15 == CIGAR_HARD:
        last -= 1
    left, right = u32(data, cigar + 4 * first), u32(data, cigar + 4 * last)
    return (
        left >> 4 if left & 15 == CIGAR_SOFT else 0,
        right >> 4 if right & 15 == CIGAR_SOFT and last > first else 0,
    )


@kernel
def measure_reads(data, place, start, end, flag, mapq, exclude, min_mapq, span, clipped, fragment):
    """What each read reaches over, and which fragment it is from.

    data, place, start, end, flag, mapq : see genomed.schema.AlignmentBlock
    span     : int64 (reads, 2), filled: 0-based place on the reference with soft clips laid out
               beside the aligned part; start above end for reads that are passed over
    clipped  : int16 (reads,), filled: soft-clipped bases
    fragment : uint64 (reads,), filled: hash of the name (FNV-1a)
    """
    for i in range(len(place)):
        at = place[i]
        clipped[i] = 0
        n_cigar = u16(data, at + 12)
        if flag[i] & exclude or mapq[i] < min_mapq or n_cigar == 0 or i32(data, at + 16) == 0:
            span[i, 0], span[i, 1] = 1, 0
            continue
        left, right = clip_lengths(data, at)
        clipped[i] = min(left + right, 32767)
        span[i, 0], span[i, 1] = start[i] - left, end[i] + right
        hash_ = FNV_OFFSET
        for k in range(np.int64(data[at + 8])):
            hash_ = (hash_ ^ np.uint64(data[at + 32 + k])) * FNV_PRIME
        fragment[i] = hash_ ^ (hash_ >> np.uint64(32))


@inner
def _first_at_or_behind(site_start, value):
    low, high = 0, len(site_start)
    while low < high:
        middle = (low + high) >> 1
        if site_start[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@inner
def _covers(start, end, span, i, reach, v, is_plain):
    """Whether a read may tell the alleles of a site apart; clips count at indels only."""
    if is_plain:
        return start[i] < reach[v, 1] and end[i] > reach[v, 0]
    return span[i, 0] <= reach[v, 1] and span[i, 1] >= reach[v, 0]


@kernel
def count_pairs(start, end, span, site_start, longest, reach, is_plain, depth):
    """Count reads of each site.

    site_start : int64 (sites,), sorted; longest : from measure_sites
    depth      : int32 (sites,), filled
    """
    depth[:] = 0
    for i in range(len(start)):
        if span[i, 0] > span[i, 1]:
            continue
        v = _first_at_or_behind(site_start, span[i, 0] - longest)
        while v < len(site_start) and site_start[v] <= span[i, 1] + longest:
            if _covers(start, end, span, i, reach, v, is_plain[v]):
                depth[v] += 1
            v += 1


@kernel
def list_pairs(start, end, span, fragment, site_start, longest, reach, is_plain, depth, max_reads,
               first, filled, read):  # fmt: skip
    """List reads of each site, in their order; where too many, evenly those of some fragments.

    depth  : int32 (sites,), from count_pairs
    first  : int64 (sites + 1,), where each site's rows may begin in `read`
    filled : int32 (sites,), filled: rows of each site that were used
    read   : int32 (rows,), filled: index of the read
    """
    filled[:] = 0
    for i in range(len(start)):
        if span[i, 0] > span[i, 1]:
            continue
        draw = np.float64(fragment[i] >> np.uint64(11)) * 2.0**-53
        v = _first_at_or_behind(site_start, span[i, 0] - longest)
        while v < len(site_start) and site_start[v] <= span[i, 1] + longest:
            if _covers(start, end, span, i, reach, v, is_plain[v]):
                room = first[v + 1] - first[v]
                if depth[v] <= max_reads or (draw * depth[v] < max_reads and filled[v] < room):
                    read[first[v] + filled[v]] = i
                    filled[v] += 1
            v += 1


@kernel
def merge_mates(first, fragment, base_quality, owner, row_of, loglik, counts):
    """Let mates that cover one site count once.

    Mates that agree on the best allele say it once, as firmly as the firmer one; mates that
    do not agree are added up.

    first         : int64 (sites + 1,), rows of each site
    fragment      : uint64 (rows,); base_quality : uint8 (rows,)
    owner, row_of : int64 (slots,), scratch: a hash table of a power of two of slots, more than
                    twice the rows of any site; `owner` is -1 on entry
    loglik        : float32 (rows, alleles), changed; counts : bool (rows,), True on entry, changed
    """
    mask = np.uint64(len(owner) - 1)
    n_alleles = loglik.shape[1]
    for v in range(len(first) - 1):
        for i in range(first[v], first[v + 1]):
            slot = fragment[i] & mask
            while owner[slot] == v and fragment[row_of[slot]] != fragment[i]:
                slot = (slot + np.uint64(1)) & mask
            if owner[slot] != v:
                owner[slot] = v
                row_of[slot] = i
                continue
            j = row_of[slot]
            counts[i] = False
            best_i, best_j = 0, 0
            least_i, least_j = np.float32(0), np.float32(0)
            for a in range(n_alleles):
                if loglik[i, a] > loglik[i, best_i]:
                    best_i = a
                if loglik[j, a] > loglik[j, best_j]:
                    best_j = a
                if loglik[i, a] > -9e3:
                    least_i = min(least_i, loglik[i, a])
                    least_j = min(least_j, loglik[j, a])
            agree = best_i == best_j or least_i == 0 or least_j == 0
            top = np.float32(-1e30)
            for a in range(n_alleles):
                if loglik[i, a] > -9e3:
                    if not agree:
                        loglik[j, a] += loglik[i, a]
                    elif least_i < least_j:
                        loglik[j, a] = loglik[i, a]
                    top = max(top, loglik[j, a])
                    loglik[i, a] = 0
            for a in range(n_alleles):
                if loglik[j, a] > -9e3:
                    loglik[j, a] -= top
            base_quality[j] = max(base_quality[j], base_quality[i])
