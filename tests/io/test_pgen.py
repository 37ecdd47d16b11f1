"""PgenReader against the Reader contract, plink2 and hand-made filesets."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from contract import check_reader, join, read_all
from datafiles import shared_data
from judges import assert_is_cohort, plink2, plink2_genotype_counts, plink2_vcf, tool
from reference_vcf import read_vcf_text

from genomed.errors import InputError
from genomed.io.pgen import PgenReader
from genomed.regions import Region
from genomed.schema import Wanted

VCF_HEADER = """\
##fileformat=VCFv4.2
##contig=<ID=1,length=1000>
##contig=<ID=X,length=2000>
##contig=<ID=MT,length=300>
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=DS,Number=A,Type=Float,Description="Dosage">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\tc\td
"""


def make_fileset(folder: Path, records: str, *, dosage: str = "", sex: str = "1212") -> Path:
    """A fileset of samples a b c d, made by plink2 from VCF records; returns its prefix."""
    vcf = folder / "made.vcf"
    vcf.write_text(VCF_HEADER + records.replace(" ", "\t"))
    sexes = folder / "sex.txt"
    lines = [f"{name}\t{code}\n" for name, code in zip("abcd", sex, strict=True)]
    sexes.write_text("#IID\tSEX\n" + "".join(lines))
    source = ["--vcf", vcf, dosage] if dosage else ["--vcf", vcf]
    options = ["--update-sex", sexes, "--output-chr", "26"]
    return plink2(folder / "made", *source, "--make-pgen", *options)


@pytest.fixture(scope="module")
def hipster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,504 people at 17,010 records, 48 of them with several ALTs, as PGEN."""
    vcf = shared_data("cohort/variantspark_hipster/hipster.vcf.bgz")
    return plink2(tmp_path_factory.mktemp("hipster") / "all", "--vcf", vcf, "--make-pgen")


@pytest.fixture(scope="module")
def few(hipster: Path) -> Path:
    """The same records, 50 people."""
    keep = hipster.with_name("keep.txt")
    names = [line.split("\t")[0] for line in Path(f"{hipster}.psam").read_text().splitlines()]
    keep.write_text("".join(f"{name}\n" for name in names[1:1001:40]))
    few = hipster.with_name("few")
    return plink2(few, "--pfile", hipster, "--keep", keep, "--make-pgen")


def test_real_multiallelic_fileset_keeps_the_contract(few: Path):
    names = [line.split("\t")[0] for line in Path(f"{few}.psam").read_text().splitlines()]
    whole = check_reader(lambda **options: PgenReader(few, **options), names[1:])
    assert whole.variants["n_alts"].max() >= 2


def test_every_genotype_equals_plink2_export(few: Path, tmp_path: Path):
    assert_is_cohort(read_all(PgenReader(few)), plink2_vcf(tmp_path / "out", "--pfile", few))


def test_genotype_counts_of_all_people_equal_plink2(hipster: Path, tmp_path: Path):
    expected = plink2_genotype_counts(tmp_path / "out", "--pfile", hipster)
    batch = read_all(PgenReader(hipster, threads=2))
    first = ~batch.variants["line"].is_duplicated().to_numpy()
    single = (batch.variants["n_alts"] == 1).to_numpy()
    lines = batch.variants["line"].to_numpy()[single] - 1
    for count, column in ((0, "HOM_REF_CT"), (2, "TWO_ALT_GENO_CTS"), (1, "HET_REF_ALT_CTS")):
        seen = (batch.alt_count[single] == count).sum(axis=1)
        assert seen.tolist() == [int(n) for n in expected[column].gather(lines)]
    missing = (batch.alt_count[first] == -9).sum(axis=1)
    rows = expected[batch.variants["line"].to_numpy()[first] - 1]
    assert missing.tolist() == [int(n) for n in rows["MISSING_CT"]]


def test_cineca_pgen_and_its_vcf_agree():
    folder = shared_data("prs/pgsc_calc_cineca")
    names = [f"{i}" for i in PgenReader(folder / "cineca_synthetic_subset.pgen").samples]
    whole = check_reader(
        lambda **options: PgenReader(folder / "cineca_synthetic_subset.pgen", **options), names, 829
    )
    assert (whole.alt_count == -9).any()


