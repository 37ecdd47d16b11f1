"""Rows of packed calls to PGEN records.

Every record stands for itself: none refers to the row before it, so rows may be encoded in any
order, and the bytes depend on the row alone. The layout of records is that of the PGEN file format
draft of plink 2.0 (Chang, 2023), checked against the bytes that plink2 writes: a main track of
calls, then phase, then dosages. The choice of the main track is ours: the one of the least bytes.

Words hold 32 samples each, two bits a sample: 0, 1, 2 copies of ALT, 3 not called. `valid` in the
kernels is the mask of the samples in the last word.
"""

import numpy as np

from genomed.kernels.native import inner, kernel, memcpy

__all__ = ["NO_ENTRY", "encode_rows", "pack_rows", "round_dosages"]

ODD = np.uint64(0x5555555555555555)  # the lower bit of every sample
U1, U2, U3 = np.uint64(1), np.uint64(2), np.uint64(3)
NO_ENTRY = np.int64(65535)  # of a row's dosages: the call says it all, or nothing is known
COPY = 16384  # dosage of one copy of ALT
PHASE, DOSAGE_LIST, DOSAGE_ALL, DOSAGE_BITS = 16, 32, 64, 96  # bits of a record's type
PHASED_ALT_FIRST = 2  # ARRAYS["call_phase"]: 1|0


