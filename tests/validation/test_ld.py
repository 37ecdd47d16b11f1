"""Pruning beside plink2 --indep-pairwise; r2 beside bigsnpr's published table."""

import gzip
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from datafiles import shared_data
from packed_cohorts import array_store, write_fileset
from real_stores import make_store, plink2

from genomed.io.packed import PackedStore, open_store
from genomed.stats.ld import prune, r2_pairs

SETTINGS = [(50, 5, 0.2, False), (40, 1, 0.2, True), (1000, 100, 0.05, False)]


def judged(folder: Path, source: tuple[object, ...], setting, *options: object) -> list[str]:
    """IDs that plink2 keeps."""
    window, step, r2, kb = setting
    size = [f"{window}kb"] if kb else [window]
    out = plink2(folder / "judge", *source, "--indep-pairwise", *size, step, r2, *options)
    return Path(f"{out}.prune.in").read_text().split()


def ours(store: PackedStore, setting, rows: np.ndarray | None = None) -> list[str]:
    window, step, r2, kb = setting
    rows = np.arange(store.n_variants) if rows is None else rows
    kept = prune(store, rows, window=window, step=step, r2=r2, window_kb=kb, threads=2)
    return store.variants["id"].gather(rows[kept]).to_list()


@pytest.fixture(scope="module", params=["bigsnpr", "polypred", "akt", "hipster"])
def real(request, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Autosomes of real people (bigsnpr: simulated)."""
    return make_store(tmp_path_factory.mktemp("ld"), request.param)


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_list_equals_plink2_on_real_people(real: Path, setting, tmp_path: Path):
    store = open_store(real)
    expected = judged(tmp_path, ("--pfile", real), setting)
    assert 0 < len(expected) < store.n_variants
    assert ours(store, setting) == expected


@pytest.fixture(scope="module")
def hapmap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """279 people, 60 of them children of others, chromosomes 1 to 22 and X, missing calls."""
    return make_store(tmp_path_factory.mktemp("ld"), "hapmap")


@pytest.mark.parametrize("setting", [(50, 5, 0.2, False), (2000, 1, 0.1, True)])
def test_children_do_not_count_and_bed_equals_pgen(hapmap: Path, setting, tmp_path: Path):
    store = open_store(hapmap)
    autosomal = store.variants.filter(pl.col("contig") != "X")["row"].to_numpy()
    expected = judged(tmp_path, ("--pfile", hapmap), setting, "--autosome")
    assert ours(store, setting, autosomal) == expected
    bed = open_store(plink2(tmp_path / "bed", "--pfile", hapmap, "--make-bed"))
    assert ours(bed, setting, autosomal) == expected


@pytest.mark.parametrize("setting", [(50, 5, 0.2, False), (5000, 1, 0.05, True)])
def test_the_list_of_x_equals_plink2_among_founders(hapmap: Path, setting, tmp_path: Path):
    founders = plink2(tmp_path / "f", "--pfile", hapmap, "--keep-founders", "--make-pgen")
    store = open_store(founders)
    expected = judged(tmp_path, ("--pfile", founders), setting, "--chr", "X")
    rows = store.variants.filter(pl.col("contig") == "X")["row"].to_numpy()
    assert len(expected) < len(rows)
    assert ours(store, setting, rows) == expected


def fuzz_store(seed: int, folder: Path) -> Path:
    """Contigs 1, X, Y and MT; men, women and people of unknown sex; heterozygous men."""
    rng = np.random.default_rng(seed)
    n_samples = int(rng.integers(60, 200))
    counts = np.empty((160, n_samples), np.int8)
    for v in range(160):
        new = rng.binomial(2, rng.beta(0.5, 0.5), n_samples)
        source = counts[v - 1] if v % 40 else new
        counts[v] = np.where(rng.random(n_samples) < rng.choice([0.3, 0.8, 1]), source, new)
    sex = rng.choice([0, 1, 2], n_samples, p=[0.2, 0.4, 0.4])
    men = np.flatnonzero(sex == 1)
    for rows, who in ((slice(40, 80), men), (slice(80, 160), np.arange(n_samples))):
        block = counts[rows][:, who]
        odd = rng.random(block.shape) < 0.98  # few haploid calls are heterozygous
        counts[rows, who] = np.where(odd & (block == 1), 2, block)
    counts[rng.random(counts.shape) < rng.choice([0, 0.01, 0.1])] = -9
    contigs = np.repeat(["1", "X", "Y", "MT"], 40).tolist()
    position = np.concatenate([np.sort(rng.integers(1, 90_000, 40)) for _ in range(4)])
    known = [int(s) or None for s in sex]
    return write_fileset(folder / "fuzz", array_store(counts, contigs, position.tolist(), known))


@pytest.mark.parametrize("seed", range(12))
def test_the_list_equals_plink2_on_x_y_and_mt(seed: int, tmp_path: Path):
    prefix = fuzz_store(seed, tmp_path)
    store = open_store(prefix)
    for setting in ((10, 3, 0.2, False), (7, 1, 0.5, True), (40, 7, 0.05, False)):
        assert ours(store, setting) == judged(tmp_path, ("--pfile", prefix), setting)


def test_r2_equals_the_table_published_with_bigsnpr():
    source = shared_data("cohort/bigsnpr/example.ld.gz")
    lines = [line.split() for line in gzip.decompress(source.read_bytes()).decode().splitlines()]
    published = {(c[2], c[5]): float(c[6]) for c in lines[1:] if c}
    store = open_store(shared_data("cohort/bigsnpr/example.bed"))
    rows = store.variants.filter(pl.col("contig") == "1")["row"].to_numpy()
    pairs = r2_pairs(store, rows, window=len(rows), min_r2=0.2, threads=2)
    names = store.variants["id"].to_list()
    found = {(names[i], names[j]): r2 for i, j, _, r2 in pairs.iter_rows()}
    assert set(found) >= set(published)
    for pair, r2 in published.items():
        assert found[pair] == pytest.approx(r2, rel=6e-6)
