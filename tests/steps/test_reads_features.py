"""`genomed reads features` over real and planted calls."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pysam
import pytest
from datafiles import shared_data
from small_alignments import Read, random_bases, write_bam

from genomed.errors import InputError
from genomed.settings import ReadsFeaturesSettings
from genomed.steps.reads_features import ReadsFeaturesInputs, run_reads_features
from genomed.tables import TABLES

REFERENCE = random_bases(np.random.default_rng(4), 2000)


def run(calls: Path, bam: Path, fasta: Path, out: Path, threads: int = 1, **settings):
    inputs = ReadsFeaturesInputs(calls, bam, fasta)
    return run_reads_features(inputs, out, ReadsFeaturesSettings(**settings), threads=threads)


def planted(folder: Path, calls: list[tuple[int, str, str]], mates: bool = False) -> tuple:
    """Twenty reads, half of which have the ALT of the first call."""
    at, ref, alt = calls[0]
    changed = REFERENCE[: at - 1] + alt + REFERENCE[at - 1 + len(ref) :]
    reads = [
        Read(f"r{k}", 940 + k, "100M", [REFERENCE, changed][k % 2][940 + k : 1040 + k],
             flag=(16 if k % 3 else 0))
        for k in range(20)
    ]  # fmt: skip
    bam = write_bam(folder / "reads.bam", reads, {"1": len(REFERENCE)})
    fasta = folder / "ref.fa"
    fasta.write_text(f">1\n{REFERENCE}\n")
    vcf = folder / "calls.vcf"
    lines = [f"1\t{p}\t.\t{r}\t{a}\t9\t.\tOLD=1\n" for p, r, a in calls]
    vcf.write_text(
        "##fileformat=VCFv4.2\n##contig=<ID=1,length=2000>\n"
        '##INFO=<ID=OLD,Number=1,Type=Integer,Description="Kept">\n'
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n" + "".join(lines)
    )
    return vcf, bam, fasta


def test_reads_that_were_aligned_without_a_gap_count_for_the_deletion_they_have(tmp_path) -> None:
    at = 1000
    ref = REFERENCE[at - 1 : at + 3]
    files = planted(tmp_path, [(at, ref, ref[0])])
    summary = run(*files, tmp_path / "out")
    table = pl.read_parquet(summary.outputs["features.parquet"])
    assert table.columns == list(TABLES["reads_features"])
    row = table.row(0, named=True)
    assert row["ref_depth"] + row["alt_depth"] + row["ambiguous"] == row["depth"] == 20
    assert row["alt_depth"] == 10
    with pysam.VariantFile(str(summary.outputs["features.vcf.gz"])) as file:
        (record,) = file
        assert record.info["RF_AD"] == (10, 10)
        assert record.info["OLD"] == 1
        assert record.info["RF_LOD"][0] == pytest.approx(row["log_odds"], abs=0.01)


def test_alleles_that_have_no_bases_stay_without_features(tmp_path) -> None:
    a, b = REFERENCE[999], REFERENCE[1009]
    other = "ACGT"[("ACGT".index(a) + 1) % 4]
    files = planted(tmp_path, [(1000, a, f"{other}"), (1000, a, f"*,{other}"), (1010, b, "<DEL>")])
    summary = run(*files, tmp_path / "out")
    assert (summary.records, summary.alleles, summary.without) == (3, 2, 2)
    with pysam.VariantFile(str(summary.outputs["features.vcf.gz"])) as file:
        records = list(file)
    assert records[1].info["RF_LOD"][0] is None
    assert records[1].info["RF_AD"][1] is None
    assert "RF_DP" not in records[2].info


def test_a_second_run_over_its_own_output_changes_nothing(tmp_path) -> None:
    base = REFERENCE[999]
    vcf, bam, fasta = planted(tmp_path, [(1000, base, "A" if base != "A" else "C")])
    first = run(vcf, bam, fasta, tmp_path / "one").outputs["features.vcf.gz"]
    second = run(first, bam, fasta, tmp_path / "two").outputs["features.vcf.gz"]
    with pysam.BGZFile(str(first)) as one, pysam.BGZFile(str(second)) as two:
        assert one.read() == two.read()


def test_features_of_an_earlier_run_go_where_there_are_none_now(tmp_path) -> None:
    ref = REFERENCE[999:1003]
    vcf, bam, fasta = planted(tmp_path, [(1000, ref, ref[0])])
    first = run(vcf, bam, fasta, tmp_path / "one").outputs["features.vcf.gz"]
    second = run(first, bam, fasta, tmp_path / "two", max_allele_bp=1).outputs["features.vcf.gz"]
    with pysam.VariantFile(str(second)) as file:
        (record,) = file
    assert set(record.info) == {"OLD"}


def test_another_reference_is_refused(tmp_path) -> None:
    base = REFERENCE[999]
    vcf, bam, fasta = planted(tmp_path, [(1000, base, "A" if base != "A" else "C")])
    fasta.write_text(f">1\n{REFERENCE[:900] + REFERENCE[901:] + 'A'}\n")
    with pytest.raises(InputError, match=r"line 5: REF is"):
        run(vcf, bam, fasta, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_calls_on_an_unknown_contig_are_refused(tmp_path) -> None:
    base = REFERENCE[999]
    vcf, bam, fasta = planted(tmp_path, [(1000, base, "A" if base != "A" else "C")])
    vcf.write_text(vcf.read_text().replace("\n1\t", "\n9\t"))
    with pytest.raises(InputError, match="has no contig '9'"):
        run(vcf, bam, fasta, tmp_path / "out")


def test_calls_without_records_make_empty_tables(tmp_path) -> None:
    base = REFERENCE[999]
    vcf, bam, fasta = planted(tmp_path, [(1000, base, "A" if base != "A" else "C")])
    vcf.write_text("".join(line for line in vcf.read_text().splitlines(True) if line[0] == "#"))
    summary = run(vcf, bam, fasta, tmp_path / "out")
    table = pl.read_parquet(summary.outputs["features.parquet"])
    assert table.columns == list(TABLES["reads_features"])
    assert len(table) == 0


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory):
    """freebayes' own calls of its example, with features."""
    folder = shared_data("reads/freebayes_tiny")
    out = tmp_path_factory.mktemp("features") / "out"
    calls = folder / "NA12878.chr22.tiny.vcf"
    return folder, run(calls, folder / "NA12878.chr22.tiny.bam", folder / "q.fa", out)