def test_cineca_genotypes_equal_plink2_export(tmp_path: Path):
    prefix = shared_data("prs/pgsc_calc_cineca") / "cineca_synthetic_subset"
    names = PgenReader(prefix).samples[::50]
    keep = tmp_path / "keep.txt"
    keep.write_text("".join(f"{name}\t{name}\n" for name in names))
    cohort = plink2_vcf(tmp_path / "out", "--pfile", prefix, "--keep", keep)
    assert_is_cohort(read_all(PgenReader(prefix, samples=names)), cohort)


def test_haploid_calls_on_x_follow_sex_and_equal_the_vcf(tmp_path: Path):
    vcf = shared_data("cohort/hail/x-chromosome.vcf")
    samples = read_vcf_text(vcf.read_bytes()).samples
    sexes = tmp_path / "sex.txt"
    codes = [f"{name}\t{1 + i % 2}\n" for i, name in enumerate(samples)]
    sexes.write_text("#IID\tSEX\n" + "".join(codes))
    prefix = plink2(
        tmp_path / "x", "--vcf", vcf, "--update-sex", sexes, "--make-pgen", "--vcf-half-call", "m"
    )
    batch = read_all(PgenReader(prefix))
    assert batch.call_ploidy is not None
    assert (batch.call_ploidy[:, 0::2] == 1).any()
    assert (batch.call_ploidy[:, 1::2] == 2).all()
    assert_is_cohort(batch, plink2_vcf(tmp_path / "again", "--pfile", prefix))


def test_male_hets_on_x_stay_diploid_and_unknown_sex_stays_diploid(tmp_path: Path):
    records = "X 10 r1 A C . . . GT 1/1 1/1 0/1 1/1\nX 20 r2 A C . . . GT 0/0 0/1 ./. 1/1\n"
    prefix = make_fileset(tmp_path, records, sex="1210")
    batch = read_all(PgenReader(prefix))
    assert batch.alt_count.tolist() == [[1, 2, 1, 2], [0, 1, -9, 2]]
    assert batch.call_ploidy is not None
    assert batch.call_ploidy.tolist() == [[1, 2, 2, 2], [1, 2, 2, 2]]


def test_pseudo_autosomal_calls_of_males_stay_diploid(tmp_path: Path):
    prefix = make_fileset(tmp_path, "X 10 r1 A C . . . GT 1/1 1/1 0/1 1/1\n")
    pvar = Path(f"{prefix}.pvar")
    for contig in ("PAR1", "PAR2", "XY", "25"):
        lines = pvar.read_text().splitlines()
        pvar.write_text("\n".join([*lines[:-1], f"{contig}\t10\tr1\tA\tC", ""]))
        assert read_all(PgenReader(prefix)).call_ploidy is None


def test_mitochondrial_homozygotes_are_haploid_in_everybody(tmp_path: Path):
    prefix = make_fileset(tmp_path, "MT 10 r1 A C . . . GT 1/1 0/1 ./. 0/0\n")
    batch = read_all(PgenReader(prefix))
    assert batch.alt_count.tolist() == [[1, 1, -9, 0]]
    assert batch.call_ploidy is not None
    assert batch.call_ploidy.tolist() == [[1, 2, 2, 1]]


def test_second_alt_nobody_carries_counts_zero_and_keeps_missing(tmp_path: Path):
    prefix = make_fileset(tmp_path, "1 10 r1 A C,G . . . GT 0/0 0/1 ./. 1/1\n")
    batch = read_all(PgenReader(prefix))
    assert batch.variants["alt"].to_list() == ["C", "G"]
    assert batch.alt_count.tolist() == [[0, 1, -9, 2], [0, 0, -9, 0]]


