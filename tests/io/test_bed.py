"""BedReader against the Reader contract, plink2, plink 1.9 and hand-made filesets."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from contract import check_reader, read_all
from datafiles import shared_data
from hypothesis import given
from hypothesis import strategies as st
from judges import assert_is_cohort, plink2, plink2_genotype_counts, plink2_vcf, tool

from genomed.errors import InputError
from genomed.io.bed import BedReader
from genomed.kernels.bed_decode import count_alts, count_kept_alts
from genomed.schema import Wanted

CALLS = {2: 0, -9: 1, 1: 2, 0: 3}  # ALT copies -> two bits


def write_fileset(
    prefix: Path, alt_count: list[list[int]], contig: str = "1", sex: str | None = None
) -> Path:
    """A BED fileset with the given ALT counts, packed by the definition of the format."""
    n_samples = len(alt_count[0])
    rows = []
    for counts in alt_count:
        codes = [CALLS[c] for c in counts] + [0] * (-n_samples % 4)
        rows += [sum(codes[i + k] << 2 * k for k in range(4)) for i in range(0, len(codes), 4)]
    Path(f"{prefix}.bed").write_bytes(b"\x6c\x1b\x01" + bytes(rows))
    bim = [f"{contig}\tr{v}\t0\t{10 * v + 10}\tC\tA\n" for v in range(len(alt_count))]
    Path(f"{prefix}.bim").write_text("".join(bim))
    fam = [f"f\ts{i}\t0\t0\t{(sex or '0' * n_samples)[i]}\t-9\n" for i in range(n_samples)]
    Path(f"{prefix}.fam").write_text("".join(fam))
    return prefix


@given(
    st.integers(1, 11).flatmap(
        lambda n: st.lists(
            st.lists(st.sampled_from([0, 1, 2, -9]), min_size=n, max_size=n), min_size=1, max_size=5
        )
    )
)
def test_kernels_undo_the_packing(tmp_path_factory: pytest.TempPathFactory, rows: list[list[int]]):
    prefix = write_fileset(tmp_path_factory.mktemp("bed") / "g", rows)
    packed = np.frombuffer(Path(f"{prefix}.bed").read_bytes(), np.uint8)
    stride = -(-len(rows[0]) // 4)
    offset = 3 + stride * np.arange(len(rows))
    whole = np.zeros((len(rows), len(rows[0])), np.int8)
    count_alts(packed, offset, whole)
    assert whole.tolist() == rows
    kept = np.arange(0, len(rows[0]), 2)
    part = np.zeros((len(rows), len(kept)), np.int8)
    count_kept_alts(packed, offset, kept, part)
    assert part.tolist() == [row[::2] for row in rows]


@pytest.mark.parametrize(
    "prefix",
    [
        "prs/pgsc_calc_cineca/cineca_synthetic_subset",
        "prs/polypred_1kg_eur/1000G.subset.22",
        "cohort/bigsnpr/example",
        "cohort/hapmap_snprelate/hapmap279",
    ],
)
def test_real_filesets_equal_plink2_export(tmp_path: Path, prefix: str):
    path = shared_data(f"{prefix}.bed")
    fam = [line.split() for line in path.with_name(f"{path.stem}.fam").read_text().splitlines()]
    chosen = fam[:: max(1, len(fam) // 40)]
    keep = tmp_path / "keep.txt"
    keep.write_text("".join(f"{row[0]}\t{row[1]}\n" for row in chosen))
    cohort = plink2_vcf(
        tmp_path / "out", "--bfile", path.with_suffix(""), "--keep", keep, "--output-chr", "26"
    )
    batch = read_all(BedReader(path, samples=[row[1] for row in chosen]))
    assert_is_cohort(batch, cohort)


def test_real_fileset_keeps_the_contract():
    path = shared_data("cohort/bigsnpr/example.bed")
    fam = path.with_suffix(".fam").read_text().splitlines()
    names = [line.split()[1] for line in fam]
    check_reader(lambda **options: BedReader(path, **options), names, 4542)


def test_dosages_asked_for_are_the_hard_calls():
    path = shared_data("prs/polypred_1kg_eur/1000G.subset.21.bed")
    fam = path.with_suffix("").with_suffix("").with_name("1000G.subset.21.fam")
    names = [line.split()[1] for line in fam.read_text().splitlines()]
    whole = check_reader(lambda **o: BedReader(path, dosage="DS", **o), names)
    assert whole.call_dosage is not None
    np.testing.assert_array_equal(np.nan_to_num(whole.call_dosage, nan=-9), whole.alt_count)


def test_genotype_counts_of_all_people_equal_plink2(tmp_path: Path):
    prefix = shared_data("cohort/bigsnpr/example.bed").with_suffix("")
    expected = plink2_genotype_counts(tmp_path / "out", "--bfile", prefix)
    batch = read_all(BedReader(prefix))
    columns = {0: "HOM_REF_CT", 1: "HET_REF_ALT_CTS", 2: "TWO_ALT_GENO_CTS", -9: "MISSING_CT"}
    for count, column in columns.items():
        seen = (batch.alt_count == count).sum(axis=1)
        assert seen.tolist() == expected[column].cast(pl.Int64).to_list()


def test_haploid_calls_equal_plink2_export_on_x_y_and_mt(tmp_path: Path):
    rows = [[2, 2, 2, 0, 1, -9], [0, 1, 2, 2, -9, 1], [2, 0, 1, 0, 2, 0]]
    for contig in ("23", "X", "24", "Y", "26", "chrM", "25", "XY"):
        prefix = write_fileset(tmp_path / contig, rows, contig, "121201")
        cohort = plink2_vcf(tmp_path / "out", "--bfile", prefix)
        batch = read_all(BedReader(prefix))
        expected = np.array([row.alt_count for row in cohort.rows])
        if contig in ("24", "Y"):  # plink2 blanks what is not male, we keep what is called
            male = [0, 2, 5]
            np.testing.assert_array_equal(batch.alt_count[:, male], expected[:, male])
        else:
            np.testing.assert_array_equal(batch.alt_count, expected)
        haploid = contig not in ("25", "XY")
        assert (batch.call_ploidy is not None) == haploid


def test_wanted_ids_read_only_their_rows(tmp_path: Path):
    rows = [[v % 3, (v + 1) % 3, -9] for v in range(50)]
    reader = BedReader(write_fileset(tmp_path / "g", rows))
    batch = read_all(reader, wanted=Wanted(ids=frozenset(["r7", "r49", "r50"])))
    assert batch.alt_count.tolist() == [rows[7], rows[49]]
    assert (reader.counts.n_records, reader.counts.n_passed_over) == (50, 48)


def test_unseen_alleles_become_dots(tmp_path: Path):
    prefix = write_fileset(tmp_path / "g", [[0, 0, -9], [2, 1, 0]])
    Path(f"{prefix}.bim").write_text("1 r0 0 10 0 A\n1\tr1\t0\t20\tc\tat\n")
    batch = read_all(BedReader(prefix))
    assert batch.variants["alt"].to_list() == [".", "C"]
    assert batch.variants["ref"].to_list() == ["A", "AT"]
    assert batch.variants["n_alts"].to_list() == [0, 1]
    assert batch.variants["end_position"].to_list() == [10, 21]


def test_prefixes_with_dots_and_hybrid_companions_are_found(tmp_path: Path):
    prefix = write_fileset(tmp_path / "chr.1.subset", [[0, 1, 2]])
    assert BedReader(prefix).samples == ["s0", "s1", "s2"]
    plink2(tmp_path / "made", "--bfile", prefix, "--make-pgen")
    for extension in ("pvar", "psam"):
        shutil.move(tmp_path / f"made.{extension}", f"{prefix}.{extension}")
    for extension in ("bim", "fam"):
        Path(f"{prefix}.{extension}").unlink()
    assert read_all(BedReader(prefix)).alt_count.tolist() == [[0, 1, 2]]


def test_individual_major_files_are_refused_with_the_way_out(tmp_path: Path):
    prefix = write_fileset(tmp_path / "g", [[0, 1, 2], [1, 1, 0]])
    plink2(tmp_path / "turned", "--bfile", prefix, "--export", "ind-major-bed")
    with pytest.raises(InputError, match="plink --make-bed"):
        BedReader(tmp_path / "turned")


@pytest.mark.parametrize("content", [b"", b"\x6c", b"\x6c\x1b", b"BED?00000", b"\x1f\x8b\x08"])
def test_files_that_are_no_bed_are_refused(tmp_path: Path, content: bytes):
    prefix = write_fileset(tmp_path / "g", [[0, 1, 2]])
    Path(f"{prefix}.bed").write_bytes(content)
    with pytest.raises(InputError, match="not a PLINK 1"):
        BedReader(prefix)


def test_every_truncation_is_refused(tmp_path: Path):
    prefix = write_fileset(tmp_path / "g", [[0, 1, 2, 0, 1]] * 4)
    bed = Path(f"{prefix}.bed")
    whole = bed.read_bytes()
    for size in range(3, len(whole)):
        bed.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"cut off|do not belong together"):
            read_all(BedReader(prefix), wanted=Wanted())
    bed.write_bytes(whole + b"\0\0")
    with pytest.raises(InputError, match="do not belong together"):
        read_all(BedReader(prefix))


def test_a_missing_companion_is_named(tmp_path: Path):
    for extension in ("bed", "bim", "fam"):
        prefix = write_fileset(tmp_path / "g", [[0, 1, 2]])
        Path(f"{prefix}.{extension}").unlink()
        with pytest.raises(InputError, match=f"g.{extension}"):
            BedReader(prefix)


def test_several_alts_in_a_bim_are_refused(tmp_path: Path):
    prefix = write_fileset(tmp_path / "g", [[0, 1, 2]])
    Path(f"{prefix}.bim").write_text("1\tr0\t0\t10\tC,G\tA\n")
    with pytest.raises(InputError, match="variant 1: names several ALTs"):
        read_all(BedReader(prefix))


def test_a_fileset_written_by_plink_1_9_reads_the_same(tmp_path: Path):
    program = tool("plink1.9")
    prefix = write_fileset(tmp_path / "g", [[0, 1, 2, -9, 1], [0, 0, 0, 1, -9]])
    command = [program, "--bfile", prefix, "--make-bed", "--keep-allele-order", "--out"]
    subprocess.run([*command, tmp_path / "again"], check=True, capture_output=True)
    batch = read_all(BedReader(tmp_path / "again"))
    assert batch.alt_count.tolist() == [[0, 1, 2, -9, 1], [0, 0, 0, 1, -9]]
