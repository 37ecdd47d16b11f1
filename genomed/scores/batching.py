"""Batches cut where positions change, so that what is decided per position is decided at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl

from genomed.schema import VariantBatch

__all__ = ["whole_positions"]


def whole_positions(batches: Iterable[VariantBatch]) -> Iterator[VariantBatch]:
    """The same rows, cut so that neighbours at one position (and so one record) stay together."""
    held: VariantBatch | None = None
    for batch in batches:
        if held is not None:
            n = _leading(batch, held.variants[0, "contig"], held.variants[0, "position"])
            if n:
                held = _joined(held, _rows(batch, 0, n))
                batch = _rows(batch, n, batch.n_variants)
            if not batch.n_variants:
                continue
            yield held
        last = batch.variants[-1, "contig"], batch.variants[-1, "position"]
        same = (batch.variants["contig"] == last[0]) & (batch.variants["position"] == last[1])
        differ = np.flatnonzero(~same.to_numpy())
        cut = int(differ[-1]) + 1 if len(differ) else 0
        if cut:
            yield _rows(batch, 0, cut)
        held = _rows(batch, cut, batch.n_variants)
    if held is not None:
        yield held


def _leading(batch: VariantBatch, contig: str, position: int) -> int:
    same = (
        (batch.variants["contig"] == contig) & (batch.variants["position"] == position)
    ).to_numpy()
    return int(np.argmin(same)) if not same.all() else len(same)


def _rows(batch: VariantBatch, first: int, stop: int) -> VariantBatch:
    part = slice(first, stop)
    return VariantBatch(
        batch.variants[part],
        batch.alt_count[part],
        None if batch.call_ploidy is None else batch.call_ploidy[part],
        None if batch.call_dosage is None else batch.call_dosage[part],
    )


def _joined(a: VariantBatch, b: VariantBatch) -> VariantBatch:
    ploidy = None
    if a.call_ploidy is not None or b.call_ploidy is not None:
        ploidy = np.concatenate(
            [
                np.full(x.alt_count.shape, 2, np.int8) if x.call_ploidy is None else x.call_ploidy
                for x in (a, b)
            ]
        )
    dosage = (
        np.concatenate([a.call_dosage, b.call_dosage])
        if a.call_dosage is not None and b.call_dosage is not None
        else None
    )
    return VariantBatch(
        pl.concat([a.variants, b.variants]),
        np.concatenate([a.alt_count, b.alt_count]),
        ploidy,
        dosage,
    )
