"""Kinship of pairs of samples, by popcounts.

Calls are turned round: a sample has three planes of one bit per variant (not homozygous, which
includes not called; homozygous for ALT; not called). Two popcounts a pair are then all that many
variants need. The calls that are missing, commonly few, are put right apart: for each sample, the
rows of the variants that it misses are added up over all others, 64 sums a word.
"""

import numpy as np

from genomed.kernels.bits import LOW_BITS, count_ones
from genomed.kernels.kinship_rare import BITS, FIELD
from genomed.kernels.native import inner, kernel

__all__ = [
    "N_COUNTS",
    "N_PLANES",
    "add_missing_pairs",
    "add_pairs",
    "count_samples",
    "mark_rows",
    "select_pairs",
    "turn_rows",
]

NOT_HOMOZYGOUS, ALT, MISSING = 0, 1, 2  # planes
N_PLANES = 3
HET_HET, IBS0, HET1_HOM2, HOM1_HET2 = 1, 2, 3, 4  # columns of counts; 0 is variants called in both
N_COUNTS = 5
CHUNK, TILE = 256, 8  # words and samples that stay in the first cache
SIGHT = 64  # samples of a transposed table that stay in the second
ONE = np.uint64(1)
_HET_MISSING, _MISSING_HET, _BOTH_MISSING, _RARE = (np.uint64(BITS * k) for k in (1, 2, 3, 4))
BYTE = np.uint64(0xFF)


@inner
def _transpose(square):
    """Transpose 64 x 64 bits: bit b of word a changes places with bit a of word b."""
    step = 32
    mask = np.uint64(0xFFFFFFFF)
    while step > 0:
        shift = np.uint64(step)
        for base in range(0, 64, 2 * step):
            for k in range(base, base + step):
                moved = ((square[k] >> shift) ^ square[k + step]) & mask
                square[k + step] ^= moved
                square[k] ^= moved << shift
        step >>= 1
        mask ^= mask << np.uint64(step)


@kernel
def turn_rows(words, first, stop, square, planes):
    """Planes of the samples in some words of every row.

    words       : uint64 (variants, words)
    first, stop : words of a row
    square      : uint64 (64,), scratch
    planes      : uint64 (samples, 3, ceil(variants / 64)), filled; 0 behind the last variant
    """
    n_variants = len(words)
    for g in range(planes.shape[2]):
        n = min(64, n_variants - 64 * g)
        for w in range(first, stop):
            for k in range(n):
                square[k] = words[64 * g + k, w]
            for k in range(n, 64):
                square[k] = 0
            _transpose(square)
            for s in range(min(32, planes.shape[0] - 32 * w)):
                low = square[2 * s]
                high = square[2 * s + 1]
                planes[32 * w + s, NOT_HOMOZYGOUS, g] = low
                planes[32 * w + s, ALT, g] = high & ~low
                planes[32 * w + s, MISSING, g] = high & low


@kernel
def mark_rows(words):
    """Turn packed calls, in place, into marks: 1 heterozygous, 2 not called, 0 else."""
    for v in range(words.shape[0]):
        row = words[v]
        for w in range(words.shape[1]):
            low = row[w] & LOW_BITS
            high = (row[w] >> ONE) & LOW_BITS
            row[w] = (low & ~high) | ((low & high) << ONE)


