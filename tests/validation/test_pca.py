"""Principal components beside plink2 (exact, mean-imputed and approximate, and projection with its
allele weights), beside SNPRelate's published values for HapMap, and beside AKT's published loadings
and components of 1000 Genomes people.
"""

import csv
import gzip
import shutil
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from datafiles import shared_data

from genomed.io.packed import PackedStore, open_store
from genomed.schema import Pca
from genomed.stats.kinship import autosomal_rows
from genomed.stats.pca import pca
from genomed.stats.projection import match_loci, project

PRINTED = 6e-6  # relative: half a unit of the sixth digit
HAPMAP = "cohort/hapmap_snprelate/hapmap279"
EUROPE = "prs/polypred_1kg_eur/1000G.subset.22"
SIMULATED = "cohort/bigsnpr/example"
HIPSTER = "cohort/variantspark_hipster/hipster.vcf.bgz"


def plink2(folder: Path, *arguments: str) -> None:
    if shutil.which("plink2") is None:
        pytest.skip("plink2 is not installed")
    command = ["plink2", *arguments, "--threads", "2", "--memory", "2000"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def bed_options(name: str) -> list[str]:
    return ["--bfile", str(shared_data(f"{name}.bed").with_suffix(""))]


def made(folder: Path, *arguments: str) -> PackedStore:
    """The common autosomal variants of a cohort, as plink2 chooses them, in a store."""
    plink2(
        folder, *arguments, "--autosome", "--max-alleles", "2", "--maf", "0.01", "--nonfounders",
        "--set-all-var-ids", "@:#:$r:$a", "--new-id-max-allele-len", "400", "--rm-dup",
        "force-first", "--make-pgen", "--out", "in",
    )  # fmt: skip
    return open_store(folder / "in")


def told(folder: Path, k: int, *modifiers: str) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and eigenvectors of plink2."""
    plink2(
        folder, "--pfile", "in", "--nonfounders", "--pca", str(k), *modifiers, "--out", "out"
    )  # fmt: skip
    lines = (folder / "out.eigenvec").read_text().splitlines()
    vectors = [[float(x) for x in line.split("\t")[-k:]] for line in lines if line[0] != "#"]
    return np.loadtxt(folder / "out.eigenval"), np.array(vectors)


def apart(a: np.ndarray, b: np.ndarray) -> float:
    """Largest difference of columns, up to their signs."""
    return float(np.abs(a * np.sign((a * b).sum(axis=0)) - b).max())


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Of the largest angle between the spaces that columns span."""
    bases = (np.linalg.qr(columns)[0] for columns in (a, b))
    first, second = bases
    return float(np.linalg.svd(first.T @ second, compute_uv=False).min())


@pytest.mark.parametrize("name", [HAPMAP, EUROPE, SIMULATED])
def test_exact_components_are_those_of_plink2(name: str, tmp_path: Path) -> None:
    store = made(tmp_path, *bed_options(name))
    rows = autosomal_rows(store.variants)
    for missing, modifiers in (("pairwise", []), ("mean", ["meanimpute"])):
        values, vectors = told(tmp_path, 10, *modifiers)
        found = pca(store, rows, k=10, method="exact", missing=missing, threads=2)
        np.testing.assert_allclose(found.eigenvalues, values, rtol=PRINTED)
        assert apart(found.eigenvectors, vectors) < 2e-5


@pytest.mark.parametrize("name", [HAPMAP, EUROPE, SIMULATED])
def test_randomised_components_are_nearer_to_the_exact_ones_than_plink2s(
    name: str, tmp_path: Path
) -> None:
    store = made(tmp_path, *bed_options(name))
    rows = autosomal_rows(store.variants)
    exact = pca(store, rows, k=10, method="exact", missing="mean", threads=2)
    found = pca(store, rows, k=10, method="randomised", threads=2)
    _, vectors = told(tmp_path, 10, "approx", "--seed", "1")
    ours = cosine(found.eigenvectors, exact.eigenvectors)
    assert ours >= min(cosine(vectors, exact.eigenvectors), 1 - 1e-8)
    assert np.sqrt(max(0.0, 1 - ours**2)) <= max(found.angle, 1e-5) <= 1e-3
    np.testing.assert_allclose(found.eigenvalues, exact.eigenvalues, rtol=1e-5)


@pytest.mark.slow
def test_components_of_2504_people_are_those_of_plink2(tmp_path: Path) -> None:
    store = made(tmp_path, "--vcf", str(shared_data(HIPSTER)))
    rows = autosomal_rows(store.variants)
    values, vectors = told(tmp_path, 10)
    found = pca(store, rows, k=10, method="exact", threads=2)
    np.testing.assert_allclose(found.eigenvalues, values, rtol=PRINTED)
    assert apart(found.eigenvectors, vectors) < 2e-5
    assert cosine(pca(store, rows, k=10, method="randomised").eigenvectors, vectors) > 0.9999999


def test_projected_people_are_where_plink2_puts_them(tmp_path: Path) -> None:
    store = made(tmp_path, *bed_options(EUROPE))
    used = np.arange(len(store.samples)) % 2 == 0
    (tmp_path / "used").write_text(
        "#FID\tIID\n"
        + "".join(
            f"{f}\t{s}\n" for s, f in store.people.filter(used)["sample", "family"].iter_rows()
        )
    )
    common = ["--pfile", "in", "--nonfounders"]
    plink2(tmp_path, *common, "--keep", "used", "--freq", "counts", "--mac", "1", "--write-snplist",
           "--out", "used")  # fmt: skip
    plink2(tmp_path, *common, "--keep", "used", "--extract", "used.snplist", "--read-freq",
           "used.acount", "--pca", "4", "allele-wts", "--out", "out")  # fmt: skip
    plink2(tmp_path, *common, "--extract", "used.snplist", "--read-freq", "used.acount",
           "--score", "out.eigenvec.allele", "2", "5", "header-read", "no-mean-imputation",
           "variance-standardize", "--score-col-nums", "6-9", "--out", "out")  # fmt: skip
    lines = (tmp_path / "out.sscore").read_text().splitlines()[1:]
    theirs = -2 * np.array([[float(x) for x in line.split("\t")[-4:]] for line in lines])
    names = set((tmp_path / "used.snplist").read_text().split())
    rows = store.variants.filter(pl.col("id").is_in(names))["row"].to_numpy()
    found = pca(store, rows, used, 4, method="exact", threads=2)
    ours = project(store, found, rows, shrinkage=False, threads=2).scores
    assert apart(ours, theirs) < 2e-4 * np.abs(theirs).max()


def published(relative: str) -> tuple[list[str], np.ndarray]:
    """A table with a header and a name in its first column."""
    path = shared_data(relative)
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    rows = list(csv.reader(text.splitlines(), delimiter="\t"))[1:]
    return [row[0] for row in rows], np.array([row[1:] for row in rows], float)


def test_hapmap_components_are_those_published_with_snprelate() -> None:
    folder = "cohort/hapmap_snprelate/expected/"
    names, theirs = published(folder + "pca_8pcs_first100.tsv")
    _, matrix = published(folder + "pca_genmat_first90.tsv.gz")
    wanted = gzip.decompress(shared_data(folder + "used_snps_ibs_mom.txt.gz").read_bytes())
    store = open_store(shared_data(f"{HAPMAP}.bed"), samples=names)
    place = [store.samples.index(name) for name in names]
    used = np.isin(np.arange(len(names)), place[:90])
    listed = store.variants.filter(pl.col("id").is_in(wanted.decode().split()))
    # some of the IDs are "---", which several variants have: those on X, and the monomorphic, go
    rows = np.intersect1d(listed["row"].to_numpy(), autosomal_rows(store.variants))
    varies = pca(store, rows, used, 1).scale > 0
    rows = rows[varies]
    assert len(rows) == 8695
    found = pca(store, rows, used, 8, method="exact", missing="mean")
    # SNPRelate scales the matrix so that its trace is the number of samples less one
    values = np.linalg.eigvalsh(matrix)[::-1][:8]
    ratio = found.eigenvalues / values
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)
    ours = project(store, found, rows, shrinkage=False).scores / np.sqrt(found.eigenvalues)
    own = np.flatnonzero(used)
    order = [own.tolist().index(p) for p in place[:90]]
    assert apart(found.eigenvectors[order], theirs[:90]) < 1e-4  # four digits are published
    # the last ten are projected there with missing calls as the mean, here by least squares
    assert apart(ours[place[90:]], theirs[90:]) < 5e-3


