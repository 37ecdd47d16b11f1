"""Principal components of a reference, summed over a cohort in the pass that scores it.

The loadings are one more family of models that share their variants: what matches a model variant
to a record, and a missing call to a dosage, is the same code. A variant that was not found, and a
call that was not made, count as the mean of the reference, which adds nothing to any component.
A/T and C/G variants are left out: their strand cannot be told without looking at other people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from genomed.ledger import USED
from genomed.schema import ScoreModel, VariantBatch, Wanted
from genomed.scores.matching import Entries
from genomed.scores.polygenic import ScoreSums

__all__ = ["Loadings", "Projected", "Projection", "both_wanted"]

SOURCE = "reference bundle"


@dataclass(frozen=True)
class Loadings:
    """What projects a genotype onto the components of a reference.

    variants : polars frame, one row per variant: contig (canonical), position, ref, alt
    centre   : float64 (variants,), mean copies of ALT in the reference, 0 to 2
    weights  : float64 (variants, components); a component is the sum over variants of
               weight x (copies of ALT - centre)
    build    : the genome build of the positions
    """

    variants: pl.DataFrame
    centre: np.ndarray
    weights: np.ndarray
    build: str

    def models(self) -> list[ScoreModel]:
        """The components as scores of one table, so that they make one family."""
        n, k = self.weights.shape
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
                name=f"PC{i + 1}",
                trait=f"PC{i + 1}",
                source=SOURCE,
                variants=variants.with_columns(effect_weight=self.weights[:, i]),
                loci=loci,
            )
            for i in range(k)
        ]


@dataclass(frozen=True)
class Projected:
    """Components of a cohort as summed, before any correction.

    sums     : float64 (samples, components)
    coverage : float64 (samples,), share of the loadings' variance, the sum of weight^2 x 2p(1-p)
               over variants and components, that rests on called genotypes; 0 to 1
    matched  : the same of the variants found in the cohort, whoever is called
    n_found  : variants found
    found    : bool (variants,)
    """

    sums: np.ndarray
    coverage: np.ndarray
    matched: float
    n_found: int
    found: np.ndarray


class Projection:
    """Adds up the components of every sample while a cohort passes by."""

    def __init__(
        self,
        loadings: Loadings,
        n_samples: int,
        map_fn: Callable[[Callable[[int], None], Iterable[int]], Iterable[None]] = map,
    ) -> None:
        models = loadings.models()
        self.loadings = loadings
        self.entries = Entries.make(models, [loadings.build] * len(models))
        self.sums = ScoreSums(
            self.entries, len(models), n_samples, loadings.centre / 2,
            missing="reference-mean", ambiguous="drop", map_fn=map_fn,
        )  # fmt: skip
        self._bases = pl.DataFrame(
            {"entry": self.entries.table["entry"], "ref": loadings.variants["ref"]}
        )

    def add(self, batch: VariantBatch, rows: pl.DataFrame) -> None:
        """Add a batch; `rows` is its `variants` with `row` and `canonical`, as for Entries.match.

        The reference base of each variant is known, so gVCF blocks prove hom-ref without a FASTA.
        """
        found = self.entries.match(rows, self._bases)
        if len(found.entry):
            line, canonical = rows["line"].to_numpy(), rows["canonical"].to_numpy()
            self.sums.add(batch, line, canonical, found)

    def assume_hom_ref(self) -> None:
        """Take variants at whose position there was no record for no copies of ALT."""
        absent = ~self.entries.reason.astype(bool) & ~self.entries.seen
        at = np.flatnonzero(absent)
        self.sums.add_constant(at, np.zeros(len(at)), np.full(len(at), 2.0))
        self.entries.reason[at] = "hom_ref_assumed"

    def finish(self) -> Projected:
        """Close the sums; call it once, after the last batch."""
        self.sums.finish()
        used = np.isin(self.entries.reason.astype(str), USED)
        centre, weights = self.loadings.centre, _family_weights(self.entries, self.loadings)
        sums = self.sums.sums - (centre[used] @ weights[used])[:, None]
        variance = (weights**2).sum(axis=1) * (centre * (1 - centre / 2))
        whole = max(float(variance.sum()), np.finfo(float).tiny)
        matched = float(variance[used].sum()) / whole
        coverage = matched - self.sums.missing_share.sum(axis=0) / whole
        return Projected(
            np.ascontiguousarray(sums.T), np.clip(coverage, 0.0, 1.0), matched, int(used.sum()),
            used,
        )  # fmt: skip


def _family_weights(entries: Entries, loadings: Loadings) -> np.ndarray:
    """The weights as they were added: a family's, or those of a single component."""
    (family,) = entries.families
    return loadings.weights if family.weights is None else family.weights


def both_wanted(a: Wanted, b: Wanted) -> Wanted:
    """What either of two callers needs."""
    positions = dict(a.positions)
    for contig, more in b.positions.items():
        known = positions.get(contig)
        positions[contig] = more if known is None else np.union1d(known, more)
    return Wanted(positions, a.ids | b.ids)
