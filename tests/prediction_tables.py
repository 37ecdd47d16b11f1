"""Tables of predictions and of the truth, for the tests of `genomed evaluate`."""

from pathlib import Path

import numpy as np
import polars as pl

GROUPS = np.array(["EUR", "AFR", "EAS"])


def write_cohort(folder: Path, n: int = 900, seed: int = 1) -> tuple[Path, Path]:
    """pred.tsv and truth.tsv of the same people; the predictor knows less of AFR and EAS."""
    rng = np.random.default_rng(seed)
    group = rng.choice(3, n, p=(0.6, 0.2, 0.2))
    eta = rng.normal(0, 1, n)
    known = eta * np.array([1.6, 0.2, 1.0])[group]
    case = (rng.random(n) < 1 / (1 + np.exp(1.0 - known))).astype(int)
    value = 100 + 10 * eta + rng.normal(0, 10, n)
    time, censored = rng.exponential(np.exp(-eta)), rng.uniform(0.1, 3, n)
    names = [f"S{i:04d}" for i in range(n)]
    blur = eta + rng.normal(0, 1, n)
    pl.DataFrame(
        {
            "sample": names,
            "probability": 1 / (1 + np.exp(1.0 - 1.6 * eta)),
            "weak": 1 / (1 + np.exp(1.0 - 0.8 * blur)),
            "full": -1.0 + 1.6 * eta,
            "value": 100 + 10 * eta,
            "low": 100 + 10 * eta - 16.45,
            "high": 100 + 10 * eta + 16.45,
            "risk_by_0.5": 1 - np.exp(-0.5 * np.exp(eta)),
            "risk_by_1": 1 - np.exp(-np.exp(eta)),
            "risk_by_2": 1 - np.exp(-2 * np.exp(eta)),
        }
    ).write_csv(folder / "pred.tsv", separator="\t")
    pl.DataFrame(
        {
            "IID": names,
            "disease": case,
            "height": value,
            "death_time": np.minimum(time, censored),
            "death_event": (time <= censored).astype(int),
            "sex": rng.choice(["1", "2"], n),
            "age": rng.uniform(30, 80, n),
            "ancestry": GROUPS[group],
        }
    ).sample(fraction=1, shuffle=True, seed=seed).write_csv(folder / "truth.tsv", separator="\t")
    return folder / "pred.tsv", folder / "truth.tsv"
