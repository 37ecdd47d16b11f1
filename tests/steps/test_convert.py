"""`genomed convert` on small files: what is stored, what is refused, and nothing half-made."""

import json
from pathlib import Path

import numpy as np
import pgenlib
import polars as pl
import pytest
from datafiles import REPOSITORY
from small_cohorts import Record, vcf_text

from genomed.errors import InputError, OutputError, UsageError
from genomed.settings import ConvertSettings
from genomed.steps.convert import ConvertInputs, ConvertSummary, run_convert

EXAMPLE = REPOSITORY / "examples" / "data" / "cohort.vcf.gz"


def write(path: Path, *records: Record, samples: list[str] | None = None) -> str:
    path.write_text(vcf_text(records, samples))
    return str(path)


def convert(*paths: str, out: Path, **options) -> ConvertSummary:
    names = ConvertInputs.__dataclass_fields__
    inputs = {name: options.pop(name) for name in list(options) if name in names}
    how = {name: options.pop(name, False) for name in ("resume", "allow_no_variants")}
    return run_convert(ConvertInputs(paths=paths, **inputs), out, ConvertSettings(**options), **how)


def calls(prefix: Path, n_samples: int) -> list[list[int]]:
    with pgenlib.PgenReader(bytes(prefix.with_suffix(".pgen")), raw_sample_ct=n_samples) as reader:
        found = np.empty((reader.get_variant_ct(), n_samples), np.int8)
        reader.read_range(0, len(found), found)
    return found.tolist()


def table(prefix: Path, ending: str = ".pvar") -> list[dict[str, str]]:
    lines = Path(f"{prefix}{ending}").read_text().splitlines()
    lines = [line for line in lines if not line.startswith("##")]
    header = lines[0].lstrip("#").split("\t")
    return [dict(zip(header, line.split("\t"), strict=True)) for line in lines[1:]]


def facts(prefix: Path) -> dict:
    return json.loads(Path(f"{prefix}.run.json").read_text())


def test_each_alt_becomes_a_row_with_the_copies_of_that_alt(tmp_path: Path) -> None:
    path = write(tmp_path / "a.vcf", Record("1", 5, "A", "C,G", "0/1 1/2 ./. 2/2", id="rs1"))
    convert(path, out=tmp_path / "s")
    assert calls(tmp_path / "s", 4) == [[1, 1, -9, 0], [0, 1, -9, 2]]
    rows = table(tmp_path / "s")
    assert [(r["CHROM"], r["POS"], r["ID"], r["REF"], r["ALT"]) for r in rows] == [
        ("1", "5", "rs1", "A", "C"),
        ("1", "5", "rs1", "A", "G"),
    ]


def test_haploid_calls_are_stored_as_homozygous(tmp_path: Path) -> None:
    path = write(tmp_path / "a.vcf", Record("chrX", 5, "A", "C", "0 1 . 0/1"))
    convert(path, out=tmp_path / "s")
    assert calls(tmp_path / "s", 4) == [[0, 2, -9, 1]]


@pytest.mark.parametrize(
    ("spelt", "stored"),
    [("chr1", "1"), ("chrM", "MT"), ("X", "X"), ("chrUn_1", "chrUn_1"), ("GL0001.1", "GL0001.1")],
)
def test_human_contigs_are_stored_without_chr(tmp_path: Path, spelt: str, stored: str) -> None:
    convert(write(tmp_path / "a.vcf", Record(spelt, 5, "A", "C", "0/1")), out=tmp_path / "s")
    assert table(tmp_path / "s")[0]["CHROM"] == stored


def test_inputs_are_stored_in_the_order_of_their_contigs(tmp_path: Path) -> None:
    names = ("10", "2", "X", "1")
    paths = [write(tmp_path / f"{c}.vcf", Record(c, 5, "A", "C", "0/1")) for c in names]
    summary = convert(*paths, out=tmp_path / "s")
    assert [row["CHROM"] for row in table(tmp_path / "s")] == ["1", "2", "10", "X"]
    assert summary.warnings == []


