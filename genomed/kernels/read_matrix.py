"""Reads around a site as a picture: what the second net of the caller looks at."""

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
from genomed.kernels.pileup import REVERSE, base_code

__all__ = ["N_CHANNELS", "draw_reads", "site_reads"]

N_CHANNELS = 8
LEAST_ODDS = 2.0  # natural log; a read that fits an allele so much better supports it
NEVER = -1e30
DELETED = 250


@kernel
def site_reads(
    loglik, read, pair_first, haplotype_first, site_cluster, allele_first, allele_of, chosen,
    first, which, allele,
):  # fmt: skip
    """List the reads at each site with the allele that each supports.

    loglik, ..., chosen : as in kernels.diplotypes.judge_sites; read : int32 (pairs,)
    first               : int64 (sites + 1,), rows of each site: as many as its cluster has pairs
    which               : int32 (rows,), filled: the read
    allele              : uint8 (rows,), filled: 0 to 2, or 3 where none fits better than the others
    """
    for s in range(len(site_cluster)):
        c = site_cluster[s]
        n = haplotype_first[c + 1] - haplotype_first[c]
        row = first[s]
        for p in range(pair_first[c], pair_first[c + 1]):
            best, next_best, k = NEVER, NEVER, 3
            for a in range(3):
                wanted = 0 if a == 0 else chosen[s, a - 1]
                if a > 0 and wanted == 0:
                    continue
                fit = NEVER
                for h in range(n):
                    if allele_of[allele_first[s] + h] == wanted:
                        fit = max(fit, np.float64(loglik[p, h]))
                if fit > best:
                    next_best = best
                    best = fit
                    k = a
                elif fit > next_best:
                    next_best = fit
            which[row] = read[p]
            allele[row] = k if best - next_best >= LEAST_ODDS else 3
            row += 1


@inner
def _fill(picture, at, base, quality, differs):
    """One base of one read."""
    picture[at, 0] = base
    picture[at, 1] = quality
    picture[at, 4] = differs


@kernel
def draw_reads(
    data, place, start, flag, mapq, ref, first, site, row_first, which, allele, pictures
):  # fmt: skip
    """Draw the reads of some sites.

    data, place, start, flag, mapq : of all reads of the tile
    ref, first : codes of the reference, and the place of the first
    site       : int64 (n,), 0-based, the position in the middle
    row_first  : int64 (n + 1,), rows of each; which, allele : as site_reads fills them
    pictures   : uint8 (n, reads, width, N_CHANNELS), 0 on entry, filled. Of more reads than fit,
                 some are taken evenly. Channels: base (50 A, 100 C, 150 G, 200 T, 250 deleted),
                 quality (6 a phred), mapping quality (4 a phred), strand (70 forward, 240 reverse),
                 whether it is the reference's (50) or not (254), bases inserted behind (10 each),
                 allele supported (40 ref, 120 alt1, 200 alt2, 250 none), base of the reference
    """
    height, width = pictures.shape[1], pictures.shape[2]
    for s in range(len(site)):
        left = site[s] - width // 2
        rows = row_first[s + 1] - row_first[s]
        for y in range(min(rows, height)):
            row = row_first[s] + (y if rows <= height else y * rows // height)
            r = which[row]
            record = place[r]
            picture = pictures[s, y]
            cigar, bases, qualities = (
                cigar_offset(data, record), sequence_offset(data, record),
                quality_offset(data, record),
            )  # fmt: skip
            at = np.int64(start[r]) - left
            i = 0
            low, high = width, -1
            for k in range(u16(data, record + 12)):
                word = u32(data, cigar + 4 * k)
                operation, length = word & 15, word >> 4
                if operation in (CIGAR_MATCH, CIGAR_EQUAL, CIGAR_UNEQUAL):
                    for j in range(max(0, -at), min(length, width - at)):
                        code = base_code(base_at(data, bases, i + j))
                        here = left + at + j - first
                        same = 0 <= here < len(ref) and ref[here] == code
                        base = 50 + 50 * code if code < 4 else 0
                        quality = 6 * min(np.int64(data[qualities + i + j]), 40)
                        _fill(picture, at + j, base, quality, 50 if same else 254)
                    if at < width and at + length > 0:
                        low, high = min(low, max(at, 0)), max(high, min(at + length, width))
                    at += length
                    i += length
                elif operation == CIGAR_DEL:
                    for j in range(max(0, -at), min(length, width - at)):
                        _fill(picture, at + j, DELETED, 0, 254)
                    if at < width and at + length > 0:
                        low, high = min(low, max(at, 0)), max(high, min(at + length, width))
                    at += length
                elif operation == CIGAR_SKIP:
                    at += length
                elif operation == CIGAR_INS:
                    if 0 < at <= width:
                        picture[at - 1, 5] = 10 * min(length, 25)
                    i += length
                elif operation == CIGAR_SOFT:
                    i += length
            support = 250 if allele[row] > 2 else 40 + 80 * allele[row]
            for x in range(low, high):
                picture[x, 2] = 4 * min(np.int64(mapq[r]), 60)
                picture[x, 3] = 240 if flag[r] & REVERSE else 70
                picture[x, 6] = support
                here = left + x - first
                code = ref[here] if 0 <= here < len(ref) else 4
                picture[x, 7] = 50 + 50 * code if code < 4 else 0
