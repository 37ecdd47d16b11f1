"""Incidence by age: how often an event happens to people who have not had it, from registries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from genomed.errors import InputError
from genomed.io.text_table import TextTable, read_text_table

__all__ = ["Incidence", "read_incidence"]

SEXES = {"1": "male", "m": "male", "male": "male", "2": "female", "f": "female", "female": "female"}
OLDEST = 130.0


@dataclass(frozen=True)
class Incidence:
    """Rates of one sex, or of everybody.

    edges : float64 (bands + 1,), ages in years, ascending
    rate  : float64 (bands,), events per person-year
    """

    edges: np.ndarray
    rate: np.ndarray


def read_incidence(path: Path) -> dict[str, Incidence]:
    """Read a table of age, rate and, if it is by sex, sex.

    A rate (events per person-year) holds from its age to the age of the next row; the last for as
    long as the one before it.
    returns : "male" and "female", or "" for everybody
    raises  : InputError, with the line
    """
    table = read_text_table(path)
    names = {name.lower(): name for name in table.frame.columns}
    missing = [name for name in ("age", "rate") if name not in names]
    if missing:
        raise InputError(
            f"{path}, line {table.header_line}: has no column {missing[0]}; give age, rate (events "
            "per person-year) and, if it is by sex, sex"
        )
    age = _numbers(table, names["age"], OLDEST)
    rate = _numbers(table, names["rate"], 10.0)
    sex = [""] * len(age)
    if "sex" in names:
        sex = [_sex(table, row, text) for row, text in enumerate(table.frame[names["sex"]])]
    found: dict[str, Incidence] = {}
    for name in dict.fromkeys(sex):
        rows = np.flatnonzero(np.array(sex) == name)
        found[name] = _incidence(table, rows, age[rows], rate[rows])
    return found


def _incidence(table: TextTable, rows: np.ndarray, age: np.ndarray, rate: np.ndarray) -> Incidence:
    if len(age) < 2:
        line = int(table.source_line[rows[0]])
        raise InputError(f"{table.path}, line {line}: give rates at two ages or more of each sex")
    steps = np.diff(age)
    if (steps <= 0).any():
        line = int(table.source_line[rows[1 + int(np.argmax(steps <= 0))]])
        raise InputError(f"{table.path}, line {line}: ages must ascend; sort the table by age")
    return Incidence(np.append(age, age[-1] + steps[-1]), rate)


def _numbers(table: TextTable, column: str, largest: float) -> np.ndarray:
    text = table.frame[column]
    value = text.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
    odd = ~((value >= 0) & (value <= largest))
    if odd.any():
        row = int(np.argmax(odd))
        raise InputError(
            f"{table.path}, line {table.source_line[row]}: {text[row]!r} in column {column} is no "
            f"number from 0 to {largest:g}; correct it"
        )
    return np.asarray(value, np.float64)


def _sex(table: TextTable, row: int, text: str | None) -> str:
    sex = SEXES.get((text or "").lower())
    if sex is None:
        raise InputError(
            f"{table.path}, line {table.source_line[row]}: {text!r} is no sex; write male or female"
        )
    return sex
