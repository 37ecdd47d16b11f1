"""Alignment of a read's part to a haplotype: the likelihood of the best one.

The recurrences are those of a pair hidden Markov model (Durbin 1998, ISBN 0-521-62041-4, chapter
4) with the haplotype's ends free, in probabilities, not logarithms, for speed. A diagonal is
haplotype base minus read base.
"""

import math

from genomed.kernels.bam_records import base_at
from genomed.kernels.native import inner

__all__ = [
    "ANY", "SAME", "align", "fit_one_gap", "fit_without_gaps", "lay_haplotype", "log_slip",
    "open_gaps",
]  # fmt: skip

ANY = 15  # the code of N
SAME = 0  # the code of "=", for which a read does not say its base: as good as N
MAX_PERIOD = 4  # of the tandem repeats in which gaps are likelier
TINY, RESCALE = 1e-150, 1e150
LOG_QUARTER = math.log(0.25)
MAX_UNIT = 6  # bases of the units that reads gain or lose as a whole
NEVER = -1e30
OUTSIDE = -50.0  # log-probability of a base where the haplotype has none


@inner
def lay_haplotype(reference, begin, site, after, end, bases, a0, a1, out):
    """Write the codes of a haplotype; returns its length. The places are in `reference`."""
    n = 0
    for i in range(begin, site):
        out[n] = reference[i]
        n += 1
    for i in range(a0, a1):
        out[n] = bases[i]
        n += 1
    for i in range(after, end):
        out[n] = reference[i]
        n += 1
    return n


@inner
def open_gaps(haplotype, n, gap_open, opening):
    """Probability that a gap begins behind each base, and its logarithm: more in longer repeats.

    gap_open : float64 (2, units), by units of the repeat; the last for all that are longer
    opening  : float64 (2, bases), filled
    """
    most = gap_open.shape[1] - 1
    for j in range(n):
        opening[0, j], opening[1, j] = gap_open[0, 1], gap_open[1, 1]
    for period in range(1, MAX_PERIOD + 1):
        j = period
        while j < n:
            begin = j - period
            while j < n and haplotype[j] == haplotype[j - period] and haplotype[j] != ANY:
                j += 1
            n_units = 0
            length = j - begin
            while length >= period:
                length -= period
                n_units += 1
            if n_units > 1:
                n_units = min(n_units, most)
                for i in range(max(begin - 1, 0), j):
                    opening[0, i] = max(opening[0, i], gap_open[0, n_units])
                    opening[1, i] = max(opening[1, i], gap_open[1, n_units])
            j += 1


