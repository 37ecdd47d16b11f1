"""Values of a quantitative trait from linear predictors, with intervals that hold as they say.

A line through people whom the predictor was not fitted to, which groups of enough people move and
stretch, drawn to it by a prior. Intervals are split conformal (Vovk 2005; Lei 2018,
doi:10.1080/01621459.2017.1307116): quantiles of what was left over, below and above apart, from the
group's own people where they are many (Mondrian). Where the spread changes with the prediction,
what was left over is divided by it first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np

from genomed.settings import CalibrationSettings
from genomed.stats.calibrated import Calibrated, finite_array, members, number

__all__ = ["GroupLine", "QuantitativeCalibration", "Residuals", "conformal_quantiles",
           "fit_quantitative"]  # fmt: skip

_TENTHS = 10


class GroupLine(NamedTuple):
    """How a group departs from the common line: + intercept + slope x (prediction - centre)."""

    intercept: float
    slope: float
    n: int


class Residuals(NamedTuple):
    """Quantiles of truth less prediction, in units of the spread at the prediction."""

    low: float
    high: float
    n: int


@dataclass(frozen=True)
class QuantitativeCalibration:
    """A line from linear predictors to values, and what is left over about it.

    centre    : prediction about which groups are stretched
    places    : float64 (k,), predictions, ascending
    spread    : float64 (k,), mean absolute residual there; all alike where it does not change
    residuals : of everybody
    lines, own_residuals : of groups
    """

    level: float
    intercept: float
    slope: float
    centre: float
    places: np.ndarray
    spread: np.ndarray
    residuals: Residuals
    n: int
    lines: dict[str, GroupLine] = field(default_factory=dict)
    own_residuals: dict[str, Residuals] = field(default_factory=dict)
    kind: str = "quantitative"

    def predict(self, eta: np.ndarray, group: Sequence[str | None] | None = None) -> np.ndarray:
        """Predictions alone: float64 (n,)."""
        value = self.intercept + self.slope * np.asarray(eta, np.float64)
        for name, there in members(group):
            if name in self.lines:
                line = self.lines[name]
                apart = value[there] - self.centre
                value[there] += line.intercept + line.slope * apart
        return value

    def apply(self, eta: np.ndarray, group: Sequence[str | None] | None = None) -> Calibrated:
        """Predictions and intervals; who is in no group that is known has the common ones."""
        value = self.predict(eta, group)
        spread = np.interp(value, self.places, self.spread)
        low, high = (
            np.full(len(value), self.residuals.low),
            np.full(len(value), self.residuals.high),
        )
        for name, there in members(group):
            if name in self.own_residuals:
                low[there], high[there] = self.own_residuals[name][:2]
        return Calibrated(value, value + low * spread, value + high * spread)

    def to_dict(self) -> dict[str, Any]:
        """Everything as numbers, text, lists and dictionaries."""
        facts = asdict(self)
        facts["places"], facts["spread"] = self.places.tolist(), self.spread.tolist()
        facts["residuals"] = self.residuals._asdict()
        for key in ("lines", "own_residuals"):
            facts[key] = {name: one._asdict() for name, one in getattr(self, key).items()}
        return facts

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Self:
        """What to_dict has made; KeyError, TypeError or ValueError for anything else."""
        places = finite_array(facts, "places", ascending=True)
        spread = finite_array(facts, "spread")
        if len(spread) != len(places) or (spread < 0).any():
            raise ValueError("the spread of a calibration does not fit its places")
        return cls(
            number(facts, "level"), number(facts, "intercept"), number(facts, "slope"),
            number(facts, "centre"), places, spread, _residuals(facts["residuals"]),
            int(facts["n"]),
            {
                str(name): GroupLine(number(x, "intercept"), number(x, "slope"), int(x["n"]))
                for name, x in facts["lines"].items()
            },
            {str(name): _residuals(one) for name, one in facts["own_residuals"].items()},
        )  # fmt: skip


def _residuals(facts: Mapping[str, Any]) -> Residuals:
    return Residuals(number(facts, "low"), number(facts, "high"), int(facts["n"]))


def fit_quantitative(
    eta: np.ndarray,
    value: np.ndarray,
    group: Sequence[str | None] | None,
    settings: CalibrationSettings,
) -> QuantitativeCalibration:
    """Learn line and intervals; a ValueError where there are no two values.

    eta, value : float64 (n,), finite
    """
    if len(value) < 2 or value.std() == 0:
        raise ValueError(f"{len(value)} values, none differs: nothing to calibrate by")
    intercept, slope = float(value.mean()), 0.0
    if eta.std() > 0:
        apart = eta - eta.mean()
        slope = max(float(apart @ (value - intercept) / (apart @ apart)), 0.0)
        intercept -= slope * float(eta.mean())
    centre = float(value.mean())
    lines = {
        name: _group_line(intercept + slope * eta[there], value[there], centre, settings)
        for name, there in members(group)
        if there.sum() >= settings.min_group
    }
    flat, one = Residuals(0.0, 0.0, len(value)), np.ones(1)
    made = QuantitativeCalibration(
        settings.level, intercept, slope, centre, np.array([centre]), one, flat, len(value), lines
    )
    prediction = made.predict(eta, group)
    left = value - prediction
    places, spread = _spread(prediction, left, settings.uneven_f)
    left = left / np.interp(prediction, places, spread)
    own = {
        name: conformal_quantiles(left[there], settings.level)
        for name, there in members(group)
        if there.sum() >= settings.min_group_interval
    }
    common = conformal_quantiles(left, settings.level)
    return QuantitativeCalibration(
        settings.level, intercept, slope, centre, places, spread, common, len(value), lines, own
    )


def conformal_quantiles(left: np.ndarray, level: float) -> Residuals:
    """What a new person's residual lies between, with a probability of at least the level.

    left : float64 (n,), residuals of people like the new one; where they are too few for the level,
           the extremes
    """
    ordered = np.sort(left)
    n = len(ordered)
    below = max(math.floor((n + 1) * (1 - level) / 2), 1)
    above = min(math.ceil((n + 1) * (1 + level) / 2), n)
    return Residuals(float(ordered[below - 1]), float(ordered[above - 1]), n)


def _group_line(
    prediction: np.ndarray, value: np.ndarray, centre: float, settings: CalibrationSettings
) -> GroupLine:
    """Ridge regression of what the common line leaves, its prior in units of what it leaves."""
    left = value - prediction
    x = np.stack([np.ones(len(left)), prediction - centre], axis=1)
    sd = float(left.std())
    if sd == 0:
        return GroupLine(float(left.mean()), 0.0, len(left))
    prior = np.diag([settings.prior_intercept**-2, sd**2 * settings.prior_slope**-2])
    found = np.linalg.solve(x.T @ x + prior, x.T @ left)
    return GroupLine(float(found[0]), float(found[1]), len(left))


def _spread(
    prediction: np.ndarray, left: np.ndarray, uneven_f: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mean absolute residual along the prediction; one number where it does not change.

    Tenths of the prediction are compared by an F test of the absolute residuals (Levene 1960).
    """
    size = np.abs(left)
    everywhere = np.array([float(prediction.mean())]), np.array([max(float(size.mean()), 1e-300)])
    if len(left) < 20 * _TENTHS or np.ptp(prediction) == 0:
        return everywhere
    parts = np.array_split(np.argsort(prediction, kind="stable"), _TENTHS)
    means = np.array([size[part].mean() for part in parts])
    places = np.array([prediction[part].mean() for part in parts])
    n = np.array([len(part) for part in parts])
    between = float(n @ (means - size.mean()) ** 2) / (_TENTHS - 1)
    within = sum(float(((size[part] - size[part].mean()) ** 2).sum()) for part in parts)
    within /= len(left) - _TENTHS
    if (np.diff(places) <= 0).any() or not within or between / within < uneven_f:
        return everywhere
    return places, np.maximum(means, 1e-3 * size.mean())
