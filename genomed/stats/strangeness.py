"""How little a person is like any population of a reference: strangeness, and its limit.

Components show what sets the largest groups of a reference apart. Somebody from a group that is
not in it lies among them wherever their shares of that differ in the same way: Europeans lie among
people of mixed American and European ancestry. But every population has drifted on its own, at very
many variants, and the discriminants of genomed.stats.ancestry gather that: a person of a population
is further along its discriminant than a stranger with the same components. So a person is compared
with the Gaussian of each population there, by Mahalanobis' distance, and the nearest one counts.

Reference people who were learnt from, and their close relatives, lie between their population and
what the regression aims at, where its own indicator is 1. To be too much like a population is not
strange, so the distance is that from the segment they lie on.

The limit is what 1 % of reference people exceed that were held back from learning (a conformal
test, as in Vovk, Gammerman and Shafer 2005), so that it promises a rate and needs no distribution.
"""

import numpy as np

from genomed.schema import Gaussians

__all__ = ["NOMINAL_RATE", "limit_of", "outside_populations", "strangeness"]

NOMINAL_RATE = 0.01  # of people of the reference's populations who are called strangers


def strangeness(gaussians: Gaussians, scores: np.ndarray) -> np.ndarray:
    """Squared Mahalanobis distance from the nearest population: float64 (people,), NaN as scores.

    scores : float64 (people, discriminants), from genomed.stats.ancestry.discriminant_scores
    """
    scores = scores[:, : gaussians.mean.shape[1]]
    apart = scores[:, None, :] - gaussians.mean[None]
    turned = np.einsum("npd,pde->npe", apart, gaussians.precision, optimize=True)
    squares = np.einsum("npe,npe->np", turned, apart)
    along = np.einsum("npe,pe->np", turned, gaussians.excess)
    length = np.einsum(
        "pd,pde,pe->p", gaussians.excess, gaussians.precision, gaussians.excess, optimize=True
    )
    part = np.clip(along / np.maximum(length, np.finfo(float).tiny), 0.0, 1.0)
    squares -= part * (2 * along - part * length)
    return np.asarray(np.maximum(squares, 0.0).min(axis=1))


def limit_of(held_back: np.ndarray) -> float:
    """The strangeness that NOMINAL_RATE of people exceed.

    held_back : float64 (people,), of reference people who were held back from learning
    """
    return float(np.quantile(held_back, 1 - NOMINAL_RATE, method="higher"))


def outside_populations(
    gaussians: Gaussians, scores: np.ndarray, coverage: np.ndarray
) -> np.ndarray:
    """Who is like none of the populations: bool (people,); True where scores are NaN.

    coverage : float64 (people,), share of the weights' squares at called loci. Scores that rest on
               a part of the loci are noisier by as much, and people are no stranger for it.
    """
    return np.asarray(~(coverage * strangeness(gaussians, scores) <= gaussians.limit))
