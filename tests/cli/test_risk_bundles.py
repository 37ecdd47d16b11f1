"""`genomed risk --model BUNDLE` as it is typed: exit codes, words and files."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from packed_cohorts import packed
from small_cohorts import Record, write_vcf
from trained_bundles import covariate_table, design_of, risk_model, write_trained_bundle

N = 40


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    """c.vcf, old.vcf (on GRCh37), bundle, cov.tsv."""
    folder = tmp_path_factory.mktemp("work")
    rng = np.random.default_rng(6)
    counts = rng.binomial(2, rng.uniform(0.2, 0.8, (12, 1)), (12, N)).astype(np.int8)
    variants = pl.DataFrame(
        {
            "contig": ["1"] * 12,
            "position": range(100, 112),
            "id": pl.Series([None] * 12, dtype=pl.Utf8),
            "ref": ["A"] * 12,
            "alt": ["G"] * 12,
            "alt_allele_frequency": counts.mean(axis=1) / 2,
        }
    )
    samples = [f"s{i}" for i in range(N)]
    table = covariate_table(samples, rng)
    table.write_csv(folder / "cov.tsv", separator="\t")
    design = design_of(table)
    model = risk_model(packed(counts), N, variants, design, ("linear", "pairs"), "binary")
    write_trained_bundle(folder / "bundle", model, design, name="sick")
    cells = np.array(["0/0", "0/1", "1/1"])
    records = [Record("1", 100 + v, "A", "G", " ".join(cells[c])) for v, c in enumerate(counts)]
    for name, build in (("c.vcf", "GRCh38"), ("old.vcf", "GRCh37")):
        write_vcf(folder / name, records, samples=samples, build=build)
    return folder


def genomed(work: Path, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "genomed", "risk", *arguments], cwd=work, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_a_bundle_is_given_as_a_model_beside_its_covariates(work):
    code, out, err = genomed(
        work, "c.vcf", "-m", "bundle", "--covariates", "cov.tsv", "-o", "done"
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert "sick" in out
    table = pl.read_csv(work / "done" / "risk.tsv", separator="\t")
    assert table["prediction"].is_between(0, 1).all()
    assert table["flags"].null_count() == N


def test_a_bundle_on_another_build_exits_with_3(work):
    code, out, err = genomed(work, "old.vcf", "-m", "bundle", "-o", "old")
    assert (code, out) == (3, "")
    assert err == (
        "error: old.vcf is on GRCh37 (contig 1 is 249,250,621 bases long, as in GRCh37), but model "
        "sick has positions on GRCh38 only; train it on a store on GRCh37\n"
    )
    assert not (work / "old").exists()


def test_covariates_without_a_bundle_exit_with_2(work):
    code, _, err = genomed(work, "c.vcf", "--covariates", "cov.tsv", "-o", "none")
    assert code == 2
    assert err == (
        "error: --covariates is for bundles that `genomed train` made, and no model is one; leave "
        "it away\n"
    )


def test_a_directory_that_is_no_bundle_is_no_model(work):
    (work / "empty").mkdir(exist_ok=True)
    code, _, err = genomed(work, "c.vcf", "-m", "empty", "-o", "none")
    assert code == 6
    assert "no file and no model called 'empty'" in err
