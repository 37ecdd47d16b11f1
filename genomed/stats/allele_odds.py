"""How likely a genotype is in each population, by allele frequencies: naive Bayes.

With few variants, of which hardly any are in linkage, the probability of all calls in a population
is the product of theirs, and nothing beats it. In a population's frequency f the genotypes are in
Hardy-Weinberg proportions, so its logarithm is a weighted sum of copies of ALT, with weights
log(f / (1 - f)). Frequencies are shrunk towards the reference's, as under a Dirichlet prior worth
one chromosome (Rannala and Mountain 1997, PNAS 94:9197-9201). Linked variants tell the same thing
several times: the sum is to be multiplied by a power below 1, found by cross-validation.
"""

from typing import NamedTuple

import numpy as np

__all__ = ["AlleleOdds", "allele_odds", "odds_scores"]

PRIOR = 1.0  # chromosomes


class AlleleOdds(NamedTuple):
    """Weights of a log likelihood.

    weights : float64 (variants, populations), of copies of ALT less `centre`
    offset  : float64 (populations,)
    """

    weights: np.ndarray
    offset: np.ndarray


def allele_odds(
    calls: np.ndarray, true: np.ndarray, n_populations: int, centre: np.ndarray
) -> AlleleOdds:
    """Learn from labelled people.

    calls  : int8 (variants, people), copies of ALT, negative where not called
    true   : int64 (people,), population of each
    centre : float64 (variants,), mean copies of ALT; NaN where nobody is called
    """
    called = calls >= 0
    copies = np.where(called, calls, 0).astype(np.float64)
    member = np.asarray(true[:, None] == np.arange(n_populations), np.float64)
    n, n_alt = 2 * called.astype(np.float64) @ member, copies @ member
    pool = (n_alt.sum(axis=1) + 1) / (n.sum(axis=1) + 2)
    frequency = (n_alt + PRIOR * pool[:, None]) / (n + PRIOR)
    weights = np.log(frequency / (1 - frequency))
    middle = np.nan_to_num(centre)
    offset = (2 * np.log(1 - frequency) + middle[:, None] * weights).sum(axis=0)
    return AlleleOdds(weights, offset)


def odds_scores(odds: AlleleOdds, calls: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Log likelihoods, up to a person's constant: float64 (people, populations)."""
    apart = np.where(calls >= 0, calls - np.nan_to_num(centre)[:, None], 0.0)
    return np.asarray(apart.T @ odds.weights + odds.offset)
