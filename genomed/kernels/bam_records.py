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
    "quality_offset",
    "sequence_offset",
    "u16",
    "u32",
    "walk_alignments",
]

MIN_RECORD_BYTES = 32
BAD_STRUCTURE, BAD_CONTIG, BAD_CIGAR = 1, 2, 3  # what is wrong with a record; 0 is nothing
(
    CIGAR_MATCH, CIGAR_INS, CIGAR_DEL, CIGAR_SKIP, CIGAR_SOFT, CIGAR_HARD, CIGAR_PAD,
    CIGAR_EQUAL, CIGAR_UNEQUAL,
) = range(9)  # fmt: skip
ON_REFERENCE = 0b110001101  # operations that use up reference: M D N = X
ON_READ = 0b110010011  # operations that use up read: M I S = X


@inner
def u16(data, at):
    """Unsigned 16-bit number at data[at]."""
    return np.int64(data[at]) | (np.int64(data[at + 1]) << 8)


@inner
def u32(data, at):
    """Unsigned 32-bit number at data[at]."""
    return u16(data, at) | (u16(data, at + 2) << 16)


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
    byte = np.int64(data[sequence + (i >> 1)])
    return byte & 15 if i & 1 else byte >> 4


@kernel
def walk_alignments(data, n_bytes, n_contigs, place, contig, start, end, flag, mapq):
    """Find the records that lie whole in data[:n_bytes], which begins with a block_size.

    place  : int64 (capacity,), byte of each record behind its block_size
    contig : int32 (capacity,), -1 for none; start, end : int32 (capacity,), 0-based span on the
             reference; a read that is not mapped spans one base, as in htslib; -1, 0 without position
    flag   : uint16 (capacity,); mapq : uint8 (capacity,)
    returns: (records, bytes that they take, what is wrong with the next one)
    """
    n = 0
    at = 0
    while at + 4 <= n_bytes and n < len(place):
        size = u32(data, at)
        if size < MIN_RECORD_BYTES or size > 1 << 30:
            return n, at, BAD_STRUCTURE
        if at + 4 + size > n_bytes:
            break
        record = at + 4
        n_cigar = u16(data, record + 12)
        length = i32(data, record + 16)
        cigar = cigar_offset(data, record)
        if length < 0 or cigar + 4 * n_cigar + (length + 1) // 2 + length > record + size:
            return n, at, BAD_STRUCTURE
        ref = i32(data, record)
        if ref < -1 or ref >= n_contigs:
            return n, at, BAD_CONTIG
        pos = i32(data, record + 4)
        on_reference = 0
        on_read = 0
        for k in range(n_cigar):
            word = u32(data, cigar + 4 * k)
            operation = word & 15
            if operation > 8:
                return n, at, BAD_CIGAR
            if (ON_REFERENCE >> operation) & 1:
                on_reference += word >> 4
            if (ON_READ >> operation) & 1:
                on_read += word >> 4
        if n_cigar and length and on_read != length:
            return n, at, BAD_CIGAR
        place[n] = record
        contig[n] = ref
        start[n] = pos
        flag[n] = u16(data, record + 14)
        mapped = (u16(data, record + 14) & 4) == 0
        end[n] = pos + (max(on_reference, 1) if mapped else 1)
        mapq[n] = data[record + 9]
        n += 1
        at = record + size
    return n, at, 0
