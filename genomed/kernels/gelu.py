"""The Gaussian error linear unit (Hendrycks 2016, arXiv:1606.08415), exact."""

import math

from genomed.kernels.native import kernel

__all__ = ["gelu"]

ROOT_HALF = math.sqrt(0.5)


@kernel
def gelu(values):
    """Replace each x of float32 (rows, columns) by x times the normal share below x."""
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            x = values[i, j]
            values[i, j] = 0.5 * x * (1.0 + math.erf(x * ROOT_HALF))
