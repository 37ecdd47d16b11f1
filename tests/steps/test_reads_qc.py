"""`reads qc` measures several files at once, and says what is odd about them."""

import gzip
import json
from pathlib import Path

import numpy as np
import polars as pl
import pysam
import pytest
from bam_files import alignment, write_bam
from datafiles import shared_data
from simulated_reads import haplotypes_of, simulated_sites, write_panel
from simulated_reads import write_bam as write_simulated

from genomed.errors import InputError, UsageError
from genomed.settings import ReadsQcSettings
from genomed.steps.reads_qc import ReadsQcInputs, ReadsQcSummary, run_reads_qc
from genomed.tables import TABLES

TINY = "reads/freebayes_tiny/NA12878.chr22.tiny.bam"
PERSON = {"1": 4000, "2": 1000, "X": 1000, "Y": 1000, "MT": 200}


def measured(tmp_path: Path, *paths: Path, threads: int = 2, **options) -> ReadsQcSummary:
    names = {"reference", "targets", "sites", "store"}
    given = {key: options.pop(key) for key in names & options.keys()}
    inputs = ReadsQcInputs(tuple(paths), **given)
    return run_reads_qc(inputs, tmp_path / "out", ReadsQcSettings(**options), threads=threads)


def bed(tmp_path: Path, name: str) -> list[list[str]]:
    text = gzip.decompress((tmp_path / "out" / name).read_bytes()).decode()
    return [line.split("\t") for line in text.splitlines()]


def man(path: Path, depth: int = 8) -> Path:
    """Reads of a man: X and Y half as deep as the rest, and one half of the mitochondrion."""
    reads = []
    for contig, (length, copies) in enumerate(zip(PERSON.values(), (2, 2, 1, 1, 40), strict=True)):
        for start in range(0, length, 100):
            n = depth * copies // 2
            reads += [alignment(contig, start, "100M", flag=16 * (i % 2)) for i in range(n)]
    return write_bam(path, reads, PERSON, {"g": "otto"})


def test_several_files_have_a_row_each(tmp_path):
    one, two = man(tmp_path / "one.bam"), shared_data(TINY)
    found = measured(tmp_path, one, two, one)
    assert found.files["prefix"].to_list() == ["one", "NA12878.chr22.tiny", "one_2"]
    assert found.files.columns == list(TABLES["reads_qc"])
    assert found.files["sample"].to_list() == ["otto", "1", "otto"]
    for name in ("contigs", "distributions"):
        assert pl.read_parquet(tmp_path / f"out/{name}.parquet").columns == list(
            TABLES[f"reads_qc_{name}"]
        )
    regions = pl.read_parquet(tmp_path / "out/regions.parquet")
    assert set(regions["file"]) == {str(one), str(two)}
    assert {"one.regions.bed.gz", "one.regions.bed.gz.csi", "one_2.mosdepth.summary.txt",
            "reads_qc_mqc.json", "run.json"} <= set(found.outputs)  # fmt: skip


def test_a_man_is_told_by_depth(tmp_path):
    row = measured(tmp_path, man(tmp_path / "one.bam")).files.row(0, named=True)
    assert (row["x_ratio"], row["y_ratio"], row["mt_ratio"]) == (0.5, 0.5, 20)
    assert row["sex"] == "male"
    assert row["forward_share"] == 0.5
    assert row["mean_depth"] == pytest.approx((8 * 5000 + 4 * 2000 + 160 * 200) / 7200)


def test_known_bases_and_whole_contigs_are_measured_alike(tmp_path):
    fasta = tmp_path / "x.fa"
    letters = {name: ("ACGTN" if name == "X" else "ACGTC") for name in PERSON}  # no known window
    fasta.write_text("".join(f">{n}\n{letters[n] * (PERSON[n] // 5)}\n" for n in PERSON))
    found = measured(tmp_path, man(tmp_path / "one.bam"), reference=fasta)
    row = found.files.row(0, named=True)
    assert (row["x_ratio"], row["y_ratio"], row["mt_ratio"]) == (0.5, 0.5, 20)


def test_files_of_one_name_never_share_their_outputs(tmp_path):
    (tmp_path / "a").mkdir()
    paths = [tmp_path / "x.bam", tmp_path / "a/x.bam", tmp_path / "x_2.bam"]
    for path in paths:
        write_bam(path, [alignment()])
    assert measured(tmp_path, *paths).files["prefix"].to_list() == ["x", "x_2", "x_2_2"]


