"""Absolute risk by age, from a relative risk and the incidence in the population.

The hazard of a person is h(a) r, r the relative risk, of mean 1 at birth; the probability of the
event from the first age to age A, where nothing else takes the person away, is 1 - exp(-r H(A)),
H(A) the integral of h. The baseline h(a) is not the incidence itself: those at high risk leave
first, so that h(a) is the incidence over the mean of r among who is left (Pal Choudhury 2020,
doi:10.1371/journal.pone.0228198, equation 2, without competing risks). So the mean over the
population is the risk that the incidence alone gives, at every age.

The distribution of r comes from that of the predictor among people like those of training, which is
taken to be normal: its mean is the intercept, its variance that of the genetic terms (see
deep_accuracy) and of the covariates, as if these were independent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genomed.models.risk_model import RiskModel
from genomed.scores.deep_outcome import Outcome

__all__ = ["RelativeRisk", "baseline_hazards", "cumulative_risk"]

N_NODES = 64  # of Gauss-Hermite quadrature
STEPS = 64  # in one band of ages, for who leaves


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
    def of(cls, model: RiskModel, outcome: Outcome, genetic_variance: float) -> RelativeRisk:
        """Of a binary trait, its probability; of a time to an event, its hazard."""
        place, weight = np.polynomial.hermite_e.hermegauss(N_NODES)
        share = weight / weight.sum()
        variance = genetic_variance + float((model.coefficients**2).sum())
        raw = _raw(outcome, model.intercept + np.sqrt(variance) * place)
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
