"""From linear predictors, of people that they were not fitted to, to predictions that mean what
they say: probabilities of a binary trait, values and intervals of a quantitative one, probabilities
of an event by a time (fit_survival).

A calibration is learned from predictors out of fold, kept as JSON, and applied to anybody. Its
slope is 0 or more: a predictor that ranks people against the trait says nothing, rather than the
opposite.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from genomed.settings import CalibrationSettings
from genomed.stats.binary_calibration import BinaryCalibration, fit_binary
from genomed.stats.calibrated import Calibrated
from genomed.stats.quantitative_calibration import QuantitativeCalibration, fit_quantitative
from genomed.stats.survival_calibration import Observed, SurvivalCalibration, fit_survival

__all__ = [
    "BinaryCalibration",
    "Calibrated",
    "Calibration",
    "Observed",
    "QuantitativeCalibration",
    "SurvivalCalibration",
    "calibration_from_dict",
    "fit_calibration",
    "fit_survival",
]

Calibration = BinaryCalibration | QuantitativeCalibration | SurvivalCalibration


def fit_calibration(
    kind: str,
    eta: np.ndarray,
    truth: np.ndarray,
    group: Sequence[str | None] | None = None,
    *,
    settings: CalibrationSettings | None = None,
    seed: int = 1,
) -> Calibration:
    """Learn a calibration from people whom the predictor was not fitted to.

    kind   : "binary" or "quantitative"
    eta    : float64 (n,), linear predictors out of fold; NaN leaves a person out
    truth  : float64 (n,), 1 or 0, or the number; NaN leaves a person out
    group  : of each person, None where it is not known
    raises : ValueError where there are no two people, classes or values to learn from
    """
    settings = settings or CalibrationSettings()
    eta, truth = np.asarray(eta, np.float64), np.asarray(truth, np.float64)
    if eta.shape != truth.shape or (group is not None and len(group) != len(eta)):
        raise ValueError("predictors, truth and groups must be of the same people")
    known = np.isfinite(eta) & np.isfinite(truth)
    names = None if group is None else [group[i] for i in np.flatnonzero(known).tolist()]
    if kind == "binary":
        return fit_binary(eta[known], truth[known], names, settings, seed)
    if kind == "quantitative":
        return fit_quantitative(eta[known], truth[known], names, settings)
    raise ValueError(f"there is no calibration of a {kind} trait")


def calibration_from_dict(facts: Mapping[str, Any]) -> Calibration:
    """What `to_dict` has made; a ValueError for anything else."""
    kinds = {
        "binary": BinaryCalibration, "quantitative": QuantitativeCalibration,
        "survival": SurvivalCalibration,
    }  # fmt: skip
    try:
        return kinds[facts["kind"]].from_dict(facts)  # type: ignore[attr-defined]
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not a calibration: {error!r}") from None
