"""What each call adds to a predictor, summed over variants, with the largest of each person."""

import numpy as np

from genomed.kernels.native import kernel

__all__ = ["add_effects"]


@kernel
def add_effects(
    dosage, effect, variance, variant, first_sample, sums, called, top, top_variant, top_dosage
):
    """Add up effects of calls, one variant after the other; a missing call adds nothing.

    dosage   : float64 (variants, samples here), copies of ALT, 0 to 2; negative not called
    effect   : float64 (variants, 3), of 0, 1 and 2 copies; between them linear
    variance : float64 (variants,), added to `called` where there is a call
    variant  : int64 (variants,), its name in top_variant
    sums, called : float64 (samples,), added to from first_sample on
    top      : float64 (samples, k), the k largest effects so far, falling in size; the earlier
               stands before its equal. top_variant int64, top_dosage float64: whose they are
    """
    k = top.shape[1]
    for v in range(len(variant)):
        w0, w1, w2 = effect[v, 0], effect[v, 1], effect[v, 2]
        for i in range(dosage.shape[1]):
            d = dosage[v, i]
            if d < 0.0:
                continue
            s = first_sample + i
            value = w0 + (w1 - w0) * d if d < 1.0 else w1 + (w2 - w1) * (d - 1.0)
            if d == 2.0:
                value = w2
            sums[s] += value
            called[s] += variance[v]
            size = np.abs(value)
            if size <= np.abs(top[s, k - 1]):
                continue
            at = k - 1
            while at > 0 and size > np.abs(top[s, at - 1]):
                top[s, at] = top[s, at - 1]
                top_variant[s, at] = top_variant[s, at - 1]
                top_dosage[s, at] = top_dosage[s, at - 1]
                at -= 1
            top[s, at], top_variant[s, at], top_dosage[s, at] = value, variant[v], d
