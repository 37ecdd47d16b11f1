"""Truth sets are read as they are meant."""

import gzip

import polars as pl
import pytest
from datafiles import shared_data

from genomed.errors import InputError
from genomed.io.fasta import Fasta
from genomed.io.truth_set import read_calls, read_confident
from genomed.stats.truth_match import CALLS, match_calls

HEADER = (
    "##fileformat=VCFv4.2\n##contig=<ID=c,length=100>\n"
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
    '##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Quality">\n'
)


def test_genotypes_scores_and_filters_are_read(tmp_path):
    path = tmp_path / "a.vcf"
    path.write_text(
        f"{HEADER}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tone\ttwo\n"
        "c\t5\t.\tA\tC,AT\t7.5\tPASS\t.\tGT:GQ\t1|2:30\t0/0:9\n"
        "c\t9\t.\tA\tC\t.\t.\t.\tGT\t./.\t1\n"
    )
    one, two = read_calls(path), read_calls(path, sample="two", score="GQ")
    assert one.select("position", "alts", "allele_1", "allele_2", "score", "filter").rows() == [
        (5, ["C", "AT"], 1, 2, 7.5, "PASS"), (9, ["C"], -1, -1, None, ""),
    ]  # fmt: skip
    assert two["allele_1"].to_list() == [0, 1]
    assert two["allele_2"].to_list() == [0, 1]
    assert two["score"].to_list() == [9.0, None]
    assert one.select(list(CALLS)).schema == pl.Schema(CALLS)


def test_a_missing_sample_is_named(tmp_path):
    path = tmp_path / "a.vcf"
    path.write_text(f"{HEADER}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
    with pytest.raises(InputError, match="has no sample"):
        read_calls(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_calls(tmp_path / "none.vcf")


def test_lines_of_a_bed_that_are_no_interval_are_refused(tmp_path):
    path = tmp_path / "a.bed"
    path.write_text("track name=x\nc\t5\t9\tname\n\n#c\nc\tx\t9\n")
    with pytest.raises(InputError, match=r"a.bed, line 5: is not a region"):
        read_confident(path)
    path.write_text("track name=x\nc\t5\t9\tname\n")
    assert read_confident(path).rows() == [("c", 5, 9)]


def test_a_compressed_bed_is_read_and_a_missing_one_is_told(tmp_path):
    path = tmp_path / "a.bed.gz"
    path.write_bytes(gzip.compress(b"c\t5\t9\n"))
    assert read_confident(path).rows() == [("c", 5, 9)]
    with pytest.raises(InputError, match=r"none\.bed"):
        read_confident(tmp_path / "none.bed")


def test_a_published_truth_matches_itself():
    folder = "reads/deepvariant_chr20/"
    truth = read_calls(shared_data(f"{folder}test_nist.b37_chr20_100kbp_at_10mb.vcf.gz"))
    confident = read_confident(shared_data(f"{folder}test_nist.b37_chr20_100kbp_at_10mb.bed"))
    fasta = Fasta(shared_data(f"{folder}ucsc.hg19.chr20.unittest.fasta.gz"))
    match = match_calls(truth, truth, fasta.sequence, confident)
    assert len(truth) == 221
    assert match.truth["matched"].all()
    assert match.calls["matched"].all()
    assert match.truth["inside"].sum() == 49
