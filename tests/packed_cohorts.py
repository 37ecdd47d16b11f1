"""Small stores of packed calls for tests: in memory, and as a PGEN written by pgenlib."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pgenlib
import polars as pl

from genomed.kernels.packed import pack_rows
from genomed.schema import MISSING, PackedBlock


def packed(alt_count: np.ndarray) -> np.ndarray:
    """uint64 (variants, words) of int8 counts (variants, samples)."""
    alt_count = np.ascontiguousarray(alt_count, np.int8)
    words = np.empty((len(alt_count), -(-alt_count.shape[1] // 32)), np.uint64)
    pack_rows(alt_count, words)
    return words


def variant_frame(contigs: Sequence[str], positions: Sequence[int] | None = None) -> pl.DataFrame:
    """Columns of a store's `variants`: A>C at 1, 2, 3 .. or at the positions given."""
    n = len(contigs)
    places = list(range(1, n + 1)) if positions is None else list(positions)
    return pl.DataFrame(
        {
            "row": pl.Series(range(n), dtype=pl.Int64),
            "contig": pl.Series(contigs, dtype=pl.String),
            "position": pl.Series(places, dtype=pl.Int64),
            "id": [f"v{i}" for i in range(n)],
            "ref": ["A"] * n,
            "alt": ["C"] * n,
        }
    )


@dataclass
class ArrayStore:
    """genomed.schema.Packed over an array: int8 (variants, samples), -9 missing."""

    alt_count: np.ndarray
    variants: pl.DataFrame
    people: pl.DataFrame

    @property
    def samples(self) -> list[str]:
        return self.people["sample"].to_list()

    def read(self, rows: np.ndarray, threads: int = 1) -> np.ndarray:
        return packed(self.alt_count[rows])

    def blocks(
        self, rows: np.ndarray | None = None, *, block_rows: int = 4096, threads: int = 1
    ) -> Iterator[PackedBlock]:
        rows = np.arange(len(self.alt_count)) if rows is None else rows
        for first in range(0, len(rows), block_rows):
            some = rows[first : first + block_rows]
            yield PackedBlock(some, self.read(some))


def array_store(
    alt_count: np.ndarray,
    contigs: Sequence[str] | None = None,
    positions: Sequence[int] | None = None,
    sex: Sequence[int | None] | None = None,
    parents: Sequence[tuple[str | None, str | None]] | None = None,
) -> ArrayStore:
    """A store of samples s0, s1 .. on contig 1 unless told."""
    n_variants, n_samples = alt_count.shape
    parents = parents or [(None, None)] * n_samples
    people = pl.DataFrame(
        {
            "sample": [f"s{i}" for i in range(n_samples)],
            "family": pl.Series([None] * n_samples, dtype=pl.String),
            "father": pl.Series([father for father, _ in parents], dtype=pl.String),
            "mother": pl.Series([mother for _, mother in parents], dtype=pl.String),
            "sex": pl.Series(sex or [None] * n_samples, dtype=pl.Int8),
        }
    )
    contigs = ["1"] * n_variants if contigs is None else contigs
    return ArrayStore(alt_count, variant_frame(contigs, positions), people)


def write_fileset(prefix: Path, store: ArrayStore) -> Path:
    """Write PREFIX.pgen .pvar .psam, the .pgen by pgenlib; returns the prefix."""
    n_variants, n_samples = store.alt_count.shape
    name = f"{prefix}.pgen".encode()
    with pgenlib.PgenWriter(name, n_samples, variant_ct=n_variants, nonref_flags=False) as writer:
        writer.append_biallelic_batch(np.ascontiguousarray(store.alt_count, np.int8))
    write_tables(prefix, store)
    return prefix


def write_tables(prefix: Path, store: ArrayStore) -> None:
    """Write PREFIX.pvar and PREFIX.psam."""
    lines = [
        f"{v['contig']}\t{v['position']}\t{v['id']}\t{v['ref']}\t{v['alt']}\n"
        for v in store.variants.iter_rows(named=True)
    ]
    Path(f"{prefix}.pvar").write_text("#CHROM\tPOS\tID\tREF\tALT\n" + "".join(lines))
    lines = [
        f"{p['sample']}\t{p['father'] or 0}\t{p['mother'] or 0}\t{p['sex'] or 'NA'}\n"
        for p in store.people.iter_rows(named=True)
    ]
    Path(f"{prefix}.psam").write_text("#IID\tPAT\tMAT\tSEX\n" + "".join(lines))


def random_counts(
    rng: np.random.Generator, n_variants: int, n_samples: int, missing: float = 0.01
) -> np.ndarray:
    """int8 counts of every kind of record: rare, common, flipped, copied, all of one kind."""
    counts = np.empty((n_variants, n_samples), np.int8)
    for v in range(n_variants):
        kind = rng.integers(8)
        if kind < 3 and v:  # like the one before, or its mirror image: made into LD records
            counts[v] = counts[v - 1]
            counts[v][counts[v] >= 0] = (2 - counts[v] if kind else counts[v])[counts[v] >= 0]
            some = rng.random(n_samples) < 0.02
            counts[v, some] = rng.integers(0, 3, some.sum())
        elif kind == 3:
            counts[v] = rng.integers(0, 3)
        elif kind == 4:
            counts[v] = MISSING
            some = rng.random(n_samples) < 0.05
            counts[v, some] = rng.integers(0, 3, some.sum())
        else:
            counts[v] = rng.binomial(2, rng.beta(0.3, 0.3), n_samples)
        counts[v, rng.random(n_samples) < missing * rng.integers(0, 2)] = MISSING
    return counts
