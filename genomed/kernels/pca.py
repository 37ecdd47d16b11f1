"""What PCA does with packed calls beside matrix products: who misses the same calls."""

import numpy as np

from genomed.kernels.native import kernel

__all__ = ["count_missing_pairs"]

LOW_BITS = np.uint64(0x5555555555555555)


@kernel
def count_missing_pairs(words, n_samples, missing, out):
    """Add up, for every pair of samples, the rows in which neither is called.

    words     : uint64 (variants, words), see genomed.kernels.packed
    n_samples : samples packed in them
    missing   : int64 (samples,), scratch
    out       : int32 (samples, samples), added to; its upper triangle and diagonal only
    """
    for v in range(words.shape[0]):
        row = words[v]
        n = 0
        for w in range((n_samples + 31) // 32):
            bits = row[w] & (row[w] >> np.uint64(1)) & LOW_BITS
            k = 0
            while bits != np.uint64(0):
                if bits & np.uint64(1):
                    sample = 32 * w + k
                    if sample < n_samples:
                        missing[n] = sample
                        n += 1
                bits >>= np.uint64(2)
                k += 1
        for i in range(n):
            pairs = out[missing[i]]
            for j in range(i, n):
                pairs[missing[j]] += 1
