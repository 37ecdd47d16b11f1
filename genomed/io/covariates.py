"""Covariates of the people of a store, and the dated codes of their records.

A column is a number or a category, as its content says unless the user does; a column of dates is
refused, since neither the day nor the year of a date is what was meant.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from genomed.errors import InputError, UnknownNameError, UsageError
from genomed.io.sample_table import (
    ID_COLUMNS,
    SAMPLE_COLUMNS,
    StoreTable,
    match_names,
    read_numbers,
    read_store_table,
)
from genomed.io.text_table import TextTable, read_text_table
from genomed.io.traits import is_missing_code

__all__ = ["COVARIATE_KINDS", "Covariates", "DatedCodes", "read_covariates", "read_dated_codes"]

COVARIATE_KINDS = ("numeric", "categorical")
_NUMERIC_SHARE = 0.8  # of a column's fields; from here on, other text is an error in it
_DATE = r"^(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ].*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})$"
_CODE_COLUMNS = ("code", "concept_id", "icd10", "icd", "read_code", "diagnosis", "event")
_TIME_COLUMNS = ("date", "age", "time", "years", "event_dt", "start_date")
_DAYS_A_YEAR = 365.25
_OLDEST = 150.0  # years


@dataclass(frozen=True)
class Covariates:
    """Covariates in the order of a store.

    frame    : one row per sample; Float64 for numbers, Utf8 for categories, null where unknown
    kinds    : column -> numeric or categorical
    found    : bool (samples,), who is in the table
    warnings : sentences
    """

    path: Path
    frame: pl.DataFrame
    kinds: dict[str, str]
    found: np.ndarray
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class DatedCodes:
    """Codes of records, each at a time.

    frame    : sample (Int64, place in the store), code (Utf8), time (Float64, years: of age, or
               since 1970-01-01 where the table has dates); sorted by sample, time and code, each
               row once
    times    : "dates" or "ages"
    warnings : sentences
    """

    path: Path
    frame: pl.DataFrame
    warnings: list[str] = field(default_factory=list)
    times: str = "dates"


def read_covariates(
    path: Path,
    samples: Sequence[str],
    names: Sequence[str] = (),
    *,
    kinds: Mapping[str, str] | None = None,
    traits: Collection[str] = (),
    missing_code: float | None = -9.0,
) -> Covariates:
    """Read covariates from a table, in the order of the samples of a store.

    path         : see genomed.io.sample_table
    names        : columns wanted; all but identities and parents by default
    kinds        : column -> one of COVARIATE_KINDS, where its content should not decide: codes of a
                   category that are numbers, or what a design was made with
    traits       : columns that are to be predicted; none may be a covariate
    missing_code : number that says that a value is missing (plink's); None for none
    raises       : InputError, UsageError or UnknownNameError
    """
    kinds = dict(kinds or {})
    for name, kind in kinds.items():
        if kind not in COVARIATE_KINDS:
            raise UnknownNameError(
                f"{name}: no kind called {kind!r}; known: {', '.join(COVARIATE_KINDS)}"
            )
    table = read_store_table(path, samples)
    known = [c for c in table.frame.columns if c.lower() not in ID_COLUMNS]
    wanted = list(dict.fromkeys(names or known))
    for name in wanted:
        if name not in table.frame.columns:
            raise UnknownNameError(
                f"{path}: has no column {name!r}; its columns: {', '.join(known) or 'none'}"
            )
        if name in traits:
            raise UsageError(
                f"{path}: {name} is the trait to be predicted and cannot be a covariate; name the "
                "covariates to use, or take the column out"
            )
    if not wanted:
        raise InputError(f"{path}: has no column beside the samples' names; add covariates")
    warnings = list(table.warnings)
    columns = {
        name: _covariate(table, name, kinds.get(name), missing_code, warnings) for name in wanted
    }
    told = {n: "categorical" if c.dtype == pl.Utf8 else "numeric" for n, c in columns.items()}
    return Covariates(path, pl.DataFrame(columns), told, table.found, warnings)


def _covariate(
    table: StoreTable, name: str, kind: str | None, missing_code: float | None, warnings: list[str]
) -> pl.Series:
    """A column as Float64 or Utf8."""
    text = table.frame[name]
    if kind == "categorical":
        return text
    _refuse_dates(table, name)
    n_known = len(text) - text.null_count()
    n_numeric = len(text) - text.cast(pl.Float64, strict=False).null_count()
    if kind is None and n_numeric < _NUMERIC_SHARE * n_known:
        _refuse_decimal_commas(table, name)
        return text
    value, other = read_numbers(table, name)
    if other.size:
        row = int(other[0])
        raise InputError(
            f"{table.where(row)}: {text[row]!r} in column {name} is not a number, as "
            f"{n_numeric} of {n_known} fields are; write NA, or say that it is categorical"
        )
    coded = np.zeros(len(value), np.bool_) if missing_code is None else value == missing_code
    value[coded] = np.nan
    if missing_code is not None and coded.any() and not is_missing_code(value, missing_code):
        warnings.append(
            f"{table.path}: {int(coded.sum())} values of {missing_code:g} in column {name} were "
            "read as missing, though the others make it a possible value; write NA for missing and "
            "turn the code off if they are measurements."
        )
    if name.lower() == "sex" and (value == 2).any() and (value == 0).any():
        value[value == 0] = np.nan  # as in a .psam
    return pl.Series(name, value).fill_nan(None)


def _refuse_decimal_commas(table: StoreTable, name: str) -> None:
    cells = table.frame[name].drop_nulls()
    with_comma = cells.str.contains(r"^[+-]?\d+,\d+$")
    if with_comma.sum() and cells.str.contains(r"^[+-]?\d+(,\d+)?$").all():
        first = cells.filter(with_comma)[0]
        row = int(np.flatnonzero((table.frame[name] == first).fill_null(False).to_numpy())[0])
        raise InputError(
            f"{table.where(row)}: {first!r} in column {name} has a decimal comma; write a point, "
            "or say that the column is categorical"
        )


def _refuse_dates(table: StoreTable, name: str) -> None:
    """Dates as such, or as numbers like 19700131."""
    cells = table.frame[name].drop_nulls()
    is_date = cells.str.contains(_DATE)
    if not len(cells) or is_date.sum() < _NUMERIC_SHARE * len(cells):
        if not _are_compact_dates(cells):
            return
        is_date = cells.is_not_null()
    first = cells.filter(is_date)[0]
    row = int(np.flatnonzero((table.frame[name] == first).fill_null(False).to_numpy())[0])
    raise InputError(
        f"{table.where(row)}: {first!r} in column {name} is a date; give an age, or years since "
        "a day that you choose, or leave the column out"
    )


def _are_compact_dates(cells: pl.Series) -> bool:
    """Whether all are eight digits that are year, month and day."""
    if not len(cells) or not cells.str.contains(r"^(18|19|20)\d{6}$").all():
        return False
    return bool(cells.str.to_date("%Y%m%d", strict=False).is_not_null().all())


def read_dated_codes(
    path: Path, samples: Sequence[str], *, columns: tuple[str, str] | None = None
) -> DatedCodes:
    """Read a long table of sample, code, and date (YYYY-MM-DD, YYYYMMDD) or age: one row per code.

    columns : names of the columns of codes and of dates or ages; common names by default
    raises  : InputError for a row without a sample or a code, a time that is neither a date nor a
              number, or when dates and ages are mixed or nobody is in the store
    """
    table = read_text_table(path, frozenset(ID_COLUMNS))
    spelt = {name.lower(): name for name in reversed(table.frame.columns)}
    chosen = [_find(table, spelt, SAMPLE_COLUMNS, "samples")]
    for place, known in enumerate((_CODE_COLUMNS, _TIME_COLUMNS)):
        given = known if columns is None else (columns[place].lower(),)
        chosen.append(_find(table, spelt, given, ("codes", "dates or ages")[place]))
    names, code, when = (table.frame[column] for column in chosen)
    known_samples = {sample: row for row, sample in enumerate(samples)}
    at, line = match_names(path, names, table.source_line, known_samples, repeated=True)
    if code.null_count():
        row = int(np.flatnonzero(code.is_null().to_numpy())[0])
        raise InputError(f"{path}, line {line[row]}: has no code; write it, or delete the line")
    years, is_date = _years(path, when, line)
    kept = (at >= 0) & np.isfinite(years)
    warnings = []
    strangers = names.filter(pl.Series(at < 0)).n_unique()
    if strangers:
        warnings.append(f"{path}: {strangers} people in it are not in the store; left out.")
    undated = int(((at >= 0) & np.isnan(years)).sum())
    if undated:
        warnings.append(f"{path}: {undated} codes have no date; left out.")
    frame = pl.DataFrame({"sample": at, "code": code, "time": years}).filter(pl.Series(kept))
    frame = frame.unique().sort("sample", "time", "code")
    n_twice = int(kept.sum()) - frame.height
    if n_twice:
        warnings.append(f"{path}: {n_twice} rows repeat another; counted once.")
    return DatedCodes(path, frame, warnings, "dates" if is_date else "ages")


def _find(table: TextTable, spelt: dict[str, str], known: Sequence[str], what: str) -> str:
    column = next((spelt[name] for name in known if name in spelt), None)
    if column is None:
        raise InputError(
            f"{table.path}, line {table.header_line}: none of the columns "
            f"{', '.join(table.frame.columns[:8])} holds the {what}; call it {known[0]}"
        )
    return column


def _years(path: Path, when: pl.Series, line: np.ndarray) -> tuple[np.ndarray, bool]:
    """Years: of age, or since 1970-01-01; NaN where unknown. And whether it is the latter."""
    ages = when.cast(pl.Float64, strict=False)
    form = "%Y%m%d" if _are_compact_dates(when.drop_nulls()) else "%Y-%m-%d"
    days = when.str.slice(0, 10).str.to_date(form, strict=False)
    n_known = len(when) - when.null_count()
    is_date = bool(days.is_not_null().any())
    value = days.cast(pl.Int32).cast(pl.Float64) / _DAYS_A_YEAR if is_date else ages
    numbers = value.fill_null(np.nan).to_numpy()
    if np.isfinite(numbers).sum() != n_known:
        row = int(np.flatnonzero(when.is_not_null().to_numpy() & ~np.isfinite(numbers))[0])
        what = (
            "a date as YYYY-MM-DD, as others are" if is_date else "a date as YYYY-MM-DD or an age"
        )
        raise InputError(f"{path}, line {line[row]}: {when[row]!r} is not {what}; correct it")
    if not is_date and (old := np.flatnonzero(numbers > _OLDEST)).size:
        raise InputError(
            f"{path}, line {line[old[0]]}: {when[int(old[0])]!r} is no age in years; give dates as "
            "YYYY-MM-DD, or ages"
        )
    return numbers, is_date
