"""What one model changes beside another: who moves up, who moves down, and whether rightly."""

from __future__ import annotations

import math

import numpy as np

from genomed.stats.measures import ratio

__all__ = ["ReclassificationJudge"]


class ReclassificationJudge:
    """Moves from the second model to the first; genomed.stats.measures says what they are.

    case      : float64 (n,), 1 or 0
    new, old  : float64 (n,), probabilities
    threshold : probability from which somebody is at high risk
    """

    names = ("nri", "nri_continuous", "idi")

    def __init__(
        self, case: np.ndarray, new: np.ndarray, old: np.ndarray, *, threshold: float
    ) -> None:
        case, new, old = (np.asarray(x, np.float64) for x in (case, new, old))
        if not (case.shape == new.shape == old.shape) or not np.isin(case, (0.0, 1.0)).all():
            raise ValueError("truth and both predictions must be of the same people")
        for p in (new, old):
            if not ((p >= 0) & (p <= 1)).all():
                raise ValueError("a probability lies between 0 and 1")
        self.n = len(case)
        across = (new >= threshold).astype(np.float64) - (old >= threshold)
        moves = np.stack([across, np.sign(new - old), new - old])
        self._of_cases, self._of_controls = moves * case, moves * (1 - case)
        self._case = case

    def measure(self, count: np.ndarray) -> np.ndarray:
        """The measures of people counted so often: int32 (n,) -> float64 (names,)."""
        n_cases, n = float(count @ self._case), float(count.sum())
        of_cases, of_controls = self._of_cases @ count, self._of_controls @ count
        return np.array(
            [
                ratio(up, n_cases) - ratio(false, n - n_cases)
                for up, false in zip(of_cases.tolist(), of_controls.tolist(), strict=True)
            ]
        )

    def why(self, values: np.ndarray) -> dict[str, str]:
        """Why measures are undefined, of those that are."""
        told = "there are no cases, or no controls"
        return {
            name: told for name, v in zip(self.names, values, strict=True) if not math.isfinite(v)
        }
