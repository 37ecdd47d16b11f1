"""Clumping: of variants in linkage disequilibrium, the one with the smallest p-value speaks."""

import numpy as np
import polars as pl

from genomed.schema import Packed
from genomed.stats.ld import r2_pairs

__all__ = ["clump"]


def clump(
    store: Packed,
    rows: np.ndarray,
    p_value: np.ndarray,
    *,
    r2: float = 0.5,
    window_kb: float = 250,
    max_index_p: float = 1e-4,
    max_p: float = 0.01,
    founders: np.ndarray | None = None,
    haplotypes: bool = True,
    threads: int = 1,
) -> pl.DataFrame:
    """Gather variants around index variants, as plink 1.9 --clump does (its defaults are these).

    In the order of their p-values, variants up to max_index_p that belong to no clump yet become
    the index of one. It takes in all others up to max_p that belong to none, lie nearer than
    window_kb and have r2 with it above the limit.

    rows       : int64, ascending; positions ascending within a contig
    p_value    : float64 (rows,), NaN for a variant that is not to be looked at
    founders   : bool (samples,), whom to measure r2 on; by default those without parents
    haplotypes : whether r2 is that of alleles on haplotypes, as in plink 1.9, or of ALT counts
    returns    : row Int64 · index_row Int64 · p Float64, variants that belong to a clump, in the
                 order of the clumps, the index first, then its members in the order of the store.
                 Of equal p-values the earlier row comes first
    raises     : ValueError when there are not as many p-values as rows, or one is not in 0 .. 1
    """
    p = np.asarray(p_value, np.float64)
    if p.shape != np.shape(rows) or not (np.isnan(p) | ((p >= 0) & (p <= 1))).all():
        raise ValueError("a p-value from 0 to 1, or NaN, is needed for every row")
    good = p <= max(max_p, max_index_p)
    rows, p = np.ascontiguousarray(rows, np.int64)[good], p[good]
    pairs = r2_pairs(
        store,
        rows,
        window_kb=window_kb - 0.001,
        min_r2=r2,
        founders=founders,
        haplotypes=haplotypes,
        anchors=p <= max_index_p,
        threads=threads,
    ).filter(pl.col("r2") > r2)
    first = np.searchsorted(rows, pairs["row1"].to_numpy())
    second = np.searchsorted(rows, pairs["row2"].to_numpy())
    start, partner = _adjacency(len(rows), first, second)
    index = np.full(len(rows), -1)
    rank = np.zeros(len(rows), np.int64)
    for n, place in enumerate(np.lexsort((rows, p))):
        if index[place] >= 0 or p[place] > max_index_p:
            continue
        near = partner[start[place] : start[place + 1]]
        near = near[(index[near] < 0) & (p[near] <= max_p)]
        index[near] = index[place] = place
        rank[near] = rank[place] = n
    inside = np.flatnonzero(index >= 0)
    order = inside[np.lexsort((inside, inside != index[inside], rank[inside]))]
    return pl.DataFrame({"row": rows[order], "index_row": rows[index[order]], "p": p[order]})


def _adjacency(n: int, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Partners of every place, place after place: where each one's begin (n + 1,), and all."""
    source = np.concatenate([first, second])
    target = np.concatenate([second, first])
    order = np.lexsort((target, source))
    start = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=n))])
    return start, target[order]