def test_calls_of_another_alt_are_no_copies_not_missing(tmp_path: Path):
    records = "1 10 r1 A C,G,T . . . GT 0/2 1/2 3/3 ./.\n1 20 r2 a . . . . GT 0/0 0/0 ./. 0/0\n"
    batch = read_all(PgenReader(make_fileset(tmp_path, records)))
    expected = [[0, 1, 0, -9], [1, 1, 0, -9], [0, 0, 2, -9], [0, 0, -9, 0]]
    assert batch.alt_count.tolist() == expected
    assert batch.variants["alt"].to_list() == ["C", "G", "T", "."]
    assert batch.variants["n_alts"].to_list() == [3, 3, 3, 0]
    assert batch.variants["line"].to_list() == [1, 1, 1, 2]


def test_stored_dosages_are_read_when_asked_for(tmp_path: Path):
    records = (
        "1 10 r1 A C . . . GT:DS 0/0:0.25 0/1:1 1/1:1.75 ./.:.\n"
        "1 20 r2 A C . . . GT:DS 0/0:0.5 0/1:1.0625 1/1:2 0/0:0\n"
    )
    prefix = make_fileset(tmp_path, records, dosage="dosage=DS")
    whole = check_reader(lambda **options: PgenReader(prefix, dosage="DS", **options), [*"abcd"], 2)
    expected = [[0.25, 1, 1.75, np.nan], [0.5, 1.0625, 2, 0]]
    np.testing.assert_allclose(whole.call_dosage, np.array(expected), atol=1e-4)
    assert whole.alt_count.tolist() == [[-9, 1, -9, -9], [-9, 1, 2, 0]]


def test_dosages_of_males_on_x_are_copies_of_one_allele(tmp_path: Path):
    records = "X 10 r1 A C . . . GT:DS 0:0.25 0/1:1 1:1 0/0:.5\n"
    prefix = make_fileset(tmp_path, records, dosage="dosage=DS")
    stored = read_all(PgenReader(prefix, dosage="DS"))
    assert stored.call_dosage is not None
    assert stored.call_ploidy is not None
    np.testing.assert_allclose(stored.call_dosage, [[0.25, 1, 1, 0.5]], atol=1e-4)
    assert stored.call_ploidy.tolist() == [[1, 2, 1, 2]]


def test_all_companion_forms_give_the_same_batch(few: Path, tmp_path: Path):
    import zstandard

    expected = read_all(PgenReader(few), region=Region("4", 0, 2**31 - 1))
    for name in ("zst", "bim", "bare"):
        shutil.copy(f"{few}.pgen", tmp_path / f"{name}.pgen")
        shutil.copy(f"{few}.psam", tmp_path / f"{name}.psam")
    pvar = Path(f"{few}.pvar").read_bytes()
    (tmp_path / "zst.pvar.zst").write_bytes(zstandard.compress(pvar))
    rows = [line.split("\t") for line in pvar.decode().splitlines() if not line.startswith("#")]
    bim = "".join(f"{r[0]} {r[2]}\t0  {r[1]} {r[4]} {r[3]}\r\n" for r in rows)
    (tmp_path / "bim.bim").write_bytes(bim.encode())
    bare = "".join(f"{r[0]}\t{r[2]}\t{r[1]}\t{r[4]}\t{r[3]}\n" for r in rows)
    (tmp_path / "bare.pvar").write_text(bare.rstrip())
    for name in ("zst", "bim", "bare"):
        reader = PgenReader(tmp_path / name)
        batch = read_all(reader, region=Region("4", 0, 2**31 - 1))
        assert batch.variants.equals(expected.variants)
        np.testing.assert_array_equal(batch.alt_count, expected.alt_count)
        assert reader.counts.notes.get("crlf", 0) == (len(rows) if name == "bim" else 0)


def test_psam_and_fam_headers_of_every_form_name_the_iid(tmp_path: Path):
    prefix = make_fileset(tmp_path, "X 10 r1 A C . . . GT 1/1 1/1 0/1 1/1\n")
    psam = Path(f"{prefix}.psam")
    forms = [
        "#IID\tSEX\na\t1\nb\t2\nc\tM\nd\tNA\n",
        "#FID IID SID PAT MAT SEX\n0 a 0 0 0 1\n0 b 0 0 0 2\n0 c 0 0 0 1\n0 d 0 0 0 0\n",
        "##comment\n#IID SID SEX PHENO\na x 1 3\nb x 2 3\nc x m 3\nd x f 3\n",
        "f1 a 0 0 1 -9\nf1 b 0 0 2 -9\nf2 c 0 0 1 -9\nf2 d 0 0 0 -9\n",
    ]
    for text in forms:
        psam.write_text(text)
        reader = PgenReader(prefix)
        assert reader.samples == ["a", "b", "c", "d"]
        assert read_all(reader).alt_count.tolist() == [[1, 2, 1, 2]]


