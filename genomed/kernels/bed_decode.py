"""Two-bit genotypes of PLINK 1 .bed files to int8 ALT counts."""

import numpy as np

from genomed.kernels.native import kernel

__all__ = ["ALT_COUNT_OF_CODE", "count_alts", "count_kept_alts"]

# A1 is ALT: 0 homozygous A1, 1 missing, 2 heterozygous, 3 homozygous A2
# (https://www.cog-genomics.org/plink/1.9/formats#bed).
ALT_COUNT_OF_CODE = np.array([2, -9, 1, 0], np.int8)
_OF_BYTE = ALT_COUNT_OF_CODE[(np.arange(256)[:, None] >> (2 * np.arange(4))) & 3]


@kernel
def count_alts(packed, offset, alt_count):
    """Decode whole rows.

    packed    : uint8, the file
    offset    : int64 (variants,), first byte of each row; four samples a byte, lowest bits first
    alt_count : int8 (variants, samples), filled; -9 missing
    """
    n_variants, n_samples = alt_count.shape
    whole = n_samples // 4
    for v in range(n_variants):
        first = offset[v]
        for i in range(whole):
            byte = packed[first + i]
            s = 4 * i
            alt_count[v, s] = _OF_BYTE[byte, 0]
            alt_count[v, s + 1] = _OF_BYTE[byte, 1]
            alt_count[v, s + 2] = _OF_BYTE[byte, 2]
            alt_count[v, s + 3] = _OF_BYTE[byte, 3]
        for s in range(4 * whole, n_samples):
            alt_count[v, s] = _OF_BYTE[packed[first + whole], s & 3]


@kernel
def count_kept_alts(packed, offset, kept, alt_count):
    """Decode some samples of each row.

    packed, offset : as for count_alts
    kept           : int64 (samples,), places of the samples to decode
    alt_count      : int8 (variants, samples), filled; -9 missing
    """
    for v in range(len(offset)):
        for k in range(len(kept)):
            s = kept[k]
            code = (packed[offset[v] + (s >> 2)] >> np.uint8(2 * (s & 3))) & np.uint8(3)
            alt_count[v, k] = ALT_COUNT_OF_CODE[code]
