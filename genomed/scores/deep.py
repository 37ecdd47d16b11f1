"""A model bundle beside one pass over a cohort: its calls collected, its predictions made.

The linear part of a bundle is a score like any other, so what matches a variant to a record, and
what becomes of it, is one code. Here the same calls are taken as training took them: as copies of
the bundle's ALT, a call that was not made standing for the mean. The linear sum is added up in the
order of the records; calls that other parts read one by one are kept, packed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from genomed.features.design import Design
from genomed.features.sequences import Sequences
from genomed.io.model_bundle import ModelBundle
from genomed.kernels.call_effects import add_call_effects, add_effects
from genomed.kernels.packed import pack_rows
from genomed.kernels.scoring import COUNT_REF, fill_features
from genomed.models.risk_model import Predicted, RiskModel
from genomed.schema import ScoreModel
from genomed.scores.deep_accuracy import linear_variances
from genomed.scores.features import BLOCK, Calls, Features, plain_calls

__all__ = ["N_TOP", "BundleScore", "DeepSums", "bundle_score"]

N_TOP = 3  # linear effects kept of each person
STRIPE = 512  # samples worked on at a time, whole words
PEOPLE = 1 << 13  # predicted at once, whole words; a fixed number, so that nothing changes a bit
CERTAIN = 0.1  # copies: a dosage nearer to a whole number is a call (plink2's threshold)

MapFn = Callable[[Callable[[int], None], Iterable[int]], Iterable[None]]


@dataclass(frozen=True)
class BundleScore(ScoreModel):
    """The linear part of a bundle, over every variant that any of its parts reads.

    risk : the model, rows of `variants` as here
    """

    bundle: ModelBundle = field(kw_only=True)
    risk: RiskModel = field(kw_only=True)


def bundle_score(bundle: ModelBundle, model: RiskModel) -> BundleScore:
    """Lay a bundle out as a score; variants that the linear part does not read weigh 0."""
    table = bundle.variants
    additive = not model.has_dominance
    weights = model.genotype_weights[:, :3] - model.genotype_weights[:, :1]
    nothing = pl.Series([None] * len(table), dtype=pl.Float64)
    variants = table.select(
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("source_line"),
        pl.col("id").alias("variant_id"),
        pl.col("alt").alias("effect_allele"),
        pl.col("ref").alias("other_allele"),
        (pl.Series(weights[:, 2] / 2) if additive else nothing).alias("effect_weight"),
        pl.lit("additive" if additive else "dosage").alias("effect_type"),
        *(
            (nothing if additive else pl.Series(weights[:, i])).alias(f"dosage_{i}_weight")
            for i in range(3)
        ),
        pl.col("alt_allele_frequency").alias("effect_allele_frequency"),
        pl.lit(None, pl.Utf8).alias("refused"),
    )
    return BundleScore(
        name=bundle.name,
        trait=str(bundle.facts["trait"]["name"]),
        source=str(bundle.path),
        variants=variants,
        loci={bundle.build: table.select("contig", "position")},
        header={"kind": "risk-net", "weight_type": _weight_type(model.kind)},
        bundle=bundle,
        risk=model,
    )


def _weight_type(kind: str) -> str:
    return "beta" if kind == "quantitative" else "log(OR)"


class DeepSums:
    """What the parts of one bundle need of a cohort.

    linear      : float64 (samples,), sum of genotype weights
    called      : float64 (samples,), variance of the linear effects called (see deep_accuracy)
    total_variance : of all linear effects
    top         : float64 (samples, N_TOP), largest linear effects; top_variant, -1 for none;
                  top_dosage, copies of ALT
    read        : int64, rows of the model's variants that are read one by one
    words       : uint64 (read, words), their calls
    reader      : the model without its linear sum; its variants are those of `read`
    """

    def __init__(self, model: RiskModel, n_samples: int, map_fn: MapFn = map) -> None:
        self.model, self.n_samples, self._map = model, n_samples, map_fn
        self._effect = model.genotype_weights[:, :3].astype(np.float32).astype(np.float64)
        self._variance = linear_variances(model)
        self.total_variance = float(self._variance.sum())
        self.linear, self.called = np.zeros(n_samples), np.zeros(n_samples)
        self.top = np.zeros((n_samples, N_TOP))
        self.top_variant = np.full((n_samples, N_TOP), -1, np.int64)
        self.top_dosage = np.zeros((n_samples, N_TOP))
        self.read = model.read_rows
        self.words = np.full((len(self.read), -(-n_samples // 32)), ~np.uint64(0))
        self.reader = replace(
            model, genotype_weights=np.zeros_like(model.genotype_weights)
        ).narrowed()
        self._place = np.full(len(model.variants), -1, np.int64)
        self._place[self.read] = np.arange(len(self.read))

    def add(self, calls: Calls, f: Features, variant: np.ndarray) -> None:
        """Add variants of a batch.

        f       : what of the calls is the ALT of each; variant : int64, rows of the model's
        """
        plain = plain_calls(calls, f)
        f = replace(f, scale=np.full(len(variant), 2.0))  # a haploid call counts as two copies
        turned = f.count == COUNT_REF

        def work(first: int) -> None:
            stop = min(first + STRIPE, self.n_samples)
            if plain:
                self._take_calls(calls.alt_count, f.row, turned, variant, first, stop)
                return
            scratch = np.empty(stop - first)
            for at in range(0, len(variant), BLOCK):
                cut = slice(at, at + BLOCK)
                dosage = np.empty((len(variant[cut]), stop - first))
                unknown = np.full(len(dosage), -9.0)
                fill_features(*calls.arrays, *f[cut].arrays, unknown, first, stop, dosage, scratch)
                self._take(dosage, variant[cut], first)

        for _ in self._map(work, range(0, self.n_samples, STRIPE)):
            pass

    def add_constant(self, variant: np.ndarray, copies: np.ndarray) -> None:
        """Add the same call to everybody: proved or assumed elsewhere.

        copies : float64, copies of ALT of each variant
        """
        if len(variant):

            def work(first: int) -> None:
                n = min(STRIPE, self.n_samples - first)
                self._take(np.repeat(copies[:, None], n, axis=1), variant, first)

            for _ in self._map(work, range(0, self.n_samples, STRIPE)):
                pass

    def _take(self, dosage: np.ndarray, variant: np.ndarray, first: int) -> None:
        """Take dosages (variants, samples from `first` on) of the rows `variant`."""
        add_effects(
            dosage, self._effect[variant], self._variance[variant], variant, first, self.linear,
            self.called, self.top, self.top_variant, self.top_dosage,
        )  # fmt: skip
        some = self._place[variant] >= 0
        if some.any():
            nearest = np.rint(dosage[some])
            certain = np.abs(dosage[some] - nearest) <= CERTAIN
            self._pack(np.where(certain, nearest, -9.0).astype(np.int8), variant[some], first)

    def _take_calls(
        self, alt_count: np.ndarray, row: np.ndarray, turned: np.ndarray, variant: np.ndarray,
        first: int, stop: int,
    ) -> None:  # fmt: skip
        """The same for plain calls, samples `first` to `stop` of alt_count."""
        add_call_effects(
            alt_count, row, turned, self._effect[variant], self._variance[variant], variant, first,
            stop, self.linear, self.called, self.top, self.top_variant, self.top_dosage,
        )  # fmt: skip
        some = self._place[variant] >= 0
        if some.any():
            counts = alt_count[row[some], first:stop]
            other = np.where(counts < 0, counts, 2 - counts)
            self._pack(np.where(turned[some, None], other, counts), variant[some], first)

    def _pack(self, counts: np.ndarray, variant: np.ndarray, first: int) -> None:
        """Keep calls, int8 (variants, samples from `first` on), of variants read one by one."""
        packed = np.empty((len(counts), -(-counts.shape[1] // 32)), np.uint64)
        pack_rows(np.ascontiguousarray(counts, np.int8), packed)
        self.words[self._place[variant], first // 32 : first // 32 + packed.shape[1]] = packed

    def predict(
        self,
        design: Design,
        group: Sequence[str | None] | None = None,
        dated: Sequences | None = None,
    ) -> Predicted:
        """Linear predictors of everybody, people in pieces of a fixed size.

        design : covariates, encoded as in training
        group  : ancestry of each person, None where it is not known
        dated  : codes, encoded as in training; nobody has any where None
        """
        matrix = design.matrix.astype(np.float64)
        place = np.full(self.n_samples, -1)
        if self.reader.ancestry is not None and group is not None:
            place = self.reader.ancestry.places(group)
        levels = tuple(design.category_sizes)
        pieces = [
            self.reader.predict(
                np.ascontiguousarray(self.words[:, some.start // 32 : -(-some.stop // 32)]),
                some.stop - some.start, matrix[some], linear_sum=self.linear[some],
                categories=design.categories[some], levels=levels, group=place[some],
                codes=None if dated is None else dated.codes[some],
                times=None if dated is None else dated.times[some],
            )
            for some in pieces_of(self.n_samples)
        ]  # fmt: skip
        if not pieces:
            return Predicted(np.zeros(0), {}, np.zeros(0))
        parts: dict[str, Any] = {
            name: np.concatenate([piece.parts[name] for piece in pieces])
            for name in pieces[0].parts
        }
        return Predicted(
            np.concatenate([piece.linear for piece in pieces]), parts,
            np.concatenate([piece.spread for piece in pieces]),
        )  # fmt: skip


def pieces_of(n_samples: int) -> list[slice]:
    """People in pieces of whole words."""
    return [slice(at, min(at + PEOPLE, n_samples)) for at in range(0, n_samples, PEOPLE)]
