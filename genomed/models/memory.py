"""What a run need not do twice: results of long stages as arrays, so that a killed run can go on.

Whoever keeps them (a directory, see genomed.io.checkpoints) is asked by name; everything comes back
to the bit, so that a run which goes on ends with the same bytes as one that was never stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import numpy as np
import polars as pl

from genomed.models.families import Family, Survival
from genomed.models.linear import CrossFit, LinearFit
from genomed.models.pair_stage import ScreenedPairs

__all__ = [
    "Memory",
    "Remembered",
    "cross_fit_from",
    "cross_fit_to",
    "pairs_from",
    "pairs_to",
    "remember",
]


class Remembered(NamedTuple):
    """A result: arrays by name, and what JSON can hold."""

    arrays: dict[str, np.ndarray]
    facts: dict[str, Any]


class Memory(Protocol):
    """Where results are kept."""

    def recall(self, name: str) -> Remembered | None:
        """What was kept under a name in this very run, or None."""
        ...

    def keep(self, name: str, result: Remembered) -> None:
        """Keep a result, whole or not at all."""
        ...


def remember(memory: Memory | None, name: str, make: Callable[[], Remembered]) -> Remembered:
    """The result of this name, made now unless it was kept."""
    found = memory.recall(name) if memory else None
    if found is None:
        found = make()
        if memory:
            memory.keep(name, found)
    return found


def cross_fit_to(cross: CrossFit) -> Remembered:
    """A cross-validated linear fit."""
    arrays = {
        "covariates": cross.fit.covariates,
        "beta": cross.fit.beta,
        "out_of_fold": cross.out_of_fold,
        "null_out_of_fold": cross.null_out_of_fold,
    }
    if isinstance(cross.family, Survival):
        arrays["baseline"] = cross.family.baseline
    facts = {
        "intercept": cross.fit.intercept,
        "penalty": cross.fit.penalty,
        "l1_ratio": cross.fit.l1_ratio,
        "candidates": cross.candidates.to_dict(as_series=False),
        "path": cross.path.to_dict(as_series=False),
    }
    return Remembered(arrays, facts)


def cross_fit_from(kept: Remembered, family: Family) -> CrossFit:
    """The same fit; the family is the one that was given to it."""
    arrays, facts = kept
    if isinstance(family, Survival):
        family = replace(family, baseline=arrays["baseline"])
    fit = LinearFit(
        facts["intercept"], arrays["covariates"], arrays["beta"], facts["penalty"],
        facts["l1_ratio"],
    )  # fmt: skip
    tables = (pl.DataFrame(facts[name], strict=False) for name in ("candidates", "path"))
    return CrossFit(fit, arrays["out_of_fold"], arrays["null_out_of_fold"], family, *tables)


def pairs_to(screened: ScreenedPairs) -> Remembered:
    """Screened pairs."""
    arrays = {
        f"{i}.{column}": table[column].to_numpy()
        for i, table in enumerate(screened.tables)
        for column in table.columns
    }
    facts = {
        "n_tests": screened.n_tests,
        "inflation": screened.inflation,
        "columns": [table.columns for table in screened.tables],
    }
    return Remembered(arrays, facts)


def pairs_from(kept: Remembered) -> ScreenedPairs:
    """The same pairs."""
    arrays: Mapping[str, np.ndarray] = kept.arrays
    tables = [
        pl.DataFrame({column: arrays[f"{i}.{column}"] for column in columns})
        for i, columns in enumerate(kept.facts["columns"])
    ]
    return ScreenedPairs(tables, kept.facts["n_tests"], kept.facts["inflation"])
