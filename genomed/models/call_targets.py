"""What the call nets learn beside the diplotype: which kinds of allele there are, and how long.

Both are those of Clair3's heads (Zheng 2022, doi:10.1038/s43588-022-00387-x): 21 unordered pairs of
A, C, G, T, insertion and deletion, and the change of length of either allele, 16 at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np

__all__ = ["N_CLASSES", "N_LENGTHS", "allele_kind", "call_targets", "site_kind"]

_KINDS = "ACGTID"
_MOST_LENGTH = 16
N_LENGTHS = 2 * _MOST_LENGTH + 1
_PAIRS = {pair: i for i, pair in enumerate(combinations_with_replacement(range(len(_KINDS)), 2))}
N_CLASSES = len(_PAIRS)
_DIPLOTYPES = ((0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2))


def allele_kind(ref: str, allele: str) -> int:
    """0 to 3: which base of A, C, G, T; 4 insertion, 5 deletion. An N is an A."""
    if len(allele) == len(ref):
        return max(_KINDS.find(allele[:1].upper(), 0, 4), 0)
    return 4 if len(allele) > len(ref) else 5


def site_kind(ref: Sequence[str], alt1: Sequence[str], alt2: Sequence[str]) -> np.ndarray:
    """uint8 (sites,): 0 SNP, 1 indel; and 2 more where there are two alternatives."""
    return np.array(
        [
            (len(r) != len(a) or (b != "" and len(r) != len(b))) + 2 * (b != "")
            for r, a, b in zip(ref, alt1, alt2, strict=True)
        ],
        np.uint8,
    ).reshape(-1)


def call_targets(
    ref: Sequence[str], alt1: Sequence[str], alt2: Sequence[str], truth: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Classes int64 (sites,) and lengths int64 (sites, 2) of true diplotypes (sites,), 0 to 5."""
    classes = np.zeros(len(truth), np.int64)
    lengths = np.zeros((len(truth), 2), np.int64)
    for i, (r, *alts) in enumerate(zip(ref, alt1, alt2, strict=True)):
        alleles = (r, *alts)
        pair = [alleles[a] for a in _DIPLOTYPES[truth[i]]]
        kinds = sorted(allele_kind(r, allele) for allele in pair)
        classes[i] = _PAIRS[kinds[0], kinds[1]]
        lengths[i] = sorted(len(allele) - len(r) for allele in pair)
    return classes, np.clip(lengths, -_MOST_LENGTH, _MOST_LENGTH) + _MOST_LENGTH
