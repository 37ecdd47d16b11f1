"""Diversity against its definitions and against scikit-allel on whole genotypes."""

import allel
import numpy as np
import pytest
from array_store import ArrayStore
from hypothesis import given
from hypothesis import strategies as st

from genomed.stats.diversity import group_counts, measure_diversity, weir_cockerham
from genomed.tables import TABLES


def simulated(n_variants: int, sizes: list[int], missing: float, seed: int) -> np.ndarray:
    """int8 (variants, samples): groups whose frequencies drifted apart."""
    rng = np.random.default_rng(seed)
    root = rng.uniform(0.05, 0.95, n_variants)
    parts = [
        rng.binomial(
            2, np.clip(root + rng.normal(0, 0.1, n_variants), 0, 1)[:, None], (n_variants, n)
        )
        for n in sizes
    ]
    calls = np.concatenate(parts, axis=1).astype(np.int8)
    calls[rng.random(calls.shape) < missing] = -9
    return calls


def members(sizes: list[int]) -> dict[str, np.ndarray]:
    of = np.repeat(np.arange(len(sizes)), sizes)
    return {f"g{k}": of == k for k in range(len(sizes))}


def genotypes(calls: np.ndarray) -> allel.GenotypeArray:
    pair = np.stack([calls == 2, calls >= 1], axis=2).astype(np.int8)
    pair[calls < 0] = -1
    return allel.GenotypeArray(pair)


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 9), min_size=2, max_size=4))
def test_weir_cockerham_is_that_of_scikit_allel(seed, sizes):
    calls = simulated(20, sizes, 0.1, seed)
    groups = members(sizes)
    counts = group_counts(ArrayStore(calls), np.arange(20), list(groups.values()))
    a, abc = weir_cockerham(counts)
    with np.errstate(invalid="ignore", divide="ignore"):
        parts = allel.weir_cockerham_fst(
            genotypes(calls), [np.flatnonzero(g) for g in groups.values()], max_allele=1
        )
    theirs = [part[:, 0] for part in parts]
    known = ~np.isnan(a)
    np.testing.assert_allclose(a[known], theirs[0][known], atol=1e-12)
    np.testing.assert_allclose(abc[known], sum(part[known] for part in theirs), atol=1e-12)


def test_counts_are_those_of_the_calls():
    sizes = [40, 3]
    calls = simulated(150, sizes, 0.2, 3)
    groups = list(members(sizes).values())
    counts = group_counts(ArrayStore(calls), np.arange(150), groups)
    for group, of_group in zip(groups, counts, strict=True):
        for k, code in enumerate((0, 1, 2, -9)):
            np.testing.assert_array_equal(of_group[:, k], (calls[:, group] == code).sum(axis=1))


def test_the_table_holds_what_scikit_allel_finds_in_the_genotypes():
    sizes = [30, 20]
    calls = simulated(400, sizes, 0.0, 5)
    position = np.sort(np.random.default_rng(6).choice(np.arange(1, 50_000), 400, replace=False))
    store = ArrayStore(calls, position=position.tolist())
    found = measure_diversity(store, np.arange(400), members(sizes), window_kb=10)
    whole = genotypes(calls)
    for row, group in zip(found.groups.iter_rows(named=True), members(sizes).values(), strict=True):
        own = whole.compress(group, axis=1)
        counts = own.count_alleles(max_allele=1)
        assert row["n_samples"] == group.sum()
        assert row["heterozygosity_observed"] == pytest.approx(
            np.mean(allel.heterozygosity_observed(own))
        )
        assert row["pi"] == pytest.approx(
            allel.sequence_diversity(position, counts, start=1, stop=int(position[-1]))
        )
        assert row["theta_w"] == pytest.approx(
            allel.watterson_theta(position, counts, start=1, stop=int(position[-1]))
        )
        assert row["n_segregating"] == counts.count_segregating()
    one, other = (
        whole.compress(g, axis=1).count_alleles(max_allele=1) for g in members(sizes).values()
    )
    fst, se, _, _ = allel.average_hudson_fst(one, other, blen=80)
    assert found.fst["hudson"][0] == pytest.approx(fst)
    assert 0.3 * se < found.fst["hudson_se"][0] < 3 * se


