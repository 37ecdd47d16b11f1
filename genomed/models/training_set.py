"""What every stage of a model learns from."""

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from genomed.models.families import Family

__all__ = ["Proposal", "TrainingSet"]


@dataclass(frozen=True)
class TrainingSet:
    """People, their packed calls and their covariates; everybody is in memory once.

    words      : uint64 (variants, words), see genomed.schema.ARRAYS
    variants   : contig · position · id · ref · alt, one row per row of words
    covariates : float64 (n, k), without gaps, standardised, no intercept
    fold       : int8 (n,): 0, 1, 2 .. of those learned from; negative for everybody else
    group      : int64 (n,), place in group_names of the ancestry, -1 for none; empty without groups
    """

    words: np.ndarray
    n_samples: int
    variants: pl.DataFrame
    covariates: np.ndarray
    fold: np.ndarray
    group: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    group_names: tuple[str, ...] = ()

    @property
    def develop(self) -> np.ndarray:
        """Who is learned from: bool (n,)."""
        return np.asarray(self.fold >= 0)

    @property
    def n_folds(self) -> int:
        """Folds of those learned from."""
        return int(self.fold.max()) + 1

    def weight(self, without: int | None = None) -> np.ndarray:
        """1 for those learned from, but for one fold: float64 (n,)."""
        return (self.develop & (self.fold != (-9 if without is None else without))).astype(float)

    def residual(self, family: Family, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Score and information of those learned from, 0 for others: float64 (n,) each."""
        score, information = family.working(np.where(self.develop, eta, 0.0))
        return np.where(self.develop, score, 0.0), np.where(self.develop, information, 0.0)


@dataclass(frozen=True)
class Proposal:
    """What a stage offers.

    out_of_fold : float64 (n,), linear predictor of those learned from, each by what was fitted
                  without their fold; whatever for others
    whole       : float64 (n,), linear predictor of everybody by the part fitted to all of them
    part        : what gives it
    what        : in words
    """

    out_of_fold: np.ndarray
    whole: np.ndarray
    part: object
    what: str
