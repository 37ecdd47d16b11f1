"""The tables: their columns, coverage, averages, z and percentiles, and counts that add up."""

import numpy as np
import polars as pl
import pytest
from small_cohorts import Record, row, score, write_model, write_vcf

from genomed.ledger import REASONS, USED
from genomed.tables import TABLES

CALLS = ["0/0 0/1 1/1 0/1 0/0", "0/0 ./. 0/1 0/0 0/1", "0/0 0/0 0/0 0/0 0/0"]
RECORDS = [Record("1", 100 * (i + 1), "A", "G", c) for i, c in enumerate(CALLS)]
ROWS = [row("1", 100, "G", "A", 0.5), row("1", 200, "G", "A", -1.0), row("1", 300, "G", "A", 2.0)]


def run(folder, records=RECORDS, rows=ROWS, **options):
    cohort = write_vcf(folder / "cohort.vcf", records)
    return score(cohort, [write_model(folder / "model.txt", rows)], folder / "out", **options)


def test_tables_have_the_columns_of_the_dictionary_in_its_order(tmp_path):
    found = run(tmp_path)
    assert found.risk.columns == list(TABLES["risk"])
    assert found.models.columns == list(TABLES["models"])
    assert found.ledger.columns == list(TABLES["ledger"])
    text = pl.read_csv(tmp_path / "out" / "risk.tsv", separator="\t")
    assert text.columns == list(TABLES["risk"])
    np.testing.assert_array_equal(text["score"].to_numpy(), found.scores())


def test_coverage_is_the_share_of_variance_that_rests_on_calls(tmp_path):
    found = run(tmp_path, rows=[*ROWS, row("1", 999, "G", "A", 1.0)])
    p, q = 4 / 10, 2 / 8
    known = [0.25 * 2 * p * (1 - p), 1.0 * 2 * q * (1 - q), 0.0]
    absent = 1.0 * (2 * p * (1 - p) + 2 * q * (1 - q) + 0) / 3  # the mean of 2p(1-p) stands in
    total = sum(known) + absent
    assert found.ledger["share"].to_list() == pytest.approx([v / total for v in [*known, absent]])
    assert found.ledger["share"].sum() == pytest.approx(1)
    covered = [sum(known) / total] * 5
    covered[1] -= known[1] / total
    assert found.scores(column="weighted_coverage") == pytest.approx(covered)
    assert found.scores(column="imputed_share")[:2] == pytest.approx([0, known[1] / total])
    assert found.models["weighted_coverage"].item() == pytest.approx(sum(known) / total)


def test_a_frequency_of_the_model_decides_over_the_cohorts(tmp_path):
    rows = [{**r, "allelefrequency_effect": 0.5} for r in ROWS]
    found = run(tmp_path, rows=rows)
    assert found.ledger["share"].to_list() == pytest.approx([0.25 / 5.25, 1 / 5.25, 4 / 5.25])


@pytest.mark.parametrize("weight", [1.0, 0.0])
def test_a_model_that_does_not_vary_in_the_cohort_is_still_covered(weight, tmp_path):
    rows = [row("1", 300, "G", "A", weight), row("1", 100, "G", "A", 0.0)]
    found = run(tmp_path, rows=rows, min_weighted_coverage=0.75)
    assert found.scores().tolist() == [0, 0, 0, 0, 0]
    assert found.scores(column="weighted_coverage").tolist() == [1] * 5
    assert found.summary.unusable == []


def test_a_missing_call_in_a_model_that_does_not_vary_is_not_covered(tmp_path):
    records = [Record("1", 100, "A", "G", "0/0 ./."), Record("1", 200, "A", "G", "0/0 0/0")]
    rows = [row("1", p, "G", "A", 1.0) for p in (100, 200, 300, 400)]
    found = run(tmp_path, records, rows)
    assert found.scores(column="weighted_coverage").tolist() == [0.5, 0.25]


def test_scores_below_the_limit_are_null_and_flagged(tmp_path):
    found = run(tmp_path, min_weighted_coverage=0.9)
    assert np.isnan(found.scores()).tolist() == [False, True, False, False, False]
    assert np.isnan(found.scores(column="average")).tolist() == [False, True, False, False, False]
    flags = found.risk["flags"].to_list()
    assert ["low_coverage" in f.split(";") for f in flags] == [False, True, False, False, False]
    assert found.models["n_null"].item() == 1
    assert found.summary.unusable == []