def test_repeated_iids_become_fid_iid_and_are_noted(tmp_path: Path):
    prefix = make_fileset(tmp_path, "1 10 r1 A C . . . GT 1/1 1/1 0/1 1/1\n")
    psam = Path(f"{prefix}.psam")
    psam.write_text("#FID\tIID\nf1\ta\nf2\ta\nf1\tb\nf2\tb\n")
    reader = PgenReader(prefix)
    assert reader.samples == ["f1_a", "f2_a", "f1_b", "f2_b"]
    assert reader.counts.notes == {"iid_repeated": 4}
    psam.write_text("#IID\na\na\nb\nc\n")
    with pytest.raises(InputError, match="'a' occurs twice"):
        PgenReader(prefix)


def test_contigs_come_from_the_header_or_from_the_rows(tmp_path: Path):
    prefix = make_fileset(tmp_path, "1 10 r1 A C . . . GT 1/1 1/1 0/1 1/1\n")
    assert PgenReader(prefix).contigs == {"1": 1000}
    pvar = Path(f"{prefix}.pvar")
    pvar.write_text("#CHROM\tPOS\tID\tREF\tALT\nchr1\t10\tr1\tA\tC\n")
    assert PgenReader(prefix).contigs == {"chr1": None}


def test_unsorted_and_repeated_positions_are_noted_and_negative_ones_refused(tmp_path: Path):
    records = "".join(f"1 {p} r{p} A C . . . GT 1/1 1/1 0/1 1/1\n" for p in (10, 20, 30, 40, 50))
    prefix = make_fileset(tmp_path, records)
    rows = [("1", 10), ("2", 50), ("2", 40), ("2", 40), ("2", -1)]
    lines = [f"{contig}\t{place}\tr\tA\tC\n" for contig, place in rows]
    Path(f"{prefix}.pvar").write_text("#CHROM\tPOS\tID\tREF\tALT\n" + "".join(lines))
    reader = PgenReader(prefix)
    assert read_all(reader).n_variants == 4
    assert reader.counts.refused == {"no_position": 1}
    assert reader.counts.notes == {"unsorted": 2, "duplicate_position": 1}


def test_text_that_is_not_utf8_is_shown_in_hex_and_noted(tmp_path: Path):
    prefix = make_fileset(tmp_path, "1 10 r1 A C . . . GT 1/1 1/1 0/1 1/1\n")
    Path(f"{prefix}.pvar").write_bytes(b"#CHROM\tPOS\tID\tREF\tALT\n1\t10\tr\xe91\tA\tC\n")
    reader = PgenReader(prefix)
    assert read_all(reader).variants["id"].to_list() == ["r\\xe91"]
    assert reader.counts.notes == {"not_utf8": 1}


def test_a_table_longer_than_one_block_and_a_line_longer_than_one_block(tmp_path: Path):
    records = "".join(f"1 {p} r{p} A C . . . GT 1/1 0/0 0/1 ./.\n" for p in range(1, 801))
    prefix = make_fileset(tmp_path, records)
    rows = [f"1\t{p}\tr{p}\tA\tC\t{'I' * 4000}\n" for p in range(1, 800)]
    long_row = f"1\t800\tr800\t{'A' * 3_000_000}\tC\t.\n"
    text = "#CHROM\tPOS\tID\tREF\tALT\tINFO\n" + "".join(rows) + long_row
    Path(f"{prefix}.pvar").write_text(text)
    batch = read_all(PgenReader(prefix))
    assert batch.variants["position"].to_list() == list(range(1, 801))
    assert batch.variants["end_position"][-1] == 3_000_799
    wanted = Wanted(positions={"1": np.array([5, 2_000_000])})
    assert read_all(PgenReader(prefix), wanted=wanted).variants["line"].to_list() == [5, 800]


