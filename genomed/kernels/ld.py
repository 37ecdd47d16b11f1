"""Correlation of packed calls, by popcounts.

A row of packed calls becomes four planes of one bit per sample: homozygous, homozygous for ALT,
called, and all but the homozygotes of the commoner allele. Word w of a plane holds word w of the
calls in its even bits and a later word in its odd bits: the order of the samples is another one,
but the same everywhere. With a call coded -1, 0 or 1 (copies of ALT less one) every sum that a
correlation needs is a popcount.
"""

import numpy as np

from genomed.kernels.bits import LOW_BITS, count_ones
from genomed.kernels.native import inner, kernel

__all__ = ["called_in_both", "correlate_pairs", "prune_windows", "split_planes"]

HOMOZYGOUS, ALT, CALLED, NOT_COMMON = 0, 1, 2, 3  # planes, and totals of the first three
COPIES, SQUARES, RARE_HOMOZYGOUS = 3, 4, 5  # more totals, of the rarer allele
N_PLANES, N_TOTALS = 4, 6
SURE = 1 - 2.0**-30  # well beyond the rounding of a bound
ONE = np.uint64(1)


@inner
def _split(even, odd, even_kept, odd_kept, planes, w):
    """Fill word w of the first three planes from two words of calls."""
    low = (even & LOW_BITS) | ((odd & LOW_BITS) << ONE)
    high = ((even >> ONE) & LOW_BITS) | (odd & (LOW_BITS << ONE))
    kept = even_kept | (odd_kept << ONE)
    planes[HOMOZYGOUS, w] = ~low & kept
    planes[ALT, w] = ~low & high & kept
    planes[CALLED, w] = ~(low & high) & kept
    return kept


@kernel
def split_planes(words, keep, planes, totals):
    """Make the planes of rows.

    words  : uint64 (variants, words)
    keep   : uint64 (words,), the lower bit of every kept sample's two is set
    planes : uint64 (variants, 4, ceil(words / 2)), filled
    totals : int64 (variants, 6), filled: set bits of the first three planes; of the rarer allele
             the copies, the sum of their squares, and its homozygotes
    """
    n_words = len(keep)
    half = (n_words + 1) >> 1
    for v in range(len(words)):
        front, back, bits = words[v, :half], words[v, half:], planes[v]
        homozygous, alt, called, rest = bits[0], bits[1], bits[2], bits[3]
        for w in range(n_words - half):
            rest[w] = _split(front[w], back[w], keep[w], keep[half + w], bits, w)
        if n_words & 1:
            none = np.uint64(0)
            rest[half - 1] = _split(front[half - 1], none, keep[half - 1], none, bits, half - 1)
        n_homozygous = 0
        n_alt = 0
        n_called = 0
        for w in range(half):
            n_homozygous += count_ones(homozygous[w])
            n_alt += count_ones(alt[w])
            n_called += count_ones(called[w])
        n_rare = min(n_alt, n_homozygous - n_alt)
        flip = ~np.uint64(0) if n_rare == n_alt else np.uint64(0)
        for w in range(half):
            rest[w] &= ~(homozygous[w] & (alt[w] ^ flip))
        totals[v, HOMOZYGOUS] = n_homozygous
        totals[v, ALT] = n_alt
        totals[v, CALLED] = n_called
        totals[v, COPIES] = n_called - n_homozygous + 2 * n_rare
        totals[v, SQUARES] = n_called - n_homozygous + 4 * n_rare
        totals[v, RARE_HOMOZYGOUS] = n_rare


@inner
def _common(x, y):
    """Sums over samples of the product of two variants' codes, where both are called."""
    a, b = x[0], x[1]
    c, d = y[0], y[1]
    both = np.int64(0)
    opposite = np.int64(0)
    for w in range(len(a)):
        homozygous = a[w] & c[w]
        both += count_ones(homozygous)
        opposite += count_ones(homozygous & (b[w] ^ d[w]))
    return both - 2 * opposite


@inner
def called_in_both(x, y):
    """Samples called in x and y; x's homozygotes and ALT homozygotes among them, then y's."""
    xh, xa, xc = x[0], x[1], x[2]
    yh, ya, yc = y[0], y[1], y[2]
    n = np.int64(0)
    x_homozygous = np.int64(0)
    x_alt = np.int64(0)
    y_homozygous = np.int64(0)
    y_alt = np.int64(0)
    for w in range(len(xh)):
        n += count_ones(xc[w] & yc[w])
        x_homozygous += count_ones(xh[w] & yc[w])
        x_alt += count_ones(xa[w] & yc[w])
        y_homozygous += count_ones(yh[w] & xc[w])
        y_alt += count_ones(ya[w] & xc[w])
    return n, x_homozygous, x_alt, y_homozygous, y_alt


@inner
def _moments(x, y, x_totals, y_totals, n_kept):
    """Covariance and variances of two variants, each times the square of the number of samples.

    n_kept : samples looked at; who is called in both counts. All three are whole numbers
    """
    product = _common(x, y)
    if x_totals[CALLED] == n_kept and y_totals[CALLED] == n_kept:
        n, xh, xa = np.int64(n_kept), x_totals[HOMOZYGOUS], x_totals[ALT]
        yh, ya = y_totals[HOMOZYGOUS], y_totals[ALT]
    else:
        n, xh, xa, yh, ya = called_in_both(x, y)
    x_sum = 2 * xa - xh
    y_sum = 2 * ya - yh
    covariance = np.float64(n * product - x_sum * y_sum)
    return covariance, np.float64(n * xh - x_sum * x_sum), np.float64(n * yh - y_sum * y_sum)


