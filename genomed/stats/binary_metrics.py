"""Measures of predictions of cases and controls; genomed.stats.measures says what they are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist

import numpy as np

from genomed.kernels import evaluation
from genomed.stats.logistic import SMALLEST, Refit, expit, logit
from genomed.stats.measures import ratio, squared_correlation

__all__ = ["SCALES", "BinaryJudge", "calibration_bins", "liability_r2"]

SCALES = ("probability", "logit", "score")
_NO_PROBABILITY = "the prediction is a score, no probability"


def liability_r2(r2: float, sample_share: float, prevalence: float) -> float:
    """Carry a squared correlation with case status to the liability.

    r2           : squared correlation of 0/1 with the prediction
    sample_share : of cases in the sample
    prevalence   : of the disease in the population
    source       : Lee 2012, doi:10.1002/gepi.21614, equation 15; where both shares agree it is the
                   r2 K(1-K)/z^2 of Dempster and Lerner 1950
    """
    if not (0 < prevalence < 1 and 0 < sample_share < 1):
        return math.nan
    normal = NormalDist()
    threshold = normal.inv_cdf(1 - prevalence)
    height = normal.pdf(threshold)
    mean = height / prevalence  # liability of cases
    moved = mean * (sample_share - prevalence) / (1 - prevalence)
    theta = moved * (moved - threshold)
    variance = prevalence * (1 - prevalence)
    c = variance**2 / (height**2 * sample_share * (1 - sample_share))
    return r2 * c / (1 + r2 * theta * c)


def calibration_bins(prediction: np.ndarray, n_bins: int) -> np.ndarray:
    """Bins of about equal numbers of people, who share one where their predictions are equal.

    prediction : float64 (n,)
    returns    : int32 (n,), 0 is lowest; numbers without people are left out
    """
    order = np.argsort(prediction, kind="stable")
    ordered = prediction[order]
    first = np.searchsorted(ordered, ordered, "left")
    last = np.searchsorted(ordered, ordered, "right") - 1
    place = (first + last + 1) / 2 / max(len(ordered), 1)  # middle of the tie
    wanted = np.minimum((place * n_bins).astype(np.int64), n_bins - 1)
    bins = np.zeros(len(prediction), np.int32)
    bins[order] = np.unique(wanted, return_inverse=True)[1].astype(np.int32)
    return bins


class BinaryJudge:
    """Predictions of cases and controls.

    case       : float64 or bool (n,), 1 or 0, none missing
    prediction : float64 (n,), finite; higher is more at risk
    scale      : "probability", "logit" (its log odds), or "score" of no scale
    threshold  : on the scale of `prediction`; the share of cases by default (as a logit where the
                 prediction is one), the highest tenth of a score
    prevalence : in the population, for the liability and the net benefit; the share of cases by
                 default
    n_bins     : of the calibration error
    """

    names = (
        "auroc", "auprc", "brier", "log_loss", "ece", "calibration_slope",
        "calibration_intercept", "r2_liability", "net_benefit", "recall", "specificity",
        "precision", "f1",
    )  # fmt: skip

    def __init__(
        self,
        case: np.ndarray,
        prediction: np.ndarray,
        *,
        scale: str = "probability",
        threshold: float | None = None,
        prevalence: float | None = None,
        n_bins: int = 10,
    ) -> None:
        case = np.asarray(case, np.float64)
        prediction = np.asarray(prediction, np.float64)
        if scale not in SCALES:
            raise ValueError(f"{scale=} is not one of {SCALES}")
        if case.shape != prediction.shape or case.ndim != 1:
            raise ValueError(f"truth {case.shape} and prediction {prediction.shape} differ")
        if not np.isin(case, (0.0, 1.0)).all() or not np.isfinite(prediction).all():
            raise ValueError("cases are 1 or 0 and predictions finite")
        if scale == "probability" and ((prediction < 0) | (prediction > 1)).any():
            raise ValueError("a probability lies between 0 and 1")
        self.n = len(case)
        self.scale = scale
        self.case, self._status = case.astype(np.uint8), np.ascontiguousarray(case)
        self.prevalence = prevalence
        self.threshold = self._threshold(case, prediction, scale, threshold)
        self._rank(prediction)
        self._prepare(prediction, n_bins)
        scaled = scale != "score"
        self._slope = Refit(self.eta, self.case) if scaled else None
        self._offset = Refit(self.eta, self.case, slope=1.0) if scaled else None

    def _threshold(
        self, case: np.ndarray, prediction: np.ndarray, scale: str, threshold: float | None
    ) -> float:
        if threshold is not None or not len(case):
            return math.nan if threshold is None else threshold
        if scale == "score":
            return float(np.quantile(prediction, 0.9))
        share = float(case.mean())
        return share if scale == "probability" else float(logit(np.array(share)))

    def _rank(self, prediction: np.ndarray) -> None:
        """Sort once: highest first."""
        self._order = np.argsort(-prediction, kind="stable").astype(np.int32)
        ordered = prediction[self._order]
        self._last = np.ones(self.n, np.uint8)
        self._last[:-1] = ordered[:-1] != ordered[1:]
        self._n_above = int((prediction >= self.threshold).sum())
        self._ordered_case = np.ascontiguousarray(self.case[self._order])

    def _prepare(self, prediction: np.ndarray, n_bins: int) -> None:
        """Losses and bins, where there are probabilities."""
        self.eta = logit(prediction) if self.scale == "probability" else prediction
        if self.scale == "score":
            self._losses, self._probability = np.zeros((0, 2)), np.zeros(0)
            self._bins, self._n_bins = np.zeros(0, np.int32), 0
        else:
            p = prediction if self.scale == "probability" else expit(prediction)
            p = p[self._order]
            happened = self._ordered_case > 0
            kept = np.clip(p, SMALLEST, 1 - SMALLEST)
            loss = -np.where(happened, np.log(kept), np.log1p(-kept))
            self._losses = np.stack([loss, (p - happened) ** 2], axis=1)
            self._probability = np.ascontiguousarray(p)
            self._bins = calibration_bins(p, n_bins)
            self._n_bins = int(self._bins.max(initial=-1)) + 1
        mean = float(self.eta.mean()) if self.n else 0.0
        self._centred = np.ascontiguousarray(self.eta - mean)

    def measure(self, count: np.ndarray) -> np.ndarray:
        """The measures of people counted so often: int32 (n,) -> float64 (names,)."""
        sums, out, moments = np.zeros((self._n_bins, 3)), np.zeros(8), np.zeros(6)
        count = np.ascontiguousarray(count, np.int32)
        evaluation.count_ranked(
            self._order, self._ordered_case, self._last, self._losses, self._probability,
            self._bins, count, self._n_above, out, sums,
        )  # fmt: skip
        cases, controls, area, precision, log_loss, brier, true, false = out.tolist()
        n = cases + controls
        evaluation.add_moments(self._centred, self._status, count, moments)
        share = ratio(cases, n)
        prevalence = share if self.prevalence is None else self.prevalence
        recall, fallout = ratio(true, cases), ratio(false, controls)
        scaled = self._n_bins > 0
        values = [
            ratio(area, cases * controls),
            ratio(precision, cases) if controls else math.nan,
            ratio(brier, n) if scaled else math.nan,
            ratio(log_loss, n) if scaled else math.nan,
            _calibration_error(sums) if scaled else math.nan,
            self._slope.fit(count).slope if self._slope else math.nan,
            self._offset.fit(count).intercept if self._offset else math.nan,
            liability_r2(squared_correlation(moments), share, prevalence),
            self._net_benefit(recall, fallout, prevalence),
            recall,
            1 - fallout,
            ratio(true, true + false),
            ratio(2 * true, 2 * true + false + cases - true),
        ]
        return np.array(values)

    def _net_benefit(self, recall: float, fallout: float, prevalence: float) -> float:
        if self.scale == "score":
            return math.nan
        odds = self.threshold
        if self.scale == "logit":
            odds = math.exp(min(self.threshold, evaluation.FAR))
        elif odds < 1:
            odds = odds / (1 - odds)
        else:
            return math.nan
        return recall * prevalence - fallout * (1 - prevalence) * odds

    def ece_by_chance(self) -> float:
        """Calibration error of perfectly calibrated probabilities in the same bins: the mean of
        |normal| with the variance of each bin's share of cases."""
        if not self._n_bins:
            return math.nan
        n = np.bincount(self._bins, minlength=self._n_bins)
        p = self._probability
        variance = np.bincount(self._bins, p * (1 - p), self._n_bins)
        return float(np.sqrt(2 * variance / math.pi).sum() / n.sum())

    def why(self, values: np.ndarray) -> dict[str, str]:
        """Why measures are undefined, of those that are."""
        missing = [name for name, v in zip(self.names, values, strict=True) if not np.isfinite(v)]
        n_cases = int(self.case.sum())
        if n_cases in (0, self.n):
            word = "nobody" if not self.n else "no case" if not n_cases else "no control"
            return dict.fromkeys(missing, f"there is {word}")
        of_scale = ("brier", "log_loss", "ece", "calibration_slope", "calibration_intercept")
        told: Mapping[str, str] = {}
        if self.scale == "score":
            told = dict.fromkeys((*of_scale, "net_benefit"), _NO_PROBABILITY)
        else:
            told = {"calibration_slope": "all predictions agree, or cases and controls separate"}
        reasons = {"precision": "nobody is above the threshold", **told}
        return {name: reasons.get(name, "the predictions do not vary") for name in missing}


def _calibration_error(sums: np.ndarray) -> float:
    """Of people, cases and summed probabilities per bin."""
    n = float(sums[:, 0].sum())
    return ratio(float(np.abs(sums[:, 1] - sums[:, 2]).sum()), n)
