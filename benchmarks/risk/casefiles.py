"""A simulated case as arrays, as the peers want it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from genomed.io.packed import open_store

ROWS = 500  # decoded at a time
TSV = {"separator": "\t", "null_values": "NA"}


class Case(NamedTuple):
    """One trait on one store.

    samples    : names
    calls      : float32 (samples, variants), by column, standardised over develop people, gaps 0
    covariates : float64 (samples, k), standardised over develop people, or of no columns
    y          : float64 (samples,)
    test       : bool (samples,)
    """

    samples: list[str]
    calls: np.ndarray
    covariates: np.ndarray
    y: np.ndarray
    test: np.ndarray

    @property
    def binary(self) -> bool:
        """True when the trait is 0 or 1."""
        return bool(np.isin(self.y, (0, 1)).all())

    def folds(self, n: int, seed: int) -> np.ndarray:
        """Folds of develop people, 1 .. n, cases spread evenly; 0 for test people."""
        fold = np.zeros(len(self.y), np.int32)
        rng = np.random.default_rng(seed)
        develop = np.flatnonzero(~self.test)
        shuffled = rng.permutation(develop)
        if self.binary:
            shuffled = shuffled[np.argsort(self.y[shuffled], kind="stable")]
        fold[shuffled] = np.arange(len(shuffled)) % n + 1
        return fold


def read_case(directory: Path, trait: str, covariates: bool) -> Case:
    """Read a case; only develop people decide means and deviations."""
    store = open_store(directory / "store")
    traits = pl.read_csv(directory / "traits.tsv", **TSV)
    split = pl.read_csv(directory / "split.tsv", **TSV)
    test = (split["set"] == "test").to_numpy()
    calls = np.empty((store.n_variants, store.n_samples), np.float32)
    for first in range(0, store.n_variants, ROWS):
        rows = np.arange(first, min(first + ROWS, store.n_variants))
        calls[rows] = _standardised(unpack(store.read(rows), store.n_samples), ~test)
    known = np.empty((store.n_samples, 0))
    if covariates:
        known = encode(pl.read_csv(directory / "covariates.tsv", **TSV), ~test)
    return Case(store.samples, calls.T, known, traits[trait].to_numpy().astype(float), test)


def unpack(words: np.ndarray, n_samples: int) -> np.ndarray:
    """uint8 (variants, samples), 3 missing, of packed calls."""
    shift = np.arange(0, 8, 2, dtype=np.uint8)
    quarters = words.view(np.uint8)[:, : -(-n_samples // 4), None] >> shift & np.uint8(3)
    return quarters.reshape(len(words), -1)[:, :n_samples]


def _standardised(codes: np.ndarray, develop: np.ndarray) -> np.ndarray:
    """Mean 0 and variance 1 in the develop people; gaps and constant rows are 0."""
    values = codes.astype(np.float32)
    known = codes != 3
    used = known & develop
    n = used.sum(axis=1, keepdims=True).clip(1)
    mean = (values * used).sum(axis=1, keepdims=True) / n
    spread = np.sqrt((((values - mean) ** 2) * used).sum(axis=1, keepdims=True) / n)
    return np.where(known & (spread > 0), (values - mean) / np.where(spread > 0, spread, 1), 0)


def encode(table: pl.DataFrame, develop: np.ndarray) -> np.ndarray:
    """Numbers standardised, words as columns of 0 and 1; gaps at the mean, with a column too."""
    columns = []
    for name in table.columns[1:]:
        series = table[name]
        if series.null_count():
            columns.append(series.is_null().to_numpy().astype(float))
        if series.dtype == pl.Utf8:
            levels = series.drop_nulls().unique().sort().to_list()[1:]
            columns += [(series == level).fill_null(False).to_numpy() * 1.0 for level in levels]
        else:
            values = series.cast(pl.Float64).to_numpy()
            columns.append(np.nan_to_num(values, nan=float(np.nanmean(values[develop]))))
    matrix = np.column_stack(columns)
    spread = matrix[develop].std(axis=0)
    return (matrix - matrix[develop].mean(axis=0)) / np.where(spread > 0, spread, 1)
