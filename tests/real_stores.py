"""Real people as PGEN with unique IDs and one ALT a record, made by plink and bcftools."""

import shutil
import subprocess
from pathlib import Path

import pytest
from datafiles import shared_data

SET_IDS = ("--set-all-var-ids", "@:#:$r:$a", "--new-id-max-allele-len", "400")
SOURCES = {
    "bigsnpr": ("--bfile", "cohort/bigsnpr/example.bed"),
    "hapmap": ("--bfile", "cohort/hapmap_snprelate/hapmap279.bed"),
    "akt": ("--bcf", "cohort/akt_cgi433/ALL.cgi_multi_sample.20130725.pruned.snps.bcf"),
    "hipster": ("--vcf", "cohort/variantspark_hipster/hipster.vcf.bgz"),
    "tiny1000G": ("--vcf", "cohort/tiny1000G/tiny1000G.vcf.gz"),
    "peddy": ("--vcf", "cohort/peddy_sites_1kg_train/1kg_exonic_sites.GRCh38.vcf.gz"),
}


def run(program: str, *arguments: object) -> str:
    """What a program says; skips where it is not installed, fails where it fails."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    command = [program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def plink2(out: Path, *arguments: object) -> Path:
    """Run plink2 with --out; returns the prefix of what it wrote."""
    run("plink2", *arguments, "--out", out, "--threads", 2, "--memory", 3000)
    return out


def make_store(folder: Path, name: str, *options: object) -> Path:
    """One of SOURCES, or "polypred" (22 filesets in one), as a PGEN; returns its prefix."""
    if name == "polypred":
        first = shared_data("prs/polypred_1kg_eur/1000G.subset.1.bed").with_suffix("")
        (folder / "rest.txt").write_text("".join(f"{str(first)[:-1]}{n}\n" for n in range(2, 23)))
        flag, path = "--bfile", folder / "merged"
        run("plink1.9", "--bfile", first, "--merge-list", folder / "rest.txt", "--out", path)
    else:
        flag, relative = SOURCES[name]
        path = shared_data(relative)
        if flag == "--bfile":
            path = path.with_suffix("")
        else:
            split = folder / f"{name}.bcf"
            run("bcftools", "norm", "-m", "-any", "-Ob", "-o", split, path)
            flag, path = "--bcf", split
    unique = (*SET_IDS, "--rm-dup", "force-first")
    return plink2(folder / name, flag, path, *unique, "--make-pgen", *options)
