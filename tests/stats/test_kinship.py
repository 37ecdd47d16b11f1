"""Kinship of pairs against its definition, and unrelated sets against theirs."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packed_cohorts import array_store

from genomed.stats import kinship, kinship_device, packed_device
from genomed.stats.kinship import autosomal_rows, king_table, relations, unrelated
from genomed.tables import TABLES

DEVICES = ["cpu", "torch", pytest.param("cuda", marks=pytest.mark.gpu)]
COUNTS = ["n_snps", "n_het_het", "n_ibs0", "n_het1_hom2", "n_hom1_het2"]


def naive_counts(x: np.ndarray, y: np.ndarray) -> list[int]:
    good = (x >= 0) & (y >= 0)
    a, b = x[good], y[good]
    het, hom = (a == 1, b == 1), (a != 1, b != 1)
    return [
        len(a),
        int((het[0] & het[1]).sum()),
        int((np.abs(a - b) == 2).sum()),
        int((het[0] & hom[1]).sum()),
        int((hom[0] & het[1]).sum()),
    ]


def naive_kinship(counts: Sequence[int]) -> float | None:
    _, het_het, ibs0, het1, het2 = counts
    fewer = het_het + min(het1, het2)
    return 0.5 - (4 * ibs0 + het1 + het2) / (4 * fewer) if fewer else None


def assert_is_definition(table: pl.DataFrame, counts: np.ndarray, least: float | None) -> None:
    n = counts.shape[1]
    expected = []
    for j in range(n):
        for i in range(j):
            pair = naive_counts(counts[:, i], counts[:, j])
            k = naive_kinship(pair)
            if least is None or (k is not None and k >= least):
                expected.append((f"s{i}", f"s{j}", *pair, k))
    assert table.select("sample1", "sample2", *COUNTS, "kinship").rows() == expected


@st.composite
def cohorts(draw) -> np.ndarray:
    """int8 counts: rare and common variants of either orientation, people alike, calls missing."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n_variants, n_samples = draw(st.integers(0, 150)), draw(st.integers(1, 70))
    p = rng.choice([0.001, 0.02, 0.5, 0.98, 0.999], n_variants)
    counts = rng.binomial(2, p[:, None], (n_variants, n_samples)).astype(np.int8)
    for s in range(1, n_samples):
        if rng.random() < 0.3:
            counts[:, s] = counts[:, rng.integers(0, s)]
    missing = draw(st.sampled_from([0, 0.01, 0.2, 0.95])) * rng.choice([0, 1], (n_variants, 1))
    counts[rng.random(counts.shape) < missing] = -9
    return counts


