"""What VCF and BCF readers deliver on request: phase, QUAL, FILTER, INFO, calls by DP and GQ."""

import re
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import polars as pl
import pysam
import pytest
from contract import ploidy_of
from datafiles import shared_data
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from reference_vcf import ReferenceCohort, read_vcf_text
from strategies import bgzf_bytes, regular_matrix_text, vcf_text
from test_bcf import bcftools, converted, made_fit_for_bcftools

from genomed.errors import UsageError
from genomed.io.cohort import open_cohort
from genomed.schema import Reader, VariantBatch
from genomed.tables import TABLES

FIELDS = ("qual", "filter", "info")
HEADER = """\
##fileformat=VCFv4.3
##contig=<ID=1,length=100000>
##FILTER=<ID=q10,Description="Low">
##FILTER=<ID=s50,Description="Few">
##INFO=<ID=AF,Number=A,Type=Float,Description="Frequency">
##INFO=<ID=AC,Number=A,Type=Integer,Description="Count">
##INFO=<ID=DB,Number=0,Type=Flag,Description="Known">
##INFO=<ID=GENE,Number=.,Type=String,Description="Gene">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">
##FORMAT=<ID=GQ,Number=1,Type=Float,Description="Quality">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\tc\td
"""
modest = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def made(folder: Path, records: str, kind: str) -> Path:
    """A VCF or BCF of samples a b c d, from records with blanks for tabs."""
    text = (HEADER + records.replace(" ", "\t")).encode()
    path = folder / f"made.{kind}"
    path.write_bytes(text if kind == "vcf" else bcftools("view", "-Ob", "-", data=text))
    return path


def read(reader: Reader) -> VariantBatch:
    """All batches as one, phase and the frame's further columns included."""
    batches = list(reader.iter_batches())
    phase = [batch.call_phase for batch in batches if batch.call_phase is not None]
    dosage = [batch.call_dosage for batch in batches if batch.call_dosage is not None]
    return VariantBatch(
        pl.concat([batch.variants for batch in batches]),
        np.concatenate([batch.alt_count for batch in batches]),
        np.concatenate([ploidy_of(batch) for batch in batches]),
        np.concatenate(dosage) if dosage else None,
        np.concatenate(phase) if phase else None,
    )


def assert_is(batch: VariantBatch, cohort: ReferenceCohort, fields: Sequence[str]) -> None:
    """Counts, ploidy, phase, and the fields asked for."""
    rows = cohort.rows
    shape = len(rows), len(cohort.samples)
    assert batch.call_phase is not None
    for array, name in (
        (batch.alt_count, "alt_count"),
        (batch.call_ploidy, "ploidy"),
        (batch.call_phase, "phase"),
    ):
        expected = np.array([getattr(row, name) for row in rows], np.int8).reshape(shape)
        np.testing.assert_array_equal(array, expected)
    also = ["alt_number", *fields] if fields else []
    assert batch.variants.columns == [*TABLES["variants"], *also]
    for name, texts in zip(FIELDS, zip(*[row.texts for row in rows], strict=True), strict=True):
        if name in fields:
            assert batch.variants[name].to_list() == list(texts)
    if fields:
        seen = batch.variants["alt_number"].to_list()
        number, line = 0, 0
        for row, told in zip(rows, seen, strict=True):
            number, line = number + 1 if row.line == line else 1, row.line
            assert told == (number if row.n_alts else 0)


@modest
@given(
    vcf_text(),
    st.lists(st.sampled_from(FIELDS), unique=True),
    st.sampled_from([(0, 0), (300, 0), (0, 300), (200, 500)]),
    st.sampled_from([1, 3]),
)
def test_phase_fields_and_call_filters_equal_the_reference(
    tmp_path_factory: pytest.TempPathFactory,
    data: bytes,
    fields: list[str],
    thresholds: tuple[int, int],
    threads: int,
):
    cohort = read_vcf_text(data, thresholds=thresholds)
    assume(cohort.rows)
    path = tmp_path_factory.mktemp("vcf") / "x.vcf.gz"
    path.write_bytes(bgzf_bytes(data, 300))
    options = {"phase": True, "fields": fields, "call_thresholds": thresholds}
    reader = open_cohort(str(path), threads=threads, **options)
    assert_is(read(reader), cohort, fields)
    assert reader.counts.notes.get("low_quality_call", 0) == cohort.low_calls
    assert reader.counts.notes.get("half_call", 0) == cohort.half_calls


@modest
@given(regular_matrix_text(), st.sampled_from([1, 3]))
def test_phase_of_a_regular_matrix_equals_the_reference(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, threads: int
):
    path = tmp_path_factory.mktemp("vcf") / "x.vcf"
    path.write_bytes(data)
    batch = read(open_cohort(str(path), threads=threads, phase=True))
    assert_is(batch, read_vcf_text(data), ())


