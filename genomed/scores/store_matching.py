"""Variants of a bundle in a store of packed calls: by contig, position and both alleles."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import polars as pl

from genomed.regions import canonical_contig

__all__ = ["StoreMatch", "match_store", "read_matched"]

LOW = np.uint64(0x5555555555555555)
KEY = ("contig", "position", "ref", "alt")


class StoreMatch(NamedTuple):
    """Where each variant is.

    row     : int64 (variants,), row of the store, -1 for none
    swapped : bool (variants,), the store has the other allele as ALT
    reason  : codes of genomed.ledger.REASONS: exact, swapped, absent or alleles_differ
    """

    row: np.ndarray
    swapped: np.ndarray
    reason: list[str]


def match_store(variants: pl.DataFrame, store: pl.DataFrame, usable: np.ndarray) -> StoreMatch:
    """Find variants among the rows of a store; the first row that fits, REF as REF before others.

    variants : contig · position · ref · alt; store : the same and more, one row per record
    usable   : bool (rows,), of the store; False for records of several ALTs
    """
    wanted = _canonical(variants.select(KEY)).with_row_index("variant")
    rows = _canonical(store.select(KEY)).with_row_index("row")
    rows = rows.join(wanted.select("contig", "position"), on=["contig", "position"], how="semi")
    here = wanted.join(rows.select("contig", "position"), on=["contig", "position"], how="semi")
    fitting = rows.filter(pl.Series(usable)[rows["row"]])
    row = np.full(len(variants), -1)
    swapped = np.zeros(len(variants), bool)
    turned = fitting.rename({"ref": "alt", "alt": "ref"})
    for table, other in ((fitting, False), (turned, True)):
        found = wanted.join(table, on=list(KEY), how="inner").sort("variant", "row")
        found = found.unique("variant", keep="first", maintain_order=True)
        place = found["variant"].to_numpy()
        new = row[place] < 0
        row[place[new]] = found["row"].to_numpy()[new]
        swapped[place[new]] = other
    reason = np.where(row < 0, "absent", np.where(swapped, "swapped", "exact")).astype(object)
    at_place = np.zeros(len(variants), bool)
    at_place[here["variant"].to_numpy()] = True
    reason[at_place & (row < 0)] = "alleles_differ"
    return StoreMatch(row, swapped, reason.tolist())


def read_matched(read: Callable[[np.ndarray], np.ndarray], match: StoreMatch) -> np.ndarray:
    """Calls as copies of the bundle's ALT: uint64 (variants, words); not called where not found.

    read : rows of the store, int64 ascending -> uint64 (rows, words)
    """
    found = np.flatnonzero(match.row >= 0)
    found = found[np.argsort(match.row[found], kind="stable")]
    got = read(match.row[found])
    words = np.full((len(match.row), got.shape[1]), ~np.uint64(0))
    words[found] = got
    words[match.swapped] = _turned(words[match.swapped])
    return words


def _turned(words: np.ndarray) -> np.ndarray:
    """Copies of the other allele: 0 and 2 change places, 1 and 3 (not called) stay."""
    return np.asarray(words ^ ((~words & LOW) << np.uint64(1)))


def _canonical(table: pl.DataFrame) -> pl.DataFrame:
    """Contigs spelt the one way, alleles in upper case."""
    names = {name: canonical_contig(name) for name in table["contig"].unique()}
    spelt = pl.col("contig").replace_strict(names, return_dtype=pl.Utf8)
    return table.with_columns(spelt, pl.col("ref", "alt").str.to_uppercase())
