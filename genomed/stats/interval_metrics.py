"""How often intervals hold the value they are of."""

from __future__ import annotations

import math

import numpy as np

from genomed.stats.measures import ratio

__all__ = ["IntervalJudge"]


class IntervalJudge:
    """Intervals of a quantitative trait.

    value, low, high : float64 (n,), finite
    """

    names = ("coverage", "interval_width")

    def __init__(self, value: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
        if not (value.shape == low.shape == high.shape):
            raise ValueError("values and ends of intervals must be of the same people")
        if (low > high).any():
            raise ValueError("an interval ends before it begins")
        self.n = len(value)
        self._held = ((low <= value) & (value <= high)).astype(np.float64)
        self._width = high - low

    def measure(self, count: np.ndarray) -> np.ndarray:
        """The measures of people counted so often: int32 (n,) -> float64 (names,)."""
        n = float(count.sum())
        return np.array([ratio(float(count @ x), n) for x in (self._held, self._width)])

    def why(self, values: np.ndarray) -> dict[str, str]:
        """Why measures are undefined, of those that are."""
        return dict.fromkeys(self.names, "there is nobody") if math.isnan(values[0]) else {}
