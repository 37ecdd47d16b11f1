"""`structure` as a whole beside plink2 on real people: lists, kinship and components."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from datafiles import shared_data

from genomed.settings import ConvertSettings, StructureSettings
from genomed.steps.convert import ConvertInputs, run_convert
from genomed.steps.structure import StructureInputs, run_structure

HAPMAP = "cohort/hapmap_snprelate/hapmap279"
EUROPE = "prs/polypred_1kg_eur/1000G.subset.22"
UNIQUE = ("--set-all-var-ids", "@:#:$r:$a", "--rm-dup", "force-first")
ALL = replace(
    StructureSettings(), min_call_rate=0.0, leave_long_range_ld=False, min_kinship=-9.0
)  # fmt: skip


def plink2(folder: Path, *arguments: str) -> None:
    if shutil.which("plink2") is None:
        pytest.skip("plink2 is not installed")
    command = ["plink2", *arguments, "--threads", "2", "--memory", "2000", "--out", "out"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def ours(name: str, folder: Path, *steps: str, **options):
    prefix = str(shared_data(f"{name}.bed").with_suffix(""))
    settings = replace(ALL, steps=steps, **options)
    return prefix, run_structure(StructureInputs(prefix), folder / "ours", settings).results


@pytest.mark.parametrize("name", [HAPMAP, EUROPE])
@pytest.mark.parametrize(
    ("window", "options"),
    [
        (("50", "5", "0.2"), {"prune_window": 50, "prune_kb": False, "prune_step": 5}),
        (("500kb", "1", "0.2"), {}),
    ],
)
def test_the_pruned_list_is_that_of_plink2(name, window, options, tmp_path):
    prefix, found = ours(name, tmp_path, "prune", **options)
    common = ["--bfile", prefix, "--autosome", "--maf", "0.01", *UNIQUE]
    plink2(tmp_path, *common, "--indep-pairwise", *window)
    key = pl.concat_str("contig", "position", "ref", "alt", separator=":")
    table = found.tables["variants"].with_columns(key.alias("key"))
    for list_, fate in (("prune.in", "kept"), ("prune.out", "in_ld")):
        keys = table.filter(pl.col("fate") == fate)["key"].to_list()
        assert keys == (tmp_path / f"out.{list_}").read_text().split()
        assert len(keys) == len(found.lists[list_])


@pytest.mark.parametrize("name", [HAPMAP, EUROPE])
def test_kinship_and_the_unrelated_are_those_of_plink2(name, tmp_path):
    prefix, found = ours(name, tmp_path, "kinship", max_kinship=0.0884)
    common = ["--bfile", prefix, "--autosome", "--maf", "0.01", *UNIQUE]
    plink2(tmp_path, *common, "--make-king-table", "counts", "cols=id,nsnp,hethet,ibs0,kinship")
    lines = [line.split() for line in (tmp_path / "out.kin0").read_text().splitlines()]
    place = {column.lstrip("#"): i for i, column in enumerate(lines[0])}
    told = {
        (line[place["IID2"]], line[place["IID1"]]): line for line in lines[1:]
    }  # plink2 names the later one first
    table = found.tables["kinship"]
    assert len(told) == table.height
    for row in table.iter_rows(named=True):
        line = told[row["sample1"], row["sample2"]]
        counts = [row["n_snps"], row["n_het_het"], row["n_ibs0"]]
        assert counts == [int(line[place[c]]) for c in ("NSNP", "HETHET", "IBS0")]
        assert row["kinship"] == pytest.approx(float(line[place["KINSHIP"]]), rel=6e-6, abs=1e-9)
    plink2(tmp_path, *common, "--king-cutoff", "0.0884")
    kept = (tmp_path / "out.king.cutoff.in.id").read_text().splitlines()[1:]
    assert [line.split()[-1] for line in found.lists["unrelated.samples"]][1:] == [
        line.split()[-1] for line in kept
    ]


def test_components_are_those_of_plink2(tmp_path):
    prefix, found = ours(EUROPE, tmp_path, "pca")
    plink2(tmp_path, "--bfile", prefix, "--autosome", "--maf", "0.01", "--pca", "10")
    values = np.loadtxt(tmp_path / "out.eigenval")
    np.testing.assert_allclose(found.tables["eigenvalues"]["eigenvalue"], values, rtol=2e-5)
    lines = [line.split() for line in (tmp_path / "out.eigenvec").read_text().splitlines()]
    vectors = np.array([line[-10:] for line in lines[1:]], float)
    scores = found.tables["pcs"].select(pl.col("^PC.*$")).to_numpy()
    scores /= np.linalg.norm(scores, axis=0)
    np.testing.assert_allclose(np.abs((scores * vectors).sum(axis=0)), 1, atol=1e-6)


def test_declared_parents_of_the_1000_genomes_are_found(tmp_path):
    folder = shared_data("cohort/akt_cgi433")
    lines = (folder / "20130606_g1k.pedigree.txt").read_text().splitlines()
    people = ["\t".join([*line.split()[:4], "0"]) for line in lines]
    psam = tmp_path / "people.psam"
    psam.write_text("\n".join(["#FID\tIID\tPAT\tMAT\tSEX", *people]) + "\n")
    cohort = folder / "ALL.cgi_multi_sample.20130725.pruned.snps.bcf"
    run_convert(ConvertInputs([str(cohort)], people=[psam]), tmp_path / "store", ConvertSettings())
    settings = replace(StructureSettings(), steps=("kinship",))
    inputs = StructureInputs(str(tmp_path / "store"))
    found = run_structure(inputs, tmp_path / "out", settings).results
    table = found.tables["pedigree"]
    declared = table.filter(pl.col("declared").is_not_null())
    assert declared.height == 267
    assert set(declared["verdict"]) == {"agrees"}
    assert set(declared["found"]) == {"parent_child"}
    # six people were sequenced twice, the second time from a cell line that has no pedigree
    undeclared = table.filter(pl.col("declared").is_null())
    names = undeclared.select("sample1", "sample2").rows()
    assert all(any(name.endswith("_lcl") for name in pair) for pair in names)
    assert found.steps["kinship"]["pairs"]["duplicate"] == 6