@inner
def log_slip(true, n_true, read, n_read, log_opening, log_extend, log_close):
    """Log-probability that a fragment of one haplotype gains or loses whole units of a tandem
    repeat and so equals another one; NEVER where they differ by something else.

    A gap costs the same whether its unit has one base or six.

    log_opening : float64 (units,), of a gap, by the units that the true haplotype has
    log_extend, log_close : of each further unit, and of no other
    """
    size = abs(n_read - n_true)
    longer, shorter = (true, read) if n_true > n_read else (read, true)
    n_long, n_short = max(n_true, n_read), min(n_true, n_read)
    if size == 0:
        return NEVER
    begin = 0
    while begin < n_short and longer[begin] == shorter[begin]:
        begin += 1
    for j in range(begin, n_short):
        if longer[j + size] != shorter[j]:
            return NEVER
    for unit in range(1, min(size, MAX_UNIT) + 1):
        if size % unit:
            continue
        first, stop = begin, begin + unit
        while stop < n_long and longer[stop] == longer[stop - unit]:
            stop += 1
        while first > 0 and longer[first - 1] == longer[first - 1 + unit]:
            first -= 1
        if stop - first < size + 2 * unit:
            continue
        n_units = (stop - first - (size if n_true < n_read else 0)) // unit
        n_units = min(n_units, len(log_opening) - 1)
        return log_opening[n_units] + (size // unit - 1) * log_extend + log_close
    return NEVER


@inner
def fit_without_gaps(data, sequence, quality, q0, q1, haplotype, n, diagonal, log_match):
    """Log-likelihood of a read that equals the haplotype along a diagonal; 1 where it does not."""
    if q0 + diagonal < 0 or q1 + diagonal > n:
        return 1.0
    total = 0.0
    for i in range(q0, q1):
        if base_at(data, sequence, i) != haplotype[i + diagonal]:
            return 1.0
        total += log_match[data[quality + i]]
    return total


@inner
def _emission(data, sequence, quality, i, haplotype, n, j, log_match, log_mismatch):
    """Log-probability of read base i where haplotype base j stands, or none does."""
    if j < 0 or j >= n:
        return OUTSIDE
    base, here = base_at(data, sequence, i), haplotype[j]
    if base in (ANY, SAME) or here == ANY:
        return LOG_QUARTER
    byte = data[quality + i]
    return log_match[byte] if base == here else log_mismatch[byte]


@inner
def fit_one_gap(data, sequence, quality, q0, q1, haplotype, n, left, right, log_opening,
                log_extend, log_close, log_match, log_mismatch):  # fmt: skip
    """Log-likelihood of read bases q0 to q1 under a haplotype: of their best alignment that goes
    along the diagonal `left`, then at most one gap, then along the diagonal `right`."""
    behind = 0.0  # of bases i and later on the diagonal `right`
    for i in range(q0, q1):
        behind += _emission(
            data, sequence, quality, i, haplotype, n, i + right, log_match, log_mismatch
        )
    best = behind
    if left == right:
        return best
    size = abs(right - left)
    n_inserted = max(left - right, 0)
    for i in range(q0, min(q0 + n_inserted, q1)):
        behind -= _emission(
            data, sequence, quality, i, haplotype, n, i + right, log_match, log_mismatch
        )
    cost = (size - 1) * log_extend + log_close
    before = 0.0
    for i in range(q0, q1):
        if i > q0 and i + n_inserted < q1 and 0 <= i - 1 + left < n:
            best = max(best, before + behind + log_opening[i - 1 + left] + cost)
        before += _emission(
            data, sequence, quality, i, haplotype, n, i + left, log_match, log_mismatch
        )
        if i + n_inserted < q1:
            behind -= _emission(
                data, sequence, quality, i + n_inserted, haplotype, n, i + n_inserted + right,
                log_match, log_mismatch,
            )  # fmt: skip
    return max(best, before)


@inner
def align(data, sequence, quality, q0, q1, haplotype, n, low, high, opening, extend, match,
           mismatch, state):  # fmt: skip
    """Log-likelihood of read bases q0 to q1 under a haplotype: of their best alignment.

    low, high : first and last diagonal, in haplotype base minus read base
    state     : float64 (3, diagonals + 1), scratch: match, insertion, deletion
    """
    width = high - low + 1
    m, ins, gap = state[0], state[1], state[2]
    close = 1.0 - extend
    for k in range(width + 1):
        m[k] = ins[k] = gap[k] = 0.0
    scale = 0.0
    top = 0.0
    for i in range(q0, q1):
        base = base_at(data, sequence, i)
        is_unknown = base in (ANY, SAME)
        q = data[quality + i]
        yes, no = match[q], mismatch[q]
        first = max(0, -(low + i))
        stop = min(width, n - low - i)
        before_m = 0.0
        before_gap = 0.0
        top = 0.0
        for k in range(first, stop):
            j = low + i + k
            here = haplotype[j]
            emission = yes if base == here else no
            if is_unknown or here == ANY:
                emission = 0.25
            if i == q0:
                new_m = emission
                new_ins = 0.0
            else:
                new_m = emission * max(m[k], close * max(ins[k], gap[k]))
                new_ins = max(opening[j] * m[k + 1], extend * ins[k + 1])
            new_gap = max(opening[max(j - 1, 0)] * before_m, extend * before_gap)
            m[k] = before_m = new_m
            ins[k] = new_ins
            gap[k] = before_gap = new_gap
            top = max(top, new_m, new_ins)
        if stop <= first:
            return -1e3
        if first > 0:
            m[first - 1] = ins[first - 1] = gap[first - 1] = 0.0
        if stop < width:
            m[stop] = ins[stop] = gap[stop] = 0.0
        if top < TINY:
            for k in range(first, stop):
                m[k] *= RESCALE
                ins[k] *= RESCALE
                gap[k] *= RESCALE
            top *= RESCALE
            scale -= math.log(RESCALE)
    return math.log(max(top, 1e-300)) + scale
