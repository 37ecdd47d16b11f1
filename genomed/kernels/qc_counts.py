"""Counts of calls: in groups of samples for every variant, and over variants for every sample."""

import numpy as np

from genomed.kernels.bits import LOW_BITS, count_ones
from genomed.kernels.native import kernel

__all__ = ["HIGH", "LOW", "MISSING", "add_carriers", "add_expected", "add_rows", "count_groups"]

# What is counted of a packed call: its lower bit, its higher bit, and both at once. Calls of one
# copy are LOW - MISSING, of two copies HIGH - MISSING.
LOW, HIGH, MISSING = range(3)
PER_LANE = 85  # groups of three rows whose sum fits a byte
_THREES = np.uint64(0x0303030303030303)


@kernel
def count_groups(words, masks, out):
    """Count the calls of each kind in every row and group of samples.

    words : uint64 (variants, words), packed calls
    masks : uint64 (groups, words), the lower bit of every member's two is set
    out   : int32 (variants, groups, 3), filled: 1 and 2 copies of ALT, not called
    """
    for v in range(words.shape[0]):
        row = words[v]
        for g in range(masks.shape[0]):
            mask = masks[g]
            low = np.int64(0)
            high = np.int64(0)
            both = np.int64(0)
            for w in range(len(mask)):
                a = row[w] & mask[w]
                b = (row[w] >> np.uint64(1)) & mask[w]
                low += count_ones(a)
                high += count_ones(b)
                both += count_ones(a & b)
            out[v, g, 0] = low - both
            out[v, g, 1] = high - both
            out[v, g, 2] = both


@kernel
def add_rows(words, rows, lanes, out):
    """Add the calls of some rows to the counts of every sample.

    words : uint64 (variants, words), packed calls
    rows  : int64 (chosen,), rows to add
    lanes : uint64 (3, 4, words), zero on entry and on return; sums of one byte a sample
    out   : int32 (3, 32 x words), added to: LOW, HIGH and MISSING bits of every sample

    Three rows are added in the two bits of each call, and these sums, 85 at a time, in bytes: lane
    j has the samples s with s % 4 == j. Only then is anything done sample by sample.
    """
    n_words = words.shape[1]
    n = len(rows)
    in_lane = 0
    for first in range(0, n, 3):
        one = words[rows[first]]
        two = words[rows[min(first + 1, n - 1)]]
        three = words[rows[min(first + 2, n - 1)]]
        use_two = LOW_BITS if first + 1 < n else np.uint64(0)
        use_three = LOW_BITS if first + 2 < n else np.uint64(0)
        for w in range(n_words):
            a0 = one[w] & LOW_BITS
            b0 = (one[w] >> np.uint64(1)) & LOW_BITS
            a1 = two[w] & use_two
            b1 = (two[w] >> np.uint64(1)) & use_two
            a2 = three[w] & use_three
            b2 = (three[w] >> np.uint64(1)) & use_three
            low = a0 + a1 + a2
            high = b0 + b1 + b2
            both = (a0 & b0) + (a1 & b1) + (a2 & b2)
            lanes[0, 0, w] += low & _THREES
            lanes[0, 1, w] += (low >> np.uint64(2)) & _THREES
            lanes[0, 2, w] += (low >> np.uint64(4)) & _THREES
            lanes[0, 3, w] += (low >> np.uint64(6)) & _THREES
            lanes[1, 0, w] += high & _THREES
            lanes[1, 1, w] += (high >> np.uint64(2)) & _THREES
            lanes[1, 2, w] += (high >> np.uint64(4)) & _THREES
            lanes[1, 3, w] += (high >> np.uint64(6)) & _THREES
            lanes[2, 0, w] += both & _THREES
            lanes[2, 1, w] += (both >> np.uint64(2)) & _THREES
            lanes[2, 2, w] += (both >> np.uint64(4)) & _THREES
            lanes[2, 3, w] += (both >> np.uint64(6)) & _THREES
        in_lane += 1
        if in_lane == PER_LANE or first + 3 >= n:
            in_lane = 0
            for kind in range(3):
                counts = out[kind]
                for j in range(4):
                    lane = lanes[kind, j]
                    for w in range(n_words):
                        sums = lane[w]
                        lane[w] = np.uint64(0)
                        for byte in range(8):
                            counts[32 * w + 4 * byte + j] += np.int32(
                                (sums >> np.uint64(8 * byte)) & np.uint64(255)
                            )


@kernel
def add_expected(words, rows, amount, keep, places, out):
    """Add an amount of each row to every sample that is not called there.

    words  : uint64 (variants, words), packed calls
    rows   : int64 (chosen,), rows to look at
    amount : int64 (chosen,), what each of these adds
    keep   : uint64 (words,), the lower bit of every real sample's two is set
    places : int64 (words,), scratch: the words of a row that have such samples. Most have none, but
             which is hard to foresee, so they are found without a branch
    out    : int64 (samples,), added to
    """
    for i in range(len(rows)):
        row = words[rows[i]]
        n = 0
        for w in range(len(keep)):
            places[n] = w
            n += (row[w] & (row[w] >> np.uint64(1)) & keep[w]) != np.uint64(0)
        for w in places[:n]:
            missing = row[w] & (row[w] >> np.uint64(1)) & keep[w]
            while missing != np.uint64(0):
                lowest = missing & (~missing + np.uint64(1))
                at = count_ones(lowest - np.uint64(1)) >> 1
                out[32 * w + at] += amount[i]
                missing ^= lowest


@kernel
def add_carriers(words, rows, het, hom, out):
    """Add one to every sample that carries ALT in some rows.

    words : uint64 (variants, words), packed calls
    rows  : int64 (chosen,), rows to look at
    het   : uint64 (words,), samples whose call of one copy is a carrier's (lower bits set)
    hom   : uint64 (words,), samples whose call of two copies is a carrier's
    out   : int32 (samples,), added to
    """
    for i in range(len(rows)):
        row = words[rows[i]]
        for w in range(len(het)):
            low = row[w] & LOW_BITS
            high = (row[w] >> np.uint64(1)) & LOW_BITS
            carriers = (low & ~high & het[w]) | (high & ~low & hom[w])
            while carriers != np.uint64(0):
                lowest = carriers & (~carriers + np.uint64(1))
                out[32 * w + (count_ones(lowest - np.uint64(1)) >> 1)] += np.int32(1)
                carriers ^= lowest