@inner
def _bits_set(x):
    """Number of bits set in a uint64 (Warren, Hacker's Delight, 5-1); LLVM knows it as popcnt."""
    x = x - ((x >> U1) & ODD)
    x = (x & np.uint64(0x3333333333333333)) + ((x >> U2) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((x * np.uint64(0x0101010101010101)) >> np.uint64(56))


@inner
def _lowest(x):
    """Number of the lowest bit set in a uint64 that is not 0."""
    return _bits_set((x & (~x + U1)) - U1)


@inner
def _squeezed(x):
    """The lower bit of each of 32 samples as 32 bits side by side."""
    x = (x | (x >> U1)) & np.uint64(0x3333333333333333)
    x = (x | (x >> U2)) & np.uint64(0x0F0F0F0F0F0F0F0F)
    x = (x | (x >> np.uint64(4))) & np.uint64(0x00FF00FF00FF00FF)
    x = (x | (x >> np.uint64(8))) & np.uint64(0x0000FFFF0000FFFF)
    return (x | (x >> np.uint64(16))) & np.uint64(0xFFFFFFFF)


@kernel
def pack_rows(codes, words, scratch, scratch_words):
    """Two bits of each of the int8 (rows, samples) codes, missing as 3, to uint64 (rows, words).

    scratch, scratch_words : int8 (32 * words,) and the same memory as uint64
    """
    n_samples = codes.shape[1]
    n_words = words.shape[1]
    low = np.uint64(0x0303030303030303)
    for s in range(n_samples, 32 * n_words):
        scratch[s] = 3
    for v in range(len(codes)):
        memcpy(
            np.uintp(scratch.ctypes.data),
            np.uintp(codes[v].ctypes.data),
            np.uintp(n_samples),
        )
        row = words[v]
        for w in range(n_words):
            packed = np.uint64(0)
            for k in range(4):
                x = scratch_words[4 * w + k] & low
                x = (x | (x >> np.uint64(6))) & np.uint64(0x000F000F000F000F)
                x = (x | (x >> np.uint64(12))) & np.uint64(0x000000FF000000FF)
                x = (x | (x >> np.uint64(24))) & np.uint64(0xFFFF)
                packed |= x << np.uint64(16 * k)
            row[w] = packed


@kernel
def round_dosages(alt_count, ploidy, dosage, threshold, calls, entries):
    """Calls that agree with the dosages, and the dosages that say more than the call.

    alt_count : int8 (rows, samples), -9 not called; stands where there is no dosage
    ploidy    : int8 (rows, samples), or None; a haploid call's dosage and count are doubled
    dosage    : float32 (rows, samples), NaN unknown
    threshold : a call is within this many 1/16384 of its dosage, else it is missing
    calls     : int8 (rows, samples) out
    entries   : uint16 (rows, samples) out, dosage in 1/16384, NO_ENTRY where the call says it all
    """
    for v in range(len(alt_count)):
        for s in range(alt_count.shape[1]):
            call = np.int64(alt_count[v, s])
            d = dosage[v, s]
            entry = NO_ENTRY
            twice = False
            if ploidy is not None:
                twice = ploidy[v, s] == 1
            if twice and call > 0:
                call = np.int64(2)
            if d == d:
                d = min(max(2 * d if twice else d, np.float32(0)), np.float32(2))
                fine = np.int64(d * COPY + np.float32(0.5))
                nearest = (fine + COPY // 2) // COPY
                off = fine - nearest * COPY
                call = nearest if -threshold <= off <= threshold else np.int64(-9)
                if off != 0:
                    entry = fine
            calls[v, s] = call
            entries[v, s] = entry


@inner
def _put_number(out, at, value):
    """Seven bits a byte, lowest first; the highest bit says that more follow."""
    while value > 127:
        out[at] = (value & 127) | 128
        at += 1
        value >>= 7
    out[at] = value
    return at + 1


@inner
def _list_bytes(length, n_samples, id_bytes):
    """Most bytes that a list of samples with their calls can take."""
    if length == 0:
        return 1
    groups = (length + 63) // 64
    size = (1 if length < 128 else 2 if length < 16384 else 3 if length < 2097152 else 5) - 1
    size += groups * (id_bytes + 1) + (length + 3) // 4
    steps = length - groups  # a step of 128 takes two bytes, one of 16384 three, ...
    size += steps + min(steps, n_samples >> 7) + min(steps, n_samples >> 14)
    return size + min(steps, n_samples >> 21)


@inner
def _put_list(out, at, listed, words, length, id_bytes, with_calls):
    """Samples whose bit is set in `listed`, in groups of 64: first IDs, sizes, calls, steps."""
    at = _put_number(out, at, length)
    if length == 0:
        return at
    groups = (length + 63) // 64
    id_at = at
    size_at = id_at + groups * id_bytes
    calls_at = size_at + groups - 1
    at = calls_at
    if with_calls:
        at += (length + 3) // 4
        for i in range(calls_at, at):
            out[i] = 0
    k, last, group_at = 0, 0, at
    for w in range(len(words)):
        x = listed[w]
        while x != np.uint64(0):
            bit = _lowest(x)
            s = 32 * w + bit // 2
            if with_calls:
                call = (words[w] >> np.uint64(bit)) & U3
                out[calls_at + k // 4] |= np.uint8(call << np.uint64(2 * (k & 3)))
            if k & 63 == 0:
                for j in range(id_bytes):
                    out[id_at] = (s >> (8 * j)) & 255
                    id_at += 1
                if k:
                    out[size_at] = at - group_at - 63
                    size_at += 1
                group_at = at
            else:
                at = _put_number(out, at, s - last)
            last = s
            k += 1
            x &= x - U1
    return at


@inner
def _put_words(out, at, words, valid, n_bytes):
    """Packed calls as they are, four samples a byte; nothing in the last byte's spare bits."""
    for i in range(n_bytes):
        word = words[i >> 3]
        if i >> 3 == len(words) - 1:
            word &= valid
        out[at + i] = np.uint8((word >> np.uint64(8 * (i & 7))) & np.uint64(255))
    return at + n_bytes


@inner
def _put_two(out, at, words, listed, valid, low, high, n_samples, rare, id_bytes):
    """A bit for each sample, set for call `high`, not for `low`; a list of the others."""
    out[at] = high + 3 * low
    at += 1
    stop = at + (n_samples + 7) // 8
    low_fill, high_fill = np.uint64(low) * ODD, np.uint64(high) * ODD
    last = len(words) - 1
    for w in range(len(words)):
        x = words[w] ^ high_fill
        y = words[w] ^ low_fill
        is_high = ~(x | (x >> U1)) & ODD
        other = (y | (y >> U1)) & ODD & ~is_high
        if w == last:
            is_high &= valid
            other &= valid
        listed[w] = other
        bits = _squeezed(is_high)
        for j in range(min(4, stop - at)):
            out[at + j] = np.uint8((bits >> np.uint64(8 * j)) & np.uint64(255))
        at += min(4, stop - at)
    return _put_list(out, at, listed, words, rare, id_bytes, True)


@inner
def _put_calls(out, at, words, listed, valid, n_samples, id_bytes):
    """The main track of one row: its type, where it ends, and how many are heterozygous."""
    ones, twos, both = 0, 0, 0
    for w in range(len(words)):
        x = words[w]
        a = x & ODD
        b = (x >> U1) & ODD
        ones += _bits_set(a)
        twos += _bits_set(b)
        both += _bits_set(a & b)
    n1, n2 = ones - both, twos - both
    n3 = both - (32 * len(words) - n_samples)
    n0 = n_samples - n1 - n2 - n3
    # the commonest two, the lower call first among equals
    top, n_top, second, n_second = 0, n0, 1, n1
    if n1 > n0:
        top, n_top, second, n_second = 1, n1, 0, n0
    for c in (2, 3):
        n = n2 if c == 2 else n3
        if n > n_top:
            top, n_top, second, n_second = c, n, top, n_top
        elif n > n_second:
            second, n_second = c, n
    others = n_samples - n_top
    rare = others - n_second
    raw_bytes = (n_samples + 3) // 4
    two_bytes = raw_bytes + 1
    if rare < n_samples // 16:  # readers refuse longer lists beside the bits, ...
        two_bytes = 1 + (n_samples + 7) // 8 + _list_bytes(rare, n_samples, id_bytes)
    list_bytes = raw_bytes + 1
    if top != 1 and others <= n_samples // 8:  # ... and longer lists alone
        list_bytes = _list_bytes(others, n_samples, id_bytes)
    if list_bytes <= min(two_bytes, raw_bytes):
        fill = np.uint64(top) * ODD
        for w in range(len(words)):
            x = words[w] ^ fill
            listed[w] = (x | (x >> U1)) & ODD
        listed[len(words) - 1] &= valid
        return 4 + top, _put_list(out, at, listed, words, others, id_bytes, True), n1
    if two_bytes < raw_bytes:
        low, high = min(top, second), max(top, second)
        at = _put_two(out, at, words, listed, valid, low, high, n_samples, rare, id_bytes)
        return 1, at, n1
    return 0, _put_words(out, at, words, valid, raw_bytes), n1


@inner
def _put_bit(out, first, k, bit):
    """Set or clear bit k of out[first:], in the order of k: a byte is cleared when it is begun."""
    if k & 7 == 0:
        out[first + (k >> 3)] = 0
    out[first + (k >> 3)] |= np.uint8(bit << (k & 7))


@inner
def _put_phase(out, at, words, phase, valid, n_het):
    """For each heterozygous call whether it is phased, unless all are; for each phased, 1|0?

    phase   : packed ARRAYS["call_phase"], 3 for padding
    returns : where the track ends: `at` when no call is phased
    """
    n_phased = 0
    last = len(words) - 1
    for w in range(len(words)):
        het = words[w] & ~(words[w] >> U1) & ODD
        n_phased += _bits_set((phase[w] | (phase[w] >> U1)) & het)
    if n_phased == 0:
        return at
    all_phased = n_phased == n_het
    first = at
    _put_bit(out, first, 0, 0 if all_phased else 1)
    info = first if all_phased else first + n_het // 8 + 1
    k, p = 1, 1 if all_phased else 0
    for w in range(len(words)):
        x = words[w] & ~(words[w] >> U1) & ODD
        if w == last:
            x &= valid
        known = (phase[w] | (phase[w] >> U1)) & ODD
        while x != np.uint64(0):
            bit = x & (~x + U1)
            phased = (known & bit) != np.uint64(0)
            if not all_phased:
                _put_bit(out, first, k, 1 if phased else 0)
                k += 1
            if phased:
                _put_bit(out, info, p, 1 if (phase[w] >> U1) & bit != np.uint64(0) else 0)
                p += 1
            x &= x - U1
    return info + (p + 7) // 8


@inner
def _put_dosages(out, at, entries, listed, id_bytes):
    """Dosages of a row in 1/16384; the track's type, and where it ends."""
    n_samples = len(entries)
    n = 0
    for w in range(len(listed)):
        x = np.uint64(0)
        for s in range(32 * w, min(32 * w + 32, n_samples)):
            if entries[s] != NO_ENTRY:
                x |= U1 << np.uint64(2 * (s - 32 * w))
                n += 1
        listed[w] = x
    if n == 0:
        return 0, at
    kind = DOSAGE_BITS
    if n == n_samples:
        kind = DOSAGE_ALL
    elif n <= n_samples // 9 and _list_bytes(n, n_samples, id_bytes) < n_samples // 8:
        kind = DOSAGE_LIST  # readers refuse lists that are longer than a ninth
    if kind == DOSAGE_LIST:
        at = _put_list(out, at, listed, listed, n, id_bytes, False)
    elif kind == DOSAGE_BITS:
        stop = at + (n_samples + 7) // 8
        for w in range(len(listed)):
            bits = _squeezed(listed[w])
            for j in range(min(4, stop - at)):
                out[at + j] = np.uint8((bits >> np.uint64(8 * j)) & np.uint64(255))
            at += min(4, stop - at)
    for s in range(n_samples):
        if entries[s] != NO_ENTRY:
            out[at] = entries[s] & 255
            out[at + 1] = entries[s] >> 8
            at += 2
    return kind, at


@kernel
def encode_rows(words, phase, entries, n_samples, id_bytes, listed, out, lengths, types):
    """Encode rows one behind the other into `out`; returns the bytes used.

    words   : uint64 (rows, words) packed calls, padding 3
    phase   : uint64 (rows, words), packed ARRAYS["call_phase"], padding 3; or None
    entries : uint16 (rows, samples), see round_dosages; or None
    listed  : uint64 (words,) scratch
    out     : uint8, for each row n_samples // 2 + 64 bytes, and with entries 3 * n_samples more
    lengths : uint32 (rows,) out, bytes of each record
    types   : uint8 (rows,) out, type of each record
    """
    valid = ~np.uint64(0)
    if n_samples & 31:
        valid = (U1 << np.uint64(2 * (n_samples & 31))) - U1
    at = 0
    for v in range(len(words)):
        begin = at
        kind, at, n_het = _put_calls(out, at, words[v], listed, valid, n_samples, id_bytes)
        if phase is not None and n_het > 0:
            stop = _put_phase(out, at, words[v], phase[v], valid, n_het)
            if stop > at:
                kind |= PHASE
                at = stop
        if entries is not None:
            track, at = _put_dosages(out, at, entries[v], listed, id_bytes)
            kind |= track
        types[v] = kind
        lengths[v] = at - begin
    return at
