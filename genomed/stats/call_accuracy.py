"""How good calls are: precision, recall and F1 with intervals, and areas under their curve.

Intervals come from drawing windows of the genome with replacement: errors come in groups. Draws of
two sets of calls on the same truth with the same seed are paired, so their difference has an
interval too.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from genomed.stats.truth_match import Match

__all__ = ["Accuracy", "WindowCounts", "accuracy", "calibration_error", "precision_recall_area",
           "window_counts"]  # fmt: skip

INTERVAL = (2.5, 97.5)


class WindowCounts(NamedTuple):
    """Alleles by what became of them, each int64 (windows,).

    found, missed : alleles of the truth; right, wrong : alleles that were called
    """

    found: np.ndarray
    missed: np.ndarray
    right: np.ndarray
    wrong: np.ndarray


class Accuracy(NamedTuple):
    """Precision, recall and F1, each with the ends of its 95 % interval; NaN where undefined.

    n_truth, n_calls : alleles in the regions where the truth is known
    genotype_errors  : alleles of the truth that were called in another number
    allele_f1        : F1 where those count as right
    """

    n_truth: int
    n_calls: int
    missed: int
    wrong: int
    genotype_errors: int
    precision: tuple[float, float, float]
    recall: tuple[float, float, float]
    f1: tuple[float, float, float]
    allele_f1: float


def accuracy(
    match: Match, *, snps: bool | None = None, draws: int = 1000, seed: int = 1,
    window_bp: int = 2000,
) -> Accuracy:  # fmt: skip
    """Accuracy within the confident regions.

    snps : of substitutions only (True), insertions and deletions only (False), or of all
    """
    counts = window_counts(match, snps=snps, window_bp=window_bp)
    n_windows = max(len(counts.found), 1)
    rng = np.random.default_rng(seed)
    weight = rng.multinomial(n_windows, np.full(n_windows, 1 / n_windows), draws)
    weight = weight[:, : len(counts.found)]
    drawn = _rates(*(weight @ column for column in counts))
    whole = _rates(*(np.array([column.sum()]) for column in counts))
    ends = np.nanpercentile(np.where(np.isnan(drawn).all(1)[:, None], 0.0, drawn), INTERVAL, axis=1)
    precision, recall, f1 = (
        (float(value[0]), float(low), float(high))
        for value, low, high in zip(whole, *ends, strict=True)
    )
    errors = [int(_of_type(side, snps)["genotype_error"].sum()) for side in match]
    found, missed, right, wrong = (np.array([column.sum()]) for column in counts)
    allele = _rates(found + errors[0], missed - errors[0], right + errors[1], wrong - errors[1])
    return Accuracy(
        int(found[0] + missed[0]), int(right[0] + wrong[0]), int(missed[0]), int(wrong[0]),
        errors[0], precision, recall, f1, float(allele[2, 0]),
    )  # fmt: skip


def window_counts(match: Match, *, snps: bool | None = None, window_bp: int = 2000) -> WindowCounts:
    """Count alleles by window; windows without any are left out."""
    window = pl.col("position") // window_bp
    sides = []
    for side, names in ((match.truth, ("found", "missed")), (match.calls, ("right", "wrong"))):
        sides.append(
            _of_type(side, snps)
            .group_by("contig", window=window)
            .agg(
                pl.col("matched").sum().alias(names[0]),
                (~pl.col("matched")).sum().alias(names[1]),
            )
        )
    joined = sides[0].join(sides[1], on=["contig", "window"], how="full", coalesce=True)
    ordered = joined.sort("contig", "window")
    return WindowCounts(
        *(ordered[name].fill_null(0).to_numpy().astype(np.int64) for name in WindowCounts._fields)
    )


def _of_type(side: pl.DataFrame, snps: bool | None) -> pl.DataFrame:
    inside = side.filter("inside")
    return inside if snps is None else inside.filter(pl.col("is_snp") == snps)


def _rates(
    found: np.ndarray, missed: np.ndarray, right: np.ndarray, wrong: np.ndarray
) -> np.ndarray:
    """Precision, recall and F1 (harmonic mean), float64 (3, draws)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = right / (right + wrong)
        recall = found / (found + missed)
        f1 = 2 * precision * recall / (precision + recall)
    none = (found + right == 0) & (missed + wrong > 0)
    return np.stack([precision, recall, np.where(none, 0.0, f1)])


def precision_recall_area(score: np.ndarray, right: np.ndarray, n_truth: int) -> float:
    """Area under precision against recall as the threshold of the score falls.

    Average precision: the sum over calls of precision times what each adds to recall (Davis and
    Goadrich 2006 warn of straight lines between points). Equal scores come in together.

    score   : float (calls,), the higher, the surer; NaN comes last
    right   : bool (calls,)
    n_truth : alleles that could be found; of none of them the area is NaN
    """
    if not n_truth:
        return float("nan")
    if not len(score):
        return 0.0
    value = np.where(np.isnan(score), -np.inf, score)
    order = np.argsort(-value, kind="stable")
    true = np.cumsum(right[order])
    last = np.append(np.diff(value[order]) != 0, True)
    true, called = true[last], np.flatnonzero(last) + 1
    return float(np.sum(np.diff(true, prepend=0) * true / called) / n_truth)


def calibration_error(quality: np.ndarray, right: np.ndarray, *, bins: int = 10) -> float:
    """Expected calibration error of Phred-scaled qualities.

    Calls are put into bins of nearly equal number by quality; the error is the mean over calls of
    the distance between the share that is right and the share that the qualities promise.
    """
    if not len(quality):
        return float("nan")
    promised = 1 - 10 ** (-0.1 * np.asarray(quality, np.float64))
    edges = np.unique(np.quantile(promised, np.arange(1, bins) / bins))
    where = np.searchsorted(edges, promised, side="right")
    gaps = [np.sum(right[where == k]) - np.sum(promised[where == k]) for k in np.unique(where)]
    return float(np.abs(gaps).sum() / len(quality))
