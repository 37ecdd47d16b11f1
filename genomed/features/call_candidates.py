"""Candidates of a tile: what reads hold beside the reference, and the haplotypes it may make up.

Candidates close to each other are one cluster: a read may show one truth as several differences,
so its haplotypes are judged, not its differences one by one. Which candidates go together is taken
from the reads themselves.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from genomed.features.call_tiles import Tile
from genomed.kernels import call_candidates as kernels
from genomed.kernels import pileup
from genomed.settings import CallSettings
from genomed.stats.call_pieces import Piece

__all__ = ["Candidates", "Clusters", "count_bases", "find_candidates", "make_clusters"]

LETTERS = np.frombuffer(b"ACGTN", np.uint8)
LEAST_SPANNING = 0.3  # of the reads at a long repeat; no other can show that its length differs
LONG_INDEL_BP = 30  # fewer reads are asked for the longer an indel is, down to a fifth here


class Candidates(NamedTuple):
    """Differences from the reference, by place; each is normalised and there once.

    position : int64, 0-based: the base that is exchanged, or the base before an indel
    length   : int64, bases more or less than the reference, 0 for an exchanged base
    end      : int64, behind the last base of the reference that is exchanged or deleted
    reach    : int64, bases by which an indel could be moved to the right
    reads    : int64, that show it
    letters  : uint8 codes; candidate c has letters[offset[c]:offset[c + 1]], the new base or the
               inserted ones
    given    : bool, to be judged whatever the reads show
    event    : int64 (events, 2), candidate and read of every indel, by candidate
    best     : int32 (positions, 2), reads of the most frequent insertion and deletion behind each
    """

    position: np.ndarray
    length: np.ndarray
    end: np.ndarray
    reach: np.ndarray
    reads: np.ndarray
    letters: np.ndarray
    offset: np.ndarray
    given: np.ndarray
    event: np.ndarray
    best: np.ndarray


class Clusters(NamedTuple):
    """Candidates that are judged together, and their haplotypes, the reference's first.

    candidate_first : int64 (clusters + 1,), of the candidates, which are in `order`
    order           : int64, which candidate; bit b of a mask is the b-th one of the cluster
    start           : int64 (clusters,), 0-based place of the first base that haplotypes replace
    haplotype_first : int64 (clusters + 1,)
    mask            : int64 (haplotypes,), candidates that each holds
    bases           : uint8 letters of all haplotypes; offset : int64 (haplotypes + 1,)
    """

    candidate_first: np.ndarray
    order: np.ndarray
    start: np.ndarray
    haplotype_first: np.ndarray
    mask: np.ndarray
    bases: np.ndarray
    offset: np.ndarray


def count_bases(tile: Tile, settings: CallSettings) -> np.ndarray:
    """Counts of kernels.pileup over the tile and its margin: int32 (positions, N_COUNTS)."""
    counts = np.zeros((len(tile.ref), pileup.N_COUNTS), np.int32)
    reads = tile.reads
    pileup.pile_up(
        reads.data, reads.place, reads.start, reads.flag, reads.mapq, tile.ref, tile.first,
        settings.min_base_quality, np.zeros((6, len(tile.ref) + 1), np.int32), counts,
    )  # fmt: skip
    return counts


def find_candidates(
    tile: Tile,
    counts: np.ndarray,
    settings: CallSettings,
    given: Sequence[Piece] = (),
) -> Candidates:
    """Bases and indels that enough reads of a tile, or of its margin, show, and those given."""
    limits = settings.min_snp_fraction, settings.min_reads, settings.single_read_depth
    snps = np.empty((3 * len(tile.ref), 3), np.int64)  # of which few are touched
    n_snps = kernels.list_snps(counts, tile.ref, *limits, snps)
    snps = snps[:n_snps].copy()
    indels, letters, event, best = _find_indels(tile, counts, settings)
    position = np.concatenate([snps[:, 0] + tile.first, indels[:, 0]])
    length = np.concatenate([np.zeros(n_snps, np.int64), indels[:, 1]])
    reads = np.concatenate([snps[:, 2], indels[:, 2]])
    sizes = np.concatenate([np.ones(n_snps, np.int64), np.maximum(indels[:, 1], 0)])
    offset = np.concatenate([[0], np.cumsum(sizes)])
    letters = np.concatenate([snps[:, 1].astype(np.uint8), letters])
    is_given = np.zeros(len(position), bool)
    if given:
        position, length, reads, letters, offset, is_given = _with_given(
            tile, given, position, length, reads, letters, offset
        )
    reach = np.zeros(len(position), np.int64)
    kernels.indel_reach(tile.ref, position - tile.first, length, letters, offset, reach)
    end = position + 1 + np.maximum(-length, 0)
    order = np.lexsort((np.arange(len(position)), length != 0, position))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    event[:, 0] = rank[event[:, 0] + n_snps]
    event = event[np.lexsort((event[:, 1], event[:, 0]))]
    letters, offset = _reordered(letters, offset, order)
    return Candidates(
        position[order], length[order], end[order], reach[order], reads[order], letters, offset,
        is_given[order], event, best,
    )  # fmt: skip


def _with_given(
    tile: Tile,
    given: Sequence[Piece],
    position: np.ndarray,
    length: np.ndarray,
    reads: np.ndarray,
    letters: np.ndarray,
    offset: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Add the alleles given that are not there yet; and which of all are given.

    Those that the reference has anyway, or that reach beyond it, are left out.
    """
    texts = [letters[a:b].tobytes() for a, b in itertools.pairwise(offset.tolist())]
    found = zip(position.tolist(), length.tolist(), texts, strict=True)
    at = {Piece(*one): i for i, one in enumerate(found)}
    new = []
    is_given = np.zeros(len(position), bool)
    for allele in given:
        place = allele.position - tile.first
        fits = place >= 0 and place + 1 + max(-allele.length, 0) <= len(tile.ref)
        if allele in at:
            is_given[at[allele]] = True
        elif fits and (allele.length or tile.ref[place] != allele.letters[0]):
            new.append(allele)
    sizes = [len(allele.letters) for allele in new]
    return (
        np.concatenate([position, np.array([a.position for a in new], np.int64)]),
        np.concatenate([length, np.array([a.length for a in new], np.int64)]),
        np.concatenate([reads, np.zeros(len(new), np.int64)]),
        np.concatenate([letters, np.frombuffer(b"".join(a.letters for a in new), np.uint8)]),
        np.concatenate([offset, offset[-1] + np.cumsum(np.array(sizes, np.int64))]),
        np.concatenate([is_given, np.ones(len(new), bool)]),
    )