@pytest.mark.parametrize("missing", [".pgen", ".pvar", ".psam"])
def test_a_missing_companion_is_named(tmp_path: Path, missing: str):
    prefix = make_fileset(tmp_path, "1 10 r1 A C . . . GT 1/1 1/1 0/1 1/1\n")
    Path(f"{prefix}{missing}").unlink()
    with pytest.raises(InputError, match=f"made{missing}"):
        PgenReader(prefix)
    with pytest.raises(InputError, match=f"made{missing}"):
        PgenReader(Path(f"{prefix}.pgen"))


def test_counts_that_disagree_are_refused(tmp_path: Path):
    prefix = make_fileset(tmp_path, "1 10 r1 A C . . . GT 1/1 1/1 0/1 1/1\n")
    pvar, psam = Path(f"{prefix}.pvar"), Path(f"{prefix}.psam")
    text = pvar.read_text()
    pvar.write_text(text + "1\t20\tr2\tA\tC\n")
    with pytest.raises(InputError, match="do not belong together"):
        read_all(PgenReader(prefix), wanted=Wanted())
    pvar.write_text("".join(text.splitlines(keepends=True)[:-1]))
    with pytest.raises(InputError, match="lists 0, not the 1"):
        read_all(PgenReader(prefix))
    psam.write_text("#IID\na\nb\nc\n")
    with pytest.raises(InputError, match=r"names 3 samples.*holds 4"):
        PgenReader(prefix)


def test_every_truncation_of_a_pgen_is_refused(tmp_path: Path):
    records = "".join(f"1 {p} r{p} A C,G . . . GT 1/2 0/0 0/1 ./.\n" for p in range(1, 30))
    prefix = make_fileset(tmp_path, records)
    pgen = Path(f"{prefix}.pgen")
    whole = pgen.read_bytes()
    for size in range(len(whole)):
        pgen.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"made\.pgen"):
            PgenReader(prefix)


@pytest.mark.parametrize(
    ("row", "match"),
    [("1\tten\tr1\tA\tC", "variant 1"), ("1\t10\tr1\tA", "variant 1"), ("1\t9e9\tr\tA\tC", "posi")],
)
def test_a_damaged_variant_line_is_refused_with_its_number(tmp_path: Path, row: str, match: str):
    prefix = make_fileset(tmp_path, "1 10 r1 A C . . . GT 1/1 1/1 0/1 1/1\n")
    Path(f"{prefix}.pvar").write_text(f"#CHROM\tPOS\tID\tREF\tALT\n{row}\n")
    with pytest.raises(InputError, match=match):
        read_all(PgenReader(prefix))


def test_an_unknown_sample_is_named(tmp_path: Path):
    prefix = make_fileset(tmp_path, "1 10 r1 A C . . . GT 1/1 1/1 0/1 1/1\n")
    with pytest.raises(InputError, match="no sample 'nobody'"):
        PgenReader(prefix, samples=["a", "nobody"])


def test_a_bed_under_the_name_of_a_pgen_is_told_apart(tmp_path: Path):
    tool("plink2")
    prefix = make_fileset(tmp_path, "1 10 r1 A C . . . GT 1/1 1/1 0/1 1/1\n")
    plink2(tmp_path / "bed", "--pfile", prefix, "--make-bed")
    shutil.copy(tmp_path / "bed.bed", f"{prefix}.pgen")
    with pytest.raises(InputError, match="rename it"):
        PgenReader(prefix)


def test_wanted_rows_in_any_batch_size_are_the_same_rows(few: Path):
    reader = PgenReader(few, max_batch_bytes=50 * 3)
    wanted = Wanted(positions={"4": np.array([54511042]), "5": np.array([126650919])})
    batches = list(reader.iter_batches(wanted=wanted))
    assert join(batches, 50).variants["alt"].to_list() == ["C", "G", "GTT", "G"]