def test_a_file_without_contigs_is_measured(tmp_path):
    path = write_bam(tmp_path / "x.bam", [alignment(-1, -1, "*", flag=4)] * 3, {}, index=False)
    assert measured(tmp_path, path).files["n_reads"].to_list() == [3]
    regions = pl.read_parquet(tmp_path / "out/regions.parquet")
    measured(tmp_path, man(tmp_path / "one.bam"))
    assert not len(regions)
    assert regions.schema == pl.read_parquet(tmp_path / "out/regions.parquet").schema


def test_threads_change_nothing(tmp_path):
    source = shared_data(TINY)
    kept = []
    for threads in (1, 3):
        found = measured(tmp_path / str(threads), source, threads=threads, per_base=True)
        kept.append(
            {name: path.read_bytes() for name, path in found.outputs.items() if name != "run.json"}
        )
    assert kept[0] == kept[1]


def test_regions_of_a_bed_are_measured_by_name(tmp_path):
    targets = tmp_path / "t.bed"
    targets.write_text("chr1\t100\t200\tgene A\nchr2\t990\t1010\tend\n7\t1\t2\n")
    found = measured(tmp_path, man(tmp_path / "one.bam"), targets=targets, thresholds=(1, 9))
    assert bed(tmp_path, "one.regions.bed.gz") == [
        ["1", "100", "200", "gene A", "8.00"], ["2", "990", "1010", "end", "4.00"],
    ]  # fmt: skip
    assert bed(tmp_path, "one.thresholds.bed.gz")[1:] == [
        ["1", "100", "200", "gene A", "100", "0"], ["2", "990", "1010", "end", "10", "0"],
    ]  # fmt: skip
    assert found.files["mean_depth"].to_list() == [pytest.approx(880 / 110)]
    assert any("7" in warning and "left out" in warning for warning in found.warnings)


def test_indexes_of_the_outputs_find_their_rows(tmp_path):
    measured(tmp_path, man(tmp_path / "one.bam"), window_bp=100)
    path = str(tmp_path / "out/one.regions.bed.gz")
    with pysam.TabixFile(path, index=path + ".csi") as file:
        assert list(file.fetch("MT", 100, 200)) == ["MT\t100\t200\t160.00"]


def test_gc_bias_needs_the_reference_and_finds_what_is_missing(tmp_path):
    fasta = tmp_path / "x.fa"
    fasta.write_text(">1\n" + "A" * 500 + "G" * 500 + "\n")
    reads = [alignment(0, at, "100M") for at in range(0, 500, 100) for _ in range(3)]
    reads += [alignment(0, at, "100M") for at in range(500, 1000, 100)]
    path = write_bam(tmp_path / "one.bam", reads)
    row = measured(tmp_path, path, reference=fasta).files.row(0, named=True)
    assert row["gc_dropout"] == pytest.approx(0.25)
    assert row["at_dropout"] == 0
    table = pl.read_parquet(tmp_path / "out/distributions.parquet")
    by_gc = table.filter(pl.col("measure") == "gc_depth").select("key", "value").rows()
    assert by_gc == [(0, 1.5), (100, 0.5)]
    assert measured(tmp_path, path).files["gc_dropout"].to_list() == [None]


def test_another_reference_is_refused(tmp_path):
    fasta = tmp_path / "x.fa"
    fasta.write_text(">1\n" + "A" * 999 + "\n")
    path = write_bam(tmp_path / "one.bam", [alignment()])
    with pytest.raises(InputError, match="its 1 has 999 bases, the alignments' 1,000"):
        measured(tmp_path, path, reference=fasta)
    assert not (tmp_path / "out").exists()


def test_a_file_without_reads_is_measured_and_named(tmp_path):
    found = measured(tmp_path, write_bam(tmp_path / "none.bam", []))
    row = found.files.row(0, named=True)
    assert (row["n_reads"], row["mean_depth"], row["mapped_share"]) == (0, None, None)
    assert any("has no alignments" in warning for warning in found.warnings)
    assert bed(tmp_path, "none.quantized.bed.gz") == [["1", "0", "1000", "NO_COVERAGE"]]


