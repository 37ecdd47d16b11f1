"""Calls as they are written: read in batches, given back with more INFO."""

import gzip
from contextlib import closing
from pathlib import Path

import polars as pl
import pysam
import pytest

from genomed.errors import InputError
from genomed.io.call_records import (
    CallBatch,
    CallRecords,
    InfoField,
    annotated,
    extended_header,
    number_texts,
)
from genomed.io.call_vcf import CallVcf

HEAD = (
    "##fileformat=VCFv4.2\n##contig=<ID=1,length=900000>\n##contig=<ID=2,length=900000>\n"
    '##INFO=<ID=DP,Number=1,Type=Integer,Description="Depth">\n'
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tp\n"
)


def line(contig: str, position: object, ref: str = "A", alt: str = "C", info: str = ".") -> str:
    return f"{contig}\t{position}\t.\t{ref}\t{alt}\t30\tPASS\t{info}\tGT\t0/1\n"


def written(path: Path, *lines: str) -> Path:
    path.write_text(HEAD + "".join(lines))
    return path


def batches_of(path: Path) -> list[CallBatch]:
    with closing(CallRecords(path)) as calls:
        return list(calls.batches())


def test_all_records_come_in_order_and_contigs_are_never_mixed(tmp_path: Path) -> None:
    lines = [line("1", p) for p in (10, 20, 20_000, 300_000)] + [line("2", 5)]
    batches = batches_of(written(tmp_path / "a.vcf", *lines))
    assert [(b.contig, b.start, b.first_line) for b in batches] == [
        ("1", [9, 19], 6), ("1", [19_999], 8), ("1", [299_999], 9), ("2", [4], 10)
    ]  # fmt: skip
    assert "".join(text + "\n" for b in batches for text in b.lines) == "".join(lines)


def test_compressed_windows_and_binary_files_hold_the_same_records(tmp_path: Path) -> None:
    text = HEAD + line("1", 10) + line("2", 5, info="DP=3")
    plain = tmp_path / "a.vcf"
    plain.write_text(text)
    (tmp_path / "b.vcf.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "c.vcf").write_bytes(text.replace("\n", "\r\n").encode())
    with pysam.VariantFile(str(plain)) as source:
        source.header.formats.add("GT", 1, "String", "Genotype")
        with pysam.VariantFile(str(tmp_path / "d.bcf"), "wb", header=source.header) as out:
            for record in source:
                out.write(record)
    found = [
        [one for batch in batches_of(tmp_path / name) for one in batch.lines]
        for name in ("a.vcf", "b.vcf.gz", "c.vcf", "d.bcf")
    ]
    assert found[1] == found[0]
    assert found[2] == found[0]
    assert found[3] == found[0]


def test_alleles_that_are_not_spelt_as_bases_are_told_apart(tmp_path: Path) -> None:
    lines = [line("1", 10, "a", "c,*,<DEL>"), line("1", 11, "A", "."), line("1", 12, "A", "A]1:9]")]
    (batch,) = batches_of(written(tmp_path / "a.vcf", *lines))
    assert batch.ref == ["A", "A", "A"]
    assert batch.plain == [[0], [], []]
    assert [len(alts) for alts in batch.alts] == [3, 0, 1]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ((line("1", 20), line("1", 10)), "line 7: lies before"),
        ((line("1", 20), line("2", 10), line("1", 30)), "line 8: lies before"),
        ((line("1", "x"),), "line 6: POS 'x'"),
        ((line("1", 10).replace("\t", " "),), "line 6: has 1 columns"),
    ],
)
def test_lines_that_make_no_sense_are_refused_by_number(
    tmp_path: Path, lines: tuple[str, ...], why: str
) -> None:
    path = written(tmp_path / "a.vcf", *lines)
    with pytest.raises(InputError, match=why):
        batches_of(path)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    whole = tmp_path / "a.vcf.gz"
    with pysam.BGZFile(str(whole), "wb") as file:
        file.write((HEAD + "".join(line("1", p) for p in range(10, 9000))).encode())
    cut = tmp_path / "b.vcf.gz"
    cut.write_bytes(whole.read_bytes()[:-200])
    with pytest.raises(InputError):
        batches_of(cut)


def test_what_is_not_a_vcf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.vcf").write_bytes(bytes(range(128, 255)) * 9)
    with pytest.raises(InputError, match="not a VCF"):
        CallRecords(tmp_path / "a.vcf")


def test_letters_of_another_alphabet_stay_as_they_are(tmp_path: Path) -> None:
    text = HEAD.replace("Depth", "Tiefe \xe4").encode("latin-1") + line("1", 10).encode()
    (tmp_path / "a.vcf").write_bytes(text)
    with closing(CallRecords(tmp_path / "a.vcf")) as calls:
        header = extended_header(calls.text, [])
        with CallVcf(tmp_path / "b.vcf.gz", header) as out:
            for batch in calls.batches():
                out.add(batch.lines)
    with pysam.BGZFile(str(tmp_path / "b.vcf.gz")) as file:
        assert file.read() == text


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.vcf").write_text("")
    with pytest.raises(InputError):
        CallRecords(tmp_path / "a.vcf")


def test_info_is_added_behind_what_there_is() -> None:
    bare, full = line("1", 10).rstrip(), line("1", 10, info="DP=3;DB").rstrip()
    assert annotated(bare, {"X": "1", "Y": ""}).split("\t")[7] == "X=1"
    assert annotated(full, {"X": "1,."}).split("\t")[7] == "DP=3;DB;X=1,."
    assert annotated(full, {"DP": "9"}).split("\t")[7] == "DB;DP=9"
    assert annotated(bare, {}) == bare
    assert annotated(full, {"X": "1"}).split("\t")[8:] == ["GT", "0/1"]


def test_a_header_declares_each_field_once() -> None:
    text = HEAD.rstrip("\n").split("\n")
    field = InfoField("DP", "R", "Float", "Other")
    made = extended_header(text, [field], ["source=this"]).split("\n")
    assert sum("ID=DP" in one for one in made) == 1
    assert made[-4] == '##INFO=<ID=DP,Number=R,Type=Float,Description="Other">'
    assert made[-3:] == ["##source=this", text[-1], ""]


def test_numbers_are_short() -> None:
    values = pl.Series([1.0, 0.126, -0.001, None, float("nan"), 100.0, 12345678.25])
    assert number_texts(values, 2) == ["1", "0.13", "0", ".", ".", "100", "12345678.25"]
    assert number_texts(pl.Series([30, None, 0]), 0) == ["30", ".", "0"]
