"""Simulate the cohorts of the benchmarks: smaller by --scale, and the same for the same seed.

python benchmarks/make_cohorts.py DIR --scale 0.1

For each of S, M, W and F: NAME.vcf.gz with its index, NAME.w10k.tsv (ID, A1, WEIGHT) and, where
plink2 is installed, NAME.pgen/.pvar/.psam.
"""

import argparse
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msprime
import numpy as np
import pysam

SEED = 7
MISSING_RATE = 0.005
MAX_WEIGHTS = 10_000
SITES_PER_BASE = (
    3.5e-3  # a little fewer than 4 N mu sum(1/i) (Watterson 1975), so one draw is enough
)


class Shape(NamedTuple):
    """Size of a cohort at scale 1, and its FORMAT."""

    n_samples: int
    n_variants: int
    format: str


SHAPES = {
    "S": Shape(2504, 50_000, "GT"),
    "M": Shape(2504, 250_000, "GT"),
    "W": Shape(20_000, 20_000, "GT"),
    "F": Shape(500, 50_000, "GT:DP:GQ"),
}


def simulate(n_samples: int, n_variants: int, seed: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (position, int8 (samples, 2) allele indexes) of one constant-size population."""
    ancestry = msprime.sim_ancestry(
        n_samples,
        sequence_length=max(int(n_variants / SITES_PER_BASE), 100_000),
        population_size=1e4,
        recombination_rate=1e-8,
        random_seed=seed,
    )
    tree_sequence = msprime.sim_mutations(
        ancestry, rate=1.3e-8, model=msprime.BinaryMutationModel(), random_seed=seed
    )
    if tree_sequence.num_sites < n_variants:
        raise SystemExit(f"only {tree_sequence.num_sites} of {n_variants} sites came out")
    for variant, _ in zip(tree_sequence.variants(), range(n_variants), strict=False):
        yield int(variant.site.position) + 1, variant.genotypes.reshape(-1, 2)


def cells(genotypes: np.ndarray, shape: Shape, rng: np.random.Generator) -> str:
    """The sample columns of one record; some calls are missing."""
    text = np.array(["0|0", "0|1", "1|0", "1|1", "./."])
    called = np.where(rng.random(len(genotypes)) < MISSING_RATE, 4, genotypes @ [2, 1])
    words = text[called].tolist()
    if shape.format != "GT":
        depths = rng.poisson(30, len(words)).tolist()
        words = [f"{w}:{d}:{min(99, 3 * d)}" for w, d in zip(words, depths, strict=True)]
    return "\t".join(words)


def write_cohort(directory: Path, name: str, shape: Shape) -> None:
    """Write one cohort, its index, its weights and its PGEN copy."""
    rng = np.random.default_rng(SEED)
    vcf, weights = directory / f"{name}.vcf", directory / f"{name}.w10k.tsv"
    samples = "\t".join(f"s{i}" for i in range(shape.n_samples))
    every = max(1, shape.n_variants // MAX_WEIGHTS)
    with vcf.open("w") as out, weights.open("w") as table:
        out.write("##fileformat=VCFv4.2\n##contig=<ID=1,length=248956422>\n")
        for key in shape.format.split(":"):
            kind = "String" if key == "GT" else "Integer"
            out.write(f'##FORMAT=<ID={key},Number=1,Type={kind},Description="{key}">\n')
        out.write(f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{samples}\n")
        table.write("ID\tA1\tWEIGHT\n")
        sites = simulate(shape.n_samples, shape.n_variants, SEED)
        for n, (position, genotypes) in enumerate(sites):
            ref, alt = rng.choice(list("ACGT"), 2, replace=False)
            fixed = f"1\t{position}\t1:{position}:{ref}:{alt}\t{ref}\t{alt}\t.\tPASS\t."
            out.write(f"{fixed}\t{shape.format}\t{cells(genotypes, shape, rng)}\n")
            if n % every == 0:
                table.write(f"1:{position}:{ref}:{alt}\t{alt}\t{rng.normal(0, 0.01):.6g}\n")
    pysam.tabix_index(str(vcf), preset="vcf", force=True)  # compresses, and removes the text
    if plink2 := shutil.which("plink2"):
        prefix = directory / name
        command = [plink2, "--vcf", f"{vcf}.gz", "--silent", "--make-pgen"]
        subprocess.run([*command, "--out", prefix], check=True)


def make_cohorts(directory: Path, scale: float) -> None:
    """Write all four; what is there already is made again."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, shape in SHAPES.items():
        print(f"simulating cohort {name}", flush=True)
        write_cohort(directory, name, shape._replace(n_variants=int(shape.n_variants * scale)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--scale", type=float, default=0.1, help="share of the variants")
    options = parser.parse_args()
    make_cohorts(options.directory, options.scale)


if __name__ == "__main__":
    main()
