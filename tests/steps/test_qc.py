"""`genomed qc`: planted truth, filters one by one, odd cohorts, and the same bytes always."""

import gzip
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from datafiles import REPOSITORY
from polars.testing import assert_frame_equal
from small_cohorts import Record, write_vcf

from genomed.errors import InputError, OutputError, UsageError
from genomed.io.pgen_writer import PgenWriter
from genomed.io.variant_frame import MAX_BATCH_ROWS
from genomed.ledger import QC_SAMPLES, QC_VARIANTS
from genomed.settings import QcSettings
from genomed.steps.qc import QcInputs, QcSummary, run_qc
from genomed.steps.qc_source import open_source
from genomed.tables import TABLES

COHORT = REPOSITORY / "examples/data/cohort.vcf.gz"
PSAM = REPOSITORY / "examples/data/cohort.psam"
TRUTH = REPOSITORY / "examples/data/truth.tsv"
ANYTHING = QcSettings(min_call_rate=0, min_sample_call_rate=0, hwe_p=0)


def run(
    tmp_path: Path, cohort: Path | str, settings: QcSettings = ANYTHING, threads: int = 2, **inputs
) -> QcSummary:
    return run_qc(QcInputs(str(cohort), **inputs), tmp_path / "qc", settings, threads=threads)


def variants(tmp_path: Path) -> pl.DataFrame:
    return pl.read_parquet(tmp_path / "qc/variants.parquet")


def samples(tmp_path: Path) -> pl.DataFrame:
    return pl.read_parquet(tmp_path / "qc/samples.parquet")


def planted(kind: str) -> list[str]:
    truth = pl.read_csv(TRUTH, separator="\t")
    return truth.filter(pl.col("kind") == kind)["sample"].to_list()


@pytest.fixture(scope="module")
def example(tmp_path_factory) -> tuple[Path, QcSummary]:
    folder = tmp_path_factory.mktemp("example")
    return folder, run(folder, COHORT, QcSettings(), people=PSAM)


def test_the_planted_samples_fail_and_nobody_else(example) -> None:
    failed = example[1].samples.filter(~pl.col("pass"))

    assert dict(failed.select("sample", "reason").iter_rows()) == {
        **dict.fromkeys(planted("low_call_rate"), "low_call_rate"),
        **dict.fromkeys(planted("sex_mismatch"), "sex_mismatch"),
    }


def test_the_same_samples_fail_when_outliers_are_looked_for_within_populations(tmp_path) -> None:
    summary = run(tmp_path, COHORT, QcSettings(), people=PSAM, groups="population")
    assert not summary.facts.warnings

    failed = summary.samples.filter(~pl.col("pass"))["sample"].to_list()
    assert sorted(failed) == sorted(planted("low_call_rate") + planted("sex_mismatch"))
    # differences between populations make a heterozygote deficit; within them there is none
    assert summary.facts.variants["dropped"].keys() == {"low_call_rate"}


def test_the_planted_trio_has_no_mendel_errors(tmp_path) -> None:
    (child,), (mother,) = planted("trio_child"), planted("trio_mother")
    (father,) = planted("trio_father")
    lines = PSAM.read_text().splitlines()
    rows = ["#IID\tPAT\tMAT\tSEX"]
    for line in lines[1:]:
        name, sex, _ = line.split("\t")
        parents = f"{father}\t{mother}" if name == child else "0\t0"
        rows.append(f"{name}\t{parents}\t{sex}")
    (tmp_path / "trio.psam").write_text("\n".join(rows) + "\n")

    summary = run(tmp_path, COHORT, people=tmp_path / "trio.psam")

    assert summary.facts.n_trios == 1
    row = summary.samples.row(by_predicate=pl.col("sample") == child, named=True)
    assert row["n_mendel"] == 0
    assert variants(tmp_path)["n_mendel"].sum() == 0


