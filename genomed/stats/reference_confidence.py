"""How sure it is that positions without a candidate are like the reference."""

from __future__ import annotations

import numpy as np

from genomed.kernels.pileup import (
    DELETED,
    DELETION,
    INSERTION,
    MAPPING_QUALITY,
    OTHER_QUALITY,
    READS,
    REF_QUALITY,
)

__all__ = ["reference_quality"]

MOST_GQ = 99
LEAST_ERROR = 1e-4  # of a base


def reference_quality(counts: np.ndarray, ref: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """GQ and depth of positions under the genotype 0/0, from counts of bases.

    GQ is phred-scaled likelihood alone, as in other programs' gVCFs: about 3 for each read.

    Reads are taken as independent, each wrong with the mean error of the bases and mappings there.
    Whatever is not the reference's base, or has an indel behind it, speaks for a heterozygote.

    counts  : int32 (positions, N_COUNTS) of kernels.pileup; ref : uint8 (positions,), codes
    returns : int64 (positions,) GQ, 0 to 99 (0 where the reference has no base), and the depth
    """
    if not len(ref):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    code = np.minimum(ref, 4).astype(np.int64)
    at = np.arange(len(ref))
    same = (counts[at, code] + counts[at, code + 5]).astype(np.float64)
    depth = counts[:, READS].astype(np.int64)
    gaps = counts[:, INSERTION] + counts[:, DELETION] + counts[:, DELETION + 1]
    gaps = gaps + counts[:, INSERTION + 1]
    other = counts[:, :10].sum(axis=1) - same + counts[:, DELETED] + counts[:, DELETED + 1]
    against = np.minimum(other + gaps, depth)
    with_it = depth - against
    bases = np.maximum(counts[:, :10].sum(axis=1), 1)
    quality = (counts[:, REF_QUALITY] + counts[:, OTHER_QUALITY]) / bases
    mapping = counts[:, MAPPING_QUALITY] / np.maximum(depth, 1)
    error = np.clip(10 ** (-quality / 10) + 10 ** (-mapping / 10), LEAST_ERROR, 0.5)
    like_ref = with_it * np.log(1 - error) + against * np.log(error)
    like_het = depth * np.log(0.5)
    like_hom = with_it * np.log(error) + against * np.log(1 - error)
    odds = like_ref - np.maximum(like_het, like_hom)
    gq = np.clip(odds * (10 / np.log(10)), 0, MOST_GQ).astype(np.int64)
    gq[(depth == 0) | (ref > 3)] = 0
    return gq, depth
