"""Principal components of a reference, summed over a cohort in the pass that scores it.

The loadings are one more family of models that share their variants: what matches a model variant
to a record, and a missing call to a dosage, is the same code. A call that was not made counts as
the mean of the reference. A person's components then solve the least squares problem over the
variants called in that person, as in genomed.stats.projection, so that what is missing does not
pull towards 0; last, the shrinkage that every projection suffers is divided out. The discriminants
that tell populations apart (see genomed.stats.ancestry) are summed in the same way. A/T and C/G
variants are left out: their strand cannot be told without looking at other people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from genomed.kernels import scoring as kernel
from genomed.ledger import USED
from genomed.schema import ScoreModel, VariantBatch, Wanted
from genomed.scores.features import Calls, Features
from genomed.scores.matching import Entries, RowMatches
from genomed.scores.polygenic import ScoreSums
from genomed.stats.same_people import informative_loci

__all__ = ["Loadings", "Projected", "Projection", "both_wanted"]

SOURCE = "reference bundle"
MIN_SHARE = 1e-3  # of the loadings' squares at called variants, in the worst direction
SOLVED_AT_ONCE = 4096  # samples


@dataclass(frozen=True)
class Loadings:
    """What places a genotype among the people of a reference; see genomed.stats.pca.Pca.

    variants   : polars frame, one row per variant: contig (canonical), position, ref, alt
    centre     : float64 (variants,), mean copies of ALT in the reference, 0 to 2
    scale      : float64 (variants,), 1 / sqrt(2p(1-p))
    loadings   : float64 (variants, components), columns of unit length over all variants
    shrinkage  : float64 (components,)
    discriminants : float64 (variants, any), weights of AncestryModel
    n_variants : variants in the PCA, M
    build      : the genome build of the positions
    """

    variants: pl.DataFrame
    centre: np.ndarray
    scale: np.ndarray
    loadings: np.ndarray
    shrinkage: np.ndarray
    discriminants: np.ndarray
    n_variants: int
    build: str

    @property
    def weights(self) -> np.ndarray:
        """Weights of (copies of ALT - centre): float64 (variants, components + discriminants)."""
        return np.column_stack([self.loadings, self.discriminants]) * self.scale[:, None]

    def models(self) -> list[ScoreModel]:
        """The columns of the weights as scores of one table, so that they make one family."""
        weights = self.weights
        if weights.shape[1] == 1:  # a family has two members at least
            weights = np.column_stack([weights, np.zeros(len(weights))])
        n = len(weights)
        nothing = pl.Series([None] * n, dtype=pl.Float64)
        variants = self.variants.select(
            pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("source_line"),
            pl.lit(None, pl.Utf8).alias("variant_id"),
            pl.col("alt").alias("effect_allele"),
            pl.col("ref").alias("other_allele"),
            pl.lit("additive").alias("effect_type"),
            *(nothing.alias(f"dosage_{i}_weight") for i in range(3)),
            pl.Series("effect_allele_frequency", self.centre / 2),
            pl.lit(None, pl.Utf8).alias("refused"),
        )
        loci = {self.build: self.variants.select("contig", "position")}
        return [
            ScoreModel(
                name=str(i),
                trait=SOURCE,
                source=SOURCE,
                variants=variants.with_columns(pl.Series("effect_weight", weights[:, i])),
                loci=loci,
            )
            for i in range(weights.shape[1])
        ]


@dataclass(frozen=True)
class Projected:
    """Where the samples fall among the components.

    pcs      : float64 (samples, components), NaN where too little was called
    discriminants : float64 (samples, any), scaled up by the share of squared weights called
    coverage : float64 (samples,), share of the loadings' squares that lies at called variants
    matched  : the same of the variants found in the cohort, whoever is called
    found    : bool (variants,)
    """

    pcs: np.ndarray
    discriminants: np.ndarray
    coverage: np.ndarray
    matched: float
    found: np.ndarray

    @property
    def n_found(self) -> int:
        """Variants found in the cohort."""
        return int(self.found.sum())


class _LoadingSums(ScoreSums):
    """Sums of loadings; of uncalled variants it adds up what least squares needs to know.

    lost : float64 (samples, components (components + 1) / 2 + discriminants), products of two
           components' loadings, and squares of discriminants' weights, over the variants found but
           not called in a sample
    """

    def __init__(
        self, loadings: Loadings, entries: Entries, n_samples: int, **options: Any
    ) -> None:
        n_models = len(entries.families[0].members)
        super().__init__(
            entries, n_models, n_samples, loadings.centre / 2, missing="reference-mean",
            ambiguous="drop", **options,
        )  # fmt: skip
        self._loadings = loadings
        self.upper = np.triu_indices(loadings.loadings.shape[1])
        n_discriminants = loadings.discriminants.shape[1]
        self.lost = np.zeros((n_samples, len(self.upper[0]) + n_discriminants))
        self._unused = np.zeros(n_samples, np.int32), np.zeros(n_samples)

    def _add_family_missing(
        self, calls: Calls, number: int, entry: np.ndarray, f: Features
    ) -> None:
        some = self.n_called[entry] < self.sums.shape[1]
        entry, f = entry[some], f[some]
        own, discriminant = self._loadings.loadings[entry], self._loadings.discriminants[entry]
        products = np.column_stack([own[:, self.upper[0]] * own[:, self.upper[1]], discriminant**2])
        needed = f.needed()
        n_missing, alleles = self._unused
        self._each_stripe(
            lambda sample, stop: kernel.add_family_missing(
                calls.alt_count, calls.call_dosage, calls.has_dosage, f.row, *needed, products,
                f.scale, sample, stop, n_missing, self.lost, alleles,
            )
        )  # fmt: skip


class Projection:
    """Adds up the components of every sample while a cohort passes by.

    kept  : int64 (loci,), variants of the loadings whose calls are kept, to know people by
    calls : int8 (loci, samples), their copies of ALT, -9 where not called or not found
    """

    def __init__(
        self,
        loadings: Loadings,
        n_samples: int,
        map_fn: Callable[[Callable[[int], None], Iterable[int]], Iterable[None]] = map,
    ) -> None:
        models = loadings.models()
        self.loadings = loadings
        self.entries = Entries.make(models, [loadings.build] * len(models))
        self._sums = _LoadingSums(loadings, self.entries, n_samples, map_fn=map_fn)
        self._bases = pl.DataFrame(
            {"entry": self.entries.table["entry"], "ref": loadings.variants["ref"]}
        )
        self.kept = informative_loci(loadings.centre / 2)
        self.calls = np.full((len(self.kept), n_samples), -9, np.int8)
        self._place = np.full(len(loadings.centre), -1, np.int64)
        self._place[self.kept] = np.arange(len(self.kept))

    def add(self, batch: VariantBatch, rows: pl.DataFrame) -> None:
        """Add a batch; `rows` is its `variants` with `row` and `canonical`, as for Entries.match.

        The reference base of each variant is known, so gVCF blocks prove hom-ref without a FASTA.
        """
        found = self.entries.match(rows, self._bases)
        if len(found.entry):
            line, canonical = rows["line"].to_numpy(), rows["canonical"].to_numpy()
            self._sums.add(batch, line, canonical, found)
            plain = (found.count != kernel.COUNT_REF) | (rows["n_alts"].to_numpy()[found.row] == 1)
            self._keep_calls(batch, found.some(plain & (self._place[found.entry] >= 0)))

    def _keep_calls(self, batch: VariantBatch, found: RowMatches) -> None:
        copies, count = batch.alt_count[found.row], found.count[:, None]
        turned = np.where(count == kernel.COUNT_REF, 2 - copies, copies)
        turned = np.where(count == kernel.COUNT_NONE, 0, turned)
        self.calls[self._place[found.entry]] = np.where(copies < 0, -9, turned)

    def assume_hom_ref(self) -> None:
        """Take variants at whose position there was no record for no copies of ALT."""
        strand_known = ~self.entries.table["ambiguous"].to_numpy()
        absent = ~self.entries.reason.astype(bool) & ~self.entries.seen & strand_known
        at = np.flatnonzero(absent)
        self._sums.add_constant(at, np.zeros(len(at)), np.full(len(at), 2.0))
        self.entries.reason[at] = "hom_ref_assumed"
        place = self._place[at]
        self.calls[place[place >= 0]] = 0

    def finish(self) -> Projected:
        """Solve for the components of every sample, after the last batch."""
        of = self.loadings
        k, n_all = of.loadings.shape[1], of.weights.shape[1]
        used = np.isin(self.entries.reason.astype(str), USED)
        sums = self._sums.sums[:n_all] - (of.centre[used] @ of.weights[used])[:, None]
        upper, lost = self._sums.upper, self._sums.lost
        whole = of.loadings[used].T @ of.loadings[used]
        pcs, coverage = _solved(sums[:k].T, whole, lost[:, : len(upper[0])], upper)
        square = of.discriminants**2
        called = square[used].sum(axis=0) - lost[:, len(upper[0]) :]
        share = np.maximum(called, 0.0) / np.maximum(square.sum(axis=0), np.finfo(float).tiny)
        with np.errstate(invalid="ignore", divide="ignore"):
            discriminants = np.where(share > 0, sums[k:].T / share, np.nan)
        pcs = pcs / np.sqrt(of.n_variants) / of.shrinkage
        return Projected(pcs, discriminants, coverage, float(np.trace(whole)) / k, used)


def _solved(
    moment: np.ndarray, whole: np.ndarray, lost: np.ndarray, upper: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Least squares per sample: scores (samples, k), and the share of the loadings' squares."""
    n, k = moment.shape
    scores, coverage = np.full((n, k), np.nan), np.empty(n)
    for first in range(0, n, SOLVED_AT_ONCE):
        here = slice(first, min(first + SOLVED_AT_ONCE, n))
        gram = np.repeat(whole[None], here.stop - first, axis=0)
        gram[:, upper[0], upper[1]] -= lost[here]
        gram[:, upper[1], upper[0]] = gram[:, upper[0], upper[1]]
        coverage[here] = np.clip(np.trace(gram, axis1=1, axis2=2) / k, 0.0, 1.0)
        can = np.flatnonzero(np.linalg.eigvalsh(gram)[:, 0] > MIN_SHARE)
        scores[first + can] = np.linalg.solve(gram[can], moment[here][can][..., None])[..., 0]
    return scores, coverage


def both_wanted(a: Wanted, b: Wanted) -> Wanted:
    """What either of two callers needs."""
    positions = dict(a.positions)
    for contig, more in b.positions.items():
        known = positions.get(contig)
        positions[contig] = more if known is None else np.union1d(known, more)
    return Wanted(positions, a.ids | b.ids)
