"""Loops over inflated BAM records: where they lie and what they span.

Layout: SAMv1 section 4.2. A record at `at` (behind its block_size) holds, little-endian:
refID i32, pos i32, l_read_name u8, mapq u8, bin u16, n_cigar u16, flag u16, l_seq i32, next_refID
i32, next_pos i32, tlen i32, then the name, the CIGAR (u32 each: length << 4 | operation), the bases
(4 bits each, high half first) and the qualities (a byte each, 255 where absent), then the tags.
Every read stays within its record: numba does not check bounds, and files may be damaged.
"""

import numpy as np

from genomed.kernels.native import inner, kernel

__all__ = [
    "BAD_CIGAR",
    "BAD_CONTIG",
    "BAD_POSITION",
    "BAD_STRUCTURE",
    "CIGAR_DEL",
    "CIGAR_EQUAL",
    "CIGAR_HARD",
    "CIGAR_INS",
    "CIGAR_MATCH",
    "CIGAR_PAD",
    "CIGAR_SKIP",
    "CIGAR_SOFT",
    "CIGAR_UNEQUAL",
    "base_at",
    "cigar_offset",
    "i32",
    "name_hash",
    "quality_offset",
    "read_groups",
    "sequence_offset",
    "tag_offset",
    "u16",
    "u32",
    "walk_alignments",
]

MIN_RECORD_BYTES = 32
# What is wrong with a record; 0 is nothing.
BAD_STRUCTURE, BAD_CONTIG, BAD_CIGAR, BAD_POSITION = 1, 2, 3, 4
MAX_POSITION = (1 << 31) - 1
(
    CIGAR_MATCH, CIGAR_INS, CIGAR_DEL, CIGAR_SKIP, CIGAR_SOFT, CIGAR_HARD, CIGAR_PAD,
    CIGAR_EQUAL, CIGAR_UNEQUAL,
) = range(9)  # fmt: skip
ON_REFERENCE = 0b110001101  # operations that use up reference: M D N = X
ON_READ = 0b110010011  # operations that use up read: M I S = X


@inner
def u16(data, at):
    """Unsigned 16-bit number at data[at]."""
    i = np.uint64(at)  # an index without sign spares a test for negative ones
    return np.int64(data[i]) | (np.int64(data[i + np.uint64(1)]) << 8)


@inner
def u32(data, at):
    """Unsigned 32-bit number at data[at]."""
    i = np.uint64(at)
    low = np.int64(data[i]) | (np.int64(data[i + np.uint64(1)]) << 8)
    high = np.int64(data[i + np.uint64(2)]) | (np.int64(data[i + np.uint64(3)]) << 8)
    return low | (high << 16)


@inner
def i32(data, at):
    """Signed 32-bit number at data[at]."""
    value = u32(data, at)
    return value - (1 << 32) if value >= 1 << 31 else value


@inner
def cigar_offset(data, at):
    """Where the CIGAR of the record at `at` begins."""
    return at + 32 + np.int64(data[at + 8])


@inner
def sequence_offset(data, at):
    """Where the bases of the record at `at` begin."""
    return cigar_offset(data, at) + 4 * u16(data, at + 12)


@inner
def quality_offset(data, at):
    """Where the base qualities of the record at `at` begin."""
    return sequence_offset(data, at) + (i32(data, at + 16) + 1) // 2


@inner
def base_at(data, sequence, i):
    """Code of base i of a read (=ACMGRSVTWYHKDBN are 0 to 15) whose bases begin at `sequence`."""
    byte = np.int64(data[np.uint64(sequence + (i >> 1))])
    return byte & 15 if i & 1 else byte >> 4


@inner
def name_hash(data, at):
    """64-bit hash (FNV-1a) of the name of the read whose record lies at `at`."""
    value = np.uint64(14695981039346656037)
    for i in range(at + 32, at + 31 + np.int64(data[at + 8])):
        value = (value ^ np.uint64(data[i])) * np.uint64(1099511628211)
    return value


