"""Scores that are columns of one table share their variants, and nothing else."""

import gzip
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from genomed.settings import RiskSettings
from genomed.steps.risk import RiskInputs, run_risk

EXAMPLE = Path(__file__).parents[2] / "examples" / "data" / "cohort.vcf.gz"


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    """One table of three scores over 40 variants of the example, and each score in a file."""
    folder = tmp_path_factory.mktemp("tables")
    with gzip.open(EXAMPLE, "rt") as file:
        lines = [line.split("\t", 5)[:5] for line in file if line.startswith("chr22")]
    variants = [v for v in lines if "," not in v[4] and v[4] != "*"][::200][:40]
    rng = np.random.default_rng(20)
    weights = rng.normal(size=(len(variants), 3)).round(4)
    head = "chr_name\tchr_position\teffect_allele\tother_allele"
    rows = [f"{v[0]}\t{v[1]}\t{v[4]}\t{v[3]}" for v in variants]
    rows.append("chr22\t1\tA\tG")  # in no cohort
    weights = np.vstack([weights, [0.5, 0.25, -1.0]])
    wide = folder / "wide.tsv"
    text = ["#genome_build=GRCh38", head + "\tS1\tS2\tS3"]
    text += [row + "\t" + "\t".join(map(str, w)) for row, w in zip(rows, weights, strict=True)]
    wide.write_text("\n".join(text) + "\n")
    alone = []
    for i, name in enumerate(("S1", "S2", "S3")):
        path = folder / f"{name}.tsv"
        text = ["#genome_build=GRCh38", head + "\teffect_weight"]
        text += [f"{row}\t{w[i]}" for row, w in zip(rows, weights, strict=True)]
        path.write_text("\n".join(text) + "\n")
        alone.append(path)
    return wide, alone


def run(models: list[Path], out: Path, **settings: object) -> tuple[pl.DataFrame, ...]:
    inputs = RiskInputs(cohort=str(EXAMPLE), models=[str(m) for m in models])
    summary = run_risk(inputs, out, RiskSettings(**settings), threads=2)  # type: ignore[arg-type]
    ledger = pl.read_csv(
        gzip.decompress(summary.outputs["ledger.tsv.gz"].read_bytes()), separator="\t"
    )
    return summary.page.risk, summary.page.models.drop("source"), summary.page.ledger_counts, ledger


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"missing": "drop", "ambiguous": "keep"},
        {"missing": "zero-dosage"},
        {"missing": "reference-mean", "dosage_field": "DS"},
    ],
)
def test_a_wide_table_scores_as_its_columns_would_alone(tables, tmp_path, settings):
    wide, alone = tables
    together = run([wide], tmp_path / "wide", **settings)
    apart = run(alone, tmp_path / "alone", **settings)
    exact = ["sample", "model", "score", "average", "n_matched", "n_missing_calls", "flags"]
    assert together[0].select(exact).equals(apart[0].select(exact))
    for column in ("weighted_coverage", "imputed_share", "cohort_z", "cohort_percentile"):
        np.testing.assert_allclose(
            together[0][column].to_numpy(), apart[0][column].to_numpy(), rtol=0, atol=1e-12
        )
    for ours, theirs in ((together[1], apart[1]), (together[2], apart[2])):
        assert ours.drop(pl.selectors.float()).equals(theirs.drop(pl.selectors.float()))


def test_the_ledger_has_one_row_per_row_of_a_wide_table(tables, tmp_path):
    wide, _ = tables
    ledger = run([wide], tmp_path / "out")[3]
    assert ledger.height == 41
    assert ledger["model"].unique().to_list() == ["wide.tsv (3 scores, GRCh38)"]
    assert ledger["effect_weight"].null_count() == ledger["share"].null_count() == 41
    assert ledger["reason"].to_list().count("absent") == 1
