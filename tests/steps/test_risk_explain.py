"""What `--explain` says of one variant."""

import pytest
from small_cohorts import Record, row, score, write_model, write_vcf

from genomed.errors import UsageError
from genomed.ledger import REASONS
from genomed.steps.risk_explain import Locus


def explain(folder, *variants, records=None, rows=None, **options):
    records = records or [Record("chr1", 100, "A", "G,T", "0/1 0/2 1/1 ./.")]
    rows = rows or [row("1", 100, "G", "A", 0.5), row("1", 300, "C", None, -1.0)]
    cohort = write_vcf(folder / "cohort.vcf", records)
    model = write_model(folder / "model.txt", rows)
    found = score(cohort, [model], folder / "out", explain=variants, **options)
    return found.summary.explained


@pytest.mark.parametrize(
    ("text", "locus"),
    [
        ("1:100:A:G", ("1", 100, "A", "G")),
        ("chr1:1,234,567", ("1", 1234567, "", "")),
        ("chrM:5:a:t", ("MT", 5, "A", "T")),
    ],
)
def test_a_variant_is_read_as_users_write_it(text, locus):
    assert Locus.parse(text) == locus


@pytest.mark.parametrize("text", ["rs429358", "1:x", "1:100:A", "1", "", "1:100:A:G:T"])
def test_anything_else_is_a_usage_error_that_shows_how(text):
    with pytest.raises(UsageError, match="is not a variant; write it as 1:12345:A:G"):
        Locus.parse(text)


def test_the_records_the_calls_and_the_fate_are_told(tmp_path):
    (paragraph,) = explain(tmp_path, "1:100:A:G")
    lines = paragraph.splitlines()
    assert lines[0] == "1:100:A:G:"
    calls = "calls without this ALT, {} with one copy, {} with two, 1 not called"
    assert lines[1].endswith("chr1:100 A>G, 1 " + calls.format(1, 1))
    assert lines[2].endswith("chr1:100 A>T, 2 " + calls.format(1, 0))
    assert lines[3] == (
        "  model, line 3: effect allele G (other A), weight 0.5: exact - " + REASONS["exact"]
    )


def test_a_variant_no_record_covers_is_told_so(tmp_path):
    (paragraph,) = explain(tmp_path, "chr1:300")
    assert paragraph.splitlines() == [
        "1:300:",
        "  no record covers this position",
        "  model, line 4: effect allele C (other not given), weight -1.0: absent - "
        + REASONS["absent"],
    ]


def test_a_place_no_model_looks_at_shows_its_record(tmp_path):
    records = [Record("1", 100, "A", "G", "0/1"), Record("1", 200, "CTT", "C", "1/1")]
    (paragraph,) = explain(tmp_path, "1:202", records=records)
    assert "1:200 CTT>C, 0 calls without this ALT, 0 with one copy, 1 with two" in paragraph
    assert paragraph.splitlines()[-1] == "  no model has a variant here"


def test_explaining_changes_no_score(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    records = [Record("1", 100, "A", "G", "0/1 1/1"), Record("1", 200, "C", "T", "1/1 0/0")]
    explain(tmp_path / "a", records=records)
    explain(tmp_path / "b", "1:200", records=records)
    texts = [(tmp_path / name / "out" / "risk.tsv").read_bytes() for name in ("a", "b")]
    assert texts[0] == texts[1]
