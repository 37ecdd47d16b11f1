"""Scores seen against the people of a reference: adjusted for ancestry, and as percentiles.

A score's mean and spread differ between populations for reasons that are not risk (frequencies,
LD, the way it was made). Two adjustments take out what the components predict (see
genomed.stats.ancestry.z_norms); two percentiles compare a person with reference people only: those
of the most similar population, and those nearest in components, whatever they are called.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from genomed.stats.ancestry import z_norms
from genomed.stats.neighbours import nearest_people

__all__ = ["Adjusted", "Neighbourhood", "adjust", "percentile_among", "weighted_percentile"]

NEIGHBOURS = 200  # nearest reference people, or a tenth of them where that is less
FEWEST_NEIGHBOURS = 20
CHUNK = 4096  # samples whose neighbours are held at a time


@dataclass(frozen=True)
class Adjusted:
    """One model, float64 (samples,) each, NaN where nothing is adjusted.

    z_norm1, z_norm2                                  : in standard deviations
    population_percentile, neighbourhood_percentile   : 0 to 100
    """

    z_norm1: np.ndarray
    z_norm2: np.ndarray
    population_percentile: np.ndarray
    neighbourhood_percentile: np.ndarray

    @classmethod
    def none(cls, n: int) -> Adjusted:
        """Nothing adjusted."""
        return cls(*np.full((4, n), np.nan))


def percentile_among(known: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Share of `known` below each score, ties counted half, 0 to 100; NaN where nothing is known.

    Scores that differ by rounding of their sum are equal.
    """
    known = np.sort(known[np.isfinite(known)])
    if not len(known):
        return np.full(len(score), np.nan)
    near = 1e-9 * max(float(np.ptp(known)), float(np.abs(known).max()) * 1e-6)
    below = np.searchsorted(known, score - near, side="left")
    up_to = np.searchsorted(known, score + near, side="right")
    percentile = 50.0 * (below + up_to) / len(known)
    return np.where(np.isfinite(score), percentile, np.nan)


def weighted_percentile(known: np.ndarray, weight: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Weighted share of each row of `known` below the row's score, ties counted half, 0 to 100.

    known, weight : float64 (samples, neighbours); score : float64 (samples,)
    """
    near = 1e-9 * np.maximum(np.ptp(known, axis=1), np.abs(known).max(axis=1) * 1e-6)
    apart = known - score[:, None]
    below = np.where(apart < -near[:, None], 1.0, np.where(apart <= near[:, None], 0.5, 0.0))
    return 100.0 * (below * weight).sum(axis=1) / weight.sum(axis=1)


@dataclass(frozen=True)
class Neighbourhood:
    """The nearest reference people of some samples, and how much each counts.

    samples : slice of the samples; people : int64 (samples, neighbours)
    weight  : float64 (samples, neighbours), tricube of the distance over that of the next nearest
    """

    samples: slice
    people: np.ndarray
    weight: np.ndarray

    @classmethod
    def all_of(cls, reference_pcs: np.ndarray, pcs: np.ndarray) -> Iterator[Neighbourhood]:
        """Neighbourhoods of all samples, CHUNK of them at a time.

        reference_pcs : float64 (people, components); pcs : float64 (samples, components), NaN for
                        samples that are not placed, whose neighbours mean nothing
        """
        n = len(reference_pcs)
        k = max(1, min(n - 1, max(FEWEST_NEIGHBOURS, min(NEIGHBOURS, n // 10))))
        for first in range(0, len(pcs), CHUNK):
            here = np.nan_to_num(pcs[first : first + CHUNK])
            near = nearest_people(reference_pcs, here, min(k + 1, n))
            limit = np.maximum(near.distance[:, -1:], np.finfo(float).tiny)
            weight = (1 - np.minimum(near.distance / limit, 1.0) ** 3) ** 3
            weight[weight.sum(axis=1) == 0] = 1.0
            yield cls(slice(first, first + len(here)), near.index, weight)


def adjust(
    reference_scores: np.ndarray,
    reference_pcs: np.ndarray,
    reference_population: np.ndarray,
    scores: np.ndarray,
    pcs: np.ndarray,
    population: np.ndarray,
    n_components: int,
) -> list[Adjusted]:
    """Adjust every model's scores; a sample with population -1 or a score of NaN stays NaN.

    reference_scores     : float64 (models, people); scores : float64 (models, samples)
    reference_pcs, pcs   : float64 (people or samples, components)
    reference_population, population : int64, index of the population, -1 for none
    n_components         : components that z_norm1 and z_norm2 are regressed on
    """
    found = [Adjusted.none(scores.shape[1]) for _ in scores]
    placed = population >= 0
    k = n_components
    for own, score, reference in zip(found, scores, reference_scores, strict=True):
        here = placed & np.isfinite(score)
        if not here.any() or not np.ptp(reference) > 0:
            continue
        own.z_norm1[here], own.z_norm2[here] = z_norms(
            reference, reference_pcs[:, :k], score[here], pcs[here, :k]
        )
        for p in np.unique(population[here]):
            mine = here & (population == p)
            known = reference[reference_population == p]
            own.population_percentile[mine] = percentile_among(known, score[mine])
    for near in Neighbourhood.all_of(reference_pcs, pcs):
        _neighbours(near, reference_scores, scores, placed, found)
    return found


def _neighbours(
    near: Neighbourhood,
    reference_scores: np.ndarray,
    scores: np.ndarray,
    placed: np.ndarray,
    found: Sequence[Adjusted],
) -> None:
    for own, score, reference in zip(found, scores, reference_scores, strict=True):
        here = placed[near.samples] & np.isfinite(own.z_norm1[near.samples])
        if here.any():
            percentile = weighted_percentile(
                reference[near.people[here]], near.weight[here], score[near.samples][here]
            )
            own.neighbourhood_percentile[near.samples][here] = percentile
