"""Measures of predictions of a number; genomed.stats.measures says what they are."""

from __future__ import annotations

import math

import numpy as np

from genomed.kernels import evaluation
from genomed.stats.measures import ratio, squared_correlation

__all__ = ["QuantitativeJudge"]


class QuantitativeJudge:
    """Predictions of a number.

    value      : float64 (n,), finite
    prediction : float64 (n,), finite
    scale      : "value" where the prediction is in the unit of the trait, "score" where not
    """

    names = ("r2", "r2_explained", "mae", "rmse", "calibration_slope", "calibration_intercept")

    def __init__(self, value: np.ndarray, prediction: np.ndarray, *, scale: str = "value") -> None:
        value, prediction = np.asarray(value, np.float64), np.asarray(prediction, np.float64)
        if value.shape != prediction.shape or value.ndim != 1:
            raise ValueError(f"truth {value.shape} and prediction {prediction.shape} differ")
        if not (np.isfinite(value).all() and np.isfinite(prediction).all()):
            raise ValueError("truth and prediction must be finite")
        if scale not in ("value", "score"):
            raise ValueError(f"{scale=} is neither value nor score")
        self.n, self.scale = len(value), scale
        self._centre = (float(prediction.mean()), float(value.mean())) if self.n else (0.0, 0.0)
        self._x = np.ascontiguousarray(prediction - self._centre[0])
        self._y = np.ascontiguousarray(value - self._centre[1])
        error = value - prediction
        self._absolute, self._squared = np.abs(error), error * error

    def measure(self, count: np.ndarray) -> np.ndarray:
        """The measures of people counted so often: int32 (n,) -> float64 (names,)."""
        sums, errors = np.zeros(6), np.zeros(6)
        count = np.ascontiguousarray(count, np.int32)
        evaluation.add_moments(self._x, self._y, count, sums)
        evaluation.add_moments(self._absolute, self._squared, count, errors)
        n, sx, sy, sxx, sxy, syy = sums.tolist()
        if not n:
            return np.full(len(self.names), math.nan)
        vx, cxy, vy = sxx - sx * sx / n, sxy - sx * sy / n, syy - sy * sy / n
        r2 = squared_correlation(sums)
        slope = ratio(cxy, vx) if vx > 1e-12 * sxx else math.nan
        intercept = self._centre[1] + sy / n - slope * (self._centre[0] + sx / n)
        values = np.array(
            [
                r2,
                1 - ratio(errors[2], vy) if vy > 1e-12 * syy else math.nan,
                errors[1] / n,
                math.sqrt(errors[2] / n),
                slope,
                intercept,
            ]
        )
        if self.scale == "score":
            values[1:] = math.nan
        return values

    def why(self, values: np.ndarray) -> dict[str, str]:
        """Why measures are undefined, of those that are."""
        missing = [name for name, v in zip(self.names, values, strict=True) if not np.isfinite(v)]
        if not self.n:
            return dict.fromkeys(missing, "there is nobody")
        told = {}
        if self.scale == "score":
            told = dict.fromkeys(self.names[1:], "the prediction is a score of another unit")
        return {name: told.get(name, "trait or prediction does not vary") for name in missing}