@inner
def _next_over(planes, totals, removed, first, i, j, end, n_kept, limit):
    """The first variant from j to end - 1, not removed, whose r2 with i is over a limit; or end.

    Most pairs are told by bounds. With copies of the rarer allele g and k samples outside both
    common homozygotes, sum(gx gy) is at most k + 3 min(k, homozygotes), and what is lost by calls
    missing in one of the two is at most 2k copies. Where one allele is much rarer than the other,
    no k is needed.
    """
    n = np.float64(n_kept)
    outside = planes[i - first, NOT_COMMON]
    x_totals = totals[i - first]
    x_lost = n - x_totals[CALLED]
    x_copies = np.float64(x_totals[COPIES])
    x_squares = np.float64(x_totals[SQUARES])
    while j < end:
        if removed[j]:
            j += 1
            continue
        y_totals = totals[j - first]
        y_copies = np.float64(y_totals[COPIES])
        y_squares = np.float64(y_totals[SQUARES])
        y_lost = n - y_totals[CALLED]
        least = n - x_lost - y_lost
        if x_copies <= y_copies:
            few, many, squares, lost = x_copies, y_copies, y_squares, x_lost
        else:
            few, many, squares, lost = y_copies, x_copies, x_squares, y_lost
        span = 2 * n - max(many - 2 * lost, 0.0)
        many_least = least * (squares - 4 * lost) - many * many
        within = (
            many_least > 0
            and least > few
            and few * span * span < SURE * limit * (least - few) * many_least
        )
        if not within:
            other = planes[j - first, NOT_COMMON]
            common = np.int64(0)
            for w in range(len(outside)):
                common += count_ones(outside[w] & other[w])
            k = np.float64(common)
            homozygotes = x_totals[RARE_HOMOZYGOUS] + y_totals[RARE_HOMOZYGOUS]
            most = max(n * (common + 3 * min(common, homozygotes)), x_copies * y_copies)
            x_least = least * (x_squares - 4 * k) - x_copies * x_copies
            y_least = least * (y_squares - 4 * k) - y_copies * y_copies
            within = (
                min(least, x_least, y_least) > 0 and most * most < SURE * limit * x_least * y_least
            )
        if not within:
            covariance, x_variance, y_variance = _moments(
                planes[i - first], planes[j - first], x_totals, y_totals, n_kept
            )
            if covariance * covariance > limit * x_variance * y_variance:
                return j
        j += 1
    return end


@inner
def _next_marked(marks, removed, row, i, j, end):
    """The first variant from j to end - 1, not removed, that is marked as over the limit; or end.

    marks : uint64 (rows, words), bit k of row `row` stands for variant i + 1 + k
    """
    while j < end:
        place = j - i - 1
        left = marks[row, place >> 6] >> np.uint64(place & 63)
        if left == 0:
            j += 64 - (place & 63)
            continue
        lowest = left & (~left + ONE)
        j += count_ones(lowest - ONE)
        if j < end and not removed[j]:
            return j
        j += 1
    return end


@kernel
def prune_windows(
    planes, totals, marks, n_kept, first, loaded, position, reach, window, step, limit,
    major_frequency, removed, unchecked, start, tie,
):  # fmt: skip
    """Slide the window over a contig until it is done, or a variant is needed that is not loaded.

    Within a window, each variant left is compared with the later ones that it has not met yet. Of
    the first pair over the limit one is removed, and the next variant's turn comes; passes repeat
    until one removes nothing (what plink2 does, to the letter).

    planes, totals  : of the variants first .. loaded - 1 of the contig
    marks           : uint64 (loaded - first, words): bit k of a variant's words tells whether it
                      and the one k + 1 further on are over the limit. Without words, planes and
                      totals tell; with words, those two are not looked at
    n_kept          : samples looked at
    position        : int64 (variants,), ascending where `reach` is used
    reach           : bases that a window spans behind its first variant, or -1 to use `window`
    window, step    : variants in a window, and from one to the next
    limit           : a pair is over it when its r2 is greater
    major_frequency : float64 (variants,)
    removed         : bool (variants,), changed
    unchecked       : int64 (variants,), next variant to compare each with; 0 on entry, changed
    start           : first variant of the window
    tie             : factor above which a frequency is the greater one
    returns         : first variant of the next window, or the number of variants when done
    """
    n_variants = len(position)
    end = start
    while start < n_variants:
        if reach >= 0:
            end = max(end, start)
            while end < n_variants and position[end] <= position[start] + reach:
                end += 1
        else:
            end = min(start + window, n_variants)
        if end > loaded:
            return start
        again = True
        while again:
            again = False
            for i in range(start, end):
                if removed[i]:
                    continue
                j = max(unchecked[i], i + 1)
                if marks.shape[1] > 0:
                    j = _next_marked(marks, removed, i - first, i, j, end)
                else:
                    j = _next_over(planes, totals, removed, first, i, j, end, n_kept, limit)
                if j < end:
                    again = True
                    if major_frequency[i] > major_frequency[j] * tie:
                        removed[i] = True
                    else:
                        removed[j] = True
                        j += 1
                unchecked[i] = max(unchecked[i], j)
        if end >= n_variants:
            break
        start += step
    return n_variants


@kernel
def correlate_pairs(planes, totals, n_kept, first, second, out):
    """Correlation of the chosen pairs of variants.

    planes, totals : as split_planes leaves them
    n_kept         : samples looked at
    first, second  : int64 (pairs,), places of the variants
    out            : float64 (pairs,), filled: r; NaN where one does not vary among the samples
                     that are called in both
    """
    for p in range(len(first)):
        i, j = first[p], second[p]
        covariance, x_variance, y_variance = _moments(
            planes[i], planes[j], totals[i], totals[j], n_kept
        )
        if x_variance > 0 and y_variance > 0:
            out[p] = covariance / np.sqrt(x_variance * y_variance)
        else:
            out[p] = np.nan
