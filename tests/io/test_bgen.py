"""BgenReader against the Reader contract, plink2 and files written for the test."""

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from contract import check_reader, join, read_all
from datafiles import shared_data
from judges import plink2
from reference_vcf import read_vcf_text

from genomed.errors import InputError, UnfitError
from genomed.io.bgen import BgenReader
from genomed.io.vcf import VcfReader
from genomed.schema import VariantBatch

bgen = pytest.importorskip("bgen", reason="the optional package bgen is not installed")

NAN = np.nan
GONE = [NAN, NAN, NAN]


def write_bgen(path: Path, *variants: dict, **options: object) -> Path:
    """A file of samples a b c d; each variant gives what differs from an A/C SNP on contig 1."""
    usual = {"varid": "v", "rsid": "rs", "chrom": "1", "pos": 10, "alleles": ["A", "C"]}
    options = {"samples": list("abcd"), "compression": "zlib", "layout": 2, **options}
    with bgen.BgenWriter(str(path), n_samples=4, **options) as file:
        for variant in variants:
            given = {"bit_depth": 16, **usual, **variant}
            file.add_variant(**{**given, "genotypes": np.array(given["genotypes"], float)})
    return path


def near_threshold(dosage: np.ndarray) -> np.ndarray:
    """Where rounding in the file may push a dosage to either side of a hard call's limit."""
    return np.abs(np.abs(dosage - np.rint(dosage)) - 0.1) < 1e-3


def check_against_plink2(path: Path, folder: Path, samples: list[str], *options: object) -> None:
    """Dosages, and hard calls away from the limit, equal those that plink2 imports.

    Alleles that are called 1 and 2, which no VCF may hold, are read as A and C.
    """
    keep = folder / "keep.txt"
    keep.write_text("#IID\n" + "".join(f"{name}\n" for name in samples))
    out = plink2(
        folder / "out",
        *("--bgen", path, "ref-first", *options, "--keep", keep),
        *("--export", "vcf", "vcf-dosage=DS-force", "--output-chr", "26"),
    )
    text = out.with_suffix(".vcf").read_bytes()
    text = re.sub(rb"(?m)^((?:[^\t\n]+\t){3})1\t2\t", rb"\1A\tC\t", text)
    cohort = read_vcf_text(text, "DS")
    batch = read_all(BgenReader(path, samples=samples))
    assert batch.call_dosage is not None
    dosage = np.array([row.dosage for row in cohort.rows], np.float32)
    counts = np.array([row.alt_count for row in cohort.rows])
    alts = batch.variants["alt"].replace({"2": "C"})
    assert alts.to_list() == [row.alt for row in cohort.rows]
    np.testing.assert_allclose(batch.call_dosage, dosage, atol=2e-4)
    clear = ~near_threshold(dosage)
    np.testing.assert_array_equal(batch.alt_count[clear], counts[clear])


@pytest.mark.slow
def test_tiny1000g_keeps_the_contract_and_equals_its_vcf():
    path = shared_data("cohort/tiny1000G/tiny1000G.bgen")
    vcf = join(VcfReader(shared_data("cohort/tiny1000G/tiny1000G.vcf.gz")).iter_batches(), 3202)
    with bgen.BgenReader(str(path)) as file:
        names = list(file.samples)
    whole = check_reader(lambda **options: BgenReader(path, **options), names, 1004)
    autosomal = ~whole.variants["contig"].is_in(["X", "Y", "MT"]).to_numpy()
    # This file holds ALT first, as its IDs (contig:position:REF:ALT) and the VCF show.
    for name, other in (("contig", "contig"), ("id", "id"), ("ref", "alt"), ("alt", "ref")):
        assert whole.variants[name].to_list() == vcf.variants[other].to_list()
    np.testing.assert_array_equal(whole.alt_count[autosomal], 2 - vcf.alt_count[autosomal])


def test_tiny1000g_equals_plink2(tmp_path: Path):
    path = shared_data("cohort/tiny1000G/tiny1000G.bgen")
    samples = path.with_suffix(".sample")
    names = BgenReader(path).samples[::40]
    check_against_plink2(path, tmp_path, names, "--sample", samples)


def test_unphased_probabilities_equal_plink2(tmp_path: Path):
    path = shared_data("gwas/regenie/example.bgen")
    with bgen.BgenReader(str(path)) as file:
        names = list(file.samples)
    check_against_plink2(path, tmp_path, names)


