"""`genomed risk --reads` on the command line."""

import json
import subprocess
import sys

import numpy as np
import pysam
from simulated_reads import BASES, haplotypes_of, simulated_sites, write_bam
from small_cohorts import Record, row, write_model, write_vcf


def genomed(*arguments):
    command = [sys.executable, "-m", "genomed", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_reads_are_named_with_their_sample_and_settle_what_is_absent(tmp_path):
    rng = np.random.default_rng(3)
    sites = simulated_sites(60, rng)
    person = haplotypes_of(sites, rng)
    fasta = tmp_path / "reference.fa"
    fasta.write_text(f">1\n{sites.reference}\n")
    pysam.faidx(str(fasta))
    bam = write_bam(tmp_path / "reads.bam", "s0", sites, [person], [1.0], 25, rng)
    first = Record("1", int(sites.start[0]) + 1, BASES[sites.ref[0]], BASES[sites.alt[0]],
                   ["0/0", "0/1", "1/1"][person[:, 0].sum()])  # fmt: skip
    vcf = write_vcf(tmp_path / "c.vcf", [first], build=None)
    model = write_model(tmp_path / "m.txt", [
        row("1", int(s) + 1, BASES[a], BASES[r], 1.0)
        for s, r, a in zip(sites.start, sites.ref, sites.alt, strict=True)
    ])  # fmt: skip
    common = (
        "risk",
        vcf,
        "-m",
        model,
        "--build",
        "GRCh38",
        "--ambiguous",
        "keep",
        "--fasta",
        fasta,
    )
    done = genomed(*common, "--out", tmp_path / "out", "--reads", f"s0={bam}", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["models"][0]["n_matched"] > 55
    assert any("was every site called?" in warning for warning in said["warnings"])
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert "sha256_of_its_index" in run["inputs"][str(bam)]
    table = (tmp_path / "out" / "reads.tsv").read_text().splitlines()
    assert len(table) == 60
    bad = genomed(*common, "--out", tmp_path / "bad", "--reads", bam)
    assert bad.returncode == 2
    assert "SAMPLE=FILE.bam" in bad.stderr
