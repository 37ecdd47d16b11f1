"""Defaults of `genomed evaluate`; see genomed.settings."""

from dataclasses import dataclass

__all__ = ["EvaluateSettings"]


@dataclass(frozen=True)
class EvaluateSettings:
    """What decides an evaluation, apart from the predictions and the truth."""

    # Draws of the bootstrap; 0 for no intervals. Their seed, and the level of the intervals.
    n_draws: int = 1000
    seed: int = 1
    level: float = 0.95
    # Unit of the prediction: auto, probability, logit, score, value or risk.
    scale: str = "auto"
    # On the scale of the prediction; None is the share of cases, or the highest tenth of a score.
    threshold: float | None = None
    # Of a binary trait in the population; None is the share of cases.
    prevalence: float | None = None
    # Bins of the calibration error and the calibration curve.
    n_bins: int = 10
    # Groups of fewer people, or of fewer cases or controls, are shown but not compared.
    min_group: int = 100
    min_group_cases: int = 20
    # Ages are cut below these.
    age_bands: tuple[float, ...] = (40.0, 50.0, 60.0, 70.0)
    # Share of people that intervals in the predictions are meant to hold.
    interval: float = 0.9
    # Largest gap of a measure between groups; None for no limit. The measure; None is the main one.
    max_gap: float | None = None
    gap_measure: str | None = None
