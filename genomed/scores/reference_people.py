"""The same models on the people of a reference, so that a cohort's scores have something to be
compared with.

Only distributions of the same sum can be compared. So both sides are summed over the variants that
were found in the cohort and can be counted in the reference, with the same alleles; what the cohort
has beyond these is summed apart and taken off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
import polars as pl

from genomed.io.packed import PackedStore
from genomed.kernels import scoring as kernel
from genomed.kernels.packed import unpack_rows
from genomed.ledger import USED
from genomed.regions import canonical_contig
from genomed.schema import VariantBatch
from genomed.scores.matching import EXACT, HOM_REF_CALLED, Entries, RowMatches
from genomed.scores.polygenic import ScoreSums

__all__ = ["ReferencePeople"]

BLOCK_CALLS = 1 << 23  # unpacked at a time, one byte each
COMPARABLE = tuple(reason for reason in USED if reason != "imputed_reference")


class ReferencePeople:
    """Where the reference holds each model variant, and what its people score.

    usable : bool (entries,), found in the reference with the model's alleles, and called there
    """

    def __init__(self, store: PackedStore, entries: Entries, threads: int) -> None:
        self._store, self._threads = store, threads
        n = entries.table.height
        self._entries = replace(
            entries,
            reason=entries.table["refused"].to_numpy(allow_copy=True).astype(object),
            taken=np.zeros(n, bool),
            seen=np.zeros(n, bool),
            in_block=np.zeros(n, bool),
        )
        rows = _rows(store.variants)
        found = self._entries.match(rows)
        kept = found.fit < HOM_REF_CALLED
        called = store.count(rows["store_row"].to_numpy()[found.row], threads=threads)[:, :3]
        kept &= called.sum(axis=1) > 0
        self._rows = rows
        self._entry, self._row = found.entry[kept], found.row[kept]
        self._count, self._ambiguous = found.count[kept], found.ambiguous[kept]
        self.usable = np.zeros(n, bool)
        self.usable[self._entry] = True

    def comparable(self, cohort: Entries) -> np.ndarray:
        """Entries that both sides are summed over, bool (entries,), once the cohort is settled."""
        return self.usable & np.isin(cohort.reason.astype(str), COMPARABLE)

    def scores(
        self,
        cohort: Entries,
        n_models: int,
        reference_frequency: np.ndarray,
        missing: str,
        map_fn: Callable[[Callable[[int], None], Iterable[int]], Iterable[None]] = map,
    ) -> np.ndarray:
        """Scores of the reference people over the comparable entries: float64 (models, people).

        An A/T or C/G variant is counted as it was in the cohort, for both are on one strand.
        """
        sums = ScoreSums(
            self._entries, n_models, self._store.n_samples, reference_frequency, missing=missing,
            ambiguous="keep", map_fn=map_fn,
        )  # fmt: skip
        keep = self.comparable(cohort)[self._entry]
        entry, row = self._entry[keep], self._row[keep]
        count = self._as_in_cohort(cohort)[keep]
        order = np.lexsort((entry, row))
        entry, row, count = entry[order], row[order], count[order]
        group = self._rows["line"].to_numpy()
        for first, stop in self._blocks(group[row]):
            here = np.flatnonzero(np.isin(group, group[row[first:stop]]))
            batch = self._batch(here)
            local = np.searchsorted(here, row[first:stop])
            n = stop - first
            found = RowMatches(
                entry[first:stop], local, np.full(n, EXACT, np.int8), count[first:stop],
                np.zeros(n, bool),
            )  # fmt: skip
            sums.add(batch, group[here], self._rows["canonical"].to_numpy()[here], found)
        sums.finish()
        return sums.sums

    def _as_in_cohort(self, cohort: Entries) -> np.ndarray:
        """What is counted for each entry; that of ambiguous ones follows the cohort's strand."""
        flipped = np.isin(cohort.reason[self._entry].astype(str), ("flipped", "flipped_swapped"))
        turned = np.where(self._count == kernel.COUNT_REF, kernel.COUNT_ALT, kernel.COUNT_REF)
        return np.where(self._ambiguous & flipped, turned, self._count).astype(np.int8)

    def _blocks(self, group: np.ndarray) -> Iterator[tuple[int, int]]:
        """Bounds of blocks of entries that never part the rows of one record."""
        size = max(1, BLOCK_CALLS // self._store.n_samples)
        first = 0
        while first < len(group):
            stop = int(np.searchsorted(group, group[min(first + size, len(group)) - 1], "right"))
            yield first, stop
            first = stop

    def _batch(self, here: np.ndarray) -> VariantBatch:
        rows = self._rows[here]
        words = self._store.read(rows["store_row"].to_numpy(), self._threads)
        alt_count = np.empty((len(here), self._store.n_samples), np.int8)
        unpack_rows(words, self._store.n_samples, alt_count)
        return VariantBatch(rows, alt_count)


def _rows(variants: pl.DataFrame) -> pl.DataFrame:
    """A store's variants as Entries.match takes them; neighbours at one place, with one REF, are
    one record. Rows that count several ALTs as one are left out."""
    names = {c: canonical_contig(c) for c in variants["contig"].unique()}
    canonical = pl.col("contig").replace_strict(names, return_dtype=pl.Utf8)
    rows = variants.filter(~pl.col("alt").str.contains(",", literal=True)).select(
        pl.int_range(pl.len(), dtype=pl.Int64).alias("row"),
        pl.col("row").alias("store_row"),
        canonical.alias("canonical"),
        "contig",
        "position",
        "id",
        "ref",
        "alt",
        (pl.col("position") + pl.col("ref").str.len_bytes().cast(pl.Int64) - 1).alias(
            "end_position"
        ),
        pl.struct("contig", "position", "ref").rle_id().cast(pl.Int64).alias("line"),
    )
    return rows.with_columns(pl.len().over("line").cast(pl.Int32).alias("n_alts"))