def test_one_store_from_many_inputs_equals_that_of_all_in_one(tmp_path: Path) -> None:
    records = [Record(str(c), 7 * c, "A", "C", "0/1 1/1 0/0 ./.") for c in (1, 1, 2, 2, 3)]
    whole = write(tmp_path / "whole.vcf", *records)
    parts = [
        write(tmp_path / f"{c}.vcf", *[r for r in records if r.contig == c])
        for c in ("3", "1", "2")
    ]
    convert(whole, out=tmp_path / "a")
    convert(*parts, out=tmp_path / "b")
    for ending in (".pgen", ".pvar", ".psam", ".ledger.tsv.gz"):
        assert (
            Path(f"{tmp_path}/a{ending}").read_bytes() == Path(f"{tmp_path}/b{ending}").read_bytes()
        )


def test_the_first_difference_between_sample_lists_is_named(tmp_path: Path) -> None:
    a = write(tmp_path / "a.vcf", Record("1", 5, "A", "C", "0/1 0/0"), samples=["x", "y"])
    b = write(tmp_path / "b.vcf", Record("2", 5, "A", "C", "0/1 0/0"), samples=["x", "z"])
    c = write(tmp_path / "c.vcf", Record("2", 5, "A", "C", "0/1"), samples=["x"])
    with pytest.raises(InputError, match=r"b\.vcf: sample 2 is 'z', but in .*a\.vcf it is 'y'"):
        convert(a, b, out=tmp_path / "s")
    with pytest.raises(InputError, match=r"has 1 samples, but .*a\.vcf has 2"):
        convert(a, c, out=tmp_path / "s")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.vcf", "b.vcf", "c.vcf"]


def test_a_contig_in_several_places_is_refused(tmp_path: Path) -> None:
    rows = [Record(c, 5, "A", "C", "0/1") for c in ("1", "2", "1")]
    with pytest.raises(InputError, match="contig 1 comes in several places"):
        convert(write(tmp_path / "a.vcf", *rows), out=tmp_path / "s")
    paths = [write(tmp_path / f"{i}.vcf", *two) for i, two in enumerate((rows[:2], rows[2:]))]
    with pytest.raises(InputError, match="contig 1"):
        convert(
            paths[0], write(tmp_path / "3.vcf", Record("1", 9, "A", "C", "0/1")), out=tmp_path / "s"
        )


def test_inputs_that_overlap_are_refused(tmp_path: Path) -> None:
    a = write(tmp_path / "a.vcf", Record("1", 5, "A", "C", "0/1"), Record("1", 9, "A", "C", "0/1"))
    b = write(tmp_path / "b.vcf", Record("1", 8, "A", "C", "0/1"))
    c = write(tmp_path / "c.vcf", Record("1", 9, "A", "G", "0/1"))
    with pytest.raises(InputError, match=r"b\.vcf: begins at 1:8, before .*a\.vcf ends, at 9"):
        convert(b, a, out=tmp_path / "s")
    assert convert(c, a, out=tmp_path / "s").n_variants == 3


def test_a_failure_leaves_the_old_store_untouched(tmp_path: Path) -> None:
    convert(write(tmp_path / "a.vcf", Record("1", 5, "A", "C", "0/1")), out=tmp_path / "s")
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    bad = write(
        tmp_path / "bad.vcf", Record("1", 5, "A", "C", "0/1"), Record("1", 6, "A", "C", "x/1")
    )
    with pytest.raises(InputError, match="not a genotype"):
        convert(bad, out=tmp_path / "s")
    (tmp_path / "bad.vcf").unlink()
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_without_any_variant_nothing_is_written(tmp_path: Path) -> None:
    path = write(tmp_path / "a.vcf", Record("1", 5, "A", "C", "0/1"))
    with pytest.raises(InputError, match=r"no variants are left .*1 records: 1 few_copies"):
        convert(path, out=tmp_path / "s", min_ac=2)
    with pytest.raises(InputError, match=r"1 not asked for"):
        convert(path, out=tmp_path / "s", region="2:1-9")
    assert [p.name for p in tmp_path.iterdir()] == ["a.vcf"]


