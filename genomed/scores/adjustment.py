"""Scores seen against the people of a reference: adjusted for ancestry, and as percentiles.

A score's mean and spread differ between populations for reasons that are not risk (frequencies,
LD, the way it was made). Two adjustments take out what the components predict (see
genomed.stats.adjustment); two percentiles compare a person with reference people only: those of the
most similar population, and those nearest in components, whatever they are called.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genomed.stats.adjustment import (
    fit_adjustment,
    percentile_in_neighbourhood,
    scores_in_population,
    z_norm1,
    z_norm2,
)
from genomed.stats.neighbours import N_NEIGHBOURS, Neighbours, others_near

__all__ = ["Adjusted", "adjust", "nearby"]

MOST_NEIGHBOURS = 200  # reference people, or a tenth of them where that is less
FEWEST_NEIGHBOURS = 20
CHUNK = 16384  # samples whose neighbours are sought at a time
SAME = 1e-9  # of a score's range: sums that differ by less differ by rounding only


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


def nearby(
    reference_pcs: np.ndarray, pcs: np.ndarray, same: np.ndarray | None = None
) -> Neighbours:
    """The nearest reference people of each sample, a tenth of them, 20 to 200; nearest first.

    pcs  : float64 (samples, components), NaN for samples that are not placed: theirs mean nothing
    same : int64 (samples,), place among the reference people of samples who are in it, else -1;
           nobody is their own neighbour. None for nobody in it
    The distances are those of the first 20 only, as genomed.stats.neighbours.surroundings takes
    them.
    """
    n = len(reference_pcs)
    n_neighbours = min(n - 1, max(FEWEST_NEIGHBOURS, min(MOST_NEIGHBOURS, n // 10)))
    place = np.empty((len(pcs), n_neighbours), np.int32)
    distance = np.empty((len(pcs), min(n_neighbours, N_NEIGHBOURS)))
    for first in range(0, len(pcs), CHUNK):
        chunk = slice(first, first + CHUNK)
        own = None if same is None else same[chunk]
        near = others_near(reference_pcs, np.nan_to_num(pcs[chunk]), n_neighbours, own)
        place[chunk], distance[chunk] = near.place, near.distance[:, :N_NEIGHBOURS]
    return Neighbours(place, distance)


def adjust(
    reference_scores: np.ndarray,
    reference_pcs: np.ndarray,
    reference_population: np.ndarray,
    scores: np.ndarray,
    pcs: np.ndarray,
    population: np.ndarray,
    neighbours: np.ndarray,
    n_components: int,
    same: np.ndarray | None = None,
) -> list[Adjusted]:
    """Adjust every model's scores; a sample with population -1 or a score of NaN stays NaN.

    reference_scores     : float64 (models, people); scores : float64 (models, samples)
    reference_pcs, pcs   : float64 (people or samples, components)
    reference_population, population : int64, index of the population, -1 for none
    neighbours           : int (samples, any), places among the reference people, see nearby
    n_components         : components that z_norm1 and z_norm2 are regressed on
    same                 : see nearby; percentiles leave a person's own score out. The regressions
                           do not: one in hundreds hardly moves them
    A model that does not vary among the reference people stays NaN for everybody.
    """
    found = [Adjusted.none(scores.shape[1]) for _ in scores]
    units = [_unit(reference) for reference in reference_scores]
    k = n_components
    for own, score, reference, unit in zip(found, scores, reference_scores, units, strict=True):
        here = (population >= 0) & np.isfinite(score)
        if not here.any() or not unit:
            continue
        fitted = fit_adjustment(reference, reference_pcs[:, :k])
        own.z_norm1[here] = z_norm1(fitted, score[here], pcs[here, :k])
        own.z_norm2[here] = z_norm2(fitted, score[here], pcs[here, :k])
        own.population_percentile[here] = scores_in_population(
            np.rint(score[here] / unit), population[here],
            np.rint(reference / unit), reference_population, None if same is None else same[here],
        ).percentile  # fmt: skip
        own.neighbourhood_percentile[here] = percentile_in_neighbourhood(
            np.rint(score[here] / unit), neighbours[here], np.rint(reference / unit)
        )
    return found


def _unit(score: np.ndarray) -> float:
    """What scores are rounded to before they are ranked; 0 where they are all the same."""
    span = float(np.ptp(score))
    return SAME * span if span > 1e-12 * float(np.abs(score).max(initial=0.0)) else 0.0
