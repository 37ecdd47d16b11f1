"""Simulate genotypes with the linkage of people: several chromosomes, hotspots, three ancestries.

The history is the three-population model of Gutenkunst et al. 2009 (PLoS Genet 5:e1000695, table 1,
without migration), which fixes the sizes and times below; a single ancestry is its European branch.
Recombination comes in pieces of 20 kb whose rates are log-normal, so that a few hotspots hold most
of it (as in Myers et al. 2005, Science 310:321) while the mean stays at 1.1e-8 per base.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import msprime
import numpy as np
import polars as pl

from genomed.io.pgen_writer import PgenWriter
from genomed.io.psam import psam_text, unknown_people
from genomed.io.pvar import PvarPart, write_pvar

ANCESTRIES = ("EUR", "EAS", "AFR")
MUTATION_RATE = 1.3e-8
MEAN_RECOMBINATION = 1.1e-8
PIECE_BP = 20_000
RATE_SPREAD = 1.5  # sd of the log of a piece's rate
YEARS = 25  # of a generation


class Shape(NamedTuple):
    """What is simulated.

    people      : diploid people of each of ANCESTRIES
    n_variants  : kept, spread over the chromosomes
    chromosomes : independent ones, named 1, 2, ...
    length_bp   : of each
    min_maf     : in the people pooled
    """

    people: tuple[int, ...]
    n_variants: int
    chromosomes: int
    length_bp: int
    min_maf: float


class Genotypes(NamedTuple):
    """Calls without gaps and what they are of.

    alt_count : int8 (variants, samples), 0, 1 or 2
    variants  : contig · position · id · ref · alt
    ancestry  : name of each sample's ancestry
    """

    alt_count: np.ndarray
    variants: pl.DataFrame
    ancestry: list[str]

    @property
    def samples(self) -> list[str]:
        """Names of the people."""
        return [f"p{number:06d}" for number in range(self.alt_count.shape[1])]


def simulate_genotypes(shape: Shape, seed: int, processes: int = 2) -> Genotypes:
    """The same genotypes for the same shape and seed, whatever the number of processes.

    raises : ValueError when a chromosome has fewer common variants than asked
    """
    seeds = np.random.SeedSequence([seed, 4]).generate_state(shape.chromosomes).tolist()
    wanted = np.full(shape.chromosomes, shape.n_variants // shape.chromosomes)
    wanted[: shape.n_variants % shape.chromosomes] += 1
    jobs = [(shape, int(n), int(s)) for n, s in zip(wanted, seeds, strict=True)]
    if processes > 1:
        with ProcessPoolExecutor(processes) as pool:
            parts = list(pool.map(_chromosome, jobs))
    else:
        parts = [_chromosome(job) for job in jobs]
    contigs = [str(n) for n, count in enumerate(wanted, 1) for _ in range(count)]
    positions = np.concatenate([position for position, _ in parts])
    alt_count = np.concatenate([calls for _, calls in parts])
    variants = _variant_frame(contigs, positions, np.random.default_rng([seed, 5]))
    ancestry = [name for name, n in zip(ANCESTRIES, shape.people, strict=False) for _ in range(n)]
    order = np.random.default_rng([seed, 6]).permutation(len(ancestry))
    return Genotypes(
        np.ascontiguousarray(alt_count[:, order]), variants, [ancestry[i] for i in order]
    )


def _history() -> msprime.Demography:
    """Africa; out of it, a bottleneck; then Europe and East Asia, which grow."""
    split, grown = 140e3 / YEARS, 21.2e3 / YEARS
    history = msprime.Demography()
    sizes = {"EUR": (1000, 0.004), "EAS": (510, 0.0055), "AFR": (12_300, 0.0)}
    for name, (size, growth) in sizes.items():
        history.add_population(
            name=name, initial_size=size * np.exp(growth * grown), growth_rate=growth
        )
    history.add_population(name="OUT", initial_size=2100)
    history.add_population(name="ANC", initial_size=12_300)
    history.add_population_split(time=grown, derived=["EUR", "EAS"], ancestral="OUT")
    history.add_population_split(time=split, derived=["OUT", "AFR"], ancestral="ANC")
    history.add_population_parameters_change(
        time=220e3 / YEARS, population="ANC", initial_size=7300
    )
    return history


def _rate_map(length_bp: int, rng: np.random.Generator) -> msprime.RateMap:
    n_pieces = max(1, length_bp // PIECE_BP)
    rate = rng.lognormal(0, RATE_SPREAD, n_pieces)
    rate *= MEAN_RECOMBINATION / rate.mean()
    return msprime.RateMap(position=np.linspace(0, length_bp, n_pieces + 1), rate=rate)


def _chromosome(job: tuple[Shape, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Positions int64 (n,), 1-based, and int8 (n, samples) of common variants drawn at random."""
    shape, n_wanted, seed = job
    rng = np.random.default_rng(seed)
    trees = msprime.sim_ancestry(
        {name: n for name, n in zip(ANCESTRIES, shape.people, strict=False) if n},
        demography=_history(),
        recombination_rate=_rate_map(shape.length_bp, rng),
        random_seed=seed,
    )
    trees = msprime.sim_mutations(
        trees, rate=MUTATION_RATE, model=msprime.BinaryMutationModel(), random_seed=seed
    )
    common = _common_sites(trees, shape.min_maf)
    if len(common) < n_wanted:
        raise ValueError(
            f"{len(common)} of {n_wanted} variants with MAF >= {shape.min_maf} came out; make "
            "the chromosomes longer"
        )
    kept = np.sort(rng.choice(common, n_wanted, replace=False))
    trees = trees.delete_sites(np.setdiff1d(np.arange(trees.num_sites), kept))
    positions = trees.sites_position.astype(np.int64) + 1
    calls = np.empty((n_wanted, trees.num_individuals), np.int8)
    for row, variant in enumerate(trees.variants()):
        calls[row] = variant.genotypes.reshape(-1, 2).sum(axis=1)
    return positions, calls


