"""Records of a .pgen to packed calls, or straight to counts.

Layout: https://github.com/chrchang/plink-ng/tree/master/pgen_spec, chapter 2; where the two differ,
the bytes that plink2 writes. Every read is checked against the end of its record. Only the first
track, the hard calls, is read; what follows it (phase, dosage, which ALT) is passed over.
"""

import numpy as np

from genomed.kernels.bits import LOW_BITS, count_ones, spread
from genomed.kernels.native import inner, kernel, memcpy

__all__ = ["count_records", "decode_bed", "decode_records"]

# Record types, by their three lowest bits: 0, 1 and 4 to 7 stand alone, 2 and 3 need a base.
RAW, ONE_BIT, DIFFERENT, INVERTED = 0, 1, 2, 3
OTHER_TRACKS = 0xF8

ALL = ~np.uint64(0)
ONE, TWO, THREE = np.uint64(1), np.uint64(2), np.uint64(3)


@inner
def _varint(file, at, stop):
    """A number of seven bits a byte; (value, next byte), the latter -1 when it is cut off."""
    value = np.int64(0)
    shift = 0
    while at < stop and shift < 35:
        byte = np.int64(file[at])
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    return np.int64(0), np.int64(-1)


@inner
def _copy(file, at, n_bytes, words):
    """Copy bytes into the front of words, whose rest becomes 0."""
    for w in range(n_bytes >> 3, len(words)):
        words[w] = 0
    memcpy(
        np.uintp(words.ctypes.data), np.uintp(file.ctypes.data) + np.uintp(at), np.uintp(n_bytes)
    )


@inner
def _fill(words, n_samples, code):
    """Give every sample one code, and 3 to the padding."""
    for w in range(len(words)):
        words[w] = np.uint64(code) * LOW_BITS
    _pad(words, n_samples)


@inner
def _pad(words, n_samples):
    if n_samples & 31:
        words[len(words) - 1] |= ALL << np.uint64(2 * (n_samples & 31))


@inner
def _list_layout(file, at, stop, n_samples, id_bytes):
    """Parts of a list of samples: how many (-1: damaged), first IDs, sizes, codes, steps."""
    n, at = _varint(file, at, stop)
    if at < 0 or n > n_samples:
        return np.int64(-1), at, at, at, at
    groups = (n + 63) >> 6
    sizes = at + groups * id_bytes
    codes = sizes + max(groups - 1, 0)
    steps = codes + ((n + 3) >> 2)
    if steps > stop:
        return np.int64(-1), at, at, at, at
    return n, at, sizes, codes, steps


@inner
def _first_id(file, at, id_bytes):
    sample = np.int64(0)
    for i in range(id_bytes):
        sample |= np.int64(file[at + i]) << (8 * i)
    return sample


@inner
def _patch(file, at, stop, n_samples, id_bytes, words):
    """Give the samples of a list the codes that come with it; the next byte, -1 when damaged."""
    n, firsts, sizes, codes, at = _list_layout(file, at, stop, n_samples, id_bytes)
    if n < 0:
        return np.int64(-1)
    sample = np.int64(-1)
    group = at
    for k in range(n):
        if k & 63 == 0:
            if k > 0 and at - group != np.int64(file[sizes + (k >> 6) - 1]) + 63:
                return np.int64(-1)
            group = at
            first = _first_id(file, firsts + (k >> 6) * id_bytes, id_bytes)
            if first <= sample:
                return np.int64(-1)
            sample = first
        else:
            step, at = _varint(file, at, stop)
            if at < 0 or step < 1:
                return np.int64(-1)
            sample += step
        if sample >= n_samples:
            return np.int64(-1)
        code = np.uint64((file[codes + (k >> 2)] >> np.uint8(2 * (k & 3))) & np.uint8(3))
        shift = np.uint64(2 * (sample & 31))
        w = sample >> 5
        words[w] = (words[w] & ~(THREE << shift)) | (code << shift)
    return at


@inner
def _one_bit_codes(byte):
    """The two codes of a one-bit record, from its first byte; (0, 0) when there is no such byte."""
    if byte == 1 or byte == 2 or byte == 3:
        return np.uint64(0), np.uint64(byte)
    if byte == 5 or byte == 6:
        return np.uint64(1), np.uint64(byte - 3)
    if byte == 9:
        return TWO, THREE
    return np.uint64(0), np.uint64(0)


