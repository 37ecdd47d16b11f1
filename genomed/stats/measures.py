"""What every measure of predictions means, and what a judge of predictions promises.

A `Judge` holds a truth and a prediction of the same people, with all that does not depend on how
often each person counts. Its `measure` takes these counts: ones for the sample as it is, the counts
of a bootstrap draw for an interval (genomed.stats.bootstrap), zeros for people left out. What is
undefined is NaN, and `why` says why.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any, NamedTuple, Protocol

import numpy as np

__all__ = [
    "MAIN",
    "MEASURES",
    "Judge",
    "Measured",
    "measured",
    "ratio",
    "share_interval",
    "squared_correlation",
]

MAIN = {"binary": "auroc", "quantitative": "r2", "survival": "c_index"}

# name -> definition, with its source
MEASURES: dict[str, str] = {
    "auroc": "probability that a case is predicted higher than a control, ties counted half "
    "(Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747)",
    "auprc": "average precision: precision at each distinct prediction, weighted by the recall "
    "gained there; by chance it is the share of cases (Davis and Goadrich 2006, "
    "doi:10.1145/1143844.1143874)",
    "brier": "mean squared difference of probability and outcome (Brier 1950)",
    "log_loss": "mean of -log of the probability given to what happened; probabilities are kept "
    "1e-12 away from 0 and 1",
    "ece": "expected calibration error: mean over bins of equal size of |mean probability - share "
    "of cases| (Naeini 2015, AAAI)",
    "ece_by_chance": "what the expected calibration error would be, in these bins, of perfectly "
    "calibrated probabilities",
    "calibration_slope": "slope of the logistic regression of the outcome on the logit of the "
    "probability, 1 is best, below 1 is too extreme (Cox 1958; Van Calster 2019, "
    "doi:10.1186/s12916-019-1466-7); of a quantitative trait: of the trait on the prediction",
    "calibration_intercept": "intercept of the same regression with the slope held at 1, 0 is best "
    "(calibration in the large); of a quantitative trait: intercept beside the slope",
    "r2_liability": "squared correlation of case status and prediction (as a logit), carried to "
    "the scale of the liability at the prevalence given, corrected for how cases were sampled (Lee "
    "2011, doi:10.1016/j.ajhg.2011.02.002; Lee 2012, doi:10.1002/gepi.21614)",
    "net_benefit": "cases above the threshold, less controls above it x threshold / (1 - "
    "threshold), per person, at the prevalence given (Vickers and Elkin 2006, "
    "doi:10.1177/0272989X06295361)",
    "recall": "share of the cases at or above the threshold (sensitivity)",
    "specificity": "share of the controls below the threshold",
    "precision": "share of cases among those at or above the threshold",
    "f1": "harmonic mean of precision and recall",
    "r2": "squared correlation of trait and prediction",
    "r2_explained": "1 - sum of squared errors / sum of squares about the mean; below 0 where the "
    "mean would have been better",
    "mae": "mean absolute error",
    "rmse": "root of the mean squared error",
    "c_index": "share of comparable pairs in which who had the event first was predicted the "
    "higher risk, ties counted half (Harrell 1982, doi:10.1001/jama.1982.03320430047030)",
    "integrated_brier": "squared difference of predicted survival and status, weighted by the "
    "inverse probability of being observed, averaged over time (Graf 1999, "
    "doi:10.1002/(SICI)1097-0258(19990915/30)18:17/18<2529::AID-SIM274>3.0.CO;2-5)",
    "integrated_calibration": "of tenths of people by predicted risk, |mean predicted risk - share "
    "with the event| by each time, weighted by the inverse probability of being observed (Graf "
    "1999), averaged over people and time",
    "observed_expected": "events until the last time, over the sum of the integrated hazards that "
    "were predicted of the time people were observed; 1 is best, below 1 is too high a risk "
    "(Crowson 2016, doi:10.1177/0962280213497434)",
    "coverage": "share of people whose value lies in their interval",
    "interval_width": "mean width of the intervals, in the unit of the trait",
    "nri": "net reclassification improvement at the threshold: of cases moved up less down, plus "
    "of controls moved down less up (Pencina 2008, doi:10.1002/sim.2929)",
    "nri_continuous": "the same where any change of the prediction counts (Pencina 2011, "
    "doi:10.1002/sim.4085); it can reward noise, so read it beside the loss",
    "idi": "integrated discrimination improvement: gain of the mean probability of cases, less "
    "that of controls (Pencina 2008)",
}


class Measured(NamedTuple):
    """Measures of one sample.

    values : name -> number, NaN where it is undefined
    why    : name -> why it is undefined
    """

    values: dict[str, float]
    why: dict[str, str]


class Judge(Protocol):
    """A truth and a prediction of n people.

    names : of the measures, in order; MEASURES says what they are
    """

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def n(self) -> int: ...

    def measure(self, count: np.ndarray) -> np.ndarray:
        """The measures of people counted so often: int32 (n,) -> float64 (names,)."""
        ...

    def why(self, values: np.ndarray) -> dict[str, str]:
        """Why measures are undefined, of those that are."""
        ...


def measured(judge: Judge) -> Measured:
    """All measures of the sample as it is."""
    values = judge.measure(np.ones(judge.n, np.int32))
    return Measured(dict(zip(judge.names, values.tolist(), strict=True)), judge.why(values))


def ratio(part: float, whole: float) -> float:
    """Their quotient, NaN where the whole is nothing."""
    return part / whole if whole > 0 else math.nan


def share_interval(
    share: float | np.ndarray, n: float | np.ndarray, level: float = 0.95
) -> tuple[Any, Any]:
    """Wilson's interval (1927, doi:10.1080/01621459.1927.10502953) of shares of n people each."""
    z = NormalDist().inv_cdf(0.5 + level / 2)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * (share * (1 - share) / n + (z / (2 * n)) ** 2) ** 0.5
    return np.maximum(middle - reach, 0.0), np.minimum(middle + reach, 1.0)


def squared_correlation(sums: np.ndarray) -> float:
    """Of the sums of evaluation.add_moments."""
    n, sx, sy, sxx, sxy, syy = sums.tolist()
    if not n:
        return math.nan
    vx, cxy, vy = sxx - sx * sx / n, sxy - sx * sy / n, syy - sy * sy / n
    if not (vx > 1e-12 * sxx and vy > 1e-12 * syy):
        return math.nan
    return min(cxy * cxy / (vx * vy), 1.0)