def test_people_fall_where_akt_published_them(tmp_path: Path) -> None:
    pytest.importorskip("pysam")
    import pysam

    sites = shared_data("cohort/akt_pca_wgs/wgs.grch37.vcf.gz")
    cohort = shared_data("cohort/akt_cgi433/ALL.cgi_multi_sample.20130725.pruned.snps.bcf")
    plink2(tmp_path, "--bcf", str(cohort), "--make-pgen", "--out", "in")
    store = open_store(tmp_path / "in")
    with pysam.VariantFile(str(sites)) as file:
        records = [
            (r.contig, r.pos, r.ref, r.alts[0], r.info["AF"][0], r.info["WEIGHT"][:8]) for r in file
        ]
    reference = pl.DataFrame(
        [r[:4] for r in records], schema=["contig", "position", "ref", "alt"], orient="row"
    )
    loadings = np.array([r[5] for r in records])
    ones = np.ones(len(records))
    theirs = Pca(
        eigenvalues=np.ones(8), scores=np.zeros((0, 8)), loadings=loadings,
        centre=2 * np.array([r[4] for r in records]), scale=ones, shrinkage=np.ones(8),
        n_variants=len(records), method="exact", angle=0.0,
    )  # fmt: skip
    found = match_loci(reference, store.variants)
    assert len(found.rows) == 16485
    scores = project(store, theirs, found.rows, loci=found.loci, swapped=found.swapped).scores
    table = shared_data("cohort/akt_pca_wgs/wgs.1000G.phase3.pca").read_text().splitlines()
    known = {line.split()[0]: [float(x) for x in line.split()[1:9]] for line in table}
    both = [i for i, name in enumerate(store.samples) if name in known]
    assert len(both) == 284
    there = np.array([known[store.samples[i]] for i in both])
    r = [np.corrcoef(scores[both][:, i], there[:, i])[0, 1] for i in range(8)]
    assert min(r[:4]) > 0.9995
    assert min(r) > 0.985
