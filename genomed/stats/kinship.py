"""KING-robust kinship of all pairs, and a set of people no two of whom are related.

Kinship (Manichaikul et al. 2010, doi:10.1093/bioinformatics/btq559, equation 11), over the variants
called in both samples:

    1/2 - (4 IBS0 + het1 hom2 + hom1 het2) / (4 min(het1, het2))

where IBS0 is opposite homozygotes and het1 all heterozygous calls of sample 1: what plink2
--make-king-table prints. Counts are whole numbers and do not depend on threads, blocks or device.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from heapq import heappop, heappush
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from genomed.kernels.kinship import (
    N_COUNTS,
    N_PLANES,
    add_missing_pairs,
    add_pairs,
    count_samples,
    mark_rows,
    select_pairs,
    turn_rows,
)
from genomed.kernels.kinship_rare import add_rare_pairs, list_by_sample, list_odd
from genomed.kernels.packed import count_rows, keep_bits
from genomed.regions import AUTOSOMES, canonical_contig
from genomed.schema import Packed
from genomed.stats.kinship_tiles import Part, Tile, mean_opposites, opposites, tiles_of
from genomed.tables import TABLES

__all__ = ["autosomal_rows", "king_table", "relations", "unrelated"]

BLOCK_BYTES = 32 << 20  # packed calls read at a time
KEPT_BYTES = 448 << 20  # planes and marks of all variants that may stay in memory
WHOLE_TILE, TILE, WIDE_TILE = 4096, 2048, 4096  # samples a side
TASK = 32  # samples a task of a thread begins with
ROOM = 1 << 20  # pairs picked out at a time
RARE = 12  # with fewer than a twelfth of the samples odd, to look at these in pairs is quicker

# Least kinship of each degree and, for the first, least probability of IBD = 0 (Manichaikul et al.
# 2010, table 1: 2 to the power of -3/2, -5/2, -7/2, -9/2, and 0.1).
DUPLICATE, FIRST, SECOND, THIRD = (2.0**-power for power in (1.5, 2.5, 3.5, 4.5))
SIBLINGS_IBD0 = 0.1


def king_table(
    store: Packed,
    rows: np.ndarray | None = None,
    *,
    threads: int = 1,
    min_kinship: float | None = None,
    device: str = "cpu",
) -> pl.DataFrame:
    """Counts, kinship and relation of pairs of samples.

    rows        : int64, ascending; by default all of chromosomes 1 to 22, whatever their frequency
                  (plink2's choice). Where a record has several ALTs, they count as one
    min_kinship : pairs below it, and pairs without a kinship, are left out; None for all pairs.
                  Only the pairs that stay take memory
    device      : "cpu"; "cuda", "cuda:1" count on that device; "torch" with torch on the CPU. The
                  table is the same, to the last bit
    returns     : TABLES["kinship"], in the order of the store: sample2, for which sample1 comes
                  before
    """
    if rows is None:
        rows = autosomal_rows(store.variants)
    rows = np.ascontiguousarray(rows, np.int64)
    least = np.nan if min_kinship is None else float(min_kinship)
    if device == "cpu":
        with ThreadPoolExecutor(max(1, threads)) as pool:
            source = _Source(store, rows, pool, max(1, threads))
            tiles = tiles_of(source.n_samples, source.tile)
            parts = [part for tile in tiles for part in _pairs_of_tile(source, tile, least)]
            expected_ibs0 = source.expected_ibs0
    else:
        from genomed.stats.kinship_device import device_pairs  # noqa: PLC0415 - torch takes seconds

        parts, expected_ibs0 = device_pairs(store, rows, least, device, threads)
    pair, counts, kinship = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((pair[:, 0], pair[:, 1]))
    return _table(store.samples, pair[order], counts[order], kinship[order], expected_ibs0)


def autosomal_rows(variants: pl.DataFrame) -> np.ndarray:
    """Rows on chromosomes 1 to 22, spelt with or without ``chr``: int64."""
    names = variants["contig"].unique().to_list()
    kept = [name for name in names if canonical_contig(name) in AUTOSOMES]
    return variants.filter(pl.col("contig").is_in(kept))["row"].to_numpy()


def relations(kinship: pl.Series, ibd0: pl.Series) -> pl.Series:
    """Names of relations, by kinship and, for the first degree, the probability of IBD = 0.

    returns : duplicate, parent_child, siblings, second_degree, third_degree or unrelated; null
              where the kinship is not known
    source  : Manichaikul et al. 2010, table 1
    """
    k = pl.col("kinship")
    names = (
        pl.when(k > DUPLICATE)
        .then(pl.lit("duplicate"))
        .when((k > FIRST) & (pl.col("ibd0") < SIBLINGS_IBD0))
        .then(pl.lit("parent_child"))
        .when(k > FIRST)
        .then(pl.lit("siblings"))
        .when(k > SECOND)
        .then(pl.lit("second_degree"))
        .when(k > THIRD)
        .then(pl.lit("third_degree"))
        .when(k.is_not_null())
        .then(pl.lit("unrelated"))
        .otherwise(None)
    )
    frame = pl.DataFrame({"kinship": kinship, "ibd0": ibd0})
    return frame.select(names.alias("relation"))["relation"]


def unrelated(n_samples: int, edges: np.ndarray) -> np.ndarray:
    """Choose samples no two of which share an edge, as plink2 --king-cutoff does.

    While edges are left: the first sample with just one partner loses it; without such a sample,
    the one with the most partners (the first of them) goes. The set cannot be enlarged; a larger
    one may exist.

    edges   : int64 (edges, 2), pairs of samples that are too closely related
    returns : bool (samples,), True for those to keep
    """
    partners: dict[int, set[int]] = {}
    for one, other in np.asarray(edges, np.int64).reshape(-1, 2).tolist():
        if not (0 <= one < n_samples and 0 <= other < n_samples and one != other):
            raise ValueError(f"{one} and {other} are no pair of {n_samples} samples")
        partners.setdefault(one, set()).add(other)
        partners.setdefault(other, set()).add(one)
    kept = np.ones(n_samples, np.bool_)
    queue = _ByDegree(partners)
    while partners:
        gone = queue.next_to_go()
        kept[gone] = False
        for partner in partners.pop(gone):
            partners[partner].discard(gone)
            if not partners[partner]:
                del partners[partner]
            queue.changed(partner)
    return kept


class _ByDegree:
    """Samples by their number of partners; entries of a heap that are out of date are skipped."""

    def __init__(self, partners: dict[int, set[int]]) -> None:
        self._partners = partners
        self._single = sorted(sample for sample, others in partners.items() if len(others) == 1)
        self._most = sorted((-len(others), sample) for sample, others in partners.items())

    def next_to_go(self) -> int:
        """The partner of the first sample with one partner, else the sample with most partners."""
        while self._single:
            sample = heappop(self._single)
            others = self._partners.get(sample)
            if others is not None and len(others) == 1:
                return next(iter(others))
        while True:
            degree, sample = heappop(self._most)
            others = self._partners.get(sample)
            if others is not None and len(others) == -degree:
                return sample

    def changed(self, sample: int) -> None:
        """Note that a sample has lost a partner."""
        others = self._partners.get(sample)
        if others is not None:
            heappush(self._most, (-len(others), sample))
            if len(others) == 1:
                heappush(self._single, sample)


class _Rare(NamedTuple):
    """Who is odd where, see genomed.kernels.kinship_rare."""

    entry_start: np.ndarray
    entries: np.ndarray
    sample_start: np.ndarray
    by_sample: np.ndarray


class _Block(NamedTuple):
    """Calls of some variants, turned round.

    planes : uint64 (samples, 3, words), see genomed.kernels.kinship.turn_rows; of common variants
    marks  : uint64 (variants, words), see mark_rows; of common variants
    rare   : of all others
    """

    planes: np.ndarray
    marks: np.ndarray
    rare: _Rare


class _Source:
    """The calls of all variants, block by block, as often as needed.

    n_samples, n_variants : sizes
    tile                  : samples a side of the tiles that pairs are counted in
    n_het, n_missing      : int64 (samples,), of all variants, once all blocks were seen
    n_rare                : int64 (samples,), rare homozygotes at variants where few are odd
    expected_ibs0         : see mean_opposites, once all blocks were seen
    """

    def __init__(
        self, store: Packed, rows: np.ndarray, pool: ThreadPoolExecutor, threads: int
    ) -> None:
        self.pool, self._threads = pool, threads
        self._store, self._rows = store, rows
        self.n_samples, self.n_variants = len(store.samples), len(rows)
        self._n_words = -(-self.n_samples // 32)
        fits = self.n_variants * self._n_words * 20 <= KEPT_BYTES
        if self.n_samples <= WHOLE_TILE:
            self.tile = WHOLE_TILE
        else:
            self.tile = TILE if fits else WIDE_TILE
        self._keeps = fits and self.n_samples > WHOLE_TILE
        self._kept: list[_Block] = []
        self._seen = False
        self.n_het = np.zeros(self.n_samples, np.int64)
        self.n_missing = np.zeros(self.n_samples, np.int64)
        self.n_rare = np.zeros(self.n_samples, np.int64)
        self.expected_ibs0 = np.nan
        self._opposites: list[np.ndarray] = []

    def blocks(self) -> Iterator[_Block]:
        """All variants, some at a time."""
        if self._kept:
            yield from self._kept
            return
        at_once = KEPT_BYTES // 3 if self._keeps else BLOCK_BYTES
        block_rows = max(64, min(1 << 16, at_once // (8 * self._n_words)))
        blocks = self._store.blocks(self._rows, block_rows=block_rows, threads=self._threads)
        for packed in blocks:
            block = self._turn(packed.words)
            if self._keeps:
                self._kept.append(block)
            yield block
        if not self._seen:
            self.expected_ibs0 = mean_opposites(self._opposites)
        self._seen = True

    def _turn(self, words: np.ndarray) -> _Block:
        counts = np.empty((len(words), 4), np.int64)
        count_rows(words, keep_bits(np.ones(self.n_samples, np.bool_)), counts)
        n_odd = self.n_samples - np.maximum(counts[:, 0], counts[:, 2])
        is_rare = n_odd * RARE < self.n_samples
        totals = (self.n_het, self.n_rare, self.n_missing)
        if self._seen:
            totals = (np.zeros_like(self.n_het),) * 3
        else:
            self._opposites.append(opposites(counts))
        common = np.where(counts[:, 2] > counts[:, 0], 2, 0)
        chosen = np.flatnonzero(is_rare)
        rare = self._list_rare(words, chosen, common[chosen], n_odd[chosen], totals)
        marks = words[~is_rare]
        planes = np.empty((self.n_samples, N_PLANES, -(-len(marks) // 64)), np.uint64)

        def turn(w: int) -> None:
            turn_rows(marks, w, min(w + 8, self._n_words), np.empty(64, np.uint64), planes)

        self.each(turn, range(0, self._n_words, 8))
        count_samples(planes, totals[0], totals[2])
        mark_rows(marks)
        return _Block(planes, marks, rare)

    def _list_rare(
        self,
        words: np.ndarray,
        row: np.ndarray,
        common: np.ndarray,
        n_odd: np.ndarray,
        totals: tuple[np.ndarray, ...],
    ) -> _Rare:
        """Lists of odd samples; adds their odd calls to the totals."""
        entry_start = np.concatenate([[0], np.cumsum(n_odd)])
        entries = np.empty(entry_start[-1], np.int32)
        odd = np.zeros((3, self.n_samples), np.int64)
        list_odd(words, row, common, self.n_samples, entry_start, entries, *odd)
        sample_start = np.concatenate([[0], np.cumsum(odd.sum(axis=0))])
        by_sample = np.empty_like(entries)
        list_by_sample(entry_start, entries, sample_start[:-1].copy(), by_sample)
        for total, calls in zip(totals, odd, strict=True):
            total += calls
        return _Rare(entry_start, entries, sample_start, by_sample)

    def each(self, work: Callable[[Any], None], items: Iterable[Any]) -> None:
        """Do the work on every item, in threads."""
        for _ in self.pool.map(work, items):
            pass


class _Sums(NamedTuple):
    """What is added up for the pairs of a tile; see the kernels."""

    total: np.ndarray
    here: np.ndarray
    there: np.ndarray
    rare: np.ndarray
    pending: np.ndarray


def _pairs_of_tile(source: _Source, tile: Tile, least: float) -> list[Part]:
    """Pairs, counts and kinship of the pairs of a tile that are wanted."""
    n, m = tile.stop - tile.first, tile.others_stop - tile.others
    here = np.zeros((n, -(-m // 32) * 32, 2), np.int32)
    there = here if tile.below else np.zeros((m, -(-n // 32) * 32, 2), np.int32)
    rare = np.zeros((n, m), np.uint64)
    sums = _Sums(np.zeros((n, m, 2), np.int32), here, there, rare, np.zeros(n, np.int64))
    for block in source.blocks():
        _add_block(source, block, tile, sums)

    def select(first: int) -> Part:
        stop = min(first + step, tile.stop)
        room = (stop - first) * m
        pair = np.empty((room, 2), np.int32)
        counts = np.empty((room, N_COUNTS), np.int32)
        kinship = np.empty(room)
        found = select_pairs(
            sums.total, here, there, rare, source.n_rare, source.n_het, source.n_missing,
            source.n_variants, first, stop, tile.first, tile.others, tile.others_stop, tile.below,
            least, pair, counts, kinship,
        )  # fmt: skip
        return pair[:found].copy(), counts[:found].copy(), kinship[:found].copy()

    step = max(1, ROOM // max(m, 1))
    return list(source.pool.map(select, range(tile.first, tile.stop, step)))


def _add_block(source: _Source, block: _Block, tile: Tile, sums: _Sums) -> None:
    """Count the pairs of a tile in one block of variants."""
    span = (tile.others, tile.others_stop)

    def pairs(first: int) -> None:
        stop = min(first + TASK, tile.stop)
        add_rare_pairs(
            *block.rare, first, stop, tile.first, *span, tile.below, sums.rare, sums.pending,
            sums.total, sums.here, sums.there,
        )  # fmt: skip
        part = sums.total[first - tile.first : stop - tile.first]
        add_pairs(block.planes, first, stop, *span, tile.below, part)

    def missing(task: tuple[int, int, int, int, int, np.ndarray]) -> None:
        first, stop, origin, others, others_stop, table = task
        column = np.empty(8, np.uint64)
        add_missing_pairs(
            block.planes, block.marks, first, stop, others, others_stop,
            np.empty(len(block.marks), np.int64), column, column.view(np.uint8),
            table.reshape(len(table), -1)[first - origin : stop - origin],
        )  # fmt: skip

    sides = [(tile.first, tile.stop, *span, sums.here)]
    if not tile.below:
        sides.append((*span, tile.first, tile.stop, sums.there))
    source.each(pairs, range(tile.first, tile.stop, TASK))
    source.each(
        missing,
        [
            (first, min(first + TASK, stop), origin, others, others_stop, table)
            for origin, stop, others, others_stop, table in sides
            for first in range(origin, stop, TASK)
        ],
    )


def _table(
    samples: list[str],
    pair: np.ndarray,
    counts: np.ndarray,
    kinship: np.ndarray,
    expected_ibs0: float,
) -> pl.DataFrame:
    names = pl.Series(samples, dtype=pl.String)
    n_snps, n_ibs0 = counts[:, 0], counts[:, 2]
    with np.errstate(invalid="ignore", divide="ignore"):
        ibd0 = n_ibs0 / (n_snps * expected_ibs0)
    frame = pl.DataFrame(
        {
            "sample1": names.gather(pair[:, 0]),
            "sample2": names.gather(pair[:, 1]),
            "n_snps": n_snps,
            "n_het_het": counts[:, 1],
            "n_ibs0": n_ibs0,
            "n_het1_hom2": counts[:, 3],
            "n_hom1_het2": counts[:, 4],
            "kinship": kinship,
            "ibd0": np.where(np.isfinite(ibd0), ibd0, np.nan),
        },
        nan_to_null=True,
    )
    relation = relations(frame["kinship"], frame["ibd0"])
    return frame.with_columns(relation).select(list(TABLES["kinship"]))
