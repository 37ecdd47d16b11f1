"""Kinship of pairs of samples at variants where nearly everybody is homozygous alike.

There only the few samples that are not ("odd" ones) are looked at, in pairs. An odd call is
heterozygous 1, homozygous for the rarer allele 2, or missing 3.
"""

import numpy as np

from genomed.kernels.bits import LOW_BITS, count_ones
from genomed.kernels.native import inner, kernel

__all__ = ["BITS", "FIELD", "MOST_VARIANTS", "add_rare_pairs", "list_by_sample", "list_odd"]

# Five sums of 12 bits share a word: both heterozygous; one heterozygous and the other missing; one
# missing and the other heterozygous; both missing; rare homozygotes not facing a common one.
BITS = 12
MOST_VARIANTS = 2047  # that may be added before a sum could overflow: the last one grows by 2
_HH, _HM, _MH, _MM, _RARE = (1 << (BITS * k) for k in range(5))
_WEIGHT = np.array(
    [
        [0, 0, 0, 0],
        [0, _HH, _RARE, _HM],
        [0, _RARE, 2 * _RARE, _RARE],
        [0, _MH, _RARE, _MM],
    ],
    np.uint64,
)
FIELD = np.uint64((1 << BITS) - 1)
ONE, TWO, THREE = np.uint64(1), np.uint64(2), np.uint64(3)


@kernel
def list_odd(words, row, common, n_samples, entry_start, entries, n_het, n_rare, n_missing):
    """List the odd samples of variants.

    words       : uint64 (rows, words), packed calls
    row         : int64 (variants,), rows to look at
    common      : int64 (variants,), the commoner homozygote, 0 or 2
    entry_start : int64 (variants + 1,), where each variant's entries begin
    entries     : int32, filled: 4 x sample + odd call, samples ascending
    n_het, n_rare, n_missing : int64 (samples,), added to: each sample's odd calls
    """
    for v in range(len(row)):
        at = entry_start[v]
        flip = TWO if common[v] == 2 else np.uint64(0)
        for w in range(words.shape[1]):
            word = words[row[v], w]
            high = (word >> ONE) & LOW_BITS
            low = word & LOW_BITS
            if flip:  # 2 becomes 0 and 0 becomes 2
                word ^= (~low & LOW_BITS) << ONE
                high = (word >> ONE) & LOW_BITS
            left = low | high
            while left != 0:
                lowest = left & (~left + ONE)
                place = count_ones(lowest - ONE)
                left ^= lowest
                sample = 32 * w + (place >> 1)
                if sample >= n_samples:
                    break
                call = np.int64((word >> np.uint64(place)) & THREE)
                entries[at] = 4 * sample + call
                at += 1
                if call == 1:
                    n_het[sample] += 1
                elif call == 2:
                    n_rare[sample] += 1
                else:
                    n_missing[sample] += 1


@kernel
def list_by_sample(entry_start, entries, cursor, by_sample):
    """List the variants where each sample is odd.

    cursor    : int64 (samples,), where each sample's list begins; where it ends, on return
    by_sample : int32, filled: 4 x variant + odd call, variants ascending
    """
    for v in range(len(entry_start) - 1):
        for k in range(entry_start[v], entry_start[v + 1]):
            sample = entries[k] >> 2
            by_sample[cursor[sample]] = 4 * v + (entries[k] & 3)
            cursor[sample] += 1


@inner
def _first_from(entries, start, stop, least):
    """Place of the first entry that is not below `least`."""
    while start < stop:
        middle = (start + stop) >> 1
        if entries[middle] < least:
            start = middle + 1
        else:
            stop = middle
    return start


@inner
def _unload(sums, row, total, here, there, column):
    """Move the five sums of one sample's pairs, in a word each, to where they have room."""
    for j in range(len(sums)):
        word = sums[j]
        het_missing = np.int64((word >> np.uint64(BITS)) & FIELD)
        missing_het = np.int64((word >> np.uint64(2 * BITS)) & FIELD)
        both_missing = np.int64((word >> np.uint64(3 * BITS)) & FIELD)
        neither = np.int64(word & FIELD) + het_missing + missing_het + both_missing
        total[row, j, 0] += neither
        total[row, j, 1] -= np.int64(word >> np.uint64(4 * BITS))
        here[row, j, 0] += missing_het
        here[row, j, 1] += both_missing
        there[j, column, 0] += het_missing
        sums[j] = 0


@kernel
def add_rare_pairs(
    entry_start, entries, sample_start, by_sample, first, stop, origin, others, others_stop,
    below, sums, pending, total, here, there,
):  # fmt: skip
    """Add up pairs of samples over the listed variants.

    entry_start, entries    : as list_odd leaves them
    sample_start, by_sample : int64 (samples + 1,), and as list_by_sample leaves it
    first, stop             : samples, one of each pair
    origin                  : the sample of the first row of the tables
    others, others_stop     : samples, the other of each pair
    below                   : whether to take pairs only whose other is before the one
    sums                    : uint64 (rows, others), added to; five sums a pair, see above
    pending                 : int64 (rows,), variants added to each row of sums, kept up
    total, here, there      : int32, as genomed.kernels.kinship.add_pairs and add_missing_pairs
                              fill them; where sums go before they can overflow
    """
    for i in range(first, stop):
        row = i - origin
        end = min(others_stop, i) if below else others_stop
        at = sample_start[i]
        while at < sample_start[i + 1]:
            if pending[row] == MOST_VARIANTS:
                _unload(sums[row], row, total, here, there, row)
                pending[row] = 0
            pause = min(at + MOST_VARIANTS - pending[row], sample_start[i + 1])
            pending[row] += pause - at
            mine = sums[row]
            while at < pause:
                v = by_sample[at] >> 2
                weight = _WEIGHT[by_sample[at] & 3]
                at += 1
                k = _first_from(entries, entry_start[v], entry_start[v + 1], 4 * others)
                while k < entry_start[v + 1]:
                    j = entries[k] >> 2
                    if j >= end:
                        break
                    mine[j - others] += weight[entries[k] & 3]
                    k += 1
