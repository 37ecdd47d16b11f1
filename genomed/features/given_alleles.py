"""Alleles that are to be judged whatever the reads show: what `--sites` gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

__all__ = ["GivenAllele", "GivenAlleles"]

_CODES = np.full(256, 4, np.uint8)
_CODES[np.frombuffer(b"ACGTacgt", np.uint8)] = [0, 1, 2, 3, 0, 1, 2, 3]


class GivenAllele(NamedTuple):
    """One alternative allele, as genomed.features.call_candidates tells it.

    position : 0-based: the base that is exchanged, or the base before an indel
    length   : bases more or less than the reference, 0 for an exchanged base
    letters  : codes of the new base, or of the inserted ones
    """

    position: int
    length: int
    letters: bytes

    @classmethod
    def of(cls, position: int, ref: str, alt: str) -> GivenAllele | None:
        """From a normalised row of a VCF; None unless it is one base, one insertion or deletion."""
        letters = _CODES[np.frombuffer(alt.encode(), np.uint8)]
        if (letters > 3).any() or not ref or not alt:
            return None
        if len(ref) == len(alt) == 1:
            return cls(position - 1, 0, letters.tobytes())
        if (len(ref) == 1) == (len(alt) == 1) or ref[0].upper() != alt[0].upper():
            return None
        return cls(position - 1, len(alt) - len(ref), letters[1:].tobytes())


class GivenAlleles:
    """Alleles by contig, sorted by place."""

    def __init__(self, alleles: Mapping[str, Iterable[GivenAllele]]) -> None:
        self._alleles = {contig: sorted(set(some)) for contig, some in alleles.items()}
        self._places = {
            contig: np.array([allele.position for allele in some], np.int64)
            for contig, some in self._alleles.items()
        }

    def within(self, contig: str, start: int, end: int) -> list[GivenAllele]:
        """Those whose position lies in a stretch, 0-based, `end` not included."""
        if contig not in self._alleles:
            return []
        low, high = np.searchsorted(self._places[contig], [start, end])
        return self._alleles[contig][low:high]
