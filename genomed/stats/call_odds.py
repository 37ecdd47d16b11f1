"""How sure calls are, from the probabilities of genotypes at the sites that they touch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from genomed.stats.call_pieces import Piece

__all__ = ["Copies", "allele_log_odds", "copy_probabilities", "genotype_log_odds"]

Copies = tuple[float, float, float]  # probabilities that a sample has 0, 1 and 2 copies
_PAIRS = ((0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2))
_LEAST = 1e-300


def copy_probabilities(posterior: np.ndarray) -> np.ndarray:
    """How many copies of each of two alternative alleles there are.

    posterior : float64 (sites, 6), probabilities of the diplotypes 00 01 11 02 12 22
    returns   : float64 (sites, 2, 3), of 0, 1 and 2 copies of the first and of the second
    """
    copies = np.array([[pair.count(allele) for allele in (1, 2)] for pair in _PAIRS])
    has = copies[:, :, None] == np.arange(3)
    return np.einsum("sg,gac->sac", posterior, has.astype(np.float64))


def allele_log_odds(pieces: Sequence[Piece], copies: Mapping[Piece, Copies]) -> float | None:
    """Natural log odds that a sample has an allele: those of the least sure of its changes.

    returns : None where the copies of a change are not known, or there is none
    """
    return _least_sure([(copies.get(piece), (1, 2)) for piece in pieces])


def genotype_log_odds(
    alleles: Sequence[Sequence[Piece]],
    called: Sequence[int | None],
    copies: Mapping[Piece, Copies],
) -> float | None:
    """Natural log odds that a call's genotype is right, by the least sure of its changes.

    alleles : changes of each alternative allele; called : copies of REF and of each of them, or
              of the alleles of a haploid call; None for what is not called
    returns : None where anything is not known
    """
    counts = [called.count(k) for k in range(len(alleles) + 1)]
    if not called or None in called or sum(counts) != len(called):
        return None
    double = 2 if len(called) == 1 else 1
    wanted: dict[Piece, int] = {}
    for count, pieces in zip(counts[1:], alleles, strict=True):
        if count and not pieces:
            return None
        for piece in pieces:
            wanted[piece] = wanted.get(piece, 0) + double * count
    return _least_sure([(copies.get(p), (min(n, 2),)) for p, n in wanted.items()])


def _least_sure(asked: Sequence[tuple[Copies | None, tuple[int, ...]]]) -> float | None:
    """The least log odds that the copies are among those asked for."""
    least = math.inf
    for probability, wanted in asked:
        if probability is None:
            return None
        inside = math.fsum(probability[n] for n in wanted)
        outside = math.fsum(probability[n] for n in range(3) if n not in wanted)
        least = min(least, math.log(max(inside, _LEAST)) - math.log(max(outside, _LEAST)))
    return least if asked else None
