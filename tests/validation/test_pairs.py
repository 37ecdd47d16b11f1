"""plink 1.9 --epistasis as the judge of the test of pairs; a published trait of two pairs."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from datafiles import shared_data
from packed_cohorts import packed

from genomed.io.packed import open_store
from genomed.kernels.packed import unpack_rows
from genomed.stats.pair_terms import clump_pairs
from genomed.stats.pairs import all_pairs, exact_pairs
from genomed.stats.pca import pca
from genomed.stats.score_test import score_target

PLINK = shutil.which("plink1.9") or shutil.which("plink1")
needs_plink = pytest.mark.skipif(PLINK is None, reason="plink 1.9 is not installed")
HIPSTER = "cohort/variantspark_hipster/"


def epistasis(folder: Path, counts: np.ndarray, trait: list[str]) -> pl.DataFrame:
    """SNP1, SNP2 (rows), BETA_INT, STAT of all pairs that plink could test."""
    letters = np.array(["A A", "A C", "C C"])
    (folder / "in.ped").write_text(
        "".join(
            f"f{s} s{s} 0 0 1 {t} {' '.join(letters[row])}\n"
            for s, (t, row) in enumerate(zip(trait, counts.T, strict=True))
        )
    )
    (folder / "in.map").write_text("".join(f"1 {v} 0 {v + 1}\n" for v in range(len(counts))))
    command = [PLINK, "--file", "in", "--epistasis", "--epi1", "1", "--out", "out"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("out.epi.??")
    lines = [line.split() for line in path.read_text().splitlines()]
    table = pl.DataFrame(lines[1:], schema=lines[0], orient="row")
    return table.filter(pl.col("STAT") != "NA").with_columns(
        pl.col("SNP1", "SNP2").cast(pl.Int64), pl.col("STAT").cast(pl.Float64)
    )


@needs_plink
def test_the_statistic_of_a_quantitative_trait_is_that_of_plink(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    n, m = 400, 30
    counts = rng.binomial(2, rng.uniform(0.15, 0.85, (m, 1)), (m, n)).astype(np.int8)
    counts[10] = np.where(rng.random(n) < 0.2, counts[11], counts[10])
    y = rng.standard_normal(n) + 0.4 * counts[3] + 0.4 * counts[4] * counts[5]
    y = np.array([float(f"{v:.6f}") for v in y])
    told = epistasis(tmp_path, counts, [f"{v:.6f}" for v in y])
    assert len(told) == m * (m - 1) // 2
    target = score_target(y - y.mean(), np.ones(n))
    found = exact_pairs(packed(counts), n, told["SNP1"], told["SNP2"], target, dominance=False)
    np.testing.assert_allclose(found["z"] ** 2, told["STAT"], rtol=1e-4, atol=1e-5)


@needs_plink
def test_the_statistic_of_a_disease_is_near_that_of_plinks_logistic_regression(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(2)
    n, m = 1500, 25
    counts = rng.binomial(2, rng.uniform(0.2, 0.8, (m, 1)), (m, n)).astype(np.int8)
    cases = rng.random(n) < 1 / (1 + np.exp(1.0 - 0.15 * counts[0] * counts[1]))
    told = epistasis(tmp_path, counts, [str(1 + int(case)) for case in cases])
    rate = cases.mean()
    target = score_target(cases - rate, np.full(n, rate * (1 - rate)))
    found = exact_pairs(packed(counts), n, told["SNP1"], told["SNP2"], target, dominance=False)
    ours, theirs = np.abs(found["z"].to_numpy()), np.sqrt(told["STAT"].to_numpy())
    assert np.corrcoef(ours, theirs)[0, 1] > 0.995  # a score test beside a Wald test
    assert np.abs(ours - theirs).max() < 0.3


@pytest.mark.skipif(shutil.which("plink2") is None, reason="plink2 is not installed")
def test_both_pairs_of_a_published_trait_lead_on_real_genotypes(tmp_path: Path) -> None:
    """VariantSpark's HipsterIndex: label = (2 + rs2218065)(1.5 + rs1363387) + (0.5 + rs4410790)
    (1 + rs4864809) > 10."""
    source = shared_data(HIPSTER + "hipster.vcf.bgz")
    command = [
        "plink2", "--vcf", str(source), "--max-alleles", "2", "--maf", "0.01", "--threads", "2",
        "--make-pgen", "--out", "in",
    ]  # fmt: skip
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    store = open_store(tmp_path / "in")
    rows = np.arange(len(store.variants))
    words, n = store.read(rows), len(store.samples)
    table = pl.read_csv(shared_data(HIPSTER + "hipster_labels.txt"))
    labels = dict(table["samples", "label"].rows())
    cases = np.array([labels[name] for name in store.samples], np.float64)
    rate = cases.mean()
    components = pca(store, rows, k=10).scores
    hits = all_pairs(words, n, cases - rate, np.full(n, rate * (1 - rate)), components, threads=2)
    best = clump_pairs(hits.pairs, words, n)["row1", "row2"].rows()[:2]
    counts = np.empty((len(words), n), np.int8)
    unpack_rows(words, n, counts)
    place = {name: i for i, name in enumerate(store.variants["id"])}
    for planted in (("rs2218065", "rs1363387"), ("rs4864809", "rs4410790")):
        i, j = sorted(place[name] for name in planted)
        r2 = [
            np.corrcoef(counts[i], counts[a])[0, 1] ** 2
            * np.corrcoef(counts[j], counts[b])[0, 1] ** 2
            for a, b in best
        ]
        assert max(r2) > 0.95
