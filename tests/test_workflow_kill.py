"""A chain that is killed again and again ends with the bytes of one that ran through."""

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pysam
import pytest
import yaml
from datafiles import REPOSITORY
from simulated_reads import haplotypes_of, simulated_sites, write_bam

pytestmark = pytest.mark.slow

EXAMPLE = REPOSITORY / "examples" / "data"
KILLS = 10
TIME = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d( UTC|\+0000)")
CONFIG: dict[str, Any] = {
    "cohorts": {"small": "small.vcf.gz"},
    "samples": "samples.tsv",
    "fasta": "reference.fa",
    "threads": 1,
    "convert": {"scatter": "contigs"},
    "reads_call": {"contigs": ["chr1"]},
    "qc": {"options": {"psam": "cohort.psam"}},
    "structure": {"options": {"steps": "prune,pca"}},
    "train": {
        "trait": ["biomarker"],
        "traits": "traits.tsv",
        "covariates": "covariates.tsv",
        "options": {"stages": "none", "folds": 2},
    },
    "risk": {"models": ["score.txt"], "covariates": "covariates.tsv", "unscored": "report"},
    "evaluate": {"options": {"bootstrap": 50}},
}


def snakemake() -> str:
    """The program beside this Python, or on PATH; the calling test is skipped without it."""
    found = shutil.which("snakemake", path=str(Path(sys.executable).parent)) or shutil.which(
        "snakemake"
    )
    return found or pytest.skip("snakemake is not installed: pip install 'genomed[workflow]'")


def with_genomed() -> dict[str, str]:
    """The environment, with the programs beside this Python found first."""
    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def lay_out(directory: Path) -> None:
    """The workflow, a cohort on two contigs, and the reads of two people on another."""
    for name in ("Snakefile", "workflows"):
        (directory / name).symlink_to(REPOSITORY / name)
    for name in ("cohort.psam", "traits.tsv", "covariates.tsv"):
        (directory / name).write_bytes((EXAMPLE / name).read_bytes())
    cohort = directory / "small.vcf.gz"
    with (
        pysam.VariantFile(str(EXAMPLE / "cohort.vcf.gz")) as whole,
        pysam.VariantFile(str(cohort), "wz", header=whole.header) as part,
    ):
        for number, record in enumerate(whole):
            if record.contig == "chrX" or (record.contig == "chr22" and number % 3 == 0):
                part.write(record)
    pysam.tabix_index(str(cohort), preset="vcf")
    rng = np.random.default_rng(11)
    sites = simulated_sites(60, rng, contig="chr1", spacing=150)
    (directory / "reference.fa").write_text(f">chr1\n{sites.reference}\n")
    pysam.faidx(str(directory / "reference.fa"))
    rows = ["sample\treads"]
    for name in ("one", "two"):
        people = [haplotypes_of(sites, rng)]
        write_bam(directory / f"{name}.bam", name, sites, people, [1.0], 25, rng)
        rows.append(f"{name}\t{name}.bam")
        with (directory / "covariates.tsv").open("a") as covariates:
            covariates.write(f"{name}\t50\tF\n")
    (directory / "samples.tsv").write_text("\n".join(rows) + "\n")
    score = ["#genome_build=GRCh38", "chr_name\tchr_position\teffect_allele\tother_allele\t"
             "effect_weight\tallelefrequency_effect"]  # fmt: skip
    for start, ref, alt in zip(sites.start, sites.ref, sites.alt, strict=True):
        if ref + alt != 3:  # A/T and C/G cannot be told from the other strand
            score.append(f"1\t{start + 1}\t{'ACGT'[alt]}\t{'ACGT'[ref]}\t0.1\t0.5")
    (directory / "score.txt").write_text("\n".join(score) + "\n")
    (directory / "config.yaml").write_text(yaml.safe_dump(CONFIG))


def start(directory: Path, *words: str) -> subprocess.Popen[str]:
    """The chain in a session of its own, so that all of it can be killed."""
    command = [snakemake(), "--cores", "2", "--configfile", "config.yaml", "--quiet", *words]
    with (directory / "log.txt").open("a") as log:
        return subprocess.Popen(
            command, cwd=directory, env=with_genomed(), stdout=log, stderr=log, text=True,
            start_new_session=True,
        )  # fmt: skip


def finish(directory: Path, *words: str) -> str:
    running = start(directory, *words)
    said = running.wait(timeout=1800)
    text = (directory / "log.txt").read_text()
    assert said == 0, text[-4000:]
    return text


def kill(running: subprocess.Popen[str]) -> None:
    """SIGKILL to every process of the session at once."""
    for _ in range(3):
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError, ValueError):
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[3]) == running.pid:
                    os.kill(int(stat.parent.name), signal.SIGKILL)
    running.wait()


def results(directory: Path) -> dict[str, bytes]:
    """Everything that was made, but what tells of the run itself; times of day are blotted out."""
    made = directory / "results"
    return {
        str(path.relative_to(made)): TIME.sub(b"", path.read_bytes())
        if path.name.endswith(("run.json", "report.html"))
        else path.read_bytes()
        for path in sorted(made.rglob("*"))
        if path.is_file() and path.relative_to(made).parts[0] not in ("logs", "benchmarks")
    }


def test_a_chain_killed_at_ten_moments_ends_as_one_that_ran_through(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for directory in (whole, broken):
        directory.mkdir()
        lay_out(directory)
    finish(broken)  # which compiles kernels, so that the next is as quick as those to be killed
    shutil.rmtree(broken / "results")
    began = time.monotonic()
    finish(whole)
    took = time.monotonic() - began
    moment = random.Random(6)
    killed = 0
    while killed < KILLS:
        running = start(broken, "--rerun-incomplete")
        time.sleep(moment.uniform(0, 0.7 * took))
        if running.poll() is None:
            kill(running)
            killed += 1
            finish(broken, "--unlock")
        else:  # it ran through: begin again
            shutil.rmtree(broken / "results")
    finish(broken, "--rerun-incomplete")

    expected, found = results(whole), results(broken)
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []
    (broken / "log.txt").unlink()
    assert "Nothing to be done" in finish(broken, "--dry-run").replace("\n", " ")
