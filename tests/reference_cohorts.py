"""Simulated people of three ancestries: a reference of some of them, and a cohort of others.

Allele frequencies of each population are drawn about ancestral ones as Balding and Nichols (1995)
model drift, so that F_ST is what is asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from packed_cohorts import array_store, write_fileset
from small_cohorts import Record, row, write_model, write_vcf

from genomed.io.bundle import write_bundle
from genomed.io.packed import open_store
from genomed.stats.ancestry import fit_ancestry
from genomed.stats.pca import pca

POPULATIONS = ("AFR", "EAS", "EUR")
PAIRS = (("A", "G"), ("C", "T"), ("G", "A"), ("T", "G"), ("C", "A"))
CELLS = np.array(["0/0", "0/1", "1/1", "./."])


@dataclass(frozen=True)
class World:
    """Variants, and the frequency of ALT in each population: float64 (populations, variants)."""

    variants: pl.DataFrame
    frequency: np.ndarray

    @classmethod
    def drawn(
        cls, n_variants: int, rng: np.random.Generator, fst: float = 0.08, n_populations: int = 3
    ) -> "World":
        """Variants spread over 22 chromosomes, none of them ambiguous."""
        ancestral = rng.uniform(0.1, 0.9, n_variants)
        a = (1 - fst) / fst
        drawn = rng.beta(ancestral * a, (1 - ancestral) * a, (n_populations, n_variants))
        pairs = [PAIRS[v % len(PAIRS)] for v in range(n_variants)]
        variants = pl.DataFrame(
            {
                "contig": [str(1 + v * 22 // n_variants) for v in range(n_variants)],
                "position": [1000 * (v + 1) for v in range(n_variants)],
                "ref": [ref for ref, _ in pairs],
                "alt": [alt for _, alt in pairs],
            }
        )
        return cls(variants, np.clip(drawn, 0.02, 0.98))

    def people(self, sizes: Sequence[int], rng: np.random.Generator) -> np.ndarray:
        """Copies of ALT of so many people of each population: int8 (variants, people)."""
        parts = [
            rng.binomial(2, f[:, None], (len(f), n))
            for f, n in zip(self.frequency, sizes, strict=True)
        ]
        return np.concatenate(parts, axis=1).astype(np.int8)


def cohort_vcf(path: Path, world: World, alt_count: np.ndarray, keep: slice = slice(None)) -> Path:
    """Write copies of ALT (negative: not called) as a VCF; `keep` chooses variants."""
    rows = world.variants[keep].iter_rows()
    calls = CELLS[np.where(alt_count[keep] < 0, 3, alt_count[keep])]
    records = [
        Record(*variant, " ".join(cells)) for variant, cells in zip(rows, calls, strict=True)
    ]
    return write_vcf(path, records)


def score_model(
    path: Path,
    world: World,
    rng: np.random.Generator,
    keep: slice = slice(None),
    header: dict[str, str] | None = None,
) -> tuple[Path, np.ndarray]:
    """Write a score over some variants, half of them counting REF; and its weights per ALT."""
    weights = np.zeros(world.variants.height)
    chosen = np.arange(world.variants.height)[keep]
    weights[chosen] = rng.normal(size=len(chosen)).round(4)
    rows = []
    for v in chosen.tolist():
        contig, position, ref, alt = world.variants.row(v)
        if v % 2:
            rows.append(row(contig, position, alt, ref, weights[v]))
        else:
            rows.append(row(contig, position, ref, alt, -weights[v]))
    return write_model(path, rows, header=header), weights


def write_reference(
    out: Path, world: World, alt_count: np.ndarray, sizes: Sequence[int], k: int = 6
) -> Path:
    """Write a bundle of so many people of each population: a directory, or a .zip."""
    made = array_store(alt_count)
    made.variants = made.variants.with_columns(world.variants.get_columns())
    store = open_store(write_fileset(out.with_name(f"{out.name}.store"), made))
    labels = np.repeat(POPULATIONS, sizes).tolist()
    rows = np.arange(len(alt_count))
    components = pca(store, rows, k=k)
    write_bundle(
        out,
        name="three",
        build="GRCh38",
        store=store,
        rows=rows,
        labels=pl.DataFrame(
            {"sample": store.samples, "population": labels, "superpopulation": labels}
        ),
        pcs=components.scores,
        used=np.ones(len(labels), bool),
        components=components,
        ancestry=fit_ancestry(store, rows, labels, labels)[0],
    )
    return out
