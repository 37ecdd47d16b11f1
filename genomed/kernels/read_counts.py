"""One loop over alignments that counts what their records say: flags, qualities, inserts, bases."""

import numpy as np

from genomed.kernels.bam_records import (
    CIGAR_DEL,
    CIGAR_EQUAL,
    CIGAR_INS,
    CIGAR_MATCH,
    CIGAR_SOFT,
    CIGAR_UNEQUAL,
    cigar_offset,
    i32,
    quality_offset,
    sequence_offset,
    tag_offset,
    u16,
    u32,
)
from genomed.kernels.native import inner, kernel

__all__ = ["COUNTS", "count_alignments"]

# What is counted, in the order of the array. Without another word: of primary alignments, that is
# neither secondary nor supplementary.
COUNTS = (
    "n_alignments",  # of any kind
    "n_secondary",
    "n_supplementary",
    "n_reads",
    "n_failed",
    "n_duplicates",
    "n_mapped",
    "n_paired",
    "n_proper",
    "n_both_mapped",
    "n_mate_elsewhere",  # both mapped, on two contigs
    "n_mapq0",  # mapped
    "n_forward",  # mapped
    "n_bases",
    "n_bases_mapped",  # under M, I, = or X of mapped reads
    "n_soft_clipped",  # of mapped reads
    "n_inserted",
    "n_deleted",
    "n_mismatches",  # sum of NM
    "n_gc",
    "n_acgt",
    "n_qualities",
)
PAIRED, PROPER, UNMAPPED, MATE_UNMAPPED, REVERSE, MATE_REVERSE = 1, 2, 4, 8, 16, 32
READ2, SECONDARY, FAILED, DUPLICATE, SUPPLEMENTARY = 128, 256, 512, 1024, 2048
N_ORIENTATIONS = 3  # inward, outward, the same way
# Two bases of a byte: how many are G or C, plus 256 for each that is A, C, G or T.
_CODES = [1 if code in (2, 4) else 0 for code in range(16)]
_KNOWN = [1 if code in (1, 2, 4, 8) else 0 for code in range(16)]
LETTERS_OF_BYTE = np.array(
    [_CODES[b >> 4] + _CODES[b & 15] + 256 * (_KNOWN[b >> 4] + _KNOWN[b & 15]) for b in range(256)],
    np.uint16,
)


@inner
def _integer_tag(data, i):
    """Value of an integer tag whose type letter lies at i; 0 for another type."""
    kind = data[i]
    if kind == 67:  # C
        return np.int64(data[i + 1])
    if kind == 99:  # c
        value = np.int64(data[i + 1])
        return value - 256 if value > 127 else value
    if kind == 83:  # S
        return u16(data, i + 1)
    if kind == 115:  # s
        value = u16(data, i + 1)
        return value - 65536 if value > 32767 else value
    if kind == 105:  # i
        return i32(data, i + 1)
    if kind == 73:  # I
        return u32(data, i + 1)
    return np.int64(0)


@kernel
def count_alignments(
    data, place, flag, mapq, letters_of_byte, counts, mapqs, qualities, inserts, lengths
):  # fmt: skip
    """Add alignments to the counts.

    place, flag, mapq : as in schema.AlignmentBlock
    counts    : int64 (COUNTS,); mapqs : int64 (256,), of mapped primary reads
    qualities : int64 (2, 128, cycles), bases of read 1 (or the only one) and read 2, by quality and
                cycle; the last of each are for all beyond
    inserts   : int64 (3, sizes), reads of pairs on one contig, or of another size than 0, by
                orientation and |TLEN|; the last place for all beyond (samtools stats halves them)
    lengths   : int64 (sizes,), reads by length; the last place for all beyond
    """
    for r in range(len(place)):
        at = place[r]
        word = np.int64(flag[r])
        counts[0] += 1
        if word & SECONDARY:
            counts[1] += 1
            continue
        if word & SUPPLEMENTARY:
            counts[2] += 1
            continue
        counts[3] += 1
        counts[4] += (word & FAILED) != 0
        counts[5] += (word & DUPLICATE) != 0
        mapped = (word & UNMAPPED) == 0
        length = i32(data, at + 16)
        if mapped:
            counts[6] += 1
            mapqs[mapq[r]] += 1
            counts[11] += mapq[r] == 0
            counts[12] += (word & REVERSE) == 0
            cigar = cigar_offset(data, at)
            for k in range(u16(data, at + 12)):
                op = u32(data, cigar + 4 * k)
                kind = op & 15
                n = op >> 4
                if kind == CIGAR_SOFT:
                    counts[15] += n
                elif kind == CIGAR_DEL:
                    counts[17] += n
                elif kind == CIGAR_INS:
                    counts[16] += n
                    counts[14] += n
                elif kind in (CIGAR_MATCH, CIGAR_EQUAL, CIGAR_UNEQUAL):
                    counts[14] += n
            i = tag_offset(data, at, 78, 77)
            if i >= 0:
                counts[18] += _integer_tag(data, i)
        if word & PAIRED:
            counts[7] += 1
            counts[8] += mapped and (word & PROPER) != 0
            if mapped and (word & MATE_UNMAPPED) == 0:
                counts[9] += 1
                same = i32(data, at) == i32(data, at + 20)
                counts[10] += not same
                size = abs(i32(data, at + 28))
                if size > 0 or same:
                    inserts[_orientation(data, at, word), min(size, inserts.shape[1] - 1)] += 1
        counts[13] += length
        lengths[min(length, len(lengths) - 1)] += 1
        sequence = sequence_offset(data, at)
        letters = 0
        for k in range(length // 2):
            letters += letters_of_byte[data[np.uint64(sequence + k)]]
            if k & 63 == 63:  # before the lower half runs over
                counts[19] += letters & 255
                counts[20] += letters >> 8
                letters = 0
        if length & 1:
            letters += letters_of_byte[data[sequence + length // 2] & 0xF0]
        counts[19] += letters & 255
        counts[20] += letters >> 8
        quality = quality_offset(data, at)
        if length == 0 or data[quality] == 255:
            continue
        counts[21] += length
        side = 1 if word & READ2 else 0
        last = qualities.shape[2] - 1
        if length > last:
            for k in range(length):
                cycle = length - 1 - k if word & REVERSE else k
                qualities[side, min(np.int64(data[quality + k]), 127), min(cycle, last)] += 1
        elif word & REVERSE:
            end = quality + length - 1
            for k in range(length):  # indexes without sign spare a test for negative ones
                q = min(np.uint64(data[np.uint64(end - k)]), np.uint64(127))
                qualities[side, q, np.uint64(k)] += 1
        else:
            for k in range(length):
                q = min(np.uint64(data[np.uint64(quality + k)]), np.uint64(127))
                qualities[side, q, np.uint64(k)] += 1


@inner
def _orientation(data, at, word):
    """0: the mates look at each other, 1: away from each other, 2: the same way."""
    forward = (word & REVERSE) == 0
    if forward == ((word & MATE_REVERSE) == 0):
        return 2
    ahead = i32(data, at + 24) - i32(data, at + 4)  # > 0: the mate begins behind this read
    if ahead == 0:
        return 0
    return 0 if (ahead > 0) == forward else 1
