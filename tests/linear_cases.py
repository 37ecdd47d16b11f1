"""Small regression problems for tests of the linear trunk, with the design written out."""

from typing import NamedTuple

import numpy as np
import pytest
from packed_cohorts import packed

from genomed.models.columns import Columns, additive_columns


class Problem(NamedTuple):
    """columns; their values float64 (n, c); a linear predictor (n,); alt counts (c, n)."""

    columns: Columns
    dense: np.ndarray
    eta: np.ndarray
    alt_count: np.ndarray


def written_out(columns: Columns) -> np.ndarray:
    """Every column, sample by sample, in the plainest way: float64 (n, c + d)."""
    n = columns.n_samples
    out = np.empty((n, columns.n_columns))
    for j, row in enumerate(columns.row):
        for s in range(n):
            word = int(columns.words[row, s // 32])
            out[s, j] = columns.value[j, word >> (2 * (s % 32)) & 3]
    out[:, len(columns.row) :] = columns.dense.T
    return out


def problem(seed: int, n: int, p: int, n_causal: int = 10, *, missing: float = 0.01) -> Problem:
    """Unlinked variants of all frequencies, some of them with effects of one size."""
    rng = np.random.default_rng(seed)
    alt_count = rng.binomial(2, rng.uniform(0.05, 0.5, p)[:, None], (p, n)).astype(np.int8)
    alt_count[rng.random((p, n)) < missing] = -9
    columns = additive_columns(packed(alt_count), n, np.ones(n))
    dense = written_out(columns)
    effect = np.zeros(p)
    effect[rng.choice(p, n_causal, replace=False)] = rng.choice([-1.0, 1.0], n_causal)
    return Problem(columns, dense, dense @ effect / np.sqrt(n_causal), alt_count)


def linked_alt_count(seed: int, n_samples: int, n_variants: int) -> np.ndarray:
    """Common variants of a population simulated by msprime, evenly spaced: int8 (variants, n)."""
    msprime = pytest.importorskip("msprime")
    trees = msprime.sim_ancestry(
        n_samples, population_size=10_000, sequence_length=n_variants * 1500,
        recombination_rate=1e-8, random_seed=seed,
    )  # fmt: skip
    trees = msprime.sim_mutations(trees, rate=1.5e-8, random_seed=seed)
    rows = []
    for variant in trees.variants():
        count = variant.genotypes.reshape(-1, 2).sum(axis=1)
        if len(variant.alleles) == 2 and 0.05 < count.mean() / 2 < 0.95:
            rows.append(count.astype(np.int8))
    chosen = np.linspace(0, len(rows) - 1, n_variants).astype(int)
    assert len(np.unique(chosen)) == n_variants
    return np.array(rows)[chosen]