def test_probabilities_of_every_form_become_dosages(tmp_path: Path):
    path = write_bgen(
        tmp_path / "x.bgen",
        {"rsid": "r1", "genotypes": [[1, 0, 0], [0.1, 0.85, 0.05], GONE, [0, 0.05, 0.95]]},
        {
            "rsid": ".",
            "varid": "v2",
            "alleles": ["a", "C", "G"],
            "genotypes": [[1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0], [0, 0, 0, 0, 0, 1], [NAN] * 6],
        },
        {
            "chrom": "X",
            "ploidy": np.array([1, 1, 2, 1], np.uint8),
            "genotypes": [[0, 1, NAN], [0.75, 0.25, NAN], [0, 0, 1], GONE],
        },
        {
            "phased": True,
            "genotypes": [[1, 0, 0, 1], [0.25, 0.75, 0.5, 0.5], [0, 1, 0, 1], [NAN] * 4],
        },
        {"ploidy": 3, "genotypes": [[0, 1, 0, 0]] * 4},
    )
    whole = check_reader(lambda **options: BgenReader(path, **options), list("abcd"), 5)
    expected = [
        [0, 0.95, NAN, 1.95],
        [0, 1, 0, NAN],
        [0, 1, 2, NAN],
        [1, 0.25, 2, NAN],
        [1, 1.25, 2, NAN],
    ]
    np.testing.assert_allclose(whole.call_dosage, np.array(expected), atol=1e-4)
    counts = [[0, 1, -9, 2], [0, 1, 0, -9], [0, 1, 2, -9], [1, -9, 2, -9], [1, -9, 2, -9]]
    assert whole.alt_count.tolist() == counts
    assert whole.call_ploidy is not None
    assert whole.call_ploidy.tolist() == [[2] * 4] * 3 + [[1, 1, 2, 2], [2] * 4]
    assert whole.variants["id"].to_list() == ["r1", "v2", "v2", "rs", "rs"]
    assert whole.variants["ref"].to_list() == ["A"] * 5
    reader = BgenReader(path)
    read_all(reader)
    assert reader.counts.refused == {"ploidy": 1}


def test_a_sample_file_names_people_and_tells_haploid_calls(tmp_path: Path):
    calls = [[0, 0, 1], [0, 0, 1], [0, 1, 0], [0.75, 0.25, 0]]
    path = write_bgen(
        tmp_path / "x.bgen",
        {"chrom": "X", "genotypes": calls},
        {"chrom": "PAR1", "genotypes": calls},
        samples=[],
    )
    with pytest.raises(InputError, match=r"put x\.sample beside it"):
        BgenReader(path)
    rows = [f"0 {name} 0 {sex}\n" for name, sex in zip("abcd", "1211", strict=True)]
    sample = path.with_suffix(".sample")
    sample.write_text("ID_1 ID_2 missing sex\n0 0 0 D\n" + "".join(rows))
    batch = read_all(BgenReader(path))
    assert BgenReader(path).samples == ["a", "b", "c", "d"]
    assert batch.alt_count.tolist() == [[1, 2, 1, -9], [2, 2, 1, -9]]
    assert batch.call_ploidy is not None
    assert batch.call_ploidy.tolist() == [[1, 2, 2, 1], [2] * 4]
    np.testing.assert_allclose(batch.call_dosage, [[1, 2, 1, 0.125], [2, 2, 1, 0.25]], atol=1e-4)
    sample.write_text("ID_1 ID_2 missing\n0 0 0\n" + "".join(rows[:3]))
    with pytest.raises(InputError, match="4 whole rows"):
        BgenReader(path)


def first_layout(path: Path) -> VariantBatch:
    """A file of layout 1, in which a missing call has probabilities of zero."""
    calls = [[1, 0, 0], [0, 1, 0], [0, 0, 1], GONE]
    write_bgen(path, {"genotypes": calls}, layout=1, samples=[])
    rows = "".join(f"0 {name} 0\n" for name in "abcd")
    path.with_suffix(".sample").write_text("ID_1 ID_2 missing\n0 0 0\n" + rows)
    return read_all(BgenReader(path))


def test_the_first_layout_is_read_and_its_missing_calls_stay_missing(tmp_path: Path):
    assert first_layout(tmp_path / "x.bgen").alt_count.tolist() == [[0, 1, 2, -9]]


def test_every_truncation_is_refused(tmp_path: Path):
    calls = [[1, 0, 0], [0, 1, 0], [0, 0, 1], GONE]
    variants = [{"rsid": f"r{i}", "pos": 10 + i, "genotypes": calls} for i in range(4)]
    path = write_bgen(tmp_path / "whole.bgen", *variants)
    cut = tmp_path / "cut.bgen"
    data = path.read_bytes()
    for size in range(len(data)):
        cut.write_bytes(data[:size])
        with pytest.raises(InputError, match=r"cut\.bgen"):
            read_all(BgenReader(cut))


def test_repeated_and_unknown_samples_are_refused(tmp_path: Path):
    calls = [[1, 0, 0], [0, 1, 0], [0, 0, 1], GONE]
    path = write_bgen(tmp_path / "x.bgen", {"genotypes": calls}, samples=list("abca"))
    with pytest.raises(InputError, match="'a' occurs 2 times"):
        BgenReader(path)
    path = write_bgen(tmp_path / "y.bgen", {"genotypes": calls})
    with pytest.raises(InputError, match="no sample 'nobody'"):
        BgenReader(path, samples=["nobody"])


def test_without_the_package_the_error_names_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "bgen", None)
    with pytest.raises(UnfitError, match=r"pip install 'genomed\[bgen\]'"):
        BgenReader(tmp_path / "x.bgen")


def test_other_files_and_absent_ones_are_refused(tmp_path: Path):
    path = tmp_path / "x.bgen"
    with pytest.raises(InputError, match="no such file"):
        BgenReader(path)
    shutil.copy(shared_data("cohort/tiny1000G/tiny1000G.vcf.gz"), path)
    with pytest.raises(InputError, match="not a whole BGEN"):
        BgenReader(path)
