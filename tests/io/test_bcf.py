"""BcfReader against the Reader contract, bcftools and pysam, and damaged files."""

import re
import shutil
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pysam
import pytest
from contract import check_reader, join, ploidy_of, read_all
from datafiles import shared_data
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from judges import assert_is_cohort, tool
from reference_vcf import ReferenceCohort, read_vcf_text
from strategies import CONTIGS, bgzf_bytes, vcf_text

from genomed.errors import InputError
from genomed.io.bcf import BcfReader
from genomed.io.bgzf import TextStream
from genomed.regions import Region
from genomed.schema import VariantBatch, Wanted

HEADER = """\
##fileformat=VCFv4.3
##contig=<ID=1,length=100000>
##contig=<ID=X,length=2000>
##INFO=<ID=END,Number=1,Type=Integer,Description="End">
##INFO=<ID=AC,Number=A,Type=Integer,Description="Count">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=DS,Number=A,Type=Float,Description="Dosage">
##FORMAT=<ID=GP,Number=G,Type=Float,Description="Probabilities">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\tc\td
"""


def bcftools(*arguments: object, data: bytes | None = None) -> bytes:
    """Output of a bcftools command."""
    command = [tool("bcftools"), *map(str, arguments)]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def make_bcf(folder: Path, records: str, *, level: str = "b") -> Path:
    """A BCF of samples a b c d, made by bcftools from VCF records with blanks for tabs."""
    path = folder / "made.bcf"
    text = HEADER + records.replace(" ", "\t")
    path.write_bytes(bcftools("view", "-O", level, "-", data=text.encode()))
    return path


def text_of(path: Path) -> ReferenceCohort:
    """The same file as bcftools prints it, read by the slow reference parser."""
    return read_vcf_text(bcftools("view", path))


def converted(vcf: str, folder: Path, *options: object) -> Path:
    """A public VCF as BCF."""
    path = folder / "converted.bcf"
    bcftools("view", *options, "-Ob", "-o", path, shared_data(vcf))
    return path


def pysam_counts(path: Path, samples: Sequence[str]) -> np.ndarray:
    """int8 (rows, samples) by pysam: copies of each ALT, -9 with any missing allele."""
    rows = []
    with pysam.VariantFile(str(path)) as file:
        for record in file:
            calls = [record.samples[name].allele_indices or (None,) for name in samples]
            for alt in range(1, max(2, len(record.alleles or ()))):
                rows.append([-9 if None in call else call.count(alt) for call in calls])
    return np.array(rows, np.int8).reshape(len(rows), len(samples))


BIG = "cohort/glow/CEUTrio.HiSeq.WGS.b37.NA12878.20.21.vcf.gz"
REAL = [
    pytest.param(BIG, marks=pytest.mark.slow),
    "cohort/hail/x-chromosome.vcf",
    "cohort/hail/HWE_test.vcf",
    "cohort/edge_cases/test-haploidX.vcf",
    "cohort/bio2zarr/chr_m_indels.vcf.gz",
    "cohort/picard_arrays/two_samples.vcf",
    "cohort/hail_gvcf_chr22/HG00187.hg38.g.vcf.gz",
]


@pytest.mark.parametrize("vcf", REAL)
def test_real_files_keep_the_contract_and_equal_bcftools(tmp_path: Path, vcf: str):
    path = converted(vcf, tmp_path)
    cohort = text_of(path)
    whole = check_reader(lambda **o: BcfReader(path, **o), cohort.samples, len(cohort.rows))
    assert_is_cohort(whole, cohort)
    assert whole.variants["end_position"].to_list() == [row.end_position for row in cohort.rows]
    assert whole.variants["id"].to_list() == [row.id for row in cohort.rows]


def test_multiallelic_cohort_equals_pysam(tmp_path: Path):
    names = pysam_names("cohort/variantspark_hipster/hipster.vcf.bgz")[::50]
    path = converted("cohort/variantspark_hipster/hipster.vcf.bgz", tmp_path, "-s", ",".join(names))
    batch = read_all(BcfReader(path, threads=2))
    assert batch.variants["n_alts"].max() >= 2
    np.testing.assert_array_equal(batch.alt_count, pysam_counts(path, names))


def pysam_names(vcf: str) -> list[str]:
    """Samples of a public VCF."""
    with pysam.VariantFile(str(shared_data(vcf))) as file:
        return list(file.header.samples)


def test_a_published_bcf_equals_pysam():
    path = shared_data("cohort/akt_cgi433/ALL.cgi_multi_sample.20130725.pruned.snps.bcf")
    region = Region("20", 0, 2**31 - 1)
    reader = BcfReader(path)
    names = reader.samples[::40]
    batch = read_all(BcfReader(path, samples=names), region=region)
    assert batch.n_variants > 0
    with pysam.VariantFile(str(path)) as file:
        expected = [
            [-9 if None in call else call.count(alt) for call in calls]
            for record in file.fetch("20")
            for calls in [[record.samples[name].allele_indices for name in names]]
            for alt in range(1, len(record.alleles))
        ]
    assert batch.alt_count.tolist() == expected