def _common_sites(trees: object, min_maf: float) -> np.ndarray:
    """Sites with one mutation whose minor allele is common in the people pooled."""
    found = []
    n = trees.num_samples
    for tree in trees.trees():
        for site in tree.sites():
            if len(site.mutations) == 1:
                share = tree.num_samples(site.mutations[0].node) / n
                if min(share, 1 - share) >= min_maf:
                    found.append(site.id)
    return np.array(found, np.int64)


def _variant_frame(
    contigs: Sequence[str], positions: np.ndarray, rng: np.random.Generator
) -> pl.DataFrame:
    bases = np.array(list("ACGT"))
    ref = rng.integers(4, size=len(contigs))
    alt = (ref + rng.integers(1, 4, size=len(contigs))) % 4
    return pl.DataFrame(
        {"contig": list(contigs), "position": positions, "ref": bases[ref], "alt": bases[alt]}
    ).select(
        "contig",
        "position",
        pl.format("{}:{}:{}:{}", "contig", "position", "ref", "alt").alias("id"),
        "ref",
        "alt",
    )


def write_store(genotypes: Genotypes, prefix: Path, missing: float, seed: int) -> None:
    """Write prefix.pgen, .pvar and .psam; a share `missing` of the calls is left out at random."""
    rng = np.random.default_rng([seed, 7])
    n_variants, n_samples = genotypes.alt_count.shape
    with PgenWriter(prefix.with_suffix(".pgen"), n_samples, threads=2) as store:
        for first in range(0, n_variants, 1000):
            part = genotypes.alt_count[first : first + 1000].copy()
            part[rng.random(part.shape, np.float32) < missing] = -9
            store.write_counts(part)
    rows = PvarPart(prefix.with_suffix(".pvar.rows"))
    rows.path.unlink(missing_ok=True)
    rows.append(genotypes.variants)
    write_pvar(prefix.with_suffix(".pvar"), [rows], [])
    rows.path.unlink()
    prefix.with_suffix(".psam").write_text(psam_text(unknown_people(genotypes.samples)))
