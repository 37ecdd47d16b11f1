"""Arithmetic on 64-bit words that other kernels share."""

import numpy as np

from genomed.kernels.native import inner

__all__ = ["LOW_BITS", "count_ones", "spread"]

LOW_BITS = np.uint64(0x5555555555555555)  # the lower bit of every packed call

_2 = np.uint64(0x3333333333333333)
_4 = np.uint64(0x0F0F0F0F0F0F0F0F)
_8 = np.uint64(0x0101010101010101)
_BYTES = np.uint64(0x00FF00FF00FF00FF)
_SHORTS = np.uint64(0x0000FFFF0000FFFF)


@inner
def count_ones(x):
    """Number of set bits of a uint64, as int64. LLVM knows this form: it becomes `popcnt`."""
    x -= (x >> np.uint64(1)) & LOW_BITS
    x = (x & _2) + ((x >> np.uint64(2)) & _2)
    x = (x + (x >> np.uint64(4))) & _4
    return np.int64((x * _8) >> np.uint64(56))


@inner
def spread(x):
    """Move bit i of a uint64 below 2**32 to bit 2i."""
    x = (x | (x << np.uint64(16))) & _SHORTS
    x = (x | (x << np.uint64(8))) & _BYTES
    x = (x | (x << np.uint64(4))) & _4
    x = (x | (x << np.uint64(2))) & _2
    return (x | (x << np.uint64(1))) & LOW_BITS
