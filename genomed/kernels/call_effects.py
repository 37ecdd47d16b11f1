"""What each call adds to a predictor, summed over variants, with the largest of each person.

Common to the kernels here:

effect   : float64 (variants, 3), of 0, 1 and 2 copies of ALT
variance : float64 (variants,), added to `called` where there is a call
variant  : int64 (variants,), its name in top_variant
first    : the first sample; sums, called : float64 (samples,), added to from it on
top      : float64 (samples, k), the k largest effects so far, falling in size; the earlier stands
           before its equal. top_variant int64, top_dosage float64: whose they are
A call that was not made adds nothing, and variants are taken one after the other, so that neither
their number in a call of a kernel nor the kernel changes a bit.
"""

import numpy as np

from genomed.kernels.native import inner, kernel

__all__ = ["add_call_effects", "add_effects"]


@inner
def _lowest(top, first, n):
    """Least of the smallest effects kept."""
    k = top.shape[1] - 1
    least = np.inf
    for s in range(first, first + n):
        least = min(least, np.abs(top[s, k]))
    return least


@inner
def _keep(top, top_variant, top_dosage, s, value, variant, dosage):
    """Put an effect among the largest of a person, if it is one."""
    size = np.abs(value)
    at = top.shape[1] - 1
    if size <= np.abs(top[s, at]):
        return
    while at > 0 and size > np.abs(top[s, at - 1]):
        top[s, at] = top[s, at - 1]
        top_variant[s, at] = top_variant[s, at - 1]
        top_dosage[s, at] = top_dosage[s, at - 1]
        at -= 1
    top[s, at], top_variant[s, at], top_dosage[s, at] = value, variant, dosage


@kernel
def add_call_effects(
    alt_count, row, turned, effect, variance, variant, first, stop, sums, called, top, top_variant,
    top_dosage,
):  # fmt: skip
    """Add up effects of plain diploid calls of one ALT.

    alt_count : int8 (rows, samples), negative not called; row : int64 (variants,)
    turned    : bool (variants,), the model's ALT is the record's REF
    stop      : sample after the last
    """
    n = stop - first
    total, known = sums[first:stop], called[first:stop]
    lowest = _lowest(top, first, n)
    for v in range(len(variant)):
        calls = alt_count[row[v], first:stop]
        w0, w1, w2 = effect[v, 0], effect[v, 1], effect[v, 2]
        if turned[v]:
            w0, w2 = w2, w0
        here = variance[v]
        for i in range(n):
            c = calls[i]
            value = w1 if c == 1 else (w0 if c == 0 else w2)
            total[i] += value if c >= 0 else 0.0
            known[i] += here if c >= 0 else 0.0
        if max(np.abs(w0), np.abs(w1), np.abs(w2)) <= lowest:
            continue
        for i in range(n):
            c = calls[i]
            if c >= 0:
                value = w1 if c == 1 else (w0 if c == 0 else w2)
                dosage = float(2 - c) if turned[v] else float(c)
                _keep(top, top_variant, top_dosage, first + i, value, variant[v], dosage)
        lowest = _lowest(top, first, n)


@kernel
def add_effects(
    dosage, effect, variance, variant, first, sums, called, top, top_variant, top_dosage
):
    """Add up effects of dosages.

    dosage : float64 (variants, samples here), copies of ALT, 0 to 2; negative not called. Between
             whole numbers effects are linear
    """
    for v in range(len(variant)):
        w0, w1, w2 = effect[v, 0], effect[v, 1], effect[v, 2]
        for i in range(dosage.shape[1]):
            d = dosage[v, i]
            if d < 0.0:
                continue
            value = w0 + (w1 - w0) * d if d < 1.0 else w1 + (w2 - w1) * (d - 1.0)
            if d == 2.0:
                value = w2
            sums[first + i] += value
            called[first + i] += variance[v]
            _keep(top, top_variant, top_dosage, first + i, value, variant[v], d)
