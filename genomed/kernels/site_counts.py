"""Loops over alignments and their bases at given sites.

An observation is one base of one read at one site:

    code    : uint8, 0 to 3 A C G T, 4 another base, 5 a deletion; 8 more on the reverse strand
    quality : uint8, phred, of the base or of the read's place, whichever is lower
"""

import numpy as np

from genomed.kernels.bam_records import (
    base_at,
    cigar_offset,
    i32,
    name_hash,
    quality_offset,
    sequence_offset,
    u16,
    u32,
)
from genomed.kernels.native import kernel
from genomed.kernels.pileup import base_code

__all__ = [
    "ALT",
    "DELETION",
    "NEITHER",
    "OTHER",
    "REF",
    "REVERSE",
    "best_genotypes",
    "classify",
    "count_observations",
    "keep_fragments",
    "observe_sites",
]

OTHER, DELETION, REVERSE = 4, 5, 8
REF, ALT, NEITHER = 0, 1, 2
NO_QUALITY = 20  # stands for a quality that is absent (255)
PAIRED, ON_REVERSE = 1, 16


@kernel
def observe_sites(
    data, place, start, end, flag, mapq, first, position, site_first, site_stop, excluded, least,
    site, code, quality, name, n,
):  # fmt: skip
    """Write down every base at the sites site_first .. site_stop - 1, read after read.

    data .. mapq : see genomed.schema.AlignmentBlock; reads from `first` on
    position     : int64 (sites,), 0-based, rising, all on the contig of the block
    excluded     : flags of reads that are passed over; least : mapping quality of the others
    site, code, quality, name : int32, uint8, uint8, uint64 (room,): filled from n on; name is 0 for
                   a read without a mate
    returns      : (observations so far, the first read that did not fit, or len(place))
    """
    at = site_first
    for r in range(first, len(place)):
        if flag[r] & excluded or mapq[r] < least:
            continue
        while at > site_first and position[at - 1] >= start[r]:
            at -= 1
        while at < site_stop and position[at] < start[r]:
            at += 1
        if at == site_stop or position[at] >= end[r]:
            continue
        stop = at
        while stop < site_stop and position[stop] < end[r]:
            stop += 1
        if n + stop - at > len(site):
            return n, r
        record = place[r]
        bases = sequence_offset(data, record)
        qualities = quality_offset(data, record)
        length = i32(data, record + 16)
        cigar = cigar_offset(data, record)
        hashed = np.uint64(0)
        if flag[r] & PAIRED:
            hashed = name_hash(data, record) | np.uint64(1)
        strand = REVERSE if flag[r] & ON_REVERSE else 0
        on_reference = np.int64(start[r])
        on_read = 0
        s = at
        for k in range(u16(data, record + 12)):
            word = u32(data, cigar + 4 * k)
            operation = word & 15
            size = word >> 4
            if operation == 0 or operation >= 7:
                while s < stop and position[s] < on_reference + size:
                    i = on_read + position[s] - on_reference
                    if i < length:
                        q = np.int64(data[qualities + i])
                        q = NO_QUALITY if q == 255 else q
                        site[n] = s
                        code[n] = base_code(base_at(data, bases, i)) + strand
                        quality[n] = min(q, np.int64(mapq[r]))
                        name[n] = hashed
                        n += 1
                    s += 1
                on_reference += size
                on_read += size
            elif operation == 2 or operation == 3:
                while s < stop and position[s] < on_reference + size:
                    if operation == 2:
                        site[n] = s
                        code[n] = DELETION + strand
                        quality[n] = min(np.int64(40), np.int64(mapq[r]))
                        name[n] = hashed
                        n += 1
                    s += 1
                on_reference += size
            elif operation == 1 or operation == 4:
                on_read += size
    return n, len(place)


@kernel
def keep_fragments(site, code, quality, name, keep):
    """Count a fragment once where its two reads overlap.

    Where they agree the better one stays; where they do not, neither can be believed.

    all  : (observations,), sorted by site and name
    keep : bool, True on entry
    """
    for i in range(1, len(site)):
        j = i - 1
        if name[i] != 0 and site[i] == site[j] and name[i] == name[j]:
            if code[i] & 7 != code[j] & 7:
                keep[i] = False
                keep[j] = False
            elif quality[i] > quality[j]:
                keep[j] = False
            else:
                keep[i] = False


@kernel
def count_observations(site, code, quality, least, counts):
    """Add up observations of at least that quality: counts int32 (sites, 6, 2), the last by strand
    (forward, reverse)."""
    for i in range(len(site)):
        if quality[i] >= least:
            counts[site[i], code[i] & 7, code[i] >> 3] += 1


@kernel
def classify(site, code, ref, alt, kind):
    """What each observation shows of its site's two alleles: kind uint8, REF, ALT or NEITHER.

    ref, alt : uint8 (sites,), 0 to 3
    """
    for i in range(len(site)):
        base = code[i] & 7
        if base == ref[site[i]]:
            kind[i] = REF
        elif base == alt[site[i]]:
            kind[i] = ALT
        else:
            kind[i] = NEITHER


@kernel
def best_genotypes(
    offset, code, quality, logs, least, ref, odds, ploidy, sums, genotype, phred, depth
):
    """The two bases (or the one, where ploidy is 1) that explain the observations best.

    logs     : float64 (256, 3), by quality: log probabilities that a base is right, that it is a
               certain wrong one, and that it is right or wrong in a heterozygote
    ref      : uint8 (sites,), 0 to 3; odds : log of how much likelier a site is to be two copies of
               it than anything else, before any read is seen
    ploidy   : int8 (sites,), 1 or 2
    sums     : float64 (4, 3), room to work in
    genotype : int8 (sites, 2), filled with 0 to 3, the lower first; -1 without observations
    phred    : float64 (sites,), filled: how much worse the next best is, phred-scaled
    depth    : int32 (sites, 5), filled: observations of A, C, G, T, and of anything else
    """
    for s in range(len(ploidy)):
        depth[s] = 0
        sums[:] = 0.0
        wrong = 0.0
        for i in range(offset[s], offset[s + 1]):
            if quality[i] < least:
                continue
            base = min(code[i] & 7, OTHER)
            depth[s, base] += 1
            if base < OTHER:
                for k in range(3):
                    sums[base, k] += logs[quality[i], k]
                wrong += logs[quality[i], 1]
        best = -np.inf
        second = -np.inf
        genotype[s] = -1
        phred[s] = 0.0
        if wrong == 0.0:
            continue
        for one in range(4):
            for other in range(one, 4):
                if one == other:
                    total = wrong - sums[one, 1] + sums[one, 0]
                elif ploidy[s] == 1:
                    continue
                else:
                    total = wrong - sums[one, 1] - sums[other, 1] + sums[one, 2] + sums[other, 2]
                if one == other and one == ref[s]:
                    total += odds
                if total > best:
                    second = best
                    best = total
                    genotype[s, 0] = one
                    genotype[s, 1] = other
                elif total > second:
                    second = total
        phred[s] = 10 * (best - second) / np.log(10.0)
