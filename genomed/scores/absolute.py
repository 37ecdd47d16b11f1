"""Absolute risk by age, from a relative risk and the incidence in the population.

The hazard of a person is h(a) r, r the relative risk, of mean 1 at birth; the probability of the
event from the first age to age A, where nothing else takes the person away, is 1 - exp(-r H(A)),
H(A) the integral of h. The baseline h(a) is not the incidence itself: those at high risk leave
first, so that h(a) is the incidence over the mean of r among who is left (Pal Choudhury 2020,
doi:10.1371/journal.pone.0228198, equation 2, without competing risks). So the mean over the
population is the risk that the incidence alone gives, at every age.

The distribution of r comes from that of the predictor in the people of training, out of fold and
without what age adds: its mean and variance, of a binary trait those of cases and of controls, each
taken to be normal. Sums of squared effects would not do: an effect that a model spreads over
variants in linkage disequilibrium counts once, not as the sum of small squares.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from genomed.features.design import Design
from genomed.scores.deep_outcome import Outcome

__all__ = ["RelativeRisk", "baseline_hazards", "cumulative_risk", "is_age", "spread_of"]

N_NODES = 64  # of Gauss-Hermite quadrature
STEPS = 64  # in one band of ages, for who leaves


# Columns of covariates that tell age: age, age2, age_at_recruitment, baseline.age, year_of_birth,
# age:sex; but not stage or dosage.
_AGE = re.compile(r"(^|[^a-z])(age(sq|squared)?|yob|year_?of_?birth|birth_?year)([^a-z]|$)")


def is_age(names: Sequence[str]) -> np.ndarray:
    """Which columns of covariates tell age, by their names: bool (columns,)."""
    return np.array([_AGE.search(name.lower().split("=")[0]) is not None for name in names], bool)


def spread_of(
    eta: np.ndarray, design: Design, coefficients: np.ndarray, case: np.ndarray | None
) -> list[dict[str, float]]:
    """How a predictor without age is spread: share, mean and variance of each part of the people.

    eta  : float64 (n,), predictors of people they were not fitted to; NaN leaves a person out
    case : float64 (n,), of a binary trait: controls and cases apart, the controls first
    """
    age = is_age(design.names)
    rest = eta - design.matrix[:, age].astype(np.float64) @ coefficients[age]
    known = np.isfinite(rest)
    parts = [known] if case is None else [known & (case == 0), known & (case == 1)]
    total = sum(int(part.sum()) for part in parts)
    return [
        {
            "share": float(part.sum() / total),
            "mean": float(rest[part].mean()),
            "variance": float(rest[part].var()),
        }
        for part in parts
    ]


@dataclass(frozen=True)
class RelativeRisk:
    """Relative risks in the population that a model was trained in.

    node  : float64 (nodes,), relative risks; share : float64 (nodes,), of people, in all 1
    scale : what is divided by to make the mean 1
    """

    node: np.ndarray
    share: np.ndarray
    outcome: Outcome
    scale: float

    @classmethod
    def of(cls, outcome: Outcome, spread: Sequence[Mapping[str, float]]) -> RelativeRisk:
        """Of a binary trait, its probability; of a time to an event, its hazard.

        spread : as spread_of gives it; cases are as frequent as the outcome's prevalence says
        """
        place, weight = np.polynomial.hermite_e.hermegauss(N_NODES)
        parts = [part["share"] for part in spread]
        if outcome.prevalence is not None and len(parts) == 2:
            parts = [1 - outcome.prevalence, outcome.prevalence]
        share = np.concatenate([part * weight / weight.sum() for part in parts])
        eta = [part["mean"] + np.sqrt(part["variance"]) * place for part in spread]
        raw = _raw(outcome, np.concatenate(eta))
        scale = float(share @ raw)
        return cls(raw / scale, share, outcome, scale)

    def apply(self, eta: np.ndarray) -> np.ndarray:
        """Relative risks of people with these predictors: float64 (n,)."""
        return _raw(self.outcome, eta) / self.scale


def _raw(outcome: Outcome, eta: np.ndarray) -> np.ndarray:
    if outcome.kind == "survival":
        return np.exp(np.clip(outcome.log_hazard(eta), -30.0, 30.0))
    return np.asarray(outcome.apply(eta).prediction)


def baseline_hazards(edges: np.ndarray, rate: np.ndarray, risk: RelativeRisk) -> np.ndarray:
    """Integral of the baseline hazard from the first age to each edge: float64 (bands + 1,).

    edges : float64 (bands + 1,), years; rate : float64 (bands,), events per person-year
    """
    total = [0.0]
    gone = 0.0
    for width, here in zip(np.diff(edges), rate, strict=True):
        step = width / STEPS
        for _ in range(STEPS):  # the midpoint rule
            middle = gone + here / _mean_left(risk, gone) * step / 2
            gone += here / _mean_left(risk, middle) * step
        total.append(gone)
    return np.array(total)


def _mean_left(risk: RelativeRisk, hazard: float) -> float:
    """Mean relative risk of who is left after an integrated baseline hazard."""
    left = risk.share * np.exp(-risk.node * hazard)
    return float((left * risk.node).sum() / left.sum())


def cumulative_risk(relative: np.ndarray, hazards: np.ndarray) -> np.ndarray:
    """Probability of the event up to each edge: float64 (n, edges).

    relative : float64 (n,); hazards : as baseline_hazards gives them
    """
    return np.asarray(-np.expm1(-relative[:, None] * hazards))
