"""How good predictions are: the judges of each kind of trait, and their main measure in short.

measures              what every measure means, and what a judge promises
binary_metrics        cases and controls
quantitative_metrics  numbers
survival_metrics      times to an event
bootstrap             intervals of them all
"""

from __future__ import annotations

import numpy as np

from genomed.stats.binary_metrics import BinaryJudge
from genomed.stats.measures import MAIN, MEASURES, Judge, Measured, measured
from genomed.stats.quantitative_metrics import QuantitativeJudge

__all__ = [
    "MAIN",
    "MEASURES",
    "BinaryJudge",
    "Judge",
    "Measured",
    "QuantitativeJudge",
    "discrimination",
    "measured",
]


def discrimination(kind: str, truth: np.ndarray, prediction: np.ndarray) -> float:
    """The main measure of a kind of trait: AUROC of a binary, r2 of a quantitative one.

    truth, prediction : float64 (n,), NaN not known; people without either are left out
    returns           : NaN where it is undefined
    """
    known = np.isfinite(truth) & np.isfinite(prediction)
    judge: Judge
    if kind == "binary":
        judge = BinaryJudge(truth[known], prediction[known], scale="score")
    elif kind == "quantitative":
        judge = QuantitativeJudge(truth[known], prediction[known])
    else:
        raise ValueError(f"{kind} is neither binary nor quantitative")
    return measured(judge).values[MAIN[kind]]
