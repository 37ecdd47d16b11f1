"""`genomed explain` as it is typed: exit codes, words and files."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from packed_cohorts import array_store, packed, write_fileset
from trained_bundles import covariate_table, design_of, risk_model, write_trained_bundle

N, M = 40, 12


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """store, bundle, cov.tsv."""
    folder = tmp_path_factory.mktemp("work")
    rng = np.random.default_rng(8)
    counts = rng.binomial(2, rng.uniform(0.2, 0.8, (M, 1)), (M, N)).astype(np.int8)
    store = array_store(counts)
    write_fileset(folder / "store", store)
    table = covariate_table(store.samples, rng)
    table.write_csv(folder / "cov.tsv", separator="\t")
    variants = store.variants.drop("row").with_columns(
        alt_allele_frequency=pl.Series(counts.mean(axis=1) / 2)
    )
    model = risk_model(packed(counts), N, variants, design_of(table), ("linear", "pairs"))
    write_trained_bundle(folder / "bundle", model, design_of(table), name="height")
    return folder


def genomed(work: Path, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "genomed", "explain", *arguments], cwd=work, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_a_run_shows_what_moves_most_and_where_the_files_are(work: Path) -> None:
    code, out, err = genomed(
        work, "bundle", "store", "--covariates", "cov.tsv", "--build", "GRCh38", "--out", "o"
    )
    assert (code, err) == (0, "")
    assert "height: 40 people, 10 of 10 variants" in out
    assert "v3 x v4" in out
    assert "largest completeness error" in out
    assert (work / "o" / "explain.html").is_file()


def test_json_is_for_another_program(work: Path) -> None:
    code, out, _ = genomed(
        work, "bundle", "store", "--build", "GRCh38", "--out", "j", "--json", "--person", "s1"
    )
    facts = json.loads(out)
    assert code == 0
    assert facts["variants"] == {"in_the_bundle": 10, "found": 10}
    assert facts["checks"][0]["passed"] is True
    assert {pair["kind"] for pair in facts["top_pairs"]} == {"pair"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["bundle", "nowhere"], 3, "no such file"),
        (["nothing", "store"], 6, "nothing"),
        (["bundle", "store", "--person", "nobody"], 2, "no such sample"),
        (["bundle", "store", "--build", "GRCh37"], 3, "is on GRCh37"),
    ],
)
def test_what_goes_wrong_is_one_sentence_and_a_code(
    work: Path, arguments: list[str], code: int, said: str
) -> None:
    found, _, err = genomed(work, *arguments, "--out", "bad")
    assert found == code
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert not (work / "bad").exists()