def test_a_small_cohort_that_fills_in_its_own_mean_is_flagged(tmp_path):
    (tmp_path / "b").mkdir()
    assert set(run(tmp_path).risk["flags"]) == {"few_samples"}
    assert set(run(tmp_path / "b", missing="drop").risk["flags"]) == {""}


@pytest.mark.parametrize(
    ("missing", "alleles"), [("mean", [6] * 5), ("drop", [6, 4, 6, 6, 6]), ("zero-dosage", [6] * 5)]
)
def test_the_average_divides_by_the_alleles_counted(missing, alleles, tmp_path):
    found = run(tmp_path, missing=missing)
    assert found.scores(column="average") == pytest.approx(found.scores() / alleles)


def test_z_and_percentile_are_those_of_the_cohort(tmp_path):
    found = run(tmp_path, missing="drop")
    scores = found.scores()
    assert scores.tolist() == [0, 0.5, 0, 0.5, -1]
    z = (scores - scores.mean()) / scores.std(ddof=1)
    assert found.scores(column="cohort_z") == pytest.approx(z)
    # one below, two equal (counted half): (1 + 1) of 5
    assert found.scores(column="cohort_percentile").tolist() == [40, 80, 40, 80, 10]
    assert found.models["score_mean"].item() == pytest.approx(scores.mean())
    assert found.models["score_sd"].item() == pytest.approx(scores.std(ddof=1))


def test_one_sample_has_a_score_but_no_place_in_a_cohort(tmp_path):
    found = run(tmp_path, [Record("1", 100, "A", "G", "0/1")], ROWS[:1])
    assert found.scores().tolist() == [0.5]
    assert found.risk["cohort_z"].to_list() == [None]
    assert found.risk["cohort_percentile"].to_list() == [None]


def test_equal_scores_have_no_z(tmp_path):
    found = run(tmp_path, [Record("1", 100, "A", "G", "0/1 0/1 0/1")], ROWS[:1])
    assert found.risk["cohort_z"].to_list() == [None] * 3
    assert found.risk["cohort_percentile"].to_list() == [50.0] * 3


def test_counts_of_a_model_add_up(tmp_path):
    rows = [
        *ROWS,
        row("1", 400, "G", "A", 1.0),
        row("1", 100, "A", "G", 1.0),
        row("1", 200, "C", "T", 1.0),
        row("1", 300, "C", "A", 1.0),
        row("1", 100, "G", "A", 0.5),
    ]
    found = run(tmp_path, rows=rows)
    m = found.models.row(0, named=True)
    assert found.reasons == [
        "exact", "exact", "exact", "absent", "swapped", "flipped", "hom_ref_called",
        "duplicate_in_model",
    ]  # fmt: skip
    assert (m["n_variants"], m["n_matched"], m["n_dropped"]) == (8, 6, 2)
    assert (m["n_exact"], m["n_swapped"], m["n_flipped"], m["n_hom_ref"]) == (3, 1, 1, 1)
    assert set(found.risk["n_matched"]) == {6}


def test_the_ledger_has_one_row_per_model_variant_with_its_line_and_record(tmp_path):
    found = run(tmp_path, rows=[*ROWS, row("1", 999, "G", "A", 1.0)])
    assert found.ledger["source_line"].to_list() == [3, 4, 5, 6]
    assert found.ledger["record"].to_list() == ["1:100:A:G", "1:200:A:G", "1:300:A:G", None]
    first = found.ledger["record_line"][0]
    lines = (tmp_path / "cohort.vcf").read_text().splitlines()
    assert lines[first - 1].startswith("1\t100\t")
    assert found.ledger["n_called"].to_list() == [5, 4, 5, None]
    assert found.ledger["effect_allele_frequency"].to_list() == [0.4, 0.25, 0.0, None]


def test_what_counts_as_used_is_a_part_of_the_reasons():
    assert set(USED) < set(REASONS)
