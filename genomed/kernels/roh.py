"""Runs of homozygosity: a window slides along a contig, and variants in enough good windows run.

32 samples are looked at together, as bits of a word (see "words" in genomed.schema.ARRAYS). Masks
have the lower bit of a sample's two. Only samples of which something changes are looked at alone.
"""

import numpy as np

from genomed.kernels.bits import LOW_BITS, count_ones
from genomed.kernels.native import inner, kernel

__all__ = ["scan_rows"]


@inner
def _lowest(mask):
    """Place within the word of the first sample in a mask that is not 0."""
    return count_ones((mask & (~mask + np.uint64(1))) - np.uint64(1)) >> 1


@inner
def _het(word):
    return word & ~(word >> np.uint64(1)) & LOW_BITS


@inner
def _missing(word):
    return word & (word >> np.uint64(1)) & LOW_BITS


@kernel
def scan_rows(
    words, n_rows, first, width, least, broken, max_window_hets, max_window_missing, max_hets,
    min_snps, first_word, stop_word, valid, het, missing, good, recent, cover, runs, is_open,
    start, run_het, run_missing, ended,
):  # fmt: skip
    """Go on along a contig; what is known of each sample is kept between calls.

    words       : uint64 (rows, words); rows 0 to n_rows - 1 are gone through, those behind are
                  only looked ahead at. A window of `width` rows begins at each row that has
                  width - 1 rows behind it
    first       : place on the contig of row 0
    least       : int64 (rows of the contig,), good windows that a row must lie in
    broken      : bool (rows of the contig,), whether too wide a gap lies before the row
    max_hets    : heterozygous calls in one run
    min_snps    : runs of fewer variants are not told
    first_word, stop_word : words to go through
    valid       : uint64 (words,), mask of the samples that exist
    het, missing : int32 (samples,), calls of the kind in the first width - 1 rows of the window
                  that begins at row 0
    good        : uint64 (words,), mask of the samples for which these are few enough
    recent      : uint64 (width, words), for which samples each of the last windows was good
    cover       : int32 (samples,), how many of these
    runs        : uint64 (words,), mask of the samples for which they are enough
    is_open     : uint64 (words,), mask of the samples in a run
    start       : int64 (samples,), place where the open run began
    run_het, run_missing : int32 (samples,), calls of the kind in it
    ended       : int64 (enough, 5), filled: sample, first and last place, het and missing calls
    returns     : runs that ended
    """
    one = np.uint64(1)
    n_windows = words.shape[0] - width + 1
    n_ended = 0
    for j in range(n_rows):
        at = first + j
        needed = least[at]
        is_new = at == 0 or least[at - 1] != needed
        flags, row = recent[at % width], words[j]
        is_window = j < n_windows
        ahead = words[j + width - 1] if is_window else row
        for w in range(first_word, stop_word):
            base = 32 * w
            hets, missings = _het(row[w]) & valid[w], _missing(row[w]) & valid[w]
            now = np.uint64(0)
            if is_window:
                mask = _het(ahead[w]) & valid[w]
                while mask:
                    s = base + _lowest(mask)
                    het[s] += 1
                    if het[s] > max_window_hets:
                        good[w] &= ~(one << np.uint64(2 * (s - base)))
                    mask &= mask - one
                mask = _missing(ahead[w]) & valid[w]
                while mask:
                    s = base + _lowest(mask)
                    missing[s] += 1
                    if missing[s] > max_window_missing:
                        good[w] &= ~(one << np.uint64(2 * (s - base)))
                    mask &= mask - one
                now = good[w]
            mask = now ^ flags[w]
            flags[w] = now
            while mask:
                s = base + _lowest(mask)
                bit = mask & (~mask + one)
                cover[s] += 1 if now & bit else -1
                if cover[s] >= needed:
                    runs[w] |= bit
                else:
                    runs[w] &= ~bit
                mask &= mask - one
            if is_new:
                mask = valid[w]
                while mask:
                    s = base + _lowest(mask)
                    bit = mask & (~mask + one)
                    if cover[s] >= needed:
                        runs[w] |= bit
                    else:
                        runs[w] &= ~bit
                    mask &= mask - one
            closing = is_open[w] if broken[at] else is_open[w] & ~runs[w]
            mask = hets & is_open[w]
            while mask:
                s = base + _lowest(mask)
                if run_het[s] == max_hets:
                    closing |= mask & (~mask + one)
                mask &= mask - one
            mask = closing
            while mask:
                s = base + _lowest(mask)
                if at - start[s] >= min_snps:
                    ended[n_ended, 0] = s
                    ended[n_ended, 1] = start[s]
                    ended[n_ended, 2] = at - 1
                    ended[n_ended, 3] = run_het[s]
                    ended[n_ended, 4] = run_missing[s]
                    n_ended += 1
                mask &= mask - one
            mask = runs[w] & ~(is_open[w] & ~closing)
            if max_hets == 0:
                mask &= ~hets
            is_open[w] = (is_open[w] & ~closing) | mask
            while mask:
                s = base + _lowest(mask)
                start[s] = at
                run_het[s] = 0
                run_missing[s] = 0
                mask &= mask - one
            mask = hets & is_open[w]
            while mask:
                run_het[base + _lowest(mask)] += 1
                mask &= mask - one
            mask = missings & is_open[w]
            while mask:
                run_missing[base + _lowest(mask)] += 1
                mask &= mask - one
            if is_window:
                mask = hets | missings
                while mask:
                    s = base + _lowest(mask)
                    bit = mask & (~mask + one)
                    if hets & bit:
                        het[s] -= 1
                    else:
                        missing[s] -= 1
                    if het[s] <= max_window_hets and missing[s] <= max_window_missing:
                        good[w] |= bit
                    mask &= mask - one
    return n_ended