def test_depths_of_alleles_are_near_those_of_freebayes(tiny) -> None:
    folder, summary = tiny
    table = pl.read_parquet(summary.outputs["features.parquet"])
    with pysam.VariantFile(str(folder / "NA12878.chr22.tiny.vcf")) as file:
        rows = [(r.pos, a, r.info["AO"][k], r.info["RO"], r.qual) for r in file
                for k, a in enumerate(r.alts)]  # fmt: skip
    theirs = pl.DataFrame(
        rows, schema=["position", "alt", "AO", "RO", "qual"], orient="row"
    ).with_columns(pl.col("position").cast(pl.Int32))
    both = table.join(theirs, on=["position", "alt"])
    assert len(both) == len(theirs) == len(table)
    sure = both.filter(pl.col("qual") > 20)
    assert len(sure) >= 15
    # Fragments are counted here and reads there, which also asks for a base quality
    near = (sure["alt_depth"] - sure["AO"]).abs() <= 0.25 * sure["AO"] + 2
    assert near.mean() > 0.9
    assert sure["log_odds"].min() > 0


def test_sure_calls_have_higher_odds_than_the_rest(tiny) -> None:
    folder, summary = tiny
    table = pl.read_parquet(summary.outputs["features.parquet"])
    with pysam.VariantFile(str(folder / "NA12878.chr22.tiny.giab.vcf")) as file:
        truth = {(r.pos, a) for r in file for a in r.alts}
    is_true = pl.Series(
        [(p, a) in truth for p, a in zip(table["position"], table["alt"], strict=True)]
    )
    assert is_true.sum() >= 8
    assert table["log_odds"].filter(is_true).min() > table["log_odds"].filter(~is_true).median()


def test_threads_and_cram_change_nothing(tiny, tmp_path) -> None:
    folder, summary = tiny
    calls = folder / "NA12878.chr22.tiny.vcf"
    expected = pl.read_parquet(summary.outputs["features.parquet"])
    again = run(calls, folder / "NA12878.chr22.tiny.bam", folder / "q.fa", tmp_path / "b", 3)
    assert pl.read_parquet(again.outputs["features.parquet"]).equals(expected)
    cram = tmp_path / "reads.cram"
    shutil.copy(folder / "NA12878.chr22.tiny.cram", cram)
    pysam.index(str(cram))
    through = run(calls, cram, folder / "q.fa", tmp_path / "c")
    assert pl.read_parquet(through.outputs["features.parquet"]).equals(expected)


def test_bcftools_accepts_the_annotated_calls(tiny) -> None:
    if shutil.which("bcftools") is None:
        pytest.skip("bcftools is not installed")
    _, summary = tiny
    path = str(summary.outputs["features.vcf.gz"])
    done = subprocess.run(
        ["bcftools", "query", "-f", "%POS %INFO/RF_AD\n", path], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == summary.records


def test_run_json_names_inputs_and_settings(tiny) -> None:
    _, summary = tiny
    facts = json.loads(summary.outputs["run.json"].read_text())
    assert facts["command"] == "reads features"
    assert facts["run"].keys() == {"command_line", "started"}
    assert facts["alleles"] == summary.alleles
    assert facts["settings"]["evidence"]["flank_bp"] == 15
    footer = pl.read_parquet_metadata(summary.outputs["features.parquet"])["genomed"]
    assert json.loads(footer)["inputs"] == facts["inputs"]
    assert len(facts["inputs"]) == 3
