"""Placing people among the principal components of others.

Variants are matched by position and alleles, also where REF and ALT are swapped or the other strand
was read. A person's scores solve the least squares problem over the loci that are called in that
person, so that loci without a call, or absent from the cohort, do not pull towards 0. Then the
shrinkage that every projection suffers is divided out (see genomed.stats.pca.shrinkage_factors).
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from genomed.kernels.packed import standardise_rows
from genomed.regions import canonical_contig
from genomed.schema import Packed, Pca

__all__ = ["LociMatch", "Projection", "match_loci", "project", "weighted_sums"]

PIECE_CALLS = 1 << 20
MIN_SHARE = 1e-3  # of the loadings' squares at called loci, in the worst direction


class LociMatch(NamedTuple):
    """Which row of a cohort holds which locus of a reference.

    rows        : int64 (matched,), rows of the cohort, rising
    loci        : int64 (matched,), places among the reference's variants
    swapped     : bool (matched,), the cohort's ALT is the reference's REF
    n_exact, n_swapped, n_flipped : loci by how they were matched; flipped are on the other strand
    n_ambiguous : A/T and C/G loci left out because other loci show that strands differ
    """

    rows: np.ndarray
    loci: np.ndarray
    swapped: np.ndarray
    n_exact: int
    n_swapped: int
    n_flipped: int
    n_ambiguous: int


class Projection(NamedTuple):
    """Where people fall among the components.

    scores   : float64 (samples, k), on the scale of Pca.scores; NaN where too little was called
    coverage : float64 (samples,), share of the loadings' squares that lies at called loci
    n_called : int64 (samples,), loci called, of those that vary in the reference
    """

    scores: np.ndarray
    coverage: np.ndarray
    n_called: np.ndarray


def match_loci(reference: pl.DataFrame, variants: pl.DataFrame) -> LociMatch:
    """Find the loci of a reference among the rows of a cohort; both on the same genome build.

    reference : contig, position, ref, alt; one row per locus
    variants  : row, contig, position, ref, alt, as in Packed.variants
    A locus has at most one row: the one that fits best, the first of several. A/T and C/G loci are
    taken as spelt when no other locus had to be flipped, and are left out otherwise.
    """
    pairs = _pairs(reference, variants)
    n_flipped = pairs.filter(pl.col("fit") > 1, ~pl.col("ambiguous")).height
    taken = pairs.filter(~pl.col("ambiguous")) if n_flipped else pairs
    fits = taken["fit"].to_numpy()
    return LociMatch(
        rows=taken["row"].to_numpy(),
        loci=taken["locus"].to_numpy(),
        swapped=fits % 2 == 1,
        n_exact=int((fits == 0).sum()),
        n_swapped=int((fits == 1).sum()),
        n_flipped=n_flipped,
        n_ambiguous=pairs.height - taken.height,
    )


def _pairs(reference: pl.DataFrame, variants: pl.DataFrame) -> pl.DataFrame:
    """Best pairs: row, locus, ambiguous, fit (0 exact, 1 swapped, 2 flipped, 3 both)."""
    loci = _keyed(reference).with_columns(
        locus=pl.int_range(pl.len(), dtype=pl.Int64),
        other_ref=_complement("ref"),
        other_alt=_complement("alt"),
    )
    ambiguous = (pl.col("other_ref") == pl.col("alt")) & (pl.col("other_alt") == pl.col("ref"))
    fit = (
        pl.when((pl.col("ref_right") == pl.col("ref")) & (pl.col("alt_right") == pl.col("alt")))
        .then(0)
        .when((pl.col("ref_right") == pl.col("alt")) & (pl.col("alt_right") == pl.col("ref")))
        .then(1)
        .when(
            (pl.col("ref_right") == pl.col("other_ref"))
            & (pl.col("alt_right") == pl.col("other_alt"))
        )
        .then(2)
        .when(
            (pl.col("ref_right") == pl.col("other_alt"))
            & (pl.col("alt_right") == pl.col("other_ref"))
        )
        .then(3)
    )
    rows = _keyed(variants).with_columns(variants["row"])
    return (
        loci.join(rows, on=["key", "position"], how="inner")
        .with_columns(fit=fit, ambiguous=ambiguous)
        .filter(pl.col("fit").is_not_null())
        .sort("fit", "row", "locus")
        .unique("locus", keep="first", maintain_order=True)
        .unique("row", keep="first", maintain_order=True)
        .sort("row")
        .select("row", "locus", "ambiguous", "fit")
    )


def _keyed(table: pl.DataFrame) -> pl.DataFrame:
    names = table["contig"].cast(pl.String).unique().to_list()
    spelt = {name: canonical_contig(name) for name in names}
    return table.select(
        key=pl.col("contig").cast(pl.String).replace_strict(spelt, return_dtype=pl.String),
        position=pl.col("position").cast(pl.Int64),
        ref=pl.col("ref").str.to_uppercase(),
        alt=pl.col("alt").str.to_uppercase(),
    )


def _complement(column: str) -> pl.Expr:
    """Alleles as the other strand spells them; none where they are no plain bases."""
    return (
        pl.when(pl.col(column).str.contains("^[ACGT]+$"))
        .then(
            pl.col(column)
            .str.reverse()
            .str.replace_many(["A", "C", "G", "T"], ["T", "G", "C", "A"])
        )
    )  # fmt: skip


def project(
    store: Packed,
    components: Pca,
    rows: np.ndarray,
    *,
    loci: np.ndarray | None = None,
    swapped: np.ndarray | None = None,
    shrinkage: bool = True,
    threads: int = 1,
) -> Projection:
    """Scores of all samples of a store on components that were found elsewhere.

    rows      : int64 (matched,), rows of the store
    loci      : int64 (matched,), the variants of `components` they hold; None where they are all
    swapped   : bool (matched,), see LociMatch; None for nowhere
    shrinkage : divide by components.shrinkage; right for people who are no close relatives of those
                in the PCA, of whom it asks too much
    """
    k = len(components.eigenvalues)
    upper = np.triu_indices(k)
    sums = _Sums(store, components.loadings, components.centre, components.scale, rows, loci,
                 swapped)  # fmt: skip
    sums.run(threads, lambda loadings: loadings[:, upper[0]] * loadings[:, upper[1]])
    whole = sums.weights.T @ sums.weights
    scores, coverage = np.full((sums.n, k), np.nan), np.zeros(sums.n)
    for s in range(sums.n):
        gram = whole.copy()
        gram[upper] -= sums.lost[s]
        gram.T[upper] = gram[upper]
        coverage[s] = max(0.0, np.trace(gram) / k)
        if np.linalg.eigvalsh(gram)[0] > MIN_SHARE:
            scores[s] = np.linalg.solve(gram, sums.total[s]) / np.sqrt(components.n_variants)
    if shrinkage:
        scores /= components.shrinkage
    return Projection(scores, coverage, len(sums.rows) - sums.n_missing)


def weighted_sums(
    store: Packed,
    weights: np.ndarray,
    centre: np.ndarray,
    scale: np.ndarray,
    rows: np.ndarray,
    *,
    loci: np.ndarray | None = None,
    swapped: np.ndarray | None = None,
    threads: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Sums of weight x standardised genotype over the called loci, for each column of weights.

    weights       : float64 (variants, columns)
    centre, scale : float64 (variants,), as in Pca
    returns       : sums, float64 (samples, columns), and the share of the column's squared weights
                    that lies at called loci, 0 to 1
    """
    sums = _Sums(store, weights, centre, scale, rows, loci, swapped)
    sums.run(threads, np.square)
    whole = (weights[scale > 0] ** 2).sum(axis=0)
    called = (sums.weights**2).sum(axis=0) - sums.lost
    return sums.total, np.maximum(called, 0.0) / np.where(whole > 0, whole, 1.0)


