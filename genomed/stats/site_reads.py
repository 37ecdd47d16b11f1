"""The bases that reads show at given sites, gathered while alignments pass by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genomed.kernels import site_counts as kernel
from genomed.regions import ContigNames
from genomed.schema import AlignmentBlock

__all__ = ["EXCLUDED_FLAGS", "SiteCounter", "SiteReads"]

EXCLUDED_FLAGS = 0x704  # not mapped, secondary, failed, duplicate: as samtools mpileup passes over
ROOM = 1 << 20  # observations that are gathered before they are put in order


@dataclass(frozen=True)
class SiteReads:
    """Observations of bases, sorted by site.

    offset  : int64 (sites + 1,), where those of each site begin
    site    : int32 (observations,), place of the site in the list that was asked for
    code    : uint8, 0 to 3 A C G T, 4 another base, 5 a deletion; 8 more on the reverse strand
    quality : uint8, phred, the lower one of the base's and the read's mapping quality
    """

    offset: np.ndarray
    site: np.ndarray
    code: np.ndarray
    quality: np.ndarray

    @property
    def n_sites(self) -> int:
        """Sites, with and without observations."""
        return len(self.offset) - 1

    @classmethod
    def joined(cls, parts: Sequence[SiteReads], order: np.ndarray) -> SiteReads:
        """Those of lists of sites that follow each other, as of one list.

        order : int64 (sites,), place of each of the sites in the one list
        """
        shift = np.cumsum([0, *(p.n_sites for p in parts)])
        pieces = [p.site + s for p, s in zip(parts, shift, strict=False)]
        site = order[np.concatenate(pieces)] if pieces else np.empty(0, np.int64)
        code = np.concatenate([np.empty(0, np.uint8), *(p.code for p in parts)])
        quality = np.concatenate([np.empty(0, np.uint8), *(p.quality for p in parts)])
        by_site = np.argsort(site, kind="stable")
        site = site[by_site].astype(np.int32)
        offset = np.searchsorted(site, np.arange(len(order) + 1)).astype(np.int64)
        return cls(offset, site, code[by_site], quality[by_site])

    def part(self, first: int, stop: int) -> SiteReads:
        """Those of the sites first .. stop - 1, which become 0 and so on."""
        some = slice(int(self.offset[first]), int(self.offset[stop]))
        return SiteReads(
            self.offset[first : stop + 1] - self.offset[first],
            self.site[some] - np.int32(first), self.code[some], self.quality[some],
        )  # fmt: skip

    def counts(self, min_quality: int = 0) -> np.ndarray:
        """Reads by base and strand: int32 (sites, 6, 2), of A C G T, other, deleted, each forward
        and reverse."""
        counts = np.zeros((self.n_sites, 6, 2), np.int32)
        kernel.count_observations(self.site, self.code, self.quality, min_quality, counts)
        return counts

    def kinds(self, ref: np.ndarray, alt: np.ndarray) -> np.ndarray:
        """What each observation shows of two alleles: uint8, 0 REF, 1 ALT, 2 neither.

        ref, alt : uint8 (sites,), 0 to 3
        """
        if len(ref) != self.n_sites or len(alt) != self.n_sites:
            raise ValueError(f"alleles of {len(ref)} sites for {self.n_sites}")
        kind = np.empty(len(self.site), np.uint8)
        kernel.classify(
            self.site, self.code, ref.astype(np.uint8, copy=False),
            alt.astype(np.uint8, copy=False), kind,
        )  # fmt: skip
        return kind


class SiteCounter:
    """Gathers observations from blocks of alignments that come in the order of a sorted file.

    contigs     : names as the file lists them
    site_contig : names (sites,), in any usual spelling; site_start : int64 (sites,), 0-based
    overlaps    : whether two reads of one fragment that overlap count twice (samtools mpileup -x);
                  else they count once, and not at all where they disagree
    """

    def __init__(
        self,
        contigs: Sequence[str],
        site_contig: Sequence[str] | np.ndarray,
        site_start: np.ndarray,
        *,
        min_mapping_quality: int = 0,
        excluded_flags: int = EXCLUDED_FLAGS,
        overlaps: bool = False,
    ) -> None:
        self.n_sites = len(site_start)
        self._excluded, self._least = excluded_flags, min_mapping_quality
        self._overlaps = overlaps
        names = ContigNames(contigs)
        site_names = np.asarray(site_contig, dtype=object)
        known = {
            name: -1 if (at := names.place(str(name))) is None else at for name in set(site_names)
        }
        contig = np.array([known[name] for name in site_names], np.int64)
        start = np.asarray(site_start, np.int64)
        self._order = np.lexsort((start, contig))
        edges = np.searchsorted(contig[self._order], np.arange(len(contigs) + 1))
        self._range = {
            i: slice(int(edges[i]), int(edges[i + 1]))
            for i in np.unique(contig[contig >= 0]).tolist()
        }
        self._position = np.ascontiguousarray(start[self._order])
        self.n_unknown = int((contig < 0).sum())
        self._n = 0
        self._site, self._code = np.empty(ROOM, np.int32), np.empty(ROOM, np.uint8)
        self._quality, self._name = np.empty(ROOM, np.uint8), np.empty(ROOM, np.uint64)
        self._contig = -1
        self._done: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    @property
    def contig_sites(self) -> dict[int, np.ndarray]:
        """Contig's index in the file -> 0-based positions of its sites, rising."""
        return {contig: self._position[part] for contig, part in self._range.items()}

    def add(self, block: AlignmentBlock, start: int = 0, end: int | None = None) -> None:
        """Take the bases of a block of alignments; only sites in start .. end - 1 where given.

        Blocks of one contig come one after the other, as the reader gives them.
        """
        if block.contig != self._contig:
            self._settle(None)
            self._contig = block.contig
        sites = self._range.get(block.contig)
        if sites is None or not len(block.place):
            return
        position = self._position[sites]
        first = int(np.searchsorted(position, start)) if start else 0
        stop = len(position) if end is None else int(np.searchsorted(position, end))
        read, stuck = 0, -1  # the read that did not fit the last time, either
        while first < stop:
            self._n, read = kernel.observe_sites(
                block.data, block.place, block.start, block.end, block.flag, block.mapq, read,
                position, first, stop, self._excluded, self._least, self._site, self._code,
                self._quality, self._name, self._n,
            )  # fmt: skip
            if read == len(block.place):
                break
            self._settle(int(block.start[read]))
            if self._n > len(self._site) // 2 or read == stuck:
                self._grow()
            stuck = read

    def finish(self) -> SiteReads:
        """All observations, under the places of the sites as they were given."""
        self._settle(None)
        parts = self._done or [(np.empty(0, np.int32), *np.empty((2, 0), np.uint8))]
        site, code, quality = (np.concatenate(x) for x in zip(*parts, strict=True))
        self._done = []
        sorted_reads = SiteReads(np.zeros(self.n_sites + 1, np.int64), site, code, quality)
        return SiteReads.joined([sorted_reads], self._order)

    def _settle(self, before: int | None) -> None:
        """Put observations in order whose sites no further read reaches: those before a position
        on the contig, or all."""
        n, sites = self._n, self._range.get(self._contig)
        if not n or sites is None:
            return
        site, name = self._site[:n], self._name[:n]
        if before is None:
            ready = np.ones(n, bool)
        else:
            ready = site < np.searchsorted(self._position[sites], before)
        order = np.lexsort((name[ready], site[ready]))
        s, c, q, m = (
            a[:n][ready][order] for a in (self._site, self._code, self._quality, self._name)
        )
        keep = np.ones(len(s), bool)
        if not self._overlaps:
            kernel.keep_fragments(s, c, q, m, keep)
        self._done.append((s[keep] + np.int32(sites.start), c[keep], q[keep]))
        rest = ~ready
        self._n = int(rest.sum())
        for array in (self._site, self._code, self._quality, self._name):
            array[: self._n] = array[:n][rest]

    def _grow(self) -> None:
        """Twice the room: reads are deep here."""
        for name in ("_site", "_code", "_quality", "_name"):
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.empty_like(old)]))
