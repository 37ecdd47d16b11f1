"""Batches cut where positions change, so that what is decided per position is decided at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl

from genomed.schema import VariantBatch

__all__ = ["whole_positions"]


def whole_positions(batches: Iterable[VariantBatch]) -> Iterator[VariantBatch]:
    """The same rows, cut so that neighbours at one position (and so one record) stay together.

    Most batches pass as they are, each once the next is there.
    """
    held: VariantBatch | None = None
    for batch in batches:
        if held is None:
            held = batch
            continue
        at = held.variants[-1, "contig"], held.variants[-1, "position"]
        here = _at(batch, *at)
        if not here[0]:
            yield held
            held = batch
            continue
        n = len(here) if here.all() else int(np.argmin(here))
        before = np.flatnonzero(~_at(held, *at))
        cut = int(before[-1]) + 1 if len(before) else 0
        if cut:
            yield _rows(held, 0, cut)
        held = _joined(_rows(held, cut, held.n_variants), _rows(batch, 0, n))
        if n < batch.n_variants:
            yield held
            held = _rows(batch, n, batch.n_variants)
    if held is not None:
        yield held


def _at(batch: VariantBatch, contig: str, position: int) -> np.ndarray:
    """Whether each row lies there, bool (variants,)."""
    return (
        (batch.variants["contig"] == contig) & (batch.variants["position"] == position)
    ).to_numpy()


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