class _Sums:
    """Sums over the called loci of each sample.

    total     : float64 (samples, columns), weight x standardised genotype
    lost      : float64 (samples, any), what a function makes of the weights, over loci not called
    n_missing : int64 (samples,), loci not called
    """

    def __init__(
        self,
        store: Packed,
        weights: np.ndarray,
        centre: np.ndarray,
        scale: np.ndarray,
        rows: np.ndarray,
        loci: np.ndarray | None,
        swapped: np.ndarray | None,
    ) -> None:
        rows = np.asarray(rows, np.int64)
        loci = np.arange(len(rows)) if loci is None else np.asarray(loci, np.int64)
        swapped = (
            np.zeros(len(rows), np.bool_) if swapped is None else np.asarray(swapped, np.bool_)
        )
        if not len(rows) == len(loci) == len(swapped):
            raise ValueError(f"{len(rows)} rows, {len(loci)} loci and {len(swapped)} swaps")
        varies = scale[loci] > 0
        rows, loci, swapped = rows[varies], loci[varies], swapped[varies]
        self.store, self.rows, self.n = store, rows, len(store.samples)
        self.centre = np.where(swapped, 2 - centre[loci], centre[loci]).astype(np.float32)
        self.scale = np.where(swapped, -scale[loci], scale[loci]).astype(np.float32)
        self.weights = weights[loci]
        self.total = np.zeros((self.n, weights.shape[1]))
        self.lost: np.ndarray = np.zeros(())
        self.n_missing = np.zeros(self.n, np.int64)

    def run(self, threads: int, function: Callable[[np.ndarray], np.ndarray]) -> None:
        """Read all rows once."""
        self.lost = np.zeros((self.n, function(self.weights[:1]).shape[1]))

        def one(
            piece: tuple[slice, np.ndarray],
        ) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
            return self._piece(*piece, function)

        with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
            for batch in self._batches(threads):
                for total, lost, n_missing in pool.map(one, batch):
                    self.total += total
                    if lost is not None:
                        self.lost += lost
                        self.n_missing += n_missing

    def _batches(self, threads: int) -> Iterator[list[tuple[slice, np.ndarray]]]:
        step = max(16, PIECE_CALLS // max(1, self.n))
        first = 0
        for block in self.store.blocks(self.rows, block_rows=2048, threads=threads):
            words = block.words
            yield [
                (slice(first + i, first + min(i + step, len(words))), words[i : i + step])
                for i in range(0, len(words), step)
            ]
            first += len(words)

    def _piece(
        self, place: slice, words: np.ndarray, function: Callable[[np.ndarray], np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
        z = np.empty((len(words), self.n), np.float32)
        standardise_rows(words, self.centre[place], self.scale[place], z)
        weights = self.weights[place].astype(np.float32)
        total = z.T @ weights
        ones = np.ones(len(words), np.float32)
        standardise_rows(words, -ones, ones, z)  # copies + 1, and 0 where not called
        missing = z == 0
        some = missing.any(axis=1)
        if not some.any():
            return total, None, np.zeros(0)
        lost = missing[some].T.astype(np.float32) @ function(weights[some])
        return total, lost, missing.sum(axis=0)