def test_an_empty_store_may_be_asked_for_and_is_gathered_with_others(tmp_path: Path) -> None:
    one = Record("1", 5, "A", "C", "0/1 0/0")
    path = write(tmp_path / "a.vcf", one, Record("2", 5, "A", "C", "0/0 0/0"))
    for contig, n_left in (("1", 1), ("2", 0)):
        part = convert(path, out=tmp_path / contig, region=contig, min_ac=1, allow_no_variants=True)
        assert part.n_variants == n_left
    assert facts(tmp_path / "2")["records"][0]["dropped"] == {"few_copies": 1}
    gathered = convert(*(str(tmp_path / f"{c}.pgen") for c in "21"), out=tmp_path / "all")
    assert gathered.n_variants == 1
    assert calls(tmp_path / "all", 2) == [[1, 0]]
    assert table(tmp_path / "all", ".psam") == table(tmp_path / "2", ".psam")


def test_rows_in_are_rows_stored_and_rows_dropped(tmp_path: Path) -> None:
    summary = convert(str(EXAMPLE), out=tmp_path / "s", min_ac=5, max_missing=0.02, max_alleles=2)
    (account,) = summary.accounts
    assert account.records == account.passed_over + sum(account.refused.values()) + account.read
    assert account.rows == account.stored + sum(account.dropped.values())
    assert set(account.dropped) == {"few_copies", "missing", "too_many_alleles"}
    assert account.stored == summary.n_variants == len(table(tmp_path / "s"))
    ledger = pl.read_csv(tmp_path / "s.ledger.tsv.gz", separator="\t", infer_schema=False)
    assert dict(ledger["fate"].value_counts().iter_rows()) == account.dropped
    assert facts(tmp_path / "s")["records"][0]["dropped"] == account.dropped


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_change_no_byte(tmp_path: Path, threads: int) -> None:
    inputs = ConvertInputs(paths=[str(EXAMPLE)])
    for name, n in (("a", 2), ("b", threads)):
        run_convert(inputs, tmp_path / name, ConvertSettings(), threads=n)
    for ending in (".pgen", ".pvar", ".psam", ".ledger.tsv.gz"):
        assert (
            Path(f"{tmp_path}/a{ending}").read_bytes() == Path(f"{tmp_path}/b{ending}").read_bytes()
        )


def test_lists_keep_ids_positions_and_alleles(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.vcf",
        Record("chr1", 5, "A", "C,G", "0/1"),
        Record("chr1", 6, "A", "C", "0/1", id="rs6"),
        Record("chr1", 7, "A", "C", "0/1"),
        Record("chr2", 5, "A", "C", "0/1"),
    )
    (tmp_path / "list").write_text("1:5:A:G\nrs6\nchr2\t5\n")
    convert(path, out=tmp_path / "s", variants=tmp_path / "list")
    assert [(r["POS"], r["ALT"]) for r in table(tmp_path / "s")] == [
        ("5", "G"),
        ("6", "C"),
        ("5", "C"),
    ]
    account = facts(tmp_path / "s")["records"][0]
    assert (account["passed_over"], account["dropped"]) == (1, {"not_listed": 1})


def test_sex_and_parents_are_matched_by_name(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.vcf", Record("1", 5, "A", "C", "0/1 0/0 1/1"), samples=["x", "y", "z"]
    )
    (tmp_path / "fam").write_text("f1 z x y 2 -9\nf1 x 0 0 1 -9\nf9 w 0 0 1 -9\n")
    (tmp_path / "sex").write_text("#IID SEX\ny F\n")
    people = (tmp_path / "fam", tmp_path / "sex")
    summary = convert(path, out=tmp_path / "s", people=people)
    assert Path(tmp_path / "s.psam").read_text() == (
        "#FID\tIID\tPAT\tMAT\tSEX\nf1\tx\t0\t0\t1\n0\ty\t0\t0\t2\nf1\tz\tx\ty\t2\n"
    )
    assert [w.split(": ")[1] for w in summary.warnings] == [
        "1 of 3 samples are not in it (y).",
        "1 people in it are not in the cohort (w).",
        "2 of 3 samples are not in it (x).",
    ]


