"""Runs of homozygosity beside plink 1.9, F_ST beside plink2, diversity beside vcftools.

On real people: HapMap (279, four populations, missing calls) and 1000 Genomes Europeans.
"""

import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from datafiles import shared_data

from genomed.io.packed import PackedStore, open_store
from genomed.settings import RohSettings
from genomed.stats.diversity import measure_diversity
from genomed.stats.roh import find_runs

PRINTED = 6e-6  # relative: half a unit of the sixth digit


def run(program: str, folder: Path, *arguments: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def table(path: Path) -> list[dict[str, str]]:
    lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


def prefix_of(name: str) -> str:
    return str(shared_data(f"{name}.bed").with_suffix(""))


def autosomal(store: PackedStore) -> np.ndarray:
    numbers = [str(number) for number in range(1, 23)]
    return store.variants.filter(pl.col("contig").is_in(numbers))["row"].to_numpy()


def plink_options(settings: RohSettings) -> list[str]:
    named = {name.replace("_", "-"): value for name, value in asdict(settings).items()}
    return [
        text
        for name, value in named.items()
        if value is not None
        for text in (f"--homozyg-{name}", f"{value:g}")
    ]


HAPMAP = "cohort/hapmap_snprelate/hapmap279"
EUROPE = "prs/polypred_1kg_eur/1000G.subset.22"
DENSE = {"snp": 20, "kb": 100, "gap": 200, "window_snp": 20, "window_het": 0, "density": 30}
HARD = {"snp": 5, "kb": 50, "window_snp": 30, "window_het": 2, "het": 0, "window_threshold": 0.2}
SPARSE = {
    "snp": 20, "density": 1000, "gap": 3000, "het": 2, "window_snp": 20, "window_missing": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "options", "least"),
    [(EUROPE, DENSE, 400), (EUROPE, HARD, 1000), (HAPMAP, SPARSE, 9000), (HAPMAP, {}, 0)],
)
def test_runs_are_those_of_plink(name, options, least, tmp_path):
    prefix, settings = prefix_of(name), RohSettings(**options)
    arguments = ["--bfile", prefix, "--homozyg", "--allow-no-sex", "--autosome", "--out", "out"]
    run("plink1.9", tmp_path, *arguments, *plink_options(settings))
    told = [
        (r["IID"], r["CHR"], int(r["POS1"]), int(r["POS2"]), int(r["NSNP"]),
         round(float(r["PHET"]) * int(r["NSNP"])))
        for r in table(tmp_path / "out.hom")
    ]  # fmt: skip
    store = open_store(prefix)
    found = find_runs(store, autosomal(store), settings, threads=2)
    ours = [
        (r["sample"], r["contig"], r["first"], r["last"], r["n_variants"], r["n_het"])
        for r in found.iter_rows(named=True)
    ]
    assert len(told) >= least
    assert sorted(ours) == sorted(told)


def hapmap_groups(store: PackedStore) -> dict[str, np.ndarray]:
    populations = pl.read_csv(shared_data(f"{HAPMAP}.populations.tsv"), separator="\t")
    of = dict(populations.iter_rows())
    label = np.array([of[sample] for sample in store.samples])
    return {name: label == name for name in sorted(set(of.values()))}


def people(prefix: str, groups: dict[str, np.ndarray], separator: str) -> list[tuple[str, str]]:
    """(name as the judge spells it, group) of everybody."""
    lines = Path(f"{prefix}.fam").read_text().splitlines()
    group = [next(n for n, who in groups.items() if who[i]) for i in range(len(lines))]
    return [(separator.join(line.split()[:2]), g) for line, g in zip(lines, group, strict=True)]


