"""Packed calls of real filesets beside plink2 and pgenlib: every call, and every count."""

from pathlib import Path

import numpy as np
import pgenlib
import polars as pl
import pytest
from datafiles import shared_data
from real_stores import plink2

from genomed.io.packed import PackedStore, open_store
from genomed.kernels.packed import unpack_rows

SOURCES = {
    "hipster": ("--vcf", "cohort/variantspark_hipster/hipster.vcf.bgz"),  # phased, several ALTs
    "tiny1000G": ("--vcf", "cohort/tiny1000G/tiny1000G.vcf.gz"),  # haploid calls
    "shapeit4": ("--vcf", "cohort/shapeit4_chr20/reference.vcf.gz"),
    "akt": ("--bcf", "cohort/akt_cgi433/ALL.cgi_multi_sample.20130725.pruned.snps.bcf"),
    "peddy": ("--vcf", "cohort/peddy_sites_1kg_train/1kg_exonic_sites.GRCh38.vcf.gz"),
    "bigsnpr": ("--bfile", "cohort/bigsnpr/example.bed"),
    "hapmap": ("--bfile", "cohort/hapmap_snprelate/hapmap279.bed"),
}


def source(name: str) -> tuple[str, Path]:
    flag, relative = SOURCES[name]
    path = shared_data(relative)
    return flag, path.with_suffix("") if flag == "--bfile" else path


@pytest.fixture(scope="module", params=SOURCES)
def fileset(request, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real cohort as plink2 imports it, phase and several ALTs included."""
    out = tmp_path_factory.mktemp("packed") / request.param
    return plink2(out, *source(request.param), "--make-pgen")


def not_reference(prefix: Path, store: PackedStore) -> np.ndarray:
    """Alleles that are not REF in each call, by pgenlib: int8 (variants, samples), -9 missing."""
    several = store.variants["alt"].str.contains(",").any()
    table = pgenlib.PvarReader(f"{prefix}.pvar".encode()) if several else None
    out = np.empty((store.n_variants, store.n_samples), np.int8)
    alleles = np.empty(2 * store.n_samples, np.int32)
    with pgenlib.PgenReader(f"{prefix}.pgen".encode(), pvar=table) as reader:
        for v in range(store.n_variants):
            reader.read_alleles(v, alleles)
            pairs = alleles.reshape(-1, 2)
            out[v] = np.where(pairs[:, 0] < 0, -9, (pairs > 0).sum(axis=1))
    return out


def test_every_call_and_count_equals_pgenlib(fileset: Path):
    store = open_store(fileset)
    expected = not_reference(fileset, store)
    found = np.empty_like(expected)
    for block in store.blocks(block_rows=999, threads=2):
        part = np.empty((len(block.rows), store.n_samples), np.int8)
        unpack_rows(block.words, store.n_samples, part)
        found[block.rows] = part
    np.testing.assert_array_equal(found, expected)
    counts = np.stack([(expected == code).sum(axis=1) for code in (0, 1, 2, -9)], axis=1)
    np.testing.assert_array_equal(store.count(threads=2), counts)


def test_counts_of_some_samples_equal_plink2(fileset: Path, tmp_path: Path):
    whole = open_store(fileset)
    chosen = np.random.default_rng(1).random(whole.n_samples) < 0.4
    joined = "iid_repeated" in whole.notes
    keep = tmp_path / "keep.txt"
    family = whole.people["family"].fill_null("0").to_list()
    names = [
        (f, s.removeprefix(f"{f}_") if joined else s)
        for f, s, k in zip(family, whole.samples, chosen, strict=True)
        if k
    ]
    keep.write_text("#FID\tIID\n" + "".join(f"{f}\t{s}\n" for f, s in names))
    subset = ["--keep", keep, "--make-bed", "--max-alleles", 2]
    bed = open_store(plink2(tmp_path / "some", "--pfile", fileset, *subset))
    samples = [s for s, k in zip(whole.samples, chosen, strict=True) if k]
    some = open_store(fileset, samples=samples)
    rows = some.variants.filter(~pl.col("alt").str.contains(","))["row"].to_numpy()
    np.testing.assert_array_equal(some.count(rows), bed.count())
    np.testing.assert_array_equal(some.read(rows), bed.read(np.arange(bed.n_variants)))
    np.testing.assert_array_equal(whole.count(rows, keep=chosen), bed.count())


def test_a_bed_and_the_pgen_made_of_it_are_the_same_store(tmp_path: Path):
    for name in ("bigsnpr", "hapmap"):
        flag, path = source(name)
        bed = open_store(f"{path}.bed")
        pgen = open_store(plink2(tmp_path / name, flag, path, "--make-pgen"))
        rows = np.arange(bed.n_variants)
        np.testing.assert_array_equal(bed.read(rows), pgen.read(rows))
        assert bed.samples == pgen.samples
        assert bed.people["sex"].equals(pgen.people["sex"])
        assert bed.people["father"].equals(pgen.people["father"])
        columns = ["position", "id", "ref", "alt"]
        assert bed.variants.select(columns).equals(pgen.variants.select(columns))