def made_fit_for_bcftools(data: bytes) -> bytes:
    """The same VCF with every name declared, as BCF needs it, and without what bcftools refuses.

    That is, as of 1.16: blank lines, and a phase before the first allele (VCF 4.4).
    """
    declared = [f"##contig=<ID={name}>" for name in CONTIGS]
    declared += [f'##FILTER=<ID={name},Description=".">' for name in ("q10", "s50")]
    declared += ['##INFO=<ID=DB,Number=0,Type=Flag,Description=".">']
    for name in ("DP", "AF", "AC", "AN", "END", "XEND", "BEND", "CIEND", "MQ"):
        kind = "Float" if name == "AF" else "Integer"
        declared.append(f'##INFO=<ID={name},Number=1,Type={kind},Description=".">')
    for name in ("GT", "PGT", "DPGT", "AD", "DP", "GQ", "DS", "GP"):
        kind = {"GT": "String", "PGT": "String", "DS": "Float", "GP": "Float"}.get(name, "Integer")
        number = "." if name in ("AD", "DS", "GP") else "1"
        declared.append(f'##FORMAT=<ID={name},Number={number},Type={kind},Description=".">')
    head, columns, rows = data.rstrip().partition(b"#CHROM")
    rows = re.sub(rb"([\t:])[/|]([0-9.])", rb"\1\2", rows)
    return head + "".join(f"{line}\n" for line in declared).encode() + columns + rows + b"\n"


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    vcf_text(), st.sampled_from([None, "DS", "GP"]), st.integers(100, 400), st.sampled_from([1, 3])
)
def test_generated_files_equal_bcftools_however_they_are_packed(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, dosage: str, block: int, threads: int
):
    folder = tmp_path_factory.mktemp("bcf")
    try:
        plain = bcftools("view", "--no-version", "-Ou", "-", data=made_fit_for_bcftools(data))
        text = bcftools("view", "--no-version", "-", data=plain)
        # A '.' for all of DP:GT leaves GT missing as a number, which bcftools 1.16 shows as -65.
        cohort = read_vcf_text(re.sub(rb"(?<=[\t:])-65(?=[\t:\n])", b".", text), dosage)
    except subprocess.CalledProcessError:
        assume(False)
    path = folder / "g.bcf"
    path.write_bytes(bgzf_bytes(plain, block))
    reader = BcfReader(path, dosage=dosage, threads=threads)
    batch = read_all(reader)
    assert reader.samples == cohort.samples
    assert_is_cohort(batch, cohort)
    assert batch.variants["id"].to_list() == [row.id for row in cohort.rows]
    assert batch.variants["end_position"].to_list() == [row.end_position for row in cohort.rows]
    assert reader.counts.refused == cohort.refused
    assert reader.counts.notes.get("half_call", 0) == cohort.half_calls
    path.write_bytes(plain)
    again = read_all(BcfReader(path, dosage=dosage))
    np.testing.assert_array_equal(again.alt_count, batch.alt_count)


def test_calls_of_every_form_are_counted(tmp_path: Path):
    records = (
        "1 10 r1 A C,G . . . GT 0/0 1|2 ./. 2/2\n"
        "1 20 r2;r3 a c . . . GT 0 1 . 0/1\n"
        "1 30 . A . . . . GT 0/0 0/0 ./. 0/0\n"
        "1 40 r4 A C . . AC=1 GT ./1 0|. 1/1 0/0\n"
        "1 50 r5 A C . . . GT 0/0/1 0/0 0/0 0/0\n"
    )
    reader = BcfReader(make_bcf(tmp_path, records))
    batch = read_all(reader)
    expected = [[0, 1, -9, 0], [0, 1, -9, 2], [0, 1, -9, 1], [0, 0, -9, 0], [-9, -9, 2, 0]]
    assert batch.alt_count.tolist() == expected
    assert ploidy_of(batch).tolist() == [[2] * 4, [2] * 4, [1, 1, 2, 2], [2] * 4, [2] * 4]
    assert batch.variants["id"].to_list() == ["r1", "r1", "r2;r3", None, "r4"]
    assert batch.variants["ref"].to_list() == ["A"] * 5
    assert batch.variants["alt"].to_list() == ["C", "G", "C", ".", "C"]
    assert batch.variants["n_alts"].to_list() == [2, 2, 1, 0, 1]
    assert reader.counts.refused == {"ploidy": 1}
    assert reader.counts.notes == {"half_call": 2}
    assert (reader.counts.n_records, reader.counts.n_emitted) == (5, 4)


