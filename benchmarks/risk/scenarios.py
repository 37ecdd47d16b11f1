"""The scenarios: what each trait is made of, by share of its genetic variance."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import trait_models as models
from trait_models import Cohort, Component

Parts = list[tuple[float, Component]]
SPARSE = 100  # causal variants of a sparse additive part
BACKGROUND = 20  # of the small additive part that goes with interactions


class Scenario(NamedTuple):
    """A kind of trait.

    parts       : (cohort, rng) -> (share of the genetic variance, component)
    ancestries  : shares of the people, EUR, EAS, AFR
    permuted    : labels are exchanged among all people
    hidden      : causal variants are left out of the store
    environment : share of the variance that covariates and ancestry explain by themselves
    """

    about: str
    parts: Callable[[Cohort, np.random.Generator], Parts]
    ancestries: tuple[float, float, float] = (1.0, 0.0, 0.0)
    permuted: bool = False
    hidden: bool = False
    environment: float = 0.0


def _sparse(cohort: Cohort, rng: np.random.Generator) -> Parts:
    return [(1.0, models.additive(cohort, rng, SPARSE))]


def _polygenic(cohort: Cohort, rng: np.random.Generator) -> Parts:
    return [(1.0, models.additive(cohort, rng, cohort.alt_count.shape[0] // 4))]


def _dominance(cohort: Cohort, rng: np.random.Generator) -> Parts:
    deviation, line = models.dominance(cohort, rng, 80)
    return [(0.58, deviation), (0.42, line)]


def _local(cohort: Cohort, rng: np.random.Generator) -> Parts:
    background = models.additive(cohort, rng, BACKGROUND)
    return [(0.72, models.local_pairs(cohort, rng, 40)), (0.28, background)]


def _hubs(cohort: Cohort, rng: np.random.Generator) -> Parts:
    pairs, triples = models.hubs(cohort, rng)
    return [(0.74, pairs), (0.16, triples), (0.10, models.additive(cohort, rng, BACKGROUND))]


def _far(cohort: Cohort, rng: np.random.Generator) -> Parts:
    return [(0.9, models.far_pairs(cohort, rng, 60)), (0.1, models.additive(cohort, rng, 20))]


def _mixture(cohort: Cohort, rng: np.random.Generator) -> Parts:
    deviation, _ = models.dominance(cohort, rng, 40)
    pairs, triples = models.hubs(cohort, rng)
    parts = [(0.5, models.additive(cohort, rng, SPARSE)), (0.2, deviation)]
    parts += [(0.15, models.local_pairs(cohort, rng, 15))]
    return [*parts, (0.12, pairs), (0.03, triples)]


def _covariate(cohort: Cohort, rng: np.random.Generator) -> Parts:
    shared = models.additive(cohort, rng, SPARSE)
    smoking = models.with_covariate(cohort, rng, "smoking", 12)
    return [(0.5, shared), (0.35, smoking), (0.15, models.with_covariate(cohort, rng, "bmi", 6))]


def _ancestries(cohort: Cohort, rng: np.random.Generator) -> Parts:
    deviation, _ = models.dominance(cohort, rng, 30)
    pairs, triples = models.hubs(cohort, rng)
    parts = [(0.55, models.additive(cohort, rng, SPARSE, min_maf=0.02, correlation=0.8))]
    return [*parts, (0.2, deviation), (0.2, pairs), (0.05, triples)]


def _ancestries_additive(cohort: Cohort, rng: np.random.Generator) -> Parts:
    return [(1.0, models.additive(cohort, rng, SPARSE, min_maf=0.02, correlation=0.8))]


UNEQUAL = (0.8, 0.1, 0.1)
SCENARIOS = {
    "additive": Scenario("100 additive variants", _sparse),
    "polygenic": Scenario("a quarter of all variants, additive", _polygenic),
    "dominance": Scenario("80 loci: 58% dominance, 42% additive", _dominance),
    "local": Scenario("40 pairs at 2 kb to 1 Mb (72%), 20 additive (28%)", _local),
    "hubs": Scenario("8 loci in pairs (74%) and threes (16%), 20 additive (10%)", _hubs),
    "far": Scenario("60 pairs of chromosomes (90%), 20 additive (10%)", _far),
    "mixture": Scenario("additive 50%, dominance 20%, local 15%, hubs 15%", _mixture),
    "covariate": Scenario(
        "additive 50%, x smoking 35%, x BMI 15%; covariates of their own", _covariate,
        environment=0.15,
    ),
    "ancestries": Scenario(
        "80/10/10; additive 55% (effects correlate at 0.8), dominance 20%, hubs 25%", _ancestries,
        UNEQUAL, environment=0.05,
    ),
    "ancestries_additive": Scenario(
        "80/10/10; additive only, effects correlate at 0.8", _ancestries_additive, UNEQUAL,
        environment=0.05,
    ),
    "permuted": Scenario("the mixture, its labels exchanged", _mixture, permuted=True),
    "hidden": Scenario("100 additive variants that are not in the store", _sparse, hidden=True),
}  # fmt: skip