@inner
def _one_bit(file, at, stop, n_samples, id_bytes, words):
    """Decode a one-bit record but for its list; where that begins, -1 when damaged."""
    n_bytes = (n_samples + 7) >> 3
    if at + 1 + n_bytes > stop:
        return np.int64(-1)
    low, high = _one_bit_codes(np.int64(file[at]))
    if high == 0:
        return np.int64(-1)
    at += 1
    difference = low ^ high
    for w in range(len(words)):
        bits = np.uint64(0)
        for i in range(4 * w, min(4 * w + 4, n_bytes)):
            bits |= np.uint64(file[at + i]) << np.uint64(8 * (i & 3))
        words[w] = low * LOW_BITS ^ spread(bits) * difference
    at += n_bytes
    if n_samples & 7 and file[at - 1] >> np.uint8(n_samples & 7):
        return np.int64(-1)
    _pad(words, n_samples)
    return at


@inner
def _alone(file, at, stop, kind, n_samples, id_bytes, words):
    """Decode a record that needs no other; the byte behind it, -1 when it is damaged."""
    code = kind & 7
    if code == RAW:
        n_bytes = (n_samples + 3) >> 2
        if at + n_bytes > stop:
            return np.int64(-1)
        _copy(file, at, n_bytes, words)
        last = words[len(words) - 1]
        if n_samples & 31 and last >> np.uint64(2 * (n_samples & 31)):
            return np.int64(-1)
        _pad(words, n_samples)
        return at + n_bytes
    if code == ONE_BIT:
        at = _one_bit(file, at, stop, n_samples, id_bytes, words)
        if at < 0:
            return at
        return _patch(file, at, stop, n_samples, id_bytes, words)
    if code == 5:
        return np.int64(-1)
    _fill(words, n_samples, code - 4)
    return _patch(file, at, stop, n_samples, id_bytes, words)


@inner
def _invert(words):
    """Swap 0 and 2 in every call."""
    for w in range(len(words)):
        words[w] ^= (~words[w] & LOW_BITS) << ONE


@inner
def _take(source, target):
    for i in range(len(target)):
        target[i] = source[i]


@inner
def _ends_well(at, stop, kind):
    """Whether a record was read to its end, or to the tracks behind the first."""
    return at == stop or (at > 0 and at < stop and kind & OTHER_TRACKS != 0)


@kernel
def decode_records(file, start, stop, kind, base, rows, n_samples, id_bytes, scratch, out):
    """Decode some records.

    file        : uint8, the whole file
    start, stop : int64 (records,), first byte of each record of the file, and one after the last
    kind        : uint8 (records,), record types
    base        : int64 (records,), the record that one of type 2 or 3 differs from, -1 for none
    rows        : int64 (rows,), records to decode, 0-based
    id_bytes    : bytes of the first sample ID of a group
    scratch     : uint64 (words,)
    out         : uint64 (rows, words), filled
    returns     : place in `rows` of a record that is damaged, or whose base is; -1
    """
    held = np.int64(-1)  # what scratch holds
    latest = np.int64(-1)  # place of the last row that stands alone
    for i in range(len(rows)):
        r = rows[i]
        words = out[i]
        if kind[r] & 6 != 2:
            at = _alone(file, start[r], stop[r], kind[r], n_samples, id_bytes, words)
            latest = np.int64(i)
        else:
            b = base[r]
            if b < 0:
                return i
            if latest >= 0 and rows[latest] == b:
                _take(out[latest], words)
            else:
                if held != b:
                    end = _alone(file, start[b], stop[b], kind[b], n_samples, id_bytes, scratch)
                    if not _ends_well(end, stop[b], kind[b]):
                        return i
                    held = b
                _take(scratch, words)
            at = _patch(file, start[r], stop[r], n_samples, id_bytes, words)
            if kind[r] & 7 == INVERTED:
                _invert(words)
        if not _ends_well(at, stop[r], kind[r]):
            return i
    return -1


@kernel
def decode_bed(file, start, rows, n_samples, out):
    """Decode rows of a .bed: A1 is ALT, code 0 two of it, 1 missing, 2 one, 3 none.

    file      : uint8, the whole file
    start     : first byte of the first row; rows follow each other
    rows      : int64 (rows,), 0-based
    out       : uint64 (rows, words), filled
    """
    n_bytes = (n_samples + 3) >> 2
    for i in range(len(rows)):
        words = out[i]
        _copy(file, start + rows[i] * n_bytes, n_bytes, words)
        for w in range(len(words)):
            code = words[w]
            high = ~code & (LOW_BITS << ONE)
            words[w] = high | ((code ^ (code >> ONE)) & LOW_BITS)
        _pad(words, n_samples)