@kernel
def add_pairs(planes, first, stop, others, others_stop, below, total):
    """Add up, for pairs of samples, variants where neither is homozygous, and opposite homozygotes.

    planes              : as turn_rows fills them
    first, stop         : samples, one of each pair
    others, others_stop : samples, the other of each pair
    below               : whether to take pairs only whose other is before the one
    total               : int32 (stop - first, others_stop - others, 2), added to
    """
    n_words = planes.shape[2]
    for chunk in range(0, n_words, CHUNK):
        end = min(chunk + CHUNK, n_words)
        for tile in range(others, others_stop, TILE):
            for i in range(first, stop):
                last = min(tile + TILE, others_stop)
                if below:
                    last = min(last, i)
                row = total[i - first]
                a, b = planes[i, 0, chunk:end], planes[i, 1, chunk:end]
                for j in range(tile, last, 2):  # two at a time: half the loads
                    k = min(j + 1, last - 1)
                    c, d = planes[j, 0, chunk:end], planes[j, 1, chunk:end]
                    e, f = planes[k, 0, chunk:end], planes[k, 1, chunk:end]
                    neither = np.int64(0)
                    opposite = np.int64(0)
                    neither_k = np.int64(0)
                    opposite_k = np.int64(0)
                    for w in range(end - chunk):
                        neither += count_ones(a[w] & c[w])
                        opposite += count_ones((b[w] ^ d[w]) & ~(a[w] | c[w]))
                        neither_k += count_ones(a[w] & e[w])
                        opposite_k += count_ones((b[w] ^ f[w]) & ~(a[w] | e[w]))
                    row[j - others, 0] += neither
                    row[j - others, 1] += opposite
                    if k > j:
                        row[k - others, 0] += neither_k
                        row[k - others, 1] += opposite_k


@inner
def _bytes_of(word):
    """Transpose 8 x 8 bits: bit b of byte a changes places with bit a of byte b."""
    moved = (word ^ (word >> np.uint64(7))) & np.uint64(0x00AA00AA00AA00AA)
    word ^= moved ^ (moved << np.uint64(7))
    moved = (word ^ (word >> np.uint64(14))) & np.uint64(0x0000CCCC0000CCCC)
    word ^= moved ^ (moved << np.uint64(14))
    moved = (word ^ (word >> np.uint64(28))) & np.uint64(0x00000000F0F0F0F0)
    return word ^ moved ^ (moved << np.uint64(28))


@inner
def _add_column(marks, variant, first, stop, w, sums):
    """Sum up word w of some rows (at most 255), bit by bit, into 64 bytes: eight words."""
    c0 = c1 = c2 = c3 = c4 = c5 = c6 = c7 = np.uint64(0)
    k = first
    while k < stop:
        a = marks[variant[k], w]
        b = marks[variant[k + 1], w] if k + 1 < stop else np.uint64(0)
        c = marks[variant[k + 2], w] if k + 2 < stop else np.uint64(0)
        k += 3
        add = a ^ b ^ c
        two = (a & b) | (c & (a ^ b))
        carry = c0 & add
        c0 ^= add
        add = c1 ^ two ^ carry
        carry = (c1 & two) | (carry & (c1 ^ two))
        c1 = add
        add = c2 & carry
        c2 ^= carry
        carry = c3 & add
        c3 ^= add
        add = c4 & carry
        c4 ^= carry
        carry = c5 & add
        c5 ^= add
        add = c6 & carry
        c6 ^= carry
        c7 ^= add
    for p in range(8):
        shift = np.uint64(8 * p)
        word = (c0 >> shift) & BYTE
        word |= ((c1 >> shift) & BYTE) << np.uint64(8)
        word |= ((c2 >> shift) & BYTE) << np.uint64(16)
        word |= ((c3 >> shift) & BYTE) << np.uint64(24)
        word |= ((c4 >> shift) & BYTE) << np.uint64(32)
        word |= ((c5 >> shift) & BYTE) << np.uint64(40)
        word |= ((c6 >> shift) & BYTE) << np.uint64(48)
        word |= (c7 >> shift) << np.uint64(56)
        sums[p] = _bytes_of(word)