@modest
@given(
    vcf_text(),
    st.sampled_from([None, "DS", "GP"]),
    st.sampled_from([(0, 0), (300, 0), (200, 500)]),
)
def test_dosage_of_a_call_that_is_filtered_is_unknown(
    tmp_path_factory: pytest.TempPathFactory,
    data: bytes,
    dosage: str | None,
    thresholds: tuple[int, int],
):
    cohort = read_vcf_text(data, dosage, thresholds)
    assume(cohort.rows)
    path = tmp_path_factory.mktemp("vcf") / "x.vcf"
    path.write_bytes(data)
    batch = read(open_cohort(str(path), dosage=dosage, call_thresholds=thresholds))
    assert batch.alt_count.tolist() == [row.alt_count for row in cohort.rows]
    if dosage:
        expected = np.array([row.dosage for row in cohort.rows], np.float32)
        np.testing.assert_allclose(batch.call_dosage, expected, atol=2e-6)


@modest
@given(
    vcf_text(),
    st.lists(st.sampled_from(FIELDS), unique=True),
    st.sampled_from([(0, 0), (300, 0), (0, 300), (200, 500)]),
)
def test_bcf_delivers_what_bcftools_prints(
    tmp_path_factory: pytest.TempPathFactory,
    data: bytes,
    fields: list[str],
    thresholds: tuple[int, int],
):
    try:
        plain = bcftools("view", "--no-version", "-Ou", "-", data=made_fit_for_bcftools(data))
        text = bcftools("view", "--no-version", "-", data=plain)
        text = re.sub(rb"(?<=[\t:])-65(?=[\t:\n])", b".", text)  # see test_bcf
        cohort = read_vcf_text(text, thresholds=thresholds)
    except subprocess.CalledProcessError:
        assume(False)
    assume(cohort.rows)
    path = tmp_path_factory.mktemp("bcf") / "x.bcf"
    path.write_bytes(plain)
    options = {"phase": True, "fields": fields, "call_thresholds": thresholds}
    reader = open_cohort(str(path), **options)
    assert_is(read(reader), cohort, fields)
    assert reader.counts.notes.get("low_quality_call", 0) == cohort.low_calls


