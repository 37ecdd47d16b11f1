"""By what people are grouped in `genomed evaluate`: ancestry, sex, age, or any column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from genomed.errors import InputError, UnknownNameError
from genomed.io.labels import named_file, read_labels
from genomed.io.predictions import Predictions
from genomed.io.sample_table import read_store_table
from genomed.io.traits import SurvivalColumns
from genomed.settings import EvaluateSettings

__all__ = ["ANCESTRY", "WHOLE", "EvaluateInputs", "factors", "group_people"]

WHOLE = "the predictions"
MOST_LEVELS = 30
ANCESTRY = (
    "ancestry", "population", "most_similar_population", "superpopulation", "group", "pop",
)  # fmt: skip
_SEX = {"1": "male", "2": "female", "m": "male", "f": "female", "0": None}


@dataclass(frozen=True)
class EvaluateInputs:
    """Files and names, as they were given.

    prediction : names of predictions; the usual one by default
    versus     : a name in the same table, FILE, or FILE:NAME
    groups     : FILE or FILE:COLUMN
    by         : columns of any of the tables; ancestry stands for that of `groups`
    only       : the set of people to use; "all" for everybody
    """

    predictions: Path
    traits: Path
    trait: str | None = None
    prediction: tuple[str, ...] = ()
    versus: str | None = None
    groups: str | None = None
    by: tuple[str, ...] = ()
    relatives: Path | None = None
    survival: SurvivalColumns | None = None
    kind: str | None = None
    only: str | None = None


def factors(inputs: EvaluateInputs) -> list[str]:
    """By what people are grouped, in order; by ancestry first where a table of groups is given."""
    names = list(inputs.by)
    if inputs.groups is not None and not any(n.lower() in ANCESTRY for n in names):
        names.insert(0, "ancestry")
    return list(dict.fromkeys(names))


def group_people(
    inputs: EvaluateInputs, found: Predictions, name: str, settings: EvaluateSettings
) -> dict[str, np.ndarray]:
    """Level -> bool (people,), in the order they are shown."""
    cells = _cells(inputs, found, name)
    lower = name.lower()
    if lower == "sex":
        return _levels(
            cells.str.to_lowercase().replace(_SEX).to_list()  # 0 is unknown, as in plink
        )
    numbers = cells.cast(pl.Float64, strict=False)
    numeric = numbers.null_count() == cells.null_count() and len(cells.drop_nulls()) > 0
    if numeric and (lower == "age" or cells.n_unique() > MOST_LEVELS):
        value = numbers.fill_null(np.nan).to_numpy()
        cuts = settings.age_bands if lower == "age" else _quarters(value)
        return _bands(value, cuts)
    if cells.n_unique() > MOST_LEVELS:
        raise InputError(
            f"column {name} has {cells.n_unique()} different values; group people by a column of "
            f"at most {MOST_LEVELS}"
        )
    return _levels(cells.to_list())


def _cells(inputs: EvaluateInputs, found: Predictions, name: str) -> pl.Series:
    """A column as text, in the order of the predictions; null where it is not known."""
    file = named_file(inputs.groups)
    if inputs.groups is not None and file is None:
        raise InputError(f"--groups {inputs.groups}: no such file; check the path")
    if file is not None and name.lower() in ANCESTRY:
        column = (
            None if Path(str(inputs.groups)).is_file() else str(inputs.groups).rpartition(":")[2]
        )
        of = dict(read_labels(file, column).select("sample", "population").iter_rows())
        cells = [of.get(sample) for sample in found.samples]
        if not any(cells):
            raise InputError(f"{file}: has a group for nobody of {found.path}; check the names")
        return pl.Series(cells, dtype=pl.Utf8)
    tables: list[pl.DataFrame] = [
        read_store_table(path, found.samples, whole=WHOLE).frame
        for path in (file, inputs.traits)
        if path is not None
    ] + [found.frame]
    wanted = ANCESTRY if name.lower() == "ancestry" else (name.lower(),)
    for table in tables:
        spelt = {column.lower(): column for column in reversed(table.columns)}
        column = next((spelt[one] for one in wanted if one in spelt), None)
        if column is not None:
            return table[column].cast(pl.Utf8)
    raise UnknownNameError(
        f"--by {name}: no column of that name in {inputs.traits} or {inputs.predictions}; add "
        "it, or give --groups"
    )


def _levels(cells: Sequence[str | None]) -> dict[str, np.ndarray]:
    label = np.array([cell or "" for cell in cells], dtype=np.str_)
    return {name: label == name for name in sorted(set(label.tolist()) - {""})}


def _quarters(value: np.ndarray) -> tuple[float, ...]:
    return tuple(np.unique(np.nanquantile(value, (0.25, 0.5, 0.75))).tolist())


def _bands(value: np.ndarray, cuts: Sequence[float]) -> dict[str, np.ndarray]:
    """Numbers below the first cut, from one to below the next, and from the last on."""
    edges = [-np.inf, *cuts, np.inf]
    bands = {}
    for low, high in pairwise(edges):
        if low == -np.inf:
            name = f"below {high:g}"
        else:
            name = f"{low:g} and more" if high == np.inf else f"{low:g} to below {high:g}"
        bands[name] = (value >= low) & (value < high)
    return bands