@inner
def _count(words, keep, n_kept, counts):
    """Count the codes of the samples to keep."""
    low = np.int64(0)
    high = np.int64(0)
    both = np.int64(0)
    for w in range(len(keep)):
        a = words[w] & keep[w]
        b = (words[w] >> ONE) & keep[w]
        low += count_ones(a)
        high += count_ones(b)
        both += count_ones(a & b)
    counts[0] = n_kept - low - high + both
    counts[1] = low - both
    counts[2] = high - both
    counts[3] = both


@inner
def _recount(file, at, stop, n_samples, id_bytes, common, words, keep, counts):
    """Move the samples of a list from the code they had to the one that comes with it.

    common : the code that all samples had, or -1 when `words` says which

    The list is walked as in _patch; one function for both makes counting 1.6 times as slow.
    """
    n, firsts, sizes, codes, at = _list_layout(file, at, stop, n_samples, id_bytes)
    if n < 0:
        return np.int64(-1)
    sample = np.int64(-1)
    group = at
    for k in range(n):
        if k & 63 == 0:
            if k > 0 and at - group != np.int64(file[sizes + (k >> 6) - 1]) + 63:
                return np.int64(-1)
            group = at
            first = _first_id(file, firsts + (k >> 6) * id_bytes, id_bytes)
            if first <= sample:
                return np.int64(-1)
            sample = first
        else:
            step, at = _varint(file, at, stop)
            if at < 0 or step < 1:
                return np.int64(-1)
            sample += step
        if sample >= n_samples:
            return np.int64(-1)
        shift = np.uint64(2 * (sample & 31))
        kept = np.int64((keep[sample >> 5] >> shift) & ONE)
        old = np.int64((words[sample >> 5] >> shift) & THREE) if common < 0 else common
        counts[old] -= kept
        counts[(file[codes + (k >> 2)] >> np.uint8(2 * (k & 3))) & np.uint8(3)] += kept
    return at


@kernel
def count_records(
    file, start, stop, kind, base, rows, n_samples, id_bytes, keep, scratch, held_counts, out
):
    """Count the calls of some records without making the calls where a record does not spell them.

    file .. id_bytes : as for decode_records
    keep             : uint64 (words,), the lower bit of every counted sample's two is set
    scratch          : uint64 (2, words)
    held_counts      : int64 (4,), scratch too
    out              : int64 (rows, 4), filled: samples with 0, 1, 2 copies of ALT, and not called
    returns          : as decode_records
    """
    n_kept = 0
    for w in range(len(keep)):
        n_kept += count_ones(keep[w])
    words, held_words = scratch[0], scratch[1]
    held = np.int64(-1)
    for i in range(len(rows)):
        r = rows[i]
        counts = out[i]
        at = start[r]
        code = np.int64(kind[r] & 7)
        if code >= 4:
            if code == 5:
                return i
            for c in range(4):
                counts[c] = n_kept if c == code - 4 else 0
            at = _recount(file, at, stop[r], n_samples, id_bytes, code - 4, words, keep, counts)
        elif code == RAW:
            at = _alone(file, at, stop[r], kind[r], n_samples, id_bytes, words)
            _count(words, keep, n_kept, counts)
        elif code == ONE_BIT:
            at = _one_bit(file, at, stop[r], n_samples, id_bytes, words)
            if at < 0:
                return i
            _count(words, keep, n_kept, counts)
            at = _recount(file, at, stop[r], n_samples, id_bytes, -1, words, keep, counts)
        else:
            b = base[r]
            if b < 0:
                return i
            if held != b:
                end = _alone(file, start[b], stop[b], kind[b], n_samples, id_bytes, held_words)
                if not _ends_well(end, stop[b], kind[b]):
                    return i
                _count(held_words, keep, n_kept, held_counts)
                held = b
            _take(held_counts, counts)
            at = _recount(file, at, stop[r], n_samples, id_bytes, -1, held_words, keep, counts)
            if code == INVERTED:
                counts[0], counts[2] = counts[2], counts[0]
        if not _ends_well(at, stop[r], kind[r]):
            return i
    return -1