@kernel
def add_missing_pairs(
    planes, marks, first, stop, others, others_stop, variant, sums, sum_bytes, total
):
    """Add up, for each sample, over the variants that it misses, who is heterozygous or missing.

    planes              : as turn_rows fills them
    marks               : uint64 (variants, words), as mark_rows leaves them
    first, stop         : samples
    others, others_stop : samples to look at; others is a multiple of 32
    variant             : int64 (variants,), scratch
    sums, sum_bytes     : uint64 (8,), scratch, and the same memory as uint8 (64,)
    total               : int32 (stop - first, 2 x others padded to 32), added to: heterozygous and
                          missing, of one other sample after the other
    """
    for s in range(first, stop):
        n = 0
        missing = planes[s, MISSING]
        for g in range(len(missing)):
            left = missing[g]
            while left != 0:
                lowest = left & (~left + ONE)
                variant[n] = 64 * g + count_ones(lowest - ONE)
                n += 1
                left ^= lowest
        row = total[s - first]
        for w in range(others // 32, (others_stop + 31) // 32):
            place = 64 * w - 2 * others
            for at in range(0, n, 255):
                _add_column(marks, variant, at, min(at + 255, n), w, sums)
                part = row[place : place + 64]
                for b in range(64):
                    part[b] += sum_bytes[b]


@kernel
def count_samples(planes, n_het, n_missing):
    """Add each sample's heterozygous and missing calls to n_het and n_missing: int64 (samples,)."""
    for s in range(planes.shape[0]):
        a, c = planes[s, NOT_HOMOZYGOUS], planes[s, MISSING]
        het = np.int64(0)
        missing = np.int64(0)
        for g in range(planes.shape[2]):
            het += count_ones(a[g] & ~c[g])
            missing += count_ones(c[g])
        n_het[s] += het
        n_missing[s] += missing


@kernel
def select_pairs(
    total, missing_here, missing_there, rare, n_rare, n_het, n_missing, n_variants, first, stop,
    origin, others, others_stop, below, least, pair, counts, kinship,
):  # fmt: skip
    """Counts and kinship of pairs whose kinship is large enough.

    total             : as add_pairs leaves it, for samples from `origin` and `others` on
    missing_here      : as add_missing_pairs leaves it, for samples from `origin`, others `others`
    missing_there     : the same, for samples from `others`, others `origin`
    rare              : as genomed.kernels.kinship_rare.add_rare_pairs leaves its sums
    n_rare            : int64 (samples,), rare homozygotes at the variants behind `rare`
    n_het, n_missing  : int64 (samples,), at all variants
    first, stop       : samples, one of each pair
    below             : whether only pairs count whose other is before the one
    least             : kinship from which on a pair is wanted; all of them when it is NaN
    pair              : int32 (room, 2), filled: the earlier sample, the later one
    counts            : int32 (room, 5), filled: called in both, both heterozygous, opposite
                        homozygotes, earlier heterozygous and later homozygous, and the reverse
    kinship           : float64 (room,), filled; NaN where a sample has no heterozygous call
    returns           : pairs
    """
    n = 0
    everything = np.isnan(least)
    slack = 0.5 - least + 1e-9  # pairs far below need no division
    for tile in range(others, others_stop, SIGHT):
        for i in range(first, stop):
            x = i - origin
            end = min(tile + SIGHT, others_stop)
            if below:
                end = min(end, i)
            for j in range(tile, end):
                y = j - others
                word = rare[x, y]
                i_missing = missing_here[x, y, 0] + np.int64((word >> _MISSING_HET) & FIELD)
                j_missing = missing_there[y, x, 0] + np.int64((word >> _HET_MISSING) & FIELD)
                neither = total[x, y, 0] - missing_here[x, y, 0] - missing_there[y, x, 0]
                het_het = neither - missing_here[x, y, 1] + np.int64(word & FIELD)
                ibs0 = total[x, y, 1] + n_rare[i] + n_rare[j] - np.int64(word >> _RARE)
                i_het = n_het[i] - j_missing  # heterozygous calls of i where j is called
                j_het = n_het[j] - i_missing
                fewer = min(i_het, j_het)
                far = 4 * ibs0 + i_het + j_het - 2 * het_het
                if not (everything or np.float64(far) <= slack * np.float64(4 * fewer)):
                    continue
                value = np.nan
                if fewer > 0:
                    value = 0.5 - np.float64(far) / np.float64(4 * fewer)
                if not (everything or value >= least):
                    continue
                both_missing = missing_here[x, y, 1] + np.int64((word >> _BOTH_MISSING) & FIELD)
                pair[n, 0] = j
                pair[n, 1] = i
                counts[n, 0] = n_variants - n_missing[i] - n_missing[j] + both_missing
                counts[n, HET_HET] = het_het
                counts[n, IBS0] = ibs0
                counts[n, HET1_HOM2] = j_het - het_het
                counts[n, HOM1_HET2] = i_het - het_het
                kinship[n] = value
                n += 1
    return n
