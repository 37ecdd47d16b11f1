"""Alignments piled up: what reads say base by base, and which insertions and deletions they hold.

Bases of a contig are given as codes: A, C, G, T are 0 to 3, anything else is 4.
"""

import numpy as np

from genomed.kernels.bam_records import (
    CIGAR_DEL,
    CIGAR_EQUAL,
    CIGAR_HARD,
    CIGAR_INS,
    CIGAR_MATCH,
    CIGAR_SKIP,
    CIGAR_SOFT,
    CIGAR_UNEQUAL,
    base_at,
    cigar_offset,
    i32,
    quality_offset,
    sequence_offset,
    u16,
    u32,
)
from genomed.kernels.native import inner, kernel

__all__ = [
    "CLIP_LEFT",
    "CLIP_RIGHT",
    "DELETED",
    "DELETION",
    "INSERTION",
    "MAPPING_QUALITY",
    "N_COUNTS",
    "OTHER_QUALITY",
    "READS",
    "REF_QUALITY",
    "REVERSE",
    "UNSURE",
    "base_code",
    "count_indels",
    "gather_records",
    "keep_with_bases",
    "list_indels",
    "pile_up",
    "reference_codes",
]

REVERSE = 16  # flag: the read's bases are those of the reverse strand
# Columns of the counts. Bases A C G T and others: 0 to 4 of forward reads, 5 to 9 of reverse ones
(
    INSERTION, _INSERTION_REVERSE, DELETION, _DELETION_REVERSE, DELETED, _DELETED_REVERSE,
    CLIP_LEFT, CLIP_RIGHT, REF_QUALITY, OTHER_QUALITY, MAPPING_QUALITY, UNSURE, READS,
) = range(10, 23)  # fmt: skip
N_COUNTS = 23
# Rows of what pile_up keeps by differences from one position to the next: bases that are the
# reference's by strand (0 and 1), mapping qualities, unsure reads; then sums of base quality, and
# the reference's base with the next one as BAM has two bases in a byte
_MAPPED, _UNSURE, _QUALITIES, _PAIRS = 2, 3, 4, 5
LEAST_SURE = 20  # mapping quality
NOT_KNOWN = 255  # a quality that the file does not have
ASSUMED = 20  # instead
CODES = np.uint64(0x4444444344424104)  # base_code of each, four bits for each: branches take longer
MOST_SHIFT = 200  # bases that an indel is moved to the left, at most
LEAST_CLIP = 20  # clipped bases that are compared with the reference some bases away
SEED = 12  # of them that must be alike
LEAST_CLIPPED, MOST_CLIPPED = 15, 80  # bases of indels that are found so; aligners open short ones


@inner
def base_code(four_bits):
    """A, C, G, T as 0 to 3 from BAM's code of a base (=ACMGRSVTWYHKDBN), all others as 4."""
    return np.int64((CODES >> np.uint64(4 * four_bits)) & np.uint64(15))


