"""A share of the fragments of an alignment file, chosen by name, so that mates stay together."""

import numpy as np

from genomed.kernels.native import kernel

__all__ = ["keep_fragments"]

PRIME = np.uint64(0x100000001B3)  # FNV-1a, 64 bits
FINAL = np.uint64(0xFF51AFD7ED558CCD)  # the finaliser of MurmurHash3


@kernel
def keep_fragments(data, place, seed, limit, keep):
    """Keep the records whose name, hashed with a seed, falls below a limit.

    data  : uint8, BAM records; place : int64 (alignments,), as in AlignmentBlock
    seed  : uint64; limit : uint64, of the upper 32 bits of the hash
    keep  : bool (alignments,), filled
    """
    for r in range(len(place)):
        at = place[r]
        value = np.uint64(seed)
        for i in range(np.int64(data[at + 8])):
            value = (value ^ np.uint64(data[at + 32 + i])) * PRIME
        value = (value ^ (value >> np.uint64(33))) * FINAL
        value = value ^ (value >> np.uint64(33))
        keep[r] = (value >> np.uint64(32)) < np.uint64(limit)