@inner
def tag_offset(data, at, first, second):
    """Where the type letter of a tag of the record at `at` lies, or -1; `at` - 4 is its size."""
    stop = at + u32(data, at - 4)
    i = quality_offset(data, at) + i32(data, at + 16)
    while i + 3 < stop:
        if data[i] == first and data[i + 1] == second:
            return i + 2
        kind = data[i + 2]
        i += 3
        if kind == 65 or kind == 99 or kind == 67:  # A c C
            i += 1
        elif kind == 115 or kind == 83:  # s S
            i += 2
        elif kind == 105 or kind == 73 or kind == 102:  # i I f
            i += 4
        elif kind == 90 or kind == 72:  # Z H
            while i < stop and data[i] != 0:
                i += 1
            i += 1
        elif kind == 66 and i + 5 <= stop:  # B
            part = data[i]
            size = 1 if part == 99 or part == 67 else 2 if part == 115 or part == 83 else 4
            i += 5 + size * u32(data, i + 1)
        else:
            return -1
    return -1


@kernel
def read_groups(data, place, names, stops, group):
    """Find which of some read groups each alignment is of (tag RG).

    names : uint8, IDs one after the other; stops : int64 (groups + 1,), where they begin and end
    group : int32 (alignments,), filled: which one, -1 for none of them
    """
    for r in range(len(place)):
        group[r] = -1
        at = place[r]
        i = tag_offset(data, at, 82, 71)
        if i < 0 or data[i] != 90:
            continue
        stop = at + u32(data, at - 4)
        length = 0
        while i + 1 + length < stop and data[i + 1 + length] != 0:
            length += 1
        for g in range(len(stops) - 1):
            if stops[g + 1] - stops[g] != length:
                continue
            same = True
            for k in range(length):
                if names[stops[g] + k] != data[i + 1 + k]:
                    same = False
                    break
            if same:
                group[r] = g
                break


@kernel
def walk_alignments(
    data, n_bytes, lengths, last_contig, last_start, place, contig, start, end, flag, mapq
):
    """Find the records that lie whole in data[:n_bytes], which begins with a block_size.

    lengths    : int64 (contigs,)
    last_contig, last_start : of the alignment before these
    place  : int64 (capacity,), byte of each record behind its block_size
    contig : int32 (capacity,), -1 for none; start, end : int32 (capacity,), 0-based span on the
             reference; a read that is not mapped spans one base, as in htslib; -1, 0 without
             position
    flag   : uint16 (capacity,); mapq : uint8 (capacity,)
    returns: (records, bytes that they take, what is wrong with the next one, the first that lies
             before the one above it or -1)
    """
    n = 0
    at = 0
    disorder = -1
    n_contigs = len(lengths)
    while at + 4 <= n_bytes and n < len(place):
        size = u32(data, at)
        if size < MIN_RECORD_BYTES or size > 1 << 30:
            return n, at, BAD_STRUCTURE, disorder
        if at + 4 + size > n_bytes:
            break
        record = at + 4
        n_cigar = u16(data, record + 12)
        length = i32(data, record + 16)
        cigar = cigar_offset(data, record)
        if (
            length < 0
            or data[record + 8] == 0
            or cigar + 4 * n_cigar + (length + 1) // 2 + length > record + size
        ):
            return n, at, BAD_STRUCTURE, disorder
        ref = i32(data, record)
        mate = i32(data, record + 20)
        if ref < -1 or ref >= n_contigs or mate < -1 or mate >= n_contigs:
            return n, at, BAD_CONTIG, disorder
        pos = i32(data, record + 4)
        on_reference = 0
        on_read = 0
        for k in range(n_cigar):
            word = u32(data, cigar + 4 * k)
            operation = word & 15
            if operation > 8:
                return n, at, BAD_CIGAR, disorder
            if (ON_REFERENCE >> operation) & 1:
                on_reference += word >> 4
            if (ON_READ >> operation) & 1:
                on_read += word >> 4
        if n_cigar and length and on_read != length:
            return n, at, BAD_CIGAR, disorder
        if pos < -1 or pos + on_reference > MAX_POSITION:
            return n, at, BAD_POSITION, disorder
        if disorder < 0:
            if ref >= 0 and (
                last_contig < 0 or ref < last_contig or (ref == last_contig and pos < last_start)
            ):
                disorder = n
            last_contig = ref
            last_start = pos
        place[n] = record
        contig[n] = ref
        start[n] = pos
        flag[n] = u16(data, record + 14)
        mapped = (u16(data, record + 14) & 4) == 0
        end[n] = pos + (max(on_reference, 1) if mapped else 1)
        mapq[n] = data[record + 9]
        n += 1
        at = record + size
    return n, at, 0, disorder
