"""How good a trained model is on the people of the test, beside its linear part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from genomed.io.traits import Trait
from genomed.stats.binary_metrics import BinaryJudge
from genomed.stats.bootstrap import difference, estimates
from genomed.stats.measures import MAIN, Judge
from genomed.stats.quantitative_metrics import QuantitativeJudge

__all__ = ["by_group", "compare_on_test", "measure_on_test"]

METRICS = {
    "set": pl.Utf8, "group": pl.Utf8, "model": pl.Utf8, "measure": pl.Utf8, "n": pl.Int64,
    "value": pl.Float64, "low": pl.Float64, "high": pl.Float64,
}  # fmt: skip
FEWEST = 50  # people of a group, below which it is not measured
DRAWS = 500
EVERYBODY = "all"


def measure_on_test(
    trait: Trait,
    predictions: dict[str, np.ndarray],
    test: np.ndarray,
    groups: dict[str, np.ndarray],
    *,
    seed: int,
    threads: int = 1,
) -> pl.DataFrame:
    """Every measure of every model, for everybody and each group: TABLES["train_metrics"].

    predictions : model -> float64 (n,), values of a quantitative trait, logits of a binary one
    test        : bool (n,)
    groups      : name -> bool (n,)
    """
    rows = []
    for name, people in ({EVERYBODY: np.ones_like(test)} | groups).items():
        used = test & people & trait.observed
        for model, prediction in predictions.items():
            judge = _judge(trait, prediction, used)
            if judge is None:
                continue
            for one in estimates(judge, n_draws=DRAWS, seed=seed, threads=threads):
                numbers = (_known(x) for x in (one.value, one.low, one.high))
                rows.append(("test", name, model, one.name, judge.n, *numbers))
    return pl.DataFrame(rows, schema=METRICS, orient="row")


def compare_on_test(
    trait: Trait,
    full: np.ndarray,
    linear: np.ndarray,
    test: np.ndarray,
    *,
    seed: int,
    threads: int = 1,
) -> dict[str, Any] | None:
    """The main measure of the full model less that of its linear part, on the same draws of people.

    returns : measure, full, linear, difference, low, high; None without a test
    """
    used = test & trait.observed
    first, second = _judge(trait, full, used), _judge(trait, linear, used)
    if first is None or second is None:
        return None
    main = MAIN[trait.kind]
    found = difference(first, second, n_draws=DRAWS, seed=seed, threads=threads)
    at = first.names.index(main)
    values = [float(j.measure(np.ones(j.n, np.int32))[at]) for j in (first, second)]
    return {
        "measure": main, "full": values[0], "linear": values[1],
        "difference": found[at].value, "low": found[at].low, "high": found[at].high,
    }  # fmt: skip


def _judge(trait: Trait, prediction: np.ndarray, used: np.ndarray) -> Judge | None:
    """Of the people used; None where there are too few, or nothing to tell apart."""
    value = trait.value[used]
    if len(value) < FEWEST or (value == value[0]).all():
        return None
    if trait.kind == "quantitative":
        return QuantitativeJudge(value, prediction[used])
    if trait.kind == "binary":
        return BinaryJudge(value, prediction[used], scale="logit")
    return None


def _known(number: float) -> float | None:
    return number if np.isfinite(number) else None


def by_group(group: np.ndarray, names: list[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Each group with its people: bool (n,)."""
    for place, name in enumerate(names):
        yield name, group == place
