"""Pruning beside plink2; r2 and clumps beside plink 1.9 and what bigsnpr publishes."""

import gzip
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from datafiles import shared_data
from packed_cohorts import array_store, write_fileset
from real_stores import make_store, plink2, run

from genomed.io.packed import PackedStore, open_store
from genomed.stats.clump import clump
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


def plink_table(path: Path) -> list[list[str]]:
    """Rows behind the head of a table of plink 1.9."""
    return [line.split() for line in path.read_text().splitlines()[1:] if line.strip()]


@pytest.mark.parametrize("flag", ["--r2", "--r2 dprime"])
def test_every_r2_near_by_equals_plink(flag: str, tmp_path: Path):
    bed = shared_data("cohort/hapmap_snprelate/hapmap279.bed")
    out = tmp_path / "judge"
    run(
        "plink1.9", "--bfile", bed.with_suffix(""), *flag.split(), "--autosome",
        "--ld-window", 6, "--ld-window-kb", 100_000, "--ld-window-r2", 0, "--out", out,
    )  # fmt: skip
    store = open_store(bed)
    rows = store.variants.filter(pl.col("contig") != "23")["row"].to_numpy()
    pairs = r2_pairs(
        store, rows, window=5, window_kb=100_000, min_r2=0, haplotypes="dprime" in flag, threads=2
    )
    place = store.variants.select(pl.concat_str("contig", "position", "id", separator=":"))
    place = place.to_series().to_list()
    told = {
        (":".join(c[:3]), ":".join(c[3:6])): float(c[6]) for c in plink_table(Path(f"{out}.ld"))
    }
    found = {(place[i], place[j]): r2 for i, j, _, r2 in pairs.iter_rows()}
    varying = {pair: r2 for pair, r2 in told.items() if not np.isnan(r2)}
    assert len(varying) > 30_000
    assert found.keys() == varying.keys()
    for pair, r2 in varying.items():
        assert found[pair] == pytest.approx(r2, rel=6e-6, abs=1e-9)


def index_variants(store: PackedStore, p_value: np.ndarray, **limits: float) -> list[str]:
    clumps = clump(store, np.arange(store.n_variants), p_value, threads=2, **limits)
    index = clumps.filter(pl.col("row") == pl.col("index_row"))["row"]
    return store.variants["id"].gather(index).to_list()


def p_values(store: PackedStore, table: pl.DataFrame, name: str, p: str) -> np.ndarray:
    named = table.unique(name, keep="first").select(name, p)
    joined = store.variants.join(named, left_on="id", right_on=name, how="left")
    return joined.sort("row")[p].fill_null(np.nan).to_numpy()


def test_clumps_equal_the_list_published_with_bigsnpr():
    folder = shared_data("cohort/bigsnpr")
    store = open_store(folder / "example.bed")
    table = pl.read_csv(folder / "expected_gwas_pval.tsv", separator="\t")
    found = index_variants(
        store, p_values(store, table, "snp", "p"), r2=0.2, max_index_p=1, max_p=1
    )
    published = pl.read_csv(folder / "expected_clumped_snps.tsv", separator="\t")
    assert found == published["snp"].to_list()


@pytest.mark.parametrize(
    ("r2", "kb", "index_p", "max_p"), [(0.5, 250, 1e-4, 0.01), (0.1, 100, 0.01, 1), (0.2, 20, 1, 1)]
)
def test_clumps_equal_plink(r2: float, kb: float, index_p: float, max_p: float, tmp_path: Path):
    make_store(tmp_path, "polypred")
    store = open_store(tmp_path / "merged.bed")
    sumstats = shared_data("prs/polypred_1kg_eur/bolt.sumstats.txt.gz")
    table = pl.read_csv(sumstats, separator="\t", columns=["SNP", "P_LINREG"])
    p_value = p_values(store, table, "SNP", "P_LINREG")
    pl.DataFrame({"SNP": store.variants["id"], "P": p_value}).drop_nans().write_csv(
        tmp_path / "p.txt", separator=" "
    )
    out = tmp_path / "judge"
    run(
        "plink1.9", "--bfile", tmp_path / "merged", "--clump", tmp_path / "p.txt", "--clump-p1",
        index_p, "--clump-p2", max_p, "--clump-r2", r2, "--clump-kb", kb, "--out", out,
    )  # fmt: skip
    told = [row[2] for row in plink_table(Path(f"{out}.clumped"))]
    limits = {"r2": r2, "window_kb": kb, "max_index_p": index_p, "max_p": max_p}
    assert index_variants(store, p_value, **limits) == told
    assert len(told) > 100
