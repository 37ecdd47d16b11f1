"""Kinship beside plink2 and published tables, on real people with and without a pedigree."""

import gzip
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from datafiles import shared_data
from real_stores import make_store, plink2, run

from genomed.io.packed import PackedStore, open_store
from genomed.stats.kinship import king_table, unrelated

HAPMAP = "cohort/hapmap_snprelate"
PRINTED = 6e-6  # relative: half a unit of the sixth digit


@pytest.fixture(scope="module", params=["hapmap", "akt", "polypred", "hipster", "bigsnpr"])
def prefix(request, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("kinship"), request.param)


@pytest.fixture(scope="module")
def every_pair(prefix: Path) -> pl.DataFrame:
    return king_table(open_store(prefix), threads=2)


def judged_pairs(out: Path, *source: object, joined: bool = False) -> pl.DataFrame:
    """What --make-king-table says, columns named as ours.

    joined : whether names are FID_IID
    v2.00a3.5 writes under HET1_HOM2 the calls where the sample of column IID2 is heterozygous.
    """
    plink2(out, *source, "--make-king-table", "counts", "cols=+ibs1")
    told = pl.read_csv(f"{out}.kin0", separator="\t", infer_schema=False, null_values="nan")
    told = told.rename({name: name.removeprefix("#") for name in told.columns})
    whole = ("NSNP", "HETHET", "IBS0", "HET1_HOM2", "HET2_HOM1")
    first, second = (["FID2", "IID2"], ["FID1", "IID1"]) if joined else (["IID2"], ["IID1"])
    return told.select(
        sample1=pl.concat_str(first, separator="_"),
        sample2=pl.concat_str(second, separator="_"),
        **{name: pl.col(name).cast(pl.Int64) for name in whole},
        KINSHIP=pl.col("KINSHIP").cast(pl.Float64),
    )


def test_every_pair_equals_plink2(prefix: Path, every_pair: pl.DataFrame, tmp_path: Path):
    store = open_store(prefix)
    ours = every_pair
    joined = "iid_repeated" in store.notes
    told = judged_pairs(tmp_path / "judge", "--pfile", prefix, joined=joined)
    assert len(ours) == len(told) == store.n_samples * (store.n_samples - 1) // 2
    both = ours.join(told, on=["sample1", "sample2"], maintain_order="left")
    assert len(both) == len(ours)
    for name, judge in (
        ("n_snps", "NSNP"), ("n_het_het", "HETHET"), ("n_ibs0", "IBS0"),
        ("n_het1_hom2", "HET1_HOM2"), ("n_hom1_het2", "HET2_HOM1"),
    ):  # fmt: skip
        assert (both[name] == both[judge]).all(), name
    np.testing.assert_allclose(both["kinship"], both["KINSHIP"], rtol=PRINTED, atol=1e-12)


@pytest.mark.parametrize("limit", [0.0, 0.0442, 0.0884, 0.177, 0.354])
def test_unrelated_sets_equal_plink2(
    prefix: Path, every_pair: pl.DataFrame, limit: float, tmp_path: Path
):
    store = open_store(prefix)
    pairs = every_pair.filter(pl.col("kinship") > limit)
    place = {name: i for i, name in enumerate(store.samples)}
    edges = pairs.select(pl.col("sample1", "sample2").replace_strict(place)).to_numpy()
    kept = unrelated(store.n_samples, edges)
    out = plink2(tmp_path / "judge", "--pfile", prefix, "--king-cutoff", limit)
    lines = Path(f"{out}.king.cutoff.in.id").read_text().splitlines()
    people = store.people.filter(pl.Series(kept))
    columns = lines[0].removeprefix("#").split("\t")
    rows = [dict(zip(columns, line.split("\t"), strict=True)) for line in lines[1:]]
    if "FID" in columns and "iid_repeated" in store.notes:
        assert [f"{row['FID']}_{row['IID']}" for row in rows] == people["sample"].to_list()
    else:
        assert [row["IID"] for row in rows] == people["sample"].to_list()


@pytest.mark.parametrize("limit", [0.0, 0.05, 0.25])
def test_pairs_from_a_limit_on_are_those_of_the_whole_table(
    prefix: Path, every_pair: pl.DataFrame, limit: float
):
    found = king_table(open_store(prefix), min_kinship=limit)
    assert found.equals(every_pair.filter(pl.col("kinship") >= limit))