def test_a_child_of_the_wrong_parents_fails(tmp_path) -> None:
    rows = ["#IID\tPAT\tMAT\tSEX"]
    for line in PSAM.read_text().splitlines()[1:]:
        name, sex, _ = line.split("\t")
        parents = "AFR002\tAFR003" if name == "EUR100" else "0\t0"
        rows.append(f"{name}\t{parents}\t{sex}")
    (tmp_path / "wrong.psam").write_text("\n".join(rows) + "\n")

    summary = run(tmp_path, COHORT, people=tmp_path / "wrong.psam")

    row = summary.samples.row(by_predicate=pl.col("sample") == "EUR100", named=True)
    assert row["reason"] == "mendel"
    assert row["mendel_rate"] > 0.05


def test_the_tables_have_the_columns_of_the_dictionary(example) -> None:
    folder, _ = example
    for name, table in (("qc_variants", variants(folder)), ("qc_samples", samples(folder))):
        assert table.columns == list(TABLES[name])


def test_tsv_and_parquet_say_the_same(example) -> None:
    folder, _ = example
    in_parquet = variants(folder)
    in_tsv = pl.read_csv(
        gzip.decompress((folder / "qc/variants.tsv.gz").read_bytes()),
        separator="\t",
        schema_overrides={n: pl.Utf8 for n, k in in_parquet.schema.items() if k != pl.Boolean},
    )
    texts = ["contig", "id", "ref", "alt", "place", "kind", "reason"]
    for name in in_parquet.columns:
        if name in texts:
            same = in_parquet[name].cast(pl.Utf8).replace("", None)
            assert in_tsv[name].to_list() == same.to_list()
        elif name != "pass":
            ours = in_parquet[name].cast(pl.Float64).fill_null(-1)
            theirs = in_tsv[name].cast(pl.Float64).fill_null(-1)
            np.testing.assert_allclose(theirs, ours, rtol=5e-6)
    assert in_tsv["pass"].to_list() == in_parquet["pass"].to_list()


def test_the_ledger_reconciles(example) -> None:
    folder, summary = example
    told = json.loads((folder / "qc/run.json").read_text())
    records = told["records"]

    refused = sum(records["refused"].values())
    assert records["n_records"] == records["n_emitted"] + records["n_passed_over"] + refused
    for name, table, codes in (
        ("variants", variants(folder), QC_VARIANTS),
        ("samples", summary.samples, QC_SAMPLES),
    ):
        ledger = told[name]
        assert ledger["measured"] == len(table)
        assert ledger["measured"] == ledger["kept"] + sum(ledger["dropped"].values())
        assert set(ledger["dropped"]) <= set(codes)
        assert ledger["kept"] == table["pass"].sum()


def test_pass_lists_hold_what_passes(example) -> None:
    folder, summary = example
    kept = variants(folder).filter(pl.col("pass"))
    names = [
        row["id"] or "{contig}:{position}:{ref}:{alt}".format(**row)
        for row in kept.iter_rows(named=True)
    ]

    assert (folder / "qc/pass.variants").read_text().splitlines() == names
    passing = summary.samples.filter(pl.col("pass"))["sample"].to_list()
    assert (folder / "qc/pass.samples").read_text().splitlines() == ["#IID", *passing]


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_and_batches_change_no_byte(example, tmp_path, threads: int, monkeypatch) -> None:
    monkeypatch.setattr("genomed.steps.qc.BATCH_BYTES", 100_000 * threads)
    monkeypatch.setattr("genomed.io.table_parts.BLOCK_ROWS", 1 << 15)
    run(tmp_path, COHORT, QcSettings(), threads=threads, people=PSAM)

    folder, _ = example
    for path in sorted((folder / "qc").iterdir()):
        if path.name != "run.json":
            assert path.read_bytes() == (tmp_path / "qc" / path.name).read_bytes(), path.name


