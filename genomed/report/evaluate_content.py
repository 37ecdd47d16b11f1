"""What evaluate.html is made of, and how its numbers are written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from genomed.report.tables import UNKNOWN, is_number
from genomed.stats.curves import Curve

__all__ = ["WORDS", "EvaluatePage", "find", "format_interval", "format_measure", "words"]

WORDS = {
    "auroc": "AUROC", "auprc": "AUPRC", "brier": "Brier score", "log_loss": "Log loss",
    "ece": "Calibration error (ECE)", "calibration_slope": "Calibration slope",
    "calibration_intercept": "Calibration intercept", "r2_liability": "R² on the liability",
    "net_benefit": "Net benefit", "recall": "Recall", "specificity": "Specificity",
    "precision": "Precision", "f1": "F1", "r2": "R²", "r2_explained": "R², 1 − SSE/SST",
    "mae": "Mean absolute error", "rmse": "RMSE", "c_index": "C-index",
    "integrated_brier": "Integrated Brier score",
    "integrated_calibration": "Calibration error over time",
    "observed_expected": "Events observed over expected", "coverage": "Coverage of the intervals",
    "interval_width": "Width of the intervals", "nri": "NRI at the threshold",
    "nri_continuous": "NRI of any change", "idi": "IDI",
}  # fmt: skip


@dataclass(frozen=True)
class EvaluatePage:
    """What the page is made of; tables have the columns of TABLES["evaluate_..."].

    thresholds : prediction -> threshold used; none of a quantitative trait
    by_chance  : prediction -> calibration error that perfect probabilities would have
    curves     : prediction -> name of the curve -> points
    """

    trait: str
    kind: str
    coding: str
    n: int
    n_cases: int | None
    scales: Mapping[str, str]
    versus: str | None
    metrics: pl.DataFrame
    groups: pl.DataFrame
    gaps: pl.DataFrame
    comparison: pl.DataFrame
    thresholds: Mapping[str, float]
    by_chance: Mapping[str, float]
    curves: Mapping[str, Mapping[str, Curve]]
    level: float
    n_draws: int
    seed: int
    prevalence: float | None
    max_gap: float | None
    warnings: Sequence[str] = ()
    files: Sequence[str] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    version: str = ""
    command: str = ""
    started: str = ""
    seconds: float = math.nan

    @property
    def people(self) -> str:
        """How many people, and cases or events among them, in words."""
        told = f"{self.n:,} people"
        if self.n_cases is None:
            return told
        word = "events" if self.kind == "survival" else "cases"
        return f"{told}, {self.n_cases:,} {word} ({self.n_cases / self.n:.1%})"


def words(measure: str) -> str:
    """The name of a measure for people."""
    return WORDS.get(measure, measure)


def format_measure(x: float | None) -> str:
    """Three decimals, or four digits of a large number."""
    if not is_number(x):
        return UNKNOWN
    assert x is not None
    return f"{x:.3f}" if abs(x) < 100 else f"{x:,.4g}"


def format_interval(row: Mapping[str, object]) -> str:
    """Both ends; a dash where there are none."""
    low, high = row["low"], row["high"]
    if not (is_number(low) and is_number(high)):
        return UNKNOWN
    return f"{format_measure(low)} to {format_measure(high)}"  # type: ignore[arg-type]


def find(table: pl.DataFrame, **equal: object) -> dict[str, object] | None:
    """The first row whose columns equal these."""
    found = table.filter(*(pl.col(k) == v for k, v in equal.items()))
    return found.row(0, named=True) if len(found) else None