def test_alleles_beyond_one_byte_are_counted(tmp_path: Path):
    alts = ",".join("A" * k + "C" for k in range(1, 301))
    records = f"1 10 r1 A {alts} . . . GT 0/64 299/300 ./. 300/300\n"
    batch = read_all(BcfReader(make_bcf(tmp_path, records)))
    assert batch.n_variants == 300
    assert batch.alt_count.sum(axis=0).tolist() == [1, 2, -2700, 2]
    assert batch.alt_count[299].tolist() == [0, 1, -9, 2]
    assert batch.alt_count[63].tolist() == [1, 0, -9, 0]


def test_reference_blocks_reach_to_their_end_and_other_records_do_not(tmp_path: Path):
    records = (
        "1 10 . A <NON_REF> . . END=500 GT 0/0 0/0 0/0 0/0\n"
        "1 600 . A . . . END=700 GT 0/0 0/0 0/0 0/0\n"
        "1 800 . AC A,<NON_REF> . . . GT 0/1 0/0 0/0 0/0\n"
        "1 900 . A C . . END=950 GT 0/1 0/0 0/0 0/0\n"
    )
    path = make_bcf(tmp_path, records)
    ends = [500, 700, 801, 801, 900]
    assert read_all(BcfReader(path)).variants["end_position"].to_list() == ends
    wanted = Wanted(positions={"1": np.array([499, 650, 801, 920])})
    assert read_all(BcfReader(path), wanted=wanted).variants["line"].to_list() == [1, 2, 3, 3]


def test_dosages_are_read_and_calls_stand_in_for_missing_ones(tmp_path: Path):
    records = (
        "1 10 r1 A C . . . GT:DS:GP 0/0:0.1:0.9,0.1,0 ./.:1.5:. 1/1:.:0,0,1 0:0.2:0.75,0.25\n"
        "1 20 r2 A C,G . . . DS:GP 0.6,1:. 0,.:. 2,0:0.5,0,0.25,0,0.25,0 .:.\n"
    )
    path = make_bcf(tmp_path, records)
    nan = np.nan
    by_ds = read_all(BcfReader(path, dosage="DS"))
    expected = [[0.1, 1.5, 2, 0.2], [0.6, 0, 2, nan], [1, nan, 0, nan]]
    np.testing.assert_allclose(by_ds.call_dosage, np.array(expected), rtol=1e-6)
    assert by_ds.alt_count.tolist() == [[0, -9, 2, 0], [-9, 0, 2, -9], [1, -9, 0, -9]]
    by_gp = read_all(BcfReader(path, dosage="GP"))
    expected = [[0.1, nan, 2, 0.25], [nan, nan, 0.75, nan], [nan, nan, 0.25, nan]]
    np.testing.assert_allclose(by_gp.call_dosage, np.array(expected), rtol=1e-6)


def test_dosages_keep_the_contract(tmp_path: Path):
    path = converted("cohort/shapeit4_chr20/reference.vcf.gz", tmp_path, "-t", "20:1000000-1020000")
    names = BcfReader(path).samples
    whole = check_reader(lambda **o: BcfReader(path, dosage="DS", **o), names)
    np.testing.assert_array_equal(whole.call_dosage, whole.alt_count)


def test_records_that_are_not_wanted_keep_their_genotypes_unread(tmp_path: Path):
    records = "".join(f"1 {p} r{p} A C . . . GT 0/1 0/0 0/0 1/1\n" for p in range(10, 60))
    path = make_bcf(tmp_path, records)
    plain = bytearray(bcftools("view", "-Ou", path))
    place = plain.rindex(b"\x11\x03\x21")  # GT of the last record: key 3, two int8 a sample
    plain[place + 2 :] = b"\xff" * len(plain[place + 2 :])
    path.write_bytes(bytes(plain))
    reader = BcfReader(path)
    batch = read_all(reader, wanted=Wanted(ids=frozenset(["r20"])))
    assert batch.alt_count.tolist() == [[1, 0, 0, 2]]
    assert reader.counts.notes == {"not_decoded": 49}
    with pytest.raises(InputError, match="record 50"):
        read_all(BcfReader(path))


def test_an_empty_cohort_and_one_without_samples_are_read(tmp_path: Path):
    path = make_bcf(tmp_path, "")
    assert check_reader(lambda **o: BcfReader(path, **o), ["a", "b", "c", "d"], 0).n_variants == 0
    path.write_bytes(bcftools("view", "-G", "-Ob", make_bcf(tmp_path, "1 10 r A C . . .\n" * 0)))
    assert BcfReader(path).samples == []
    sites = HEADER.replace("\tFORMAT\ta\tb\tc\td", "") + "1\t10\tr1\tA\tC,G\t.\t.\t.\n"
    path.write_bytes(bcftools("view", "-Ob", "-", data=sites.encode()))
    whole = check_reader(lambda **o: BcfReader(path, **o), [], 2)
    assert whole.alt_count.shape == (2, 0)


