"""Runs of homozygosity against the definition, written the slow way."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from array_store import ArrayStore
from hypothesis import given
from hypothesis import strategies as st

from genomed.settings import RohSettings
from genomed.stats.roh import find_runs, summarise_runs
from genomed.tables import TABLES

LOOSE = RohSettings(
    snp=3, kb=0.0, density=1e6, gap=1e6, het=None, window_snp=4, window_het=0, window_missing=0
)


def naive_runs(calls: list[int], position: list[int], settings: RohSettings) -> list[tuple]:
    """(first place, last place, het calls, missing calls) of one sample's runs on one contig."""
    n, width = len(calls), settings.window_snp
    if n < width:
        return []
    good = [
        calls[i : i + width].count(1) <= settings.window_het
        and calls[i : i + width].count(-9) <= settings.window_missing
        for i in range(n - width + 1)
    ]
    runs, run = [], []
    for i in range(n):
        over = [k for k in range(n - width + 1) if k <= i < k + width]
        in_tail = i > n - width
        windows = n - i if in_tail else min(i + 1, width)
        enough = int(windows * settings.window_threshold + 1 - 2**-30)
        runs_on = sum(good[k] for k in over) >= enough
        is_het = calls[i] == 1
        far = bool(run) and position[i] - position[i - 1] > settings.gap * 1000
        full = is_het and [calls[k] for k in run].count(1) == settings.het
        if run and (not runs_on or far or full):
            runs.append(run)
            run = []
        if runs_on and (run or not (settings.het == 0 and is_het)):
            run.append(i)
    told, runs = [], [*runs, run]
    for run in runs:
        length = position[run[-1]] - position[run[0]] + 1 if run else 0
        dense = len(run) * settings.density * 1000 + 2**-30 >= length
        if len(run) >= settings.snp and length >= settings.kb * 1000 and dense:
            hets = [calls[k] for k in run].count(1)
            told.append((run[0], run[-1], hets, [calls[k] for k in run].count(-9)))
    return told


@given(
    data=st.data(),
    n_samples=st.integers(1, 40),
    n_variants=st.integers(0, 30),
    window_snp=st.integers(1, 9),
    window_het=st.integers(0, 2),
    window_missing=st.integers(0, 2),
    het=st.sampled_from([None, 0, 1, 3]),
    snp=st.integers(1, 5),
    threshold=st.sampled_from([0.0, 0.05, 0.25, 0.5, 1.0]),
    gap=st.sampled_from([2.0, 5.0, 1e6]),
    density=st.sampled_from([1.5, 1e6]),
    kb=st.sampled_from([0.0, 6.0]),
)
def test_runs_match_the_definition(
    data, n_samples, n_variants, window_snp, window_het, window_missing, het, snp, threshold, gap,
    density, kb,
):  # fmt: skip
    settings = RohSettings(
        snp, kb, density, gap, het, window_snp, window_het, window_missing, threshold
    )
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    calls = rng.choice(
        np.array([0, 1, 2, -9], np.int8), (n_variants, n_samples), p=[0.5, 0.2, 0.2, 0.1]
    )
    position = np.cumsum(rng.integers(1, 4, n_variants)) * 1000
    store = ArrayStore(calls, position=position.tolist())
    found = find_runs(store, np.arange(n_variants), settings)
    where = {at: place for place, at in enumerate(position.tolist())}
    got = [
        (row["sample"], where[row["first"]], where[row["last"]], row["n_het"], row["n_missing"])
        for row in found.iter_rows(named=True)
    ]
    expected = [
        (f"s{s}", *run)
        for s in range(n_samples)
        for run in naive_runs(calls[:, s].tolist(), position.tolist(), settings)
    ]
    assert got == expected


def test_blocks_and_threads_change_nothing():
    rng = np.random.default_rng(11)
    calls = rng.choice(np.array([0, 1, 2, -9], np.int8), (500, 1100), p=[0.6, 0.1, 0.28, 0.02])
    position = (np.cumsum(rng.integers(1, 4, 500)) * 1000).tolist()
    store = ArrayStore(calls, contig=["1"] * 300 + ["2"] * 200, position=position)
    settings = replace(LOOSE, window_snp=20, window_het=1, window_missing=1, snp=25)
    small, whole = store.blocks, store.words
    found = find_runs(store, np.arange(500), settings, threads=3)
    store.blocks = lambda rows=None, **_: small(rows, block_rows=7)
    assert found.height > 50
    assert found.equals(find_runs(store, np.arange(500), settings))
    assert store.words is whole


def test_a_run_does_not_cross_contigs():
    store = ArrayStore(np.zeros((8, 1), np.int8), contig=["1"] * 4 + ["2"] * 4)
    found = find_runs(store, np.arange(8), LOOSE)
    assert found["contig"].to_list() == ["1", "2"]
    assert found["n_variants"].to_list() == [4, 4]


def test_no_variants_and_all_missing_give_empty_tables():
    nothing = ArrayStore(np.zeros((0, 3), np.int8))
    missing = ArrayStore(np.full((50, 3), -9, np.int8))
    for store in (nothing, missing):
        found = find_runs(store, np.arange(store.n_variants), LOOSE)
        assert found.height == 0
        assert found.columns == list(TABLES["roh"])


def test_f_roh_is_the_share_of_the_covered_genome():
    runs = pl.DataFrame(
        {"sample": ["b", "b"], "length_kb": [10.0, 30.0]}, schema_overrides={"sample": pl.Utf8}
    )
    table = summarise_runs(runs, ["a", "b"], covered=100_000)
    assert table.columns == list(TABLES["roh_samples"])
    assert table.row(0) == ("a", 0, 0.0, None, None, 0.0)
    assert table.row(1) == ("b", 2, 40.0, 20.0, 30.0, 0.4)
    assert summarise_runs(runs, ["a"], covered=0)["f_roh"].to_list() == [None]


def test_settings_without_sense_are_refused():
    store = ArrayStore(np.zeros((8, 1), np.int8))
    for wrong in (replace(LOOSE, window_snp=0), replace(LOOSE, window_threshold=2.0)):
        with pytest.raises(ValueError, match=r"window|windows"):
            find_runs(store, np.arange(8), wrong)
