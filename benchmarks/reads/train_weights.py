"""Make the caller that is shipped: simulate genomes and reads, and train on them.

python benchmarks/reads/train_weights.py --data DIR [--out genomed/callers/short_reads]

Everything is seeded. The sets lie under DIR and are made where they are not there yet (bwa and
samtools are needed). Backbones are pieces of chromosomes 1, 17 and 20 under GENOMED_TEST_DATA
(default ../shared/data) and random contigs with repeats; the pieces that run.py judges by, and the
100 kb of the real reads of chromosome 20, are in none of them. Duplicated segments and the longest
repeats are not learned from: what reads show there depends on copies that nobody knows.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
PIECES = [
    "chr20:10105000-10700000", "17:0-296000", "17:397000-650000", "1:10000-177000",
    "1:570000-750000",
]  # fmt: skip
FASTAS = [
    "reads/gatk_chr17/human_g1k_v37.chr17_1Mb.fasta",
    "reads/deepvariant_chr20/ucsc.hg19.chr20.unittest.fasta.gz",
    "reference/chr1_1M/Homo_sapiens_assembly19_chr1_1M.fasta",
]


class Set(NamedTuple):
    """A person to learn from.

    model     : of errors, a name in errors.MODELS
    diversity : times the usual differences from the reference
    """

    name: str
    seed: int
    model: str
    depth: int
    diversity: int
    aligner: str
    random_bp: int


SETS = [
    Set("train_a", 101, "hiseq", 30, 2, "bwa-mem", 700_000),
    Set("train_b", 102, "old_pcr", 15, 2, "bwa-aln", 700_000),
    Set("train_c", 103, "novaseq", 10, 1, "bwa-mem", 700_000),
    Set("train_e", 105, "novaseq", 30, 4, "bwa-mem", 900_000),
    Set("train_f", 106, "hiseq", 18, 4, "bwa-aln", 900_000),
]
JUDGES = ("train_c", "train_e")  # of one sequencer, which nothing is learned from


def main() -> None:
    options = parse_options()
    shared = Path(os.environ.get("GENOMED_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    for one in SETS:
        directory = options.data / one.name
        if not (directory / "made.json").is_file():
            simulate(one, directory, shared)
    train(options.data, options.out, options.epochs)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    default = REPOSITORY / "genomed" / "callers" / "short_reads"
    parser.add_argument("--out", type=Path, default=default)
    parser.add_argument("--epochs", type=int, default=8)
    return parser.parse_args()


def simulate(one: Set, directory: Path, shared: Path) -> None:
    """Make a genome and its aligned reads."""
    run(
        sys.executable, HERE / "simulate.py", "--fasta", *(shared / fasta for fasta in FASTAS),
        "--out", directory, "--contigs", *PIECES, f"random{one.seed - 100}:{one.random_bp}",
        "--seed", one.seed, "--model", one.model, "--depth", one.depth, "--aligner", one.aligner,
        "--diversity", one.diversity,
    )  # fmt: skip


def train(data: Path, out: Path, epochs: int) -> None:
    """Train on one thread, so that the bytes are the same every time."""
    options: list[object] = []
    for option, file in (("--reference", "ref.fa"), ("--truth", "truth.vcf.gz"),
                         ("--confident", "confident.bed")):  # fmt: skip
        for one in SETS:
            options += [option, f"{one.name}/{file}"]
    for one in SETS:
        options += ["--enriched", one.diversity]
    for judge in JUDGES:
        options += ["--judge-by", f"{judge}/reads.bam"]
    run(
        sys.executable, "-m", "genomed", "reads", "train",
        *(f"{one.name}/reads.bam" for one in SETS), *options, "--out", out.name,
        "--name", "short reads, general", "--epochs", epochs, "--threads", 1, cwd=data,
    )  # fmt: skip
    if (data / out.name).resolve() != out.resolve():  # the bundle tells the command, not this path
        shutil.rmtree(out, ignore_errors=True)
        shutil.move(data / out.name, out)


def run(*command: object, cwd: Path | None = None) -> None:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    subprocess.run([str(word) for word in command], check=True, cwd=cwd, env=environment)


if __name__ == "__main__":
    main()
