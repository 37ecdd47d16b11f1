"""Genotype qualities that mean what they say, learned from sites whose genotype is known.

For SNPs and for indels, all log-probabilities are multiplied by one number. Then a curve (logistic
or isotonic, whichever tells sites left out better) takes the log odds of the best diplotype to
those of its being right; what is left over is shared by the others as before. Beyond the curve's
ends it goes on with a small slope, so that better sites stay better.

The error is the expected calibration error: over bins of quality, the mean difference between how
often calls say that they are right, and how often they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from genomed.settings import CalibrationSettings
from genomed.stats.binary_calibration import BinaryCalibration, fit_binary
from genomed.stats.calibrated import number
from genomed.stats.logistic import logit

__all__ = ["CallCalibration", "best_log_odds", "calibration_error", "fit_call_calibration"]

_LEAST = -27.6  # natural log of 1 - p below which the curve has nothing to learn
_SLOPE = 0.05  # beyond the ends of a curve
_NEVER = -1e4
_NAMES = ("snp", "indel")


@dataclass(frozen=True)
class CallCalibration:
    """What is done to SNPs, and to indels.

    curves    : None leaves them as they are
    sharpness : what log-probabilities are multiplied by before
    """

    curves: tuple[BinaryCalibration | None, BinaryCalibration | None] = (None, None)
    sharpness: tuple[float, float] = (1.0, 1.0)

    def apply(self, log_probability: np.ndarray, is_indel: np.ndarray) -> np.ndarray:
        """float32 (sites, 6), natural logarithms.

        log_probability : float (sites, 6), natural logarithms, -1e4 where a diplotype cannot be
        is_indel        : bool (sites,)
        """
        calibrated = self.sharpened(log_probability, is_indel)
        for which, curve in enumerate(self.curves):
            rows = np.flatnonzero(is_indel == bool(which))
            if len(rows) and curve is not None:
                calibrated[rows] = _moved(calibrated[rows], curve)
        return calibrated.astype(np.float32)

    def sharpened(self, log_probability: np.ndarray, is_indel: np.ndarray) -> np.ndarray:
        """The first half of `apply`: float64 (sites, 6)."""
        made = log_probability.astype(np.float64)
        for which, sharpness in enumerate(self.sharpness):
            rows = np.flatnonzero(is_indel == bool(which))
            if len(rows) and sharpness != 1:
                made[rows] = _sharpened(made[rows], sharpness)
        return made

    def to_dict(self) -> dict[str, Any]:
        """Everything as numbers, text, lists and dictionaries."""
        return {
            name: {"sharpness": sharpness, "curve": None if curve is None else curve.to_dict()}
            for name, curve, sharpness in zip(_NAMES, self.curves, self.sharpness, strict=True)
        }

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Self:
        """What to_dict has made; KeyError, TypeError or ValueError for anything else."""
        curves = [facts[name]["curve"] for name in _NAMES]
        read = [None if curve is None else BinaryCalibration.from_dict(curve) for curve in curves]
        sharpness = [number(facts[name], "sharpness") for name in _NAMES]
        return cls((read[0], read[1]), (sharpness[0], sharpness[1]))


def _sharpened(log_probability: np.ndarray, sharpness: float) -> np.ndarray:
    """Log-probabilities (sites, 6) multiplied by a number, and normalised again."""
    never = log_probability <= _NEVER
    made = np.where(never, _NEVER, sharpness * log_probability)
    return np.where(never, _NEVER, made - np.logaddexp.reduce(made, axis=1, keepdims=True))


def _moved(log_probability: np.ndarray, curve: BinaryCalibration) -> np.ndarray:
    """Log-probabilities (sites, 6) whose best is as likely as the curve says."""
    best = log_probability.argmax(axis=1)
    rows = np.arange(len(best))
    z = best_log_odds(log_probability, least=_NEVER)
    inside = np.clip(z, curve.knots[0], curve.knots[-1])
    value = np.clip(curve.apply(inside).prediction, 1e-9, 1 - 1e-9)
    moved = logit(value) + _SLOPE * (z - inside)
    others = log_probability.copy()
    others[rows, best] = _NEVER
    rest = np.logaddexp.reduce(others, axis=1)  # of all the others, before
    # The best stays the best: it keeps at least what the second best has.
    second = others.max(axis=1) - rest
    moved = np.maximum(moved, second)
    made = np.maximum(others - rest[:, None] - np.logaddexp(0, moved)[:, None], _NEVER)
    made[rows, best] = -np.logaddexp(0, -moved)
    made[log_probability <= _NEVER] = _NEVER
    return made


def best_log_odds(log_probability: np.ndarray, *, least: float = _LEAST) -> np.ndarray:
    """Log odds that the best diplotype is right, of log-probabilities (sites, 6).

    least : natural logarithm of the probability, at least, that it is wrong
    """
    log_probability = log_probability.astype(np.float64)
    best = log_probability.argmax(axis=1)
    others = log_probability.copy()
    others[np.arange(len(best)), best] = -np.inf
    rest = np.logaddexp.reduce(others, axis=1)
    return log_probability.max(axis=1) - np.maximum(rest, least)


def fit_call_calibration(
    log_probability: np.ndarray,
    truth: np.ndarray,
    is_indel: np.ndarray,
    *,
    settings: CalibrationSettings | None = None,
    seed: int = 1,
) -> CallCalibration:
    """Learn the curves from sites that the caller was not fitted to.

    log_probability : float (sites, 6); truth : int (sites,), 0 to 5; is_indel : bool (sites,)
    A kind of site that is always right, or always wrong, keeps its probabilities.
    """
    settings = settings or CalibrationSettings(n_draws=1, min_isotonic=50)
    curves: list[BinaryCalibration | None] = []
    sharpness = []
    for which in (False, True):
        rows = np.flatnonzero(is_indel == which)
        said = log_probability[rows].astype(np.float64)
        sharpness.append(_best_sharpness(said, truth[rows]))
        said = _sharpened(said, sharpness[-1])
        right = (said.argmax(axis=1) == truth[rows]).astype(np.float64)
        try:
            with np.errstate(invalid="ignore"):  # of a fold without wrong sites, which cannot win
                curves.append(fit_binary(best_log_odds(said), right, None, settings, seed))
        except ValueError:
            curves.append(None)
    return CallCalibration((curves[0], curves[1]), (sharpness[0], sharpness[1]))


def _best_sharpness(log_probability: np.ndarray, truth: np.ndarray) -> float:
    """Of those tried, what makes the truth likeliest; 1 unless some sites are wrong."""
    if (log_probability.argmax(axis=1) == truth).all():
        return 1.0
    tried = np.exp(np.linspace(-2, 1, 61))
    rows = np.arange(len(truth))
    loss = [-np.maximum(_sharpened(log_probability, s)[rows, truth], -50).mean() for s in tried]
    return float(tried[int(np.argmin(loss))])


def calibration_error(log_probability: np.ndarray, truth: np.ndarray, *, n_bins: int = 20) -> float:
    """Expected calibration error of the best diplotype, in bins of as many sites each; 0 to 1."""
    z = best_log_odds(log_probability)
    said = 1 / (1 + np.exp(-z))
    right = log_probability.argmax(axis=1) == truth
    order = np.argsort(z, kind="stable")
    bins = np.array_split(order, min(n_bins, max(len(order), 1)))
    return float(sum(abs((said[b] - right[b]).sum()) for b in bins) / max(len(order), 1))
