"""From a linear predictor to what is told of a person: a probability or a value, with an interval.

A bundle's calibration decides where it has one. Else a binary trait gets the logistic function of
the predictor, a quantitative one the predictor itself. A time to an event gets the probability of
the event by the last edge of the baseline; the calibration has a baseline and a slope of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from genomed.models.risk_model import RiskModel
from genomed.stats.calibrated import Calibrated
from genomed.stats.calibration import (
    BinaryCalibration,
    Calibration,
    SurvivalCalibration,
    calibration_from_dict,
)

__all__ = ["Outcome"]

MAX_PREDICTOR = 30.0  # a probability of 1e-13: beyond it a logit says nothing more


@dataclass(frozen=True)
class Outcome:
    """What a predictor of a model means.

    baseline   : float64 (intervals,), logits of a time to an event, else empty
    prevalence : of a binary trait in those who are scored; None is that of training
    """

    kind: str
    calibration: Calibration | None
    baseline: np.ndarray
    prevalence: float | None = None

    @classmethod
    def of(
        cls, model: RiskModel, facts: Mapping[str, Any], prevalence: float | None = None
    ) -> Outcome:
        """What a bundle's predictor means.

        facts      : model.json
        prevalence : in those who are scored; as the bundle was trained for by default
        Raises ValueError for a calibration that is none.
        """
        known = facts.get("calibration")
        found = calibration_from_dict(known) if known else None
        if found is not None and found.kind != model.kind:
            raise ValueError(f"a calibration of a {found.kind} trait, which this is not")
        if isinstance(found, SurvivalCalibration) and len(found.baseline) != len(model.baseline):
            raise ValueError("a calibration of other times than the model's")
        share = (facts.get("settings") or {}).get("prevalence")
        if prevalence is None and share is not None:
            prevalence = float(share)
        return cls(model.kind, found, np.asarray(model.baseline, np.float64), prevalence)

    def log_hazard(self, eta: np.ndarray) -> np.ndarray:
        """What the predictor adds to the logit of every hazard of a time to an event."""
        if isinstance(self.calibration, SurvivalCalibration):
            return self.calibration.log_hazard(eta)
        return np.asarray(eta, np.float64)

    def apply(self, eta: np.ndarray, group: Sequence[str | None] | None = None) -> Calibrated:
        """Predictions and intervals; NaN for an interval that is not known.

        eta : float64 (n,); group : ancestry of each person, where it is known
        """
        if isinstance(self.calibration, BinaryCalibration):
            return self.calibration.apply(eta, group, prevalence=self.prevalence)
        if self.calibration is not None:
            return self.calibration.apply(eta, group)
        unknown = np.full(len(eta), np.nan)
        if self.kind == "quantitative":
            return Calibrated(eta.copy(), unknown, unknown)
        if self.kind == "binary":
            return Calibrated(_probability(eta), unknown, unknown)
        stays = np.ones(len(eta))
        for logit in self.baseline:
            stays *= 1 - _probability(logit + eta)
        return Calibrated(1 - stays, unknown, unknown)


def _probability(logit: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-np.clip(logit, -MAX_PREDICTOR, MAX_PREDICTOR))))