@pytest.mark.parametrize(("method", "column"), [("hudson", "hudson"), ("wc", "weir_cockerham")])
def test_fst_of_every_pair_is_that_of_plink2(method, column, tmp_path):
    prefix = prefix_of(HAPMAP)
    store = open_store(prefix)
    groups = hapmap_groups(store)
    lines = [f"{name}\t{group}\n" for name, group in people(prefix, groups, "\t")]
    (tmp_path / "groups").write_text("#FID\tIID\tPOP\n" + "".join(lines))
    run(
        "plink2", tmp_path, "--bfile", prefix, "--autosome", "--pheno", "groups", "--fst", "POP",
        f"method={method}", "--out", "out",
    )  # fmt: skip
    told = {
        (r["#POP1"], r["POP2"]): float(r[f"{method.upper()}_FST"])
        for r in table(tmp_path / "out.fst.summary")
    }
    fst = measure_diversity(store, autosomal(store), groups, window_kb=1000).fst
    ours = {(r["group1"], r["group2"]): r[column] for r in fst.iter_rows(named=True)}
    assert len(told) == 6
    for pair, value in told.items():
        assert ours[pair] == pytest.approx(value, rel=PRINTED)


def test_windows_are_those_of_vcftools(tmp_path):
    prefix = prefix_of(HAPMAP)
    store = open_store(prefix)
    groups = hapmap_groups(store)
    names = [name for name, group in people(prefix, groups, "_") if group == "CEU"]
    (tmp_path / "ceu").write_text("\n".join(names) + "\n")
    complete = store.count(autosomal(store))[:, 3] == 0
    rows = autosomal(store)[complete]
    run(
        "plink1.9", tmp_path, "--bfile", prefix, "--autosome", "--geno", "0", "--recode", "vcf",
        "--allow-no-sex", "--out", "all",
    )  # fmt: skip
    for options in (("--window-pi", "1000000"), ("--TajimaD", "1000000")):
        run("vcftools", tmp_path, "--vcf", "all.vcf", "--keep", "ceu", *options, "--out", "out")
    pi = {(r["CHROM"], int(r["BIN_START"])): r for r in table(tmp_path / "out.windowed.pi")}
    d = {(r["CHROM"], int(r["BIN_START"]) + 1): r for r in table(tmp_path / "out.Tajima.D")}
    found = measure_diversity(store, rows, {"CEU": groups["CEU"]}, window_kb=1000)
    inner = found.windows.filter(pl.col("last") - pl.col("first") + 1 == 1_000_000)
    compared = [0, 0]
    for row in inner.iter_rows(named=True):
        key = (row["contig"], row["first"])
        if key in pi:
            assert row["pi"] == pytest.approx(float(pi[key]["PI"]), rel=PRINTED)
            compared[0] += 1
        if row["tajima_d"] is not None:
            assert row["tajima_d"] == pytest.approx(float(d[key]["TajimaD"]), rel=1e-5)
            compared[1] += 1
    assert min(compared) > 500


def test_weir_cockerham_of_two_groups_is_that_of_vcftools(tmp_path):
    prefix = prefix_of(HAPMAP)
    store = open_store(prefix)
    groups = {k: v for k, v in hapmap_groups(store).items() if k in ("CEU", "YRI")}
    for name, members in groups.items():
        spelt = [n for n, g in people(prefix, hapmap_groups(store), "_") if g == name]
        assert len(spelt) == members.sum()
        (tmp_path / name).write_text("\n".join(spelt) + "\n")
    run(
        "plink1.9", tmp_path, "--bfile", prefix, "--autosome", "--geno", "0", "--recode", "vcf",
        "--allow-no-sex", "--out", "all",
    )  # fmt: skip
    done = subprocess.run(
        ["vcftools", "--vcf", "all.vcf", "--weir-fst-pop", "CEU", "--weir-fst-pop", "YRI"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    line = next(x for x in done.stderr.splitlines() if "weighted" in x)
    rows = autosomal(store)[store.count(autosomal(store))[:, 3] == 0]
    fst = measure_diversity(store, rows, groups).fst
    assert fst["weir_cockerham"][0] == pytest.approx(float(line.split()[-1]), rel=1e-4)