def test_x_y_and_mt_are_left_out(tmp_path: Path):
    prefix = make_store(tmp_path, "tiny1000G")
    store = open_store(prefix, samples=open_store(prefix).samples[:300])
    keep = tmp_path / "keep.txt"
    keep.write_text("#IID\n" + "".join(f"{name}\n" for name in store.samples))
    told = judged_pairs(tmp_path / "judge", "--pfile", prefix, "--keep", keep)
    both = king_table(store).join(told, on=["sample1", "sample2"])
    assert len(both) == 300 * 299 // 2
    assert (both["n_snps"] == both["NSNP"]).all()
    assert (both["n_snps"] < store.n_variants).all()


def test_parents_and_children_of_the_pedigree_are_found(tmp_path: Path):
    pedigree = shared_data("cohort/akt_cgi433/20130606_g1k.pedigree.txt")
    store = open_store(make_store(tmp_path, "akt"))
    known = set(store.samples)
    pairs = {
        frozenset((child, parent))
        for _, child, *parents in map(str.split, pedigree.read_text().splitlines())
        for parent in parents
        if {child, parent} <= known
    }
    assert len(pairs) == 267
    table = king_table(store, min_kinship=0.0442, threads=2)
    relation = {
        frozenset(names): name
        for *names, name in table.select("sample1", "sample2", "relation").iter_rows()
    }
    assert {relation[pair] for pair in pairs} == {"parent_child"}


def published(name: str) -> tuple[list[str], np.ndarray]:
    """A square table of samples."""
    path = shared_data(f"{HAPMAP}/expected/{name}.tsv.gz")
    lines = [line.split("\t") for line in gzip.decompress(path.read_bytes()).decode().split("\n")]
    return lines[0][1:], np.array([line[1:] for line in lines[1:] if line[0]], float)


def square(samples: list[str], table: pl.DataFrame, values: pl.Series) -> np.ndarray:
    """A symmetric matrix from pairs; the diagonal is NaN."""
    place = {name: i for i, name in enumerate(samples)}
    out = np.full((len(samples), len(samples)), np.nan)
    pairs = table.select("sample1", "sample2").iter_rows()
    for (one, other), value in zip(pairs, values, strict=True):
        i, j = place[one], place[other]
        out[i, j] = out[j, i] = value
    return out


def hapmap_rows(store: PackedStore, listed: str) -> np.ndarray:
    """The SNPs listed: some names occur twice, then the one that varies among these people."""
    path = shared_data(f"{HAPMAP}/expected/{listed}.txt.gz")
    names = gzip.decompress(path.read_bytes()).decode().split()
    rows = store.variants.filter(pl.col("id").is_in(names), pl.col("contig") != "23")["row"]
    counts = store.count(rows.to_numpy())
    alt = counts[:, 1] + 2 * counts[:, 2]
    varies = (alt > 0) & (alt < 2 * counts[:, :3].sum(axis=1))
    assert varies.sum() == len(names)
    return rows.to_numpy()[varies]


def test_kinship_equals_the_table_published_with_snprelate():
    names, expected = published("king_robust_kinship_first60")
    _, expected_ibs0 = published("king_robust_ibs0_first60")
    store = open_store(shared_data(f"{HAPMAP}/hapmap279.bed"), samples=names)
    assert store.samples == names
    table = king_table(store, hapmap_rows(store, "used_snps_king"))
    off = ~np.eye(len(names), dtype=bool)
    found = square(names, table, table["kinship"])
    np.testing.assert_allclose(found[off], expected[off], rtol=1e-8, atol=1e-9)
    found = square(names, table, table["n_ibs0"] / table["n_snps"])
    np.testing.assert_allclose(found[off], expected_ibs0[off], rtol=1e-8, atol=1e-9)


def test_identity_by_state_equals_the_table_published_with_snprelate():
    names, expected = published("ibs_first90")
    store = open_store(shared_data(f"{HAPMAP}/hapmap279.bed"), samples=names)
    table = king_table(store, hapmap_rows(store, "used_snps_ibs_mom"))
    differing = table["n_ibs0"] + (table["n_het1_hom2"] + table["n_hom1_het2"]) / 2
    found = square(names, table, 1 - differing / table["n_snps"])
    off = ~np.eye(len(names), dtype=bool)
    np.testing.assert_allclose(found[off], expected[off], rtol=1e-8)


def test_kinship_equals_plink2_with_another_thread_count(tmp_path: Path):
    run("plink2", "--version")
    prefix = make_store(tmp_path, "hapmap")
    tables = [king_table(open_store(prefix), threads=n) for n in (1, 2, 5)]
    assert tables[0].equals(tables[1])
    assert tables[0].equals(tables[2])