def test_a_file_of_unmapped_reads_has_no_depth(tmp_path):
    path = write_bam(tmp_path / "x.bam", [alignment(-1, -1, "*", flag=4)] * 3)
    found = measured(tmp_path, path)
    assert found.files["mapped_share"].to_list() == [0]
    assert any("no mapped reads" in warning for warning in found.warnings)


def test_ten_thousand_reads_deep_is_measured(tmp_path):
    reads = [alignment(0, 100, "50M", name=f"r{i}") for i in range(10_000)]
    measured(tmp_path, write_bam(tmp_path / "x.bam", reads), window_bp=50)
    assert ["1", "100", "150", "10000.00"] in bed(tmp_path, "x.regions.bed.gz")
    summary = (tmp_path / "out/x.mosdepth.summary.txt").read_text().splitlines()
    assert summary[1] == "1\t1000\t500000\t500.00\t0\t10000"


def test_no_read_groups_is_said(tmp_path):
    found = measured(tmp_path, write_bam(tmp_path / "x.bam", [alignment()]))
    assert any("no read groups" in warning for warning in found.warnings)
    assert found.files["sample"].to_list() == [None]


def test_several_samples_in_one_file_are_refused_until_one_is_chosen(tmp_path):
    reads = [alignment(0, i, group="ab"[i % 2]) for i in range(5)]
    path = write_bam(tmp_path / "x.bam", reads, groups={"a": "anna", "b": "bert"})
    with pytest.raises(InputError, match=r"2 samples \(anna, bert\).*--sample"):
        measured(tmp_path, path)
    assert measured(tmp_path, path, sample="bert").files["n_reads"].to_list() == [2]
    assert measured(tmp_path, path, sample="all").files["n_reads"].to_list() == [5]


def test_an_unsorted_file_leaves_nothing_behind(tmp_path):
    reads = [alignment(0, 9), alignment(0, 5)]
    path = write_bam(tmp_path / "x.bam", reads, index=False)
    with pytest.raises(InputError, match="samtools sort"):
        measured(tmp_path, path)
    assert not (tmp_path / "out").exists()


def test_a_store_needs_sites(tmp_path):
    with pytest.raises(UsageError, match="--sites"):
        measured(tmp_path, write_bam(tmp_path / "x.bam", []), store=tmp_path / "s")


def test_run_json_says_what_was_read(tmp_path):
    path = write_bam(tmp_path / "x.bam", [alignment()])
    found = measured(tmp_path, path)
    about = json.loads((tmp_path / "out/run.json").read_text())
    for name in ("files", "contigs", "distributions", "regions"):
        footer = pl.read_parquet_metadata(found.outputs[f"{name}.parquet"])["genomed"]
        assert json.loads(footer)["inputs"] == about["inputs"]
    assert about["command"] == "reads qc"
    assert about["inputs"][str(path)]["bytes"] == path.stat().st_size
    assert about["settings"]["exclude_flags"] == 1796


def test_identity_and_contamination_come_from_the_same_pass(tmp_path):
    rng = np.random.default_rng(11)
    sites = simulated_sites(1500, rng)
    anna, bert = haplotypes_of(sites, rng), haplotypes_of(sites, rng)
    panel = write_panel(tmp_path / "panel.vcf", sites)
    one, two, mixed = (tmp_path / f"{name}.bam" for name in ("one", "two", "mixed"))
    write_simulated(one, "anna", sites, [anna], [1.0], 15, rng)
    write_simulated(two, "bert", sites, [anna], [1.0], 15, rng)
    write_simulated(mixed, "carl", sites, [bert, anna], [0.9, 0.1], 30, rng)
    found = measured(tmp_path, one, two, mixed, sites=panel)
    assert found.identity is not None
    share = dict(found.identity.files.select("file", "contamination").iter_rows())
    assert share[str(mixed)] == pytest.approx(0.1, abs=0.03)
    assert share[str(one)] < 0.01
    told = {
        (a, b): v for a, b, v in found.identity.pairs.select("file1", "file2", "verdict").rows()
    }
    assert told[str(one), str(two)] == "same_person"
    for name in ("identity", "pairs"):
        assert pl.read_parquet(tmp_path / f"out/{name}.parquet").columns == list(
            TABLES[f"reads_{name}"]
        )
    assert any("mixed.bam" in warning for warning in found.warnings)
