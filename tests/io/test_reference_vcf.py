"""The reference VCF parser itself: facts worked out by hand, and bcftools as a judge."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from reference_vcf import ReferenceVcfError, read_vcf_text
from strategies import regular_matrix_text, vcf_text

FIXED = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"


def text(*records: str, samples: str = "a b c d") -> bytes:
    """A VCF of these records, each written with spaces for tabs."""
    names = samples.split()
    header = "\t".join([FIXED, "FORMAT", *names]) if names else FIXED
    body = ["\t".join(record.split(" ")) for record in records]
    return "\n".join(["##fileformat=VCFv4.3", header, *body, ""]).encode()


def test_each_alt_is_a_row_and_another_alt_is_zero_copies():
    cohort = read_vcf_text(text("1 10 rs1 a c,<DEL> . . . GT 0/1 1|2 2/2 ./."))
    first, second = cohort.rows
    assert (first.contig, first.position, first.id, first.line) == ("1", 10, "rs1", 3)
    assert (first.ref, first.alt, second.alt, first.n_alts) == ("A", "C", "<DEL>", 2)
    assert first.alt_count == [1, 1, 0, -9]
    assert second.alt_count == [0, 1, 2, -9]


def test_haploid_calls_count_once_and_missing_calls_have_ploidy_two():
    (row,) = read_vcf_text(text("X 10 . A C . . . GT:DP 0:1 1 .:3 .")).rows
    assert row.alt_count == [0, 1, -9, -9]
    assert row.ploidy == [1, 1, 2, 2]
    assert row.id is None


def test_half_calls_are_missing_and_counted():
    cohort = read_vcf_text(text("1 10 . A C . . . GT ./1 0|. ./. 1/1"))
    assert cohort.rows[0].alt_count == [-9, -9, -9, 2]
    assert cohort.half_calls == 2


def test_allele_one_without_alt_is_not_called():
    cohort = read_vcf_text(text("1 10 . A . . . . GT 0/1 0/0 1 0/."))
    assert cohort.rows[0].alt_count == [-9, 0, -9, -9]
    assert cohort.half_calls == 1


def test_a_leading_phase_sign_is_read():
    (row,) = read_vcf_text(text("1 10 . A C . . . GT /0|1 |1 |0/1 /.")).rows
    assert row.alt_count == [1, 1, 1, -9]


def test_triploid_records_are_refused_whole():
    cohort = read_vcf_text(text("1 10 . A C . . . GT 0/0/1 0/1 0 .", "1 11 . A C . . . GT 0 0 0 0"))
    assert cohort.refused == {"ploidy": 1}
    assert cohort.n_records == 2
    assert [row.position for row in cohort.rows] == [11]


def test_without_gt_every_call_is_missing():
    cohort = read_vcf_text(text("1 10 . A C . . . DP 1 2 3 4", "1 11 . A C . . . . . . . ."))
    assert [row.alt_count for row in cohort.rows] == [[-9] * 4, [-9] * 4]


def test_gt_is_found_anywhere_in_format():
    (row,) = read_vcf_text(text("1 10 . A C . . . DP:GT:AD 1:0/1 2:1/1:0,2 3 4:./.")).rows
    assert row.alt_count == [1, 2, -9, -9]


def test_a_reference_block_ends_at_end_and_an_indel_at_its_last_base():
    rows = read_vcf_text(
        text(
            "1 10 . A <NON_REF> . . DP=3;END=20 GT 0/0 0/0 0/0 0/0",
            "1 30 . A . . . END=40 GT 0/0 0/0 0/0 0/0",
            "1 50 . ACG A,<NON_REF> . . END=90 GT 0/0 0/0 0/0 0/0",
            "1 70 . A <*> . . END=69 GT 0/0 0/0 0/0 0/0",
        )
    ).rows
    assert [row.end_position for row in rows] == [20, 40, 52, 52, 70]
    assert [row.n_alts for row in rows] == [1, 0, 2, 2, 1]


def test_ds_has_one_value_per_alt():
    rows = read_vcf_text(text("1 10 . A C,G . . . GT:DS ./.:0.1,0.2 ./.:.,1.5 ./.:. ."), "DS").rows
    assert [row.dosage for row in rows] == [[0.1, None, None, None], [0.2, 1.5, None, None]]


def test_the_called_genotype_stands_in_for_a_missing_dosage():
    (row,) = read_vcf_text(text("X 10 . A C . . . GT:DS 0/1:. 1 ./1:. 1/1:1.2"), "DS").rows
    assert row.dosage == [1, 1, None, 1.2]


def test_gp_gives_expected_copies_of_diploid_and_haploid_calls():
    data = text("1 10 . A C . . . GP:GT 0.1,0.2,0.7:1/1 0.25,0.75:1 .:0/0 .,.,.")
    (row,) = read_vcf_text(data, "GP").rows
    assert row.dosage == [pytest.approx(1.6), 0.75, 0, None]


def test_gp_of_several_alts_is_in_the_order_of_genotypes():
    data = text("1 10 . A C,G . . . GP 0,0,0,0,0,1 0,0.5,0,0,0.5,0 0.1,0.2,0.7 0.5,0.5")
    first, second = read_vcf_text(data, "GP").rows
    assert first.dosage == pytest.approx([0, 1, 0.2, None])
    assert second.dosage == pytest.approx([2, 0.5, 0.7, None])


@pytest.mark.parametrize("ref", ["<a", "*", "A*", "-", "A.", "A1"])
def test_ref_is_letters(ref):
    with pytest.raises(ReferenceVcfError, match="REF"):
        read_vcf_text(text(f"1 10 . {ref} C . . . GT 0/0 0/0 0/0 0/0"))


def test_alt_counts_come_from_dosages_only_where_gt_is_not_in_format():
    rows = read_vcf_text(
        text("1 10 . A C . . . DS 0.1 1.2 1.9 .", "1 11 . A C . . . GT:DS ./.:1.9 0/0:1.2 . 1:1"),
        "DS",
    ).rows
    assert [row.alt_count for row in rows] == [[0, -9, 2, -9], [-9, 0, -9, 1]]


def test_crlf_trailing_blank_lines_and_no_final_newline_are_accepted():
    data = text("1 10 . A C . . . GT 0/1 0/0 1/1 ./.")
    expected = read_vcf_text(data).rows
    for variant in (data.replace(b"\n", b"\r\n"), data + b"\n\n", data.rstrip(b"\n")):
        assert read_vcf_text(variant).rows == expected


def test_a_file_without_samples_has_rows_without_calls():
    cohort = read_vcf_text(text("1 10 . A C . . .", samples=""))
    assert cohort.samples == []
    assert cohort.rows[0].alt_count == []


def test_contig_lengths_are_read_where_given():
    header = b'##contig=<ID=1,assembly="a,b",length=77>\n##contig=<ID=chr2>\n'
    assert read_vcf_text(header + text()).contigs == {"1": 77, "chr2": None}


@pytest.mark.parametrize(
    ("line", "record"),
    [
        (3, "1 10 . A C . . . GT 0/1 0/0 1/1"),
        (3, "1 10 . A C . . . GT 0/1 0/0 1/1 0/0 0/0"),
        (3, "1 x . A C . . . GT 0/1 0/0 1/1 0/0"),
        (3, "1 -1 . A C . . . GT 0/1 0/0 1/1 0/0"),
        (3, "1 10 .  C . . . GT 0/1 0/0 1/1 0/0"),
        (3, "1 10 . A C . . . GT 0/1 0/0 1/1 0/x"),
        (3, "1 10 . A C . . . GT 0/1 0/0 1/1 0/"),
        (3, "1 10 . A C . . . GT 0/1 0/0 1/1 2"),
        (3, "1 10 . A C . . . GT 0/1 0/0 1/1 :"),
        (3, ""),
    ],
)
def test_a_broken_record_is_refused_with_its_line(line, record):
    with pytest.raises(ReferenceVcfError) as caught:
        read_vcf_text(text(record, "1 11 . A C . . . GT 0 0 0 0"))
    assert caught.value.line == line


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"##fileformat=VCFv4.3\n",
        b"1\t1\t.\tA\tC\t.\t.\t.\n",
        text(samples="a b a"),
        text().replace(b"QUAL", b"QUALITY"),
    ],
)
def test_a_broken_header_is_refused(data):
    with pytest.raises(ReferenceVcfError):
        read_vcf_text(data)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(vcf_text())
def test_every_generated_text_is_accepted(generated):
    cohort = read_vcf_text(generated)
    assert cohort.n_records >= len({row.line for row in cohort.rows})
    for row in cohort.rows:
        assert len(row.alt_count) == len(row.ploidy) == len(cohort.samples)
        assert all(c == -9 or 0 <= c <= p for c, p in zip(row.alt_count, row.ploidy, strict=True))


def judged_genotypes(path: Path) -> list[tuple[str, ...]]:
    """CHROM, POS, REF, ALT and alleles of each record as bcftools prints them."""
    form = "%CHROM\t%POS\t%REF\t%ALT[\t%GT]\n"
    done = subprocess.run(
        ["bcftools", "query", "-f", form, path], capture_output=True, text=True, check=True
    )
    return [tuple(line.split("\t")) for line in done.stdout.splitlines()]


@pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed")
@settings(max_examples=10, deadline=None)
@given(regular_matrix_text(leading_phase=False))  # 4.4 is news to bcftools 1.16
def test_counts_equal_those_of_bcftools(tmp_path_factory, generated):
    path = tmp_path_factory.mktemp("judge") / "cohort.vcf"
    path.write_bytes(generated)
    judged = judged_genotypes(path)
    cohort = read_vcf_text(generated)
    assert len(judged) == cohort.n_records - cohort.refused.get("ploidy", 0)
    by_line: dict[int, list] = {}
    for row in cohort.rows:
        by_line.setdefault(row.line, []).append(row)
    for (contig, position, ref, alts, *calls), rows in zip(judged, by_line.values(), strict=True):
        assert [contig, position, ref] == [rows[0].contig, str(rows[0].position), rows[0].ref]
        assert alts.split(",") == [row.alt for row in rows]
        for index, row in enumerate(rows, 1):
            expected = [
                -9 if "." in call else call.replace("|", "/").split("/").count(str(index))
                for call in calls
            ]
            assert row.alt_count == expected