@settings(modest, max_examples=100)
@given(
    st.lists(
        st.one_of(
            st.floats(width=32, allow_nan=False),
            st.decimals(-(10**7), 10**7, places=3).map(float),
            st.integers(-(2**31) + 10, 2**31 - 1).map(float),
            st.sampled_from([0.0, -0.0, 0.1, 1e-5, 9.999995e-5, 123456.5, 999999.5, 1e6, 3e38]),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_real_numbers_of_a_bcf_are_written_as_bcftools_does(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[float]
):
    values = ",".join(repr(number) for number in numbers)
    path = made(tmp_path_factory.mktemp("bcf"), f"1 7 . A C . . AF={values} GT 0 0 0 0\n", "bcf")
    batch = read(open_cohort(str(path), fields=["info"]))
    expected = bcftools("query", "-f", "%INFO/AF\n", path).decode().strip()
    assert batch.variants["info"].to_list() == [f"AF={expected}"]


RECORDS = """\
1 10 . A C 29.5 PASS AC=3;AF=0.25 GT:DP:GQ 0|1:9:50 1|0:10:20 1/1:30:19.5 .|1:50:50
1 20 . A C,G . q10;s50 DB;GENE=x,y GT:DP 1|2:10 2|1:3 0/2:. 2|2
1 30 . A . 0.1 . . GQ:GT 10:0/0 30:0/0 .:0/0 20
"""


@pytest.mark.parametrize("kind", ["vcf", "bcf"])
def test_phase_names_the_haplotype_of_each_alt(tmp_path: Path, kind: str):
    batch = read(open_cohort(str(made(tmp_path, RECORDS, kind)), phase=True))
    assert batch.call_phase is not None
    assert batch.call_phase.tolist() == [[1, 2, 0, 0], [2, 1, 0, 0], [1, 2, 0, 0], [0, 0, 0, 0]]
    assert batch.alt_count.tolist()[1:3] == [[1, 1, 0, 0], [1, 1, 1, 2]]


@pytest.mark.parametrize("kind", ["vcf", "bcf"])
def test_calls_below_depth_or_quality_are_not_called(tmp_path: Path, kind: str):
    path = made(tmp_path, RECORDS, kind)
    reader = open_cohort(str(path), call_thresholds=(10, 20), fields=["filter"])
    batch = read(reader)
    assert batch.alt_count.tolist() == [
        [-9, 1, -9, -9],
        [1, -9, 0, 0],
        [1, -9, 1, 2],
        [-9, 0, 0, -9],
    ]
    assert reader.counts.notes["low_quality_call"] == 4
    assert batch.variants["filter"].to_list() == ["PASS", "q10;s50", "q10;s50", "."]


@pytest.mark.parametrize("kind", ["vcf", "bcf"])
def test_only_calls_of_chosen_samples_are_counted_as_low(tmp_path: Path, kind: str):
    path = made(tmp_path, RECORDS, kind)
    reader = open_cohort(str(path), samples=["b"], call_thresholds=(10, 20))
    assert read(reader).alt_count.tolist() == [[1], [-9], [-9], [0]]
    assert reader.counts.notes["low_quality_call"] == 1


@pytest.mark.parametrize("kind", ["vcf", "bcf"])
def test_fields_stand_as_the_file_has_them(tmp_path: Path, kind: str):
    batch = read(open_cohort(str(made(tmp_path, RECORDS, kind)), fields=FIELDS))
    assert batch.variants.select("alt_number", *FIELDS).rows() == [
        (1, "29.5", "PASS", "AC=3;AF=0.25"),
        (1, ".", "q10;s50", "DB;GENE=x,y"),
        (2, ".", "q10;s50", "DB;GENE=x,y"),
        (0, "0.1", ".", "."),
    ]


@pytest.mark.parametrize("kind", ["vcf", "bcf"])
def test_unknown_field_is_a_usage_error(tmp_path: Path, kind: str):
    with pytest.raises(UsageError, match="'AF' is not one of qual, filter, info"):
        open_cohort(str(made(tmp_path, RECORDS, kind)), fields=["AF"])


@pytest.mark.parametrize("kind", ["vcf", "bcf"])
def test_header_text_is_that_of_a_vcf(tmp_path: Path, kind: str):
    path = made(tmp_path, RECORDS, kind)
    with closing(open_cohort(str(path))) as reader:
        told = reader.header_text.decode().splitlines()
    made_by_bcftools = ("##bcftools", "##FILTER=<ID=PASS")
    assert [line for line in told if not line.startswith(made_by_bcftools)] == HEADER.splitlines()


def test_empty_filter_column_reads_as_a_dot(tmp_path: Path):
    path = tmp_path / "x.vcf"
    path.write_text(HEADER + "1\t9\t.\tA\tC\t\t\t\tGT\t0\t0\t0\t0\n")
    batch = read(open_cohort(str(path), fields=FIELDS))
    assert batch.variants.select(FIELDS).rows() == [(".", ".", ".")]


@pytest.mark.parametrize("cut", ["1\t9\t.\tA\tC", "1\t9\t.\tA\tC\t.\tPASS", "1\t9\t.\tA\tC\t."])
def test_line_that_ends_before_info_is_an_error_with_fields_too(tmp_path: Path, cut: str):
    path = tmp_path / "x.vcf"
    path.write_text(f"{HEADER}{cut}\n")
    with pytest.raises(Exception, match="line 13: the line has not the 13 tab-separated columns"):
        read(open_cohort(str(path), fields=FIELDS))


REAL = [
    "cohort/variantspark_hipster/hipster.vcf.bgz",
    "cohort/shapeit4_chr20/reference.vcf.gz",
    "cohort/hail/HWE_test.vcf",
]


@pytest.mark.parametrize("vcf", REAL)
@pytest.mark.parametrize("kind", ["vcf", "bcf"])
def test_phase_and_fields_of_real_files_equal_pysam(tmp_path: Path, vcf: str, kind: str):
    source = shared_data(vcf)
    path = source if kind == "vcf" else converted(vcf, tmp_path)
    with pysam.VariantFile(str(source)) as file:
        names = list(file.header.samples)[::100]
    batch = read(open_cohort(str(path), samples=names, phase=True, fields=FIELDS, threads=2))
    assert batch.call_phase is not None
    row = 0
    with pysam.VariantFile(str(source)) as file:
        for record in file:
            calls = [record.samples[name] for name in names]
            for alt in range(1, len(record.alts or ()) + 1):
                expected = [phase_of(call, alt) for call in calls]
                assert batch.call_phase[row].tolist() == expected
                row += 1
    assert row == batch.n_variants
    query = bcftools("query", "-f", "%QUAL\t%FILTER\t%INFO\n", path if kind == "bcf" else source)
    texts = [tuple(line.split("\t")) for line in query.decode().splitlines()]
    first = batch.variants.filter(pl.col("alt_number") <= 1)
    if kind == "bcf":
        assert first.select(FIELDS).rows() == texts
    else:  # bcftools writes numbers anew
        assert first["filter"].to_list() == [text[1] for text in texts]


def phase_of(call: pysam.VariantRecordSample, alt: int) -> int:
    """ARRAYS["call_phase"] of one call."""
    alleles = call.allele_indices
    if not call.phased or len(alleles) != 2 or None in alleles or alleles.count(alt) != 1:
        return 0
    return 2 if alleles[0] == alt else 1