def test_many_blocks_are_the_table_that_one_would_be(example, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("genomed.io.table_parts.BLOCK_ROWS", 700)
    run(tmp_path, COHORT, QcSettings(), people=PSAM)

    folder, _ = example
    assert_frame_equal(variants(folder), variants(tmp_path))
    texts = [gzip.decompress((f / "qc/variants.tsv.gz").read_bytes()) for f in (folder, tmp_path)]
    assert texts[0] == texts[1]


def test_no_block_of_a_store_outgrows_a_batch_however_few_its_people(tmp_path) -> None:
    n = MAX_BATCH_ROWS + 1
    with PgenWriter(tmp_path / "long.pgen", 1) as writer:
        writer.write_counts(np.zeros((n, 1), np.int8))
    rows = (f"1\t{position}\t.\tA\tG\n" for position in range(1, n + 1))
    (tmp_path / "long.pvar").write_text("#CHROM\tPOS\tID\tREF\tALT\n" + "".join(rows))
    (tmp_path / "long.psam").write_text("#IID\tSEX\nonly\t2\n")
    source = open_source(
        str(tmp_path / "long.pgen"), samples=None, region=None, build=None, threads=1,
        max_batch_bytes=1 << 20, stream=None,
    )  # fmt: skip
    assert [len(block.variants) for block in source.blocks()] == [MAX_BATCH_ROWS, 1]


def test_each_filter_stops_what_it_names(tmp_path) -> None:
    n = 60
    calls = {
        "missing": ["./."] * 6 + ["0/1"] * 27 + ["0/0"] * 27,
        "hets": ["0/1"] * n,
        "rare": ["0/1"] + ["0/0"] * (n - 1),
        "nobody": ["./."] * n,
        "unequal": ["./."] * 20 + ["0/1"] * 20 + ["0/0"] * 20,
        "good": ["0/1"] * 30 + ["0/0"] * 30,
    }
    records = [
        Record("1", 100 * (i + 1), "A", "G", " ".join(row), id=name)
        for i, (name, row) in enumerate(calls.items())
    ]
    names = [f"s{i}" for i in range(n)]
    write_vcf(tmp_path / "c.vcf", records, samples=names)
    status = "\n".join(f"{name}\t{2 if i < 30 else 1}" for i, name in enumerate(names))
    (tmp_path / "status.tsv").write_text(f"IID\tstatus\n{status}\n")
    settings = QcSettings(
        min_call_rate=0.95, min_sample_call_rate=0, hwe_p=1e-6, min_maf=0.02, missing_p=1e-5
    )

    summary = run(tmp_path, tmp_path / "c.vcf", settings, pheno=str(tmp_path / "status.tsv"))

    assert dict(variants(tmp_path).select("id", "reason").iter_rows()) == {
        "missing": "low_call_rate",
        "hets": "hwe",
        "rare": "rare",
        "nobody": "no_calls",
        "unequal": "low_call_rate;differential_missingness",
        "good": "",
    }
    assert summary.facts.variants["kept"] == 1


def test_an_alt_of_the_same_record_counts_as_none_of_this_one(tmp_path) -> None:
    write_vcf(tmp_path / "c.vcf", [Record("1", 1, "A", "C,G", "0/1 1/2 2/2 0/0 ./2")])

    run(tmp_path, tmp_path / "c.vcf")

    counts = variants(tmp_path).select("alt", "n_hom_ref", "n_het", "n_hom_alt", "n_called")
    assert counts.rows() == [("C", 2, 2, 0, 4), ("G", 2, 1, 1, 4)]


def test_ploidy_comes_from_place_and_sex(tmp_path) -> None:
    records = [
        Record("X", 3_000_000, "A", "G", "0/1 1 1/1"),
        Record("X", 20_000, "A", "G", "0/1 0/1 1/1"),  # both sexes have two copies here
        Record("Y", 3_000_000, "A", "G", ". 1 1"),
        Record("MT", 100, "A", "G", "1 0 0/1"),
        Record("1", 100, "A", "G", "0/1 1/1 0/0"),
    ]
    write_vcf(tmp_path / "c.vcf", records, samples=["f", "m", "u"])
    (tmp_path / "p.psam").write_text("#IID SEX\nf 2\nm 1\nu NA\n")

    summary = run(tmp_path, tmp_path / "c.vcf", people=tmp_path / "p.psam")

    table = variants(tmp_path)
    assert summary.facts.build == "GRCh38"
    assert table["place"].to_list() == ["X", "pseudo_autosomal", "Y", "MT", "autosome"]
    assert table["allele_number"].to_list() == [5, 6, 1, 2, 6]
    assert table["alt_count"].to_list() == [4, 4, 1, 1, 3]
    assert table["n_het_haploid"].to_list() == [0, 0, 0, 1, 0]
    assert table["n_called"].to_list() == [3, 3, 1, 3, 3]


def test_unknown_sexes_are_said(tmp_path) -> None:
    write_vcf(tmp_path / "c.vcf", [Record("X", 3_000_000, "A", "G", "0/1 1/1")])

    summary = run(tmp_path, tmp_path / "c.vcf")

    assert any("sex" in warning for warning in summary.facts.warnings)


def test_one_sample_is_enough(tmp_path) -> None:
    write_vcf(tmp_path / "c.vcf", [Record("1", i, "A", "G", "0/1") for i in (1, 2)])

    summary = run(tmp_path, tmp_path / "c.vcf")

    assert summary.samples["n_het"].to_list() == [2]
    assert summary.samples["n_singleton"].to_list() == [2]
    assert summary.samples["het_hom_ratio"].to_list() == [None]


def test_no_variants_give_empty_tables(tmp_path) -> None:
    write_vcf(tmp_path / "c.vcf", [], samples=["a", "b"])

    summary = run(tmp_path, tmp_path / "c.vcf", QcSettings())

    assert len(variants(tmp_path)) == 0
    assert variants(tmp_path).columns == list(TABLES["qc_variants"])
    header = gzip.decompress((tmp_path / "qc/variants.tsv.gz").read_bytes()).decode()
    assert header.split("\t")[0] == "contig"
    assert summary.samples["call_rate"].to_list() == [None, None]
    assert "No variants were read." in summary.facts.warnings


def test_no_samples_give_variants_without_calls(tmp_path) -> None:
    text = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    (tmp_path / "c.vcf").write_text(text + "1\t5\t.\tA\tG\t.\t.\t.\n")

    summary = run(tmp_path, tmp_path / "c.vcf", QcSettings())

    assert variants(tmp_path)["n_called"].to_list() == [0]
    assert len(summary.samples) == 0


def test_a_region_and_some_samples_can_be_asked_for(tmp_path) -> None:
    from genomed.regions import Region

    summary = run(
        tmp_path, COHORT, region=Region.parse("chrX"), samples=["AFR001", "EUR071"], people=PSAM
    )

    assert variants(tmp_path)["contig"].unique().to_list() == ["chrX"]
    assert summary.samples["sample"].to_list() == ["AFR001", "EUR071"]


def test_a_region_of_a_store_can_be_asked_for(tmp_path) -> None:
    from genomed.regions import Region

    run(tmp_path, COHORT, people=PSAM, write=tmp_path / "all")
    whole = variants(tmp_path)
    run(tmp_path, tmp_path / "all", region=Region.parse("chrX:1-102111618"))

    inside = whole.filter((pl.col("contig") == "chrX") & (pl.col("position") <= 102111618))
    assert len(inside) > 10
    assert variants(tmp_path)["position"].to_list() == inside["position"].to_list()


@pytest.mark.parametrize(
    ("inputs", "error", "what"),
    [
        ({"pheno": "nothing"}, UsageError, "--pheno nothing"),
        ({"groups": "{tmp}/others.tsv"}, InputError, "names nobody"),
        ({"pheno": "{tmp}/words.tsv"}, InputError, "'maybe' is neither case"),
        ({"pheno": "{tmp}/binary.tsv"}, InputError, "0 and 1 only"),
        ({"pheno": "{tmp}/words.tsv:absent"}, InputError, "no column 'absent'"),
        ({"pheno": "{tmp}/short.tsv"}, InputError, "row 2"),
        ({"people": "{tmp}/others.psam"}, InputError, "names nobody"),
    ],
)
def test_tables_that_do_not_fit_are_refused(tmp_path, inputs, error, what) -> None:
    write_vcf(tmp_path / "c.vcf", [Record("1", 1, "A", "G", "0/1 0/1")], samples=["a", "b"])
    (tmp_path / "others.tsv").write_text("IID\tgroup\nx\t1\n")
    (tmp_path / "words.tsv").write_text("IID\tstatus\na\tmaybe\nb\tcase\n")
    (tmp_path / "binary.tsv").write_text("IID\tstatus\na\t0\nb\t1\n")
    (tmp_path / "short.tsv").write_text("IID\tstatus\na\t1\nb\n")
    (tmp_path / "others.psam").write_text("#IID\tSEX\nx\t1\n")
    given = {key: value.format(tmp=tmp_path) for key, value in inputs.items()}
    given = {key: Path(value) if key == "people" else value for key, value in given.items()}

    with pytest.raises(error, match=what):
        run(tmp_path, tmp_path / "c.vcf", **given)
    assert not (tmp_path / "qc").exists()


def test_an_unknown_build_is_refused(tmp_path) -> None:
    write_vcf(tmp_path / "c.vcf", [Record("1", 1, "A", "G", "0/1")])

    with pytest.raises(UsageError, match=r"--build .hg99. is not a genome build"):
        run(tmp_path, tmp_path / "c.vcf", QcSettings(build="hg99"))


def test_a_truncated_cohort_leaves_nothing(tmp_path) -> None:
    whole = COHORT.read_bytes()
    (tmp_path / "c.vcf.gz").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(InputError):
        run(tmp_path, tmp_path / "c.vcf.gz")
    assert not (tmp_path / "qc").exists()


def test_an_old_result_survives_a_run_that_fails(tmp_path) -> None:
    write_vcf(tmp_path / "c.vcf", [Record("1", 1, "A", "G", "0/1")])
    run(tmp_path, tmp_path / "c.vcf")
    before = {path.name: path.read_bytes() for path in (tmp_path / "qc").iterdir()}
    (tmp_path / "c.vcf").write_text("nothing")

    with pytest.raises(InputError):
        run(tmp_path, tmp_path / "c.vcf")
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "qc").iterdir()}


