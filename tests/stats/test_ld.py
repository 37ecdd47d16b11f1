"""Pruning and correlations against their slow definitions."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packed_cohorts import ArrayStore, array_store

from genomed.stats import ld_device
from genomed.stats.ld import founder_mask, prune, r2_pairs

DEVICES = ["cpu", "torch", pytest.param("cuda", marks=pytest.mark.gpu)]
TIE = 1 + 2.0**-44


def naive_r2(x: np.ndarray, y: np.ndarray) -> float:
    """Squared correlation over samples called in both; -1 where one does not vary."""
    good = (x >= 0) & (y >= 0)
    a, b = x[good].astype(int), y[good].astype(int)
    n = len(a)
    covariance = n * int(a @ b) - int(a.sum()) * int(b.sum())
    variances = [n * int(z @ z) - int(z.sum()) ** 2 for z in (a, b)]
    return covariance**2 / (variances[0] * variances[1]) if all(variances) else -1.0


def naive_prune(
    counts: np.ndarray, position: Sequence[int], window: int, kb: bool, step: int, r2: float
) -> np.ndarray:
    """The windows, passes and rules of plink2 --indep-pairwise, one pair at a time."""
    n = len(counts)
    frequency, removed = np.zeros(n), np.zeros(n, bool)
    for v, row in enumerate(counts):
        called = row[row >= 0]
        removed[v] = len(np.unique(called)) < 2
        alt = called.sum() / max(2 * len(called), 1)
        frequency[v] = max(alt, 1 - alt)
    unchecked = list(range(1, n + 1))
    start = 0
    while start < n:
        here = [
            v
            for v in range(start, n)
            if (position[v] <= position[start] + window * 1000 if kb else v < start + window)
        ]
        end = here[-1] + 1
        again = True
        while again:
            again = False
            for i in range(start, end):
                if removed[i]:
                    continue
                j = max(unchecked[i], i + 1)
                while j < end:
                    if not removed[j] and naive_r2(counts[i], counts[j]) > r2 * TIE:
                        again = True
                        if frequency[i] > frequency[j] * TIE:
                            removed[i] = True
                        else:
                            removed[j] = True
                            j += 1
                        break
                    j += 1
                unchecked[i] = max(unchecked[i], j)
        if end >= n:
            break
        start += step
    for v in range(n):
        others = [position[i] for i in (v - 1, v + 1) if 0 <= i < n]
        if not any(not kb or abs(place - position[v]) <= window * 1000 for place in others):
            removed[v] = False
    return ~removed


@st.composite
def linked(draw) -> np.ndarray:
    """int8 counts of variants that resemble each other, 1 to 70 samples."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n_variants, n_samples = draw(st.integers(1, 30)), draw(st.integers(1, 140))
    missing = draw(st.sampled_from([0, 0, 0.02, 0.3, 0.9]))
    counts = np.empty((n_variants, n_samples), np.int8)
    for v in range(n_variants):
        p = rng.choice([0.01, 0.05, 0.3, 0.5, 0.9])
        new = rng.binomial(2, p, n_samples)
        likeness = rng.choice([0, 0.5, 0.9, 1])
        source = counts[rng.integers(0, v)] if v else new
        copied = np.where(rng.random() < 0.5, source, 2 - source)
        counts[v] = np.where(rng.random(n_samples) < likeness, copied, new)
    counts[rng.random(counts.shape) < missing] = -9
    counts[counts > 2] = -9
    return counts


@pytest.mark.parametrize("device", DEVICES)
@settings(max_examples=300)
@given(linked(), st.integers(1, 12), st.integers(1, 5), st.sampled_from([0, 0.1, 0.2, 0.5, 0.99]))
def test_pruning_by_count_is_its_definition(device: str, counts, window: int, step: int, r2: float):
    store = array_store(counts)
    kept = prune(store, np.arange(len(counts)), window=window, step=step, r2=r2, device=device)
    expected = naive_prune(counts, range(len(counts)), window, False, step, r2)
    np.testing.assert_array_equal(kept, expected)


@pytest.mark.parametrize("device", DEVICES)
@given(linked(), st.integers(1, 20), st.sampled_from([0.1, 0.5]), st.data())
def test_pruning_by_distance_is_its_definition(device: str, counts, window: int, r2: float, data):
    places = st.lists(st.integers(1, 60_000), min_size=len(counts), max_size=len(counts))
    position = sorted(data.draw(places))
    store = array_store(counts, positions=position)
    rows = np.arange(len(counts))
    kept = prune(store, rows, window=window, window_kb=True, r2=r2, device=device)
    expected = naive_prune(counts, position, window, True, 1, r2)
    np.testing.assert_array_equal(kept, expected)


