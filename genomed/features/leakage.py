"""Covariates that tell the trait: what was recorded after it, because of it, or is the trait."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy.stats import rankdata

from genomed.features.design import Design
from genomed.features.sequences import Sequences
from genomed.io.traits import Trait
from genomed.settings import DesignSettings

__all__ = ["Leak", "find_leaks"]

_Score = Callable[[np.ndarray, np.ndarray], float]
_LEAST = 10  # people, of each class, without whom nothing is told


class Leak(NamedTuple):
    """A covariate that tells a trait."""

    covariate: str
    trait: str
    measure: str  # AUROC or r2
    value: float

    def __str__(self) -> str:
        same = " (it equals the trait)" if self.value > 1 - 1e-9 else ""
        return (
            f"Covariate {self.covariate} tells {self.trait} with {self.measure} "
            f"{self.value:.3f}{same}: was it recorded after the trait, or because of it? Leave it "
            "out, or the model will fail on people whose trait is not known yet."
        )


def find_leaks(
    design: Design,
    traits: Sequence[Trait],
    fit_mask: np.ndarray,
    settings: DesignSettings | None = None,
    *,
    sequences: Sequences | None = None,
) -> list[Leak]:
    """Find columns, categories and codes that tell a trait all but wholly.

    fit_mask : bool (samples,), whom to look at
    returns  : the worst for each covariate and trait, the worst of all first. For cases and events
               it is the AUROC of the column, either way round, or of the mean trait of each level;
               for numbers and times, r2. That a value is unknown is looked at as well
    """
    settings = settings or DesignSettings()
    found: dict[tuple[str, str], Leak] = {}
    for trait in traits:
        for target, is_class in _targets(trait):
            used = np.asarray(fit_mask, np.bool_) & np.isfinite(target)
            y = target[used]
            if len(y) < 2 * _LEAST or (is_class and min(y.sum(), len(y) - y.sum()) < _LEAST):
                continue
            measure = "AUROC" if is_class else "r2"
            for name, value in _told(design, sequences, used, y, is_class):
                key = (name, trait.name)
                if value > settings.leak and (key not in found or value > found[key].value):
                    found[key] = Leak(name, trait.name, measure, value)
    return sorted(found.values(), key=lambda leak: (-leak.value, leak.covariate, leak.trait))


def _targets(trait: Trait) -> list[tuple[np.ndarray, bool]]:
    targets = [(trait.value, trait.kind != "quantitative")]
    return targets if trait.time is None else [*targets, (trait.time, False)]


def _told(
    design: Design, sequences: Sequences | None, used: np.ndarray, y: np.ndarray, is_class: bool
) -> list[tuple[str, float]]:
    """How well each covariate tells the trait."""
    score = _auroc if is_class else _r2
    told = _columns_told(design, used, y, score)
    for column, name in enumerate(design.category_names):
        level = design.categories[used, column]
        told.append((name, score(_level_means(level, y, design.category_sizes[column]), y)))
    if sequences is not None:
        told += _codes_told(sequences, used, y, score)
    return told


def _columns_told(
    design: Design, used: np.ndarray, y: np.ndarray, score: _Score
) -> list[tuple[str, float]]:
    """Each column of the matrix, and those that one covariate was made into together."""
    told = []
    first = 0
    for column in design.encoder["columns"]:
        stop = first + len(column.get("kept", ()))
        matrix = design.matrix[used, first:stop].astype(np.float64)
        names = design.names[first:stop]
        first = stop
        told += [(name, score(matrix[:, i], y)) for i, name in enumerate(names)]
        if len(names) > 1 and len(y) >= _LEAST * 2 * len(names):
            matrix = matrix - matrix.mean(axis=0)
            weight = np.linalg.lstsq(matrix, y - y.mean(), rcond=None)[0]
            told.append((column["name"], score(matrix @ weight, y)))
    return told


def _codes_told(
    sequences: Sequences, used: np.ndarray, y: np.ndarray, score: _Score
) -> list[tuple[str, float]]:
    """Whether the record has a code at all."""
    codes = sequences.codes[used]
    names = sequences.encoder["codes"]
    people = np.repeat(np.arange(len(codes)), codes.shape[1])
    pairs = pl.DataFrame({"person": people, "code": codes.ravel()})
    pairs = pairs.filter(pl.col("code") >= 2).unique().sort("code", "person")
    number, person = pairs["code"].to_numpy(), pairs["person"].to_numpy()
    told = []
    for code, members in zip(
        np.unique(number), np.split(person, np.flatnonzero(np.diff(number)) + 1), strict=True
    ):
        has = np.zeros(len(y))
        has[members] = 1
        told.append((f"code {names[code - 2]}", score(has, y)))
    return told


def _auroc(x: np.ndarray, y: np.ndarray) -> float:
    """Area under the curve, either way round (Mann and Whitney's U over its most)."""
    rank = rankdata(x)
    n_cases = y.sum()
    u = rank[y == 1].sum() - n_cases * (n_cases + 1) / 2
    area = u / (n_cases * (len(y) - n_cases))
    return float(max(area, 1 - area))


def _r2(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x - x.mean(), y - y.mean()
    length = float(x @ x) * float(y @ y)
    return min(1.0, float(x @ y) ** 2 / length) if length > 0 else 0.0


def _level_means(level: np.ndarray, y: np.ndarray, n_levels: int) -> np.ndarray:
    """Mean trait of everybody's level, among the other half of the people."""
    half = np.arange(len(y)) % 2
    mean = np.empty((2, n_levels))
    for other in (0, 1):
        there = half == other
        n = np.bincount(level[there], minlength=n_levels)
        total = np.bincount(level[there], weights=y[there], minlength=n_levels)
        mean[other] = np.where(n > 0, total / np.maximum(n, 1), y[there].mean())
    return mean[1 - half, level]