@kernel
def reference_codes(text, first, line_bases, line_bytes, start, end, codes):
    """Fill codes (uint8) with the bases start to end - 1 of a genomed.io.fasta.Sequence."""
    for i in range(start, end):
        c = text[first + i // line_bases * line_bytes + i % line_bases] & np.uint8(223)
        code = 4
        if c == 65:
            code = 0
        elif c == 67:
            code = 1
        elif c == 71:
            code = 2
        elif c == 84:
            code = 3
        codes[i - start] = code


@kernel
def keep_with_bases(data, place, keep):
    """Strike reads whose bases the file does not have (SEQ *) off `keep` (bool)."""
    for r in range(len(place)):
        if keep[r] and i32(data, place[r] + 16) == 0:
            keep[r] = False


@kernel
def gather_records(data, place, out, at, new_place):
    """Copy some records, each behind its block_size, to out[at:].

    place     : int64 (records,), where the records begin in `data`
    new_place : int64 (records,), filled: where they begin in `out`; None to measure only
    returns   : the byte behind the last one
    """
    for r in range(len(place)):
        begin = place[r] - 4
        size = u32(data, begin) + 4
        if new_place is not None:
            for i in range(size):
                out[at + i] = data[begin + i]
            new_place[r] = at + 4
        at += size
    return at


@kernel
def pile_up(data, place, start, flag, mapq, ref, first, min_base_quality, along, counts):
    """Count what the reads say of each position from `first` on; see the columns above.

    place, start, flag, mapq : of the reads, as in genomed.schema.AlignmentBlock
    ref    : uint8 (positions,), codes of the bases of the reference
    along  : int32 (6, positions + 1), scratch, 0 on entry
    counts : int32 (positions, N_COUNTS), 0 on entry, filled. An insertion and a deletion count for
             the base before them, as the CIGAR places them; the sums of qualities are of counted
             bases. Bases of a lower quality than `min_base_quality` are not counted at all. READS
             has all reads that span the position, deleted bases included, skipped ones (N) not.
             Qualities that the file does not have are taken for 20
    """
    width, least = len(counts), np.int64(min_base_quality)
    for p in range(width - 1):
        along[_PAIRS, p] = _four_bits(ref[p]) << 4 | _four_bits(ref[p + 1])
    for r in range(len(place)):
        record = place[r]
        strand = 1 if flag[r] & REVERSE else 0
        at = np.int64(start[r]) - first
        cigar, bases, qualities = (
            cigar_offset(data, record), sequence_offset(data, record), quality_offset(data, record),
        )  # fmt: skip
        quality_of_map = ASSUMED if mapq[r] == NOT_KNOWN else np.int64(mapq[r])
        unsure = 1 if quality_of_map < LEAST_SURE else 0
        i = 0
        n_cigar = u16(data, record + 12)
        is_inside = False  # whether an aligned base came before
        for k in range(n_cigar):
            word = u32(data, cigar + 4 * k)
            operation, length = word & 15, word >> 4
            if operation in (CIGAR_MATCH, CIGAR_EQUAL, CIGAR_UNEQUAL):
                low, high = max(0, at), min(width, at + length)
                if low < high:
                    _add_reads(along, low, high, strand, 1, quality_of_map, unsure)
                p = low
                while p < high:
                    j = i + p - at
                    if p + 1 < high and _are_plain(
                        data, bases, qualities, j, along[_PAIRS, p], least
                    ):
                        along[_QUALITIES, np.uint64(p)] += data[np.uint64(qualities + j)]
                        along[_QUALITIES, np.uint64(p + 1)] += data[np.uint64(qualities + j + 1)]
                        p += 2
                        continue
                    quality = np.int64(data[np.uint64(qualities + j)])
                    if quality < least:
                        _add_reads(along, p, p + 1, strand, -1, quality_of_map, unsure)
                    else:
                        quality = ASSUMED if quality == NOT_KNOWN else quality
                        code = base_code(base_at(data, bases, j))
                        _add_base(along, counts, p, code, code == ref[p], strand, quality)
                    p += 1
                at += length
                i += length
                is_inside = True
            elif operation == CIGAR_INS:
                if is_inside and 0 < at <= width:
                    counts[at - 1, INSERTION + strand] += 1
                i += length
            elif operation == CIGAR_DEL:
                if is_inside and 0 < at <= width:
                    counts[at - 1, DELETION + strand] += 1
                for p in range(max(0, at), min(width, at + length)):
                    counts[p, DELETED + strand] += 1
                    counts[p, MAPPING_QUALITY] += quality_of_map
                    counts[p, UNSURE] += unsure
                at += length
            elif operation == CIGAR_SKIP:
                at += length
            elif operation in (CIGAR_SOFT, CIGAR_HARD):
                if operation == CIGAR_SOFT:
                    i += length
                if is_inside and 0 < at <= width:
                    counts[at - 1, CLIP_RIGHT] += operation == CIGAR_SOFT
                elif not is_inside and 0 <= at < width:
                    counts[at, CLIP_LEFT] += operation == CIGAR_SOFT
    _add_along(along, ref, counts)


@inner
def _four_bits(code):
    """BAM's code of A, C, G or T; 0 for others."""
    return np.int64(1) << np.int64(code) if code < 4 else np.int64(0)


@inner
def _are_plain(data, bases, qualities, j, pair, least):
    """Whether the bases j and j + 1 of a read lie in one byte, are these two, and of a quality that
    is known and good; most are."""
    if j & 1 or np.int64(data[np.uint64(bases + (j >> 1))]) != pair:
        return False
    one, two = (
        np.int64(data[np.uint64(qualities + j)]),
        np.int64(data[np.uint64(qualities + j + 1)]),
    )
    return min(one, two) >= least and max(one, two) < NOT_KNOWN


@inner
def _add_base(along, counts, p, code, is_ref, strand, quality):
    """Count a base at position p, where _add_reads has counted one that is the reference's."""
    if is_ref:
        along[_QUALITIES, p] += quality
        return
    counts[p, code + 5 * strand] += 1
    counts[p, OTHER_QUALITY] += quality
    along[strand, p] -= 1
    along[strand, p + 1] += 1


@inner
def _add_reads(along, low, high, strand, sign, quality_of_map, unsure):
    """Let a read's bases low to high - 1 count, or with sign -1 no longer."""
    along[strand, low] += sign
    along[strand, high] -= sign
    along[_MAPPED, low] += sign * quality_of_map
    along[_MAPPED, high] -= sign * quality_of_map
    along[_UNSURE, low] += sign * unsure
    along[_UNSURE, high] -= sign * unsure


@inner
def _add_along(along, ref, counts):
    """Add what is alike along the reads, bases that are the reference's among it."""
    forward, reverse, mapped, unsure = 0, 0, 0, 0
    for p in range(len(counts)):
        row = counts[p]
        forward += along[0, p]
        reverse += along[1, p]
        mapped += along[_MAPPED, p]
        unsure += along[_UNSURE, p]
        row[ref[p]] += forward
        row[ref[p] + 5] += reverse
        row[REF_QUALITY] += along[_QUALITIES, p]
        row[MAPPING_QUALITY] += mapped
        row[UNSURE] += unsure
        reads = row[DELETED] + row[DELETED + 1]
        for code in range(10):
            reads += row[code]
        row[READS] = reads


@kernel
def count_indels(data, place):
    """Insertions, deletions and soft clips in the CIGARs of the reads."""
    n = 0
    for r in range(len(place)):
        cigar = cigar_offset(data, place[r])
        for k in range(u16(data, place[r] + 12)):
            operation = u32(data, cigar + 4 * k) & 15
            n += operation in (CIGAR_INS, CIGAR_DEL, CIGAR_SOFT)
    return n


@inner
def _is_sure(data, bases, qualities, i, length, min_base_quality):
    """Whether all these bases of a read are known, and of good quality."""
    for j in range(i, i + length):
        if data[qualities + j] < min_base_quality or base_code(base_at(data, bases, j)) > 3:
            return False
    return True


@inner
def _add_deletion(events, hashes, n, ref, first, at, length, read, flag):
    """List a deletion of ref[at:at + length]."""
    anchor = at - 1
    while (
        anchor > 0 and at - 1 - anchor < MOST_SHIFT
        and ref[anchor] == ref[anchor + length] and ref[anchor] < 4
    ):  # fmt: skip
        anchor -= 1
    _add(events, n, anchor + first, -length, read, flag, 0, 0)
    hashes[n] = 0


@inner
def _add_insertion(events, hashes, n, data, bases, ref, first, at, i, length, read, flag):
    """List an insertion, before ref[at], of a read's bases from i on."""
    anchor = at - 1
    turned = 0
    while (
        anchor > 0
        and at - 1 - anchor < MOST_SHIFT
        and ref[anchor] == base_code(base_at(data, bases, i + (length - 1 - turned) % length))
    ):
        anchor -= 1
        turned += 1
    turned %= length
    _add(events, n, anchor + first, length, read, flag, i, turned)
    code = np.uint64(1469598103934665603)
    for j in range(length):
        letter = base_at(data, bases, i + (j + length - turned) % length)
        code = (code ^ np.uint64(letter)) * np.uint64(1099511628211)
    hashes[n] = code


@inner
def _agree(data, bases, i, ref, p, step, n_bases):
    """Whether a read from base i, and the reference from p on, are alike: the first SEED of
    n_bases all, of the others all but one in ten."""
    if (
        p + step * (n_bases - 1) < 0
        or p + step * (n_bases - 1) >= len(ref)
        or p < 0
        or p >= len(ref)
    ):
        return False
    wrong = 0
    for j in range(n_bases):
        if base_code(base_at(data, bases, i + step * j)) != ref[p + step * j]:
            wrong += 1
            if j < SEED or 10 * wrong > n_bases:
                return False
    return True


@inner
def _clipped_indel(data, bases, i, length, ref, at, is_behind):
    """The indel behind which clipped bases go on with the reference: (its bases, more or less than
    the reference, or 0 for none; the place in the read of what is inserted).

    i, length : the clipped bases; at : place in ref where they are clipped
    is_behind : whether they are clipped from the end of the read
    """
    for size in range(1, MOST_CLIPPED + 1):
        if is_behind:
            rest = length - size
            deleted = _agree(data, bases, i, ref, at + size, 1, length)
            inserted = rest >= SEED and _agree(data, bases, i + size, ref, at, 1, rest)
            before = i
        else:
            rest = length - size
            last = i + length - 1
            deleted = _agree(data, bases, last, ref, at - 1 - size, -1, length)
            inserted = rest >= SEED and _agree(data, bases, last - size, ref, at - 1, -1, rest)
            before = i + rest
        if deleted or inserted:
            if size < LEAST_CLIPPED:
                return 0, 0
            return (-size, 0) if deleted else (size, before)
    return 0, 0


@kernel
def list_indels(data, place, start, flag, ref, first, min_base_quality, events, hashes):
    """List the insertions and deletions of the reads, each as far left as it goes.

    Aligners clip most reads at a long one; where what was clipped goes on with the reference some
    bases away, it is listed, too.

    ref     : uint8, codes of the reference from `first` on; indels outside, or of no bases, are not
              listed
    events  : int64 (count_indels, 6), filled: place of the base before it, bases more (or less)
              than the reference, read, strand (1 reverse), bases in the read before an insertion,
              and by how many bases an insertion's letters must be turned right to read as they do
              at the new place
    hashes  : uint64 (count_indels,), filled: of the inserted letters, 0 for a deletion
    returns : indels listed
    """
    n = 0
    width = len(ref)
    for r in range(len(place)):
        record = place[r]
        cigar, bases, qualities = (
            cigar_offset(data, record), sequence_offset(data, record), quality_offset(data, record),
        )  # fmt: skip
        at = np.int64(start[r]) - first
        i = 0
        is_inside = False
        for k in range(u16(data, record + 12)):
            word = u32(data, cigar + 4 * k)
            operation, length = word & 15, word >> 4
            fits = is_inside and at > 0 and at < width and length > 0
            if operation == CIGAR_DEL:
                if fits and at + length <= width:
                    _add_deletion(events, hashes, n, ref, first, at, length, r, flag[r])
                    n += 1
                at += length
            elif operation == CIGAR_INS:
                if fits and _is_sure(data, bases, qualities, i, length, min_base_quality):
                    _add_insertion(
                        events, hashes, n, data, bases, ref, first, at, i, length, r, flag[r]
                    )
                    n += 1
                i += length
            elif operation == CIGAR_SOFT:
                if length >= LEAST_CLIP and 0 < at < width:
                    size, before = _clipped_indel(data, bases, i, length, ref, at, is_inside)
                    if size < 0 and (is_inside or at + size > 0):
                        gone = at if is_inside else at + size
                        _add_deletion(events, hashes, n, ref, first, gone, -size, r, flag[r])
                        n += 1
                    elif size > 0 and _is_sure(
                        data, bases, qualities, before, size, min_base_quality
                    ):
                        _add_insertion(
                            events, hashes, n, data, bases, ref, first, at, before, size, r, flag[r]
                        )
                        n += 1
                i += length
            elif operation == CIGAR_SKIP:
                at += length
            elif operation in (CIGAR_MATCH, CIGAR_EQUAL, CIGAR_UNEQUAL):
                at += length
                i += length
                is_inside = True
    return n


@inner
def _add(events, n, anchor, length, read, flag, before, turned):
    events[n, 0] = anchor
    events[n, 1] = length
    events[n, 2] = read
    events[n, 3] = 1 if flag & REVERSE else 0
    events[n, 4] = before
    events[n, 5] = turned
