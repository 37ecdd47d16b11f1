"""Clumps against their definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packed_cohorts import array_store

from genomed.stats.clump import clump


def r2_of(x: np.ndarray, y: np.ndarray) -> float:
    good = (x >= 0) & (y >= 0)
    a, b = x[good].astype(float), y[good].astype(float)
    if not len(a) or not a.std() or not b.std():
        return 0.0
    return float(np.corrcoef(a, b)[0, 1] ** 2)


def naive_clumps(counts, position, p, r2, kb, index_p, max_p) -> list[tuple[int, int]]:
    free = [v for v in range(len(p)) if p[v] <= max(max_p, index_p)]
    found = []
    for v in sorted(free, key=lambda v: (p[v], v)):
        if v not in free or p[v] > index_p:
            continue
        members = [
            w
            for w in free
            if w != v
            and p[w] <= max_p
            and abs(position[w] - position[v]) < kb * 1000
            and r2_of(counts[v], counts[w]) > r2 + 1e-12
        ]
        found += [(v, v), *((w, v) for w in members)]
        free = [w for w in free if w != v and w not in members]
    return found


@given(
    st.integers(0, 2**32), st.integers(1, 30), st.sampled_from([0.05, 0.3, 0.7]),
    st.sampled_from([1, 5, 60]), st.sampled_from([(1, 1), (0.3, 0.6), (0.6, 0.3), (0, 1)]),
)  # fmt: skip
def test_clumps_are_their_definition(seed: int, n: int, r2: float, kb: int, limits):
    rng = np.random.default_rng(seed)
    counts = rng.binomial(2, 0.4, (n, 50)).astype(np.int8)
    for v in range(1, n):
        copied = rng.random(50) < 0.7
        counts[v, copied] = counts[rng.integers(0, v), copied]
    counts[rng.random(counts.shape) < 0.02] = -9
    position = np.sort(rng.integers(1, 60_000, n))
    p = rng.choice([0, 0.1, 0.2, 0.3, 0.31, 0.9, np.nan], n)
    store = array_store(counts, positions=position.tolist())
    found = clump(
        store,
        np.arange(n),
        p,
        r2=r2,
        window_kb=kb,
        max_index_p=limits[0],
        max_p=limits[1],
        haplotypes=False,
    )
    assert found.select("row", "index_row").rows() == naive_clumps(
        counts, position, p, r2, kb, *limits
    )


def test_contigs_are_apart_and_rows_are_those_of_the_store():
    counts = np.tile(np.array([0, 1, 2, 1, 0], np.int8), (4, 1))
    store = array_store(counts, ["1", "1", "2", "2"], [1, 2, 1, 2])
    found = clump(store, np.array([1, 2, 3]), np.array([0.5, 0.2, 0.1]), max_index_p=1, max_p=1)
    assert found.rows() == [(3, 3, 0.1), (2, 3, 0.2), (1, 1, 0.5)]


def test_p_values_that_are_none_are_a_value_error():
    store = array_store(np.zeros((2, 3), np.int8))
    for p in ([0.5], [0.5, 1.5], [-0.1, 0.2]):
        with pytest.raises(ValueError, match="p-value"):
            clump(store, np.arange(2), np.array(p))
    assert clump(store, np.arange(2), np.array([np.nan, np.nan])).is_empty()
