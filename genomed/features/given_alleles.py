"""Alleles that are to be judged whatever the reads show: what `--sites` and `reads score` give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from genomed.regions import Region
from genomed.stats.call_pieces import Piece

__all__ = ["GivenAlleles"]

NEAR_BP = 5_000  # alleles so close are looked for in one go


class GivenAlleles:
    """Alleles by contig, sorted by place."""

    def __init__(self, alleles: Mapping[str, Iterable[Piece]]) -> None:
        self._alleles = {contig: sorted(set(some)) for contig, some in alleles.items()}
        self._places = {
            contig: np.array([allele.position for allele in some], np.int64)
            for contig, some in self._alleles.items()
        }

    def within(self, contig: str, start: int, end: int) -> list[Piece]:
        """Those whose position lies in a stretch, 0-based, `end` not included."""
        if contig not in self._alleles:
            return []
        low, high = np.searchsorted(self._places[contig], [start, end])
        return self._alleles[contig][low:high]

    def regions(self, contigs: Sequence[str]) -> Iterator[Region]:
        """Stretches that hold all of them, contig after contig."""
        for contig in contigs:
            places = self._places.get(contig, np.empty(0, np.int64))
            for some in np.split(places, np.flatnonzero(np.diff(places) > NEAR_BP) + 1):
                if len(some):
                    yield Region(contig, int(some[0]), int(some[-1]) + 1)