def test_a_table_of_other_people_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.vcf", Record("1", 5, "A", "C", "0/1"))
    (tmp_path / "sex").write_text("nobody 1\n")
    with pytest.raises(InputError, match="names nobody of the cohort"):
        convert(path, out=tmp_path / "s", people=(tmp_path / "sex",))


def test_half_calls_are_missing_or_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "a.vcf", Record("1", 5, "A", "C", "0/1 ./1"))
    convert(path, out=tmp_path / "s")
    assert calls(tmp_path / "s", 2) == [[1, -9]]
    assert facts(tmp_path / "s")["records"][0]["notes"]["half_call"] == 1
    with pytest.raises(InputError, match="one missing allele"):
        convert(path, out=tmp_path / "s", half_calls="error")


def test_dosages_make_the_calls(tmp_path: Path) -> None:
    record = Record("1", 5, "A", "C", "0/1:1.2 0/0:0.05 1/1:. 0/1:1", format="GT:DS")
    convert(write(tmp_path / "a.vcf", record), out=tmp_path / "s", dosage="DS")
    assert calls(tmp_path / "s", 4) == [[-9, 0, 2, 1]]


def test_explain_says_what_became_of_a_variant(tmp_path: Path) -> None:
    path = write(tmp_path / "a.vcf", Record("chr1", 5, "A", "C,G", "0/1 ./."))
    asked = ("1:5:A:C", "1:5:A:G", "1:5:A:T")
    said = convert(path, out=tmp_path / "s", explain=asked, min_ac=1).explained
    assert said[0].endswith("1 samples called, 1 copies of ALT. Stored as it stood.")
    assert "dropped: fewer copies of ALT" in said[1]
    assert said[2] == "1:5:A:T: no such row was read."


def test_names_that_a_psam_cannot_hold_are_refused(tmp_path: Path) -> None:
    for name in ("0", "a b"):
        path = write(tmp_path / "a.vcf", Record("1", 5, "A", "C", "0/1"), samples=[name])
        with pytest.raises(InputError, match="cannot be named"):
            convert(path, out=tmp_path / "s")


def test_two_runs_cannot_write_one_store(tmp_path: Path) -> None:
    import fcntl

    path = write(tmp_path / "a.vcf", Record("1", 5, "A", "C", "0/1"))
    (tmp_path / "s.unfinished").mkdir()
    with (tmp_path / "s.unfinished" / "x").open("w"):
        import os

        lock = os.open(tmp_path / "s.unfinished", os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            with pytest.raises(OutputError, match="another run"):
                convert(path, out=tmp_path / "s")
        finally:
            os.close(lock)


def test_a_stopped_run_is_resumed_to_the_same_bytes(tmp_path: Path) -> None:
    good = [
        write(tmp_path / f"{c}.vcf", *[Record(str(c), p, "A", "C", "0/1 1|1") for p in (3, 4, 5)])
        for c in (1, 2, 3)
    ]
    convert(*good, out=tmp_path / "a")
    text = Path(good[2]).read_text()
    Path(good[2]).write_text(text + "3\t6\tbroken\n")
    with pytest.raises(InputError):
        convert(*good, out=tmp_path / "b", resume=True)
    assert (tmp_path / "b.unfinished" / "0001.json").is_file()
    with pytest.raises(UsageError, match="other options"):
        convert(*good, out=tmp_path / "b", resume=True, min_ac=1)
    made = (tmp_path / "b.unfinished" / "0001.json").stat().st_ino
    Path(good[0]).touch()
    Path(good[2]).write_text(text + "3\t6\tbroken again\n")
    with pytest.raises(InputError):
        convert(*good, out=tmp_path / "b", resume=True)
    assert (tmp_path / "b.unfinished" / "0001.json").stat().st_ino == made
    Path(good[2]).write_text(text)
    convert(*good, out=tmp_path / "b", resume=True)
    assert not (tmp_path / "b.unfinished").exists()
    for ending in (".pgen", ".pvar", ".psam", ".ledger.tsv.gz"):
        assert (
            Path(f"{tmp_path}/a{ending}").read_bytes() == Path(f"{tmp_path}/b{ending}").read_bytes()
        )