def test_a_full_disc_is_said(tmp_path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("genomed.io.table_parts._compressed", full)
    write_vcf(tmp_path / "c.vcf", [Record("1", 1, "A", "G", "0/1")])

    with pytest.raises(OutputError, match="No space left"):
        run(tmp_path, tmp_path / "c.vcf")
    assert not (tmp_path / "qc").exists()


def test_a_filtered_store_holds_what_passes(tmp_path) -> None:
    from genomed.io.packed import open_store
    from genomed.kernels.packed import unpack_rows

    summary = run(tmp_path, COHORT, QcSettings(), people=PSAM, write=tmp_path / "sub/clean")

    passing = summary.samples.filter(pl.col("pass"))["sample"].to_list()
    store = open_store(tmp_path / "sub/clean")
    assert store.samples == passing
    kept = variants(tmp_path).filter(pl.col("pass"))
    assert store.variants["position"].to_list() == kept["position"].to_list()
    assert store.variants["alt"].to_list() == kept["alt"].to_list()
    assert store.people["population"].to_list() == [name[:3] for name in passing]
    again = run_qc(
        QcInputs(str(tmp_path / "sub/clean")), tmp_path / "again", QcSettings(), threads=2
    )
    full = summary.samples.filter(pl.col("pass"))
    assert again.samples["n_eligible"].to_list() == [len(kept)] * len(passing)
    assert again.samples["declared_sex"].to_list() == full["declared_sex"].to_list()
    # the same calls, of a sample that stays, at the variants that stay
    words = store.read(np.arange(store.n_variants))
    calls = np.empty((store.n_variants, store.n_samples), np.int8)
    unpack_rows(words, store.n_samples, calls)
    before = run_qc(
        QcInputs(str(COHORT), people=PSAM, samples=[passing[5]]), tmp_path / "one", ANYTHING
    )
    assert before.samples["sample"].to_list() == [passing[5]]
    one = pl.read_parquet(tmp_path / "one/variants.parquet")
    ours = (one["n_het"] + one["n_hom_alt"] * 2 + one["n_hap_alt"] * 2).to_numpy()
    ours = np.where(one["n_called"].to_numpy() == 0, -9, ours)
    in_store = variants(tmp_path)["pass"].to_numpy()
    assert (calls[:, 5] == ours[in_store]).all()


def test_nothing_that_passes_makes_no_store(tmp_path) -> None:
    write_vcf(tmp_path / "c.vcf", [Record("1", 1, "A", "G", "./. ./.")])

    summary = run(tmp_path, tmp_path / "c.vcf", QcSettings(), write=tmp_path / "clean")

    assert "--write: nothing passes, so no store was written." in summary.facts.warnings
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.vcf", "qc"]