def test_a_stream_that_was_opened_already_is_taken_over(tmp_path: Path):
    path = make_bcf(tmp_path, "1 10 r1 A C . . . GT 0/0 0/1 ./. 1/1\n")
    with path.open("rb") as file:
        reader = BcfReader("-", stream=TextStream("-", stream=file))
        assert read_all(reader).alt_count.tolist() == [[0, 1, -9, 2]]


def test_a_record_longer_than_a_chunk_and_than_a_batch_is_read_whole(tmp_path: Path):
    ref = "A" * 4_000_000
    records = (
        f"1 10 r1 {ref} C,G,T . . . GT 0/1 1/2 2/3 3/3\n1 20 r2 A C . . . GT 1/1 0/0 0/0 0/0\n"
    )
    reader = BcfReader(make_bcf(tmp_path, records), max_batch_bytes=4)
    batches = list(reader.iter_batches())
    assert [batch.n_variants for batch in batches] == [3, 1]
    expected = [[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 2], [2, 0, 0, 0]]
    assert join(batches, 4).alt_count.tolist() == expected


def test_every_truncation_is_refused(tmp_path: Path):
    records = "".join(
        f"1 {p} r{p} A C,G . . . GT:DS 0/1:1,0 2/0:.,1 .:. 1/1:2,0\n" for p in range(1, 9)
    )
    plain = bcftools("view", "--no-version", "-Ou", make_bcf(tmp_path, records))
    path = tmp_path / "cut.bcf"
    whole = bgzf_bytes(plain, 200)
    read: list[VariantBatch] = []
    for packed, step in ((plain, 7), (whole, 11)):
        for size in [*range(0, len(packed) - 1, step), len(packed) - 1]:
            path.write_bytes(packed[:size])
            try:
                read.append(read_all(BcfReader(path), wanted=Wanted()))
            except InputError as error:
                assert "cut.bcf" in str(error)  # noqa: PT017 - both outcomes are looked at
    header_and_records = len(read)  # plain files cut exactly between two records look whole
    assert header_and_records <= 8
    path.write_bytes(whole[:-28])
    with pytest.raises(InputError, match="end-of-file"):
        read_all(BcfReader(path))


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_damage_does_more_than_an_input_error(
    damage_me: tuple[bytes, Path], data: st.DataObject
):
    plain, path = damage_me
    at = data.draw(st.integers(0, len(plain) - 1))
    value = data.draw(st.integers(0, 255))
    path.write_bytes(plain[:at] + bytes([value]) + plain[at + 1 :])
    dosage = data.draw(st.sampled_from([None, "DS", "GP"]))
    try:
        read_all(BcfReader(path, dosage=dosage))
    except InputError as error:
        assert str(path) in str(error)  # noqa: PT017 - both outcomes are looked at


@pytest.fixture(scope="module")
def damage_me(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Path]:
    """An uncompressed BCF with short header and every kind of field, and where to damage it."""
    folder = tmp_path_factory.mktemp("damage")
    records = (
        "1 10 r1 A <NON_REF> . . END=500;AC=1 GT:DS 0/0:1 0/1:2 .:. 1/1:0.5\n"
        "X 20 r2 A C,G . . AC=1,2 GT:GP 0:. 1/2:0,0,0,0,1,0 ./.:. 2/2:0,0,0,0,0,1\n"
    )
    path = make_bcf(folder, records, level="u")
    plain = path.read_bytes()
    start = 9 + struct.unpack_from("<I", plain, 5)[0]
    text = plain[9:start].split(b"\n")
    short = b"\n".join(line for line in text if b"bcftools" not in line)
    header = plain[:5] + struct.pack("<I", len(short)) + short
    shutil.copy(path, folder / "before.bcf")
    return header + plain[start:], path


def test_files_of_another_kind_are_refused(tmp_path: Path):
    path = tmp_path / "x.bcf"
    for content, match in (
        (b"", "ends within its header"),
        (HEADER.encode() * 3, "not a BCF of version 2"),
        (b"BCF\x04" + b"\0" * 100, "not a BCF of version 2"),
        (bgzf_bytes(HEADER.encode() * 3), "not a BCF of version 2"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=match):
            BcfReader(path)
    with pytest.raises(InputError, match="no such file"):
        BcfReader(tmp_path / "absent.bcf")


def test_an_unknown_sample_is_named(tmp_path: Path):
    path = make_bcf(tmp_path, "1 10 r1 A C . . . GT 0/0 0/1 ./. 1/1\n")
    with pytest.raises(InputError, match="no sample 'nobody'"):
        BcfReader(path, samples=["a", "nobody"])
