"""What a calibration makes of a predictor; and people by group."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Calibrated", "finite_array", "members", "number"]


class Calibrated(NamedTuple):
    """Predictions with their intervals: float64 (n,) each, NaN where the predictor is."""

    prediction: np.ndarray
    low: np.ndarray
    high: np.ndarray


def members(
    group: Sequence[str | None] | None, names: Sequence[str] | None = None
) -> Iterator[tuple[str, np.ndarray]]:
    """Each group's name and who is in it: bool (n,); in alphabetical order, or of these names."""
    if group is None:
        return
    label = np.array([name or "" for name in group], dtype=np.str_)
    for name in sorted(set(label.tolist()) - {""}) if names is None else names:
        yield name, label == name


def number(facts: Mapping[str, Any], name: str) -> float:
    """A finite number of a calibration; a ValueError where there is none."""
    value = facts[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} of a calibration is {value!r}, not a number")
    return float(value)


def finite_array(facts: Mapping[str, Any], name: str, *, ascending: bool = False) -> np.ndarray:
    """An array of finite numbers of a calibration; a ValueError where it is none."""
    value = np.asarray(facts[name], np.float64)
    if value.ndim != 1 or not np.isfinite(value).all() or not len(value):
        raise ValueError(f"{name} of a calibration is no list of numbers")
    if ascending and (np.diff(value) <= 0).any():
        raise ValueError(f"{name} of a calibration does not ascend")
    return value