def test_identical_groups_do_not_differ_and_fixed_ones_differ_wholly():
    same = np.tile(np.array([[0, 1, 2, 1]], np.int8), (50, 2))
    apart = np.repeat(np.array([[0, 2]], np.int8), 4, axis=1).repeat(50, axis=0)
    groups = members([4, 4])
    position = (np.arange(50) * 1000 + 1).tolist()
    alike = measure_diversity(ArrayStore(same, position=position), np.arange(50), groups)
    unlike = measure_diversity(ArrayStore(apart, position=position), np.arange(50), groups)
    assert alike.fst["hudson"][0] <= 0
    assert unlike.fst["hudson"][0] == 1
    assert unlike.fst["weir_cockerham"][0] == 1
    assert unlike.groups["n_private"].to_list() == [50, 50]
    assert alike.groups["n_private"].to_list() == [0, 0]


@pytest.mark.parametrize("calls", [np.zeros((0, 4), np.int8), np.full((9, 4), -9, np.int8)])
def test_nothing_to_measure_gives_nulls(calls):
    found = measure_diversity(ArrayStore(calls), np.arange(len(calls)), members([2, 2]))
    assert found.groups.columns == list(TABLES["diversity"])
    assert found.fst.columns == list(TABLES["fst"])
    assert found.windows.columns == list(TABLES["diversity_windows"])
    assert found.groups["n_variants"].to_list() == [0, 0]
    assert found.groups["pi"].to_list() == [None, None]
    assert found.fst["hudson"].to_list() == [None]


def test_a_group_of_one_has_heterozygosity_but_no_f_st_of_its_own():
    calls = simulated(60, [1, 10], 0.0, 8)
    found = measure_diversity(ArrayStore(calls), np.arange(60), members([1, 10]))
    assert found.groups["heterozygosity_observed"][0] == np.mean(calls[:, 0] == 1)
    assert found.groups["tajima_d"][0] is None


def test_windows_follow_the_contigs():
    calls = simulated(30, [6], 0.0, 9)
    contig = ["1"] * 20 + ["2"] * 10
    position = [*range(500, 20_500, 1000), *range(500, 10_500, 1000)]
    store = ArrayStore(calls, contig=contig, position=position)
    windows = measure_diversity(store, np.arange(30), members([6]), window_kb=5).windows
    assert windows["contig"].to_list() == ["1"] * 4 + ["2"] * 2
    assert windows["first"].to_list() == [1, 5001, 10_001, 15_001, 1, 5001]
    assert windows["last"].to_list() == [5000, 10_000, 15_000, 19_500, 5000, 9500]
    assert windows["n_variants"].to_list() == [5] * 6


def test_windows_are_those_of_scikit_allel():
    calls = simulated(900, [25], 0.1, 10)
    position = np.sort(np.random.default_rng(11).choice(np.arange(1, 90_000), 900, replace=False))
    store = ArrayStore(calls, position=position.tolist())
    windows = measure_diversity(store, np.arange(900), members([25]), window_kb=7).windows
    counts = genotypes(calls).count_alleles(max_allele=1)
    extent = {"size": 7000, "start": 1, "stop": int(position[-1])}
    pi, places, _, n = allel.windowed_diversity(position, counts, **extent)
    d, _, _ = allel.windowed_tajima_d(position, counts, **extent)
    np.testing.assert_array_equal(windows.select("first", "last").to_numpy(), places)
    np.testing.assert_array_equal(windows["n_variants"].to_numpy(), n)
    np.testing.assert_allclose(windows["pi"].to_numpy(), pi)
    np.testing.assert_allclose(windows["tajima_d"].to_numpy(), d)