@pytest.mark.parametrize("device", DEVICES)
@settings(max_examples=100)
@given(cohorts(), st.sampled_from([None, -1.0, 0.0, 0.1, 0.5]))
def test_counts_and_kinship_are_their_definition(
    device: str, counts: np.ndarray, least: float | None
):
    table = king_table(array_store(counts), min_kinship=least, device=device)
    assert_is_definition(table, counts, least)


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles, tasks and blocks so small that a little cohort has many of them."""
    for name, value in (
        ("WHOLE_TILE", 32), ("TILE", 32), ("WIDE_TILE", 64), ("TASK", 7), ("ROOM", 40),
        ("BLOCK_BYTES", 1),
    ):  # fmt: skip
        monkeypatch.setattr(kinship, name, value)


def mixed_counts(seed: int, n_variants: int, n_samples: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    p = rng.beta(0.2, 0.5, (n_variants, 1))
    counts = rng.binomial(2, p, (n_variants, n_samples)).astype(np.int8)
    counts[rng.random(counts.shape) < 0.03] = -9
    counts[:, 5] = np.where(rng.random(n_variants) < 0.7, -9, counts[:, 5])
    return counts


@pytest.mark.parametrize("kept_bytes", [0, 1 << 20])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.usefixtures("small_tiles")
def test_tiles_blocks_and_threads_change_nothing(
    kept_bytes: int, threads: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(kinship, "KEPT_BYTES", kept_bytes)
    counts = mixed_counts(1, 400, 150)
    assert_is_definition(king_table(array_store(counts), threads=threads), counts, None)


@pytest.mark.parametrize("device", DEVICES[1:])
@pytest.mark.parametrize("kept_bytes", [0, 1 << 20])
def test_a_device_finds_the_table_of_the_processor_to_the_last_bit(
    device: str, kept_bytes: int, monkeypatch: pytest.MonkeyPatch
):
    for name, value in (("READ_BYTES", 4096), ("TILES", {"cpu": 64, "cuda": 64})):
        monkeypatch.setattr(kinship_device, name, value)
    monkeypatch.setattr(kinship_device, "ROOM", {"cpu": 900, "cuda": 900})
    monkeypatch.setattr(packed_device, "_room", lambda _: kept_bytes)
    store = array_store(mixed_counts(6, 2000, 150))
    for least in (None, -0.2, 0.0):
        expected = king_table(store, min_kinship=least)
        assert king_table(store, min_kinship=least, device=device).equals(expected)
        assert 0 < expected.height <= 150 * 149 / 2


def test_sums_of_many_rare_variants_do_not_overflow():
    rng = np.random.default_rng(2)
    counts = np.zeros((9000, 40), np.int8)
    counts[np.arange(9000), rng.integers(2, 40, 9000)] = 1
    counts[:, :2] = rng.choice([1, 2, 2, 2, -9], (9000, 2))
    store = array_store(counts)
    table = king_table(store)
    assert_is_definition(table, counts, None)
    assert table["n_snps"].min() < 9000


@pytest.mark.parametrize("n_missing", [0, 254, 255, 256, 700])
def test_samples_with_many_missing_calls_at_common_variants(n_missing: int):
    counts = np.random.default_rng(3).integers(0, 3, (800, 33)).astype(np.int8)
    counts[:n_missing, 3] = -9
    counts[50 : 50 + n_missing, 32] = -9
    assert_is_definition(king_table(array_store(counts)), counts, None)


def test_chromosomes_1_to_22_count_in_either_spelling():
    counts = np.random.default_rng(4).integers(0, 3, (7, 4)).astype(np.int8)
    store = array_store(counts, ["1", "chr22", "X", "Y", "MT", "23", "Chr7"])
    assert king_table(store)["n_snps"].to_list() == [3] * 6
    rows = np.array([0, 2])
    assert king_table(store, rows)["n_snps"].to_list() == [2] * 6


def test_tables_have_the_columns_of_the_dictionary():
    for shape in ((0, 3), (5, 1), (5, 2)):
        table = king_table(array_store(np.zeros(shape, np.int8)))
        assert table.columns == list(TABLES["kinship"])
        assert table["kinship"].null_count() == len(table)
        assert table["relation"].null_count() == len(table)


def test_planted_relatives_get_their_names():
    rng = np.random.default_rng(5)
    n = 20_000
    p = rng.uniform(0.1, 0.9, n)

    def founder() -> np.ndarray:
        return rng.random((2, n)) < p

    def child(*parents: np.ndarray) -> np.ndarray:
        return np.stack([np.where(rng.random(n) < 0.5, *parent) for parent in parents])

    father, mother, other, stranger = (founder() for _ in range(4))
    one, two = child(father, mother), child(father, mother)
    half = child(father, other)
    grandchild = child(one, stranger)
    people = [father, mother, other, stranger, one, two, half, grandchild, one]
    counts = np.stack([person.sum(axis=0) for person in people], axis=1).astype(np.int8)
    found = {
        (row["sample1"], row["sample2"]): row["relation"]
        for row in king_table(array_store(counts)).iter_rows(named=True)
        if row["relation"] != "unrelated"
    }
    assert found == {
        ("s4", "s8"): "duplicate",
        ("s0", "s4"): "parent_child", ("s1", "s4"): "parent_child",
        ("s0", "s8"): "parent_child", ("s1", "s8"): "parent_child",
        ("s0", "s5"): "parent_child", ("s1", "s5"): "parent_child",
        ("s0", "s6"): "parent_child", ("s2", "s6"): "parent_child",
        ("s4", "s7"): "parent_child", ("s3", "s7"): "parent_child", ("s7", "s8"): "parent_child",
        ("s4", "s5"): "siblings", ("s5", "s8"): "siblings",
        ("s4", "s6"): "second_degree", ("s5", "s6"): "second_degree",
        ("s6", "s8"): "second_degree", ("s0", "s7"): "second_degree",
        ("s1", "s7"): "second_degree", ("s5", "s7"): "second_degree",
        ("s6", "s7"): "third_degree",
    }  # fmt: skip


def test_degrees_part_at_the_powers_of_two_of_the_paper():
    values = [0.36, 0.35, 0.35, 0.178, 0.176, 0.09, 0.088, 0.045, 0.044, -1.0, None]
    ibd0 = pl.Series([0.0, 0.09, 0.11, 0.3, 0.0, 0, 0, 0, 0, 2, None])
    named = relations(pl.Series(values), ibd0)
    assert named.to_list() == [
        "duplicate", "parent_child", "siblings", "siblings", "second_degree", "second_degree",
        "third_degree", "third_degree", "unrelated", "unrelated", None,
    ]  # fmt: skip


def naive_unrelated(n_samples: int, edges: np.ndarray) -> np.ndarray:
    partners: dict[int, set[int]] = {s: set() for s in range(n_samples)}
    for one, other in edges.tolist():
        partners[one].add(other)
        partners[other].add(one)
    kept = np.ones(n_samples, bool)
    while any(partners.values()):
        single = [s for s in range(n_samples) if len(partners[s]) == 1]
        if single:
            (gone,) = partners[single[0]]
        else:
            gone = max(range(n_samples), key=lambda s: (len(partners[s]), -s))
        kept[gone] = False
        for partner in partners.pop(gone):
            partners[partner].discard(gone)
        partners[gone] = set()
    return kept


@given(st.integers(2, 25), st.data())
def test_unrelated_sets_are_their_definition_and_cannot_be_enlarged(n: int, data):
    pairs = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda p: p[0] != p[1])
    edges = np.array(data.draw(st.lists(pairs, max_size=60)), np.int64).reshape(-1, 2)
    kept = unrelated(n, edges)
    np.testing.assert_array_equal(kept, naive_unrelated(n, edges))
    assert not (kept[edges[:, 0]] & kept[edges[:, 1]]).any()
    for gone in np.flatnonzero(~kept):
        mine = edges[(edges == gone).any(axis=1)]
        assert kept[mine].any()


def test_edges_that_are_no_pair_are_a_value_error():
    for edge in ((0, 3), (-1, 0), (1, 1)):
        with pytest.raises(ValueError, match="no pair of 3"):
            unrelated(3, np.array([edge]))


def test_autosomes_are_told_by_the_contigs_name() -> None:
    names = ["1", "chr22", "X", "chrY", "MT", "23", "25", "chr7", "0", "GL000192.1"]
    store = array_store(np.zeros((len(names), 2), np.int8), contigs=names)
    assert autosomal_rows(store.variants).tolist() == [0, 1, 7]