def _reordered(
    letters: np.ndarray, offset: np.ndarray, order: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The runs of letters in another order."""
    sizes = np.diff(offset)[order]
    new = np.concatenate([[0], np.cumsum(sizes)])
    source = np.repeat(offset[:-1][order] - new[:-1], sizes) + np.arange(new[-1])
    return letters[source], new


def _find_indels(
    tile: Tile, counts: np.ndarray, settings: CallSettings
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Indels with enough reads: (position, length, reads); inserted letters; their events; best.

    events : int64 (events, 2), indel and read
    """
    reads = tile.reads
    n = pileup.count_indels(reads.data, reads.place)
    events, hashes = np.empty((n, 6), np.int64), np.empty(n, np.uint64)
    n = pileup.list_indels(
        reads.data, reads.place, reads.start, reads.flag, tile.ref, tile.first,
        settings.min_base_quality, events, hashes,
    )  # fmt: skip
    events, hashes = events[:n], hashes[:n]
    order = np.lexsort((events[:, 2], hashes, events[:, 1], events[:, 0]))
    events, hashes = events[order], hashes[order]
    best = np.zeros((len(tile.ref), 2), np.int32)
    if n == 0:
        return np.empty((0, 3), np.int64), np.empty(0, np.uint8), np.empty((0, 2), np.int64), best
    is_new = np.ones(n, bool)
    is_new[1:] = (np.diff(events[:, :2], axis=0) != 0).any(axis=1) | (hashes[1:] != hashes[:-1])
    group = np.cumsum(is_new) - 1
    first = np.flatnonzero(is_new)
    found = events[first]
    n_reads = np.bincount(group)
    place = found[:, 0] - tile.first
    np.maximum.at(best, (place, (found[:, 1] < 0).astype(np.int64)), n_reads.astype(np.int32))
    letters, offset = _inserted(tile, found)
    reach = np.zeros(len(found), np.int64)
    kernels.indel_reach(tile.ref, place, found[:, 1].copy(), letters, offset, reach)
    depth = np.maximum(counts[place, pileup.READS], n_reads)
    at_place = np.bincount(place, n_reads, len(tile.ref))[place]
    alike = _alike_in_reach(found[:, 0], found[:, 1], n_reads, reach)
    size = np.abs(found[:, 1])  # aligners clip most reads at a long one
    limit = settings.min_indel_fraction * np.clip(1 - size / LONG_INDEL_BP, 0.2, 1) * depth
    limit *= np.clip(1 - (reach + size) / _read_length(tile, found[:, 2]), LEAST_SPANNING, 1)
    keep = (
        (n_reads >= settings.min_indel_reads) & (size <= settings.max_indel_bp)
        & (np.maximum(at_place, alike) >= limit) & (np.maximum(n_reads, alike) >= limit / 2)
    )  # fmt: skip
    new = np.cumsum(keep) - 1
    chosen = keep[group]
    event = np.stack([new[group[chosen]], events[chosen, 2]], axis=1)
    found, n_reads = found[keep], n_reads[keep]
    letters, _ = _inserted(tile, found)
    return np.stack([found[:, 0], found[:, 1], n_reads], axis=1), letters, event, best


def _inserted(tile: Tile, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inserted letters of indels (rows of list_indels' events), and where those of each begin."""
    sizes = np.maximum(found[:, 1], 0)
    offset = np.concatenate([[0], np.cumsum(sizes)])
    letters = np.empty(offset[-1], np.uint8)
    kernels.inserted_letters(
        tile.reads.data, tile.reads.place,
        *(np.ascontiguousarray(found[:, c]) for c in (2, 4, 5)), sizes, offset, letters,
    )  # fmt: skip
    return letters, offset


def _read_length(tile: Tile, read: np.ndarray) -> np.ndarray:
    """Bases of reads (SAMv1 section 4.2: l_seq), at least one: int64 (reads,)."""
    at = tile.reads.place[read][:, None] + np.arange(16, 20)
    return np.maximum(tile.reads.data[at].view("<i4")[:, 0].astype(np.int64), 1)


def _alike_in_reach(
    position: np.ndarray, length: np.ndarray, n_reads: np.ndarray, reach: np.ndarray
) -> np.ndarray:
    """Reads of indels of the same length up to where each could be moved: int64 (indels,).

    Aligners put a wrong base of a repeat into an insertion, which then looks like another one.
    """
    span = int(position.max()) + int(reach.max()) + 1 - int(position.min())
    key = length * (2 * span) + position - position.min()
    order = np.argsort(key, kind="stable")
    sums = np.concatenate([[0], np.cumsum(n_reads[order])])
    first = np.searchsorted(key[order], key)
    last = np.searchsorted(key[order], key + reach, side="right")
    return sums[last] - sums[first]


def make_clusters(tile: Tile, candidates: Candidates, settings: CallSettings) -> Clusters:
    """Cluster the candidates; those of clusters that do not touch the tile are left out."""
    order, first = _cluster(tile, candidates, settings)
    seen = _seen_together(tile, candidates, order, first, settings)
    masks: list[int] = []
    bases: list[np.ndarray] = []
    haplotype_first = [0]
    spans = _spans(tile, candidates, order, first)
    for c, (start, end) in enumerate(spans.tolist()):
        members = order[first[c] : first[c + 1]]
        kept: dict[bytes, int] = {}
        for mask in _masks(len(members), seen.get(c, []), settings):
            haplotype = _haplotype(tile, candidates, members, mask, start, end)
            if haplotype is not None and kept.setdefault(haplotype.tobytes(), mask) == mask:
                masks.append(mask)
                bases.append(haplotype)
                if len(kept) == settings.max_haplotypes:
                    break
        haplotype_first.append(len(masks))
    sizes = [len(one) for one in bases]
    return Clusters(
        first, order, spans[:, 0].copy(),
        np.array(haplotype_first, np.int64), np.array(masks, np.int64),
        LETTERS[np.concatenate(bases)] if bases else np.empty(0, np.uint8),
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
    )  # fmt: skip


def _spans(tile: Tile, candidates: Candidates, order: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Stretch of each cluster; one with an indel takes in the repeats that it touches.

    A read that ends within a repeat cannot tell how long the repeat is.

    returns : int64 (clusters, 2)
    """
    if len(first) == 1:
        return np.empty((0, 2), np.int64)
    start = np.minimum.reduceat(candidates.position[order], first[:-1])
    end = np.maximum.reduceat(candidates.end[order], first[:-1])
    spans = np.stack([start, end], axis=1) - tile.first
    has_indel = np.logical_or.reduceat(candidates.length[order] != 0, first[:-1])
    kernels.take_in_repeats(tile.ref, has_indel, spans)
    spans[:, 0] = np.maximum.accumulate(spans[:, 0])  # clusters stay sorted
    return spans + tile.first


def _cluster(
    tile: Tile, candidates: Candidates, settings: CallSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Which candidates go together: their numbers, cluster after cluster, and where each begins."""
    order: list[int] = []
    first = [0]
    members: list[int] = []

    def rank(c: int) -> tuple[bool, int, int]:
        return not candidates.given[c], -int(candidates.reads[c]), c

    def close() -> None:
        inside = any(tile.start <= positions[c] < tile.end for c in members)
        if inside:
            best = sorted(members, key=rank)
            order.extend(sorted(best[: settings.max_candidates]))
            first.append(len(order))

    positions, is_indel = candidates.position.tolist(), (candidates.length != 0).tolist()
    until = (candidates.end + candidates.reach).tolist()
    gap = settings.cluster_gap_bp
    reached, of_indels = -1, -1  # ends of the members, and of the indels among them
    for c, position in enumerate(positions):
        border = max(reached + (gap if is_indel[c] else 0), of_indels + gap)
        too_long = members and position - positions[members[0]] > settings.max_cluster_bp
        if members and (position >= border or too_long):
            close()
            members, reached, of_indels = [], -1, -1
        members.append(c)
        reached = max(reached, until[c])
        if is_indel[c]:
            of_indels = max(of_indels, until[c])
    if members:
        close()
    return np.array(order, np.int64), np.array(first, np.int64)


def _seen_together(
    tile: Tile, candidates: Candidates, order: np.ndarray, first: np.ndarray, settings: CallSettings
) -> dict[int, list[int]]:
    """Cluster -> masks that reads hold that span it, the most frequent first."""
    sizes = np.diff(first)
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    bit = np.arange(len(order)) - first[:-1][cluster]
    many = sizes[cluster] > 1
    of = np.full(len(candidates.position), -1, np.int64)  # candidate -> place in `order`
    of[order[many]] = np.flatnonzero(many)
    snps = np.flatnonzero((of >= 0) & (candidates.length == 0))
    reads = tile.reads
    arguments = (
        reads.data, reads.place, reads.start, reads.end, candidates.position[snps],
        candidates.letters[candidates.offset[snps]].astype(np.int64), settings.min_base_quality,
    )  # fmt: skip
    pairs = np.empty((kernels.snp_reads(*arguments, None), 2), np.int64)
    kernels.snp_reads(*arguments, pairs)
    pairs[:, 0] = snps[pairs[:, 0]]
    pairs = np.concatenate([pairs, candidates.event])
    at = of[pairs[:, 0]]
    read, at = pairs[at >= 0, 1], at[at >= 0]
    if not len(at):
        return {}
    start = np.minimum.reduceat(candidates.position[order], first[:-1])
    end = np.maximum.reduceat(candidates.end[order], first[:-1])
    spans = (reads.start[read] <= start[cluster[at]]) & (reads.end[read] >= end[cluster[at]])
    read, at = read[spans], at[spans]
    if not len(at):
        return {}
    key = np.lexsort((read, cluster[at]))
    read, at = read[key], at[key]
    is_new = np.ones(len(at), bool)
    is_new[1:] = (np.diff(read) != 0) | (np.diff(cluster[at]) != 0)
    begin = np.flatnonzero(is_new)
    mask = np.bitwise_or.reduceat(np.int64(1) << bit[at], begin)
    combined, n_reads = np.unique(
        np.stack([cluster[at][begin], mask], axis=1), axis=0, return_counts=True
    )
    seen: dict[int, list[int]] = {}
    for i in np.lexsort((combined[:, 1], -n_reads, combined[:, 0])).tolist():
        seen.setdefault(int(combined[i, 0]), []).append(int(combined[i, 1]))
    return seen


def _masks(n: int, seen: list[int], settings: CallSettings) -> list[int]:
    """Haplotypes to try: the reference, what reads hold most often, and each candidate alone.

    Each candidate alone comes before the rarer of what reads hold; fewer candidates come before
    more, so that what is the same sequence is told in the fewest.
    """
    frequent = seen[: max(4, settings.max_haplotypes - 1 - n)]
    masks = dict.fromkeys([0, *frequent, *(1 << b for b in range(n))])
    return sorted(masks, key=lambda mask: (mask.bit_count(), mask))


def _haplotype(
    tile: Tile, candidates: Candidates, members: np.ndarray, mask: int, start: int, end: int
) -> np.ndarray | None:
    """Codes of the stretch with the candidates of a mask; None where they overlap."""
    parts: list[np.ndarray] = []
    at = start
    for b, c in enumerate(members.tolist()):
        if not mask >> b & 1:
            continue
        position, length = int(candidates.position[c]), int(candidates.length[c])
        letters = candidates.letters[candidates.offset[c] : candidates.offset[c + 1]]
        kept = position + (length != 0)  # an indel leaves the base before it
        if kept < at:
            return None
        parts += (tile.ref[at - tile.first : kept - tile.first], letters)
        at = int(candidates.end[c])
    parts.append(tile.ref[at - tile.first : end - tile.first])
    return np.concatenate(parts)
