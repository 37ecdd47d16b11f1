"""Products of two variants beside a linear predictor: which, how many, and how much shrunk.

Each fold's pairs are screened, clumped and fitted without its people. How many false pairs to
expect among those taken, and the penalty, are then chosen by the deviance out of fold; with these
two numbers the pairs of the model are screened and fitted with everybody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from genomed.models.families import Family
from genomed.models.few_terms import ridge_fits
from genomed.models.training_set import Proposal, TrainingSet
from genomed.settings import TrainSettings
from genomed.stats.pair_terms import PairTerms, clump_pairs, fit_pair_terms, pair_columns
from genomed.stats.pairs import PairHits, fold_pairs, local_pairs

__all__ = ["PairPart", "ScreenedPairs", "propose_pairs", "screen_pairs"]

# Pairs by chance that may be expected among those taken, and penalties (see ridge_fits).
EXPECTED_FALSE = (0.05, 1.0, 10.0, 50.0)
PENALTIES = np.array([0.03, 0.1, 0.3, 1.0])
SCREEN_Z = 4.0


@dataclass(frozen=True)
class PairPart:
    """Pairs of a model.

    terms        : rows are those of the training set
    coefficients : float64 (k,), per standardised product
    table        : row1 · row2 · z · expected (false pairs that rank as high) · beta
    """

    terms: PairTerms
    coefficients: np.ndarray
    table: pl.DataFrame

    def predictor(self, words: np.ndarray, n_samples: int) -> np.ndarray:
        """What the pairs add to the linear predictor: float64 (n,)."""
        return self.coefficients @ pair_columns(words, n_samples, self.terms).astype(np.float64)


@dataclass(frozen=True)
class ScreenedPairs:
    """Candidates without each fold, and last of all with everybody.

    tables    : row1 · row2 · z · expected, in order of `expected`
    n_tests   : near and distant pairs tested with everybody
    inflation : of the distant screen, or of the near one where there was no other
    """

    tables: list[pl.DataFrame]
    n_tests: int
    inflation: float


def screen_pairs(
    data: TrainingSet,
    family: Family,
    out_of_fold: np.ndarray,
    settings: TrainSettings,
    *,
    threads: int = 1,
    device: str = "cpu",
    progress: Callable[[float], None] | None = None,
) -> ScreenedPairs:
    """Screen near pairs, and all pairs where there are not too many variants.

    out_of_fold : float64 (n,), linear predictor of people by models that did not see them
    """
    residual, weight = data.residual(family, out_of_fold)
    words, n = data.words, data.n_samples
    near = [
        local_pairs(
            words, n, np.where(data.fold == f, 0.0, residual), np.where(data.fold == f, 0, weight),
            data.variants, data.covariates, window_bp=settings.pair_window_bp,
            window_variants=settings.pair_window_variants, threshold_z=SCREEN_Z, threads=threads,
        )
        for f in (*range(data.n_folds), -9)
    ]  # fmt: skip
    far: list[PairHits] | None = None
    if len(words) <= settings.max_screened_variants:
        far = fold_pairs(
            words, n, residual, weight, np.where(data.develop, data.fold, -1), data.covariates,
            threshold_z=SCREEN_Z, threads=threads, device=device, progress=progress,
        )  # fmt: skip
    tables = []
    for f in range(len(near)):
        ranked = _ranked([near[f]] + ([far[f]] if far else []))
        here = weight if f == data.n_folds else np.where(data.fold == f, 0.0, weight)
        kept = clump_pairs(ranked, words, n, here, max_pairs=settings.max_pairs)
        tables.append(kept.sort("expected", "row1", "row2"))
    both = near[-1].n_tests + (far[-1].n_tests if far else 0)
    return ScreenedPairs(tables, both, (far or near)[-1].inflation)


def _ranked(screens: list[PairHits]) -> pl.DataFrame:
    """Pairs of several screens with the false ones to expect above each, the surest first."""
    from scipy.special import ndtr  # noqa: PLC0415 - prediction does without

    parts = [
        hits.pairs.select(
            "row1",
            "row2",
            "z",
            pl.Series("expected", 2 * hits.n_tests * ndtr(-np.abs(hits.pairs["z"].to_numpy()))),
        )
        for hits in screens
    ]
    return (
        pl.concat(parts)
        .filter(pl.col("expected") <= EXPECTED_FALSE[-1])
        .sort("expected", "row1", "row2")
        .unique(["row1", "row2"], keep="first", maintain_order=True)
    )


def propose_pairs(
    data: TrainingSet,
    family: Family,
    out_of_fold: np.ndarray,
    whole: np.ndarray,
    screened: ScreenedPairs,
    *,
    threads: int = 1,
) -> Proposal | str:
    """Choose among the candidates; a sentence where there is nothing to choose.

    out_of_fold, whole : the linear predictor so far, see Proposal
    """
    if not any(len(table) for table in screened.tables):
        return f"none of {screened.n_tests:,} pairs stands out"
    eta = np.repeat(out_of_fold[None], len(EXPECTED_FALSE) * len(PENALTIES), axis=0)
    for f, table in enumerate(screened.tables[:-1]):
        columns, _ = _columns(data, table, data.weight(without=f), threads)
        inside = data.fold == f
        for i, limit in enumerate(EXPECTED_FALSE):
            k = _how_many(table, limit)
            fits = ridge_fits(columns[:k], family, out_of_fold, data.weight(without=f), PENALTIES)
            for j, coefficients in enumerate(fits):
                eta[i * len(PENALTIES) + j, inside] += coefficients @ columns[:k, inside]
    loss = np.array([family.deviance(one)[data.develop].mean() for one in eta])
    best = int(loss.argmin())
    limit, penalty = EXPECTED_FALSE[best // len(PENALTIES)], PENALTIES[best % len(PENALTIES)]
    table = screened.tables[-1]
    table = table.head(_how_many(table, limit))
    if not len(table):
        return f"none of {screened.n_tests:,} pairs stands out with everybody"
    columns, terms = _columns(data, table, data.weight(), threads)
    (coefficients,) = ridge_fits(columns, family, out_of_fold, data.weight(), np.array([penalty]))
    part = PairPart(terms, coefficients, table.with_columns(pl.Series("beta", coefficients)))
    return Proposal(
        eta[best], whole + part.predictor(data.words, data.n_samples), part,
        f"{len(table)} of {screened.n_tests:,} pairs, of which {limit:g} by chance",
    )  # fmt: skip


def _how_many(table: pl.DataFrame, limit: float) -> int:
    """Pairs in front of which no more false ones are expected than the limit."""
    return int((table["expected"] <= limit).sum())


def _columns(
    data: TrainingSet, table: pl.DataFrame, weight: np.ndarray, threads: int
) -> tuple[np.ndarray, PairTerms]:
    """Standardised products, float32 (k, n), and what makes them."""
    terms = fit_pair_terms(
        data.words, data.n_samples, table["row1"].to_numpy(), table["row2"].to_numpy(), weight,
        threads=threads,
    )  # fmt: skip
    return pair_columns(data.words, data.n_samples, terms), terms