def long_store(seed: int, n_variants: int, n_samples: int = 60) -> ArrayStore:
    """Several thousand variants on three contigs, each like a recent one."""
    rng = np.random.default_rng(seed)
    counts = np.empty((n_variants, n_samples), np.int8)
    for v in range(n_variants):
        new = rng.binomial(2, rng.random(), n_samples)
        source = counts[max(0, v - rng.integers(1, 9))] if v else new
        counts[v] = np.where(rng.random(n_samples) < 0.7, source, new)
    contigs = np.repeat(["1", "2", "7"], [n_variants // 2, n_variants // 4, n_variants // 4])
    return array_store(counts, contigs.tolist())


def test_long_contigs_are_loaded_piece_by_piece_without_a_seam(monkeypatch: pytest.MonkeyPatch):
    store = long_store(1, 1000)
    whole = prune(store, np.arange(1000), window=20, step=3, r2=0.2)
    monkeypatch.setattr("genomed.stats.ld.BLOCK_ROWS", 7)
    for threads in (1, 3):
        pieces = prune(store, np.arange(1000), window=20, step=3, r2=0.2, threads=threads)
        np.testing.assert_array_equal(pieces, whole)
    expected = naive_prune(store.alt_count[:500], range(500), 20, False, 3, 0.2)
    np.testing.assert_array_equal(whole[:500], expected)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """So little at a time on a device that a small store has many pieces of all kinds."""
    for name, value in (("ROWS", (3, 40)), ("COLUMNS", 70), ("SAMPLES", 20)):
        monkeypatch.setattr(ld_device, name, {"cpu": value, "cuda": value})
    monkeypatch.setattr(ld_device, "READ_BYTES", 1)


@pytest.mark.parametrize("device", DEVICES[1:])
@pytest.mark.parametrize("missing", [0, 0.001, 0.05])
@pytest.mark.usefixtures("small_pieces")
def test_a_device_finds_the_list_of_the_processor(device: str, missing: float):
    store = long_store(7, 1000)
    store.alt_count[np.random.default_rng(7).random(store.alt_count.shape) < missing] = -9
    rows = np.flatnonzero(np.random.default_rng(8).random(1000) < 0.9)
    founders = np.random.default_rng(9).random(60) < 0.8
    for window, step, who in ((20, 3, None), (150, 1, founders), (1, 1, None), (2, 5, founders)):
        rule = {"window": window, "step": step, "r2": 0.2, "founders": who}
        expected = prune(store, rows, **rule)
        np.testing.assert_array_equal(
            prune(store, rows, **rule, device=device, threads=3), expected
        )


@pytest.mark.parametrize("device", DEVICES[1:])
@pytest.mark.usefixtures("small_pieces")
def test_a_device_sees_males_and_haploid_calls_as_the_processor_does(device: str):
    counts = long_store(10, 400).alt_count
    sex = np.random.default_rng(10).integers(1, 3, 60)
    for contig in ("X", "Y", "MT"):
        store = array_store(counts, [contig] * 400, sex=sex.tolist())
        expected = prune(store, np.arange(400), window=30, r2=0.1)
        found = prune(store, np.arange(400), window=30, r2=0.1, device=device)
        np.testing.assert_array_equal(found, expected)
        assert 0 < expected.sum() < 400


@pytest.mark.parametrize("device", DEVICES[1:])
@pytest.mark.parametrize("missing", [0, 0.02])
@pytest.mark.usefixtures("small_pieces")
def test_a_device_finds_the_pairs_of_the_processor_to_the_last_bit(device: str, missing: float):
    store = long_store(11, 400)
    store.alt_count[np.random.default_rng(11).random(store.alt_count.shape) < missing] = -9
    anchors = np.arange(400) % 7 == 3
    for window, who, least in ((None, anchors, 0.0), (60, None, 0.2), (1, None, 0.5)):
        rule = {"window": window, "anchors": who, "min_r2": least}
        expected = r2_pairs(store, np.arange(400), **rule)
        assert r2_pairs(store, np.arange(400), **rule, device=device).equals(expected)
        assert expected.height > 10


def test_haplotypes_are_left_to_the_processor():
    with pytest.raises(ValueError, match="on the CPU only"):
        r2_pairs(long_store(12, 20), np.arange(20), haplotypes=True, device="torch")


def test_steps_longer_than_a_window_skip_variants_but_not_monomorphic_ones(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("genomed.stats.ld.BLOCK_ROWS", 3)
    store = long_store(2, 400)
    store.alt_count[13] = 1
    kept = prune(store, np.arange(200), window=4, step=11, r2=0.1)
    expected = naive_prune(store.alt_count[:200], range(200), 4, False, 11, 0.1)
    np.testing.assert_array_equal(kept, expected)
    assert not kept[13]


def test_only_chosen_rows_and_founders_matter():
    store = long_store(3, 300)
    rows = np.flatnonzero(np.random.default_rng(3).random(150) < 0.5)
    founders = np.random.default_rng(4).random(60) < 0.7
    for used in (founders, founders & (np.arange(60) < 20)):
        kept = prune(store, rows, window=10, r2=0.2, founders=used)
        counts = store.alt_count[rows][:, used]
        np.testing.assert_array_equal(kept, naive_prune(counts, rows, 10, False, 1, 0.2))


def test_founders_have_no_parent_named():
    parents = [(None, None), ("s0", None), (None, "elsewhere"), ("s0", "s1")]
    store = array_store(np.zeros((1, 4), np.int8), parents=parents)
    assert founder_mask(store.people).tolist() == [True, False, False, False]


def test_nobody_and_nothing_leave_nothing():
    store = long_store(5, 20)
    nobody = np.zeros(60, np.bool_)
    assert not prune(store, np.arange(20), window=5, r2=0.2, founders=nobody).any()
    assert prune(store, np.zeros(0, np.int64), window=5, r2=0.2).shape == (0,)
    assert r2_pairs(store, np.zeros(0, np.int64), window=5).is_empty()


def test_impossible_windows_and_unsorted_positions_are_value_errors():
    store = array_store(np.zeros((2, 3), np.int8), positions=[9, 5])
    for window, step, r2 in ((0, 1, 0.2), (5, 0, 0.2), (5, 1, 1.5)):
        with pytest.raises(ValueError, match="no window"):
            prune(store, np.arange(2), window=window, step=step, r2=r2)
    with pytest.raises(ValueError, match="contig 1 are not ascending"):
        prune(store, np.arange(2), window=1, window_kb=True, r2=0.2)


@given(linked(), st.integers(1, 12), st.sampled_from([0.0, 0.2, 0.9]))
def test_pairs_have_the_correlation_of_their_counts(counts, window: int, min_r2: float):
    store = array_store(counts)
    pairs = r2_pairs(store, np.arange(len(counts)), window=window, min_r2=min_r2)
    expected = {}
    for i in range(len(counts)):
        for j in range(i + 1, min(len(counts), i + window + 1)):
            r2 = naive_r2(counts[i], counts[j])
            if r2 >= 0:
                expected[i, j] = r2
    found = dict(zip(zip(pairs["row1"], pairs["row2"], strict=True), pairs["r2"], strict=True))
    assert list(found) == sorted(found)
    for pair, r2 in expected.items():
        if pair in found:
            assert found[pair] == pytest.approx(r2, abs=1e-12)
        else:
            assert r2 < min_r2 + 1e-12
    assert set(found) <= set(expected)


def test_pairs_near_enough_in_bases_only_and_signed():
    counts = np.array([[0, 1, 2, 0], [0, 1, 2, 1], [2, 1, 0, 2], [0, 1, 2, 0]], np.int8)
    store = array_store(counts, positions=[1, 1001, 1002, 2001])
    pairs = r2_pairs(store, np.arange(4), window=9, window_kb=1.0, min_r2=0, threads=2)
    assert pairs.select("row1", "row2").rows() == [(0, 1), (1, 2), (1, 3), (2, 3)]
    assert pairs["r"][3] == pytest.approx(-1)
    assert pairs["r"][0] == pytest.approx(np.corrcoef(counts[0], counts[1])[0, 1])


def naive_haplotype_r2(x: np.ndarray, y: np.ndarray) -> float:
    """r2 of the likeliest haplotype frequencies, among many that are tried."""
    good = (x >= 0) & (y >= 0)
    a, b = x[good].astype(int), y[good].astype(int)
    p, q = a.mean() / 2, b.mean() / 2
    n = np.array([[((a == i) & (b == j)).sum() for j in range(3)] for i in range(3)])
    f = np.linspace(max(0, p + q - 1), min(p, q), 20_001)
    h = np.stack([f, p - f, q - f, 1 - p - q + f]).clip(0)  # AB Ab aB ab
    likely = [
        [h[3] ** 2, 2 * h[2] * h[3], h[2] ** 2],
        [2 * h[1] * h[3], 2 * (h[0] * h[3] + h[1] * h[2]), 2 * h[0] * h[2]],
        [h[1] ** 2, 2 * h[0] * h[1], h[0] ** 2],
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        total = sum(n[i, j] * np.log(likely[i][j]) for i in range(3) for j in range(3) if n[i, j])
    best = f[np.argmax(np.nan_to_num(total, nan=-np.inf))]
    return (best - p * q) ** 2 / (p * (1 - p) * q * (1 - q))


@settings(max_examples=60)
@given(linked())
def test_haplotype_r2_is_that_of_the_likeliest_frequencies(counts):
    store = array_store(counts[:6])
    pairs = r2_pairs(store, np.arange(len(counts[:6])), min_r2=0, haplotypes=True)
    for i, j, _, r2 in pairs.iter_rows():
        expected = naive_haplotype_r2(counts[i], counts[j])
        double = ((counts[i] == 1) & (counts[j] == 1)).sum()
        assert r2 == pytest.approx(expected, abs=2e-3) or double  # two maxima may be as high


def test_pairs_without_an_anchor_are_not_looked_at():
    store = long_store(6, 40)
    anchors = np.arange(40) % 7 == 3
    whole = r2_pairs(store, np.arange(40), min_r2=0)
    some = r2_pairs(store, np.arange(40), min_r2=0, anchors=anchors)
    chosen = [anchors[i] or anchors[j] for i, j, _, _ in whole.iter_rows()]
    assert some.equals(whole.filter(pl.Series(chosen)))
